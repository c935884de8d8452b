//! Tag filters: which tags a policy sees, and what it sees of them (`ImagePolicy.spec.filterTags`).

use std::borrow::Cow;
use std::collections::HashMap;

use regex::CaptureLocations;

use super::InvalidPolicy;
use super::expand::Template;
use super::go_regex::GoRegex;
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
    /// The tags that the policy chooses from; no two have the same value.
    pub candidates: Vec<Candidate<'t>>,
    /// Tags whose value a candidate has too, with that candidate's tag.
    pub duplicates: Vec<(Candidate<'t>, &'t str)>,
    /// Tags that the pattern does not match.
    pub unmatched: Vec<&'t str>,
}

/// Applies a filter to all tags. Of several tags with the same value the last in byte-descending order is kept, as
/// Flux does.
pub(super) fn filter_tags<'t>(tags: &'t TagSnapshot, filter: Option<&TagFilter>) -> Filtered<'t> {
    let mut filtered = Filtered::default();
    let Some(filter) = filter else {
        filtered.candidates = tags.tags().iter().map(|tag| whole(tag)).collect();
        return filtered;
    };
    let mut locations = filter.regex.locations();
    for tag in tags.tags() {
        match filter.apply_with(tag, &mut locations) {
            Some(value) => filtered.candidates.push(Candidate { tag, value }),
            None => filtered.unmatched.push(tag),
        }
    }
    if filter.extract.is_some() {
        separate_duplicates(&mut filtered);
    }
    filtered
}

fn whole(tag: &str) -> Candidate<'_> {
    Candidate {
        tag,
        value: Cow::Borrowed(tag),
    }
}

fn separate_duplicates(filtered: &mut Filtered<'_>) {
    let mut kept: HashMap<&str, &str> = HashMap::with_capacity(filtered.candidates.len());
    for candidate in &filtered.candidates {
        kept.insert(&candidate.value, candidate.tag);
    }
    if kept.len() == filtered.candidates.len() {
        return;
    }
    let keepers: Vec<&str> = filtered
        .candidates
        .iter()
        .map(|candidate| kept.get(&*candidate.value).copied().unwrap_or(candidate.tag))
        .collect();
    let (mut candidates, mut duplicates) = (Vec::new(), Vec::new());
    for (candidate, keeper) in filtered.candidates.drain(..).zip(keepers) {
        if candidate.tag == keeper {
            candidates.push(candidate);
        } else {
            duplicates.push((candidate, keeper));
        }
    }
    filtered.candidates = candidates;
    filtered.duplicates = duplicates;
}
