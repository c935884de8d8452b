//! The commits behind a tip, fetched one by one, because a mirror has none but the tips.

use std::collections::{BTreeSet, BinaryHeap};

use fluxbot_git::{Commit, FetchError, Mirror, ObjectId, RemoteFailure, Snapshot};

use super::writer::WriteError;

/// Most commits that are read to find one.
const MOST_COMMITS: usize = 200;

/// By how much the clocks of two committers may differ, in seconds, where dates say that a search is over.
const CLOCK_DIFFERENCE: i64 = 86_400;

/// Whether a commit is behind a tip.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Contained {
    Yes,
    No,
    /// The search was too long, or the server does not give commits out by their ids.
    Unknown,
}

/// Reads commits through a mirror.
pub(super) struct History<'a> {
    mirror: &'a Mirror,
    /// Has the tips that were fetched last.
    snapshot: &'a Snapshot,
}

impl<'a> History<'a> {
    pub(super) fn new(mirror: &'a Mirror, snapshot: &'a Snapshot) -> Self {
        Self { mirror, snapshot }
    }

    /// A commit; `None` when the server does not give it out.
    pub(super) fn commit(&self, id: ObjectId) -> Result<Option<Commit>, WriteError> {
        let is_tip = self
            .snapshot
            .references()
            .any(|reference| reference.commit() == id);
        if is_tip {
            return Ok(Some(self.snapshot.commit(&id).map_err(super::StackError::from)?));
        }
        match self.mirror.fetch_commit(id) {
            Ok(snapshot) => Ok(Some(snapshot.commit(&id).map_err(super::StackError::from)?)),
            // The server's words for a commit that it does not give out.
            Err(FetchError::Remote(RemoteFailure::Reported { .. } | RemoteFailure::Local { .. })) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Whether `wanted` is `tip` or behind it. Commits are read from the youngest to the oldest; what is behind one that is older
    /// than the wanted one is not looked at.
    pub(super) fn contains(&self, tip: ObjectId, wanted: ObjectId) -> Result<Contained, WriteError> {
        if tip == wanted {
            return Ok(Contained::Yes);
        }
        let Some(sought) = self.commit(wanted)? else {
            return Ok(Contained::Unknown);
        };
        let oldest = sought.committer.1.seconds.saturating_sub(CLOCK_DIFFERENCE);
        let mut seen = BTreeSet::from([tip]);
        let mut pending: BinaryHeap<(i64, ObjectId)> = BinaryHeap::from([(i64::MAX, tip)]);
        for _ in 0..MOST_COMMITS {
            let Some((_, id)) = pending.pop() else {
                return Ok(Contained::No);
            };
            let Some(commit) = self.commit(id)? else {
                return Ok(Contained::Unknown);
            };
            for parent in commit.parents {
                if parent == wanted {
                    return Ok(Contained::Yes);
                }
                if seen.insert(parent) && commit.committer.1.seconds >= oldest {
                    pending.push((commit.committer.1.seconds, parent));
                }
            }
        }
        Ok(Contained::Unknown)
    }
}
