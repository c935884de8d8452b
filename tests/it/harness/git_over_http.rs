//! The Git command line against the HTTP server.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::process::Output;
use std::thread;

use flate2::Compression;
use flate2::write::GzEncoder;
use tempfile::TempDir;
use url::Url;

use crate::support::command::{git, run, stdout};
use crate::support::control::{Action, Fault};
use crate::support::git::{GitServer, GitServerOptions, PASSWORD, USER};
use crate::support::registry::http_client;

#[tokio::test]
async fn clone_and_push_with_credentials() {
    let repository = GitServer::shared().create_repository("http/clone-and-push", &[("a.txt", "one\n")]);
    let directory = TempDir::new().unwrap();
    let clone = directory.path().join("clone");
    repository.clone_to(&clone);
    assert_eq!(std::fs::read_to_string(clone.join("a.txt")).unwrap(), "one\n");

    let before = repository.revision("main").unwrap();
    let pushed =
        repository.push_from_another_writer("main", "second", &[("a.txt", "two\n"), ("b/c.txt", "\n")]);
    assert_eq!(repository.revision("main").unwrap(), pushed);
    assert_eq!(repository.log("main"), ["second", "initial"]);
    assert_eq!(repository.show("main", "b/c.txt"), "\n");
    let diff = repository.diff(&before, &pushed);
    assert!(diff.contains("-one\n+two"), "{diff}");
    repository.fsck();
}

#[tokio::test]
async fn commits_on_the_server_build_on_each_other() {
    let repository = GitServer::shared().create_repository("http/commits", &[]);
    assert_eq!(repository.revision("main"), None);
    let first = repository.commit_files("main", "first", &[("a", "1"), ("sub/b", "2\n")]);
    let second = repository.commit_files("main", "second", &[("a", "3")]);
    assert_ne!(first, second);
    assert_eq!(repository.log("main"), ["second", "first"]);
    assert_eq!(repository.show("main", "a"), "3");
    assert_eq!(repository.show("main", "sub/b"), "2\n");
    repository.fsck();
}

#[tokio::test]
async fn equal_repositories_have_equal_commits() {
    let server = GitServer::shared();
    let first = server.create_repository("http/equal-1", &[("a", "1")]);
    let second = server.create_repository("http/equal-2", &[("a", "1")]);
    assert_eq!(first.revision("main"), second.revision("main"));
}

#[tokio::test]
async fn nobody_reads_without_the_right_credentials() {
    let server = GitServer::shared();
    let repository = server.create_repository("http/refused", &[("a", "1")]);
    assert!(!ls_remote(&repository.url).status.success());

    let mut wrong = repository.url_with_credentials();
    wrong.set_password(Some("wrong")).unwrap();
    let output = ls_remote(&wrong);
    assert!(
        String::from_utf8_lossy(&output.stderr).contains("Authentication failed"),
        "{output:?}"
    );

    let requests = server.control().requests("http/refused").await;
    let seen: Vec<_> = requests
        .iter()
        .map(|request| (request.authorization.as_str(), request.status))
        .collect();
    assert_eq!(seen, [("", 401), ("", 401), ("Basic", 401)]);
}

#[tokio::test]
async fn protocol_version_2_passes_through() {
    let server = GitServer::shared();
    let repository = server.create_repository("http/protocol", &[("a", "1")]);
    let mut command = git(&repository.bare);
    command
        .env("GIT_TRACE_PACKET", "1")
        .args(["-c", "protocol.version=2", "ls-remote"]);
    let output = run(command.arg(repository.url_with_credentials().as_str()), b"");
    assert!(output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("< version 2"));
    let requests = server.control().requests("http/protocol").await;
    let last = requests.last().unwrap();
    assert_eq!(last.headers["Git-Protocol"], "version=2");
    assert!(last.bytes_received > 0);
    assert!(last.bytes_sent > 0);
}

#[tokio::test]
async fn streamed_pushes_and_compressed_requests_are_understood() {
    let server = GitServer::shared();
    let repository = server.create_repository("http/encodings", &[("a", "1")]);
    let directory = TempDir::new().unwrap();
    let clone = directory.path().join("clone");
    repository.clone_to(&clone);
    // Does not compress below the buffer of 64 KiB from which on Git streams.
    let mut noise = String::new();
    for n in 0..40_000_u64 {
        writeln!(noise, "{:x}", n.wrapping_mul(0x9E37_79B9_7F4A_7C15)).unwrap();
    }
    std::fs::write(clone.join("noise"), noise).unwrap();
    stdout(git(&clone).args(["add", "--all"]));
    stdout(git(&clone).args(["commit", "--quiet", "--message=noise"]));
    stdout(git(&clone).args([
        "-c",
        "http.postBuffer=65536",
        "push",
        "--quiet",
        "origin",
        "HEAD:main",
    ]));
    assert_eq!(repository.log("main"), ["noise", "initial"]);
    let requests = server
        .control()
        .requests("http/encodings.git/git-receive-pack")
        .await;
    let push = requests.last().unwrap();
    assert_eq!(push.content_length, -1);
    assert!(push.bytes_received > 64 << 10, "{}", push.bytes_received);

    let mut request = GzEncoder::new(Vec::new(), Compression::fast());
    request.write_all(b"0014command=ls-refs\n00010000").unwrap();
    let response = http_client(None, None)
        .post(format!("{}/git-upload-pack", repository.url))
        .basic_auth(USER, Some(PASSWORD))
        .header("Git-Protocol", "version=2")
        .header("Content-Type", "application/x-git-upload-pack-request")
        .header("Content-Encoding", "gzip")
        .body(request.finish().unwrap())
        .send()
        .await
        .unwrap();
    let refs = response.text().await.unwrap();
    assert!(
        refs.contains(&format!(
            "{} refs/heads/main",
            repository.revision("main").unwrap()
        )),
        "{refs}"
    );
}

#[tokio::test]
async fn the_answer_of_a_push_can_get_lost() {
    let server = GitServer::shared();
    let repository = server.create_repository("http/lost-answer", &[("a", "1")]);
    let clone = Clone::with_a_commit(&repository.url_with_credentials());
    let fault = Fault::new(Action::DropResponse, "http/lost-answer.git/git-receive-pack").method("POST");
    server.control().order(&fault).await;
    assert!(!clone.push().status.success());
    assert_eq!(
        repository.log("main"),
        ["local", "initial"],
        "the server did its work"
    );
    let requests = server
        .control()
        .requests("http/lost-answer.git/git-receive-pack")
        .await;
    // Git's HTTP library repeats a request at once when a connection that it had used before ends
    // without an answer: the second attempt finds the branch moved by the first.
    let lost = requests.iter().find(|request| !request.fault.is_empty()).unwrap();
    assert_eq!(
        (lost.fault.as_str(), lost.status, lost.bytes_sent),
        ("drop-response", 200, 0)
    );
}

#[tokio::test]
async fn a_dropped_request_never_reaches_the_repository() {
    let server = GitServer::shared();
    let repository = server.create_repository("http/lost-request", &[("a", "1")]);
    let clone = Clone::with_a_commit(&repository.url_with_credentials());
    // Twice, because Git's HTTP library repeats the request on a fresh connection by itself.
    let fault = Fault::new(Action::DropRequest, "http/lost-request.git/git-receive-pack").times(2);
    server.control().order(&fault).await;
    assert!(!clone.push().status.success());
    assert_eq!(repository.log("main"), ["initial"]);
    assert!(clone.push().status.success(), "the fault happens twice");
}

#[tokio::test]
async fn the_server_answers_with_an_ordered_status_as_often_as_ordered() {
    let server = GitServer::shared();
    let repository = server.create_repository("http/unavailable", &[("a", "1")]);
    server
        .control()
        .order(
            &Fault::status(503, "http/unavailable")
                .times(2)
                .header("Retry-After", "7"),
        )
        .await;
    let url = repository.url_with_credentials();
    for _ in 0..2 {
        let output = ls_remote(&url);
        assert!(
            String::from_utf8_lossy(&output.stderr).contains("503"),
            "{output:?}"
        );
    }
    assert!(ls_remote(&url).status.success());
}

#[tokio::test]
async fn a_hook_refuses_a_push_with_its_own_words() {
    let repository = GitServer::shared().create_repository("http/hook", &[("a", "1")]);
    repository.install_hook("pre-receive", "echo 'main is frozen' >&2; exit 1");
    let output = Clone::with_a_commit(&repository.url_with_credentials()).push();
    assert!(!output.status.success());
    assert!(
        String::from_utf8_lossy(&output.stderr).contains("remote: main is frozen"),
        "{output:?}"
    );
    assert_eq!(repository.log("main"), ["initial"]);
}

#[tokio::test]
async fn of_two_pushes_the_held_one_comes_too_late() {
    let server = GitServer::shared();
    let repository = server.create_repository("http/race", &[("a", "1")]);
    let clone = Clone::with_a_commit(&repository.url_with_credentials());
    let place = "http/race.git/git-receive-pack";
    server
        .control()
        .order(&Fault::new(Action::HoldRequest, place).method("POST"))
        .await;
    let push = thread::spawn(move || clone.push());
    server.control().await_held(place, 1).await;
    repository.push_from_another_writer("main", "faster", &[("b", "1")]);
    server.control().clear_faults(place).await;
    let output = push.join().unwrap();
    assert!(!output.status.success());
    assert_eq!(repository.log("main"), ["faster", "initial"]);
}

#[tokio::test]
async fn a_held_answer_arrives_after_the_work_is_done() {
    let server = GitServer::shared();
    let repository = server.create_repository("http/late-answer", &[("a", "1")]);
    let clone = Clone::with_a_commit(&repository.url_with_credentials());
    let place = "http/late-answer.git/git-receive-pack";
    server
        .control()
        .order(&Fault::new(Action::HoldResponse, place).method("POST"))
        .await;
    let push = thread::spawn(move || clone.push());
    server.control().await_held(place, 1).await;
    assert_eq!(repository.log("main"), ["local", "initial"]);
    server.control().clear_faults(place).await;
    assert!(push.join().unwrap().status.success());
}

#[tokio::test]
async fn tls_is_trusted_with_the_authority_only() {
    let server = GitServer::start(GitServerOptions {
        tls: true,
        ..GitServerOptions::default()
    });
    let repository = server.create_repository("apps", &[("a", "1")]);
    assert_eq!(repository.url.scheme(), "https");
    let output = ls_remote(&repository.url_with_credentials());
    assert!(
        String::from_utf8_lossy(&output.stderr).contains("certificate"),
        "{output:?}"
    );
    repository.push_from_another_writer("main", "over TLS", &[("a", "2")]);
    assert_eq!(repository.log("main"), ["over TLS", "initial"]);
}

#[tokio::test]
async fn a_client_certificate_can_be_required() {
    let options = GitServerOptions {
        tls: true,
        require_client_certificate: true,
        ..Default::default()
    };
    let server = GitServer::start(options);
    let repository = server.create_repository("apps", &[("a", "1")]);
    let ls_remote = |identity: bool| {
        let mut command = repository.client(&repository.bare);
        let ready = server.ready();
        if identity {
            command.env("GIT_SSL_CERT", ready.client_certificate.as_ref().unwrap());
            command.env("GIT_SSL_KEY", ready.client_key.as_ref().unwrap());
        }
        run(
            command.args(["ls-remote", repository.url_with_credentials().as_str()]),
            b"",
        )
    };
    assert!(!ls_remote(false).status.success());
    assert!(ls_remote(true).status.success());
}

#[tokio::test]
async fn everybody_may_read_and_a_token_may_write_where_allowed() {
    let options = GitServerOptions {
        anonymous_read: true,
        bearer: Some("t0ken"),
        ..Default::default()
    };
    let repository = GitServer::start(options).create_repository("apps", &[("a", "1")]);
    let clone = Clone::with_a_commit(&repository.url);
    assert!(!clone.push().status.success());
    let mut command = git(&clone.directory.path().join("clone"));
    command.args([
        "-c",
        "http.extraHeader=Authorization: Bearer t0ken",
        "push",
        "--quiet",
        "origin",
        "HEAD:main",
    ]);
    stdout(&mut command);
    assert_eq!(repository.log("main"), ["local", "initial"]);
}

fn ls_remote(url: &Url) -> Output {
    run(git(Path::new("/")).args(["ls-remote", url.as_str()]), b"")
}

/// A clone with a commit `local` that is not pushed yet.
struct Clone {
    directory: TempDir,
}

impl Clone {
    fn with_a_commit(url: &Url) -> Self {
        let directory = TempDir::new().unwrap();
        stdout(git(directory.path()).args(["clone", "--quiet", url.as_str(), "clone"]));
        let clone = directory.path().join("clone");
        std::fs::write(clone.join("local"), "1").unwrap();
        stdout(git(&clone).args(["add", "--all"]));
        stdout(git(&clone).args(["commit", "--quiet", "--message=local"]));
        Self { directory }
    }

    fn push(&self) -> Output {
        run(
            git(&self.directory.path().join("clone")).args(["push", "--quiet", "origin", "HEAD:main"]),
            b"",
        )
    }
}
