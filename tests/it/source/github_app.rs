//! A repository behind a GitHub App: tokens asked for once, replaced in time, and never shown.

use std::sync::Arc;
use std::time::{Duration, Instant};

use fluxbot::committer::Writer;
use fluxbot::git::{AccessSources, GitAccess};
use fluxbot::http::SecretData;
use fluxbot::source::git::Resolved;
use fluxbot_api::source::GitProvider;
use fluxbot_git::{FetchError, Mirror, RefQuery, RemoteFailure};
use rstest::rstest;

use super::fixture::{Lab, branch, look};
use crate::support::git::{GitServer, Repository};
use crate::support::github::{APP, GitHub, INSTALLATION, OWNER};
use crate::support::proxy::{PROXY_PASSWORD, PROXY_USER, Proxy, unused_address};

const SECRET: &str = "flux-system/app";

fn secret(pairs: &[(&str, &str)]) -> SecretData {
    pairs
        .iter()
        .map(|(key, value)| ((*key).to_owned(), value.as_bytes().to_vec()))
        .collect()
}

/// The Secret of the App.
fn app(github: &GitHub) -> SecretData {
    secret(&[
        ("githubAppID", APP),
        ("githubAppInstallationID", INSTALLATION),
        ("githubAppPrivateKey", &github.key),
        ("githubAppBaseURL", &github.api()),
    ])
}

async fn access(url: &str, secret: &SecretData, proxy: Option<&SecretData>) -> GitAccess {
    let sources = AccessSources {
        provider: Some(&GitProvider::GitHub),
        secret_name: Some(SECRET),
        secret: Some(secret),
        proxy,
        ..AccessSources::default()
    };
    GitAccess::read(url, &sources).await.unwrap()
}

fn repository(name: &str) -> Repository {
    GitServer::shared().create_repository(name, &[("apps/a.yaml", "one\n")])
}

async fn head(mirror: &Arc<Mirror>) -> Result<String, String> {
    let looked = look(Arc::clone(mirror), Some(branch("main")), None).await;
    match looked.map_err(|error| error.to_string())? {
        Resolved::Fetched(checkout) => Ok(checkout.commit.to_string()),
        Resolved::Unchanged(revision) => panic!("{revision}"),
    }
}

async fn fetch(mirror: &Arc<Mirror>) -> Result<(), FetchError> {
    let mirror = Arc::clone(mirror);
    let work = move || mirror.fetch(&[RefQuery::branch("main").unwrap()]).map(drop);
    tokio::task::spawn_blocking(work).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn all_sources_of_an_app_share_one_token() {
    let github = GitHub::start();
    let lab = Lab::new();
    let repositories: Vec<Repository> = (0..4).map(|n| repository(&format!("github-app-{n}"))).collect();
    let data = app(&github);
    let mut reads = Vec::new();
    for repository in &repositories {
        let url = github.url(repository);
        let mirror = lab.mirrors.open(&url, &access(&url, &data, None).await).unwrap();
        let expected = repository.revision("main").unwrap();
        reads.push(tokio::spawn(async move { (head(&mirror).await, expected) }));
    }
    for read in reads {
        let (found, expected) = read.await.unwrap();
        assert_eq!(found.unwrap(), expected);
    }
    assert_eq!(github.issued(), 1);
    assert_eq!(
        github.lines(),
        [format!("POST app/installations/{INSTALLATION}/access_tokens")]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_installation_is_found_by_its_owner_and_an_automation_pushes_with_the_token() {
    let github = GitHub::start();
    let lab = Lab::new();
    let repository = repository("github-app-push");
    let url = github.url(&repository);
    let data = secret(&[
        ("githubAppID", APP),
        ("githubAppInstallationOwner", OWNER),
        ("githubAppPrivateKey", &github.key),
        ("githubAppBaseURL", &format!("{}/", github.api())),
    ]);
    let access = access(&url, &data, None).await;
    let mirror = lab.mirrors.open(&url, &access).unwrap();
    let pushed = tokio::task::spawn_blocking(move || {
        let writer = Writer::on(Arc::clone(&mirror));
        assert!(writer.read(None).is_ok());
        super::mirrors::push(
            &mirror,
            &fluxbot_git::RefName::branch("main").unwrap(),
            "apps/b.yaml",
        )
    });
    let pushed = pushed.await.unwrap();
    assert_eq!(repository.revision("main"), Some(pushed.to_string()));
    assert_eq!(
        github.lines(),
        [
            format!("GET orgs/{OWNER}/installation"),
            format!("GET users/{OWNER}/installation"),
            format!("POST app/installations/{INSTALLATION}/access_tokens"),
        ]
    );
    // Nothing of it is shown or stored.
    let shown = format!("{access:?} {:?}", lab.mirrors);
    assert!(
        !shown.contains("ghs_") && !shown.contains("PRIVATE KEY"),
        "{shown}"
    );
    let stored = std::process::Command::new("grep")
        .args(["-rlaE", "ghs_t0ken|x-access-token|PRIVATE KEY"])
        .arg(lab.folder.path())
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&stored.stdout), "");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_replaced_when_it_ends_and_when_it_is_taken_back() {
    let github = GitHub::start();
    let lab = Lab::new();
    let repository = repository("github-app-ends");
    let url = github.url(&repository);
    let access = access(&url, &app(&github), None).await;
    github.set_lifetime(2);
    let mirror = lab.mirrors.open(&url, &access).unwrap();
    fetch(&mirror).await.unwrap();
    github.set_lifetime(3600);
    let deadline = Instant::now() + Duration::from_secs(30);
    while github.issued() < 2 {
        assert!(Instant::now() < deadline, "the token is used beyond its time");
        fetch(&mirror).await.unwrap();
    }
    github.revoke();
    // A brand-new token is not replaced: within its first second a refusal is believed.
    let deadline = Instant::now() + Duration::from_secs(30);
    while let Err(error) = fetch(&mirror).await {
        assert!(
            matches!(error, FetchError::Remote(RemoteFailure::Unauthorized { .. })),
            "{error:?}"
        );
        assert!(Instant::now() < deadline, "{error}");
    }
    assert_eq!(github.issued(), 3);
    // It is still the same mirror.
    assert!(Arc::ptr_eq(&mirror, &lab.mirrors.open(&url, &access).unwrap()));
}

#[rstest]
#[case::refused(
    Some((403, "This installation has been suspended")),
    false,
    "refused a token for the installation: 403 Forbidden, This installation has been suspended"
)]
#[case::unwell(Some((502, "Server Error")), true, "is not available: 502 Bad Gateway, Server Error")]
#[tokio::test(flavor = "multi_thread")]
async fn an_app_without_token_is_told_with_its_secret(
    #[case] refusal: Option<(u16, &'static str)>,
    #[case] transient: bool,
    #[case] expected: &str,
) {
    let github = GitHub::start();
    let lab = Lab::new();
    let repository = repository(&format!("github-app-refused-{transient}"));
    let url = github.url(&repository);
    github.refuse(refusal);
    let mirror = lab
        .mirrors
        .open(&url, &access(&url, &app(&github), None).await)
        .unwrap();
    let error = fetch(&mirror).await.unwrap_err();
    let FetchError::Remote(RemoteFailure::NoCredential { is_transient, .. }) = &error else {
        panic!("{error:?}");
    };
    assert_eq!(*is_transient, transient);
    let text = error.to_string();
    let start = format!(
        "no credential for git server {host}: GitHub App {APP} of secret '{SECRET}': the GitHub API at {host} ",
        host = github.api().split('/').nth(2).unwrap(),
    );
    assert_eq!(text, format!("{start}{expected}"));
    let asked = github.lines().len();
    fetch(&mirror).await.unwrap_err();
    assert_eq!(github.lines().len(), asked, "a failure is believed for a while");
    github.refuse(None);
    let deadline = Instant::now() + Duration::from_secs(30);
    while fetch(&mirror).await.is_err() {
        assert!(Instant::now() < deadline);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_key_is_refused_by_the_api_and_an_api_that_is_not_there_is_transient() {
    let github = GitHub::start();
    let lab = Lab::new();
    let repository = repository("github-app-key");
    let url = github.url(&repository);
    let (other, _) = crate::support::github::key_pair();
    let mut data = app(&github);
    data.insert("githubAppPrivateKey".to_owned(), other.into_bytes());
    let mirror = lab.mirrors.open(&url, &access(&url, &data, None).await).unwrap();
    let text = fetch(&mirror).await.unwrap_err().to_string();
    assert!(
        text.ends_with("401 Unauthorized, A JSON web token could not be decoded"),
        "{text}"
    );
    let mut data = app(&github);
    let nowhere = format!("http://{}/", unused_address());
    data.insert("githubAppBaseURL".to_owned(), nowhere.into_bytes());
    let mirror = lab.mirrors.open(&url, &access(&url, &data, None).await).unwrap();
    let error = fetch(&mirror).await.unwrap_err();
    let FetchError::Remote(RemoteFailure::NoCredential {
        is_transient: true, ..
    }) = &error
    else {
        panic!("{error:?}");
    };
}

#[tokio::test(flavor = "multi_thread")]
async fn the_api_is_asked_through_the_proxy_of_the_object() {
    let github = GitHub::start();
    let lab = Lab::new();
    let repository = repository("github-app-proxy");
    let url = github.url(&repository);
    let proxy = Proxy::socks();
    let settings = secret(&[
        ("address", &proxy.url),
        ("username", PROXY_USER),
        ("password", PROXY_PASSWORD),
    ]);
    let access = access(&url, &app(&github), Some(&settings)).await;
    let mirror = lab.mirrors.open(&url, &access).unwrap();
    fetch(&mirror).await.unwrap();
    let host = github.api().split('/').nth(2).unwrap().to_owned();
    let seen = proxy.seen();
    // One connection for the token, at least one for the repository.
    assert!(
        seen.len() >= 2 && seen.iter().all(|address| *address == host),
        "{seen:?}"
    );
    assert_eq!(github.issued(), 1);
}
