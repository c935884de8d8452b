//! What a plain scalar is: go-yaml's resolution, in the two versions that matter.

mod timestamp;

use std::borrow::Cow;

use crate::parse::Reading;
pub(crate) use timestamp::timestamp;

/// What a plain scalar is.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Resolved {
    /// A string.
    Text,
    /// A point in time, which go-yaml v2 gives as a string. The text is that of Go's JSON encoder.
    Timestamp(String),
    /// Nothing.
    Null,
    /// A boolean.
    Bool(bool),
    /// An integer of 64 bits.
    Integer(serde_json::Number),
    /// A floating point number, maybe one that JSON does not have.
    Float(f64),
}

impl Resolved {
    /// The name of its tag.
    pub(crate) fn tag(&self) -> &'static str {
        match self {
            Self::Text => "str",
            Self::Timestamp(_) => "timestamp",
            Self::Null => "null",
            Self::Bool(_) => "bool",
            Self::Integer(_) => "int",
            Self::Float(_) => "float",
        }
    }
}

/// Resolves a plain scalar without a tag.
pub(crate) fn plain(text: &str, reading: Reading) -> Resolved {
    match text.as_bytes().first() {
        Some(b'0'..=b'9') => match timestamp(text) {
            Some(time) => Resolved::Timestamp(time),
            None => number(text, reading),
        },
        _ => plain_without_time(text, reading),
    }
}

/// Resolves a scalar whose tag says that it is no point in time.
pub(crate) fn plain_without_time(text: &str, reading: Reading) -> Resolved {
    match text.as_bytes().first() {
        None => Resolved::Null,
        Some(b'0'..=b'9' | b'+' | b'-') => named(text, reading).unwrap_or_else(|| number(text, reading)),
        Some(b'.') => named(text, reading).unwrap_or_else(|| float(text)),
        Some(b'y' | b'Y' | b'n' | b'N' | b't' | b'T' | b'f' | b'F' | b'o' | b'O' | b'~') => {
            named(text, reading).unwrap_or(Resolved::Text)
        }
        Some(_) => Resolved::Text,
    }
}

/// The values that have names.
fn named(text: &str, reading: Reading) -> Option<Resolved> {
    Some(match text {
        "~" | "null" | "Null" | "NULL" => Resolved::Null,
        "true" | "True" | "TRUE" => Resolved::Bool(true),
        "false" | "False" | "FALSE" => Resolved::Bool(false),
        ".nan" | ".NaN" | ".NAN" => Resolved::Float(f64::NAN),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => Resolved::Float(f64::INFINITY),
        "-.inf" | "-.Inf" | "-.INF" => Resolved::Float(f64::NEG_INFINITY),
        _ if reading == Reading::Kustomize => return None,
        "y" | "Y" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" => Resolved::Bool(true),
        "n" | "N" | "no" | "No" | "NO" | "off" | "Off" | "OFF" => Resolved::Bool(false),
        _ => return None,
    })
}

/// Whether a string would be read as something else when it stands there without quotes.
pub(crate) fn needs_quotes(text: &str) -> bool {
    match text.as_bytes().first() {
        None
        | Some(
            b'0'..=b'9'
            | b'+'
            | b'-'
            | b'.'
            | b'y'
            | b'Y'
            | b'n'
            | b'N'
            | b't'
            | b'T'
            | b'f'
            | b'F'
            | b'o'
            | b'O'
            | b'~',
        ) => plain(text, Reading::Api) != Resolved::Text || is_base_60(text),
        Some(_) => false,
    }
}

/// Resolves what starts like a number; lines between digits do not count.
fn number(text: &str, reading: Reading) -> Resolved {
    let text = if text.contains('_') {
        Cow::Owned(text.replace('_', ""))
    } else {
        Cow::Borrowed(text)
    };
    if let Some(integer) = integer(&text) {
        return Resolved::Integer(integer);
    }
    if is_float(&text)
        && let Resolved::Float(value) = float(&text)
    {
        return Resolved::Float(value);
    }
    prefixed(&text, reading).map_or(Resolved::Text, Resolved::Integer)
}

/// A decimal number as Go's parser has it; infinite ones are none. A line counts for nothing between two digits, and nowhere else.
fn float(text: &str) -> Resolved {
    let bytes = text.as_bytes();
    let between_digits = bytes
        .windows(3)
        .filter(|window| matches!(window, [before, b'_', after] if before.is_ascii_digit() && after.is_ascii_digit()))
        .count();
    if between_digits != text.matches('_').count() {
        return Resolved::Text;
    }
    match text.replace('_', "").parse::<f64>() {
        Ok(value) if value.is_finite() => Resolved::Float(value),
        _ => Resolved::Text,
    }
}

/// An integer in Go's notation, as `strconv.ParseInt` and `strconv.ParseUint` have it for base 0.
fn integer(text: &str) -> Option<serde_json::Number> {
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, text.get(1..)?),
        b'+' => (false, text.get(1..)?),
        _ => (false, text),
    };
    let signed = digits.len() != text.len();
    let (radix, digits) = match digits.get(..2) {
        Some("0x" | "0X") => (16, digits.get(2..)?),
        Some("0b" | "0B") => (2, digits.get(2..)?),
        Some("0o" | "0O") => (8, digits.get(2..)?),
        Some(start) if start.starts_with('0') => (8, digits.get(1..)?),
        _ => (10, digits),
    };
    if !digits.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return None;
    }
    let magnitude = u64::from_str_radix(digits, radix).ok()?;
    match (negative, i64::try_from(magnitude)) {
        (true, _) => i64::try_from(-i128::from(magnitude)).ok().map(Into::into),
        (false, Ok(value)) => Some(value.into()),
        // Go's parser of unsigned numbers takes no sign.
        (false, Err(_)) => (!signed).then(|| magnitude.into()),
    }
}

/// What go-yaml itself reads after a prefix, where a second sign may stand: `0b-1` is -1.
fn prefixed(text: &str, reading: Reading) -> Option<serde_json::Number> {
    let (negative, rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (radix, digits) = match rest.get(..2)? {
        "0b" => (2, rest.get(2..)?),
        "0o" if reading == Reading::Kustomize => (8, rest.get(2..)?),
        _ => return None,
    };
    if negative {
        // A sign was put before the digits, so that there may be no other.
        return digits
            .starts_with(|first: char| first.is_ascii_digit())
            .then(|| {
                i64::from_str_radix(&format!("-{digits}"), radix)
                    .ok()
                    .map(Into::into)
            })?;
    }
    i64::from_str_radix(digits, radix).ok().map(Into::into)
}

/// `[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?`
fn is_float(text: &str) -> bool {
    let text = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (mantissa, exponent) = match text.find(['e', 'E']) {
        Some(at) => (text.get(..at).unwrap_or(""), text.get(at + 1..)),
        None => (text, None),
    };
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let mantissa_fits = match mantissa.split_once('.') {
        Some(("", fraction)) => !fraction.is_empty() && digits(fraction),
        Some((whole, fraction)) => digits(whole) && digits(fraction),
        None => !mantissa.is_empty() && digits(mantissa),
    };
    let exponent_fits = exponent.is_none_or(|exponent| {
        let exponent = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
        !exponent.is_empty() && digits(exponent)
    });
    mantissa_fits && exponent_fits
}

/// `[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?`: go-yaml quotes what YAML 1.1 would read as a number of base 60.
fn is_base_60(text: &str) -> bool {
    let text = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (text, fraction) = match text.split_once('.') {
        Some((text, fraction)) => (text, fraction),
        None => (text, ""),
    };
    let is_digit_or_line = |byte: u8| byte.is_ascii_digit() || byte == b'_';
    if !fraction.bytes().all(is_digit_or_line) {
        return false;
    }
    let mut parts = text.split(':');
    let first = parts.next().unwrap_or("");
    let mut others = parts.peekable();
    first.bytes().next().is_some_and(|byte| byte.is_ascii_digit())
        && first.bytes().all(is_digit_or_line)
        && others.peek().is_some()
        && others.all(|part| match part.as_bytes() {
            [digit] => digit.is_ascii_digit(),
            [ten, digit] => (b'0'..=b'5').contains(ten) && digit.is_ascii_digit(),
            _ => false,
        })
}
