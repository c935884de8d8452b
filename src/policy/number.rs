//! Numbers as Go's `strconv.ParseFloat(text, 64)` reads them.

use std::borrow::Cow;

/// Hexadecimal digits that a 64-bit mantissa holds.
const MANTISSA_DIGITS: u32 = 16;

/// Beyond this, an exponent means infinity or zero whatever the digits are.
const EXPONENT_LIMIT: i64 = 100_000;

/// Bits of a double's mantissa, with the leading one.
const PRECISION: i64 = 53;

/// Binary exponent of the smallest normal double, and of the largest one.
const MIN_EXPONENT: i64 = -1022;
const MAX_EXPONENT: i64 = 1023;

/// Reads `text` as Go does: decimal (`1`, `+.5`, `1e3`) and hexadecimal (`0x1p4`) numbers, underscores between digits,
/// and infinity and not-a-number in any case. `None` when Go fails, also when the number is too large.
pub(super) fn parse_float(text: &str) -> Option<f64> {
    let (negative, unsigned) = match text.as_bytes().first()? {
        b'-' => (true, text.get(1..)?),
        b'+' => (false, text.get(1..)?),
        _ => (false, text),
    };
    if unsigned.len() == text.len() && unsigned.eq_ignore_ascii_case("nan") {
        return Some(f64::NAN);
    }
    let magnitude = if unsigned.eq_ignore_ascii_case("inf") || unsigned.eq_ignore_ascii_case("infinity") {
        f64::INFINITY
    } else if !has_plain_underscores(unsigned) {
        return None;
    } else if let Some(digits) = unsigned
        .strip_prefix("0x")
        .or_else(|| unsigned.strip_prefix("0X"))
    {
        hexadecimal(digits)?
    } else {
        decimal(unsigned)?
    };
    Some(if negative { -magnitude } else { magnitude })
}

/// Whether each underscore stands between two digits; the prefix `0x` counts as a digit.
fn has_plain_underscores(text: &str) -> bool {
    if !text.contains('_') {
        return true;
    }
    let hexadecimal = text.starts_with("0x") || text.starts_with("0X");
    let bytes = text.as_bytes();
    let is_digit = |at: usize| match bytes.get(at) {
        Some(byte) if hexadecimal => byte.is_ascii_hexdigit() || at == 1,
        Some(byte) => byte.is_ascii_digit(),
        None => false,
    };
    let underscores = bytes.iter().enumerate().filter(|&(_, &byte)| byte == b'_');
    underscores
        .map(|(at, _)| at)
        .all(|at| at > 0 && is_digit(at - 1) && is_digit(at + 1))
}

fn decimal(text: &str) -> Option<f64> {
    // The standard library reads the same decimal numbers and rounds as well, but also reads words.
    let is_number =
        |byte: u8| byte.is_ascii_digit() || matches!(byte, b'.' | b'e' | b'E' | b'+' | b'-' | b'_');
    if !text.bytes().all(is_number) || text.starts_with(['+', '-']) {
        return None;
    }
    let plain = if text.contains('_') {
        Cow::Owned(text.replace('_', ""))
    } else {
        Cow::Borrowed(text)
    };
    plain.parse::<f64>().ok().filter(|number| number.is_finite())
}

/// Reads a hexadecimal number after its prefix; the exponent is required.
fn hexadecimal(text: &str) -> Option<f64> {
    let (digits, exponent) = text.split_once(['p', 'P'])?;
    let exponent = binary_exponent(exponent)?;
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let (mut mantissa, mut shift, mut truncated, mut seen) = (0_u64, 0_i64, false, false);
    let mut significant = 0;
    let places = whole
        .chars()
        .map(|c| (c, false))
        .chain(fraction.chars().map(|c| (c, true)));
    for (c, in_fraction) in places.filter(|&(c, _)| c != '_') {
        let digit = u64::from(c.to_digit(16)?);
        seen = true;
        if significant < MANTISSA_DIGITS {
            mantissa = mantissa << 4 | digit;
            significant += u32::from(mantissa != 0);
            shift -= if in_fraction { 4 } else { 0 };
        } else {
            truncated |= digit != 0;
            shift += if in_fraction { 0 } else { 4 };
        }
    }
    seen.then_some(())?;
    round(mantissa, exponent + shift, truncated)
}

fn binary_exponent(text: &str) -> Option<i64> {
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, text.get(1..)?),
        b'+' => (false, text.get(1..)?),
        _ => (false, text),
    };
    if !digits.bytes().next()?.is_ascii_digit() {
        return None;
    }
    let mut exponent = 0_i64;
    for c in digits.chars().filter(|&c| c != '_') {
        exponent = (exponent * 10 + i64::from(c.to_digit(10)?)).min(EXPONENT_LIMIT);
    }
    Some(if negative { -exponent } else { exponent })
}

/// The double nearest to `mantissa` × 2^`exponent`, ties to even; `truncated` tells of non-zero bits below the
/// mantissa. `None` when it is too large.
fn round(mantissa: u64, exponent: i64, truncated: bool) -> Option<f64> {
    if mantissa == 0 {
        return Some(0.0);
    }
    let zeros = mantissa.leading_zeros();
    let mantissa = u128::from(mantissa << zeros);
    // The value is 1.… × 2^scale.
    let scale = exponent + 63 - i64::from(zeros);
    if scale > MAX_EXPONENT {
        return None;
    }
    let subnormal = (MIN_EXPONENT - scale).max(0);
    let dropped = 64 - PRECISION + subnormal;
    let Some(dropped) = u32::try_from(dropped).ok().filter(|&bits| bits <= 65) else {
        return Some(0.0);
    };
    let kept = mantissa >> dropped;
    let rest = mantissa & ((1 << dropped) - 1);
    let half = 1_u128 << (dropped - 1);
    let up = rest > half || (rest == half && (truncated || kept & 1 == 1));
    let kept = u64::try_from(kept).ok()? + u64::from(up);
    // A carry out of the mantissa moves into the exponent, as it should; so does a subnormal that became normal.
    let biased = if subnormal > 0 {
        0
    } else {
        u64::try_from(scale - MIN_EXPONENT).ok()?
    };
    let number = f64::from_bits((biased << (PRECISION - 1)) + kept);
    number.is_finite().then_some(number)
}
