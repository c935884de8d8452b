//! Lists whose items are merged: which items are the same, and in which order they come out.

use fluxbot_yaml::{Text, Value};

use super::{DIRECTIVE, Pair, merge};
use crate::schema::{Kinds, Schema};

/// Merges two lists whose items have keys.
pub(super) fn merge_lists(
    kinds: &Kinds,
    pair: Pair,
    keys: &[String],
    schema: Option<Schema<'_>>,
    trail: &mut Vec<Text>,
) -> Result<Value, String> {
    let items = |value: Option<Value>| match value {
        Some(Value::List(items)) => items,
        _ => Vec::new(),
    };
    let (dest, patch) = (items(pair.dest), items(pair.patch));
    let keys: Vec<&str> = if keys.is_empty() {
        vec![""]
    } else {
        keys.iter().map(String::as_str).collect()
    };
    let mut values = element_values(&keys, &patch, &dest);
    if keys.len() > 1 {
        unite(&mut values);
    }
    let mut list = Items {
        kinds,
        dest,
        patch,
        same: pair.same,
        schema: schema.and_then(Schema::items),
    };
    list.merge(&keys, &values, trail).map(Value::List)
}

/// The key texts of all items, those of the patch first, each once.
fn element_values(keys: &[&str], patch: &[Value], dest: &[Value]) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    let mut seen = std::collections::HashSet::new();
    for item in patch.iter().chain(dest) {
        let values: Vec<String> = keys.iter().map(|key| key_text(item, key)).collect();
        if seen.insert(values.clone()) {
            found.push(values);
        }
    }
    found
}

fn key_text(item: &Value, key: &str) -> String {
    let value = if key.is_empty() { Some(item) } else { item.get(key) };
    value.and_then(Value::text).unwrap_or_default().into_owned()
}

/// Two items are the same when their keys differ only where one has none.
fn unite(values: &mut [Vec<String>]) {
    for i in 0..values.len() {
        let Some(one) = values.get(i).cloned() else {
            continue;
        };
        for j in 0..values.len() {
            let Some(united) = values.get(j).and_then(|other| united(&one, other)) else {
                continue;
            };
            if let Some(value) = values.get_mut(i) {
                value.clone_from(&united);
            }
            if let Some(value) = values.get_mut(j) {
                *value = united;
            }
        }
    }
}

fn united(one: &[String], other: &[String]) -> Option<Vec<String>> {
    let mut common = false;
    let mut result = Vec::with_capacity(one.len());
    for (a, b) in one.iter().zip(other) {
        if a == b {
            common = true;
        } else if !a.is_empty() && !b.is_empty() {
            return None;
        }
        result.push(if a.is_empty() { b.clone() } else { a.clone() });
    }
    common.then_some(result)
}

/// Two lists whose items are merged.
struct Items<'k> {
    kinds: &'k Kinds,
    dest: Vec<Value>,
    patch: Vec<Value>,
    same: bool,
    schema: Option<Schema<'k>>,
}

impl Items<'_> {
    fn merge(
        &mut self,
        keys: &[&str],
        values: &[Vec<String>],
        trail: &mut Vec<Text>,
    ) -> Result<Vec<Value>, String> {
        let used: Vec<bool> = (0..keys.len())
            .map(|index| {
                values
                    .iter()
                    .any(|value| value.get(index).is_some_and(|text| !text.is_empty()))
            })
            .collect();
        let all = used.iter().any(|used| *used);
        let keep = |index: usize| !all || used.get(index).copied().unwrap_or(false);
        let valid_keys: Vec<&str> = pick(keys, keep);
        let mut merged: Vec<Value> = Vec::new();
        for value in values {
            let valid: Vec<String> = pick(value, keep);
            self.merge_item(&valid_keys, &valid, &mut merged, trail)?;
        }
        let dest = std::mem::take(&mut self.dest);
        if values.is_empty() {
            return Ok(dest);
        }
        append(&mut merged, dest, &valid_keys);
        Ok(merged)
    }

    fn merge_item(
        &mut self,
        keys: &[&str],
        values: &[String],
        merged: &mut Vec<Value>,
        trail: &mut Vec<Text>,
    ) -> Result<(), String> {
        let (old, new) = (find(&self.dest, keys, values), find(&self.patch, keys, values));
        let replaces = new
            .and_then(|index| self.patch.get(index))
            .and_then(|item| item.get(DIRECTIVE))
            .is_some_and(|value| value.as_str() == Some("replace"));
        let pair = Pair {
            dest: old.and_then(|index| self.dest.get(index)).cloned(),
            patch: new.and_then(|index| self.patch.get(index)).cloned(),
            same: self.same,
        };
        let value = merge(self.kinds, pair, self.schema, trail)?;
        let Some(mut value) = value
            .filter(|value| !value.is_null() && !matches!(value, Value::Map(fields) if fields.is_empty()))
        else {
            set_element(&mut self.dest, None, keys, values);
            return Ok(());
        };
        if let Value::Map(fields) = &mut value {
            for (key, text) in keys.iter().zip(values) {
                if !key.is_empty() && !text.is_empty() && !fields.contains_key(key) {
                    fields.insert(*key, text.as_str().into());
                }
            }
        }
        if let Some(item) = old
            .and_then(|index| self.dest.get_mut(index))
            .filter(|_| self.same || !replaces)
        {
            item.clone_from(&value);
        }
        set_element(merged, Some(value), keys, values);
        Ok(())
    }
}

fn pick<T: Clone>(values: &[T], keep: impl Fn(usize) -> bool) -> Vec<T> {
    let values = values.iter().enumerate();
    values
        .filter(|(index, _)| keep(*index))
        .map(|(_, value)| value.clone())
        .collect()
}

/// The first item whose keys are `values`; keys without a value do not count unless all are without.
fn find(items: &[Value], keys: &[&str], values: &[String]) -> Option<usize> {
    let all = values.iter().any(|value| !value.is_empty());
    let pairs = || {
        keys.iter()
            .zip(values)
            .filter(|(_, value)| !all || !value.is_empty())
    };
    items.iter().position(|item| {
        pairs().all(|(key, value)| {
            let field = if key.is_empty() { Some(item) } else { item.get(key) };
            field
                .and_then(Value::text)
                .is_some_and(|text| text == value.as_str())
        })
    })
}

/// Adds the items of the object to those of the patch; an item with the same keys takes the place of the patch's.
fn append(merged: &mut Vec<Value>, dest: Vec<Value>, keys: &[&str]) {
    for item in dest {
        if keys == [""] {
            let text = key_text(&item, "");
            set_element(merged, Some(item), keys, &[text]);
            continue;
        }
        let mut values = Vec::new();
        for key in keys {
            match item.get(key) {
                Some(value) => values.push(value.text().unwrap_or_default().into_owned()),
                // As the original has it, an item without the key stands here once more until it is set below.
                None => merged.push(item.clone()),
            }
        }
        if keys.len() > 1 {
            set_element(merged, None, keys, &values);
        }
        set_element(merged, Some(item), keys, &values);
    }
}

/// Puts an item in the place of the one with the same keys, or at the end; without an item, removes that one. Empty items go.
pub(super) fn set_element<K: AsRef<str>>(
    items: &mut Vec<Value>,
    element: Option<Value>,
    keys: &[K],
    values: &[String],
) {
    let is_map = matches!(element, Some(Value::Map(_)));
    let mut found = false;
    let mut kept = Vec::with_capacity(items.len() + 1);
    for item in items.drain(..) {
        if item.is_null() || matches!(&item, Value::Map(fields) if fields.is_empty()) {
            continue;
        }
        if is_map && !matches!(item, Value::Map(_)) {
            kept.push(item);
            continue;
        }
        if !has_keys(&item, keys, values) {
            // As the original has it: without a value to look for, nothing stays.
            if !values.is_empty() {
                kept.push(item);
            }
            continue;
        }
        found = true;
        if let Some(element) = &element {
            kept.push(element.clone());
        }
    }
    *items = kept;
    if let Some(element) = element.filter(|element| !found && !element.is_null()) {
        items.push(element);
    }
}

/// Whether an item's keys have the values; a key without a value fits any item that has the key.
fn has_keys<K: AsRef<str>>(item: &Value, keys: &[K], values: &[String]) -> bool {
    let mut matched = false;
    for (index, key) in keys.iter().enumerate() {
        if let Some(value) = values.get(index) {
            let key = key.as_ref();
            let field = if key.is_empty() { Some(item) } else { item.get(key) };
            matched = field.is_some_and(|field| {
                !field.is_null()
                    && (value.is_empty() || field.text().is_some_and(|text| text == value.as_str()))
            });
        }
        if !matched {
            return false;
        }
    }
    matched
}
