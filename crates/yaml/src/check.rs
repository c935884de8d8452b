//! The characters that YAML allows.

use crate::ParseError;
use crate::scan::Mark;

/// Whether a byte needs a closer look: control characters, and everything that is not ASCII.
fn is_suspect(byte: u8) -> bool {
    !matches!(byte, b'\t' | b'\n' | b'\r' | b' '..=b'~')
}

fn is_allowed(character: char) -> bool {
    matches!(character,
        '\t' | '\n' | '\r' | ' '..='~' | '\u{85}' | '\u{a0}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}'
        | '\u{10000}'..='\u{10ffff}')
}

/// Refuses control characters, as libyaml's reader does.
pub(crate) fn characters(text: &str) -> Result<(), ParseError> {
    // The compiler makes this a loop over vectors: most texts are ASCII.
    if !text.bytes().fold(false, |found, byte| found | is_suspect(byte)) {
        return Ok(());
    }
    let Some((offset, _)) = text.char_indices().find(|(_, character)| !is_allowed(*character)) else {
        return Ok(());
    };
    let before = text.get(..offset).unwrap_or_default();
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    let at = Mark {
        line: before.bytes().filter(|byte| *byte == b'\n').count(),
        column: before.get(line_start..).unwrap_or_default().chars().count(),
        offset,
    };
    Err(ParseError::new(at, "control characters are not allowed"))
}
