//! Words of a text (Masterminds/goutils), which this library counts in bytes.

use super::{Outcome, Table};
use crate::buffer::Buffer;
use crate::text::{Text, push_char, runes};
use crate::unicode::{is_lower, is_space, is_title, is_upper, to_lower, to_title, to_upper};
use crate::value::{Context, Value};

pub(super) const TABLE: Table<'static> = &[
    ("abbrev", "is:s", |_, a| {
        let (width, text) = (a.int(0), a.text(1));
        Ok(if width < 4 {
            text.into()
        } else {
            abbreviated(&text, 0, width)
        })
    }),
    ("abbrevboth", "iis:s", |_, a| {
        let (left, right, text) = (a.int(0), a.int(1), a.text(2));
        let is_short = right < 4 || left > 0 && right < 7;
        Ok(if is_short {
            text.into()
        } else {
            abbreviated(&text, left, right)
        })
    }),
    ("nospace", "s:s", |_, a| Ok(without_space(&a.text(0)))),
    ("initials", "s:s", |_, a| Ok(initials(&a.text(0)))),
    ("untitle", "s:s", |_, a| Ok(untitle(&a.text(0)))),
    ("swapcase", "s:s", |_, a| Ok(swap_case(&a.text(0)))),
    ("wrap", "is:s", |c, a| {
        wrap(c, &a.text(1), a.int(0), &Text::default(), false)
    }),
    ("wrapWith", "iss:s", |c, a| {
        wrap(c, &a.text(2), a.int(0), &a.text(1), true)
    }),
];

/// At most `width` bytes from `offset` on, with dots for what is left out.
fn abbreviated(text: &Text, offset: i64, width: i64) -> Value {
    Value::string(abbreviate(text.as_bytes(), offset, width))
}

fn abbreviate(text: &[u8], offset: i64, width: i64) -> Vec<u8> {
    let length = i64::try_from(text.len()).unwrap_or(i64::MAX);
    if width < 4 {
        return Vec::new();
    }
    if length <= width {
        return text.to_vec();
    }
    let mut offset = offset.min(length);
    if length - offset < width - 3 {
        offset = length - (width - 3);
    }
    let slice = |from: i64, to: i64| {
        text.get(usize::try_from(from).unwrap_or_default()..usize::try_from(to).unwrap_or_default())
            .unwrap_or_default()
    };
    if offset <= 4 {
        return [slice(0, width - 3), b"..."].concat();
    }
    if width < 7 {
        return Vec::new();
    }
    if offset + width - 3 < length {
        return [b"...".to_vec(), abbreviate(slice(offset, length), 0, width - 3)].concat();
    }
    [b"...", slice(length - (width - 3), length)].concat()
}

/// Each byte counts as a character, as the original has it.
fn without_space(text: &Text) -> Value {
    let kept: Vec<u8> = text
        .as_bytes()
        .iter()
        .copied()
        .filter(|byte| !is_space(char::from(*byte)))
        .collect();
    if kept.len() == text.len() {
        return text.clone().into();
    }
    let mut bytes = Vec::with_capacity(kept.len());
    for byte in kept {
        push_char(&mut bytes, char::from(byte));
    }
    Value::string(bytes)
}

/// Each byte counts as a character, as the original has it.
fn initials(text: &Text) -> Value {
    let mut bytes = Vec::new();
    let mut after_gap = true;
    for byte in text.as_bytes() {
        let c = char::from(*byte);
        if is_space(c) {
            after_gap = true;
        } else if std::mem::take(&mut after_gap) {
            push_char(&mut bytes, c);
        }
    }
    Value::string(bytes)
}

fn untitle(text: &Text) -> Value {
    let mut bytes = Vec::with_capacity(text.len());
    let mut starts = true;
    for rune in runes(text.as_bytes()) {
        let c = rune.char;
        if is_space(c) {
            starts = true;
            push_char(&mut bytes, c);
        } else {
            push_char(&mut bytes, if starts { to_lower(c) } else { c });
            starts = false;
        }
    }
    Value::string(bytes)
}

fn swap_case(text: &Text) -> Value {
    let mut bytes = Vec::with_capacity(text.len());
    let mut after_space = true;
    for rune in runes(text.as_bytes()) {
        let c = rune.char;
        let swapped = if is_upper(c) || is_title(c) {
            after_space = false;
            to_lower(c)
        } else if is_lower(c) {
            if std::mem::take(&mut after_space) {
                to_title(c)
            } else {
                to_upper(c)
            }
        } else {
            after_space = is_space(c);
            c
        };
        push_char(&mut bytes, swapped);
    }
    Value::string(bytes)
}

/// Lines of at most `width` bytes, broken at spaces; longer words are broken when `breaks_words`.
fn wrap(context: &mut Context<'_>, text: &Text, width: i64, newline: &Text, breaks_words: bool) -> Outcome {
    let newline: &[u8] = if newline.is_empty() {
        b"\n"
    } else {
        newline.as_bytes()
    };
    let width = usize::try_from(width.max(1)).unwrap_or(usize::MAX);
    let mut out = Buffer::new(context);
    let mut rest = text.as_bytes();
    while rest.len() > width {
        if let Some(after) = rest.strip_prefix(b" ") {
            rest = after;
            continue;
        }
        let window = rest.get(..=width).unwrap_or(rest);
        let space = window.iter().rposition(|byte| *byte == b' ').or_else(|| {
            if breaks_words {
                return None;
            }
            let behind = rest.get(width..).unwrap_or_default();
            Some(
                behind
                    .iter()
                    .position(|byte| *byte == b' ')
                    .map_or(rest.len(), |at| at + width),
            )
        });
        let (end, skipped) = match space {
            Some(end) if end == rest.len() => {
                out.push(rest);
                rest = &[];
                break;
            }
            Some(end) => (end, 1),
            None => (width, 0),
        };
        out.push(rest.get(..end).unwrap_or_default());
        out.push(newline);
        rest = rest.get(end + skipped..).unwrap_or_default();
    }
    out.push(rest);
    Ok(Value::string(out.finish(context)?))
}
