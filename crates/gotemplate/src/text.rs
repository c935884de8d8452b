//! Strings as Go has them: bytes that are UTF-8 by convention only.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

/// An immutable Go string. Cloning shares the bytes.
///
/// Templates can cut characters in two (`trunc`, `slice`), so a string need not be valid UTF-8.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Text(Arc<[u8]>);

impl Text {
    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The text, with a replacement character for what is no UTF-8.
    #[must_use]
    pub fn to_string_lossy(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.0)
    }

    /// The length in bytes, as Go's `len`.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are no bytes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self(text.as_bytes().into())
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self(text.into_bytes().into())
    }
}

impl From<&[u8]> for Text {
    fn from(bytes: &[u8]) -> Self {
        Self(bytes.into())
    }
}

impl From<Vec<u8>> for Text {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes.into())
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.to_string_lossy(), f)
    }
}

/// A character of a Go string.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rune {
    /// The character; U+FFFD for a byte that is none.
    pub char: char,
    /// Its bytes in the string: 1 for a byte that is no character.
    pub width: usize,
    /// Whether it stands for a byte that is no character.
    pub is_invalid: bool,
}

/// The first character of `bytes`.
pub(crate) fn first_rune(bytes: &[u8]) -> Option<Rune> {
    let first = *bytes.first()?;
    let width = match first {
        0..=0x7F => 1,
        0xC2..=0xDF => 2,
        0xE0..=0xEF => 3,
        0xF0..=0xF4 => 4,
        _ => 0,
    };
    let decoded = bytes
        .get(..width)
        .and_then(|bytes| std::str::from_utf8(bytes).ok())
        .and_then(|text| text.chars().next());
    Some(match decoded {
        Some(char) => Rune {
            char,
            width,
            is_invalid: false,
        },
        None => Rune {
            char: char::REPLACEMENT_CHARACTER,
            width: 1,
            is_invalid: true,
        },
    })
}

/// The characters of `bytes` from left to right.
pub(crate) fn runes(mut bytes: &[u8]) -> impl Iterator<Item = Rune> + '_ {
    std::iter::from_fn(move || {
        let rune = first_rune(bytes)?;
        bytes = bytes.get(rune.width..).unwrap_or_default();
        Some(rune)
    })
}

/// Appends a character.
pub(crate) fn push_char(bytes: &mut Vec<u8>, char: char) {
    bytes.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes());
}

/// Where `needle` first is in `haystack`.
pub(crate) fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    if needle.is_empty() {
        return Some(0);
    }
    let first = needle.first()?;
    let last_start = haystack.len().checked_sub(needle.len())?;
    (0..=last_start).find(|&start| {
        haystack.get(start) == Some(first) && haystack.get(start..start + needle.len()) == Some(needle)
    })
}
