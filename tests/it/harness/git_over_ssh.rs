//! The Git command line against the SSH server, with OpenSSH as its client.

use std::process::{Command, Output};

use tempfile::TempDir;

use crate::support::command::{git, run, stdout};
use crate::support::control::{Action, Fault};
use crate::support::git::{GitServer, Repository};
use crate::support::ssh::GitSshServer;

#[tokio::test]
async fn clone_and_push_with_the_key() {
    let (server, repository) = repository("ssh/clone-and-push");
    let directory = TempDir::new().unwrap();
    clone_with_a_commit(&server, &repository, &directory);
    assert!(push(&server, &directory).status.success());
    assert_eq!(repository.log("main"), ["local", "initial"]);
    repository.fsck();

    let requests = server.control().requests("ssh/clone-and-push").await;
    let seen: Vec<_> = requests
        .iter()
        .map(|r| (r.method.as_str(), r.protocol.as_str(), r.status))
        .collect();
    assert_eq!(seen[0], ("git-upload-pack", "version=2", 0));
    assert_eq!((seen[1].0, seen[1].2), ("git-receive-pack", 0));
    assert!(requests[1].bytes_received > 0);
}

#[tokio::test]
async fn an_unknown_key_is_refused() {
    let (server, repository) = repository("ssh/unknown-key");
    let other = GitSshServer::start(&GitServer::shared());
    let command = server
        .git_ssh_command()
        .replace(server.key().to_str().unwrap(), other.key().to_str().unwrap());
    let output = ls_remote(&server, &repository, &command);
    assert!(
        String::from_utf8_lossy(&output.stderr).contains("Permission denied"),
        "{output:?}"
    );
}

#[tokio::test]
async fn an_unknown_host_is_refused() {
    let (server, repository) = repository("ssh/unknown-host");
    let known_hosts = server.known_hosts().to_str().unwrap();
    let output = ls_remote(
        &server,
        &repository,
        &server.git_ssh_command().replace(known_hosts, "/dev/null"),
    );
    assert!(
        String::from_utf8_lossy(&output.stderr).contains("Host key verification failed"),
        "{output:?}"
    );
}

#[tokio::test]
async fn only_git_commands_run() {
    let (server, _) = repository("ssh/commands");
    let command = format!("exec {} -p \"$1\" git@127.0.0.1 id", server.git_ssh_command());
    let port = server.url(&repository("ssh/commands-2").1).port().unwrap();
    let output = run(
        Command::new("sh").args(["-c", &command, "sh", &port.to_string()]),
        b"",
    );
    assert!(!output.status.success());
    assert!(output.stdout.is_empty(), "{output:?}");
}

#[tokio::test]
async fn the_answer_of_a_push_can_get_lost() {
    let (server, repository) = repository("ssh/lost-answer");
    let directory = TempDir::new().unwrap();
    clone_with_a_commit(&server, &repository, &directory);
    let fault = Fault::new(Action::DropResponse, "ssh/lost-answer").method("git-receive-pack");
    server.control().order(&fault).await;
    assert!(!push(&server, &directory).status.success());
    assert_eq!(
        repository.log("main"),
        ["local", "initial"],
        "the server did its work"
    );
}

#[tokio::test]
async fn a_dropped_request_never_reaches_the_repository() {
    let (server, repository) = repository("ssh/lost-request");
    let directory = TempDir::new().unwrap();
    clone_with_a_commit(&server, &repository, &directory);
    let fault = Fault::new(Action::DropRequest, "ssh/lost-request").method("git-receive-pack");
    server.control().order(&fault).await;
    assert!(!push(&server, &directory).status.success());
    assert_eq!(repository.log("main"), ["initial"]);
    assert!(
        push(&server, &directory).status.success(),
        "the fault happens once"
    );
}

fn repository(name: &str) -> (GitSshServer, Repository) {
    let repository = GitServer::shared().create_repository(name, &[("a", "1")]);
    (GitSshServer::shared(), repository)
}

fn ls_remote(server: &GitSshServer, repository: &Repository, ssh_command: &str) -> Output {
    let mut command = git(&repository.bare);
    command
        .env("GIT_SSH_COMMAND", ssh_command)
        .args(["ls-remote", server.url(repository).as_str()]);
    run(&mut command, b"")
}

fn clone_with_a_commit(server: &GitSshServer, repository: &Repository, directory: &TempDir) {
    let clone = directory.path().join("clone");
    let mut command = git(directory.path());
    command.env("GIT_SSH_COMMAND", server.git_ssh_command());
    stdout(command.args(["clone", "--quiet", server.url(repository).as_str(), "clone"]));
    std::fs::write(clone.join("local"), "1").unwrap();
    stdout(git(&clone).args(["add", "--all"]));
    stdout(git(&clone).args(["commit", "--quiet", "--message=local"]));
}

fn push(server: &GitSshServer, directory: &TempDir) -> Output {
    let mut command = git(&directory.path().join("clone"));
    command.env("GIT_SSH_COMMAND", server.git_ssh_command());
    run(command.args(["push", "--quiet", "origin", "HEAD:main"]), b"")
}
