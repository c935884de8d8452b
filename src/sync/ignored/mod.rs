//! Fields that a Kustomization leaves to others once they are there (`spec.ignore`).

mod selector;

use fluxbot_api::kustomize::IgnoreRule;
use serde_json::Value;

use self::selector::Selector;
use super::object::Object;

/// `spec.ignore` cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IgnoreRuleError {
    /// A target that selects nothing that can be understood.
    #[error("failed to create ignore rule selector: {0}")]
    Target(String),
    /// A path that is no JSON pointer.
    #[error("spec.ignore[{index}]: '{path}' is no JSON pointer, which begins with a slash")]
    Path {
        /// The place of the rule.
        index: usize,
        /// The path.
        path: String,
    },
}

/// The rules of `spec.ignore`.
#[derive(Debug, Default)]
pub struct IgnoreRules {
    rules: Vec<(Option<Selector>, Vec<String>)>,
}

impl IgnoreRules {
    /// Reads rules.
    ///
    /// # Errors
    /// A target with an expression that is none, or a path that is no JSON pointer (RFC 6901).
    pub fn new(rules: &[IgnoreRule]) -> Result<Self, IgnoreRuleError> {
        let mut read = Vec::with_capacity(rules.len());
        for (index, rule) in rules.iter().enumerate() {
            if let Some(path) = rule.paths.iter().find(|path| !path.starts_with('/')) {
                let path = path.clone();
                return Err(IgnoreRuleError::Path { index, path });
            }
            let selector = rule.target.as_ref().map(Selector::new).transpose();
            read.push((selector.map_err(IgnoreRuleError::Target)?, rule.paths.clone()));
        }
        Ok(Self { rules: read })
    }

    /// The fields of an object that are left to others, as JSON pointers.
    #[must_use]
    pub fn paths(&self, object: &Object) -> Vec<String> {
        let mut paths: Vec<String> = self
            .rules
            .iter()
            .filter(|(selector, _)| selector.as_ref().is_none_or(|selector| selector.fits(object)))
            .flat_map(|(_, paths)| paths.iter().cloned())
            .collect();
        paths.sort();
        paths.dedup();
        paths
    }
}

/// An object without some of its fields. Fields that are not there are no fault.
#[must_use]
pub fn without(object: &Value, paths: &[String]) -> Value {
    let mut object = object.clone();
    for path in paths {
        remove(&mut object, path);
    }
    object
}

/// What is sent for an object whose ignored fields differ: a field that another manager has applied is left out, so that it
/// stays that manager's; any other gets the value that it has in the cluster, so that nothing changes. `None` when no ignored
/// field differs.
#[must_use]
pub fn yielded(
    wish: &Value,
    live: &Value,
    dry_run: &Value,
    paths: &[String],
    manager: &str,
) -> Option<Value> {
    let mut yielded = wish.clone();
    let mut is_changed = false;
    for path in paths {
        let there = live.pointer(path);
        if there == dry_run.pointer(path) {
            continue;
        }
        is_changed = true;
        match there {
            Some(there) if !is_applied_by_another(live, path, manager) => {
                if let Some(place) = yielded.pointer_mut(path) {
                    *place = there.clone();
                }
            }
            _ => remove(&mut yielded, path),
        }
    }
    is_changed.then_some(yielded)
}

fn remove(object: &mut Value, path: &str) {
    let Some((parent, name)) = path.rsplit_once('/') else {
        return;
    };
    match object.pointer_mut(parent) {
        Some(Value::Object(fields)) => {
            fields.remove(&plain(name));
        }
        Some(Value::Array(items)) => {
            if let Ok(index) = name.parse::<usize>()
                && index < items.len()
            {
                items.remove(index);
            }
        }
        _ => {}
    }
}

/// A segment of a JSON pointer as it is meant.
fn plain(segment: &str) -> String {
    segment.replace("~1", "/").replace("~0", "~")
}

/// Whether another manager's Apply entry holds a field.
fn is_applied_by_another(live: &Value, path: &str, manager: &str) -> bool {
    let entries = live.pointer("/metadata/managedFields").and_then(Value::as_array);
    let fields: Vec<&Value> = entries
        .into_iter()
        .flatten()
        .filter(|entry| entry["operation"] == "Apply" && entry["manager"] != manager)
        .filter(|entry| entry.get("subresource").is_none_or(|name| name == ""))
        .filter_map(|entry| entry.get("fieldsV1"))
        .collect();
    fields.into_iter().any(|fields| holds(fields, live, path))
}

fn holds(fields: &Value, live: &Value, path: &str) -> bool {
    let (mut fields, mut live) = (fields, Some(live));
    for segment in path.split('/').skip(1) {
        let name = plain(segment);
        let next = if let Some(Value::Array(items)) = live {
            live = name.parse::<usize>().ok().and_then(|index| items.get(index));
            live.and_then(|item| of_item(fields, item))
        } else {
            live = live.and_then(|live| live.get(&name));
            fields.get(format!("f:{name}"))
        };
        let Some(next) = next else { return false };
        fields = next;
    }
    true
}

/// The fields of a list's item, which are noted under the item's keys.
fn of_item<'f>(fields: &'f Value, item: &Value) -> Option<&'f Value> {
    let fields = fields.as_object()?;
    fields.iter().find_map(|(name, fields)| {
        let keys: Value = serde_json::from_str(name.strip_prefix("k:")?).ok()?;
        let is_same = keys
            .as_object()?
            .iter()
            .all(|(key, value)| item.get(key) == Some(value));
        is_same.then_some(fields)
    })
}

#[cfg(test)]
mod tests;
