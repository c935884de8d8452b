//! Credentials, redirects and statuses.

use crate::support::{Action, Lab, ServerOptions, TestClient, change, fetch_main, main_branch, write};
use fluxbot_git::{
    Credential, CredentialFailure, CredentialSource, FetchError, Mirror, PushError, RefQuery, Remote,
    RemoteFailure,
};
use rstest::rstest;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

fn basic() -> Credential {
    Credential::Basic {
        username: "robot".to_owned(),
        password: "hunter2".to_owned(),
    }
}

const BASIC_HEADER: &str = "Basic cm9ib3Q6aHVudGVyMg==";

#[rstest]
#[case::basic(basic(), BASIC_HEADER)]
#[case::bearer(Credential::Bearer("t0ken".to_owned()), "Bearer t0ken")]
fn a_credential_is_sent_with_every_request(#[case] credential: Credential, #[case] header: &str) {
    let lab = Lab::with_files(&[("a", "a\n")]);
    let server = lab.serve_with(ServerOptions {
        authorization: Some(header.to_owned()),
        ..ServerOptions::default()
    });
    let mirror = lab.mirror_in("mirror", &server.url(), credential);
    change(&mirror, &main_branch(), &[("a", write("b\n"))]).unwrap();
    assert!(server.take_log().iter().all(|line| line.ends_with("+auth")));
}

#[test]
fn a_credential_in_the_url_is_used_and_not_written_to_the_disk() {
    let lab = Lab::with_files(&[("a", "a\n")]);
    let options = ServerOptions {
        authorization: Some(BASIC_HEADER.to_owned()),
        ..ServerOptions::default()
    };
    let server = lab.serve_with(options);
    let url = server.url().replace("http://", "http://robot:hunter2@");
    let mirror = lab.mirror(&url);
    fetch_main(&mirror);
    let config = std::fs::read_to_string(lab.path("mirror/config")).unwrap();
    assert!(
        !config.contains("hunter2") && config.contains(&server.url()),
        "{config}"
    );
    assert!(!format!("{mirror:?}").contains("hunter2"));
}

#[test]
fn a_wrong_credential_is_unauthorized_and_not_repeated_in_the_error() {
    let lab = Lab::with_files(&[("a", "a\n")]);
    let options = ServerOptions {
        authorization: Some("Basic other".to_owned()),
        ..ServerOptions::default()
    };
    let server = lab.serve_with(options);
    let error = lab
        .mirror_in("mirror", &server.url(), basic())
        .fetch(&[RefQuery::DefaultBranch])
        .unwrap_err();
    assert!(
        matches!(error, FetchError::Remote(RemoteFailure::Unauthorized { .. })),
        "{error:?}"
    );
    assert!(!format!("{error} {error:?}").contains("hunter2"));
}

#[test]
fn a_credential_does_not_follow_a_redirect_to_another_host() {
    let lab = Lab::with_files(&[("a", "a\n")]);
    let other = lab.serve();
    let options = ServerOptions {
        redirect_to: Some(other.url()),
        ..ServerOptions::default()
    };
    let server = lab.serve_with(options);
    let error = lab
        .mirror_in("mirror", &server.url(), basic())
        .fetch(&[RefQuery::DefaultBranch])
        .unwrap_err();
    assert!(
        matches!(error, FetchError::Remote(RemoteFailure::RedirectRefused { .. })),
        "{error:?}"
    );
    assert_eq!(other.take_log(), Vec::<String>::new());
    assert!(!format!("{error} {error:?}").contains("hunter2"));

    // Without a credential there is nothing to lose.
    let mirror = lab.mirror_in("anonymous", &server.url(), Credential::None);
    fetch_main(&mirror);
    assert_eq!((server.take_log().len(), other.take_log().len()), (2, 3));
}

#[test]
fn a_post_is_never_redirected() {
    let lab = Lab::with_files(&[("a", "a\n")]);
    let other = lab.serve();
    let options = ServerOptions {
        redirect_posts_to: Some(other.url()),
        ..ServerOptions::default()
    };
    let server = lab.serve_with(options);
    let error = lab
        .mirror(&server.url())
        .fetch(&[RefQuery::DefaultBranch])
        .unwrap_err();
    assert!(
        matches!(error, FetchError::Remote(RemoteFailure::RedirectRefused { .. })),
        "{error:?}"
    );
    assert_eq!(other.take_log(), Vec::<String>::new());
}

#[test]
fn a_chain_of_redirects_ends_after_three() {
    let lab = Lab::with_files(&[("a", "a\n")]);
    let third = lab.serve_with(ServerOptions {
        redirect_to: Some(lab.serve().url()),
        ..ServerOptions::default()
    });
    let second = lab.serve_with(ServerOptions {
        redirect_to: Some(third.url()),
        ..ServerOptions::default()
    });
    let first = lab.serve_with(ServerOptions {
        redirect_to: Some(second.url()),
        ..ServerOptions::default()
    });
    let zeroth = lab.serve_with(ServerOptions {
        redirect_to: Some(first.url()),
        ..ServerOptions::default()
    });
    let error = lab
        .mirror(&zeroth.url())
        .fetch(&[RefQuery::DefaultBranch])
        .unwrap_err();
    assert!(
        matches!(error, FetchError::Remote(RemoteFailure::RedirectRefused { .. })),
        "{error:?}"
    );
}

#[rstest]
#[case(404, "does not exist or is hidden")]
#[case(403, "may not read")]
#[case(429, "limits the rate")]
#[case(503, "cannot be reached: HTTP status 503")]
#[case(418, "HTTP status 418")]
fn a_status_becomes_a_clear_failure(#[case] status: u16, #[case] text: &str) {
    let lab = Lab::with_files(&[("a", "a\n")]);
    let script = Box::new(move |_: &str| Action::Status(status));
    let server = lab.serve_with(ServerOptions {
        script: Some(script),
        ..ServerOptions::default()
    });
    let error = lab
        .mirror(&server.url())
        .fetch(&[RefQuery::DefaultBranch])
        .unwrap_err();
    assert!(error.to_string().contains(text), "{error}");
}

#[test]
fn a_server_that_is_not_there_is_unreachable() {
    let lab = Lab::with_files(&[("a", "a\n")]);
    let url = lab.serve().url();
    let mirror = lab.mirror(&url);
    // The listener goes with its thread, at the latest when it saw this request.
    let error = (0..100)
        .find_map(|_| mirror.fetch(&[RefQuery::DefaultBranch]).err())
        .unwrap();
    assert!(
        matches!(error, FetchError::Remote(RemoteFailure::Unreachable { .. })),
        "{error:?}"
    );
    let error = mirror.push(
        &[fluxbot_git::RefUpdate {
            name: main_branch(),
            old: lab.tip("main"),
            new: None,
        }],
        &[],
        &fluxbot_git::PushOptions::default(),
    );
    assert!(
        matches!(error, Err(PushError::Remote(RemoteFailure::Unreachable { .. }))),
        "{error:?}"
    );
}

#[test]
fn a_page_of_a_web_site_is_not_taken_for_a_repository() {
    let lab = Lab::with_files(&[("a", "a\n")]);
    let script = Box::new(|_: &str| Action::Body("text/html", b"<html>log in</html>".to_vec()));
    let server = lab.serve_with(ServerOptions {
        script: Some(script),
        ..ServerOptions::default()
    });
    let error = lab
        .mirror(&server.url())
        .fetch(&[RefQuery::DefaultBranch])
        .unwrap_err();
    assert!(
        matches!(error, FetchError::Remote(RemoteFailure::Protocol { .. })),
        "{error:?}"
    );
}

/// Gives the tokens of a list, the next one when one is rejected; fails at its end.
struct Tokens {
    names: &'static [&'static str],
    position: AtomicUsize,
    rejected: Mutex<Vec<Credential>>,
}

impl Tokens {
    fn new(names: &'static [&'static str]) -> Arc<Self> {
        Arc::new(Self {
            names,
            position: AtomicUsize::new(0),
            rejected: Mutex::default(),
        })
    }
}

impl CredentialSource for Tokens {
    fn credential(&self, rejected: Option<&Credential>) -> Result<Credential, CredentialFailure> {
        if let Some(rejected) = rejected {
            self.rejected.lock().unwrap().push(rejected.clone());
            self.position.fetch_add(1, Ordering::SeqCst);
        }
        let name = self.names.get(self.position.load(Ordering::SeqCst));
        name.map(|name| Credential::Bearer((*name).to_owned()))
            .ok_or_else(|| CredentialFailure {
                detail: "the issuer is tired".to_owned(),
                is_transient: true,
            })
    }
}

fn renewing(lab: &Lab, url: &str, source: &Arc<Tokens>) -> Mirror {
    let remote = Remote::with_credentials(url.parse().unwrap(), source.clone(), Arc::new(TestClient));
    Mirror::open(&lab.path("mirror"), remote).unwrap()
}

#[test]
fn a_token_that_the_server_refuses_is_replaced_once_within_the_request() {
    let lab = Lab::with_files(&[("a", "a\n")]);
    let server = lab.serve_with(ServerOptions {
        authorization: Some("Bearer new".to_owned()),
        ..ServerOptions::default()
    });
    let source = Tokens::new(&["old", "new", "newest"]);
    let mirror = renewing(&lab, &server.url(), &source);
    fetch_main(&mirror);
    assert_eq!(
        *source.rejected.lock().unwrap(),
        [Credential::Bearer("old".to_owned())]
    );
    let discoveries = server
        .take_log()
        .iter()
        .filter(|line| line.starts_with("GET "))
        .count();
    assert_eq!(discoveries, 2, "refused, and sent again");
    change(&mirror, &main_branch(), &[("a", write("b\n"))]).unwrap();
    assert_eq!(source.rejected.lock().unwrap().len(), 1);
    assert!(!format!("{mirror:?}").contains("new\""), "{mirror:?}");
}

#[test]
fn a_push_whose_token_ends_between_its_requests_lands_once() {
    let lab = Lab::with_files(&[("a", "a\n")]);
    // The token ends right before the first push.
    let ended = Arc::new(AtomicUsize::new(0));
    let requests = Arc::clone(&ended);
    let script = move |line: &str| {
        if line.starts_with("POST ")
            && line.contains("receive-pack")
            && requests.fetch_add(1, Ordering::SeqCst) == 0
        {
            return Action::Status(401);
        }
        Action::Serve
    };
    let server = lab.serve_with(ServerOptions {
        script: Some(Box::new(script)),
        ..ServerOptions::default()
    });
    let source = Tokens::new(&["first", "second"]);
    let mirror = renewing(&lab, &server.url(), &source);
    let commits = lab.count_commits("main");
    change(&mirror, &main_branch(), &[("a", write("b\n"))]).unwrap();
    assert_eq!(lab.count_commits("main"), commits + 1);
    assert_eq!(ended.load(Ordering::SeqCst), 2);
    assert_eq!(source.rejected.lock().unwrap().len(), 1);
}

#[test]
fn tokens_that_are_all_refused_or_missing_are_told_without_a_word_of_them() {
    let lab = Lab::with_files(&[("a", "a\n")]);
    let server = lab.serve_with(ServerOptions {
        authorization: Some("Bearer other".to_owned()),
        ..ServerOptions::default()
    });
    let source = Tokens::new(&["hunter2", "hunter3"]);
    let mirror = renewing(&lab, &server.url(), &source);
    let fetch = || mirror.fetch(&[RefQuery::DefaultBranch]).unwrap_err();
    let error = fetch();
    assert!(
        matches!(error, FetchError::Remote(RemoteFailure::Unauthorized { .. })),
        "{error:?}"
    );
    assert_eq!(server.take_log().len(), 2, "not again and again");
    let error = fetch();
    let host = server.url();
    let host = host.trim_start_matches("http://").split('/').next().unwrap();
    assert_eq!(
        error.to_string(),
        format!("no credential for git server {host}: the issuer is tired")
    );
    assert!(!format!("{error:?} {mirror:?}").contains("hunter"));
}

#[test]
fn a_renewed_token_does_not_follow_a_redirect_either() {
    let lab = Lab::with_files(&[("a", "a\n")]);
    let other = lab.serve();
    let server = lab.serve_with(ServerOptions {
        redirect_to: Some(other.url()),
        ..ServerOptions::default()
    });
    let source = Tokens::new(&["hunter2"]);
    let error = renewing(&lab, &server.url(), &source)
        .fetch(&[RefQuery::DefaultBranch])
        .unwrap_err();
    assert!(
        matches!(error, FetchError::Remote(RemoteFailure::RedirectRefused { .. })),
        "{error:?}"
    );
    assert_eq!(other.take_log(), Vec::<String>::new());
}
