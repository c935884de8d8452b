//! Numbers as Go's package strconv reads and writes them.

/// Why a number cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InvalidNumber {
    /// It is not one.
    #[error("invalid syntax")]
    Syntax,
    /// It does not fit.
    #[error("value out of range")]
    Range,
}

/// `strconv.ParseUint(text, 0, 64)`.
pub(crate) fn parse_uint(text: &str) -> Result<u64, InvalidNumber> {
    let (digits, radix) = match text.as_bytes() {
        [b'0', b'x' | b'X', _, ..] => (text.get(2..), 16),
        [b'0', b'b' | b'B', _, ..] => (text.get(2..), 2),
        [b'0', b'o' | b'O', _, ..] => (text.get(2..), 8),
        [b'0', ..] => (text.get(1..), 8),
        _ => (Some(text), 10),
    };
    if text == "0" {
        return Ok(0);
    }
    let digits = digits.unwrap_or_default();
    if text.contains('_') && !underscores_separate(text) {
        return Err(InvalidNumber::Syntax);
    }
    parse_digits(&digits.replace('_', ""), radix)
}

fn parse_digits(digits: &str, radix: u32) -> Result<u64, InvalidNumber> {
    if digits.is_empty() || !digits.chars().all(|c| c.is_digit(radix)) {
        return Err(InvalidNumber::Syntax);
    }
    u64::from_str_radix(digits, radix).map_err(|_| InvalidNumber::Range)
}

/// `strconv.ParseInt(text, 0, 64)`.
pub(crate) fn parse_int(text: &str) -> Result<i64, InvalidNumber> {
    signed(text, parse_uint)
}

/// `strconv.ParseInt(text, radix, 64)`, which knows neither prefixes nor underscores.
pub(crate) fn parse_int_radix(text: &str, radix: u32) -> Result<i64, InvalidNumber> {
    signed(text, |digits| parse_digits(digits, radix))
}

fn signed(text: &str, parse: impl FnOnce(&str) -> Result<u64, InvalidNumber>) -> Result<i64, InvalidNumber> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let value = i128::from(parse(digits)?);
    i64::try_from(if negative { -value } else { value }).map_err(|_| InvalidNumber::Range)
}

/// Whether underscores are between digits, or between a prefix and a digit.
fn underscores_separate(text: &str) -> bool {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (body, mut before, hex) = match unsigned.as_bytes() {
        [b'0', prefix @ (b'x' | b'X' | b'b' | b'B' | b'o' | b'O'), ..] => {
            (unsigned.get(2..), '0', prefix.eq_ignore_ascii_case(&b'x'))
        }
        _ => (Some(unsigned), '^', false),
    };
    for c in body.unwrap_or_default().chars() {
        let kind = if c.is_ascii_digit() || hex && c.is_ascii_hexdigit() {
            '0'
        } else if c == '_' {
            '_'
        } else {
            '!'
        };
        if kind == '_' && before != '0' || kind == '!' && before == '_' {
            return false;
        }
        before = kind;
    }
    before != '_'
}

/// `strconv.ParseFloat(text, 64)`.
pub(crate) fn parse_float(text: &str) -> Result<f64, InvalidNumber> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let sign = if text.starts_with('-') { -1.0 } else { 1.0 };
    if ["inf", "infinity"]
        .iter()
        .any(|name| unsigned.eq_ignore_ascii_case(name))
    {
        return Ok(sign * f64::INFINITY);
    }
    if text.eq_ignore_ascii_case("nan") {
        return Ok(f64::NAN);
    }
    if text.contains('_') && !underscores_separate(text) {
        return Err(InvalidNumber::Syntax);
    }
    let digits = unsigned.replace('_', "");
    let value = if digits
        .get(..2)
        .is_some_and(|prefix| prefix.eq_ignore_ascii_case("0x"))
    {
        parse_hex_float(digits.get(2..).unwrap_or_default())?
    } else {
        let is_decimal = digits
            .bytes()
            .all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'e' | b'E' | b'+' | b'-'));
        let starts_well = digits.starts_with(|c: char| c.is_ascii_digit() || c == '.');
        if !is_decimal || !starts_well {
            return Err(InvalidNumber::Syntax);
        }
        digits.parse::<f64>().map_err(|_| InvalidNumber::Syntax)?
    };
    if value.is_infinite() {
        return Err(InvalidNumber::Range);
    }
    Ok(sign * value)
}

/// A hexadecimal float without its prefix: digits, and an exponent that must be there.
fn parse_hex_float(text: &str) -> Result<f64, InvalidNumber> {
    let (mantissa, exponent) = text.split_once(['p', 'P']).ok_or(InvalidNumber::Syntax)?;
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    let unsigned = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
    if digits.is_empty()
        || !digits.chars().all(|c| c.is_ascii_hexdigit())
        || unsigned.is_empty()
        || !unsigned.bytes().all(|b| b.is_ascii_digit())
    {
        return Err(InvalidNumber::Syntax);
    }
    let mut exponent: i64 = exponent.parse().unwrap_or_else(|_| {
        if exponent.starts_with('-') {
            -1_000_000
        } else {
            1_000_000
        }
    });
    exponent =
        exponent.clamp(-1_000_000, 1_000_000) - 4 * i64::try_from(fraction.len()).unwrap_or(i64::MAX / 8);
    let digits = digits.trim_start_matches('0');
    // 120 bits decide every rounding to 53 when a last bit says whether anything follows.
    let (kept, dropped) = digits.split_at(digits.len().min(30));
    let mut bits = u128::from_str_radix(if kept.is_empty() { "0" } else { kept }, 16).unwrap_or_default();
    exponent += 4 * i64::try_from(dropped.len()).unwrap_or(i64::MAX / 8);
    if dropped.bytes().any(|b| b != b'0') {
        bits |= 1;
    }
    Ok(scaled(bits, exponent))
}

/// The float nearest to `bits` times two to the power of `exponent`, ties to even.
fn scaled(mut bits: u128, mut exponent: i64) -> f64 {
    if bits == 0 {
        return 0.0;
    }
    let excess = (128 - i64::from(bits.leading_zeros()) - 53).max(-1074 - exponent);
    if excess > 0 {
        if excess > 127 {
            return 0.0;
        }
        let lost = bits & ((1 << excess) - 1);
        bits >>= excess;
        exponent += excess;
        let half = 1_u128 << (excess - 1);
        if lost > half || lost == half && bits & 1 == 1 {
            bits += 1;
        }
    }
    let mut value = bits as f64;
    // In steps, as a single power could leave the range of floats where the product does not.
    while exponent > 0 && value.is_finite() {
        let step = exponent.min(512);
        value *= 2_f64.powi(i32::try_from(step).unwrap_or(512));
        exponent -= step;
    }
    while exponent < 0 && value != 0.0 {
        let step = exponent.max(-512);
        value *= 2_f64.powi(i32::try_from(step).unwrap_or(-512));
        exponent -= step;
    }
    value
}

/// Go's conversion of a float to an int64 on amd64: what does not fit is the smallest integer.
pub(crate) fn float_to_int(value: f64) -> i64 {
    const LIMIT: f64 = 9_223_372_036_854_775_808.0;
    if (-LIMIT..LIMIT).contains(&value) {
        value as i64
    } else {
        i64::MIN
    }
}

/// How a float is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FloatSize {
    /// float32
    Bits32,
    /// float64
    Bits64,
}

/// More digits than any float has, behind which there are only zeros.
const MAX_DIGITS: usize = 1100;

/// `strconv.FormatFloat`; `precision` is `None` for the shortest digits that are read back as the same number.
pub(crate) fn format_float(value: f64, verb: char, precision: Option<usize>, size: FloatSize) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    let sign = if value.is_sign_negative() { "-" } else { "" };
    let body = match verb {
        'b' => binary(value.abs(), size),
        'x' | 'X' => hexadecimal(value.abs(), precision, verb),
        'f' | 'F' => fixed(value.abs(), precision, size),
        'e' | 'E' => scientific(value.abs(), precision, size, verb),
        _ => general(value.abs(), precision, size, if verb == 'G' { 'E' } else { 'e' }),
    };
    format!("{sign}{body}")
}

/// Digits and decimal exponent of the first, which is before the point.
fn digits(value: f64, precision: Option<usize>, size: FloatSize) -> (String, i32) {
    let text = match (precision, size) {
        (None, FloatSize::Bits32) => format!("{:e}", value as f32),
        (None, FloatSize::Bits64) => format!("{value:e}"),
        (Some(precision), _) => format!("{value:.*e}", precision.min(MAX_DIGITS)),
    };
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    (mantissa.replace('.', ""), exponent.parse().unwrap_or_default())
}

fn exponent_text(exponent: i32, letter: char) -> String {
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{letter}{sign}{:02}", exponent.abs())
}

fn scientific(value: f64, precision: Option<usize>, size: FloatSize, letter: char) -> String {
    let (mut digits, exponent) = digits(value, precision, size);
    if let Some(precision) = precision {
        digits.extend(std::iter::repeat_n(
            '0',
            (precision + 1).saturating_sub(digits.len()),
        ));
    }
    let (first, rest) = digits.split_at(digits.len().min(1));
    let point = if rest.is_empty() { "" } else { "." };
    format!("{first}{point}{rest}{}", exponent_text(exponent, letter))
}

fn fixed(value: f64, precision: Option<usize>, size: FloatSize) -> String {
    let Some(precision) = precision else {
        let (digits, exponent) = digits(value, None, size);
        return place_point(&digits, exponent);
    };
    let mut text = format!("{value:.*}", precision.min(MAX_DIGITS));
    text.extend(std::iter::repeat_n('0', precision.saturating_sub(MAX_DIGITS)));
    text
}

/// Digits without exponent.
fn place_point(digits: &str, exponent: i32) -> String {
    let before = usize::try_from(exponent + 1).unwrap_or_default();
    if exponent < 0 {
        let zeros = "0".repeat(usize::try_from(-exponent - 1).unwrap_or_default());
        return if digits.trim_matches('0').is_empty() {
            "0".to_owned()
        } else {
            format!("0.{zeros}{digits}")
        };
    }
    if digits.len() <= before {
        return format!("{digits}{}", "0".repeat(before - digits.len()));
    }
    let (whole, fraction) = digits.split_at(before);
    format!("{whole}.{fraction}")
}

fn general(value: f64, precision: Option<usize>, size: FloatSize, letter: char) -> String {
    let wanted = precision.map(|precision| precision.max(1));
    let (digits, exponent) = digits(value, wanted.map(|wanted| wanted - 1), size);
    let digits = digits.trim_end_matches('0');
    if digits.is_empty() {
        return "0".to_owned();
    }
    let count = i64::try_from(digits.len()).unwrap_or(i64::MAX);
    let exponent_from = match wanted.map(|wanted| i64::try_from(wanted).unwrap_or(i64::MAX)) {
        None => 6,
        Some(wanted) if wanted > count && count > i64::from(exponent) => count,
        Some(wanted) => wanted,
    };
    if exponent < -4 || i64::from(exponent) >= exponent_from {
        let (first, rest) = digits.split_at(1);
        let point = if rest.is_empty() { "" } else { "." };
        return format!("{first}{point}{rest}{}", exponent_text(exponent, letter));
    }
    place_point(digits, exponent)
}

/// Mantissa and power of two.
fn binary(value: f64, size: FloatSize) -> String {
    let (mantissa, exponent) = match size {
        FloatSize::Bits64 => {
            let bits = value.to_bits();
            let (exponent, fraction) = ((bits >> 52) & 0x7FF, bits & ((1 << 52) - 1));
            if exponent == 0 {
                (fraction, -1074)
            } else {
                (
                    fraction | 1 << 52,
                    i64::try_from(exponent).unwrap_or_default() - 1075,
                )
            }
        }
        FloatSize::Bits32 => {
            let bits = (value as f32).to_bits();
            let (exponent, fraction) = ((bits >> 23) & 0xFF, bits & ((1 << 23) - 1));
            if exponent == 0 {
                (u64::from(fraction), -149)
            } else {
                (u64::from(fraction | 1 << 23), i64::from(exponent) - 150)
            }
        }
    };
    format!("{mantissa}p{exponent:+}")
}

fn hexadecimal(value: f64, precision: Option<usize>, verb: char) -> String {
    let bits = value.to_bits();
    let (raw, fraction) = ((bits >> 52) & 0x7FF, bits & ((1 << 52) - 1));
    let mut exponent = i64::try_from(raw).unwrap_or_default() - 1023;
    let mut mantissa = u128::from(fraction);
    if raw != 0 {
        mantissa |= 1 << 52;
    } else if mantissa == 0 {
        exponent = 0;
    } else {
        exponent = -1022;
        while mantissa & (1 << 52) == 0 {
            mantissa <<= 1;
            exponent -= 1;
        }
    }
    // One digit before the point, 15 behind it, of which the last two are zeros.
    mantissa <<= 8;
    if let Some(kept) = precision.filter(|precision| *precision < 15) {
        let dropped = 4 * (15 - kept);
        let (half, rest) = (1_u128 << (dropped - 1), mantissa & ((1 << dropped) - 1));
        mantissa >>= dropped;
        if rest > half || rest == half && mantissa & 1 == 1 {
            mantissa += 1;
        }
        mantissa <<= dropped;
        if mantissa >> 61 != 0 {
            mantissa >>= 1;
            exponent += 1;
        }
    }
    let mut fraction = format!("{:015x}", mantissa & ((1 << 60) - 1));
    match precision {
        None => fraction.truncate(fraction.trim_end_matches('0').len()),
        Some(precision) if precision < 15 => fraction.truncate(precision),
        Some(precision) => fraction.extend(std::iter::repeat_n('0', precision - 15)),
    }
    let point = if fraction.is_empty() { "" } else { "." };
    let sign = if exponent < 0 { '-' } else { '+' };
    let text = format!(
        "0x{}{point}{fraction}p{sign}{:02}",
        mantissa >> 60,
        exponent.abs()
    );
    if verb == 'X' { text.to_uppercase() } else { text }
}
