//! What a `Kustomization` holds in the cluster, before, during and after an apply.

use std::sync::Arc;

use fluxbot_api::kustomize::Kustomization;

use super::{settled, source_key};
use crate::objects::ObjectKey;
use crate::source::SourceKey;
use crate::sync::{Applied, ApplyError, Entry, Inventory, ObjectId};

/// The inventory as the status has it.
#[must_use]
pub fn inventory(object: &Kustomization) -> Inventory {
    let stored = object
        .status
        .as_ref()
        .and_then(|status| status.inventory.as_ref());
    stored.map(Inventory::from_stored).unwrap_or_default()
}

/// Why a build without a single object is not believed: there is no kustomization file that says so, and objects would be
/// deleted.
#[must_use]
pub fn is_emptied_by_mistake(objects: usize, has_kustomization_file: bool, before: &Inventory) -> bool {
    objects == 0 && !has_kustomization_file && !before.entries().is_empty()
}

/// The inventory that has to be stored before an apply begins: the old objects and the new ones, so that none is forgotten
/// whenever the process dies. `None` when the old one names all of them.
#[must_use]
pub fn write_ahead(before: &Inventory, after: &Inventory) -> Option<Inventory> {
    let is_new = |entry: &Entry| !before.contains(&entry.id);
    after.entries().iter().any(is_new).then(|| after.union(before))
}

/// The inventory after an apply that failed: the old objects, and those of the new ones that are or may be in the cluster.
/// `None` when the old one names all of them.
#[must_use]
pub fn after_failure(before: &Inventory, error: &ApplyError) -> Option<Inventory> {
    let uncertain: Inventory = error.uncertain.iter().cloned().collect();
    write_ahead(before, &error.applied.inventory().union(&uncertain))
}

/// The objects that a complete apply has made stale and that are to be deleted.
///
/// An object without a namespace is the same whatever namespace an inventory once noted for it.
#[must_use]
pub fn stale(before: &Inventory, after: &Inventory, prune: bool) -> Vec<Entry> {
    if !prune {
        return Vec::new();
    }
    let mut stale = before.difference(after);
    stale.retain(|entry| {
        let id = ObjectId {
            namespace: None,
            ..entry.id.clone()
        };
        !after.contains(&id)
    });
    stale
}

/// The inventory after a complete apply and a prune: what was applied, what could not be deleted, and what cannot be read.
#[must_use]
pub fn next_inventory(before: &Inventory, after: &Inventory, surviving: &Inventory) -> Inventory {
    let unreadable = Inventory::from_stored(&fluxbot_api::meta::Inventory {
        entries: before.unreadable().to_vec(),
    });
    after.union(surviving).union(&unreadable)
}

/// The objects that two Kustomizations claim, a line each; empty when there are none.
///
/// That an object moves from one to the other is no claim: the other is believed to claim it only when this one has applied the
/// object before, or when the other has applied the same revision of the same source and still holds it.
#[must_use]
pub fn claims(
    applied: &Applied,
    before: &Inventory,
    at: (&SourceKey, &str),
    find: impl Fn(&ObjectKey) -> Option<Arc<Kustomization>>,
) -> String {
    let mut lines = Vec::new();
    for change in &applied.changes {
        let Some(other) = &change.taken_from else { continue };
        let key = ObjectKey::new(&other.namespace, &other.name);
        let Some(found) = find(&key) else { continue };
        let is_held = inventory(&found).contains(&change.entry.id);
        let (source, revision) = at;
        let is_settled =
            source_key(&key, &found.spec.source_ref) == *source && settled(&found) == Some(Some(revision));
        if is_held && (is_settled || before.contains(&change.entry.id)) {
            lines.push(format!(
                "{} is also applied by Kustomization/{key}, and each overwrites what the other has written: remove it from one of \
                 them",
                change.entry.id.subject()
            ));
        }
    }
    lines.join("\n")
}
