//! Maps, which are shared and mutable as in Go.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::compare::compare_keys;
use super::{Type, Value};
use crate::text::Text;

/// A map with the types of its keys and values. Cloning shares the entries: a change is seen by every clone.
#[derive(Debug, Clone)]
pub struct Map {
    key: Type,
    element: Type,
    entries: Option<Arc<Entries>>,
}

type Tree = BTreeMap<Key, Value>;

#[derive(Debug, Default)]
struct Entries(Mutex<Arc<Tree>>);

impl Drop for Entries {
    fn drop(&mut self) {
        let tree = std::mem::take(self.0.get_mut().unwrap_or_else(PoisonError::into_inner));
        if let Some(tree) = Arc::into_inner(tree) {
            drop_iteratively(tree.into_values().collect());
        }
    }
}

/// Drops values without recursion, however deep they nest.
pub(super) fn drop_iteratively(mut pending: Vec<Value>) {
    while let Some(value) = pending.pop() {
        match value {
            Value::List(list) => pending.append(&mut list.into_unique()),
            Value::Map(map) => pending.append(&mut map.into_unique()),
            _ => {}
        }
    }
}

/// A key of a map: a value that Go can compare.
///
/// Keys are ordered as Go prints maps: numbers by value, strings by byte, structures field by field.
#[derive(Debug, Clone)]
pub struct Key(Value);

impl Key {
    /// A key; `None` for lists, maps and functions, which cannot be keys.
    #[must_use]
    pub fn new(value: Value) -> Option<Self> {
        (!matches!(value, Value::List(_) | Value::Map(_) | Value::Function(_))).then_some(Self(value))
    }

    /// The key as a value.
    #[must_use]
    pub const fn value(&self) -> &Value {
        &self.0
    }
}

impl From<&str> for Key {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

impl From<Text> for Key {
    fn from(text: Text) -> Self {
        Self(Value::String(text))
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Key {}

impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Key {
    fn cmp(&self, other: &Self) -> Ordering {
        compare_keys(&self.0, &other.0)
    }
}

impl Map {
    /// An empty map.
    #[must_use]
    pub fn new(key: Type, element: Type) -> Self {
        Self {
            key,
            element,
            entries: Some(Arc::default()),
        }
    }

    /// The nil map, which is empty and takes nothing.
    #[must_use]
    pub const fn nil(key: Type, element: Type) -> Self {
        Self {
            key,
            element,
            entries: None,
        }
    }

    /// The type of the keys.
    #[must_use]
    pub const fn key(&self) -> &Type {
        &self.key
    }

    /// The type of the values.
    #[must_use]
    pub const fn element(&self) -> &Type {
        &self.element
    }

    /// Whether it is the nil map.
    #[must_use]
    pub const fn is_nil(&self) -> bool {
        self.entries.is_none()
    }

    /// The number of entries.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lock().map_or(0, |tree| tree.len())
    }

    /// Whether there are no entries.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The value of a key.
    #[must_use]
    pub fn get(&self, key: &Key) -> Option<Value> {
        self.lock().and_then(|tree| tree.get(key).cloned())
    }

    /// Stores a value; nothing happens to the nil map.
    ///
    /// The value must not contain this map: such a map can neither be printed nor freed. Functions of templates refuse it.
    pub fn insert(&self, key: Key, value: Value) {
        let replaced = self
            .lock()
            .and_then(|mut tree| Arc::make_mut(&mut tree).insert(key, value));
        drop(replaced);
    }

    /// Removes a key.
    pub fn remove(&self, key: &Key) {
        let removed = self
            .lock()
            .and_then(|mut tree| Arc::make_mut(&mut tree).remove(key));
        drop(removed);
    }

    /// The entries as they are now, in order.
    #[must_use]
    pub fn entries(&self) -> Arc<BTreeMap<Key, Value>> {
        self.lock().map(|tree| Arc::clone(&tree)).unwrap_or_default()
    }

    /// What tells one map from another: its place in memory.
    pub(crate) fn identity(&self) -> usize {
        self.entries
            .as_ref()
            .map_or(0, |entries| Arc::as_ptr(entries).cast::<()>().addr())
    }

    fn lock(&self) -> Option<MutexGuard<'_, Arc<Tree>>> {
        self.entries
            .as_ref()
            .map(|entries| entries.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn into_unique(self) -> Vec<Value> {
        let Some(entries) = self.entries.and_then(Arc::into_inner) else {
            return Vec::new();
        };
        let tree = std::mem::take(&mut *entries.0.lock().unwrap_or_else(PoisonError::into_inner));
        Arc::into_inner(tree).map_or_else(Vec::new, |tree| tree.into_values().collect())
    }
}
