//! Tag filters: which tags a policy sees, and what it sees of them (`ImagePolicy.spec.filterTags`).

use std::borrow::Cow;
use std::collections::HashMap;

use regex::CaptureLocations;

use super::InvalidPolicy;
use super::go_regex::{GoRegex, Template};
use crate::image::TagSnapshot;

/// A compiled `filterTags`.
///
/// # Guarantees
/// What it does with one tag depends on that tag alone.
#[derive(Debug, Clone)]
pub struct TagFilter {
    regex: GoRegex,
    extract: Option<Template>,
}

impl TagFilter {
    /// Compiles `filterTags.pattern`, a regular expression in Go's dialect that may match anywhere in a tag, and
    /// `filterTags.extract`, a template for the value that the policy sees; an empty one counts as none.
    ///
    /// # Errors
    /// With the message of Flux when Go refuses the pattern. Every template is valid.
    pub fn compile(pattern: &str, extract: Option<&str>) -> Result<Self, InvalidPolicy> {
        let regex = GoRegex::compile(pattern).map_err(|reason| InvalidPolicy::Pattern {
            pattern: pattern.to_owned(),
            reason,
        })?;
        let extract = extract
            .filter(|template| !template.is_empty())
            .map(|template| Template::new(template, &regex));
        Ok(Self { regex, extract })
    }

    /// The pattern as written.
    #[must_use]
    pub fn pattern(&self) -> &str {
        self.regex.as_str()
    }

    /// The value that the policy sees of `tag`: the extracted one, or the tag itself when nothing is extracted;
    /// `None` when the pattern does not match.
    #[must_use]
    pub fn apply<'t>(&self, tag: &'t str) -> Option<Cow<'t, str>> {
        self.apply_with(tag, &mut self.regex.locations())
    }

    /// As [`TagFilter::apply`], with room for the groups that several calls share.
    fn apply_with<'t>(&self, tag: &'t str, locations: &mut CaptureLocations) -> Option<Cow<'t, str>> {
        match &self.extract {
            None => self.regex.is_match(tag).then_some(Cow::Borrowed(tag)),
            Some(template) => self
                .regex
                .locate(tag, locations)
                .then(|| template.expand(tag, locations)),
        }
    }
}

/// A tag and the value that the policy sees of it.
#[derive(Debug)]
pub(super) struct Candidate<'t> {
    pub tag: &'t str,
    pub value: Cow<'t, str>,
}

/// What a filter made of a list of tags; each part is in descending byte order of the tags.
#[derive(Debug, Default)]
pub(super) struct Filtered<'t> {
    /// The tags that the pattern matches.
    pub candidates: Vec<Candidate<'t>>,
    /// The tags that it does not match.
    pub unmatched: Vec<&'t str>,
}

impl<'t> Filtered<'t> {
    /// Takes all but the last candidate of each value out, and hands them over with the tag of the one that stays.
    pub fn take_duplicates(&mut self) -> Vec<(Candidate<'t>, &'t str)> {
        let mut last: HashMap<&str, &'t str> = HashMap::with_capacity(self.candidates.len());
        for candidate in &self.candidates {
            last.insert(&candidate.value, candidate.tag);
        }
        let keepers: Vec<&'t str> = self
            .candidates
            .iter()
            .map(|candidate| last.get(&*candidate.value).copied().unwrap_or(candidate.tag))
            .collect();
        let (mut kept, mut duplicates) = (Vec::new(), Vec::new());
        for (candidate, keeper) in self.candidates.drain(..).zip(keepers) {
            if candidate.tag == keeper {
                kept.push(candidate);
            } else {
                duplicates.push((candidate, keeper));
            }
        }
        self.candidates = kept;
        duplicates
    }
}

/// Applies a filter to all tags.
pub(super) fn filter_tags<'t>(tags: &'t TagSnapshot, filter: Option<&TagFilter>) -> Filtered<'t> {
    let mut filtered = Filtered::default();
    let Some(filter) = filter else {
        let whole = |tag: &'t str| Candidate {
            tag,
            value: Cow::Borrowed(tag),
        };
        filtered.candidates = tags.tags().map(whole).collect();
        return filtered;
    };
    let mut locations = filter.regex.locations();
    for tag in tags.tags() {
        match filter.apply_with(tag, &mut locations) {
            Some(value) => filtered.candidates.push(Candidate { tag, value }),
            None => filtered.unmatched.push(tag),
        }
    }
    filtered
}
