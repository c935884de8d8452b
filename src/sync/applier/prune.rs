//! Deletes objects that do not belong to a Kustomization any more.

use std::fmt;
use std::time::Duration;

use fluxbot_api::kustomize::DeletionPolicy;
use tokio_util::sync::CancellationToken;

use super::super::inventory::{Entry, Inventory};
use super::super::prepare::Owner;
use super::{Applier, CallError, DeleteError};

/// How objects are deleted.
#[derive(Debug, Clone)]
pub struct DeleteOptions {
    /// The Kustomization whose labels an object must carry to be deleted.
    pub owner: Owner,
    /// How long the end of deleted objects is waited for, where it is.
    pub timeout: Duration,
}

/// An object that could not be deleted, and belongs back into the inventory.
#[derive(Debug, Clone, PartialEq)]
pub struct Survivor {
    /// The object.
    pub entry: Entry,
    /// Why.
    pub error: CallError,
}

impl fmt::Display for Survivor {
    /// `Kind/namespace/name delete failed: ...`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{} delete failed: {}",
            self.entry.id.subject(),
            self.error
        )
    }
}

/// What became of stale objects.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Pruned {
    /// Objects that were deleted, or were not there.
    pub deleted: Vec<Entry>,
    /// Objects that have another owner or must not be deleted. They leave the inventory all the same, as in Flux.
    pub skipped: Vec<Entry>,
    /// Objects that could not be deleted.
    pub survivors: Vec<Survivor>,
}

impl Pruned {
    /// The lines `Kind/namespace/name deleted` and `... skipped`, joined by line feeds: the text of Flux's event.
    #[must_use]
    pub fn change_log(&self) -> String {
        let deleted = self
            .deleted
            .iter()
            .map(|entry| format!("{} deleted", entry.id.subject()));
        let skipped = self
            .skipped
            .iter()
            .map(|entry| format!("{} skipped", entry.id.subject()));
        let lines: Vec<String> = deleted.chain(skipped).collect();
        lines.join("\n")
    }

    /// What belongs back into the inventory.
    #[must_use]
    pub fn surviving(&self) -> Inventory {
        self.survivors
            .iter()
            .map(|survivor| survivor.entry.clone())
            .collect()
    }
}

pub(super) async fn prune(
    _applier: &Applier,
    _stale: &[Entry],
    _options: &DeleteOptions,
    _cancel: &CancellationToken,
) -> Pruned {
    Pruned::default()
}

pub(super) async fn delete_all(
    _applier: &Applier,
    _inventory: &Inventory,
    _policy: DeletionPolicy,
    _prune: bool,
    _options: &DeleteOptions,
    _cancel: &CancellationToken,
) -> Result<Pruned, DeleteError> {
    Err(DeleteError::Cancelled)
}
