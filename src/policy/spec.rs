//! Policies as `ImagePolicy` objects declare them.

use std::fmt;

use fluxbot_api::image::{self as api, ImagePolicySpec};

use super::semver::Version;
use super::{InvalidPolicy, Order, Policy, TagFilter};

/// The policy and the tag filter of an `ImagePolicy`.
#[derive(Debug, Clone)]
pub struct CompiledPolicy {
    /// How the best tag is found.
    pub policy: Policy,
    /// Which tags take part, and what of them is compared.
    pub filter: Option<TagFilter>,
}

impl CompiledPolicy {
    /// Reads `spec.policy` and `spec.filterTags`. When several policies are given, the first of semver, alphabetical and
    /// numerical counts, as in Flux.
    ///
    /// # Errors
    /// When none is given, or one is invalid, with Flux's message.
    pub fn from_spec(spec: &ImagePolicySpec) -> Result<Self, InvalidPolicy> {
        let order = |order: Option<api::Order>| match order {
            Some(api::Order::Desc) => Order::Descending,
            Some(api::Order::Asc) | None => Order::Ascending,
        };
        let choice = &spec.policy;
        let policy = if let Some(semver) = &choice.semver {
            Policy::semver(&semver.range)?
        } else if let Some(alphabetical) = &choice.alphabetical {
            Policy::Alphabetical(order(alphabetical.order))
        } else if let Some(numerical) = &choice.numerical {
            Policy::Numerical(order(numerical.order))
        } else {
            return Err(InvalidPolicy::Choice);
        };
        let filter = spec.filter_tags.as_ref();
        let filter = filter
            .map(|filter| {
                TagFilter::compile(
                    filter.pattern.as_deref().unwrap_or_default(),
                    filter.extract.as_deref(),
                )
            })
            .transpose()?;
        Ok(Self { policy, filter })
    }
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Semver(range) => write!(f, "semver '{range}'"),
            Self::Alphabetical(order) => write!(f, "alphabetical order ({order})"),
            Self::Numerical(order) => write!(f, "numerical order ({order})"),
        }
    }
}

/// The first `count` tags for a person who wants to see what is new: versions first, the newest at the top, then the other
/// tags in descending byte order.
#[must_use]
pub fn newest_first(tags: &[String], count: usize) -> Vec<String> {
    let mut versions: Vec<(Version<'_>, &String)> = Vec::new();
    let mut others: Vec<&String> = Vec::new();
    for tag in tags {
        match Version::parse_tag(tag) {
            Ok(version) => versions.push((version, tag)),
            Err(_) => others.push(tag),
        }
    }
    versions.sort_by(|(a, _), (b, _)| b.cmp(a));
    others.sort_by(|a, b| b.cmp(a));
    versions
        .into_iter()
        .map(|(_, tag)| tag)
        .chain(others)
        .take(count)
        .cloned()
        .collect()
}
