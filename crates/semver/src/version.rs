//! Versions: reading and precedence.

use std::cmp::Ordering;
use std::fmt;

/// Longest version that is read, in bytes.
const MAX_LENGTH: usize = 256;

/// So many decimal digits always fit 64 bits.
const SAFE_DIGITS: usize = 19;

/// A semantic version, borrowed from the text that it was read from.
///
/// Two versions are equal when neither precedes the other: build metadata and spelling (`v1.0.0`, `1.0`) do not
/// count, as in [Semantic Versioning 2.0.0, section 11](https://semver.org/#spec-item-11).
///
/// # Deviation
/// From Semantic Versioning, as upstream: numeric identifiers of a pre-release that do not fit 64 bits are compared
/// as text.
#[derive(Debug, Clone, Copy)]
pub struct Version<'t> {
    precedence: Precedence<'t>,
    metadata: &'t str,
    text: &'t str,
}

/// The part of a version that decides which of two precedes the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Precedence<'t> {
    pub major: u64,
    pub minor: u64,
    pub patch: u64,
    /// Without its hyphen; empty for a release.
    pub prerelease: &'t str,
}

impl<'t> Version<'t> {
    /// Reads a version loosely, as `semver.NewVersion`: an optional `v`, one to three numbers (leading zeros are
    /// allowed), an optional pre-release and optional build metadata.
    ///
    /// # Errors
    /// With the message of upstream.
    pub fn parse(text: &'t str) -> Result<Self, InvalidVersion> {
        if text.len() > MAX_LENGTH {
            return Err(InvalidVersion::TooLong);
        }
        let rest = text.strip_prefix('v').unwrap_or(text);
        let (major, rest) = number(rest).ok_or(InvalidVersion::Malformed)?;
        let (minor, rest) = dotted_number(rest);
        let (patch, rest) = dotted_number(rest);
        let (prerelease, rest) = dotted_identifiers(rest, '-');
        let (metadata, rest) = dotted_identifiers(rest, '+');
        if !rest.is_empty() {
            return Err(InvalidVersion::Malformed);
        }
        let precedence = Precedence {
            major: segment(major)?,
            minor: segment(minor)?,
            patch: segment(patch)?,
            prerelease,
        };
        if !prerelease.is_empty() && prerelease.split('.').any(is_zero_led_number) {
            return Err(InvalidVersion::SegmentStartsWithZero);
        }
        Ok(Self {
            precedence,
            metadata,
            text,
        })
    }

    /// Reads a version as Flux reads tags (`version.ParseVersion` of fluxcd/pkg): as [`Version::parse`], but the
    /// text must have three dot-separated parts, so that `v1` and `1.2` are no versions.
    ///
    /// # Errors
    /// With the message of upstream.
    pub fn parse_tag(tag: &'t str) -> Result<Self, InvalidVersion> {
        if tag.bytes().filter(|&byte| byte == b'.').nth(1).is_none() {
            return Err(InvalidVersion::Malformed);
        }
        Self::parse(tag)
    }

    /// The first number.
    #[must_use]
    pub const fn major(&self) -> u64 {
        self.precedence.major
    }

    /// The second number, 0 when the text has none.
    #[must_use]
    pub const fn minor(&self) -> u64 {
        self.precedence.minor
    }

    /// The third number, 0 when the text has none.
    #[must_use]
    pub const fn patch(&self) -> u64 {
        self.precedence.patch
    }

    /// What follows the hyphen, for example `rc.1`, or the empty text.
    #[must_use]
    pub const fn prerelease(&self) -> &'t str {
        self.precedence.prerelease
    }

    /// What follows the plus sign, or the empty text. It has no part in precedence.
    #[must_use]
    pub const fn metadata(&self) -> &'t str {
        self.metadata
    }

    /// The version as it was written.
    #[must_use]
    pub const fn original(&self) -> &'t str {
        self.text
    }

    /// Whether the version is a pre-release.
    #[must_use]
    pub const fn is_prerelease(&self) -> bool {
        !self.precedence.prerelease.is_empty()
    }

    pub(super) const fn precedence(&self) -> Precedence<'t> {
        self.precedence
    }
}

impl fmt::Display for Version<'_> {
    /// The canonical spelling: three numbers, no `v`, no leading zeros.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major(), self.minor(), self.patch())?;
        if self.is_prerelease() {
            write!(f, "-{}", self.prerelease())?;
        }
        if !self.metadata.is_empty() {
            write!(f, "+{}", self.metadata)?;
        }
        Ok(())
    }
}

impl Ord for Version<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.precedence.cmp(&other.precedence)
    }
}

impl PartialOrd for Version<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Version<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Version<'_> {}

impl Ord for Precedence<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        let numbers = |version: &Self| (version.major, version.minor, version.patch);
        numbers(self).cmp(&numbers(other)).then_with(|| {
            match (self.prerelease.is_empty(), other.prerelease.is_empty()) {
                (true, true) => Ordering::Equal,
                (true, false) => Ordering::Greater,
                (false, true) => Ordering::Less,
                (false, false) => compare_prereleases(self.prerelease, other.prerelease),
            }
        })
    }
}

impl PartialOrd for Precedence<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Why a text is no version; the messages are upstream's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidVersion {
    /// The text has more than 256 bytes.
    #[error("version string is too long (max {MAX_LENGTH} bytes)")]
    TooLong,
    /// The text does not have the form of a version.
    #[error("invalid semantic version")]
    Malformed,
    /// One of the three numbers does not fit 64 bits.
    #[error("error parsing version segment: strconv.ParseUint: parsing \"{segment}\": value out of range")]
    SegmentOutOfRange {
        /// The number as written.
        segment: String,
    },
    /// A numeric identifier of the pre-release starts with 0.
    #[error("version segment starts with 0")]
    SegmentStartsWithZero,
}

/// Splits `text` after its leading digits; `None` without a digit.
fn number(text: &str) -> Option<(&str, &str)> {
    let end = text
        .bytes()
        .position(|byte| !byte.is_ascii_digit())
        .unwrap_or(text.len());
    (end > 0).then(|| text.split_at(end))
}

/// Splits a number with a dot before it off `text`; without one the number is empty.
fn dotted_number(text: &str) -> (&str, &str) {
    text.strip_prefix('.').and_then(number).unwrap_or(("", text))
}

/// Splits identifiers that `mark` introduces off `text`, for example `-rc.1`; without any they are empty.
fn dotted_identifiers(text: &str, mark: char) -> (&str, &str) {
    let Some(body) = text.strip_prefix(mark) else {
        return ("", text);
    };
    match identifiers_end(body) {
        0 => ("", text),
        end => body.split_at(end),
    }
}

/// Where the dot-separated identifiers that `text` starts with end; 0 when there are none.
pub(super) fn identifiers_end(text: &str) -> usize {
    let (mut end, mut after_dot) = (0, true);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'.' if !after_dot => after_dot = true,
            b'-' | b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => (end, after_dot) = (at + 1, false),
            _ => break,
        }
    }
    end
}

/// The value of digits; none are 0.
fn segment(digits: &str) -> Result<u64, InvalidVersion> {
    if digits.len() <= SAFE_DIGITS {
        return Ok(digits
            .bytes()
            .fold(0, |value, digit| value * 10 + u64::from(digit - b'0')));
    }
    digits.parse().map_err(|_| InvalidVersion::SegmentOutOfRange {
        segment: digits.to_owned(),
    })
}

fn is_zero_led_number(identifier: &str) -> bool {
    identifier.len() > 1
        && identifier.starts_with('0')
        && identifier.bytes().all(|byte| byte.is_ascii_digit())
}

/// Compares two pre-releases, neither of them empty.
fn compare_prereleases(a: &str, b: &str) -> Ordering {
    let (mut left, mut right) = (a.split('.'), b.split('.'));
    loop {
        let order = match (left.next(), right.next()) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => return Ordering::Less,
            (Some(_), None) => return Ordering::Greater,
            (Some(a), Some(b)) => compare_identifiers(a, b),
        };
        if order.is_ne() {
            return order;
        }
    }
}

fn compare_identifiers(a: &str, b: &str) -> Ordering {
    // Identifiers have no sign, so that this reads digits alone; what does not fit 64 bits counts as text.
    match (a.parse::<u64>(), b.parse::<u64>()) {
        (Ok(a), Ok(b)) => a.cmp(&b),
        (Ok(_), Err(_)) => Ordering::Less,
        (Err(_), Ok(_)) => Ordering::Greater,
        (Err(_), Err(_)) => a.cmp(b),
    }
}
