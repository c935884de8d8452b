//! Files that no YAML parser reads, line by line.
//!
//! A line is understood when it holds `key: value # marker` or `- value # marker` and every line that encloses it by
//! indentation opens nothing but mappings and sequences. In doubt a line is not understood: the same text inside
//! a block scalar or a quoted text must never be touched.

use std::ops::Range;

use super::locate::{Impossible, ImpossibleReason, Located, MarkedScalar, Reading, Style};
use super::stream::line_end;
use super::{MalformedMarker, Marker, MarkerParse, ObjectIdentifier, parse_comment};

/// Finds the markers of a text that is no YAML.
pub(super) fn locate(text: &str) -> Located {
    let mut located = Located {
        reading: Reading::Lines,
        ..Located::default()
    };
    let lines: Vec<Line<'_>> = lines(text);
    for (number, line) in lines.iter().enumerate() {
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
                scalar(&lines, number, comment, marker).map_err(|reason| (setter, reason))
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
    for (offset, _) in line.match_indices('#') {
        let before = line.get(..offset).unwrap_or_default();
        if !(before.is_empty() || before.ends_with([' ', '\t', '\u{feff}'])) {
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
    lines: &[Line<'_>],
    number: usize,
    comment: usize,
    marker: Marker,
) -> Result<MarkedScalar, ImpossibleReason> {
    let line = lines.get(number).ok_or(ImpossibleReason::LineNotUnderstood)?;
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
        .filter(|_| is_entry && is_enclosed_simply(lines, number, parts.indent))
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

/// Whether the lines that enclose a line of this indentation open mappings and sequences alone.
fn is_enclosed_simply(lines: &[Line<'_>], number: usize, indent: usize) -> bool {
    let mut indent = indent;
    for line in lines.get(..number).unwrap_or_default().iter().rev() {
        let text = line.text.trim_start_matches('\u{feff}');
        let code = text.trim();
        if code.is_empty() || code.starts_with('#') || is_expression(code) {
            continue;
        }
        if text.starts_with("---") {
            // A value behind the separator could be a block scalar that holds all lines below.
            return code
                .trim_start_matches('-')
                .trim_start()
                .strip_prefix('#')
                .is_some()
                || code == "---";
        }
        let own = text.len() - text.trim_start_matches(' ').len();
        if own >= indent {
            continue;
        }
        let comment = text.find(" #").unwrap_or(text.len());
        let Some(parts) = parts(text, comment) else {
            return false;
        };
        let value = text.get(parts.value.clone()).unwrap_or_default();
        let opens_here = value.is_empty();
        let is_sibling = parts.has_key && parts.content == indent && single_line_value(value).is_some();
        if text.contains('\t') || !(opens_here || is_sibling) {
            return false;
        }
        indent = parts.indent;
    }
    true
}

/// Whether the line holds template expressions and nothing else.
fn is_expression(code: &str) -> bool {
    code.starts_with("{{") && code.ends_with("}}")
}

/// Whether each changed line of an edited text still reads as the same marker on the new value, and all other lines
/// are as they were. `expected` has the line numbers from 1 and the new values.
pub(super) fn is_faithful(before: &str, after: &str, expected: &[(usize, &Marker, &str)]) -> bool {
    let before: Vec<&str> = before.split('\n').collect();
    let after_lines: Vec<&str> = after.split('\n').collect();
    let only_expected_differ = before.len() == after_lines.len()
        && before
            .iter()
            .zip(&after_lines)
            .enumerate()
            .all(|(number, (old, new))| old == new || expected.iter().any(|(line, ..)| *line == number + 1));
    let located = locate(after);
    only_expected_differ
        && expected.iter().all(|(line, marker, value)| {
            located
                .scalars
                .iter()
                .any(|scalar| scalar.line == *line && scalar.marker == **marker && scalar.value == *value)
        })
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
