//! `fluxbot update` over SSH, with keys and known hosts from files as OpenSSH keeps them.

use std::path::Path;

use rstest::rstest;
use tempfile::TempDir;

use super::fixture::{semver_repository, update_in};
use crate::support::cli::Fluxbot;
use crate::support::command::{git, stdout};
use crate::support::git::Repository;
use crate::support::ssh::GitSshServer;

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap()
}

fn update(repository: &Repository, arguments: &[&str]) -> Fluxbot {
    let url = GitSshServer::shared().url(repository);
    let mut all = vec!["update", "--repo", url.as_str()];
    all.extend(arguments);
    Fluxbot::new(all)
}

/// With the files where OpenSSH looks for them.
fn at_home(program: Fluxbot, key: &str) -> Fluxbot {
    let server = GitSshServer::shared();
    program
        .home_file(".ssh/id_ed25519", key)
        .home_file(".ssh/known_hosts", &read(server.known_hosts()))
}

#[tokio::test]
async fn a_commit_is_pushed_with_the_key_and_the_known_hosts_of_the_user() {
    let (registry, repository) = semver_repository("ssh-push").await;
    registry.push_tags("ssh-push", &["1.0.1"]).await;
    let key = read(GitSshServer::shared().key());
    let run = at_home(update(&repository, &["--push"]), &key).run().await;
    run.success();
    let image = registry.image("ssh-push");
    assert_eq!(repository.log("main")[0], format!("{image}:1.0.1"));
    repository.fsck();
}

#[tokio::test]
async fn the_files_may_be_named_and_the_passphrase_comes_from_the_environment() {
    let (registry, repository) = semver_repository("ssh-files").await;
    registry.push_tags("ssh-files", &["1.0.1"]).await;
    let server = GitSshServer::shared();
    let folder = TempDir::new().unwrap();
    let key = folder.path().join("key");
    std::fs::write(&key, read(server.key())).unwrap();
    std::fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let protect = std::process::Command::new("ssh-keygen")
        .args(["-q", "-p", "-a", "1", "-P", "", "-N", "hunter2", "-f"])
        .arg(&key)
        .output()
        .expect("ssh-keygen is needed");
    assert!(protect.status.success());
    let known_hosts = server.known_hosts().to_str().unwrap();
    let files = [
        "--private-key-file",
        key.to_str().unwrap(),
        "--known-hosts-file",
        known_hosts,
        "--push",
    ];
    let run = update(&repository, &files).run().await;
    let error = run.failure(2);
    assert!(
        error.contains("the private key is encrypted and no passphrase is given")
            && error.contains("hint: set FLUXBOT_SSH_PASSPHRASE"),
        "{error}"
    );
    let run = update(&repository, &files)
        .env("FLUXBOT_SSH_PASSPHRASE", "hunter3")
        .run()
        .await;
    assert!(
        run.failure(2).contains("the passphrase is wrong"),
        "{}",
        run.stderr
    );
    let run = update(&repository, &files)
        .env("FLUXBOT_SSH_PASSPHRASE", "hunter2")
        .run()
        .await;
    run.success();
    assert_eq!(
        repository.log("main")[0],
        format!("{}:1.0.1", registry.image("ssh-files"))
    );
}

#[tokio::test]
async fn a_checkout_pushes_to_its_ssh_remote() {
    let (registry, repository) = semver_repository("ssh-checkout").await;
    registry.push_tags("ssh-checkout", &["1.0.1"]).await;
    let server = GitSshServer::shared();
    let folder = TempDir::new().unwrap();
    let clone = folder.path().join("clone");
    repository.clone_to(&clone);
    let url = server.url(&repository);
    stdout(git(&clone).args(["remote", "set-url", "origin", url.as_str()]));
    let run = at_home(update_in(&clone, &["--push"]), &read(server.key()))
        .run()
        .await;
    run.success();
    let tip = repository.revision("main").unwrap();
    assert_eq!(stdout(git(&clone).args(["rev-parse", "HEAD"])), tip);
    assert_eq!(
        repository.log("main")[0],
        format!("{}:1.0.1", registry.image("ssh-checkout"))
    );
}

#[rstest]
#[case::no_key(&[], "no private key for SSH: ~/.ssh has none of id_ed25519, id_ecdsa, id_rsa")]
#[case::no_file(&["--private-key-file", "missing"], "cannot read missing: ")]
#[case::no_known_hosts(
    &["--private-key-file", "KEY", "--known-hosts-file", "missing"],
    "cannot read missing: "
)]
#[case::bad_known_hosts(
    &["--private-key-file", "KEY", "--known-hosts-file", "KEY"],
    "known_hosts line 1: "
)]
#[case::no_key_in_the_file(
    &["--private-key-file", "HOSTS", "--known-hosts-file", "HOSTS"],
    "the private key cannot be read: it is not in the OpenSSH or PEM format"
)]
#[tokio::test]
async fn what_is_missing_is_named(#[case] arguments: &[&str], #[case] expected: &str) {
    let server = GitSshServer::shared();
    let mut all = vec!["update", "--repo", "ssh://git@127.0.0.1:1/x.git"];
    for argument in arguments {
        all.push(match *argument {
            "KEY" => server.key().to_str().unwrap(),
            "HOSTS" => server.known_hosts().to_str().unwrap(),
            other => other,
        });
    }
    let run = Fluxbot::new(all).run().await;
    let error = run.failure(2);
    assert!(error.contains(expected), "{error}");
    assert!(!error.contains("PRIVATE KEY-----"), "{error}");
}

#[tokio::test]
async fn a_server_that_nobody_vouches_for_is_not_written_to() {
    let (registry, repository) = semver_repository("ssh-unknown").await;
    registry.push_tags("ssh-unknown", &["1.0.1"]).await;
    let before = repository.revision("main");
    let server = GitSshServer::shared();
    let other =
        "git.example.org ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl\n";
    let run = update(&repository, &["--push"])
        .home_file(".ssh/id_ed25519", &read(server.key()))
        .home_file(".ssh/known_hosts", other)
        .run()
        .await;
    let error = run.failure(1);
    assert!(
        error.contains("host key verification failed for 127.0.0.1:")
            && error.contains("is not in known_hosts"),
        "{error}"
    );
    assert_eq!(repository.revision("main"), before);
}
