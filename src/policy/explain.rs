//! Explaining a selection: a verdict on every tag.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;

use super::filter::{Candidate, filter_tags};
use super::number::parse_float;
use super::select::best;
use super::semver::{Mismatch, Range, Version};
use super::{Order, Policy, TagFilter};
use crate::image::TagSnapshot;

/// What a policy makes of one tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// The tag.
    pub tag: String,
    /// What the filter extracted from it, when that is another text than the tag.
    pub value: Option<String>,
    /// The verdict itself.
    pub outcome: Outcome,
}

/// The verdict on a tag; its text says it in plain English.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The tag is the policy's choice.
    Selected,
    /// The tag would be chosen if the better ones did not exist.
    Eligible {
        /// Its place in the order of preference; the selected tag's is 1.
        place: usize,
    },
    /// The tag can never be chosen.
    Rejected {
        /// The first rule that it fails.
        rule: Rule,
    },
}

/// A rule that a tag fails.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rule {
    /// The filter's pattern does not match.
    FilterTags {
        /// The pattern.
        pattern: String,
    },
    /// The same value is extracted from another tag, and that one is kept.
    SameValue {
        /// The tag that is kept.
        kept: String,
    },
    /// The value is no semantic version of three parts.
    NotVersion,
    /// The version is not in the range.
    OutsideRange {
        /// The range.
        range: String,
    },
    /// The version is a pre-release, and the range names none.
    Prerelease {
        /// The range.
        range: String,
    },
    /// The value is no number, so that the whole numerical policy fails.
    NotNumber,
}

impl Outcome {
    /// `selected`, `eligible` or `rejected`.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Selected => "selected",
            Self::Eligible { .. } => "eligible",
            Self::Rejected { .. } => "rejected",
        }
    }

    /// The rule that a rejected tag fails.
    #[must_use]
    pub fn rule(&self) -> Option<&Rule> {
        match self {
            Self::Rejected { rule } => Some(rule),
            Self::Selected | Self::Eligible { .. } => None,
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Selected => f.write_str("is selected"),
            Self::Eligible { place } => write!(f, "is eligible, in place {place}"),
            Self::Rejected { rule } => rule.fmt(f),
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FilterTags { pattern } => write!(f, "does not match filterTags pattern '{pattern}'"),
            Self::SameValue { kept } => write!(f, "has the same extracted value as '{kept}', which is kept"),
            Self::NotVersion => f.write_str("is not a semantic version"),
            Self::OutsideRange { range } => write!(f, "is outside the range '{range}'"),
            Self::Prerelease { range } => {
                write!(f, "is a pre-release, and the range '{range}' admits none")
            }
            Self::NotNumber => f.write_str("is not a number, which fails the whole policy"),
        }
    }
}

/// A verdict on every tag: the eligible ones in order of preference, the selected one first, then the rejected ones
/// in descending byte order.
///
/// # Guarantees
/// A tag is selected here exactly when [`select`](fn@super::select) selects it. A numerical policy that fails selects
/// none, and its numbers are shown as eligible.
#[must_use]
pub fn explain(tags: &TagSnapshot, policy: &Policy, filter: Option<&TagFilter>) -> Vec<Verdict> {
    let mut filtered = filter_tags(tags, filter);
    let duplicates = filtered.take_duplicates();
    let selected = best(&filtered.candidates, policy).ok();
    let Ranking {
        mut eligible,
        rejected,
    } = match policy {
        Policy::Semver(range) => rank_versions(&filtered.candidates, range),
        Policy::Alphabetical(order) => rank_texts(&filtered.candidates, *order),
        Policy::Numerical(order) => rank_numbers(&filtered.candidates, *order),
    };
    // Where a numerical policy met what is not a number, preference is no order, and the selection goes first.
    eligible.sort_by_key(|candidate| Some(candidate.tag) != selected);
    let mut rejected: Vec<Verdict> = rejected.into_iter().map(|(c, rule)| reject(c, rule)).collect();
    rejected.extend(duplicates.iter().map(|(candidate, kept)| {
        let kept = (*kept).to_owned();
        reject(candidate, Rule::SameValue { kept })
    }));
    rejected.extend(filtered.unmatched.iter().filter_map(|&tag| {
        let pattern = filter?.pattern().to_owned();
        Some(reject(
            &Candidate {
                tag,
                value: Cow::Borrowed(tag),
            },
            Rule::FilterTags { pattern },
        ))
    }));
    rejected.sort_by(|a, b| b.tag.cmp(&a.tag));
    let ranked = eligible.into_iter().enumerate().map(|(index, candidate)| {
        let outcome = if Some(candidate.tag) == selected {
            Outcome::Selected
        } else {
            Outcome::Eligible { place: index + 1 }
        };
        verdict(candidate, outcome)
    });
    ranked.chain(rejected).collect()
}

/// The candidates of a policy, parted.
struct Ranking<'c, 't> {
    /// Best first.
    eligible: Vec<&'c Candidate<'t>>,
    rejected: Vec<(&'c Candidate<'t>, Rule)>,
}

impl<'c, 't> Ranking<'c, 't> {
    /// Parts `candidates` by `judge`, and puts those with a key in order, best first.
    fn new<K>(
        candidates: impl Iterator<Item = &'c Candidate<'t>>,
        judge: impl Fn(&'c Candidate<'t>) -> Result<K, Rule>,
        order: impl Fn(&K, &K) -> Ordering,
    ) -> Self
    where
        't: 'c,
    {
        let (mut keyed, mut rejected) = (Vec::new(), Vec::new());
        for candidate in candidates {
            match judge(candidate) {
                Ok(key) => keyed.push((key, candidate)),
                Err(rule) => rejected.push((candidate, rule)),
            }
        }
        keyed.sort_by(|(a, _), (b, _)| order(a, b));
        let eligible = keyed.into_iter().map(|(_, candidate)| candidate).collect();
        Self { eligible, rejected }
    }
}

fn rank_versions<'c, 't>(candidates: &'c [Candidate<'t>], range: &Range) -> Ranking<'c, 't> {
    let text = || range.as_str().to_owned();
    let judge = |candidate: &'c Candidate<'t>| {
        let version = Version::parse_tag(&candidate.value).map_err(|_| Rule::NotVersion)?;
        match range.mismatch(&version) {
            None => Ok(version),
            Some(Mismatch::Outside) => Err(Rule::OutsideRange { range: text() }),
            Some(Mismatch::Prerelease) => Err(Rule::Prerelease { range: text() }),
        }
    };
    Ranking::new(candidates.iter(), judge, |a, b| b.cmp(a))
}

fn rank_texts<'c, 't>(candidates: &'c [Candidate<'t>], order: Order) -> Ranking<'c, 't> {
    Ranking::new(
        candidates.iter(),
        |candidate| Ok(&candidate.value),
        |a, b| match order {
            Order::Ascending => b.cmp(a),
            Order::Descending => a.cmp(b),
        },
    )
}

fn rank_numbers<'c, 't>(candidates: &'c [Candidate<'t>], order: Order) -> Ranking<'c, 't> {
    let judge = |candidate: &'c Candidate<'t>| parse_float(&candidate.value).ok_or(Rule::NotNumber);
    // Of equal numbers the last one is preferred.
    Ranking::new(candidates.iter().rev(), judge, |a, b| {
        let by_value = match order {
            Order::Ascending => b.partial_cmp(a),
            Order::Descending => a.partial_cmp(b),
        };
        by_value.unwrap_or_else(|| a.is_nan().cmp(&b.is_nan()))
    })
}

fn reject(candidate: &Candidate<'_>, rule: Rule) -> Verdict {
    verdict(candidate, Outcome::Rejected { rule })
}

fn verdict(candidate: &Candidate<'_>, outcome: Outcome) -> Verdict {
    Verdict {
        tag: candidate.tag.to_owned(),
        value: (candidate.value != candidate.tag).then(|| candidate.value.clone().into_owned()),
        outcome,
    }
}
