//! Regular expressions in Go's dialect, run by the `regex` crate.
//!
//! Both engines are RE2's children and agree on what a match is, but not on how a pattern is written. A pattern is
//! therefore read by Go's grammar and written anew in the crate's.

mod classes;
mod error;
mod expand;
mod translate;
mod unicode_names;

use regex::{CaptureLocations, Regex, RegexBuilder};

pub use error::{InvalidRegex, PatternFault};
pub use expand::Template;

/// Longest pattern that is read, in bytes.
const MAX_PATTERN_LENGTH: usize = 8 * 1024;

/// Most memory that a compiled pattern may take, in bytes.
const MAX_COMPILED_SIZE: usize = 10 * 1024 * 1024;

/// Most memory that a search may take for its cache, in bytes.
const MAX_CACHE_SIZE: usize = 2 * 1024 * 1024;

/// A compiled regular expression that accepts, refuses and matches what Go's `regexp.Compile` does.
///
/// Matching takes time linear in the length of the text.
///
/// # Deviation
/// - Patterns of more than 8 KiB, groups that nest more than 50 deep, and patterns that would take more than 10 MiB
///   compiled are refused in Go's words, but sooner than Go does it.
/// - Where a repetition that can match nothing is within another and a word boundary decides, such as in
///   `((.|]*})*?\B)*` in `aaA`, the match can be longer than Go's. Two million random cases, a quarter of them
///   patterns, showed one such difference and no other.
/// - `\p{…}` and `(?i)` follow the Unicode version of the `regex` crate, which is newer than Go's.
#[derive(Debug, Clone)]
pub struct GoRegex {
    pattern: String,
    regex: Regex,
    group_names: Vec<Option<String>>,
}

impl GoRegex {
    /// Compiles a pattern.
    ///
    /// # Errors
    /// With Go's message.
    pub fn compile(pattern: &str) -> Result<Self, InvalidRegex> {
        let refused = |fault| InvalidRegex::new(fault, pattern);
        if pattern.len() > MAX_PATTERN_LENGTH {
            return Err(refused(PatternFault::TooLarge));
        }
        let translation = translate::translate(pattern)?;
        let regex = RegexBuilder::new(&translation.pattern)
            .size_limit(MAX_COMPILED_SIZE)
            .dfa_size_limit(MAX_CACHE_SIZE)
            .nest_limit(u32::MAX)
            .build()
            .map_err(|error| match error {
                regex::Error::CompiledTooBig(_) => refused(PatternFault::TooLarge),
                // The translation only writes what the crate reads.
                _ => refused(PatternFault::Internal),
            })?;
        Ok(Self {
            pattern: pattern.to_owned(),
            regex,
            group_names: translation.group_names,
        })
    }

    /// The pattern as written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.pattern
    }

    /// Whether the pattern matches anywhere in `text`.
    #[must_use]
    pub fn is_match(&self, text: &str) -> bool {
        self.regex.is_match(text)
    }

    /// The groups of the leftmost match in `text`, the whole match first; a group without part in it is `None`.
    #[must_use]
    pub fn groups<'t>(&self, text: &'t str) -> Option<Vec<Option<&'t str>>> {
        let mut locations = self.locations();
        self.locate(text, &mut locations).then(|| {
            // The engine forgets groups at the end that can have no part in a match, such as that of `a(b){0}`.
            (0..self.group_count())
                .map(|group| located(text, &locations, group))
                .collect()
        })
    }

    /// The bounds of all matches that do not overlap, from left to right, as Go's `FindAllStringIndex` finds them: an
    /// empty match right behind another is none.
    pub fn find_iter<'t>(&self, text: &'t str) -> impl Iterator<Item = (usize, usize)> + use<'_, 't> {
        self.regex
            .find_iter(text)
            .map(|found| (found.start(), found.end()))
    }

    /// Finds the leftmost match that starts at byte `start` or behind it, and fills `locations`; whether there is one.
    /// `start` must be at a character's boundary of `text`; elsewhere there is no match.
    pub fn locate_at(&self, text: &str, start: usize, locations: &mut CaptureLocations) -> bool {
        text.is_char_boundary(start) && self.regex.captures_read_at(locations, text, start).is_some()
    }

    /// How many groups there are, the whole match included.
    #[must_use]
    pub fn group_count(&self) -> usize {
        self.group_names.len()
    }

    /// The groups named `name`, in their order; Go lets several groups have one name.
    pub fn groups_named(&self, name: &str) -> impl Iterator<Item = usize> {
        let named = self.group_names.iter().enumerate();
        named.filter_map(move |(group, known)| (known.as_deref() == Some(name)).then_some(group))
    }

    /// Room for the groups of a match, to be used again and again.
    #[must_use]
    pub fn locations(&self) -> CaptureLocations {
        self.regex.capture_locations()
    }

    /// Finds the leftmost match and fills `locations`; whether there is one.
    pub fn locate(&self, text: &str, locations: &mut CaptureLocations) -> bool {
        self.regex.captures_read(locations, text).is_some()
    }
}

/// The text of a group that [`GoRegex::locate`] found.
#[must_use]
pub fn located<'t>(text: &'t str, locations: &CaptureLocations, group: usize) -> Option<&'t str> {
    locations.get(group).and_then(|(start, end)| text.get(start..end))
}
