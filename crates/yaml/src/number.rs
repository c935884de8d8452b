//! A number with the text that it was read from.

use std::fmt;

use crate::Text;

/// A number. Equal numbers may be written differently: `010` and `8` are the same to an API server, but not in a name.
#[derive(Debug, Clone)]
pub struct Number {
    /// The text where it tells more than the value; rare, so that it stands elsewhere.
    text: Option<Box<Text>>,
    value: serde_json::Number,
}

impl Number {
    /// A number as a text has it.
    pub(crate) fn written(text: &str, value: serde_json::Number) -> Self {
        let is_plain = !text.starts_with(['0', '+', '-']) && text.bytes().all(|byte| byte.is_ascii_digit());
        let is_same = (is_plain && !value.is_f64()) || value.to_string() == text;
        Self {
            text: (!is_same).then(|| Box::new(text.into())),
            value,
        }
    }

    /// The number's value.
    #[must_use]
    pub fn value(&self) -> &serde_json::Number {
        &self.value
    }

    /// A float as Go's JSON encoder would write it and a YAML reader read it again: an integer when it has no fraction and
    /// fits. `None` for what JSON cannot express.
    pub(crate) fn of_float(float: f64) -> Option<serde_json::Number> {
        if float.fract() == 0.0 && float.abs() < 1e21 {
            let digits = format!("{float:.0}");
            if let Ok(integer) = digits.parse::<i64>() {
                return Some(integer.into());
            }
            if let Ok(integer) = digits.parse::<u64>() {
                return Some(integer.into());
            }
        }
        serde_json::Number::from_f64(float)
    }
}

impl fmt::Display for Number {
    /// The number as it was written.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.text {
            Some(text) => formatter.write_str(text),
            None => self.value.fmt(formatter),
        }
    }
}

impl PartialEq for Number {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

impl From<serde_json::Number> for Number {
    fn from(value: serde_json::Number) -> Self {
        Self { text: None, value }
    }
}

impl From<i64> for Number {
    fn from(value: i64) -> Self {
        Self {
            text: None,
            value: value.into(),
        }
    }
}

/// A float as Go's `%g` has it with the fewest digits that tell it from its neighbours.
pub(crate) fn general(float: f64) -> String {
    general_of(&format!("{float:e}"), &format!("{float}"))
}

/// A float as Go's `%g` has it for single precision: `sigs.k8s.io/yaml` makes such keys of floats.
pub(crate) fn single_precision(float: f64) -> String {
    #[allow(clippy::cast_possible_truncation, reason = "rounding is what is wanted")]
    let single = float as f32;
    if single.is_nan() {
        return ".nan".to_owned();
    }
    if single.is_infinite() {
        let sign = if single.is_sign_negative() { "-" } else { "" };
        return format!("{sign}.inf");
    }
    general_of(&format!("{single:e}"), &format!("{single}"))
}

fn general_of(scientific: &str, decimal: &str) -> String {
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..6).contains(&exponent) {
        return decimal.to_owned();
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{mantissa}e{sign}{:02}", exponent.abs())
}
