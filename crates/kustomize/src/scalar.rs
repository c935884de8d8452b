//! Scalars whose text changes while their type stays, or follows from the text.

use fluxbot_yaml::{Data, Reading, Value};

/// The text of a scalar as it stands in a file; nothing for a list or a map.
pub(crate) fn text(value: &Value) -> String {
    match value {
        Value::Null { written: true } => "null".to_owned(),
        value => value.text().unwrap_or_default().into_owned(),
    }
}

/// A text without quotes, read as a file would have it: `12` is a number.
pub(crate) fn plain(text: &str) -> Value {
    // Blanks at the edges belong to the text: no file would have it so without quotes.
    if !may_be_typed(text) || text.trim() != text {
        return Value::from(text);
    }
    let read = fluxbot_yaml::parse(text, Reading::Kustomize).ok();
    let node = read.and_then(|documents| documents.into_iter().next());
    match node {
        Some(node) if !matches!(node.data, Data::List(_) | Data::Map(_)) => node.into_value(),
        Some(_) => Value::from(text),
        None => Value::NULL,
    }
}

/// Whether a plain scalar with this text may be something else than a string.
fn may_be_typed(text: &str) -> bool {
    let numeric = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.' | '_' | ':' | ' ' | '~');
    let first = text.chars().next().unwrap_or('~');
    text.len() < 64
        && text.chars().all(numeric)
        && (!first.is_ascii_alphabetic()
            || ["true", "false", "null", "inf", "nan"]
                .iter()
                .any(|name| name.eq_ignore_ascii_case(text)))
}

/// A value whose text is replaced by one of unknown type. Where a string stood that had to be in quotes, the quotes stay.
pub(crate) fn untyped(old: Option<&Value>, text: &str) -> Value {
    match old {
        Some(Value::String(old)) if !matches!(plain(old), Value::String(_)) => Value::from(text),
        _ => plain(text),
    }
}

/// A value whose text is replaced and whose type stays. The error is the original's, which fails on its own output.
pub(crate) fn retyped(old: &Value, text: &str) -> Result<Value, String> {
    let new = plain(text);
    let kind = match (old, &new) {
        (Value::String(_), _) => return Ok(Value::from(text)),
        (Value::Number(_), Value::Number(_))
        | (Value::Bool(_), Value::Bool(_))
        | (Value::Null { .. }, Value::Null { .. }) => return Ok(new),
        (Value::Number(number), _) if number.value().is_f64() => "!!float",
        (Value::Number(_), _) => "!!int",
        (Value::Bool(_), _) => "!!bool",
        (Value::Null { .. }, _) => "!!null",
        _ => return Ok(new),
    };
    let found = match new {
        Value::Null { .. } => "!!null",
        Value::Bool(_) => "!!bool",
        Value::Number(number) if number.value().is_f64() => "!!float",
        Value::Number(_) => "!!int",
        _ => "!!str",
    };
    Err(format!("yaml: cannot decode {found} `{text}` as a {kind}"))
}
