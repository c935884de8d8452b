//! Policies pick one tag of a list.
//!
//! ```text
//! tags ─ TagFilter ─▶ values ─ Policy ─▶ the best value ─▶ its tag
//! ```
//!
//! - [`semver`]: versions and ranges as Masterminds/semver v3.5.0 reads them.
//! - [`go_regex`]: regular expressions in Go's dialect.
//!
//! Pure: no network, no clock, no API server.

mod explain;
mod filter;
mod number;
mod select;
mod spec;

pub use fluxbot_goregexp as go_regex;
pub use fluxbot_semver as semver;

use std::fmt;
use std::str::FromStr;

use self::go_regex::InvalidRegex;
use self::semver::{InvalidRange, Range};

pub use explain::{Outcome, Rule, Verdict, explain};
pub use filter::TagFilter;
pub use select::{SelectError, select};
pub use spec::{CompiledPolicy, newest_first};

/// How the best of several values is found (`ImagePolicy.spec.policy`).
#[derive(Debug, Clone)]
pub enum Policy {
    /// The newest version in a range; values that are no versions of three parts are passed over.
    Semver(Range),
    /// The last value in byte order, or the first in descending order.
    Alphabetical(Order),
    /// The greatest number, or the smallest in descending order; every value must be a number.
    Numerical(Order),
}

impl Policy {
    /// A semver policy.
    ///
    /// # Errors
    /// When `range` is no range, with the message of Flux.
    pub fn semver(range: &str) -> Result<Self, InvalidPolicy> {
        range.parse().map(Self::Semver).map_err(InvalidPolicy::Range)
    }

    /// An alphabetical policy; `order` is `asc`, `desc` or empty.
    ///
    /// # Errors
    /// When `order` is none of these, with the message of Flux.
    pub fn alphabetical(order: &str) -> Result<Self, InvalidPolicy> {
        order
            .parse()
            .map(Self::Alphabetical)
            .map_err(InvalidPolicy::Order)
    }

    /// A numerical policy; `order` is `asc`, `desc` or empty.
    ///
    /// # Errors
    /// When `order` is none of these, with the message of Flux.
    pub fn numerical(order: &str) -> Result<Self, InvalidPolicy> {
        order.parse().map(Self::Numerical).map_err(InvalidPolicy::Order)
    }
}

/// In which order values are put before the last one is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Order {
    /// The greatest value is the best.
    #[default]
    Ascending,
    /// The smallest value is the best.
    Descending,
}

impl fmt::Display for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ascending => "asc",
            Self::Descending => "desc",
        })
    }
}

impl FromStr for Order {
    type Err = InvalidOrder;

    /// Reads `asc` or `desc` in any case; the empty text is ascending, as in Flux.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.to_uppercase().as_str() {
            "" | "ASC" => Ok(Self::Ascending),
            "DESC" => Ok(Self::Descending),
            other => Err(InvalidOrder(other.to_owned())),
        }
    }
}

/// The text is no order.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid order argument provided: '{0}', must be one of: ASC, DESC")]
pub struct InvalidOrder(String);

/// Why a policy or its filter cannot be used. Only a change of the policy helps: such an `ImagePolicy` is stalled with
/// the reason `InvalidPolicy` and this message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPolicy {
    /// None of semver, alphabetical and numerical is given.
    #[error("invalid policy: given ImagePolicyChoice object is invalid")]
    Choice,
    /// The range of a semver policy.
    #[error("invalid policy: {0}")]
    Range(InvalidRange),
    /// The order of an alphabetical or numerical policy.
    #[error("invalid policy: {0}")]
    Order(InvalidOrder),
    /// The pattern of the tag filter.
    #[error("failed to filter tags: invalid regular expression pattern '{pattern}': {reason}")]
    Pattern {
        /// The pattern as given.
        pattern: String,
        /// What Go finds wrong with it.
        reason: InvalidRegex,
    },
}

#[cfg(test)]
mod tests;
