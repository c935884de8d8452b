//! Digests and creation times.

use sha2::{Digest as _, Sha256};

use super::server::{Reply, Server, registry};
use crate::scanner::{Access, ScanError};

const DIGEST: &str = "sha256:6745aaad46d795c9836632e1fb62f24b7e7f4c843144da8e47a5465c411a14be";

fn digest_of(content: &str) -> String {
    use std::fmt::Write as _;
    let mut text = "sha256:".to_owned();
    for byte in Sha256::digest(content) {
        write!(text, "{byte:02x}").unwrap();
    }
    text
}

fn manifest(reply: impl Fn(&str) -> Reply + Send + Sync + 'static) -> Server {
    Server::start(move |request, _| match request.target.as_str() {
        "/v2/team/app/manifests/1.0" => reply(&request.method),
        _ => Reply::json(404, r#"{"errors":[{"code":"MANIFEST_UNKNOWN"}]}"#),
    })
}

#[tokio::test]
async fn a_digest_takes_one_head_request() {
    let server = manifest(|_| Reply::status(200).with("Docker-Content-Digest", DIGEST));
    let digest = registry()
        .digest(&server.image(), "1.0", &Access::default())
        .await
        .unwrap();
    assert_eq!(digest, DIGEST);
    let methods: Vec<String> = server.seen().into_iter().map(|request| request.method).collect();
    assert_eq!(methods, ["HEAD"]);
}

#[tokio::test]
async fn without_a_usable_header_the_manifest_itself_is_digested() {
    for (status, header) in [(200, "md5:0"), (200, ""), (405, ""), (404, "")] {
        let server = manifest(move |method| match method {
            "HEAD" => Reply::status(status).with("Docker-Content-Digest", header),
            _ => Reply::json(200, "{}"),
        });
        let digest = registry()
            .digest(&server.image(), "1.0", &Access::default())
            .await
            .unwrap();
        assert_eq!(digest, digest_of("{}"));
    }
}

#[tokio::test]
async fn a_manifest_that_is_not_what_its_header_says_is_refused() {
    let server = manifest(|method| match method {
        "HEAD" => Reply::status(405),
        _ => Reply::json(200, "{}").with("Docker-Content-Digest", DIGEST),
    });
    let err = registry()
        .digest(&server.image(), "1.0", &Access::default())
        .await
        .unwrap_err();
    assert!(
        err.to_string().ends_with("the content does not have its digest"),
        "{err}"
    );
}

#[tokio::test]
async fn a_missing_tag_is_named() {
    let server = manifest(|_| Reply::status(404));
    let err = registry()
        .digest(&server.image(), "2.0", &Access::default())
        .await
        .unwrap_err();
    let text = err.to_string().replace(&server.address.to_string(), "HOST");
    insta::assert_snapshot!(text, @"HOST/team/app has no tag '2.0': 404 Not Found, MANIFEST_UNKNOWN");
}

/// An image of two platforms with an attestation; the configuration can be replaced by another content.
fn image(config: &'static str, served: &'static str) -> Server {
    let platform = serde_json::json!({
        "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": digest_of(config)},
        "layers": [],
    })
    .to_string();
    let index = serde_json::json!({"manifests": [
        {"digest": DIGEST, "platform": {"os": "unknown", "architecture": "unknown"}},
        {"digest": digest_of(&platform), "platform": {"os": "linux", "architecture": "amd64"}},
    ]})
    .to_string();
    Server::start(move |request, _| {
        let path = request.target.trim_start_matches("/v2/team/app/");
        if path == "manifests/1.0" {
            Reply::json(200, index.clone())
        } else if path == format!("manifests/{}", digest_of(&platform)) {
            Reply::json(200, platform.clone())
        } else if path == format!("blobs/{}", digest_of(config)) {
            Reply::json(200, served)
        } else {
            Reply::status(404)
        }
    })
}

#[tokio::test]
async fn the_creation_time_is_that_of_the_first_platform() {
    let config = r#"{"created":"2024-05-01T12:00:00Z"}"#;
    let server = image(config, config);
    let created = registry()
        .created(&server.image(), "1.0", &Access::default())
        .await
        .unwrap();
    assert_eq!(
        created.map(|time| time.to_string()).as_deref(),
        Some("2024-05-01T12:00:00Z")
    );
}

#[tokio::test]
async fn a_configuration_with_another_digest_is_refused() {
    let server = image(
        r#"{"created":"2024-05-01T12:00:00Z"}"#,
        r#"{"created":"2099-05-01T12:00:00Z"}"#,
    );
    let err = registry()
        .created(&server.image(), "1.0", &Access::default())
        .await
        .unwrap_err();
    assert!(matches!(err, ScanError::InvalidResponse { .. }), "{err}");
}
