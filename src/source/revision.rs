//! Revision strings: `main@sha1:<hex>`, as Flux writes them into statuses, labels and events.

use std::fmt;
use std::str::FromStr;

/// A revision of a source.
///
/// Flux's forms are `main@sha1:<hex>` (a branch or a tag), `refs/heads/main@sha1:<hex>` (`spec.ref.name`), `sha1:<hex>` (a
/// commit alone), `<tag>@sha256:<hex>` (OCI) and `sha256:<hex>` (OCI by digest, Bucket). Anything else, such as the version of a
/// chart, is a name without digest: reading never fails, and writing gives the same text again. The forms of Flux before
/// 2.0, `main/<hex>`, `HEAD/<hex>` and `<hex>`, are read as what they mean and written in the new form.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Revision {
    name: Option<String>,
    digest: Option<RevisionDigest>,
}

/// The part of a revision that names a content.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RevisionDigest {
    /// How it was computed.
    pub algorithm: DigestAlgorithm,
    /// Its value in lower-case hexadecimal digits, of the algorithm's length.
    pub hex: String,
}

/// How a digest was computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DigestAlgorithm {
    /// SHA-1, the names of Git objects.
    Sha1,
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
    /// BLAKE3 with 256 bits.
    Blake3,
}

impl DigestAlgorithm {
    const ALL: [Self; 5] = [Self::Sha1, Self::Sha256, Self::Sha384, Self::Sha512, Self::Blake3];

    /// The name in revisions and digests.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sha1 => "sha1",
            Self::Sha256 => "sha256",
            Self::Sha384 => "sha384",
            Self::Sha512 => "sha512",
            Self::Blake3 => "blake3",
        }
    }

    /// Hexadecimal digits of a value.
    #[must_use]
    pub fn hex_digits(self) -> usize {
        match self {
            Self::Sha1 => 40,
            Self::Sha256 | Self::Blake3 => 64,
            Self::Sha384 => 96,
            Self::Sha512 => 128,
        }
    }
}

impl RevisionDigest {
    /// Reads `algorithm:hex`; `None` for any other text.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (name, hex) = text.split_once(':')?;
        let algorithm = DigestAlgorithm::ALL
            .into_iter()
            .find(|algorithm| algorithm.as_str() == name)?;
        let is_value = hex.len() == algorithm.hex_digits()
            && hex.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        is_value.then(|| Self {
            algorithm,
            hex: hex.to_owned(),
        })
    }

    /// A bare value, as Flux wrote it before 2.0: 40 digits are SHA-1, 64 are SHA-256.
    fn bare(hex: &str) -> Option<Self> {
        let algorithm = match hex.len() {
            40 => "sha1",
            64 => "sha256",
            _ => return None,
        };
        Self::parse(&format!("{algorithm}:{hex}"))
    }
}

impl Revision {
    /// A branch, tag or full reference name at a Git commit.
    #[must_use]
    pub fn git(name: &str, commit: &impl fmt::Display) -> Self {
        Self {
            name: Some(name.to_owned()),
            digest: RevisionDigest::bare(&commit.to_string()),
        }
    }

    /// A Git commit without a name.
    #[must_use]
    pub fn commit(commit: &impl fmt::Display) -> Self {
        Self {
            name: None,
            digest: RevisionDigest::bare(&commit.to_string()),
        }
    }

    /// Reads any text.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        if let Some(digest) = RevisionDigest::parse(text) {
            return Self {
                name: None,
                digest: Some(digest),
            };
        }
        if let Some((name, digest)) = text.rsplit_once('@')
            && let Some(digest) = RevisionDigest::parse(digest)
            && !name.is_empty()
        {
            return Self {
                name: Some(name.to_owned()),
                digest: Some(digest),
            };
        }
        // A colon tells the new forms from the old ones.
        if !text.contains(':') {
            if let Some(digest) = RevisionDigest::bare(text) {
                return Self {
                    name: None,
                    digest: Some(digest),
                };
            }
            if let Some((name, hex)) = text.rsplit_once('/')
                && let Some(digest) = RevisionDigest::bare(hex)
                && !name.is_empty()
            {
                return Self {
                    name: (name != "HEAD").then(|| name.to_owned()),
                    digest: Some(digest),
                };
            }
        }
        Self {
            name: Some(text.to_owned()),
            digest: None,
        }
    }

    /// The branch, tag or reference; of a revision without digest, all of it.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// What names the content.
    #[must_use]
    pub fn digest(&self) -> Option<&RevisionDigest> {
        self.digest.as_ref()
    }

    /// The commit of a Git revision, in hexadecimal digits.
    #[must_use]
    pub fn git_commit(&self) -> Option<&str> {
        let digest = self.digest.as_ref()?;
        (digest.algorithm == DigestAlgorithm::Sha1).then_some(digest.hex.as_str())
    }
}

impl FromStr for Revision {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self::parse(text))
    }
}

impl fmt::Display for RevisionDigest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", self.algorithm.as_str(), self.hex)
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.name, &self.digest) {
            (Some(name), Some(digest)) => write!(formatter, "{name}@{digest}"),
            (Some(name), None) => formatter.write_str(name),
            (None, Some(digest)) => write!(formatter, "{digest}"),
            (None, None) => Ok(()),
        }
    }
}

impl fmt::Debug for Revision {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Revision({self})")
    }
}
