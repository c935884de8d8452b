//! Ranges: which versions a constraint such as `>=1.2 <2 || ~3.1` admits.

use std::fmt;
use std::str::FromStr;

use super::grammar::{self, Operator, PartialVersion};
use super::quote::go_quote;
use super::version::{Precedence, Version};

/// Longest range that is read, in bytes.
const MAX_LENGTH: usize = 512;

/// Most alternatives that a range may have.
const MAX_ALTERNATIVES: usize = 32;

/// A set of versions, written as Masterminds/semver v3.5.0 reads it (`semver.NewConstraint`).
///
/// Alternatives are separated by `||`, and the comparators of one by white space or a comma. A pre-release is
/// admitted only by an alternative that names a pre-release itself.
#[derive(Debug, Clone)]
pub struct Range {
    text: String,
    alternatives: Vec<Alternative>,
}

impl Range {
    /// The range as written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether `version` is in the range.
    #[must_use]
    pub fn admits(&self, version: &Version<'_>) -> bool {
        self.alternatives
            .iter()
            .any(|alternative| alternative.admits(version))
    }

    /// Why `version` is not in the range; `None` when it is.
    #[must_use]
    pub fn mismatch(&self, version: &Version<'_>) -> Option<Mismatch> {
        if self.admits(version) {
            return None;
        }
        let only_releases = !self
            .alternatives
            .iter()
            .any(|alternative| alternative.prereleases);
        Some(if version.is_prerelease() && only_releases {
            Mismatch::Prerelease
        } else {
            Mismatch::Outside
        })
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for Range {
    type Err = InvalidRange;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() > MAX_LENGTH {
            return Err(InvalidRange::TooLong);
        }
        let expanded = grammar::expand_hyphens(text);
        let alternatives: Vec<&str> = expanded.split("||").collect();
        if alternatives.len() > MAX_ALTERNATIVES {
            return Err(InvalidRange::TooManyAlternatives);
        }
        Ok(Self {
            text: text.to_owned(),
            alternatives: alternatives
                .into_iter()
                .map(Alternative::parse)
                .collect::<Result<_, _>>()?,
        })
    }
}

/// Why a version is not in a range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mismatch {
    /// The version is a pre-release, and no alternative of the range names one.
    Prerelease,
    /// The version is outside the bounds of each alternative.
    Outside,
}

/// Why a text is no range; the messages are upstream's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRange {
    /// The text has more than 512 bytes.
    #[error("constraint string is too long (max {MAX_LENGTH} bytes)")]
    TooLong,
    /// The text has more than 32 alternatives.
    #[error("too many constraint groups (max {MAX_ALTERNATIVES})")]
    TooManyAlternatives,
    /// An alternative does not follow the grammar.
    #[error("improper constraint: {}", go_quote(constraint))]
    Improper {
        /// The alternative, in which hyphen ranges are already expanded.
        constraint: String,
    },
    /// A version in the range has the right characters, but is none.
    #[error("constraint parser error")]
    Version,
}

/// Comparators that must all hold.
#[derive(Debug, Clone)]
struct Alternative {
    comparators: Vec<Comparator>,
    /// Whether one of the comparators names a pre-release.
    prereleases: bool,
}

impl Alternative {
    fn parse(text: &str) -> Result<Self, InvalidRange> {
        let comparators = grammar::comparators(text)
            .ok_or_else(|| InvalidRange::Improper {
                constraint: text.to_owned(),
            })?
            .into_iter()
            .map(|(operator, version)| Comparator::new(operator, &version))
            .collect::<Result<Vec<_>, _>>()?;
        let prereleases = comparators
            .iter()
            .any(|comparator| !comparator.prerelease.is_empty());
        Ok(Self {
            comparators,
            prereleases,
        })
    }

    fn admits(&self, version: &Version<'_>) -> bool {
        (self.prereleases || !version.is_prerelease())
            && self
                .comparators
                .iter()
                .all(|comparator| comparator.holds(version))
    }
}

/// Which of a bound's numbers the user left open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Open {
    /// None: `1.2.3`.
    Nothing,
    /// The last: `1.2`, `1.2.x`.
    Patch,
    /// All but the first: `1`, `1.x`.
    Minor,
    /// All: `*`.
    All,
}

/// A condition on a version: an operator and the version to compare with, in which what is open is 0.
#[derive(Debug, Clone)]
struct Comparator {
    operator: Operator,
    open: Open,
    major: u64,
    minor: u64,
    patch: u64,
    prerelease: String,
}

impl Comparator {
    fn new(operator: Operator, written: &PartialVersion<'_>) -> Result<Self, InvalidRange> {
        let PartialVersion {
            text,
            major,
            minor,
            patch,
            prerelease,
        } = *written;
        let (open, completed) = if is_wildcard(major) {
            (Open::All, format!("0.0.0{prerelease}"))
        } else if minor.is_empty() || is_wildcard(minor) {
            (Open::Minor, format!("{major}.0.0{prerelease}"))
        } else if patch.is_empty() || is_wildcard(patch) {
            (Open::Patch, format!("{major}.{minor}.0{prerelease}"))
        } else {
            (Open::Nothing, text.to_owned())
        };
        let bound = Version::parse(&completed).map_err(|_| InvalidRange::Version)?;
        Ok(Self {
            operator,
            open,
            major: bound.major(),
            minor: bound.minor(),
            patch: bound.patch(),
            prerelease: bound.prerelease().to_owned(),
        })
    }

    /// Whether `version` satisfies the comparator, pre-releases being allowed.
    fn holds(&self, version: &Version<'_>) -> bool {
        let order = version.precedence().cmp(&self.bound());
        match self.operator {
            Operator::Equal if self.open == Open::Nothing => order.is_eq(),
            Operator::Equal | Operator::Tilde => order.is_ge() && self.is_near(version),
            Operator::NotEqual => !self.is_excluded(version),
            Operator::Greater => match self.open {
                // All versions of 11 are within 11, so that only 12 is greater; so for 11.1 and 11.2.
                Open::Minor => version.major() > self.major,
                Open::Patch => (version.major(), version.minor()) > (self.major, self.minor),
                Open::Nothing | Open::All => order.is_gt(),
            },
            Operator::GreaterOrEqual => order.is_ge(),
            Operator::Less => order.is_lt(),
            Operator::LessOrEqual => match self.open {
                Open::Nothing => order.is_le(),
                Open::Minor => version.major() <= self.major,
                Open::Patch | Open::All => (version.major(), version.minor()) <= (self.major, self.minor),
            },
            Operator::Caret => order.is_ge() && self.is_compatible(version),
        }
    }

    fn bound(&self) -> Precedence<'_> {
        Precedence {
            major: self.major,
            minor: self.minor,
            patch: self.patch,
            prerelease: &self.prerelease,
        }
    }

    /// The upper end of `~`, given that `version` is not below the bound.
    fn is_near(&self, version: &Version<'_>) -> bool {
        match self.open {
            // Upstream takes `~0.0.0` as `>=0.0.0`.
            Open::Nothing | Open::All if (self.major, self.minor, self.patch) == (0, 0, 0) => true,
            Open::Minor => version.major() == self.major,
            _ => (version.major(), version.minor()) == (self.major, self.minor),
        }
    }

    /// The upper end of `^`, given that `version` is not below the bound: the first number that is not 0 stays.
    fn is_compatible(&self, version: &Version<'_>) -> bool {
        if self.major > 0 || self.open == Open::Minor {
            version.major() == self.major
        } else if self.minor > 0 || self.open == Open::Patch {
            (version.major(), version.minor()) == (0, self.minor)
        } else {
            (version.major(), version.minor(), version.patch()) == (0, 0, self.patch)
        }
    }

    /// Whether `!=` excludes `version`.
    fn is_excluded(&self, version: &Version<'_>) -> bool {
        match self.open {
            Open::Nothing | Open::All => version.precedence() == self.bound(),
            Open::Minor => version.major() == self.major,
            Open::Patch => {
                (version.major(), version.minor()) == (self.major, self.minor)
                    && version.prerelease() == self.prerelease
            }
        }
    }
}

fn is_wildcard(number: &str) -> bool {
    matches!(number, "x" | "X" | "*")
}
