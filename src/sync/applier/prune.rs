//! Deletes objects that do not belong to a Kustomization any more.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use fluxbot_api::kustomize::DeletionPolicy;
use futures::stream::{self, StreamExt as _};
use tokio_util::sync::CancellationToken;

use super::super::health::Status;
use super::super::inventory::{Entry, Inventory};
use super::super::object::text;
use super::super::prepare::Owner;
use super::super::{order, switches};
use super::wait::{self, Backoff};
use super::{Applier, CallError, DeleteError};

/// How many objects are deleted at once; the applier's own limit holds besides.
const AT_ONCE: usize = 16;

/// How often an object that changes all the time is judged again.
const DELETE_TRIES: usize = 5;

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
    /// Objects that were deleted.
    pub deleted: Vec<Entry>,
    /// Objects that were not there. They leave the inventory, and nobody is told: Flux says of them that it deleted them.
    pub gone: Vec<Entry>,
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
    applier: &Applier,
    stale: &[Entry],
    options: &DeleteOptions,
    cancel: &CancellationToken,
) -> Pruned {
    let mut by_rank: BTreeMap<i32, Vec<&Entry>> = BTreeMap::new();
    for entry in stale {
        by_rank
            .entry(order::rank(&entry.id.kind))
            .or_default()
            .push(entry);
    }
    let mut pruned = Pruned::default();
    for mut entries in by_rank.into_values().rev() {
        entries.sort_by(|one, two| order::compare(&two.id, &one.id));
        let deletions: Vec<_> = entries
            .into_iter()
            .map(|entry| async move { (entry, delete(applier, entry, options, cancel).await) })
            .collect();
        let results: Vec<_> = stream::iter(deletions).buffered(AT_ONCE).collect().await;
        for (entry, result) in results {
            applier.known.forget(&entry.id);
            match result {
                Ok(Fate::Deleted) => pruned.deleted.push(entry.clone()),
                Ok(Fate::Gone) => pruned.gone.push(entry.clone()),
                Ok(Fate::Skipped) => pruned.skipped.push(entry.clone()),
                Err(error) => pruned.survivors.push(Survivor {
                    entry: entry.clone(),
                    error,
                }),
            }
        }
    }
    pruned
}

enum Fate {
    Deleted,
    Gone,
    Skipped,
}

/// Deletes one object, if it is still the owner's when the deletion arrives.
async fn delete(
    applier: &Applier,
    entry: &Entry,
    options: &DeleteOptions,
    cancel: &CancellationToken,
) -> Result<Fate, CallError> {
    let Some(resource) = applier.shared.discovery.of_entry(&applier.api, entry).await? else {
        // With its definition went the object.
        return Ok(Fate::Gone);
    };
    // What cannot have a path was refused when it was to be applied, and is not there.
    let is_placeless = resource.is_namespaced && entry.id.namespace.is_none();
    let Some(path) = resource.path(&entry.id).ok().filter(|_| !is_placeless) else {
        return Ok(Fate::Skipped);
    };
    let mut tries = 0;
    let mut is_ours = false;
    loop {
        if cancel.is_cancelled() {
            return Err(CallError::Cancelled);
        }
        let Some(live) = applier.api.get_or_gone(&path).await? else {
            // One that was there a moment ago may be gone because of a deletion of ours whose answer was lost.
            return Ok(if is_ours { Fate::Deleted } else { Fate::Gone });
        };
        if !options.owner.owns(&live) || switches::is_kept(&live) {
            return Ok(Fate::Skipped);
        }
        if live.pointer("/metadata/deletionTimestamp").is_some() {
            return Ok(Fate::Deleted);
        }
        let uid = text(&live, "/metadata/uid");
        let version = text(&live, "/metadata/resourceVersion");
        tries += 1;
        is_ours = true;
        match applier.api.delete(&path, uid, Some(version)).await {
            Ok(()) => return Ok(Fate::Deleted),
            // It has changed since it was judged, so it is judged again.
            Err(error) if error.is_conflict() && tries < DELETE_TRIES => {}
            Err(error) => return Err(error.masked(&live)),
        }
    }
}

pub(super) async fn delete_all(
    applier: &Applier,
    inventory: &Inventory,
    policy: DeletionPolicy,
    prune_is_on: bool,
    options: &DeleteOptions,
    cancel: &CancellationToken,
) -> Result<Pruned, DeleteError> {
    let is_deleted = match policy {
        DeletionPolicy::MirrorPrune => prune_is_on,
        DeletionPolicy::Delete | DeletionPolicy::WaitForTermination => true,
        DeletionPolicy::Orphan => false,
    };
    if !is_deleted {
        return Ok(Pruned::default());
    }
    let pruned = prune(applier, inventory.entries(), options, cancel).await;
    if !pruned.survivors.is_empty() {
        return Err(if cancel.is_cancelled() {
            DeleteError::Cancelled
        } else {
            DeleteError::Failed(pruned)
        });
    }
    if policy != DeletionPolicy::WaitForTermination {
        return Ok(pruned);
    }
    let mut backoff = Backoff::quick(options.timeout);
    let mut left = pruned.deleted.clone();
    loop {
        left = still_there(applier, &left).await;
        if left.is_empty() {
            return Ok(pruned);
        }
        if backoff.pause(cancel).await {
            continue;
        }
        return Err(if cancel.is_cancelled() {
            DeleteError::Cancelled
        } else {
            DeleteError::NotGone {
                pruned,
                terminating: left,
                timeout: options.timeout,
            }
        });
    }
}

/// The objects that are not gone. One that exists and is not being deleted is another of the same name.
async fn still_there(applier: &Applier, entries: &[Entry]) -> Vec<Entry> {
    let results = wait::check(applier, entries).await;
    results
        .into_iter()
        .filter(|(_, health)| matches!(health.status, Status::Terminating | Status::Unknown))
        .map(|(entry, _)| entry)
        .collect()
}
