//! Quoting as Go's `%q`, which is part of upstream's messages.

use std::fmt::Write as _;
use std::sync::LazyLock;

use regex::Regex;

/// What `unicode.IsPrint` holds beyond ASCII.
static PRINTABLE: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"\A[\p{L}\p{M}\p{N}\p{P}\p{S}]\z").ok());

/// Puts `text` between double quotes, with escapes for what does not print.
///
/// # Deviation
/// Whether a character prints is decided by the Unicode version of the `regex` crate, not by Go's.
pub(super) fn go_quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        push_escaped(&mut quoted, c);
    }
    quoted.push('"');
    quoted
}

fn push_escaped(quoted: &mut String, c: char) {
    let named = match c {
        '"' | '\\' => Some(c),
        '\x07' => Some('a'),
        '\x08' => Some('b'),
        '\x0C' => Some('f'),
        '\n' => Some('n'),
        '\r' => Some('r'),
        '\t' => Some('t'),
        '\x0B' => Some('v'),
        _ => None,
    };
    let code = u32::from(c);
    // Writing to a String cannot fail.
    let _ = match (named, code) {
        (Some(letter), _) => write!(quoted, "\\{letter}"),
        (None, 0x20..=0x7E) => write!(quoted, "{c}"),
        (None, 0..=0x7F) => write!(quoted, "\\x{code:02x}"),
        _ if is_printable(c) => write!(quoted, "{c}"),
        (None, 0x80..=0xFFFF) => write!(quoted, "\\u{code:04x}"),
        _ => write!(quoted, "\\U{code:08x}"),
    };
}

fn is_printable(c: char) -> bool {
    PRINTABLE
        .as_ref()
        .is_some_and(|printable| printable.is_match(c.encode_utf8(&mut [0; 4])))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_is_quoted_as_go_quotes_it() {
        let cases: Vec<serde_json::Value> =
            serde_json::from_str(include_str!("../testdata/quotes.json")).unwrap();
        assert!(cases.len() >= 20);
        for case in cases {
            let text = case["args"][0].as_str().unwrap();
            assert_eq!(go_quote(text), case["answer"], "{text:?}");
        }
    }
}
