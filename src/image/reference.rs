//! A selected image: name, tag and digest, as in `ImagePolicy.status.latestRef`.

use std::collections::BTreeMap;
use std::fmt;

use super::PolicyKey;

/// What the setters write: for each policy, the image that it selected.
pub type Selections = BTreeMap<PolicyKey, ImageRef>;

/// Longest tag that the distribution specification allows.
const MAX_TAG_LENGTH: usize = 128;

/// An image with its tag and, when digests are reflected, its digest.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ImageRef {
    name: String,
    tag: String,
    digest: Option<String>,
}

impl ImageRef {
    /// Builds a reference.
    ///
    /// # Errors
    /// When name, tag or digest could not stand in an image reference. A reference that passes never has white
    /// space, quotes or a comment sign in it, so it cannot break the file that it is written to.
    pub fn new(
        name: impl Into<String>,
        tag: impl Into<String>,
        digest: Option<String>,
    ) -> Result<Self, InvalidImageRef> {
        let (name, tag) = (name.into(), tag.into());
        let digest = digest.filter(|digest| !digest.is_empty());
        if !is_name(&name) {
            return Err(InvalidImageRef::Name(name));
        }
        if !is_tag(&tag) {
            return Err(InvalidImageRef::Tag { name, tag });
        }
        if let Some(digest) = digest.as_deref().filter(|digest| !is_digest(digest)) {
            return Err(InvalidImageRef::Digest {
                name,
                digest: digest.to_owned(),
            });
        }
        Ok(Self { name, tag, digest })
    }

    /// The name as the `ImageRepository` spells it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The tag.
    #[must_use]
    pub fn tag(&self) -> &str {
        &self.tag
    }

    /// The digest, for example `sha256:…`, when the policy reflects it.
    #[must_use]
    pub fn digest(&self) -> Option<&str> {
        self.digest.as_deref()
    }
}

impl fmt::Display for ImageRef {
    /// `name:tag` or `name:tag@digest`, the value of a marker without a field.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.name, self.tag)?;
        match &self.digest {
            Some(digest) => write!(f, "@{digest}"),
            None => Ok(()),
        }
    }
}

/// Why a selection is no valid image reference.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidImageRef {
    /// The name has characters that no image name has.
    #[error("encountered invalid image ref {0:?}: the name has a character that no image name has")]
    Name(String),
    /// The tag is empty, too long, or has characters that no tag has.
    #[error("encountered invalid image ref {:?}: the tag must be 1 to 128 of the characters `a-zA-Z0-9_.-`", format!("{name}:{tag}"))]
    Tag {
        /// The image's name.
        name: String,
        /// The tag as given.
        tag: String,
    },
    /// The digest is not `algorithm:hex`.
    #[error("encountered invalid image ref {:?}: the digest must be `algorithm:hexadecimal`", format!("{name}@{digest}"))]
    Digest {
        /// The image's name.
        name: String,
        /// The digest as given.
        digest: String,
    },
}

fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b'/' | b':' | b'[' | b']'))
}

fn is_tag(tag: &str) -> bool {
    (1..=MAX_TAG_LENGTH).contains(&tag.len())
        && tag
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'))
}

fn is_digest(digest: &str) -> bool {
    digest.split_once(':').is_some_and(|(algorithm, hex)| {
        !algorithm.is_empty()
            && algorithm
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'.' | b'_' | b'-'))
            && hex.len() >= 32
            && hex.bytes().all(|b| b.is_ascii_hexdigit())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "sha256:6745aaad46d795c9836632e1fb62f24b7e7f4c843144da8e47a5465c411a14be";

    #[test]
    fn a_reference_prints_as_the_marker_writes_it() {
        assert_eq!(ImageRef::new("a/b", "v1", None).unwrap().to_string(), "a/b:v1");
        assert_eq!(
            ImageRef::new("a/b", "v1", Some(DIGEST.into()))
                .unwrap()
                .to_string(),
            format!("a/b:v1@{DIGEST}")
        );
        assert_eq!(
            ImageRef::new("a/b", "v1", Some(String::new())).unwrap().digest(),
            None
        );
    }

    #[test]
    fn parts_that_could_break_a_file_are_refused() {
        for (name, tag, digest) in [
            ("a b", "v1", None),
            ("a", "v1 # x", None),
            ("a", "", None),
            ("a", "v\n1", None),
            ("", "v1", None),
            ("a", "v1", Some("sha256".to_owned())),
            ("a", "v1", Some("sha256:xyz".to_owned())),
        ] {
            assert!(ImageRef::new(name, tag, digest).is_err(), "{name} {tag}");
        }
    }
}
