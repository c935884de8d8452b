//! JSON as Go's encoder writes it: sorted keys, and the characters of HTML escaped.

use std::fmt::Write as _;

use fluxbot_yaml::Value;

/// Writes a value in one line.
pub(crate) fn write(value: &Value, out: &mut String) {
    write_in(value, None, out);
}

/// A value in one line.
pub(crate) fn compact(value: &Value) -> String {
    let mut text = String::new();
    write_in(value, None, &mut text);
    text
}

/// A value in lines, indented by two spaces.
pub(crate) fn pretty(value: &Value) -> String {
    let mut text = String::new();
    write_in(value, Some(0), &mut text);
    text
}

fn write_in(value: &Value, depth: Option<usize>, out: &mut String) {
    let inner = depth.map(|depth| depth + 1);
    match value {
        Value::Null { .. } => out.push_str("null"),
        Value::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        Value::Number(number) => out.push_str(&number.value().to_string()),
        Value::String(text) => quote(text, out),
        Value::List(items) if items.is_empty() => out.push_str("[]"),
        Value::Map(fields) if fields.is_empty() => out.push_str("{}"),
        Value::List(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                line(inner, out);
                write_in(item, inner, out);
            }
            line(depth, out);
            out.push(']');
        }
        Value::Map(fields) => {
            out.push('{');
            for (index, (key, value)) in fields.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                line(inner, out);
                quote(key, out);
                out.push(':');
                if depth.is_some() {
                    out.push(' ');
                }
                write_in(value, inner, out);
            }
            line(depth, out);
            out.push('}');
        }
    }
}

fn line(depth: Option<usize>, out: &mut String) {
    if let Some(depth) = depth {
        out.push('\n');
        for _ in 0..depth {
            out.push_str("  ");
        }
    }
}

/// Writes a string.
pub(crate) fn quote(text: &str, out: &mut String) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' | '\0'..='\u{1f}' => {
                // Writing to a string cannot fail.
                let _ = write!(out, "\\u{:04x}", u32::from(character));
            }
            other => out.push(other),
        }
    }
    out.push('"');
}

/// The same value as it comes out of Go's reading of JSON: each number is a float, so that large integers lose their last digits,
/// and each null is written.
pub(crate) fn through_floats(mut value: Value) -> Value {
    pass_through_floats(&mut value);
    value
}

fn pass_through_floats(value: &mut Value) {
    match value {
        Value::Null { written } => *written = true,
        Value::Number(number) => {
            // Integers up to here are exact.
            const EXACT: u64 = 1 << 53;
            let given = number.value();
            let exact = given
                .as_i64()
                .is_some_and(|number| number.unsigned_abs() <= EXACT);
            let float = given.as_f64().filter(|_| !exact && !given.is_f64());
            *number = match float
                .and_then(|float| serde_json::from_str::<serde_json::Value>(&go_float(float)).ok())
            {
                Some(serde_json::Value::Number(rounded)) => rounded.into(),
                _ => given.clone().into(),
            };
        }
        Value::List(items) => items.iter_mut().for_each(pass_through_floats),
        Value::Map(fields) => fields.values_mut().for_each(pass_through_floats),
        Value::Bool(_) | Value::String(_) => {}
    }
}

/// The digits of a float without a fraction, as Go's JSON encoder has them: up to 1e21 all of them.
fn go_float(float: f64) -> String {
    if float.abs() < 1e21 {
        format!("{float}")
    } else {
        format!("{float:e}")
    }
}
