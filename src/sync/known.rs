//! Which objects are known to be as they should be, so that nothing but their metadata is asked for.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use super::object::{GroupKind, ObjectId};

/// What was last seen to be equal: for each object the wish, and the resource version of the live object that fulfils it.
///
/// A dry-run depends on the wish, on the live object, and on the API server's own rules (defaults, admission, schema). The
/// resource version changes with every write to the live object, whoever makes it and whichever field it touches; so with the
/// same wish and the same resource version no drift can have come between, and the dry-run would say "unchanged" again. Rules of
/// the API server that change do not write to objects, and Flux would see a difference where one of them now yields another
/// result; that is left to the next write to the object, to [`KnownEqual::forget_kind`] when a definition is applied, and to
/// [`KnownEqual::forget_all`].
///
/// It is lost with the process, which costs one dry-run per object. Nothing of an object but digests is kept.
#[derive(Debug, Default)]
pub struct KnownEqual {
    entries: Mutex<HashMap<ObjectId, Known>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Known {
    wish: [u8; 32],
    resource_version: String,
}

impl KnownEqual {
    /// The resource version at which a wish is known to be fulfilled.
    #[must_use]
    pub fn resource_version(&self, id: &ObjectId, wish: &[u8; 32]) -> Option<String> {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let known = entries.get(id).filter(|known| known.wish == *wish)?;
        Some(known.resource_version.clone())
    }

    /// Records that the live object of this resource version fulfils a wish. An empty resource version is not recorded.
    pub fn record(&self, id: &ObjectId, wish: [u8; 32], resource_version: &str) {
        if resource_version.is_empty() {
            return;
        }
        let known = Known {
            wish,
            resource_version: resource_version.to_owned(),
        };
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.insert(id.clone(), known);
    }

    /// Forgets an object.
    pub fn forget(&self, id: &ObjectId) {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.remove(id);
    }

    /// Forgets all objects of a kind, whose rules may have changed.
    pub fn forget_kind(&self, kind: &GroupKind) {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.retain(|id, _| id.group != kind.group || id.kind != kind.kind);
    }

    /// Forgets everything.
    pub fn forget_all(&self) {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.clear();
    }
}

#[cfg(test)]
mod tests;
