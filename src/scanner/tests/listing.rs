//! Lists: whole, paged, cut, and what is remembered of a host.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::server::{Reply, Server, registry, registry_with};
use crate::scanner::{Access, Ask, Limits, Listed, ScanError};

/// Serves `count` tags in pages of at most `page`, by `n` and `last`, as the distribution specification has it.
fn paged(count: usize, page: usize) -> Server {
    Server::start(move |request, _| {
        let Some((_, query)) = request.target.split_once("/v2/team/app/tags/list") else {
            return Reply::status(404);
        };
        let parameters: Vec<(String, String)> =
            url::form_urlencoded::parse(query.trim_start_matches('?').as_bytes())
                .into_owned()
                .collect();
        let parameter = |name: &str| {
            parameters
                .iter()
                .find(|(key, _)| key == name)
                .map(|(_, value)| value.clone())
        };
        let start = parameter("last").map_or(0, |last| last.parse::<usize>().unwrap() + 1);
        let size = parameter("n")
            .map_or_else(|| page.min(100), |n| n.parse().unwrap())
            .min(page);
        let end = (start + size).min(count);
        let tags: Vec<String> = (start..end).map(|n| format!("{n:06}")).collect();
        let tags: Vec<&str> = tags.iter().map(String::as_str).collect();
        let reply = Reply::tags(&tags);
        if end < count {
            let link = format!(
                "</v2/team/app/tags/list?n={size}&last={:06}>; rel=\"next\"",
                end - 1
            );
            reply.with("Link", link)
        } else {
            reply
        }
    })
}

#[tokio::test]
async fn a_whole_list_takes_one_request() {
    let server = Server::start(|request, _| match request.target.as_str() {
        "/v2/team/app/tags/list" => Reply::tags(&["1.0.0", "1.1.0", "latest"]),
        _ => Reply::status(404),
    });
    let registry = registry();
    let first = registry.tags(&server.image(), &Access::default()).await.unwrap();
    assert_eq!(first.snapshot.tags(), ["latest", "1.1.0", "1.0.0"]);
    let second = registry.tags(&server.image(), &Access::default()).await.unwrap();
    assert_eq!((second.requests, second.pages), (1, 1));
    assert_eq!(server.targets(), ["/v2/team/app/tags/list"; 2]);
}

#[tokio::test]
async fn a_registry_with_small_pages_is_asked_for_large_ones_from_the_beginning() {
    let server = paged(2345, 1000);
    let registry = registry();
    let first = registry.tags(&server.image(), &Access::default()).await.unwrap();
    assert_eq!((first.snapshot.len(), first.pages), (2345, 3));
    assert_eq!(server.targets().len(), 4);
    let second = registry.tags(&server.image(), &Access::default()).await.unwrap();
    assert_eq!((&second.snapshot, second.pages), (&first.snapshot, 3));
}

#[tokio::test]
async fn a_registry_that_refuses_large_pages_is_asked_without_a_size() {
    let server = Server::start(|request, _| match request.target.as_str() {
        "/v2/team/app/tags/list" => {
            Reply::tags(&["a"]).with("Link", "</v2/team/app/tags/list?page=2>; rel=next")
        }
        "/v2/team/app/tags/list?page=2" => Reply::tags(&["b"]),
        target if target.contains("n=1000") => {
            Reply::json(400, r#"{"errors":[{"code":"PAGINATION_NUMBER_INVALID"}]}"#)
        }
        _ => Reply::status(404),
    });
    let registry = registry();
    for pages in [2, 2, 2] {
        let list = registry.tags(&server.image(), &Access::default()).await.unwrap();
        assert_eq!((list.snapshot.len(), list.pages), (2, pages));
    }
    let sized = server
        .targets()
        .iter()
        .filter(|target| target.contains("n=1000"))
        .count();
    assert_eq!(sized, 1, "a refusal is remembered");
}

#[tokio::test]
async fn a_list_that_is_cut_without_a_link_is_completed() {
    let all: Vec<String> = (0..150).map(|n| format!("{n:03}")).collect();
    let server = Server::start(move |request, _| {
        let slice = |range: std::ops::Range<usize>| {
            let tags: Vec<&str> = all[range].iter().map(String::as_str).collect();
            Reply::tags(&tags)
        };
        match request.target.as_str() {
            "/v2/team/app/tags/list" => slice(0..100),
            "/v2/team/app/tags/list?n=1000&last=099" => slice(100..150),
            _ => Reply::status(404),
        }
    });
    let list = registry()
        .tags(&server.image(), &Access::default())
        .await
        .unwrap();
    assert_eq!(list.snapshot.len(), 150);
}

#[tokio::test]
async fn a_host_whose_lists_of_a_round_length_are_complete_is_soon_believed() {
    let all: Vec<String> = (0..100).map(|n| format!("{n:03}")).collect();
    let server = Server::start(move |request, _| {
        let tags: Vec<&str> = all.iter().map(String::as_str).collect();
        match request.target.as_str() {
            "/v2/" => Reply::status(200),
            // One repository ignores the position, the others know no such request.
            "/v2/app1/tags/list?n=1000&last=099" => Reply::tags(&tags),
            target if target.contains('?') => Reply::status(404),
            _ => Reply::tags(&tags),
        }
    });
    let registry = registry();
    for n in 0..10 {
        let image = format!("{}/app{n}", server.address).parse().unwrap();
        let list = registry.tags(&image, &Access::default()).await.unwrap();
        assert_eq!(list.snapshot.len(), 100);
    }
    assert_eq!(server.targets().len(), 13, "three lists were checked");
}

#[tokio::test]
async fn a_repository_without_tags_is_an_empty_list() {
    let server = Server::start(|_, _| Reply::json(200, r#"{"name":"team/app","tags":null}"#));
    let list = registry()
        .tags(&server.image(), &Access::default())
        .await
        .unwrap();
    assert!(list.snapshot.is_empty());
}

#[tokio::test]
async fn a_failing_page_fails_the_whole_list() {
    let server = Server::start(|request, _| match request.target.as_str() {
        "/v2/team/app/tags/list" => {
            Reply::tags(&["a"]).with("Link", "</v2/team/app/tags/list?last=a>; rel=next")
        }
        "/v2/team/app/tags/list?last=a" => Reply::status(503),
        _ => Reply::status(404),
    });
    let err = registry()
        .tags(&server.image(), &Access::default())
        .await
        .unwrap_err();
    assert!(matches!(err, ScanError::Unavailable { .. }), "{err}");
    let last = server
        .targets()
        .iter()
        .filter(|target| target.ends_with("last=a"))
        .count();
    assert_eq!(last, 4, "once and three more times");
}

#[tokio::test]
async fn a_registry_that_recovers_within_three_retries_is_no_error() {
    let calls = AtomicUsize::new(0);
    let server = Server::start(move |request, _| {
        if request.target == "/v2/" {
            return Reply::status(200);
        }
        match calls.fetch_add(1, Ordering::SeqCst) {
            0 => Reply::status(500),
            // The connection breaks in the middle of the answer.
            1 => Reply::Raw(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"name\":".to_vec()),
            2 => Reply::Raw(Vec::new()),
            _ => Reply::tags(&["a"]),
        }
    });
    let list = registry()
        .tags(&server.image(), &Access::default())
        .await
        .unwrap();
    assert_eq!(list.snapshot.tags(), ["a"]);
}

#[tokio::test]
async fn an_unknown_repository_is_named_with_the_answer_of_the_registry() {
    let server = Server::start(|request, _| match request.target.as_str() {
        "/v2/" => Reply::status(200),
        _ => Reply::json(
            404,
            r#"{"errors":[{"code":"NAME_UNKNOWN","message":"repository name not known to registry"}]}"#,
        ),
    });
    let err = registry()
        .tags(&server.image(), &Access::default())
        .await
        .unwrap_err();
    let text = err.to_string().replace(&server.address.to_string(), "HOST");
    insta::assert_snapshot!(text, @"HOST has no repository team/app: 404 Not Found, NAME_UNKNOWN: repository name not known to registry");
}

#[tokio::test]
async fn limits_end_a_list_that_is_too_long() {
    for (limits, expected) in [
        (
            Limits {
                tags: 99,
                ..Limits::default()
            },
            "99 tags",
        ),
        (
            Limits {
                bytes: 3000,
                ..Limits::default()
            },
            "3000 bytes",
        ),
        (
            Limits {
                pages: 2,
                ..Limits::default()
            },
            "2 pages",
        ),
    ] {
        let server = paged(500, 100);
        let err = registry_with(limits)
            .tags(&server.image(), &Access::default())
            .await
            .unwrap_err();
        let ScanError::TooManyTags { limit, .. } = err else {
            panic!("{err}");
        };
        assert_eq!(limit, expected);
    }
}

#[tokio::test]
async fn a_hundred_thousand_tags_come_in_one_answer() {
    let tags: Vec<String> = (0..100_000).map(|n| format!("1.0.{n}")).collect();
    let body = serde_json::json!({"name": "team/app", "tags": tags}).to_string();
    let server = Server::start(move |_, _| Reply::json(200, body.clone()));
    let list = registry()
        .tags(&server.image(), &Access::default())
        .await
        .unwrap();
    assert_eq!((list.snapshot.len(), list.pages), (100_000, 1));
}

/// Serves `count` tags under a version, and 304 to who has it.
fn versioned(count: usize) -> Server {
    Server::start(move |request, _| {
        let tags: Vec<String> = (0..count).map(|n| n.to_string()).collect();
        let tags: Vec<&str> = tags.iter().map(String::as_str).collect();
        match (request.target.as_str(), request.if_none_match.as_deref()) {
            ("/v2/team/app/tags/list", Some("\"v1\"")) => Reply::status(304),
            ("/v2/team/app/tags/list", _) => Reply::tags(&tags).with("ETag", "\"v1\""),
            _ => Reply::status(404),
        }
    })
}

#[tokio::test]
async fn a_list_that_did_not_change_is_not_sent_again() {
    let server = versioned(3);
    let registry = registry();
    let list = registry.tags(&server.image(), &Access::default()).await.unwrap();
    let ask = Ask {
        known: list.version.as_ref(),
        ..Ask::default()
    };
    let again = registry
        .list(&server.image(), &Access::default(), &ask)
        .await
        .unwrap();
    assert!(matches!(again, Listed::Unchanged { .. }), "{again:?}");
}

#[tokio::test]
async fn a_list_that_may_fill_its_page_has_no_version() {
    let server = versioned(100);
    let list = registry()
        .tags(&server.image(), &Access::default())
        .await
        .unwrap();
    assert_eq!((list.snapshot.len(), &list.version), (100, &None));
}

#[tokio::test]
async fn an_answer_without_a_list_to_a_plain_question_is_an_error() {
    let server = Server::start(|request, _| match request.target.as_str() {
        "/v2/" => Reply::status(200),
        _ => Reply::status(304),
    });
    let err = registry()
        .tags(&server.image(), &Access::default())
        .await
        .unwrap_err();
    assert!(matches!(err, ScanError::InvalidResponse { .. }), "{err}");
}

/// The most memory that the process has had, in kB.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
    line.split_ascii_whitespace().nth(1).unwrap().parse().unwrap()
}

/// `cargo test --release --lib -- --ignored measure_a_long_list --nocapture`, by itself. The server is in the same process.
#[tokio::test]
#[ignore = "a measurement"]
async fn measure_a_long_list() {
    let tags: Vec<String> = (0..100_000)
        .map(|n| format!("1.{}.{}", n / 1000, n % 1000))
        .collect();
    let body = serde_json::json!({"name": "team/app", "tags": tags}).to_string();
    drop(tags);
    let server = Server::start(move |request, _| match request.target.as_str() {
        "/v2/" => Reply::status(200),
        "/v2/short/tags/list" => Reply::tags(&["1"]),
        _ => Reply::json(200, body.clone()),
    });
    let registry = registry();
    let short = format!("{}/short", server.address).parse().unwrap();
    registry.tags(&short, &Access::default()).await.unwrap();
    let (before, start) = (peak(), std::time::Instant::now());
    let list = registry.tags(&server.image(), &Access::default()).await.unwrap();
    println!(
        "{} tags in {:?}, {} kB more at the peak",
        list.snapshot.len(),
        start.elapsed(),
        peak() - before
    );
}
