//! Limits that a registry announces or imposes, obeyed by everybody who asks it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rstest::rstest;

use super::server::{Reply, Server, access_with, basic, registry};
use crate::image::ImageName;
use crate::scanner::{Access, ScanError};

fn image(server: &Server, name: &str) -> ImageName {
    format!("{}/{name}", server.address).parse().unwrap()
}

/// Answers the first requests for lists with `first`, and the others with a list.
fn at_first(count: usize, first: impl Fn() -> Reply + Send + Sync + 'static) -> Server {
    let asked = AtomicUsize::new(0);
    Server::start(move |request, _| {
        if request.target == "/v2/" {
            return Reply::status(200);
        }
        if asked.fetch_add(1, Ordering::SeqCst) < count {
            first()
        } else {
            Reply::tags(&["1"])
        }
    })
}

#[rstest]
#[case::retry_after(429, "Retry-After", "120", 120)]
#[case::unavailable_for_a_while(503, "Retry-After", "120", 120)]
#[case::longer_than_we_obey(429, "Retry-After", "86400", 900)]
#[case::without_a_time(429, "X-Other", "x", 5)]
#[tokio::test]
async fn nobody_asks_a_host_before_the_time(
    #[case] status: u16,
    #[case] header: &'static str,
    #[case] value: &'static str,
    #[case] seconds: u64,
) {
    let server = at_first(usize::MAX, move || Reply::status(status).with(header, value));
    let registry = registry();
    for name in ["a", "b", "c"] {
        let err = registry
            .tags(&image(&server, name), &Access::default())
            .await
            .unwrap_err();
        let wait = match err {
            ScanError::RateLimited { retry_after, .. } => retry_after,
            ScanError::Unavailable { retry_after, .. } => retry_after.unwrap(),
            other => panic!("{other}"),
        };
        assert!(
            wait <= Duration::from_secs(seconds) && wait > Duration::from_secs(seconds - 3),
            "{wait:?}"
        );
    }
    assert_eq!(server.targets(), ["/v2/a/tags/list"]);
}

#[tokio::test]
async fn a_pause_of_one_host_is_none_of_another() {
    let limited = at_first(usize::MAX, || Reply::status(429).with("Retry-After", "120"));
    let other = at_first(0, || Reply::status(500));
    let registry = registry();
    registry
        .tags(&limited.image(), &Access::default())
        .await
        .unwrap_err();
    registry.tags(&other.image(), &Access::default()).await.unwrap();
}

#[tokio::test]
async fn a_limit_of_anonymous_requests_is_none_of_a_user() {
    let server = Server::start(|request, _| match request.authorization {
        _ if request.target == "/v2/" => Reply::challenge("Basic"),
        Some(_) => Reply::tags(&["1"]),
        None => Reply::status(429).with("Retry-After", "120"),
    });
    let (registry, image) = (registry(), server.image());
    registry.tags(&image, &Access::default()).await.unwrap_err();
    registry
        .tags(&image, &access_with(&image, basic("user", "pass")))
        .await
        .unwrap();
}

#[rstest]
#[case(429)]
#[case(503)]
#[tokio::test]
async fn a_short_pause_is_waited_for(#[case] status: u16) {
    let server = at_first(1, move || Reply::status(status).with("Retry-After", "1"));
    let list = registry()
        .tags(&server.image(), &Access::default())
        .await
        .unwrap();
    assert_eq!(list.snapshot.len(), 1);
    assert_eq!(server.targets().len(), 2);
}

#[tokio::test]
async fn a_budget_is_shared_by_all_images_of_the_host() {
    let left = Arc::new(AtomicUsize::new(3));
    let server = Server::start(move |request, _| {
        if request.target == "/v2/" {
            return Reply::status(200);
        }
        let left = left.fetch_sub(1, Ordering::SeqCst) - 1;
        Reply::tags(&["1"])
            .with("RateLimit-Remaining", left.to_string())
            .with("RateLimit-Reset", "60")
    });
    let registry = registry();
    let mut outcomes = Vec::new();
    for name in ["a", "b", "c", "d", "e"] {
        outcomes.push(registry.tags(&image(&server, name), &Access::default()).await);
    }
    let (listed, refused): (Vec<_>, Vec<_>) = outcomes.into_iter().partition(Result::is_ok);
    assert_eq!((listed.len(), refused.len()), (3, 2));
    assert!(
        refused
            .iter()
            .all(|outcome| matches!(outcome, Err(ScanError::RateLimited { .. })))
    );
    assert_eq!(server.targets().len(), 3, "the registry never had to refuse");
}

#[tokio::test]
async fn pulls_that_are_used_up_at_docker_hub_do_not_stop_lists() {
    let server = at_first(usize::MAX, || {
        Reply::tags(&["1"])
            .with("RateLimit-Limit", "100;w=21600")
            .with("RateLimit-Remaining", "0;w=21600")
    });
    let registry = registry();
    for name in ["a", "b"] {
        registry
            .tags(&image(&server, name), &Access::default())
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn a_registry_that_breaks_down_under_a_long_list_is_asked_for_pages() {
    let server = Server::start(|request, _| match request.target.as_str() {
        "/v2/" => Reply::status(200),
        "/v2/team/app/tags/list" => Reply::status(504),
        _ => Reply::tags(&["1"]),
    });
    let registry = registry();
    for _ in 0..2 {
        registry.tags(&server.image(), &Access::default()).await.unwrap();
    }
    let sized = "/v2/team/app/tags/list?n=1000";
    let (unsized_requests, sized_requests): (Vec<_>, Vec<_>) =
        server.targets().into_iter().partition(|target| target != sized);
    assert_eq!(
        (unsized_requests.len(), sized_requests.len()),
        (4, 2),
        "it is known the second time"
    );
}
