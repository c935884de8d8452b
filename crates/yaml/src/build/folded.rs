//! What kustomize makes of folded scalars: it writes objects and reads them again before it prints them, and go-yaml v3 writes
//! one line break too many into these.

use crate::scan::{Kind, Scanner, Style};

fn is_break(character: char) -> bool {
    matches!(character, '\n' | '\u{2028}' | '\u{2029}')
}

/// Whether go-yaml writes a string as a block again: without spaces before line breaks, and without characters to escape.
fn stays_block(text: &str) -> bool {
    let is_written = |character| {
        matches!(character,
            '\t' | '\n' | ' '..='~' | '\u{a0}'..='\u{d7ff}' | '\u{e000}'..='\u{fefe}' | '\u{ff00}'..='\u{fffd}')
    };
    let mut before = '\n';
    for character in text.chars() {
        if !is_written(character) || (before == ' ' && is_break(character)) {
            return false;
        }
        before = character;
    }
    !text.is_empty() && before != ' '
}

/// The indicators after the `>`.
fn header(text: &str) -> String {
    let mut header = String::from(">");
    if text.starts_with(' ') || text.starts_with(is_break) {
        header.push('2');
    }
    let mut from_end = text.chars().rev();
    match (from_end.next(), from_end.next()) {
        (Some(last), _) if !is_break(last) => header.push('-'),
        (Some(_), Some(before)) if !is_break(before) => {}
        _ => header.push('+'),
    }
    header
}

/// The value of a folded scalar once it was written and read again.
pub(super) fn rewritten(text: String) -> String {
    // Of one line there is nothing to fold, unless its end stays.
    let lines = text.trim_end_matches('\n');
    if !stays_block(&text) || (!lines.contains(is_break) && text.len() - lines.len() < 2) {
        return text;
    }
    // The original looks at the first character for each line, which is its fault.
    let is_doubled = !text.trim_start_matches(is_break).starts_with([' ', '\t']);
    let mut written = format!("k: {}\n", header(&text));
    let (mut after_break, mut is_indented) = (true, true);
    for character in text.chars() {
        if is_break(character) {
            if !after_break && !is_indented && character == '\n' && is_doubled {
                written.push('\n');
            }
            after_break = true;
        } else {
            if after_break {
                written.push_str("  ");
                is_indented = matches!(character, ' ' | '\t');
            }
            after_break = false;
        }
        written.push(character);
    }
    if !after_break {
        written.push('\n');
    }
    read(&written).unwrap_or(text)
}

fn read(written: &str) -> Option<String> {
    let mut scanner = Scanner::new(written, true);
    loop {
        match scanner.take().ok()?.kind {
            Kind::Scalar {
                value,
                style: Style::Folded,
            } => return Some(value.into_owned()),
            Kind::StreamEnd => return None,
            _ => {}
        }
    }
}
