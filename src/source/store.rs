//! The current tree of every source, handed over within the process.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use super::revision::Revision;
use super::tree::ArtifactTree;

/// An object that is a source.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourceKey {
    /// `GitRepository`, `OCIRepository`, `Bucket` or `ExternalArtifact`.
    pub kind: String,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

/// What a source holds now.
#[derive(Debug, Clone)]
pub struct CurrentSource {
    /// Its revision.
    pub revision: Revision,
    /// The digest of its artifact, as in the status.
    pub digest: String,
    /// Its files.
    pub tree: ArtifactTree,
}

/// The current tree of every source of this process. Clones share it.
///
/// The source's reconciler puts a tree in before it writes the status that names its revision; who reads asks for the revision
/// that the status names, so that status and tree always belong together.
#[derive(Debug, Clone, Default)]
pub struct SourceStore {
    current: Arc<RwLock<HashMap<SourceKey, CurrentSource>>>,
}

impl SourceKey {
    /// The source of this kind, namespace and name.
    #[must_use]
    pub fn new(kind: &str, namespace: &str, name: &str) -> Self {
        Self {
            kind: kind.to_owned(),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        }
    }
}

impl SourceStore {
    /// Makes this the current content of a source, and gives what it replaces.
    pub fn put(&self, key: SourceKey, source: CurrentSource) -> Option<CurrentSource> {
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        current.insert(key, source)
    }

    /// The current content of a source.
    #[must_use]
    pub fn get(&self, key: &SourceKey) -> Option<CurrentSource> {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        current.get(key).cloned()
    }

    /// The content of a source if it is the one with this digest: what `status.artifact` names.
    #[must_use]
    pub fn get_digest(&self, key: &SourceKey, digest: &str) -> Option<CurrentSource> {
        self.get(key).filter(|source| source.digest == digest)
    }

    /// Forgets a source that was deleted. Who still holds its tree may go on reading it.
    pub fn remove(&self, key: &SourceKey) -> Option<CurrentSource> {
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        current.remove(key)
    }
}
