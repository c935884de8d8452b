//! Challenges, tokens and credentials.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::server::{Reply, Seen, Server, access_with, basic, registry};
use crate::scanner::{Access, Credential, ScanError};

/// A registry with its token server on the same port; `token` decides who gets a token.
fn with_tokens(token: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Server {
    Server::start(move |request, address| {
        if request.target.starts_with("/token") {
            return token(request);
        }
        match request.authorization.as_deref() {
            Some("Bearer good") if request.target == "/v2/" => Reply::status(200),
            Some("Bearer good") => Reply::tags(&["1"]),
            _ => Reply::challenge(format!(
                r#"Bearer realm="http://{address}/token",service="reg & co",scope="repository:team/app:pull""#
            )),
        }
    })
}

fn good() -> Reply {
    Reply::json(200, r#"{"token":"good","expires_in":300}"#)
}

#[tokio::test]
async fn an_anonymous_token_is_fetched_once_and_reused() {
    let server = with_tokens(|_| good());
    let registry = registry();
    for _ in 0..3 {
        registry.tags(&server.image(), &Access::default()).await.unwrap();
    }
    assert_eq!(
        server.targets(),
        [
            "/token?service=reg+%26+co&scope=repository%3Ateam%2Fapp%3Apull",
            "/v2/team/app/tags/list",
            "/v2/team/app/tags/list",
            "/v2/team/app/tags/list",
        ]
    );
    assert!(
        server
            .seen()
            .iter()
            .all(|request| request.target.starts_with("/v2") || request.authorization.is_none())
    );
}

#[tokio::test]
async fn many_objects_at_once_share_one_token_request() {
    let server = with_tokens(|_| good());
    let registry = Arc::new(registry());
    let (image, access) = (server.image(), Access::default());
    let scans = (0..20).map(|_| registry.tags(&image, &access));
    for list in futures::future::join_all(scans).await {
        assert_eq!(list.unwrap().snapshot.tags(), ["1"]);
    }
    let tokens = server
        .targets()
        .iter()
        .filter(|target| target.starts_with("/token"))
        .count();
    assert_eq!(tokens, 1);
}

#[tokio::test]
async fn user_name_and_password_go_to_the_token_server_alone() {
    let server = with_tokens(|request| match request.authorization.as_deref() {
        Some("Basic dXNlcjpwYXNz") => good(),
        _ => Reply::status(401),
    });
    let image = server.image();
    registry()
        .tags(&image, &access_with(&image, basic("user", "pass")))
        .await
        .unwrap();
    for request in server.seen() {
        let is_basic = request
            .authorization
            .as_deref()
            .is_some_and(|value| value.starts_with("Basic"));
        assert_eq!(is_basic, request.target.starts_with("/token"), "{request:?}");
    }
}

#[tokio::test]
async fn an_identity_token_is_posted() {
    let server = with_tokens(|request| {
        if request.method == "POST" {
            Reply::json(200, r#"{"access_token":"good"}"#)
        } else {
            Reply::status(405)
        }
    });
    let image = server.image();
    let access = access_with(&image, Credential::IdentityToken("re/fresh".into()));
    registry().tags(&image, &access).await.unwrap();
    let bodies: Vec<String> = server
        .seen()
        .into_iter()
        .map(|request| request.body)
        .filter(|body| !body.is_empty())
        .collect();
    insta::assert_snapshot!(bodies.join("\n"), @"grant_type=refresh_token&client_id=fluxbot&refresh_token=re%2Ffresh&service=reg+%26+co&scope=repository%3Ateam%2Fapp%3Apull");
}

#[tokio::test]
async fn a_token_that_the_registry_no_longer_takes_is_replaced() {
    let issued = AtomicUsize::new(0);
    let server = Server::start(move |request, address| {
        if request.target.starts_with("/token") {
            let n = issued.fetch_add(1, Ordering::SeqCst);
            return Reply::json(200, format!(r#"{{"token":"t{n}","expires_in":3600}}"#));
        }
        match request.authorization.as_deref() {
            Some("Bearer t1") => Reply::tags(&["1"]),
            _ => Reply::challenge(format!(r#"Bearer realm="http://{address}/token""#)),
        }
    });
    registry()
        .tags(&server.image(), &Access::default())
        .await
        .unwrap();
    let tokens = server
        .targets()
        .iter()
        .filter(|target| target.starts_with("/token"))
        .count();
    assert_eq!(tokens, 2);
}

#[tokio::test]
async fn the_scope_that_a_registry_asks_for_is_used_when_it_only_reads() {
    let server = Server::start(|request, address| {
        if request.target.starts_with("/token") {
            let is_metadata = request.target.contains("metadata_read");
            return Reply::json(
                200,
                if is_metadata {
                    r#"{"token":"good"}"#
                } else {
                    r#"{"token":"poor"}"#
                },
            );
        }
        match request.authorization.as_deref() {
            Some("Bearer good") => Reply::tags(&["1"]),
            _ => Reply::challenge(format!(
                r#"Bearer realm="http://{address}/token",scope="repository:team/app:metadata_read""#
            )),
        }
    });
    registry()
        .tags(&server.image(), &Access::default())
        .await
        .unwrap();
}

#[tokio::test]
async fn basic_authentication_sends_the_password_only_when_asked() {
    let server = Server::start(|request, _| match request.authorization.as_deref() {
        Some("Basic dXNlcjpwYXNz") => Reply::tags(&["1"]),
        _ => Reply::challenge(r#"Basic realm="registry""#),
    });
    let image = server.image();
    let registry = registry();
    for _ in 0..2 {
        registry
            .tags(&image, &access_with(&image, basic("user", "pass")))
            .await
            .unwrap();
    }
    assert_eq!(
        server.targets().len(),
        2,
        "the challenge is known from the first contact"
    );
    let err = registry
        .tags(&image, &access_with(&image, basic("user", "wrong")))
        .await
        .unwrap_err();
    let text = err.to_string().replace(&server.address.to_string(), "HOST");
    insta::assert_snapshot!(text, @"HOST denied access to HOST/team/app (with user name and password): 401 Unauthorized, UNAUTHORIZED: authentication required");
    let err = registry.tags(&image, &Access::default()).await.unwrap_err();
    assert!(err.to_string().contains("(no credentials for it)"), "{err}");
}

#[tokio::test]
async fn a_registry_token_is_sent_as_it_is() {
    let server = with_tokens(|_| Reply::status(500));
    let image = server.image();
    let access = access_with(&image, Credential::RegistryToken("good".into()));
    registry().tags(&image, &access).await.unwrap();
    let access = access_with(&image, Credential::RegistryToken("bad".into()));
    let err = registry().tags(&image, &access).await.unwrap_err();
    assert!(matches!(err, ScanError::Unauthorized { .. }), "{err}");
}

#[tokio::test]
async fn one_objects_token_is_not_used_for_another() {
    let server = with_tokens(|request| match request.authorization.as_deref() {
        Some("Basic dXNlcjpwYXNz") => good(),
        _ => Reply::json(401, r#"{"details":"incorrect username or password"}"#),
    });
    let image = server.image();
    let registry = registry();
    registry
        .tags(&image, &access_with(&image, basic("user", "pass")))
        .await
        .unwrap();
    let err = registry.tags(&image, &Access::default()).await.unwrap_err();
    let text = err.to_string().replace(&server.address.to_string(), "HOST");
    insta::assert_snapshot!(text, @"HOST denied access to HOST/team/app (no credentials for it): 401 Unauthorized, incorrect username or password");
}
