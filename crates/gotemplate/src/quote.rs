//! Go's string literals: strconv.Quote, `QuoteRune` and Unquote.

use crate::text::{Rune, first_rune, push_char, runes};
use crate::unicode::is_print;

/// What a quoted text may hold unescaped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Charset {
    /// Everything that prints.
    Printable,
    /// ASCII that prints.
    Ascii,
}

/// `strconv.Quote`: a double-quoted literal.
pub(crate) fn quote(bytes: &[u8], charset: Charset) -> Vec<u8> {
    let mut quoted = Vec::with_capacity(bytes.len() + 2);
    quoted.push(b'"');
    let mut rest = bytes;
    while let Some(rune) = first_rune(rest) {
        if rune.is_invalid {
            let byte = rest.first().copied().unwrap_or_default();
            quoted.extend_from_slice(format!("\\x{byte:02x}").as_bytes());
        } else {
            push_escaped(&mut quoted, rune.char, '"', charset);
        }
        rest = rest.get(rune.width..).unwrap_or_default();
    }
    quoted.push(b'"');
    quoted
}

/// The literal of a text, as text.
pub(crate) fn quoted(text: &str) -> String {
    String::from_utf8_lossy(&quote(text.as_bytes(), Charset::Printable)).into_owned()
}

/// `strconv.QuoteRune`: a single-quoted literal.
pub(crate) fn quote_char(c: char, charset: Charset) -> Vec<u8> {
    let mut quoted = vec![b'\''];
    push_escaped(&mut quoted, c, '\'', charset);
    quoted.push(b'\'');
    quoted
}

/// `strconv.CanBackquote`: whether a raw literal can hold the text.
pub(crate) fn can_backquote(bytes: &[u8]) -> bool {
    runes(bytes).all(|Rune { char, is_invalid, .. }| {
        !is_invalid && char != '\u{FEFF}' && char != '`' && char != '\x7F' && (char >= ' ' || char == '\t')
    })
}

fn push_escaped(quoted: &mut Vec<u8>, c: char, quote: char, charset: Charset) {
    let code = u32::from(c);
    let escape = match c {
        '\\' => "\\\\".to_owned(),
        _ if c == quote => format!("\\{quote}"),
        ' '..='~' => return push_char(quoted, c),
        _ if charset == Charset::Printable && is_print(c) => return push_char(quoted, c),
        '\x07' => "\\a".to_owned(),
        '\x08' => "\\b".to_owned(),
        '\x0C' => "\\f".to_owned(),
        '\n' => "\\n".to_owned(),
        '\r' => "\\r".to_owned(),
        '\t' => "\\t".to_owned(),
        '\x0B' => "\\v".to_owned(),
        _ if code < 0x20 || code == 0x7F => format!("\\x{code:02x}"),
        _ if code < 0x1_0000 => format!("\\u{code:04x}"),
        _ => format!("\\U{code:08x}"),
    };
    quoted.extend_from_slice(escape.as_bytes());
}

/// A literal that Go does not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("invalid syntax")]
pub(crate) struct InvalidLiteral;

/// `strconv.Unquote` of a literal between double quotes or backquotes.
pub(crate) fn unquote(literal: &str) -> Result<Vec<u8>, InvalidLiteral> {
    if let Some(raw) = literal.strip_prefix('`').and_then(|rest| rest.strip_suffix('`')) {
        return Ok(raw.bytes().filter(|byte| *byte != b'\r').collect());
    }
    let mut rest = literal
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
        .ok_or(InvalidLiteral)?;
    let mut bytes = Vec::with_capacity(rest.len());
    while !rest.is_empty() {
        let (unit, after) = unquote_char(rest, '"')?;
        match unit {
            Unit::Char(c) => push_char(&mut bytes, c),
            Unit::Byte(byte) => bytes.push(byte),
        }
        rest = after;
    }
    Ok(bytes)
}

/// What one escape stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    /// A character.
    Char(char),
    /// A byte, from `\x` or `\` and octal digits.
    Byte(u8),
}

/// `strconv.UnquoteChar`: the first character of a literal's inside, and what follows it.
pub(crate) fn unquote_char(text: &str, quote: char) -> Result<(Unit, &str), InvalidLiteral> {
    let mut chars = text.chars();
    let first = chars.next().ok_or(InvalidLiteral)?;
    if first == quote || first == '\n' && quote != '`' {
        return Err(InvalidLiteral);
    }
    if first != '\\' {
        return Ok((Unit::Char(first), chars.as_str()));
    }
    let kind = chars.next().ok_or(InvalidLiteral)?;
    let rest = chars.as_str();
    let simple = match kind {
        'a' => '\x07',
        'b' => '\x08',
        'f' => '\x0C',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'v' => '\x0B',
        '\\' => '\\',
        '\'' | '"' if kind == quote => kind,
        'x' => return number(rest, 2, 16),
        'u' => return number(rest, 4, 16),
        'U' => return number(rest, 8, 16),
        '0'..='7' => return number(text.get(1..).unwrap_or_default(), 3, 8),
        _ => return Err(InvalidLiteral),
    };
    Ok((Unit::Char(simple), rest))
}

fn number(text: &str, digits: usize, radix: u32) -> Result<(Unit, &str), InvalidLiteral> {
    let literal = text.get(..digits).ok_or(InvalidLiteral)?;
    if !literal.chars().all(|c| c.is_digit(radix)) {
        return Err(InvalidLiteral);
    }
    let value = u32::from_str_radix(literal, radix).map_err(|_| InvalidLiteral)?;
    let rest = text.get(digits..).unwrap_or_default();
    let unit = if digits <= 3 {
        Unit::Byte(u8::try_from(value).map_err(|_| InvalidLiteral)?)
    } else {
        Unit::Char(char::from_u32(value).ok_or(InvalidLiteral)?)
    };
    Ok((unit, rest))
}
