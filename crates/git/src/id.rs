//! Names of Git objects.

use std::fmt;
use std::str::FromStr;

/// The SHA-1 name of a Git object.
///
/// Prints as 40 lower-case hexadecimal digits. Repositories in the SHA-256 format are not supported.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectId([u8; 20]);

/// A text is not the full hexadecimal name of an object.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not an object id: 40 hexadecimal digits are expected")]
pub struct InvalidObjectId {
    text: String,
}

impl ObjectId {
    /// The id of all zeroes, which stands for "no object" in the Git protocols.
    pub const NULL: Self = Self([0; 20]);

    /// The tree without entries, which every repository knows without storing it.
    pub const EMPTY_TREE: Self = Self([
        0x4b, 0x82, 0x5d, 0xc6, 0x42, 0xcb, 0x6e, 0xb9, 0xa0, 0x60, 0xe5, 0x4b, 0xf8, 0xd6, 0x92, 0x88, 0xfb,
        0xee, 0x49, 0x04,
    ]);

    /// The raw bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 20] {
        &self.0
    }

    /// The first `digits` hexadecimal digits, for people to read; at most 40.
    #[must_use]
    pub fn short(&self, digits: usize) -> String {
        let mut text = self.to_string();
        text.truncate(digits);
        text
    }

    /// Whether this is [`ObjectId::NULL`].
    #[must_use]
    pub fn is_null(&self) -> bool {
        *self == Self::NULL
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    pub(crate) fn from_gix(id: &gix::hash::oid) -> Self {
        // The `sha1` feature is the only hash compiled in, so the length always fits.
        Self::from_bytes(id.as_bytes()).unwrap_or(Self::NULL)
    }

    pub(crate) fn to_gix(self) -> gix::hash::ObjectId {
        gix::hash::ObjectId::Sha1(self.0)
    }

    pub(crate) fn from_hex(text: &[u8]) -> Option<Self> {
        if text.len() != 40 {
            return None;
        }
        let mut bytes = [0; 20];
        for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
            let pair = std::str::from_utf8(pair).ok()?;
            if !pair.bytes().all(|digit| digit.is_ascii_hexdigit()) {
                return None;
            }
            *byte = u8::from_str_radix(pair, 16).ok()?;
        }
        Some(Self(bytes))
    }
}

impl FromStr for ObjectId {
    type Err = InvalidObjectId;

    fn from_str(text: &str) -> Result<Self, InvalidObjectId> {
        Self::from_hex(text.as_bytes()).ok_or_else(|| InvalidObjectId {
            text: text.chars().take(60).collect(),
        })
    }
}

impl fmt::Display for ObjectId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

impl fmt::Debug for ObjectId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "ObjectId({self})")
    }
}
