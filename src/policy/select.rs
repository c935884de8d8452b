//! Selecting the best tag.

use std::cmp::Ordering;
use std::collections::HashSet;

use super::filter::{Candidate, filter_tags};
use super::number::parse_float;
use super::semver::{Range, Version};
use super::{Order, Policy, TagFilter};
use crate::image::TagSnapshot;

/// Why no tag was selected; the messages are Flux's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SelectError {
    /// There are no tags, or the filter matches none.
    #[error("version list argument cannot be empty")]
    NoTags,
    /// No tag is a version in the range.
    #[error("unable to determine latest version from provided list")]
    NothingFits,
    /// A numerical policy met a value that is no number. One is enough to fail it.
    #[error("failed to parse invalid numeric value '{value}'")]
    InvalidNumber {
        /// The value as the policy sees it.
        value: String,
    },
}

/// The tag that `policy` prefers among those that `filter` lets through.
///
/// # Guarantees
/// The answer is one of `tags` and depends on nothing but the arguments.
///
/// # Errors
/// When there is nothing to choose from, or a numerical policy meets what is no number.
///
/// # Deviation
/// With a filter, Flux goes through the tags in random order, and so decides ties anew at each run. Here the order is
/// always that of the tags, byte-descending: of equal versions the first one wins (`v1.0.0` before `1.0.0`), of equal
/// numbers the last one (`1.0` before `1.00`), as in Flux without a filter. Of several tags from which the same value
/// is extracted the last one is kept, as in Flux.
pub fn select<'t>(
    tags: &'t TagSnapshot,
    policy: &Policy,
    filter: Option<&TagFilter>,
) -> Result<&'t str, SelectError> {
    best(&filter_tags(tags, filter).candidates, policy)
}

/// The tag of the best of `candidates`, which are in byte-descending order of their tags. Of candidates with the same
/// value, only the last one counts.
pub(super) fn best<'t>(candidates: &[Candidate<'t>], policy: &Policy) -> Result<&'t str, SelectError> {
    if candidates.is_empty() {
        return Err(SelectError::NoTags);
    }
    match policy {
        Policy::Semver(range) => newest(candidates, range),
        Policy::Alphabetical(order) => last_in_order(candidates, *order),
        Policy::Numerical(order) => greatest(candidates, *order),
    }
}

fn newest<'t>(candidates: &[Candidate<'t>], range: &Range) -> Result<&'t str, SelectError> {
    let mut newest: Option<Version<'_>> = None;
    let mut equals: Vec<&Candidate<'t>> = Vec::new();
    for candidate in candidates {
        let Ok(version) = Version::parse_tag(&candidate.value) else {
            continue;
        };
        // Comparing is cheaper than the range, and most versions are older than the newest so far.
        match newest.map_or(Ordering::Greater, |newest| version.cmp(&newest)) {
            Ordering::Greater if range.admits(&version) => {
                newest = Some(version);
                equals.clear();
                equals.push(candidate);
            }
            Ordering::Equal => equals.push(candidate),
            Ordering::Less | Ordering::Greater => {}
        }
    }
    first_of_last(&equals).ok_or(SelectError::NothingFits)
}

/// Keeps the last candidate of each value, and takes the first one of these.
fn first_of_last<'t>(candidates: &[&Candidate<'t>]) -> Option<&'t str> {
    if let [only] = candidates {
        return Some(only.tag);
    }
    let mut seen = HashSet::new();
    let kept = candidates
        .iter()
        .rev()
        .filter(|candidate| seen.insert(&candidate.value));
    kept.last().map(|candidate| candidate.tag)
}

fn last_in_order<'t>(candidates: &[Candidate<'t>], order: Order) -> Result<&'t str, SelectError> {
    // From the end, because of equal values the last one counts, and `min_by` takes the first of them.
    let last = candidates.iter().rev().min_by(|a, b| match order {
        Order::Ascending => b.value.cmp(&a.value),
        Order::Descending => a.value.cmp(&b.value),
    });
    last.map(|candidate| candidate.tag).ok_or(SelectError::NoTags)
}

fn greatest<'t>(candidates: &[Candidate<'t>], order: Order) -> Result<&'t str, SelectError> {
    let mut greatest: Option<(f64, &'t str)> = None;
    for candidate in candidates {
        let number = parse_float(&candidate.value).ok_or_else(|| SelectError::InvalidNumber {
            value: candidate.value.clone().into_owned(),
        })?;
        // What is not a number is neither less nor greater, so that it replaces and is replaced, as in Flux.
        let is_worse = greatest.is_some_and(|(greatest, _)| match order {
            Order::Ascending => number < greatest,
            Order::Descending => number > greatest,
        });
        if !is_worse {
            greatest = Some((number, candidate.tag));
        }
    }
    greatest.map(|(_, tag)| tag).ok_or(SelectError::NoTags)
}
