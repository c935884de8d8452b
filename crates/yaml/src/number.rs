//! A number with the text that it was read from.

use std::fmt;

/// A number. Equal numbers may be written differently: `010` and `8` are the same to an API server, but not in a name.
#[derive(Debug, Clone)]
pub struct Number {
    text: Option<Box<str>>,
    value: serde_json::Number,
}

impl Number {
    /// A number as a text has it.
    pub(crate) fn written(text: &str, value: serde_json::Number) -> Self {
        let own = value.to_string();
        Self {
            text: (own != text).then(|| text.into()),
            value,
        }
    }

    /// The number's value.
    #[must_use]
    pub fn value(&self) -> &serde_json::Number {
        &self.value
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

/// A float as Go's JSON encoder would write it and a YAML reader read it again: an integer when it has no fraction and fits.
/// `None` for what JSON cannot express.
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
