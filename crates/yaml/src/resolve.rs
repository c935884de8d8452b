//! What a plain scalar is: go-yaml's resolution, in the two versions that matter.

use crate::number::{self, Number};
use crate::parse::Reading;

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
    /// A number.
    Number(Number),
    /// An infinite number or none, which JSON does not have.
    NotFinite,
}

/// Resolves a plain scalar without a tag.
pub(crate) fn plain(text: &str, reading: Reading) -> Resolved {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Resolved::Null,
        "true" | "True" | "TRUE" => return Resolved::Bool(true),
        "false" | "False" | "FALSE" => return Resolved::Bool(false),
        ".nan" | ".NaN" | ".NAN" | ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" | "-.inf"
        | "-.Inf" | "-.INF" => return Resolved::NotFinite,
        _ => {}
    }
    if reading == Reading::Api {
        match text {
            "y" | "Y" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" => return Resolved::Bool(true),
            "n" | "N" | "no" | "No" | "NO" | "off" | "Off" | "OFF" => return Resolved::Bool(false),
            _ => {}
        }
    }
    match text.as_bytes().first() {
        Some(b'.') if is_float(text) => float(text, text),
        Some(b'+' | b'-' | b'0'..=b'9') => numeric(text),
        _ => Resolved::Text,
    }
}

/// Whether a string would be read as something else when it stands there without quotes.
pub(crate) fn needs_quotes(text: &str) -> bool {
    plain(text, Reading::Api) != Resolved::Text || is_base_60(text)
}

fn numeric(text: &str) -> Resolved {
    if let Some(time) = timestamp(text) {
        return Resolved::Timestamp(time);
    }
    let plain = text.replace('_', "");
    if let Some(integer) = integer(&plain) {
        return Resolved::Number(Number::written(text, integer));
    }
    if is_float(&plain) {
        return float(&plain, text);
    }
    Resolved::Text
}

fn float(plain: &str, text: &str) -> Resolved {
    match plain.parse::<f64>() {
        Ok(value) if value.is_finite() => number::of_float(value).map_or(Resolved::Text, |number| {
            Resolved::Number(Number::written(text, number))
        }),
        _ => Resolved::Text,
    }
}

/// An integer in Go's notation. Both versions of go-yaml read `0o17` through Go's parser.
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
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return None;
    }
    let magnitude = u64::from_str_radix(digits, radix).ok()?;
    if negative {
        let value = 0_i128 - i128::from(magnitude);
        return i64::try_from(value).ok().map(Into::into);
    }
    match i64::try_from(magnitude) {
        Ok(value) => Some(value.into()),
        // Go's parser of unsigned numbers takes no sign.
        Err(_) if signed => None,
        Err(_) => Some(magnitude.into()),
    }
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

/// Reads what go-yaml takes for a point in time and gives it as Go writes it in JSON.
fn timestamp(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    if bytes.len() < 8 || bytes.get(4) != Some(&b'-') || !bytes.iter().take(4).all(u8::is_ascii_digit) {
        return None;
    }
    let mut rest = Cursor(text.get(5..)?);
    let year: u32 = text.get(..4)?.parse().ok()?;
    let month = rest.one_or_two(1, 12)?;
    rest.expect('-')?;
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let days = match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    let day = rest.one_or_two(1, days)?;
    let date = format!("{year:04}-{month:02}-{day:02}");
    if rest.0.is_empty() {
        return Some(format!("{date}T00:00:00Z"));
    }
    let separator = rest.0.chars().next()?;
    if !matches!(separator, 'T' | 't' | ' ') {
        return None;
    }
    rest.expect(separator)?;
    let hour = rest.one_or_two(0, 23)?;
    rest.expect(':')?;
    let minute = rest.one_or_two(0, 59)?;
    rest.expect(':')?;
    let second = rest.one_or_two(0, 59)?;
    let fraction = rest.fraction()?;
    let zone = if separator == ' ' {
        rest.0.is_empty().then(|| "Z".to_owned())?
    } else {
        rest.zone()?
    };
    Some(format!(
        "{date}T{hour:02}:{minute:02}:{second:02}{fraction}{zone}"
    ))
}

/// The rest of a text that is read from the left.
struct Cursor<'t>(&'t str);

impl Cursor<'_> {
    fn expect(&mut self, character: char) -> Option<()> {
        self.0 = self.0.strip_prefix(character)?;
        Some(())
    }

    /// One digit or two, within bounds.
    fn one_or_two(&mut self, least: u32, most: u32) -> Option<u32> {
        let length = self.0.bytes().take(2).take_while(u8::is_ascii_digit).count();
        let value = self.0.get(..length)?.parse().ok()?;
        self.0 = self.0.get(length..)?;
        (least..=most).contains(&value).then_some(value)
    }

    /// A fraction of a second without the zeros at its end.
    fn fraction(&mut self) -> Option<String> {
        let Some(rest) = self.0.strip_prefix(['.', ',']) else {
            return Some(String::new());
        };
        let length = rest.bytes().take_while(u8::is_ascii_digit).count();
        let digits = rest.get(..length)?;
        if digits.is_empty() {
            return None;
        }
        self.0 = rest.get(length..)?;
        let digits = digits.get(..digits.len().min(9))?.trim_end_matches('0');
        Some(if digits.is_empty() {
            String::new()
        } else {
            format!(".{digits}")
        })
    }

    fn zone(&mut self) -> Option<String> {
        if self.0 == "Z" {
            return Some("Z".to_owned());
        }
        let sign = self.0.chars().next().filter(|sign| matches!(sign, '+' | '-'))?;
        let (hours, minutes) = self.0.get(1..)?.split_once(':')?;
        let fits =
            |text: &str, most: u32| text.len() == 2 && text.parse::<u32>().is_ok_and(|value| value <= most);
        if !fits(hours, 24) || !fits(minutes, 60) {
            return None;
        }
        Some(if hours == "00" && minutes == "00" {
            "Z".to_owned()
        } else {
            format!("{sign}{hours}:{minutes}")
        })
    }
}
