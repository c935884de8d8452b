//! Character classes and escapes.

use std::fmt::Write as _;

use super::error::{InvalidRegex, PatternFault};
use super::unicode_names;

/// The last code point of Unicode.
const MAX_CODE: u32 = 0x0010_FFFF;

/// A class that matches nothing, in the syntax of the `regex` crate.
pub(super) const NOTHING: &str = r"[^\x{0}-\x{10FFFF}]";

/// A range of code points, both ends included.
type CodeRange = (u32, u32);

/// `\d`, `\s`, `\w`, which are ASCII in Go; `\s` has no vertical tab.
const PERL_CLASSES: [(&str, &[CodeRange]); 3] = [
    ("d", &[(0x30, 0x39)]),
    ("s", &[(0x09, 0x0A), (0x0C, 0x0D), (0x20, 0x20)]),
    ("w", &[(0x30, 0x39), (0x41, 0x5A), (0x5F, 0x5F), (0x61, 0x7A)]),
];

/// The classes of `[[:name:]]`.
const POSIX_CLASSES: [(&str, &[CodeRange]); 14] = [
    ("alnum", &[(0x30, 0x39), (0x41, 0x5A), (0x61, 0x7A)]),
    ("alpha", &[(0x41, 0x5A), (0x61, 0x7A)]),
    ("ascii", &[(0x00, 0x7F)]),
    ("blank", &[(0x09, 0x09), (0x20, 0x20)]),
    ("cntrl", &[(0x00, 0x1F), (0x7F, 0x7F)]),
    ("digit", &[(0x30, 0x39)]),
    ("graph", &[(0x21, 0x7E)]),
    ("lower", &[(0x61, 0x7A)]),
    ("print", &[(0x20, 0x7E)]),
    ("punct", &[(0x21, 0x2F), (0x3A, 0x40), (0x5B, 0x60), (0x7B, 0x7E)]),
    ("space", &[(0x09, 0x0D), (0x20, 0x20)]),
    ("upper", &[(0x41, 0x5A)]),
    ("word", &[(0x30, 0x39), (0x41, 0x5A), (0x5F, 0x5F), (0x61, 0x7A)]),
    ("xdigit", &[(0x30, 0x39), (0x41, 0x46), (0x61, 0x66)]),
];

/// A set of characters, kept as items of a bracketed class of the `regex` crate.
#[derive(Debug, Default)]
pub(super) struct Class {
    negated: bool,
    items: String,
}

impl Class {
    /// Adds a range of code points; surrogates, which no text has, are left out.
    pub fn push_range(&mut self, low: u32, high: u32) {
        let low = if (0xD800..=0xDFFF).contains(&low) {
            0xE000
        } else {
            low
        };
        let high = if (0xD800..=0xDFFF).contains(&high) {
            0xD7FF
        } else {
            high
        };
        // Writing to a String cannot fail.
        let _ = match low.cmp(&high) {
            std::cmp::Ordering::Less => write!(self.items, r"\x{{{low:X}}}-\x{{{high:X}}}"),
            std::cmp::Ordering::Equal => write!(self.items, r"\x{{{low:X}}}"),
            std::cmp::Ordering::Greater => Ok(()),
        };
    }

    fn push_ranges(&mut self, negated: bool, ranges: &[CodeRange]) {
        self.items.push_str(if negated { "[^" } else { "[" });
        for &(low, high) in ranges {
            self.push_range(low, high);
        }
        self.items.push(']');
    }

    /// Appends the class to a pattern.
    pub fn write(&self, output: &mut String, fold_case: bool) {
        let items = if self.items.is_empty() {
            NOTHING
        } else {
            &self.items
        };
        let negation = if self.negated { "^" } else { "" };
        // Writing to a String cannot fail.
        let _ = if fold_case {
            write!(output, "(?i:[{negation}{items}])")
        } else {
            write!(output, "[{negation}{items}]")
        };
    }
}

/// Reads a bracketed class at the start of `text`.
pub(super) fn bracketed(text: &str) -> Result<(Class, &str), InvalidRegex> {
    let mut class = Class::default();
    let mut rest = text.get(1..).unwrap_or_default();
    if let Some(negated) = rest.strip_prefix('^') {
        (class.negated, rest) = (true, negated);
    }
    let mut first = true;
    loop {
        match rest.strip_prefix(']') {
            Some(after) if !first => return Ok((class, after)),
            _ => first = false,
        }
        if let Some(after) = posix_class(rest, &mut class)? {
            rest = after;
        } else if let Some(after) = named_escape(rest, &mut class)? {
            rest = after;
        } else {
            rest = range(rest, text, &mut class)?;
        }
    }
}

/// Reads `\d` and its like, `\pN` or `\p{Name}` at the start of `text`; `None` when there is none of them.
pub(super) fn named_escape<'t>(text: &'t str, class: &mut Class) -> Result<Option<&'t str>, InvalidRegex> {
    let Some(escaped) = text.strip_prefix('\\') else {
        return Ok(None);
    };
    if escaped.starts_with(['p', 'P']) {
        return unicode_class(text, class).map(Some);
    }
    let known = PERL_CLASSES.iter().find_map(|&(letter, ranges)| {
        let upper = letter.to_ascii_uppercase();
        let plain = escaped.strip_prefix(letter).map(|rest| (false, ranges, rest));
        plain.or_else(|| {
            escaped
                .strip_prefix(upper.as_str())
                .map(|rest| (true, ranges, rest))
        })
    });
    Ok(known.map(|(negated, ranges, rest)| {
        class.push_ranges(negated, ranges);
        rest
    }))
}

/// Reads the escape of one character at the start of `text`, which begins with a backslash.
pub(super) fn character_escape(text: &str) -> Result<(u32, &str), InvalidRegex> {
    let escaped = text.get(1..).unwrap_or_default();
    let Some(c) = escaped.chars().next() else {
        return Err(InvalidRegex::new(PatternFault::TrailingBackslash, ""));
    };
    let rest = escaped.get(c.len_utf8()..).unwrap_or_default();
    let refused = |rest: &str| {
        let fragment = text.get(..text.len() - rest.len()).unwrap_or(text);
        InvalidRegex::new(PatternFault::Escape, fragment)
    };
    let code = match c {
        '0'..='7' if c == '0' || rest.starts_with(|next| matches!(next, '0'..='7')) => {
            return Ok(octal(escaped));
        }
        'x' => return hexadecimal(rest).map_err(refused),
        'a' => 0x07,
        'f' => 0x0C,
        'n' => 0x0A,
        'r' => 0x0D,
        't' => 0x09,
        'v' => 0x0B,
        _ if c.is_ascii() && !c.is_ascii_alphanumeric() => u32::from(c),
        _ => return Err(refused(rest)),
    };
    Ok((code, rest))
}

/// Reads `[:name:]` at the start of `text`; `None` when there is none.
fn posix_class<'t>(text: &'t str, class: &mut Class) -> Result<Option<&'t str>, InvalidRegex> {
    let Some((name, rest)) = text.strip_prefix("[:").and_then(|name| name.split_once(":]")) else {
        return Ok(None);
    };
    let (negated, plain) = match name.strip_prefix('^') {
        Some(plain) => (true, plain),
        None => (false, name),
    };
    match POSIX_CLASSES.iter().find(|&&(known, _)| known == plain) {
        Some(&(_, ranges)) => {
            class.push_ranges(negated, ranges);
            Ok(Some(rest))
        }
        None => Err(InvalidRegex::new(
            PatternFault::ClassRange,
            &format!("[:{name}:]"),
        )),
    }
}

/// Reads `\pN` or `\p{Name}` at the start of `text`.
fn unicode_class<'t>(text: &'t str, class: &mut Class) -> Result<&'t str, InvalidRegex> {
    let after_letter = text.get(2..).unwrap_or_default();
    let (name, rest) = match after_letter.strip_prefix('{') {
        Some(braced) => braced
            .split_once('}')
            .ok_or_else(|| InvalidRegex::new(PatternFault::ClassRange, text))?,
        None => after_letter.split_at(after_letter.chars().next().map_or(0, char::len_utf8)),
    };
    let (inverted, plain) = match name.strip_prefix('^') {
        Some(plain) => (true, plain),
        None => (false, name),
    };
    let item = unicode_names::item(plain, text.starts_with(r"\P") != inverted).ok_or_else(|| {
        let fragment = text.get(..text.len() - rest.len()).unwrap_or(text);
        InvalidRegex::new(PatternFault::ClassRange, fragment)
    })?;
    class.items.push_str(&item);
    Ok(rest)
}

/// Reads a character or a range of them at the start of `text`, which is within the class that `whole` starts with.
fn range<'t>(text: &'t str, whole: &str, class: &mut Class) -> Result<&'t str, InvalidRegex> {
    let (low, after_low) = character(text, whole)?;
    let end = after_low
        .strip_prefix('-')
        .filter(|end| !end.is_empty() && !end.starts_with(']'));
    let (high, rest) = match end {
        Some(end) => character(end, whole)?,
        None => (low, after_low),
    };
    if high < low {
        let fragment = text.get(..text.len() - rest.len()).unwrap_or(text);
        return Err(InvalidRegex::new(PatternFault::ClassRange, fragment));
    }
    class.push_range(low, high);
    Ok(rest)
}

fn character<'t>(text: &'t str, whole: &str) -> Result<(u32, &'t str), InvalidRegex> {
    match text.chars().next() {
        None => Err(InvalidRegex::new(PatternFault::MissingBracket, whole)),
        Some('\\') => character_escape(text),
        Some(c) => Ok((u32::from(c), text.get(c.len_utf8()..).unwrap_or_default())),
    }
}

/// Reads up to three octal digits.
fn octal(text: &str) -> (u32, &str) {
    let end = text
        .bytes()
        .take(3)
        .position(|byte| !matches!(byte, b'0'..=b'7'))
        .unwrap_or_else(|| text.len().min(3));
    let (digits, rest) = text.split_at(end);
    (u32::from_str_radix(digits, 8).unwrap_or_default(), rest)
}

/// Reads what follows `\x`: two digits, or any number of them in braces. The error is what Go had not read yet.
fn hexadecimal(text: &str) -> Result<(u32, &str), &str> {
    let mut rest = text.chars();
    let digit = |c: Option<char>| c.and_then(|c| c.to_digit(16));
    if let Some(braced) = text.strip_prefix('{') {
        rest = braced.chars();
        let (mut code, mut any) = (0, false);
        loop {
            match rest.next() {
                Some('}') if any => return Ok((code, rest.as_str())),
                next => match digit(next) {
                    Some(digit) => (code, any) = (code * 16 + digit, true),
                    None => return Err(rest.as_str()),
                },
            }
            if code > MAX_CODE {
                return Err(rest.as_str());
            }
        }
    }
    if text.is_empty() {
        return Err(text);
    }
    let (high, low) = (digit(rest.next()), digit(rest.next()));
    match (high, low) {
        (Some(high), Some(low)) => Ok((high * 16 + low, rest.as_str())),
        _ => Err(rest.as_str()),
    }
}
