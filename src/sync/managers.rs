//! Which fields of a live object change hands before it is applied: those of kubectl and of Flux before server-side apply.

use serde_json::{Map, Value, json};

/// Annotations that are removed from objects: what kubectl and old versions of Flux left.
const ANNOTATIONS: [&str; 3] = [
    "kubectl.kubernetes.io/last-applied-configuration",
    "kustomize.toolkit.fluxcd.io/checksum",
    "fluxcd.io/sync-checksum",
];

/// Labels that are removed from objects.
const LABELS: [&str; 1] = ["fluxcd.io/sync-gc-mark"];

/// The JSON patch that gives the fields of other managers to ours, or `None` when there is nothing to do.
///
/// The managers are those with the prefix `kubectl` (of either operation), `before-first-apply` and our own name with the
/// operation Update, and those with the prefix of one of `overridden`. Their fields are united with those of our Apply entry, or
/// the first of them becomes it; so the next apply removes what is not in Git any more. Entries of subresources stay.
///
/// The patch names the managed fields as they are, so that it fails when they have changed in between.
#[must_use]
pub fn take_over(live: &Value, manager: &str, overridden: &[String]) -> Option<Value> {
    let metadata = live.get("metadata")?;
    let mut operations = Vec::new();
    for (field, keys) in [("annotations", &ANNOTATIONS[..]), ("labels", &LABELS[..])] {
        for key in keys {
            if metadata
                .get(field)
                .is_some_and(|entries| entries.get(key).is_some())
            {
                let path = format!("/metadata/{field}/{}", key.replace('~', "~0").replace('/', "~1"));
                operations.push(json!({"op": "remove", "path": path}));
            }
        }
    }
    if let Some(entries) = metadata.get("managedFields").and_then(Value::as_array)
        && let Some(replaced) = replace_managers(entries, manager, overridden)
    {
        operations.push(json!({"op": "replace", "path": "/metadata/managedFields", "value": replaced}));
    }
    if operations.is_empty() {
        return None;
    }
    if let Some(version) = metadata.get("resourceVersion") {
        // Without this test the patch would also undo what another manager has done since the object was read.
        let test = json!({"op": "test", "path": "/metadata/resourceVersion", "value": version});
        operations.insert(0, test);
    }
    Some(Value::Array(operations))
}

/// Whether our manager has an Apply entry on a live object: a missing one is drift, whatever the fields say.
#[must_use]
pub fn has_entry(live: &Value, manager: &str) -> bool {
    let entries = live.pointer("/metadata/managedFields").and_then(Value::as_array);
    entries.into_iter().flatten().any(|entry| is_own(entry, manager))
}

fn replace_managers(entries: &[Value], manager: &str, overridden: &[String]) -> Option<Vec<Value>> {
    let mut own = entries.iter().rfind(|entry| is_own(entry, manager)).cloned();
    let mut others = Vec::with_capacity(entries.len());
    let mut is_edited = false;
    for entry in entries {
        if own.as_ref() == Some(entry) && is_own(entry, manager) {
            continue;
        }
        if !is_taken_over(entry, manager, overridden) {
            others.push(entry.clone());
            continue;
        }
        is_edited = true;
        match &mut own {
            None => {
                let mut renamed = entry.clone();
                renamed["manager"] = json!(manager);
                renamed["operation"] = json!("Apply");
                own = Some(renamed);
            }
            Some(own) => {
                let united = unite_fields(own.get("fieldsV1"), entry.get("fieldsV1"));
                own["fieldsV1"] = united;
            }
        }
    }
    if !is_edited {
        return None;
    }
    others.extend(own);
    Some(others)
}

fn member<'a>(entry: &'a Value, field: &str) -> &'a str {
    entry.get(field).and_then(Value::as_str).unwrap_or_default()
}

pub(super) fn is_own(entry: &Value, manager: &str) -> bool {
    member(entry, "manager") == manager
        && member(entry, "operation") == "Apply"
        && member(entry, "subresource").is_empty()
}

fn is_taken_over(entry: &Value, manager: &str, overridden: &[String]) -> bool {
    if !member(entry, "subresource").is_empty() {
        return false;
    }
    let (name, operation) = (member(entry, "manager"), member(entry, "operation"));
    let is_update = operation == "Update";
    let is_either = is_update || operation == "Apply";
    (name.starts_with("kubectl") && is_either)
        || (name.starts_with("before-first-apply") && is_update)
        || (name.starts_with(manager) && is_update)
        || (is_either
            && overridden
                .iter()
                .any(|overridden| name.starts_with(overridden.as_str())))
}

/// The union of two field sets, in the form in which managed fields are written: a trie of paths, in which an empty node is a
/// member, and a node with children is one only if it holds `.`.
fn unite_fields(one: Option<&Value>, two: Option<&Value>) -> Value {
    match (one, two) {
        (Some(Value::Object(one)), Some(Value::Object(two))) => Value::Object(unite_children(one, two)),
        (Some(fields), None | Some(_)) | (None, Some(fields)) => fields.clone(),
        (None, None) => json!({}),
    }
}

fn unite_children(one: &Map<String, Value>, two: &Map<String, Value>) -> Map<String, Value> {
    let mut united = one.clone();
    for (key, fields) in two {
        let both = match (united.get(key), fields) {
            (Some(Value::Object(mine)), Value::Object(theirs)) => {
                let mut both = unite_children(mine, theirs);
                if (mine.is_empty() || theirs.is_empty()) && !both.is_empty() {
                    both.insert(".".to_owned(), json!({}));
                }
                Value::Object(both)
            }
            _ => fields.clone(),
        };
        united.insert(key.clone(), both);
    }
    united
}

#[cfg(test)]
mod tests;
