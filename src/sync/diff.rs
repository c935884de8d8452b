//! Whether a live object differs from what the API server would make of it, and in which fields.

use serde_json::{Map, Value};

use super::object::{MASK, text};

/// A field that differs, for events and logs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct FieldChange {
    /// The field, such as `.spec.template.spec.containers[0].image`.
    pub path: String,
    /// What the live object has, as JSON; `None` if the field is absent. Values of Secrets are masked.
    pub live: Option<String>,
    /// What it would become, as JSON; `None` if the field would vanish. Values of Secrets are masked.
    pub wanted: Option<String>,
}

/// How many differing fields are named; an object that is replaced as a whole would fill an event otherwise.
const MAX_FIELDS: usize = 20;

/// The parts of the metadata that count.
const METADATA: [&str; 2] = ["labels", "annotations"];

/// Whether the result of a dry-run differs from the live object, in Flux's sense: in its labels, its annotations, or anything
/// but `metadata` and `status`.
#[must_use]
pub fn differs(live: &Value, dry_run: &Value) -> bool {
    METADATA
        .iter()
        .any(|field| entries(live, field) != entries(dry_run, field))
        || content(live) != content(dry_run)
}

/// The fields in which the result of a dry-run differs from the live object, at most twenty, in order of their paths.
#[must_use]
pub fn changes(live: &Value, dry_run: &Value) -> Vec<FieldChange> {
    let is_secret = text(dry_run, "/kind") == "Secret" && text(dry_run, "/apiVersion") == "v1";
    let mut found = Vec::new();
    for field in METADATA {
        let (live, wanted) = (entries(live, field), entries(dry_run, field));
        compare(&format!(".metadata.{field}"), live, wanted, &mut found);
    }
    let (live, dry_run) = (content(live), content(dry_run));
    let mut names: Vec<&String> = live.keys().chain(dry_run.keys()).copied().collect();
    names.sort();
    names.dedup();
    for name in names {
        compare(
            &format!(".{name}"),
            live.get(name).copied(),
            dry_run.get(name).copied(),
            &mut found,
        );
    }
    found.truncate(MAX_FIELDS);
    if is_secret {
        for change in &mut found {
            change.live = change.live.take().map(|_| MASK.to_owned());
            change.wanted = change.wanted.take().map(|_| MASK.to_owned());
        }
    }
    found
}

/// Labels or annotations; none and empty ones are the same.
fn entries<'a>(object: &'a Value, field: &str) -> Option<&'a Value> {
    let entries = object.get("metadata")?.get(field)?;
    entries
        .as_object()
        .is_some_and(|entries| !entries.is_empty())
        .then_some(entries)
}

/// Everything but `metadata` and `status`.
fn content(object: &Value) -> std::collections::BTreeMap<&String, &Value> {
    object
        .as_object()
        .into_iter()
        .flat_map(Map::iter)
        .filter(|(name, _)| !matches!(name.as_str(), "metadata" | "status"))
        .collect()
}

fn compare(path: &str, live: Option<&Value>, wanted: Option<&Value>, found: &mut Vec<FieldChange>) {
    if live == wanted || found.len() >= MAX_FIELDS {
        return;
    }
    match (live, wanted) {
        (Some(Value::Object(live)), Some(Value::Object(wanted))) => {
            let mut names: Vec<&String> = live.keys().chain(wanted.keys()).collect();
            names.sort();
            names.dedup();
            for name in names {
                compare(&step(path, name), live.get(name), wanted.get(name), found);
            }
        }
        (Some(Value::Array(live)), Some(Value::Array(wanted))) if live.len() == wanted.len() => {
            for (index, (live, wanted)) in live.iter().zip(wanted).enumerate() {
                compare(&format!("{path}[{index}]"), Some(live), Some(wanted), found);
            }
        }
        _ => found.push(FieldChange {
            path: path.to_owned(),
            live: live.map(Value::to_string),
            wanted: wanted.map(Value::to_string),
        }),
    }
}

fn step(path: &str, name: &str) -> String {
    let is_plain =
        |character: char| character.is_ascii_alphanumeric() || character == '_' || character == '-';
    if name.chars().all(is_plain) {
        format!("{path}.{name}")
    } else {
        format!("{path}[{name}]")
    }
}

#[cfg(test)]
mod tests;
