//! The same list for many objects, asked for once.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rstest::rstest;

use super::server::{Reply, Server, access_with, basic, registry};
use crate::scanner::{Access, Ask, Listed, Registry, ScanError};

/// Serves a list of one tag, with a version, to everybody.
fn one_tag() -> Server {
    Server::start(
        |request, _| match (request.target.as_str(), request.if_none_match.as_deref()) {
            ("/v2/", _) => Reply::status(200),
            (_, Some("\"v1\"")) => Reply::status(304),
            _ => Reply::tags(&["1"]).with("ETag", "\"v1\""),
        },
    )
}

fn within(seconds: u64) -> Ask<'static> {
    Ask {
        known: None,
        max_age: Duration::from_secs(seconds),
    }
}

async fn ask(registry: &Registry, server: &Server, ask: &Ask<'_>) -> Listed {
    registry
        .list(&server.image(), &Access::default(), ask)
        .await
        .unwrap()
}

#[tokio::test]
async fn objects_that_ask_at_the_same_time_share_one_request() {
    let server = one_tag();
    let registry = registry();
    let now = Ask::default();
    let asks = (0..50).map(|_| ask(&registry, &server, &now));
    for listed in futures::future::join_all(asks).await {
        assert!(matches!(listed, Listed::New(list) if list.snapshot.len() == 1));
    }
    // Those who came while it was under way want one that begins after they came; they share that one.
    assert!(server.targets().len() <= 2, "{:?}", server.targets());
}

#[rstest]
#[case::in_time(10, 1)]
#[case::now(0, 2)]
#[tokio::test]
async fn a_list_serves_those_who_come_a_moment_later(#[case] seconds: u64, #[case] requests: usize) {
    let server = one_tag();
    let registry = registry();
    let Listed::New(first) = ask(&registry, &server, &within(seconds)).await else {
        panic!("nobody named a version");
    };
    let Listed::New(second) = ask(&registry, &server, &within(seconds)).await else {
        panic!("nobody named a version");
    };
    assert_eq!(server.targets().len(), requests);
    assert_eq!(Arc::ptr_eq(&first, &second), requests == 1);
    assert_eq!(
        first.asked_at == second.asked_at,
        requests == 1,
        "a shared list is as old as it is"
    );
}

#[tokio::test]
async fn who_has_the_version_is_told_so() {
    let server = one_tag();
    let registry = registry();
    let Listed::New(list) = ask(&registry, &server, &within(10)).await else {
        panic!("nobody named a version");
    };
    let known = Ask {
        known: list.version.as_ref(),
        ..within(10)
    };
    let again = ask(&registry, &server, &known).await;
    assert!(matches!(again, Listed::Unchanged { asked_at } if asked_at == list.asked_at));
    assert_eq!(server.targets().len(), 1);
    // The answer to somebody with the version is none to somebody without.
    let fresh = Ask {
        known: list.version.as_ref(),
        ..within(0)
    };
    assert!(matches!(
        ask(&registry, &server, &fresh).await,
        Listed::Unchanged { .. }
    ));
    assert!(matches!(
        ask(&registry, &server, &within(10)).await,
        Listed::New(_)
    ));
    assert_eq!(server.targets().len(), 3);
}

#[tokio::test]
async fn another_credential_never_sees_the_list() {
    let server = Server::start(|request, _| match request.authorization.as_deref() {
        Some("Basic dXNlcjpwYXNz") => Reply::tags(&["secret"]),
        _ => Reply::challenge("Basic"),
    });
    let image = server.image();
    let registry = registry();
    let known = access_with(&image, basic("user", "pass"));
    registry.list(&image, &known, &within(10)).await.unwrap();
    for access in [Access::default(), access_with(&image, basic("user", "other"))] {
        let err = registry.list(&image, &access, &within(10)).await.unwrap_err();
        assert!(matches!(err, ScanError::Unauthorized { .. }), "{err}");
    }
}

#[tokio::test]
async fn a_failure_is_shared_by_those_who_waited_and_by_nobody_else() {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let server = Server::start(move |request, _| {
        if request.target != "/v2/" {
            count.fetch_add(1, Ordering::SeqCst);
        }
        Reply::status(404)
    });
    let (registry, image, access) = (registry(), server.image(), Access::default());
    let (lately, everybody) = (within(10), 20);
    let asks = (0..everybody).map(|_| registry.list(&image, &access, &lately));
    let outcomes = futures::future::join_all(asks).await;
    assert!(
        outcomes
            .iter()
            .all(|outcome| matches!(outcome, Err(ScanError::NotFound { .. })))
    );
    assert_eq!(asked.load(Ordering::SeqCst), 1);
    registry.list(&image, &access, &lately).await.unwrap_err();
    assert_eq!(asked.load(Ordering::SeqCst), 2, "who comes later asks again");
}

#[tokio::test]
async fn who_gives_up_leaves_the_request_to_the_next() {
    let server = one_tag();
    let (registry, image) = (registry(), server.image());
    let access = Access::default();
    let lately = within(10);
    // Dropped at its first pause.
    let mut given_up = Box::pin(registry.list(&image, &access, &lately));
    assert!(futures::poll!(given_up.as_mut()).is_pending());
    drop(given_up);
    registry.list(&image, &access, &lately).await.unwrap();
}
