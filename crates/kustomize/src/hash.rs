//! The suffix that tells the content of a config map or secret.

use std::fmt::Write as _;

use fluxbot_yaml::Value;
use sha2::{Digest as _, Sha256};

use crate::resource::Resource;

/// The suffix of an object: ten characters without vowels that could form words.
pub(crate) fn suffix(resource: &Resource) -> String {
    let value = &resource.value;
    // The original looks for a field called `metadata/name`, which no object has: names have no part in the hash.
    let fields: &[&str] = if resource.kind() == "Secret" {
        &["data", "kind", "name", "stringData", "type"]
    } else {
        &["binaryData", "data", "kind", "name"]
    };
    let mut text = String::from("{");
    for name in fields {
        let value = value.get(name).filter(|_| *name != "name");
        let optional = matches!(*name, "binaryData" | "stringData");
        if optional && !matches!(value, Some(Value::Map(_))) {
            continue;
        }
        if text.len() > 1 {
            text.push(',');
        }
        quote(name, &mut text);
        text.push(':');
        match value {
            Some(value) if !value.is_scalar() => json(value, &mut text),
            value => quote(&value.and_then(Value::text).unwrap_or_default(), &mut text),
        }
    }
    text.push('}');
    let digest = Sha256::digest(text.as_bytes());
    let mut hex = String::new();
    for byte in digest.iter().take(5) {
        // Writing to a string cannot fail.
        let _ = write!(hex, "{byte:02x}");
    }
    hex.chars()
        .map(|character| match character {
            '0' => 'g',
            '1' => 'h',
            '3' => 'k',
            'a' => 'm',
            'e' => 't',
            other => other,
        })
        .collect()
}

/// A value as Go's JSON encoder writes it.
fn json(value: &Value, out: &mut String) {
    match value {
        Value::Null { .. } => out.push_str("null"),
        Value::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        Value::Number(number) => out.push_str(&number.value().to_string()),
        Value::String(text) => quote(text, out),
        Value::List(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                json(item, out);
            }
            out.push(']');
        }
        Value::Map(fields) => {
            out.push('{');
            for (index, (key, value)) in fields.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                quote(key, out);
                out.push(':');
                json(value, out);
            }
            out.push('}');
        }
    }
}

/// A string as Go's JSON encoder writes it, with the characters of HTML escaped.
fn quote(text: &str, out: &mut String) {
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
