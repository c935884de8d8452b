//! Why objects could not be applied, deleted or awaited.

use std::fmt;
use std::time::Duration;

use super::super::health::{Health, Status};
use super::super::inventory::Entry;
use super::super::object::ObjectId;
use super::super::prepare::at;
use super::{Applied, CallError, Pruned};

/// Why an apply stopped, and what it had done before.
#[derive(Debug, thiserror::Error)]
pub struct ApplyError {
    /// Why it stopped.
    #[source]
    pub cause: ApplyCause,
    /// What was done before: these objects are in the cluster.
    pub applied: Applied,
    /// Objects whose write was sent and got no answer that says what became of it: they may be in the cluster.
    pub uncertain: Vec<Entry>,
}

impl fmt::Display for ApplyError {
    /// The cause, and below it the objects that were changed before, as Flux reports them.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.cause)?;
        let log = self.applied.change_log();
        if log.is_empty() {
            return Ok(());
        }
        write!(formatter, "\n{log}")
    }
}

/// Why an apply stopped.
#[derive(Debug, thiserror::Error)]
pub enum ApplyCause {
    /// Objects that failed; all of those that failed in the same step.
    #[error("{}", lines(.0))]
    Objects(Vec<ObjectFailure>),
    /// The objects of a stage did not become ready.
    #[error(transparent)]
    Wait(#[from] WaitError),
    /// The kinds of the cluster cannot be read.
    #[error("kinds of the cluster cannot be read: {0}")]
    Discovery(#[source] CallError),
    /// The apply was cancelled.
    #[error("apply was cancelled")]
    Cancelled,
}

fn lines(failures: &[ObjectFailure]) -> String {
    let lines: Vec<String> = failures.iter().map(ToString::to_string).collect();
    lines.join("\n")
}

/// What was tried with an object when it failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Phase {
    /// The live object was read.
    Read,
    /// The apply was tried without effect.
    DryRun,
    /// An object that cannot be changed was to be deleted, so that it can be created again.
    Replace,
    /// Fields of other managers were to be taken over.
    TakeOver,
    /// The object was written.
    Apply,
}

/// An object that failed.
#[derive(Debug)]
pub struct ObjectFailure {
    /// The object.
    pub id: ObjectId,
    /// Where it was written.
    pub origin: Option<String>,
    /// What was tried.
    pub phase: Phase,
    /// Why it failed. Values of Secrets are masked.
    pub error: CallError,
}

impl fmt::Display for ObjectFailure {
    /// Flux's words, and the place where the object was written.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let subject = self.id.subject();
        let error = &self.error;
        match self.phase {
            Phase::Read => write!(formatter, "{subject} query failed: {error}"),
            Phase::DryRun if error.is_not_found() && self.id.namespace.is_none() => {
                write!(formatter, "{subject} namespace not specified: {error}")
            }
            Phase::DryRun if error.is_not_found() => write!(formatter, "{subject} not found: {error}"),
            Phase::DryRun => match error.reason() {
                "" => write!(formatter, "{subject} dry-run failed: {error}"),
                reason => write!(formatter, "{subject} dry-run failed ({reason}): {error}"),
            },
            Phase::Replace => {
                write!(
                    formatter,
                    "{subject} immutable field detected, failed to delete object: {error}"
                )
            }
            Phase::TakeOver => {
                write!(
                    formatter,
                    "{subject} metadata.managedFields cleanup failed: {error}"
                )
            }
            Phase::Apply => write!(formatter, "{subject} apply failed: {error}"),
        }?;
        formatter.write_str(&at(self.origin.as_ref()))
    }
}

/// Why objects are not healthy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WaitError {
    /// The time is over.
    #[error("timeout waiting for: [{}]", list(.unready))]
    Timeout {
        /// The objects that are not ready.
        unready: Vec<(Entry, Health)>,
    },
    /// Objects have failed, and waiting longer cannot help.
    #[error("failed early due to stalled resources: [{}]", list(.failed))]
    Failed {
        /// The objects that have failed.
        failed: Vec<(Entry, Health)>,
    },
    /// The wait was cancelled.
    #[error("wait was cancelled")]
    Cancelled,
}

/// `Kind/namespace/name status: 'InProgress'`, as Flux lists them; the reason only where the object cannot be read.
fn list(entries: &[(Entry, Health)]) -> String {
    let texts: Vec<String> = entries
        .iter()
        .map(|(entry, health)| {
            let text = format!("{} status: '{}'", entry.id.subject(), health.status);
            if health.status == Status::Unknown {
                format!("{text}: {}", health.message)
            } else {
                text
            }
        })
        .collect();
    texts.join(", ")
}

/// Why the objects of a deleted Kustomization are not all gone.
#[derive(Debug, thiserror::Error)]
pub enum DeleteError {
    /// Deletions that failed.
    #[error("delete failed, errors: {}", survivors(.0))]
    Failed(Pruned),
    /// Objects that are deleted and not gone in time.
    #[error("{} termination timeout: not gone after {}s", subjects(.terminating), .timeout.as_secs())]
    NotGone {
        /// What was done.
        pruned: Pruned,
        /// The objects that still exist.
        terminating: Vec<Entry>,
        /// How long they were waited for.
        timeout: Duration,
    },
    /// The deletion was cancelled.
    #[error("deletion was cancelled")]
    Cancelled,
}

fn survivors(pruned: &Pruned) -> String {
    let texts: Vec<String> = pruned.survivors.iter().map(ToString::to_string).collect();
    texts.join("; ")
}

fn subjects(entries: &[Entry]) -> String {
    let texts: Vec<String> = entries.iter().map(|entry| entry.id.subject()).collect();
    texts.join(", ")
}
