//! Durations as Go writes them: `30s`, `1h0m0.5s`.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::fmt;

/// Pattern of intervals and of the timeouts of appliers.
pub(crate) const INTERVAL: &str = r"^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$";
/// Pattern of the timeouts of sources, scans and providers, which may not be given in hours.
pub(crate) const SHORT: &str = r"^([0-9]+(\.[0-9]+)?(ms|s|m))+$";

const NANOS_PER_SECOND: u64 = 1_000_000_000;
/// Units of Go's `time.ParseDuration`; both the micro sign and the Greek letter are accepted.
const UNITS: [(&str, u64); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("\u{b5}s", 1_000),
    ("\u{3bc}s", 1_000),
    ("ms", 1_000_000),
    ("s", NANOS_PER_SECOND),
    ("m", 60 * NANOS_PER_SECOND),
    ("h", 3_600 * NANOS_PER_SECOND),
];

/// A duration of a manifest, kept as it was written.
///
/// The text is parsed on demand, so that one odd value neither makes a whole list undecodable nor
/// is rewritten when the object is sent back.
///
/// ```
/// use fluxbot_api::Duration;
///
/// assert_eq!(Duration::new("1m30s").get()?, std::time::Duration::from_secs(90));
/// assert_eq!(Duration::from(std::time::Duration::from_secs(90)).to_string(), "1m30s");
/// # Ok::<(), fluxbot_api::InvalidDuration>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Duration(String);

impl Duration {
    /// A duration with this text, which is not checked.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The length of time, by the grammar of Go's `time.ParseDuration` without negative values.
    ///
    /// Fractions below a nanosecond are cut off.
    ///
    /// # Errors
    ///
    /// [`InvalidDuration`] if the text is no duration, is negative, or is longer than Go can hold
    /// (about 292 years).
    pub fn get(&self) -> Result<std::time::Duration, InvalidDuration> {
        parse(&self.0)
    }
}

impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// No time at all, `0s`.
impl Default for Duration {
    fn default() -> Self {
        Self("0s".to_owned())
    }
}

/// Writes the duration as Go does: `0s`, `1.5s`, `1m0s`, `100ms`.
impl From<std::time::Duration> for Duration {
    fn from(duration: std::time::Duration) -> Self {
        Self(format(duration))
    }
}

impl JsonSchema for Duration {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Duration".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string" })
    }
}

/// Why a text is no duration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidDuration {
    /// The text is empty, or a number is missing or malformed.
    #[error("invalid duration {text:?}: expected numbers with units such as 1h30m or 10s")]
    Malformed {
        /// The text.
        text: String,
    },
    /// A number has no unit.
    #[error("invalid duration {text:?}: missing unit, write one of h, m, s, ms, us, ns")]
    MissingUnit {
        /// The text.
        text: String,
    },
    /// A unit is not one of Go's.
    #[error("invalid duration {text:?}: unknown unit {unit:?}, write one of h, m, s, ms, us, ns")]
    UnknownUnit {
        /// The text.
        text: String,
        /// The unit.
        unit: String,
    },
    /// The duration is below zero.
    #[error("invalid duration {text:?}: must not be negative")]
    Negative {
        /// The text.
        text: String,
    },
    /// The duration exceeds 2^63 - 1 nanoseconds.
    #[error("invalid duration {text:?}: too long")]
    TooLong {
        /// The text.
        text: String,
    },
}

fn parse(text: &str) -> Result<std::time::Duration, InvalidDuration> {
    let owned = || text.to_owned();
    let (negative, unsigned) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if unsigned == "0" {
        return Ok(std::time::Duration::ZERO);
    }
    if unsigned.is_empty() {
        return Err(InvalidDuration::Malformed { text: owned() });
    }
    let mut total: u64 = 0;
    let mut rest = unsigned;
    while !rest.is_empty() {
        let (nanos, tail) = component(rest, text)?;
        total = nanos
            .checked_add(total)
            .filter(|total| i64::try_from(*total).is_ok())
            .ok_or_else(|| InvalidDuration::TooLong { text: owned() })?;
        rest = tail;
    }
    if negative && total > 0 {
        return Err(InvalidDuration::Negative { text: owned() });
    }
    Ok(std::time::Duration::from_nanos(total))
}

/// Reads one number with its unit and returns its nanoseconds and what follows.
fn component<'a>(rest: &'a str, text: &str) -> Result<(u64, &'a str), InvalidDuration> {
    let owned = || text.to_owned();
    let (whole, tail) = split_digits(rest);
    let (fraction, tail) = match tail.strip_prefix('.') {
        Some(tail) => split_digits(tail),
        None => ("", tail),
    };
    if whole.is_empty() && fraction.is_empty() {
        return Err(InvalidDuration::Malformed { text: owned() });
    }
    let end = tail
        .find(|c: char| c == '.' || c.is_ascii_digit())
        .unwrap_or(tail.len());
    let (unit, tail) = tail.split_at(end);
    if unit.is_empty() {
        return Err(InvalidDuration::MissingUnit { text: owned() });
    }
    let Some((_, scale)) = UNITS.iter().find(|(name, _)| *name == unit) else {
        let unit = unit.to_owned();
        return Err(InvalidDuration::UnknownUnit { text: owned(), unit });
    };
    let too_long = || InvalidDuration::TooLong { text: owned() };
    let whole: u64 = if whole.is_empty() {
        0
    } else {
        whole.parse().map_err(|_| too_long())?
    };
    let nanos = whole.checked_mul(*scale).ok_or_else(too_long)?;
    Ok((
        nanos.checked_add(part(fraction, *scale)).ok_or_else(too_long)?,
        tail,
    ))
}

/// The part of `scale` that the digits after the point make, rounded down.
fn part(digits: &str, scale: u64) -> u64 {
    // 3600 * 10^9 < 2^42, so 19 digits fit, and further ones weigh less than a nanosecond.
    let mut value: u128 = 0;
    let mut weight: u128 = 1;
    for digit in digits.bytes().take(19) {
        value = value * 10 + u128::from(digit - b'0');
        weight *= 10;
    }
    u64::try_from(value * u128::from(scale) / weight).unwrap_or(u64::MAX)
}

fn split_digits(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    text.split_at(end)
}

fn format(duration: std::time::Duration) -> String {
    let nanos = duration.as_nanos();
    let second = u128::from(NANOS_PER_SECOND);
    if nanos == 0 {
        return "0s".to_owned();
    }
    if nanos < second {
        let (unit, scale) = match nanos {
            ..1_000 => ("ns", 1),
            1_000..1_000_000 => ("\u{b5}s", 1_000),
            _ => ("ms", 1_000_000),
        };
        return format!("{}{unit}", decimal(nanos, scale));
    }
    let (hours, minutes) = (nanos / (3_600 * second), nanos / (60 * second) % 60);
    let seconds = decimal(nanos % (60 * second), second);
    match (hours, minutes) {
        (0, 0) => format!("{seconds}s"),
        (0, _) => format!("{minutes}m{seconds}s"),
        _ => format!("{hours}h{minutes}m{seconds}s"),
    }
}

/// `value / scale` with as many decimals as it needs; `scale` is a power of ten.
fn decimal(value: u128, scale: u128) -> String {
    let (whole, fraction) = (value / scale, value % scale);
    if fraction == 0 {
        return whole.to_string();
    }
    let width = scale.ilog10() as usize;
    format!("{whole}.{}", format!("{fraction:0width$}").trim_end_matches('0'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("0", 0)]
    #[case("+0s", 0)]
    #[case("-0s", 0)]
    #[case("5s", 5_000_000_000)]
    #[case("+5s", 5_000_000_000)]
    #[case("1h0m0.5s", 3_600_500_000_000)]
    #[case("1.5h", 5_400_000_000_000)]
    #[case(".5s", 500_000_000)]
    #[case("1.s", 1_000_000_000)]
    #[case("100ms", 100_000_000)]
    #[case("10us", 10_000)]
    #[case("10\u{b5}s", 10_000)]
    #[case("10\u{3bc}s", 10_000)]
    #[case("7ns", 7)]
    #[case("1s1h", 3_601_000_000_000)]
    #[case("0.3333333333333333333h", 1_199_999_999_999)]
    #[case("9223372036854775807ns", 9_223_372_036_854_775_807)]
    #[case("0.00000000000000000000000000001s", 0)]
    fn reads_what_go_reads(#[case] text: &str, #[case] nanos: u64) {
        assert_eq!(
            Duration::new(text).get(),
            Ok(std::time::Duration::from_nanos(nanos))
        );
    }

    #[rstest]
    #[case(
        "",
        r#"invalid duration "": expected numbers with units such as 1h30m or 10s"#
    )]
    #[case(
        "-",
        r#"invalid duration "-": expected numbers with units such as 1h30m or 10s"#
    )]
    #[case(
        "s",
        r#"invalid duration "s": expected numbers with units such as 1h30m or 10s"#
    )]
    #[case(
        ".s",
        r#"invalid duration ".s": expected numbers with units such as 1h30m or 10s"#
    )]
    #[case(
        "5 s",
        r#"invalid duration "5 s": unknown unit " s", write one of h, m, s, ms, us, ns"#
    )]
    #[case(
        "10",
        r#"invalid duration "10": missing unit, write one of h, m, s, ms, us, ns"#
    )]
    #[case(
        "1d",
        r#"invalid duration "1d": unknown unit "d", write one of h, m, s, ms, us, ns"#
    )]
    #[case("-5s", r#"invalid duration "-5s": must not be negative"#)]
    #[case(
        "9223372036854775808ns",
        r#"invalid duration "9223372036854775808ns": too long"#
    )]
    #[case(
        "99999999999999999999s",
        r#"invalid duration "99999999999999999999s": too long"#
    )]
    #[case("3000000h", r#"invalid duration "3000000h": too long"#)]
    fn names_the_text_that_is_no_duration(#[case] text: &str, #[case] message: &str) {
        let error = Duration::new(text).get().unwrap_err();
        assert_eq!(error.to_string(), message);
    }

    #[rstest]
    #[case(0, "0s")]
    #[case(1, "1ns")]
    #[case(1_100, "1.1\u{b5}s")]
    #[case(2_200_000, "2.2ms")]
    #[case(100_000_000, "100ms")]
    #[case(3_300_000_000, "3.3s")]
    #[case(60_000_000_000, "1m0s")]
    #[case(245_001_000_000, "4m5.001s")]
    #[case(3_600_500_000_000, "1h0m0.5s")]
    #[case(1_814_400_000_000_000, "504h0m0s")]
    #[case(9_223_372_036_854_775_807, "2562047h47m16.854775807s")]
    fn writes_what_go_writes(#[case] nanos: u64, #[case] text: &str) {
        let duration = Duration::from(std::time::Duration::from_nanos(nanos));
        assert_eq!(duration.as_str(), text);
        assert_eq!(duration.get(), Ok(std::time::Duration::from_nanos(nanos)));
    }

    #[test]
    fn a_value_that_is_no_duration_still_decodes_and_is_sent_back_unchanged() {
        let duration: Duration = serde_json::from_str(r#""soon""#).unwrap();
        assert_eq!(serde_json::to_string(&duration).unwrap(), r#""soon""#);
        assert!(duration.get().is_err());
    }
}
