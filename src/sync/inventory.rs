//! Which objects a Kustomization has applied, as its status keeps them.

use std::collections::BTreeSet;

use fluxbot_api::meta::{Inventory as StoredInventory, InventoryEntry};

use super::object::ObjectId;

/// An applied object, and the API version in which it was applied.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Entry {
    /// What identifies the object.
    pub id: ObjectId,
    /// The API version without its group, such as `v1`.
    pub version: String,
}

/// The objects that belong to a Kustomization; each of them once, in the order in which they were applied.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Inventory {
    entries: Vec<Entry>,
    /// Entries that could not be read. They are kept as they are: forgetting them would leave objects behind.
    unreadable: Vec<InventoryEntry>,
}

impl Inventory {
    /// Reads the inventory of a status. An entry that cannot be read is kept unread and takes part in nothing else.
    #[must_use]
    pub fn from_stored(stored: &StoredInventory) -> Self {
        let mut inventory = Self::default();
        for entry in &stored.entries {
            match entry.id.parse() {
                Ok(id) => inventory.entries.push(Entry {
                    id,
                    version: entry.version.clone(),
                }),
                Err(_) => inventory.unreadable.push(entry.clone()),
            }
        }
        inventory.entries = dedupe(std::mem::take(&mut inventory.entries));
        inventory
    }

    /// The inventory as a status keeps it.
    #[must_use]
    pub fn to_stored(&self) -> StoredInventory {
        let readable = self.entries.iter().map(|entry| InventoryEntry {
            id: entry.id.to_string(),
            version: entry.version.clone(),
        });
        StoredInventory {
            entries: readable.chain(self.unreadable.iter().cloned()).collect(),
        }
    }

    /// The entries that could be read.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The entries that could not be read.
    #[must_use]
    pub fn unreadable(&self) -> &[InventoryEntry] {
        &self.unreadable
    }

    /// Whether nothing is in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty() && self.unreadable.is_empty()
    }

    /// Whether an object is in it.
    #[must_use]
    pub fn contains(&self, id: &ObjectId) -> bool {
        self.entries.iter().any(|entry| entry.id == *id)
    }

    /// All objects of both: what is stored before an apply begins, so that a crash leaves nothing behind that is not listed
    /// (fault F6). For an object in both, the version of `self` counts.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        let mut entries = self.entries.clone();
        entries.extend(other.entries.iter().cloned());
        let mut unreadable = self.unreadable.clone();
        unreadable.extend(other.unreadable.iter().cloned());
        unreadable.sort_by(|one, two| one.id.cmp(&two.id));
        unreadable.dedup_by(|one, two| one.id == two.id);
        Self {
            entries: dedupe(entries),
            unreadable,
        }
    }

    /// The objects that are not in `other`: what became stale. The version does not matter.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Vec<Entry> {
        let kept: BTreeSet<&ObjectId> = other.entries.iter().map(|entry| &entry.id).collect();
        self.entries
            .iter()
            .filter(|entry| !kept.contains(&entry.id))
            .cloned()
            .collect()
    }
}

impl FromIterator<Entry> for Inventory {
    fn from_iter<I: IntoIterator<Item = Entry>>(entries: I) -> Self {
        Self {
            entries: dedupe(entries.into_iter().collect()),
            unreadable: Vec::new(),
        }
    }
}

/// Keeps the first entry of each object.
fn dedupe(entries: Vec<Entry>) -> Vec<Entry> {
    let mut seen = BTreeSet::new();
    entries
        .into_iter()
        .filter(|entry| seen.insert(entry.id.clone()))
        .collect()
}

#[cfg(test)]
mod tests;
