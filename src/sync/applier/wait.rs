//! Waits until objects are healthy.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::super::health::Health;
use super::super::inventory::Entry;
use super::super::object::ObjectId;
use super::{Applier, WaitError};

/// How long, and for what, objects are awaited.
#[derive(Debug, Clone)]
pub struct WaitOptions {
    /// How long they are awaited.
    pub timeout: Duration,
    /// Whether the first object that has failed ends the wait, even while others are on their way. Flux's default.
    pub fail_fast: bool,
    /// Jobs that are removed when they are done, see [`Prepared::jobs_with_ttl`](super::super::prepare::Prepared::jobs_with_ttl).
    pub jobs_with_ttl: BTreeSet<ObjectId>,
}

impl Default for WaitOptions {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(60),
            fail_fast: true,
            jobs_with_ttl: BTreeSet::new(),
        }
    }
}

pub(super) async fn check(_applier: &Applier, _entries: &[Entry]) -> Vec<(Entry, Health)> {
    Vec::new()
}

pub(super) async fn wait_ready(
    _applier: &Applier,
    _entries: &[Entry],
    _options: &WaitOptions,
    _cancel: &CancellationToken,
) -> Result<(), WaitError> {
    Err(WaitError::Cancelled)
}
