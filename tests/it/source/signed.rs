//! A repository over SSH whose commits must be signed: read, changed and checked with the keys of Secrets.

use std::sync::Arc;

use fluxbot::git::{AccessSources, GitAccess};
use fluxbot::http::SecretData;
use fluxbot::source::git::{Checkout, Request, ResolveError, Resolved, Verification, resolve};
use fluxbot_api::Reason;
use fluxbot_api::source::GitVerificationMode;
use fluxbot_git::{
    CommitRequest, Edit, Mirror, Person, PushOptions, RefName, RefQuery, RefUpdate, SigningKey, Timestamp,
};

use super::fixture::{Lab, branch};
use crate::support::command::stdout;
use crate::support::git::{GitServer, Repository};
use crate::support::proxy::{PROXY_PASSWORD, PROXY_USER, Proxy};
use crate::support::ssh::GitSshServer;

fn secret(pairs: &[(&str, &[u8])]) -> SecretData {
    pairs
        .iter()
        .map(|(key, value)| ((*key).to_owned(), value.to_vec()))
        .collect()
}

/// The mirror of a repository, reached with the key of the SSH server.
fn mirror(lab: &Lab, repository: &Repository) -> Arc<Mirror> {
    let server = GitSshServer::shared();
    let (key, hosts) = (
        std::fs::read(server.key()).unwrap(),
        std::fs::read(server.known_hosts()).unwrap(),
    );
    let url = server.url(repository).to_string();
    let secret = secret(&[("identity", &key), ("known_hosts", &hosts)]);
    let sources = AccessSources {
        secret: Some(&secret),
        ..AccessSources::default()
    };
    lab.mirrors
        .open(&url, &GitAccess::new(&url, &sources).unwrap())
        .unwrap()
}

/// Pushes a commit that is signed with the key of the SSH server, as one Secret may serve both.
fn push_signed(mirror: &Mirror) {
    let identity = std::fs::read(GitSshServer::shared().key()).unwrap();
    let key = SigningKey::ssh(&identity, None).unwrap();
    let main = RefName::branch("main").unwrap();
    let snapshot = mirror.fetch(&[RefQuery::Name(main.clone())]).unwrap();
    let old = snapshot.head(&main);
    let bot = Person {
        name: "fluxbot".to_owned(),
        email: "bot@example.org".to_owned(),
    };
    let content = Edit::Write {
        content: b"signed\n".to_vec(),
        kind: None,
    };
    let request = CommitRequest {
        parent: old,
        edits: [("apps/a.yaml".parse().unwrap(), content)].into(),
        author: bot.clone(),
        committer: bot,
        time: Timestamp::default(),
        message: "signed".to_owned(),
    };
    let commit = snapshot.prepare(&request).unwrap().signed(&key).unwrap();
    let update = RefUpdate {
        name: main,
        old,
        new: Some(commit.id()),
    };
    mirror
        .push(&[update], &[&commit], &PushOptions::default())
        .unwrap();
}

fn look(mirror: &Mirror, mode: GitVerificationMode, keys: &SecretData) -> Result<Checkout, ResolveError> {
    let verification = Verification::new(mode, keys, jiff::Timestamp::now().as_second());
    let reference = branch("main");
    let request = Request {
        reference: Some(&reference),
        verify: Some(&verification),
        ..Request::default()
    };
    match resolve(mirror, &request)? {
        Resolved::Fetched(checkout) => Ok(*checkout),
        Resolved::Unchanged(revision) => panic!("{revision}"),
    }
}

fn reason(outcome: Result<Checkout, ResolveError>) -> (Reason, String) {
    match outcome {
        Err(ResolveError::Unverified(error)) => (error.reason(), error.to_string()),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_signed_commit_over_ssh_passes_with_its_key_and_with_no_other() {
    let repository = GitServer::shared().create_repository("source-signed", &[("apps/a.yaml", "one\n")]);
    let lab = Lab::new();
    let work = move || {
        let mirror = mirror(&lab, &repository);
        let identity = std::fs::read_to_string(GitSshServer::shared().key()).unwrap();
        let public = public_key(&identity);
        let trusted = secret(&[("bot.sshpub", public.as_bytes())]);
        let head = GitVerificationMode::Head;
        let (why, text) = reason(look(&mirror, head, &trusted));
        assert_eq!(why, Reason::InvalidCommitSignature);
        assert!(
            text.ends_with("failed: unsupported signature type: empty"),
            "{text}"
        );

        push_signed(&mirror);
        let checkout = look(&mirror, head, &trusted).unwrap();
        let verified = checkout.verified.unwrap();
        let expected = format!(
            "verified signature of\n\t- commit '{}' with key 'SHA256:",
            checkout.commit
        );
        assert!(verified.starts_with(&expected), "{verified}");

        let other = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl";
        let (why, text) = reason(look(&mirror, head, &secret(&[("x.sshpub", other.as_bytes())])));
        assert_eq!(why, Reason::InvalidCommitSignature);
        assert!(
            text.ends_with("with any of the given authorized keys: no matching key"),
            "{text}"
        );
        let (why, text) = reason(look(&mirror, GitVerificationMode::Tag, &trusted));
        assert_eq!(
            (why, text.as_str()),
            (
                Reason::InvalidVerificationMode,
                "cannot verify tag object's signature if a tag reference is not specified"
            )
        );
    };
    tokio::task::spawn_blocking(work).await.unwrap();
}

/// Looks at a tag, and checks its signature.
fn look_at_tag(mirror: &Mirror, name: &str, keys: &SecretData) -> Result<Checkout, ResolveError> {
    let now = jiff::Timestamp::now().as_second();
    let verification = Verification::new(GitVerificationMode::Tag, keys, now);
    let reference = fluxbot_api::source::GitRepositoryRef {
        tag: Some(name.to_owned()),
        ..fluxbot_api::source::GitRepositoryRef::default()
    };
    let request = Request {
        reference: Some(&reference),
        verify: Some(&verification),
        ..Request::default()
    };
    match resolve(mirror, &request)? {
        Resolved::Fetched(checkout) => Ok(*checkout),
        Resolved::Unchanged(revision) => panic!("{revision}"),
    }
}

#[tokio::test]
async fn a_server_that_lists_another_commit_for_a_signed_tag_is_not_believed() {
    let repository = GitServer::shared().create_repository("source-peeled", &[("apps/a.yaml", "one\n")]);
    let signed = repository.revision("main").unwrap();
    let other = repository.commit_files("main", "not what was signed", &[("apps/a.yaml", "evil\n")]);
    let key = GitSshServer::shared().key().to_str().unwrap().to_owned();
    stdout(repository.git().args([
        "-c",
        "gpg.format=ssh",
        "-c",
        &format!("user.signingkey={key}"),
        "tag",
        "-s",
        "-m",
        "release",
        "v1",
        &signed,
    ]));
    let tag = stdout(repository.git().args(["rev-parse", "refs/tags/v1"]));
    let lab = Lab::new();
    let honest = look_once(&lab, &repository, "v1").await.unwrap();
    assert_eq!(honest.commit.to_string(), signed);

    // Git believes what its file of packed references says about a tag, and tells it to everybody.
    std::fs::remove_file(repository.bare.join("refs/tags/v1")).unwrap();
    std::fs::write(
        repository.bare.join("packed-refs"),
        format!("# pack-refs with: peeled fully-peeled sorted \n{tag} refs/tags/v1\n^{other}\n"),
    )
    .unwrap();
    // A commit that does not come with the tag is missed; one that is there already could pass for the tag's.
    let lab = Lab::new();
    let mirror = lab.mirror(&repository);
    let fetch = move || mirror.fetch(&[RefQuery::branch("main").unwrap()]).map(drop);
    tokio::task::spawn_blocking(fetch).await.unwrap().unwrap();
    let error = look_once(&lab, &repository, "v1").await.unwrap_err();
    assert!(matches!(&error, ResolveError::Unverified(_)), "{error:?}");
    let text = error.to_string();
    assert!(
        text.ends_with(&format!("it does not lead to commit {other}, as the server says")),
        "{text}"
    );
}

/// Looks at a tag with the key of the SSH server as the one that is trusted.
async fn look_once(lab: &Lab, repository: &Repository, tag: &'static str) -> Result<Checkout, ResolveError> {
    let mirror = lab.mirror(repository);
    let identity = std::fs::read_to_string(GitSshServer::shared().key()).unwrap();
    let trusted = secret(&[("bot.sshpub", public_key(&identity).as_bytes())]);
    tokio::task::spawn_blocking(move || look_at_tag(&mirror, tag, &trusted))
        .await
        .unwrap()
}

/// A proxy for the connections of SSH, as the Secret of an object describes it.
fn through(proxy: &str, password: &str) -> Result<GitAccess, String> {
    let server = GitSshServer::shared();
    let (key, hosts) = (
        std::fs::read(server.key()).unwrap(),
        std::fs::read(server.known_hosts()).unwrap(),
    );
    let secret_data = secret(&[("identity", &key), ("known_hosts", &hosts)]);
    let proxy = secret(&[
        ("address", proxy.as_bytes()),
        ("username", PROXY_USER.as_bytes()),
        ("password", password.as_bytes()),
    ]);
    let sources = AccessSources {
        secret: Some(&secret_data),
        proxy: Some(&proxy),
        ..AccessSources::default()
    };
    GitAccess::new("ssh://git@example.org/x", &sources).map_err(|error| error.to_string())
}

#[tokio::test]
async fn ssh_goes_through_a_socks_proxy_and_through_no_other() {
    let repository = GitServer::shared().create_repository("source-ssh-proxy", &[("apps/a.yaml", "one\n")]);
    let url = GitSshServer::shared().url(&repository).to_string();
    let proxy = Proxy::socks();
    let lab = Lab::new();
    let mirror = lab
        .mirrors
        .open(&url, &through(&proxy.url, PROXY_PASSWORD).unwrap())
        .unwrap();
    let refused = lab
        .mirrors
        .open(&url, &through(&proxy.url, "hunter2").unwrap())
        .unwrap();
    let fetch = |mirror: Arc<Mirror>| {
        tokio::task::spawn_blocking(move || mirror.fetch(&[RefQuery::branch("main").unwrap()]).map(drop))
    };
    fetch(mirror).await.unwrap().unwrap();
    let host = url
        .trim_start_matches("ssh://git@")
        .split('/')
        .next()
        .unwrap()
        .to_owned();
    assert_eq!(proxy.seen(), [host]);
    let text = fetch(refused).await.unwrap().unwrap_err().to_string();
    assert!(
        text.ends_with("through the proxy 127.0.0.1: it does not accept user name and password"),
        "{text}"
    );
    assert_eq!(
        through("http://127.0.0.1:3128", PROXY_PASSWORD).unwrap_err(),
        "a proxy of the scheme 'http' with an ssh:// URL is not supported yet: use a socks5:// proxy, or the https:// URL of \
         the repository"
    );
}

/// The public half of a private key, by `ssh-keygen`.
fn public_key(identity: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key");
    std::fs::write(&path, identity).unwrap();
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let output = std::process::Command::new("ssh-keygen")
        .arg("-y")
        .arg("-f")
        .arg(&path)
        .output()
        .unwrap();
    assert!(output.status.success(), "ssh-keygen is needed");
    String::from_utf8(output.stdout).unwrap()
}
