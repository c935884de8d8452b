//! Templates as Go's `Regexp.Expand` reads them: what `filterTags.extract` is.

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::{CaptureLocations, Regex};

use super::{GoRegex, located};

/// What Go calls letters and digits, beyond ASCII.
static LETTER_OR_DIGIT: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"\A[\p{L}\p{Nd}]\z").ok());

/// Numbers of groups that Go reads as names.
const MAX_GROUP: u64 = 1_000_000_000;

/// A template whose references are resolved for one regular expression.
///
/// `$name`, `${name}`, `$1` and `${1}` stand for a group, or for nothing when there is none or it has no part in the
/// match; `$1x` is the group named `1x`; `$$` is a dollar sign; a dollar sign before anything else is kept.
#[derive(Debug, Clone)]
pub struct Template {
    pieces: Vec<Piece>,
}

#[derive(Debug, Clone)]
enum Piece {
    Literal(String),
    /// The first of these groups that has a part in the match.
    Groups(Vec<usize>),
}

impl Template {
    /// Reads a template for the groups of `regex`. Every text is a template.
    #[must_use]
    pub fn new(template: &str, regex: &GoRegex) -> Self {
        let mut pieces = Pieces::default();
        let mut rest = template;
        while let Some((before, after)) = rest.split_once('$') {
            pieces.literal(before);
            if let Some(after_second) = after.strip_prefix('$') {
                pieces.literal("$");
                rest = after_second;
            } else if let Some((name, after_name)) = reference(after) {
                pieces.groups(match group_number(name) {
                    Some(number) => (number < regex.group_count())
                        .then_some(number)
                        .into_iter()
                        .collect(),
                    None => regex.groups_named(name).collect(),
                });
                rest = after_name;
            } else {
                pieces.literal("$");
                rest = after;
            }
        }
        pieces.literal(rest);
        Self { pieces: pieces.0 }
    }

    /// Fills the template from a match in `text`.
    #[must_use]
    pub fn expand<'t>(&self, text: &'t str, locations: &CaptureLocations) -> Cow<'t, str> {
        let group = |groups: &[usize]| groups.iter().find_map(|&group| located(text, locations, group));
        if let [Piece::Groups(groups)] = self.pieces.as_slice() {
            return Cow::Borrowed(group(groups).unwrap_or_default());
        }
        let mut expanded = String::new();
        for piece in &self.pieces {
            expanded.push_str(match piece {
                Piece::Literal(literal) => literal,
                Piece::Groups(groups) => group(groups).unwrap_or_default(),
            });
        }
        Cow::Owned(expanded)
    }
}

#[derive(Default)]
struct Pieces(Vec<Piece>);

impl Pieces {
    fn literal(&mut self, text: &str) {
        if let Some(Piece::Literal(last)) = self.0.last_mut() {
            last.push_str(text);
        } else if !text.is_empty() {
            self.0.push(Piece::Literal(text.to_owned()));
        }
    }

    fn groups(&mut self, groups: Vec<usize>) {
        self.0.push(Piece::Groups(groups));
    }
}

/// Reads `name` or `{name}` at the start of `text`.
fn reference(text: &str) -> Option<(&str, &str)> {
    let braced = text.strip_prefix('{');
    let body = braced.unwrap_or(text);
    let end = body.find(|c| !is_word(c)).unwrap_or(body.len());
    let (name, rest) = body.split_at(end);
    let rest = if braced.is_some() {
        rest.strip_prefix('}')?
    } else {
        rest
    };
    (!name.is_empty()).then_some((name, rest))
}

/// The number that `name` is, if it is one without leading zeros.
fn group_number(name: &str) -> Option<usize> {
    let is_number = name.bytes().all(|byte| byte.is_ascii_digit());
    let zero_led = name.len() > 1 && name.starts_with('0');
    if !is_number || zero_led {
        return None;
    }
    name.parse::<u64>()
        .ok()
        .filter(|&number| number < MAX_GROUP)
        .and_then(|number| usize::try_from(number).ok())
}

fn is_word(c: char) -> bool {
    if c.is_ascii() {
        return c == '_' || c.is_ascii_alphanumeric();
    }
    LETTER_OR_DIGIT
        .as_ref()
        .is_some_and(|class| class.is_match(c.encode_utf8(&mut [0; 4])))
}
