//! Accesses and mirrors.

use std::sync::Arc;
use std::time::Duration;

use fluxbot_api::source::GitProvider;
use fluxbot_git::{Credential, RefQuery};
use rstest::rstest;
use tokio_util::sync::CancellationToken;

use super::{AccessSources, Bound, GitAccess, Mirrors};
use crate::http::{HttpClients, SecretData};

const URL: &str = "https://git.example.org/team/fleet.git";

fn data(pairs: &[(&str, &str)]) -> SecretData {
    pairs
        .iter()
        .map(|(key, value)| ((*key).to_owned(), value.as_bytes().to_vec()))
        .collect()
}

fn access(url: &str, secret: &[(&str, &str)]) -> Result<GitAccess, String> {
    let secret = data(secret);
    let sources = AccessSources {
        secret: Some(&secret),
        ..AccessSources::default()
    };
    GitAccess::new(url, &sources).map_err(|error| error.to_string())
}

fn basic(username: &str, password: &str) -> Credential {
    Credential::Basic {
        username: username.to_owned(),
        password: password.to_owned(),
    }
}

#[rstest]
#[case::nothing(URL, &[], Credential::None)]
#[case::basic(URL, &[("username", "u"), ("password", "p")], basic("u", "p"))]
#[case::user_alone(URL, &[("username", "token")], basic("token", ""))]
#[case::from_the_url("https://u:p@git.example.org/x", &[], basic("u", "p"))]
#[case::user_from_the_url("https://u@git.example.org/x", &[("password", "p")], basic("u", "p"))]
#[case::the_secret_wins("https://u:p@git.example.org/x", &[("username", "a"), ("password", "b")], basic("a", "b"))]
#[case::bearer_wins(URL, &[("bearerToken", "t"), ("username", "u"), ("password", "p")], Credential::Bearer("t".to_owned()))]
#[case::keys_for_ssh_mean_nothing_to_http(URL, &[("identity", "x"), ("known_hosts", "y")], Credential::None)]
fn a_credential_comes_from_the_keys_of_flux(
    #[case] url: &str,
    #[case] secret: &[(&str, &str)],
    #[case] expected: Credential,
) {
    assert!(access(url, secret).unwrap().credential == expected);
}

#[rstest]
#[case(URL, &[("password", "hunter2")], "invalid 'https' auth option: 'password' requires 'username' to be set")]
#[case(URL, &[("bearerToken", "hunter2\n")], "the Git Secret's key 'bearerToken' contains a control character, such as a line feed at its end")]
#[case(URL, &[("tls.crt", "hunter2")], "the Secret contains 'tls.crt' but is missing 'tls.key'")]
#[case(URL, &[("githubAppID", "1")], "secretRef has github app data but provider is not set to github")]
#[case("ssh://git@git.example.org/x", &[], "invalid 'ssh' auth option: 'identity' is required")]
#[case("ssh://git@git.example.org/x", &[("identity", "hunter2")], "invalid 'ssh' auth option: 'known_hosts' is required")]
#[case("ssh://git@git.example.org/x", &[("identity", "hunter2"), ("known_hosts", "y")], "the Git Secret cannot be used for SSH: the private key cannot be read: it is not in the OpenSSH or PEM format")]
#[case("git@git.example.org:team/fleet", &[], "git URL of the form 'user@host:path' is not supported: write it as ssh://user@host/path")]
fn what_cannot_be_used_is_named_without_its_value(
    #[case] url: &str,
    #[case] secret: &[(&str, &str)],
    #[case] expected: &str,
) {
    assert_eq!(access(url, secret).unwrap_err(), expected);
}

#[test]
fn providers_and_service_accounts_are_refused_by_their_fields() {
    let of = |sources: AccessSources<'_>| GitAccess::new(URL, &sources).unwrap_err().to_string();
    let provider = AccessSources {
        provider: Some(&GitProvider::Azure),
        ..AccessSources::default()
    };
    assert_eq!(
        of(provider),
        "spec.provider 'azure' is not supported yet: use the provider generic with a token in spec.secretRef"
    );
    let account = AccessSources {
        provider: Some(&GitProvider::Generic),
        service_account: Some("tenant"),
        ..AccessSources::default()
    };
    assert_eq!(
        of(account),
        "spec.serviceAccountName is not supported yet: use a token in spec.secretRef"
    );
}

#[test]
fn a_github_app_is_refused_without_its_secret_and_over_ssh() {
    let of = |url: &str, provider: &GitProvider, data: Option<&SecretData>| {
        let sources = AccessSources {
            provider: Some(provider),
            secret_name: Some("flux-system/app"),
            secret: data,
            ..AccessSources::default()
        };
        GitAccess::new(url, &sources).unwrap_err().to_string()
    };
    let (basic, app) = (data(&[("username", "u")]), data(&[("githubAppID", "1")]));
    let missing = "secretRef with github app data must be specified when provider is set to github";
    assert_eq!(of(URL, &GitProvider::GitHub, None), missing);
    assert_eq!(of(URL, &GitProvider::GitHub, Some(&basic)), missing);
    assert_eq!(
        of(URL, &GitProvider::GitHub, Some(&app)),
        "secret 'flux-system/app': key 'githubAppPrivateKey' not found"
    );
    assert_eq!(
        of(URL, &GitProvider::Generic, Some(&app)),
        "secretRef 'flux-system/app' has github app data but provider is not set to github"
    );
    assert_eq!(
        of("ssh://git@git.example.org/x", &GitProvider::GitHub, Some(&app)),
        "spec.provider 'github' with an ssh:// URL is not supported yet: use the https:// URL of the repository"
    );
}

/// One who has no time left does not decide for others who wait for the same.
#[tokio::test(flavor = "multi_thread")]
async fn each_of_those_who_share_a_mirror_waits_for_its_own_time() {
    let server = Endless::start(None);
    let folder = tempfile::tempdir().unwrap();
    let mirror = server.mirror(folder.path());
    let fetch = |limit: u64| {
        let mirror = Arc::clone(&mirror);
        let bound = Bound::new(Duration::from_millis(limit), CancellationToken::new());
        let fetch = move || bound.hold(|| mirror.fetch(&[RefQuery::branch("main").unwrap()]).map(drop));
        tokio::task::spawn_blocking(fetch)
    };
    let limits = [200, 300, 400, 1500];
    let fetches = limits.map(fetch);
    for (limit, fetch) in limits.into_iter().zip(fetches) {
        let error = fetch.await.unwrap().unwrap_err().to_string();
        let expected = format!(
            "no complete answer within {}",
            fluxbot_api::Duration::from(Duration::from_millis(limit))
        );
        assert!(error.ends_with(&expected), "{limit}: {error}");
    }
}

#[test]
fn certificates_and_proxy_become_settings_and_are_never_shown() {
    let secret = data(&[
        ("ca.crt", "authority"),
        ("caFile", "older"),
        ("tls.crt", "certificate"),
        ("tls.key", "hunter2"),
        ("username", "u"),
        ("password", "hunter2"),
    ]);
    let proxy = data(&[
        ("address", "http://proxy:3128"),
        ("username", "p"),
        ("password", "hunter2"),
    ]);
    let sources = AccessSources {
        secret: Some(&secret),
        proxy: Some(&proxy),
        ..AccessSources::default()
    };
    let access = GitAccess::new(URL, &sources).unwrap();
    assert_eq!(access.settings.root_certificates, [b"authority".to_vec()]);
    assert!(access.settings.client_certificate.is_some() && access.settings.proxy.is_some());
    let shown = format!("{sources:?} {access:?} {:?}", access.identity());
    assert!(
        !shown.contains("hunter2") && !shown.contains("aHVudGVyMg"),
        "{shown}"
    );
}

#[test]
fn identities_are_equal_for_equal_accesses_and_differ_for_every_difference() {
    let variants = [
        access(URL, &[]),
        access(URL, &[("username", "ab"), ("password", "c")]),
        access(URL, &[("username", "a"), ("password", "bc")]),
        access(URL, &[("bearerToken", "abc")]),
        access(URL, &[("ca.crt", "abc")]),
        access(URL, &[("tls.crt", "abc"), ("tls.key", "d")]),
    ];
    let identities: Vec<_> = variants
        .iter()
        .map(|access| access.as_ref().unwrap().identity())
        .collect();
    let distinct: std::collections::BTreeSet<_> = identities.iter().collect();
    assert_eq!(distinct.len(), identities.len());
    assert_eq!(
        access(URL, &[("bearerToken", "abc")]).unwrap().identity(),
        identities[3]
    );
}

#[tokio::test]
async fn all_who_open_the_same_repository_with_the_same_access_get_one_mirror() {
    let folder = tempfile::tempdir().unwrap();
    let mirrors = Mirrors::new(folder.path(), HttpClients::new());
    let access = access(URL, &[("username", "u"), ("password", "p")]).unwrap();
    let opened: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| mirrors.open(URL, &access).unwrap()))
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(opened.iter().all(|mirror| Arc::ptr_eq(mirror, &opened[0])));
    let anonymous = mirrors.open(URL, &GitAccess::default()).unwrap();
    assert!(!Arc::ptr_eq(&anonymous, &opened[0]));
    let names: Vec<String> = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(names.len(), 2);
    assert!(
        names
            .iter()
            .all(|name| name.len() == 32 && !name.contains("fleet")),
        "{names:?}"
    );
}

#[tokio::test]
async fn an_open_that_failed_is_tried_again() {
    let folder = tempfile::tempdir().unwrap();
    let blocked = folder.path().join("mirrors");
    std::fs::write(&blocked, "a file is in the way").unwrap();
    let mirrors = Mirrors::new(&blocked, HttpClients::new());
    assert!(mirrors.open(URL, &GitAccess::default()).is_err());
    std::fs::remove_file(&blocked).unwrap();
    mirrors.open(URL, &GitAccess::default()).unwrap();
    assert!(mirrors.open("ext::sh -c id", &GitAccess::default()).is_err());
}

#[tokio::test]
async fn mirrors_that_nobody_uses_are_swept_and_others_are_not() {
    let folder = tempfile::tempdir().unwrap();
    let mirrors = Mirrors::new(folder.path(), HttpClients::new());
    let count = || std::fs::read_dir(folder.path()).unwrap().count();
    let held = mirrors.open(URL, &GitAccess::default()).unwrap();
    drop(
        mirrors
            .open("https://git.example.org/other", &GitAccess::default())
            .unwrap(),
    );
    assert_eq!(mirrors.sweep(Duration::from_hours(1)), 0);
    assert_eq!(mirrors.sweep(Duration::ZERO), 1);
    assert_eq!(count(), 1);
    // Those of an earlier process are swept too, unless somebody holds their lock.
    let later = Mirrors::new(folder.path(), HttpClients::new());
    assert_eq!(later.sweep(Duration::ZERO), 0);
    drop((held, mirrors));
    assert_eq!(later.sweep(Duration::ZERO), 1);
    assert_eq!(count(), 0);
}

/// A server that begins each answer and never ends it.
struct Endless {
    address: std::net::SocketAddr,
    /// Told when the client has closed a connection.
    closed: std::sync::mpsc::Receiver<()>,
}

impl Endless {
    /// Sends a byte after each pause; nothing at all without one.
    fn start(pause: Option<Duration>) -> Self {
        use std::io::{Read as _, Write as _};
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (tell, closed) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            for connection in listener.incoming() {
                let mut connection = connection.unwrap();
                drop(connection.read(&mut [0; 4096]));
                let head = "HTTP/1.1 200 OK\r\ncontent-type: application/x-git-upload-pack-advertisement\r\n\
                            content-length: 60000\r\n\r\nfff0";
                connection.write_all(head.as_bytes()).unwrap();
                match pause {
                    None => drop(connection.read(&mut [0; 1])),
                    Some(pause) => {
                        while connection.write_all(b"x").is_ok() {
                            std::thread::sleep(pause);
                        }
                    }
                }
                tell.send(()).ok();
            }
        });
        Self { address, closed }
    }

    fn mirror(&self, folder: &std::path::Path) -> Arc<fluxbot_git::Mirror> {
        let mirrors = Mirrors::new(folder, HttpClients::new());
        let url = format!("http://{}/x", self.address);
        mirrors.open(&url, &GitAccess::default()).unwrap()
    }
}

#[rstest]
#[case::stalls(None)]
#[case::trickles(Some(Duration::from_millis(10)))]
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_comes_to_no_end_is_given_up_with_the_bound_of_the_work(
    #[case] pause: Option<Duration>,
) {
    let server = Endless::start(pause);
    let folder = tempfile::tempdir().unwrap();
    let mirror = server.mirror(folder.path());
    let bound = Bound::new(Duration::from_millis(300), CancellationToken::new());
    let fetch = move || bound.hold(|| mirror.fetch(&[RefQuery::branch("main").unwrap()]).map(drop));
    let error = tokio::task::spawn_blocking(fetch).await.unwrap().unwrap_err();
    let host = server.address;
    // On a busy machine the time may be over before the head of the answer is there.
    let text = error.to_string();
    assert!(
        text.starts_with(&format!("git server {host} cannot be reached: "))
            && text.ends_with("no complete answer within 300ms"),
        "{text}"
    );
    server.closed.recv().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn work_whose_caller_has_gone_ends_and_leaves_its_thread_without_a_bound() {
    let server = Endless::start(None);
    let folder = tempfile::tempdir().unwrap();
    let mirror = server.mirror(folder.path());
    let cancel = CancellationToken::new();
    let bound = Bound::new(Duration::from_hours(1), cancel.clone());
    let fetch = move || {
        let fetched = bound.hold(|| mirror.fetch(&[RefQuery::branch("main").unwrap()]).map(drop));
        (fetched, Bound::current().is_none())
    };
    let thread = tokio::task::spawn_blocking(fetch);
    cancel.cancel();
    let (fetched, is_free) = thread.await.unwrap();
    let error = fetched.unwrap_err().to_string();
    assert!(error.ends_with("the operation was cancelled"), "{error}");
    assert!(is_free);
}
