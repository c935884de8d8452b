//! The suffix that tells the content of a config map or secret.

use std::fmt::Write as _;

use fluxbot_yaml::Value;
use sha2::{Digest as _, Sha256};

use crate::json::{self, quote};
use crate::resource::{Resource, note};

/// Adds the suffix to the names of the objects that want one.
pub(crate) fn add_suffixes(resources: &mut [Resource]) {
    for resource in resources {
        if resource.is_enabled(note::NEEDS_HASH) {
            let name = format!("{}-{}", resource.name(), suffix(resource));
            resource.remember_id();
            resource.set_name(&name);
        }
    }
}

/// The suffix of an object: ten characters without vowels that could form words.
pub(crate) fn suffix(resource: &Resource) -> String {
    let (value, kind) = (&resource.value, resource.kind());
    // The original looks for a field called `metadata/name`, which no object has: names have no part in the hash.
    let fields: &[&str] = if kind == "Secret" {
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
            Some(value) if !value.is_scalar() => json::write(value, &mut text),
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
