//! The grammar of ranges: from a text to comparators that are not yet interpreted.
//!
//! Upstream describes it by regular expressions, of which one also finds hyphen ranges anywhere in the text. Their
//! alternatives never compete for a character, so that a scanner that takes as much as it can accepts the same texts.

use std::borrow::Cow;

use super::version::identifiers_end;

/// Operators as written, the longer of two with the same start first.
const OPERATORS: [(&str, Operator); 11] = [
    ("!=", Operator::NotEqual),
    (">=", Operator::GreaterOrEqual),
    ("=>", Operator::GreaterOrEqual),
    ("<=", Operator::LessOrEqual),
    ("=<", Operator::LessOrEqual),
    ("~>", Operator::Tilde),
    ("=", Operator::Equal),
    (">", Operator::Greater),
    ("<", Operator::Less),
    ("~", Operator::Tilde),
    ("^", Operator::Caret),
];

/// What a comparator does with its bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    /// `=` or nothing.
    Equal,
    /// `!=`.
    NotEqual,
    /// `>`.
    Greater,
    /// `>=` or `=>`.
    GreaterOrEqual,
    /// `<`.
    Less,
    /// `<=` or `=<`.
    LessOrEqual,
    /// `~` or `~>`.
    Tilde,
    /// `^`.
    Caret,
}

/// The version of a comparator: numbers may be missing or wildcards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PartialVersion<'t> {
    /// The whole text.
    pub text: &'t str,
    /// The first number, without a leading `v`.
    pub major: &'t str,
    /// The second number, or empty.
    pub minor: &'t str,
    /// The third number, or empty.
    pub patch: &'t str,
    /// The pre-release with its hyphen, or empty.
    pub prerelease: &'t str,
}

/// Writes hyphen ranges as two comparators: `1.2 - 1.4` becomes `>= 1.2, <= 1.4 `.
pub(super) fn expand_hyphens(text: &str) -> Cow<'_, str> {
    let mut expanded = Cow::Borrowed(text);
    let mut from = 0;
    while let Some((start, _)) = text.char_indices().find(|&(at, _)| at >= from) {
        let Some((low, high, length)) = text.get(start..).and_then(hyphen_range) else {
            // Upstream looks for a range at each character in turn.
            from = start + 1;
            continue;
        };
        let range = text.get(start..start + length).unwrap_or_default();
        expanded = Cow::Owned(expanded.replacen(range, &format!(">= {low}, <= {high} "), 1));
        from = start + length;
    }
    expanded
}

/// Splits one alternative of a range into its comparators; `None` when it does not follow the grammar.
pub(super) fn comparators(text: &str) -> Option<Vec<(Operator, PartialVersion<'_>)>> {
    let mut comparators = Vec::new();
    let mut rest = trim_start(text);
    loop {
        let (operator, after) = operator(rest);
        let version = partial_version(trim_start(after))?;
        let after = trim_start(after).get(version.text.len()..)?;
        comparators.push((operator, version));
        rest = trim_start(after);
        if rest.is_empty() {
            return Some(comparators);
        }
        match rest.strip_prefix(',') {
            Some(after_comma) => rest = trim_start(after_comma),
            None if rest.len() == after.len() => return None,
            None => {}
        }
    }
}

/// A hyphen range at the very start of `text`: both ends, and the length including white space around it.
fn hyphen_range(text: &str) -> Option<(&str, &str, usize)> {
    let low = partial_version(trim_start(text))?.text;
    let after_low = trim_start(text).get(low.len()..)?;
    let after_hyphen = trim_start(after_low).strip_prefix('-')?;
    let before_high = trim_start(after_hyphen);
    if !starts_blank(after_low) || !starts_blank(after_hyphen) {
        return None;
    }
    let high = partial_version(before_high)?.text;
    let rest = trim_start(before_high.get(high.len()..)?);
    Some((low, high, text.len() - rest.len()))
}

fn operator(text: &str) -> (Operator, &str) {
    OPERATORS
        .iter()
        .find_map(|&(sign, operator)| Some((operator, text.strip_prefix(sign)?)))
        .unwrap_or((Operator::Equal, text))
}

/// The longest version at the start of `text`.
fn partial_version(text: &str) -> Option<PartialVersion<'_>> {
    let unprefixed = text.strip_prefix('v').unwrap_or(text);
    let (major, rest) = unprefixed.split_at(number_end(unprefixed));
    if major.is_empty() {
        return None;
    }
    let (minor, rest) = dotted_number(rest);
    let (patch, rest) = dotted_number(rest);
    let (prerelease, rest) = rest.split_at(marked_identifiers_end(rest, '-'));
    let (_metadata, rest) = rest.split_at(marked_identifiers_end(rest, '+'));
    Some(PartialVersion {
        text: text.get(..text.len() - rest.len())?,
        major,
        minor,
        patch,
        prerelease,
    })
}

fn dotted_number(text: &str) -> (&str, &str) {
    match text
        .strip_prefix('.')
        .map(|number| number.split_at(number_end(number)))
    {
        Some((number, rest)) if !number.is_empty() => (number, rest),
        _ => ("", text),
    }
}

fn number_end(text: &str) -> usize {
    text.bytes()
        // Upstream's character class has the bar in it; what has one fails later, with another message.
        .position(|byte| !matches!(byte, b'0'..=b'9' | b'x' | b'X' | b'*' | b'|'))
        .unwrap_or(text.len())
}

fn marked_identifiers_end(text: &str, mark: char) -> usize {
    match text.strip_prefix(mark).map(identifiers_end) {
        None | Some(0) => 0,
        Some(end) => end + mark.len_utf8(),
    }
}

/// White space as `\s` of Go's regular expressions.
fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\r' | '\x0C')
}

fn trim_start(text: &str) -> &str {
    text.trim_start_matches(is_blank)
}

fn starts_blank(text: &str) -> bool {
    text.starts_with(is_blank)
}
