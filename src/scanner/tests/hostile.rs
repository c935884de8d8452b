//! Servers that lie, stall, loop, or ask for what is not theirs.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use rstest::rstest;

use super::server::{Reply, Server, access_with, basic, registry};
use crate::scanner::{Access, Credential, ScanError};

async fn error_of(server: &Server) -> ScanError {
    registry()
        .tags(&server.image(), &Access::default())
        .await
        .unwrap_err()
}

/// Answers the list with `reply`, everything else with 404.
fn listing(reply: impl Fn(SocketAddr) -> Reply + Send + Sync + 'static) -> Server {
    Server::start(move |request, address| {
        if request.target.starts_with("/v2/team/app/tags/list") {
            reply(address)
        } else {
            Reply::status(404)
        }
    })
}

#[rstest]
#[case::html("<html>login</html>", "it is an HTML or XML page")]
#[case::truncated(r#"{"name":"team/app","tags":["1","#, "it ends too early")]
#[case::errors(r#"{"errors":[]}"#, "it has neither 'tags' nor 'name'")]
#[tokio::test]
async fn an_answer_that_is_no_tag_list_is_an_error(#[case] body: &'static str, #[case] expected: &str) {
    let server = listing(move |_| Reply::Full(200, Vec::new(), body.into()));
    let ScanError::InvalidResponse { reason, .. } = error_of(&server).await else {
        panic!("another error");
    };
    assert_eq!(reason, format!("the answer is not a tag list: {expected}"));
}

#[rstest]
#[case("http://evil.example/v2/team/app/tags/list")]
#[case("//evil.example/v2/team/app/tags/list")]
#[tokio::test]
async fn a_link_to_another_host_is_refused(#[case] target: &'static str) {
    let server = listing(move |_| Reply::tags(&["1"]).with("Link", format!("<{target}>; rel=next")));
    let err = error_of(&server).await;
    assert!(
        err.to_string().ends_with("leads to another host, evil.example"),
        "{err}"
    );
}

#[tokio::test]
async fn a_loop_of_links_is_an_error() {
    let server = Server::start(|request, _| {
        let next = if request.target.ends_with("last=a") {
            "b"
        } else {
            "a"
        };
        Reply::tags(&["1"]).with("Link", format!("</v2/team/app/tags/list?last={next}>; rel=next"))
    });
    let err = error_of(&server).await;
    assert!(
        err.to_string()
            .ends_with("the links between its pages form a loop"),
        "{err}"
    );
}

#[tokio::test]
async fn pages_that_repeat_themselves_end() {
    let page = AtomicUsize::new(0);
    let server = listing(move |_| {
        let next = page.fetch_add(1, Ordering::SeqCst);
        Reply::tags(&["1"]).with("Link", format!("</v2/team/app/tags/list?page={next}>; rel=next"))
    });
    let err = error_of(&server).await;
    assert!(err.to_string().ends_with("its pages repeat themselves"), "{err}");
}

#[tokio::test]
async fn a_redirect_to_another_inner_host_is_refused() {
    let inner = Server::start(|_, _| Reply::tags(&["stolen"]));
    let port = inner.address.port();
    for (location, reason) in [
        (
            format!("http://localhost:{port}/v2/"),
            format!("http://localhost:{port} is plain HTTP"),
        ),
        (
            format!("https://localhost:{port}/v2/"),
            format!("localhost:{port} is not a public address"),
        ),
        (
            "https://169.254.169.254/latest".to_owned(),
            "169.254.169.254 is not a public address".to_owned(),
        ),
        (
            "file:///etc/passwd".to_owned(),
            "file is no address of a registry".to_owned(),
        ),
    ] {
        let server = listing(move |_| Reply::status(307).with("Location", location.clone()));
        let ScanError::RedirectRefused { reason: actual, .. } = error_of(&server).await else {
            panic!("another error");
        };
        assert!(actual.starts_with(reason.split(':').next().unwrap()), "{actual}");
        assert!(
            actual.contains("plain HTTP") == reason.contains("plain HTTP"),
            "{actual}"
        );
    }
    assert_eq!(inner.targets(), [""; 0]);
}

#[tokio::test]
async fn credentials_stay_behind_when_a_redirect_changes_the_port() {
    let other = Server::start(|_, _| Reply::tags(&["1"]));
    let target = format!("http://{}/v2/team/app/tags/list", other.address);
    let server = Server::start(move |request, _| match request.authorization {
        None => Reply::challenge("Basic"),
        Some(_) => Reply::status(307).with("Location", target.clone()),
    });
    let image = server.image();
    registry()
        .tags(&image, &access_with(&image, basic("user", "CANARY")))
        .await
        .unwrap();
    assert!(other.seen().iter().all(|request| request.authorization.is_none()));
    assert_eq!(other.seen().len(), 1);
}

#[tokio::test]
async fn redirects_come_to_an_end() {
    let server = listing(|address| {
        Reply::status(302).with("Location", format!("http://{address}/v2/team/app/tags/list"))
    });
    let err = error_of(&server).await;
    assert!(err.to_string().ends_with("more than 5 in a row"), "{err}");
}

#[rstest]
#[case("http://evil.example/token", false)]
#[case("https://evil.example/token", true)]
#[case("http://169.254.169.254/token", false)]
#[case("http://localhost:1/token", true)]
#[case("file:///etc/passwd", true)]
#[tokio::test]
async fn credentials_never_reach_a_foreign_realm(#[case] realm: &'static str, #[case] with_credential: bool) {
    let server = Server::start(move |_, _| Reply::challenge(format!(r#"Bearer realm="{realm}""#)));
    let image = server.image();
    let access = if with_credential {
        access_with(&image, basic("user", "CANARY"))
    } else {
        Access::default()
    };
    let err = registry().tags(&image, &access).await.unwrap_err();
    assert!(matches!(err, ScanError::RealmRefused { .. }), "{err}");
}

#[tokio::test]
async fn a_token_server_that_redirects_is_refused() {
    let server = Server::start(|request, address| {
        if request.target.starts_with("/token") {
            Reply::status(307).with("Location", format!("http://{address}/elsewhere"))
        } else {
            Reply::challenge(format!(r#"Bearer realm="http://{address}/token""#))
        }
    });
    let err = error_of(&server).await;
    assert!(
        err.to_string().ends_with("token servers must not redirect"),
        "{err}"
    );
}

#[rstest]
#[case::silent(Vec::new())]
#[case::stops_within_the_head(b"HTTP/1.1 200 OK\r\nContent-".to_vec())]
#[case::stops_within_the_body(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{\"name\"".to_vec())]
#[tokio::test]
async fn a_server_that_stalls_is_cut_off_by_the_timeout(#[case] bytes: Vec<u8>) {
    let server = listing(move |_| Reply::Silence(bytes.clone()));
    let access = Access {
        timeout: Duration::from_millis(200),
        ..Access::default()
    };
    let err = registry().tags(&server.image(), &access).await.unwrap_err();
    assert!(matches!(err, ScanError::Timeout { .. }), "{err}");
}

#[tokio::test]
async fn a_rate_limit_is_obeyed_by_every_object_of_the_host() {
    let server = listing(|_| Reply::status(429).with("Retry-After", "120"));
    let registry = registry();
    for _ in 0..3 {
        let err = registry
            .tags(&server.image(), &Access::default())
            .await
            .unwrap_err();
        let ScanError::RateLimited {
            retry_after: wait, ..
        } = err
        else {
            panic!("{err}");
        };
        assert!(wait > Duration::from_secs(100) && wait <= Duration::from_mins(2));
    }
    assert_eq!(server.targets().len(), 1, "nobody asks again before the time");
}

#[tokio::test]
async fn plain_http_on_a_public_name_needs_the_insecure_flag() {
    let server = Server::start(|_, _| Reply::tags(&["1"]));
    // 127.0.0.1 as an IPv4-mapped address is no name that go-containerregistry takes for local.
    let image = format!("[::ffff:127.0.0.1]:{}/team/app", server.address.port())
        .parse()
        .unwrap();
    let registry = registry();
    let err = registry.tags(&image, &Access::default()).await.unwrap_err();
    assert!(matches!(err, ScanError::Unreachable { .. }), "{err}");
    assert_eq!(server.targets(), [""; 0]);
    let access = Access {
        insecure: true,
        ..Access::default()
    };
    registry.tags(&image, &access).await.unwrap();
}

#[tokio::test]
async fn metadata_addresses_are_no_registries() {
    for image in [
        "169.254.169.254/team/app",
        "[fd00:ec2::254]:443/team/app",
        "0.0.0.0:1/team/app",
    ] {
        let access = Access {
            insecure: true,
            ..Access::default()
        };
        let err = registry()
            .tags(&image.parse().unwrap(), &access)
            .await
            .unwrap_err();
        assert!(
            err.to_string()
                .contains("is not an address that a request may reach"),
            "{err}"
        );
    }
}

#[tokio::test]
async fn the_protocol_of_a_host_is_found_out_again_after_a_failure() {
    let is_up = Arc::new(AtomicBool::new(true));
    let up = Arc::clone(&is_up);
    let server = listing(move |_| {
        if up.load(Ordering::SeqCst) {
            Reply::tags(&["1"])
        } else {
            Reply::Raw(Vec::new())
        }
    });
    let registry = registry();
    for _ in 0..2 {
        registry.tags(&server.image(), &Access::default()).await.unwrap();
    }
    assert_eq!(server.contacts(), 1);
    is_up.store(false, Ordering::SeqCst);
    let err = registry
        .tags(&server.image(), &Access::default())
        .await
        .unwrap_err();
    assert!(matches!(err, ScanError::Unreachable { .. }), "{err}");
    is_up.store(true, Ordering::SeqCst);
    registry.tags(&server.image(), &Access::default()).await.unwrap();
    assert_eq!(server.contacts(), 2);
}

/// Servers that repeat what they were sent, in every place that goes into a message.
#[rstest]
#[case(basic("CANARY-USER", "CANARY-PASS"))]
#[case(Credential::IdentityToken("CANARY-IDENTITY".into()))]
#[case(Credential::RegistryToken("CANARY-TOKEN".into()))]
#[tokio::test]
async fn no_error_repeats_a_secret(
    #[case] credential: Credential,
    #[values(401, 403, 404, 400, 500)] status: u16,
) {
    let secrets = [
        "CANARY-PASS",
        "CANARY-IDENTITY",
        "CANARY-TOKEN",
        "CANARY-ISSUED",
        // base64 of CANARY-USER:CANARY-PASS
        "Q0FOQVJZLVVTRVI6Q0FOQVJZLVBBU1M=",
    ];
    for token_status in [200, status] {
        let server = Server::start(move |request, address| {
            let echo = format!(
                r#"{{"errors":[{{"code":"ECHO","message":"got {} {}"}}]}}"#,
                request.authorization.as_deref().unwrap_or("nothing"),
                request.body,
            );
            match (&request.authorization, request.target.starts_with("/token")) {
                (_, true) if token_status == 200 => Reply::json(200, r#"{"token":"CANARY-ISSUED"}"#),
                (_, true) => Reply::json(token_status, echo),
                (None, _) => Reply::challenge(format!(r#"Bearer realm="http://{address}/token""#)),
                (Some(_), _) => Reply::json(status, echo),
            }
        });
        let image = server.image();
        let access = access_with(&image, credential.clone());
        let registry = registry();
        let err = registry.tags(&image, &access).await.unwrap_err();
        let text = format!("{err} {err:?} {access:?} {registry:?} {credential:?}");
        assert!(text.contains("***"), "{text}");
        for secret in secrets {
            assert!(!text.contains(secret), "{secret} in {text}");
        }
    }
}
