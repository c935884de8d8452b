//! What can be written: values of this crate, and JSON.

use std::borrow::Cow;

use crate::{Value, number};

/// What a value is for a writer.
pub(super) enum Shape<'v, S> {
    /// Something that is written without quotes.
    Word(Cow<'v, str>),
    Text(&'v str),
    List(&'v [S]),
    Map(Vec<(&'v str, &'v S)>),
}

/// Something that can be written.
pub(super) trait Source: Sized {
    fn shape(&self) -> Shape<'_, Self>;
}

fn boolean<'v, S>(value: bool) -> Shape<'v, S> {
    Shape::Word(Cow::Borrowed(if value { "true" } else { "false" }))
}

/// A number as Go formats it: `%d`, or `%g` with the shortest digits.
fn number<'v, S>(number: &serde_json::Number) -> Shape<'v, S> {
    let text = match number.as_f64() {
        Some(float) if number.is_f64() => number::general(float),
        _ => number.to_string(),
    };
    Shape::Word(Cow::Owned(text))
}

impl Source for serde_json::Value {
    fn shape(&self) -> Shape<'_, Self> {
        match self {
            Self::Null => Shape::Word(Cow::Borrowed("null")),
            Self::Bool(value) => boolean(*value),
            Self::Number(value) => number(value),
            Self::String(text) => Shape::Text(text),
            Self::Array(items) => Shape::List(items),
            Self::Object(fields) => {
                Shape::Map(fields.iter().map(|(key, value)| (key.as_str(), value)).collect())
            }
        }
    }
}

impl Source for Value {
    fn shape(&self) -> Shape<'_, Self> {
        match self {
            Self::Null { .. } => Shape::Word(Cow::Borrowed("null")),
            Self::Bool(value) => boolean(*value),
            Self::Number(value) => number(value.value()),
            Self::String(text) => Shape::Text(text),
            Self::List(items) => Shape::List(items),
            Self::Map(fields) => {
                Shape::Map(fields.iter().map(|(key, value)| (key.as_str(), value)).collect())
            }
        }
    }
}
