//! Files that no YAML parser reads, line by line.
//!
//! A line is understood when it holds `key: value # marker` or `- value # marker` and every line that encloses it by
//! indentation opens nothing but mappings and sequences. In doubt a line is not understood: the same text inside
//! a block scalar or a quoted text must never be touched.

use std::ops::Range;

use super::locate::{Impossible, ImpossibleReason, Located, MarkedScalar, Reading, Style};
use super::stream::line_end;
use super::{MalformedMarker, Marker, MarkerParse, ObjectIdentifier, parse_comment};

/// How many `#`s of a line are tried as the begin of a comment.
const MAX_HASHES: usize = 32;

/// Finds the markers of a text that is no YAML.
pub(super) fn locate(text: &str) -> Located {
    let mut located = Located {
        reading: Reading::Lines,
        ..Located::default()
    };
    let lines: Vec<Line<'_>> = lines(text);
    let enclosed = enclosed_simply(&lines);
    for (number, (line, is_simple)) in lines.iter().zip(enclosed).enumerate() {
        if !line.text.contains("imagepolicy") {
            continue;
        }
        let Some((comment, parsed)) = trailing_comment(line.text) else {
            continue;
        };
        let setter = line.text.get(comment..).unwrap_or_default().trim_end();
        let placed = match parsed {
            MarkerParse::NotAMarker => continue,
            MarkerParse::Malformed(MalformedMarker::TextBefore)
                if line.text.trim_start().starts_with('#') =>
            {
                continue;
            }
            MarkerParse::Malformed(reason) => Err((setter.to_owned(), ImpossibleReason::Malformed(reason))),
            MarkerParse::Marker(marker) => {
                let setter = marker.to_string();
                scalar(line, number, is_simple, comment, marker).map_err(|reason| (setter, reason))
            }
        };
        match placed {
            Ok(scalar) => located.scalars.push(scalar),
            Err((setter, reason)) => located.impossible.push(Impossible {
                line: number + 1,
                setter,
                reason,
            }),
        }
    }
    located
}

/// The marker at the end of a line, when there is a well-formed one.
pub(super) fn trailing_marker(line: &str) -> Option<Marker> {
    match trailing_comment(line) {
        Some((_, MarkerParse::Marker(marker))) => Some(marker),
        _ => None,
    }
}

/// The first comment of a line that a marker could be, and what it says.
fn trailing_comment(line: &str) -> Option<(usize, MarkerParse)> {
    let mut best = None;
    for (offset, _) in line.match_indices('#').take(MAX_HASHES) {
        let before = line.get(..offset).unwrap_or_default();
        // Behind a closing quote or bracket, go-yaml needs no space before a comment.
        if !(before.is_empty() || before.ends_with([' ', '\t', '\u{feff}', '"', '\'', ']', '}'])) {
            continue;
        }
        match parse_comment(
            line.get(offset..)
                .unwrap_or_default()
                .trim_end_matches(['\r', '\n']),
        ) {
            MarkerParse::NotAMarker => {}
            found @ MarkerParse::Marker(_) => return Some((offset, found)),
            found @ MarkerParse::Malformed(_) => best = best.or(Some((offset, found))),
        }
    }
    best
}

/// A line without its line end.
struct Line<'t> {
    start: usize,
    text: &'t str,
}

fn lines(text: &str) -> Vec<Line<'_>> {
    let mut start = 0;
    text.split_inclusive('\n')
        .map(|line| {
            let offset = start;
            start += line.len();
            Line {
                start: offset,
                text: line.get(..line_end(line, 0)).unwrap_or(line),
            }
        })
        .collect()
}

/// The parts of a line that stands for one entry of a mapping or sequence; all offsets are the line's own.
struct Parts {
    /// Where the first dash, the key or the value begins.
    indent: usize,
    /// Where the key, or the value of an item without one, begins.
    content: usize,
    has_key: bool,
    /// The value with its quotes; empty when the line has none.
    value: Range<usize>,
}

/// Takes a line apart, up to where its comment begins.
fn parts(line: &str, comment: usize) -> Option<Parts> {
    let code = line.get(..comment)?.trim_end();
    let indent = code.len() - code.trim_start_matches(' ').len();
    let mut content = indent;
    loop {
        let rest = code.get(content..)?;
        let Some(behind) = rest.strip_prefix('-') else {
            break;
        };
        let item = behind.trim_start_matches(' ');
        if !behind.is_empty() && item.len() == behind.len() {
            break;
        }
        content = code.len() - item.len();
    }
    let rest = code.get(content..)?;
    let (has_key, value) = match key_length(rest) {
        Some(length) => {
            let behind = rest.get(length + 1..)?;
            let value = behind.trim_start_matches([' ', '\t']);
            (true, code.len() - value.len()..code.len())
        }
        None => (false, content..code.len()),
    };
    Some(Parts {
        indent,
        content,
        has_key,
        value,
    })
}

/// The length of the key when the text is `key:` or `key: value`.
fn key_length(text: &str) -> Option<usize> {
    let length = match text.as_bytes().first()? {
        quote @ (b'"' | b'\'') => {
            let rest = text.get(1..)?;
            rest.find(char::from(*quote))? + 2
        }
        _ => text.find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '/')))?,
    };
    let behind = text.get(length..)?.strip_prefix(':')?;
    (length > 0 && (behind.is_empty() || behind.starts_with([' ', '\t']))).then_some(length)
}

/// What a value on one line is: its style and decoded text, when that is beyond doubt.
fn single_line_value(text: &str) -> Option<(Style, &str)> {
    let (style, value) = match text.as_bytes().first()? {
        b'"' => (Style::Double, text.strip_prefix('"')?.strip_suffix('"')?),
        b'\'' => (Style::Single, text.strip_prefix('\'')?.strip_suffix('\'')?),
        first => {
            let is_plain = first.is_ascii_alphanumeric() || matches!(first, b'.' | b'/' | b'_' | b'~');
            return (is_plain && !text.contains([' ', '\t', ',', '[', ']', '{', '}', '"', '\'']))
                .then_some((Style::Plain, text));
        }
    };
    (!value.contains(['"', '\'', '\\', '\t'])).then_some((style, value))
}

fn scalar(
    line: &Line<'_>,
    number: usize,
    is_simple: bool,
    comment: usize,
    marker: Marker,
) -> Result<MarkedScalar, ImpossibleReason> {
    if line.text.contains("{{") || line.text.contains("}}") {
        return Err(ImpossibleReason::TemplateExpression);
    }
    let parts = parts(line.text, comment).ok_or(ImpossibleReason::LineNotUnderstood)?;
    let is_entry = parts.has_key || parts.content > parts.indent;
    let text = line.text.get(parts.value.clone()).unwrap_or_default();
    if is_entry && text.is_empty() {
        return Err(ImpossibleReason::EmptyValue);
    }
    let (style, value) = single_line_value(text)
        .filter(|_| is_entry && is_simple)
        .ok_or(ImpossibleReason::LineNotUnderstood)?;
    Ok(MarkedScalar {
        marker,
        line: number + 1,
        column: line
            .text
            .get(..parts.value.start)
            .unwrap_or_default()
            .chars()
            .count()
            + 1,
        span: line.start + parts.value.start..line.start + parts.value.end,
        style,
        value: value.to_owned(),
        object: ObjectIdentifier::default(),
        event: None,
    })
}

/// A line that may enclose those below it.
struct Opener<'t> {
    text: &'t str,
    parts: Option<Parts>,
    indent: usize,
    is_simple: bool,
}

impl Opener<'_> {
    /// Whether a line of that indentation is an entry of what this line opens, or stands beside its entry.
    fn holds(&self, indent: usize) -> bool {
        let Some(parts) = self.parts.as_ref().filter(|_| !self.text.contains('\t')) else {
            return false;
        };
        let value = self.text.get(parts.value.clone()).unwrap_or_default();
        let is_sibling = parts.has_key && parts.content == indent && single_line_value(value).is_some();
        self.is_simple && (value.is_empty() || is_sibling)
    }
}

/// For each line, whether the lines that enclose it by indentation open mappings and sequences alone.
fn enclosed_simply<'t>(lines: &[Line<'t>]) -> Vec<bool> {
    let mut openers: Vec<Opener<'t>> = Vec::new();
    let mut is_document_simple = true;
    let judge = |line: &Line<'t>| {
        let text: &'t str = line.text.trim_start_matches('\u{feff}');
        let code = text.trim();
        if code.is_empty() || code.starts_with('#') || is_expression(code) {
            return false;
        }
        if text.starts_with("---") {
            openers.clear();
            // A value behind the separator could be a block scalar that holds all lines below.
            let value = code.trim_start_matches('-').trim_start();
            is_document_simple = value.is_empty() || value.starts_with('#');
            return false;
        }
        let indent = text.len() - text.trim_start_matches(' ').len();
        while openers.last().is_some_and(|opener| opener.indent >= indent) {
            openers.pop();
        }
        let is_simple = openers
            .last()
            .map_or(is_document_simple, |opener| opener.holds(indent));
        openers.push(Opener {
            text,
            parts: parts(text, text.find(" #").unwrap_or(text.len())),
            indent,
            is_simple,
        });
        is_simple
    };
    lines.iter().map(judge).collect()
}

/// Whether the line holds template expressions and nothing else.
fn is_expression(code: &str) -> bool {
    code.starts_with("{{") && code.ends_with("}}")
}

/// Whether each changed line of an edited text still reads as the same marker on the new value, and all other lines
/// are as they were. `expected` has the line numbers from 1, in their order, and the new values.
pub(super) fn is_faithful(before: &str, after: &str, expected: &[(usize, &Marker, &str)]) -> bool {
    let located = locate(after);
    let mut scalars = located.scalars.iter();
    let all_set = expected.iter().all(|(line, marker, value)| {
        let scalar = scalars.find(|scalar| scalar.line == *line);
        scalar.is_some_and(|scalar| scalar.marker == **marker && scalar.value == *value)
    });
    let mut expected = expected.iter().map(|(line, ..)| *line).peekable();
    let pairs = before.split('\n').zip(after.split('\n')).enumerate();
    let others_stay = pairs
        .into_iter()
        .all(|(number, (old, new))| expected.next_if_eq(&(number + 1)).is_some() || old == new);
    all_set && others_stay && before.split('\n').count() == after.split('\n').count()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("\tbroken\nimage: old # {\"$imagepolicy\": \"ns:p\"}\n", 2, "old")]
    #[case(
        "\tbroken\nspec:\n  list:\n  - 'old' # {\"$imagepolicy\": \"ns:p\"}",
        4,
        "old"
    )]
    #[case(
        "\tbroken\nspec:\n  - name: x\n    image: \"old\"   # {\"$imagepolicy\": \"ns:p\"}",
        4,
        "old"
    )]
    #[case(
        "\tbroken\r\nspec: # c\r\n{{ if }}\r\n  image: old # {\"$imagepolicy\": \"ns:p\"}\r\n",
        4,
        "old"
    )]
    #[case("\tbroken\n---\n- - old # {\"$imagepolicy\": \"ns:p\"}", 3, "old")]
    fn a_line_with_one_scalar_is_understood(#[case] text: &str, #[case] line: usize, #[case] value: &str) {
        let located = locate(text);
        let found: Vec<_> = located
            .scalars
            .iter()
            .map(|s| (s.line, s.value.as_str()))
            .collect();
        assert_eq!(found, [(line, value)], "{:?}", located.impossible);
    }

    #[rstest]
    #[case::block_scalar("script: |\n  image: old # {\"$imagepolicy\": \"ns:p\"}\n")]
    #[case::block_scalar_deeper(
        "a:\n  b: >-  # c\n    c:\n      image: old # {\"$imagepolicy\": \"ns:p\"}\n"
    )]
    #[case::block_scalar_item("- |\n  image: old # {\"$imagepolicy\": \"ns:p\"}\n")]
    #[case::root_block_scalar("--- |\nimage: old # {\"$imagepolicy\": \"ns:p\"}\n")]
    #[case::open_quote("a: 'x\n  image: old # {\"$imagepolicy\": \"ns:p\"}\n'")]
    #[case::flow("a: {\n  image: old # {\"$imagepolicy\": \"ns:p\"}\n}")]
    #[case::flow_on_the_line("a: [old, b] # {\"$imagepolicy\": \"ns:p\"}")]
    #[case::plain_over_lines("a: x\n  image: old # {\"$imagepolicy\": \"ns:p\"}")]
    #[case::no_entry("old # {\"$imagepolicy\": \"ns:p\"}")]
    #[case::tab("\timage: old # {\"$imagepolicy\": \"ns:p\"}")]
    #[case::anchor("image: &x old # {\"$imagepolicy\": \"ns:p\"}")]
    #[case::block_header("image: | # {\"$imagepolicy\": \"ns:p\"}\n  old")]
    #[case::alone("list:\n# {\"$imagepolicy\": \"ns:p\"}\n- old")]
    fn in_doubt_a_line_is_left_alone(#[case] text: &str) {
        let located = locate(text);
        assert_eq!(located.scalars, []);
        assert_eq!(located.impossible.len(), 1);
    }

    #[test]
    fn a_line_with_a_template_expression_is_left_alone() {
        let located = locate("\tx\nimage: {{ .old }} # {\"$imagepolicy\": \"ns:p\"}");
        assert_eq!(located.impossible[0].reason, ImpossibleReason::TemplateExpression);
    }
}
