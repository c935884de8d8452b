//! Manifests: the digest of one, and the way from a tag to the image's configuration.

use jiff::Timestamp;
use serde::Deserialize;
use sha2::{Digest as _, Sha256, Sha512};

use crate::hexadecimal::hexadecimal;

/// What a request for a manifest accepts: indexes first, so that a tag's digest is the one of all its platforms.
pub(super) const MANIFEST_TYPES: &str = "application/vnd.oci.image.index.v1+json, \
     application/vnd.docker.distribution.manifest.list.v2+json, \
     application/vnd.oci.image.manifest.v1+json, \
     application/vnd.docker.distribution.manifest.v2+json";

/// Largest manifest that registries must take (distribution specification).
pub(super) const MAX_MANIFEST: u64 = 4 << 20;

/// Largest image configuration that is read.
pub(super) const MAX_CONFIG: u64 = 8 << 20;

/// Where a manifest leads.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Manifest {
    /// An index; the digest is that of its first platform's manifest.
    Index(Option<String>),
    /// An image; the digest is that of its configuration.
    Image(String),
    /// An artifact that is no image, or an old form without configuration.
    Other,
}

#[derive(Deserialize)]
struct Document {
    manifests: Option<Vec<Descriptor>>,
    config: Option<Descriptor>,
}

#[derive(Deserialize)]
struct Descriptor {
    #[serde(default, rename = "mediaType")]
    media_type: String,
    digest: String,
    platform: Option<Platform>,
}

#[derive(Deserialize)]
struct Platform {
    #[serde(default)]
    os: String,
}

#[derive(Deserialize)]
struct Config {
    created: Option<String>,
}

impl Manifest {
    /// Reads a manifest of any of [`MANIFEST_TYPES`]; `None` when it is none.
    pub(super) fn parse(body: &[u8]) -> Option<Self> {
        let document: Document = serde_json::from_slice(body).ok()?;
        if let Some(manifests) = document.manifests {
            // Build tools add attestations for a platform named "unknown".
            let is_image = |descriptor: &Descriptor| {
                descriptor
                    .platform
                    .as_ref()
                    .is_none_or(|platform| platform.os != "unknown")
            };
            let first = manifests.into_iter().find(is_image);
            return Some(Self::Index(first.map(|descriptor| descriptor.digest)));
        }
        Some(match document.config {
            Some(config)
                if matches!(
                    config.media_type.as_str(),
                    "application/vnd.oci.image.config.v1+json"
                        | "application/vnd.docker.container.image.v1+json"
                ) =>
            {
                Self::Image(config.digest)
            }
            _ => Self::Other,
        })
    }
}

/// The time at which an image configuration says that the image was made. Builds that leave it out, or set it to the
/// start of the epoch to be reproducible, have none.
pub(super) fn created(config: &[u8]) -> Option<Timestamp> {
    let config: Config = serde_json::from_slice(config).ok()?;
    let created: Timestamp = config.created?.parse().ok()?;
    (created > Timestamp::UNIX_EPOCH).then_some(created)
}

/// Whether `text` is a digest of an algorithm that registries use.
pub(super) fn is_digest(text: &str) -> bool {
    let length = match text.split_once(':') {
        Some(("sha256", hex)) => Some((hex, 64)),
        Some(("sha512", hex)) => Some((hex, 128)),
        _ => None,
    };
    length.is_some_and(|(hex, length)| {
        hex.len() == length && hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
    })
}

/// The `sha256` digest of `content`.
pub(super) fn digest_of(content: &[u8]) -> String {
    format!("sha256:{}", hexadecimal(&Sha256::digest(content)))
}

/// Whether `content` has the digest `expected`.
pub(super) fn has_digest(content: &[u8], expected: &str) -> bool {
    match expected.split_once(':') {
        Some(("sha256", wanted)) => hexadecimal(&Sha256::digest(content)) == wanted,
        Some(("sha512", wanted)) => hexadecimal(&Sha512::digest(content)) == wanted,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(
        r#"{"manifests":[{"digest":"sha256:a","platform":{"os":"unknown"}},{"digest":"sha256:b","platform":{"os":"linux"}}]}"#,
        Some(Manifest::Index(Some("sha256:b".into())))
    )]
    #[case(r#"{"manifests":[]}"#, Some(Manifest::Index(None)))]
    #[case(
        r#"{"config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"sha256:c"},"layers":[]}"#,
        Some(Manifest::Image("sha256:c".into()))
    )]
    #[case(
        r#"{"config":{"mediaType":"application/vnd.cncf.helm.config.v1+json","digest":"sha256:c"}}"#,
        Some(Manifest::Other)
    )]
    #[case(r#"{"schemaVersion":1,"fsLayers":[]}"#, Some(Manifest::Other))]
    #[case("<html>", None)]
    fn a_manifest_leads_to_its_configuration(#[case] body: &str, #[case] expected: Option<Manifest>) {
        assert_eq!(Manifest::parse(body.as_bytes()), expected);
    }

    #[rstest]
    #[case(
        r#"{"created":"2024-05-01T12:00:00.123456789Z"}"#,
        Some("2024-05-01T12:00:00.123456789Z")
    )]
    #[case(r#"{"created":"1970-01-01T00:00:00Z"}"#, None)]
    #[case(r#"{"created":"0001-01-01T00:00:00Z"}"#, None)]
    #[case(r"{}", None)]
    #[case(r#"{"created":"yesterday"}"#, None)]
    fn reproducible_builds_have_no_creation_time(#[case] config: &str, #[case] expected: Option<&str>) {
        assert_eq!(
            created(config.as_bytes()).map(|time| time.to_string()).as_deref(),
            expected
        );
    }

    #[rstest]
    #[case(&format!("sha256:{}", "a".repeat(64)), true)]
    #[case(&format!("sha512:{}", "0".repeat(128)), true)]
    #[case(&format!("sha256:{}", "A".repeat(64)), false)]
    #[case(&format!("sha256:{}", "a".repeat(63)), false)]
    #[case(&format!("md5:{}", "a".repeat(32)), false)]
    #[case("", false)]
    fn only_well_formed_digests_count(#[case] text: &str, #[case] expected: bool) {
        assert_eq!(is_digest(text), expected);
    }

    #[test]
    fn content_is_compared_with_its_digest() {
        let digest = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(digest_of(b""), digest);
        assert!(has_digest(b"", digest));
        assert!(!has_digest(b"x", digest));
    }
}
