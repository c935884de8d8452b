//! The tags that the scans found, by `ImageRepository`, shared with the policies, and kept between two processes.
//!
//! All of it is in memory. A file beside the mirrors has the same for the next process: see [`TagStore::open`].

mod file;
mod keep;
mod record;
mod seen;
mod settle;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError, RwLock, Weak};

use fluxbot_api::image::ImageRepositoryStatus;
use jiff::Timestamp;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::image::TagSnapshot;
use crate::objects::ObjectKey;
use crate::scanner::ListVersion;
use keep::Keeper;

pub use seen::{SeenDigest, Sightings};
pub use settle::settle;

/// What is stored for one `ImageRepository`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredTags {
    /// Canonical name of the image. Tags of another image are never used.
    pub image: String,
    /// The exclusion list in force at the scan.
    pub exclusions: Vec<String>,
    /// The tags in force, without the excluded ones.
    pub tags: Arc<TagSnapshot>,
    /// A list that lost more than half of the tags, and counts only when the next scan agrees.
    pub held: Option<Arc<TagSnapshot>>,
    /// The version of the list that was found last, where the registry gave one.
    pub version: Option<ListVersion>,
    /// When the tags in force were found for the first time.
    pub found: Timestamp,
    /// When each tag in force was first seen.
    pub seen: Sightings,
    /// Whether they come from an earlier process, and no scan has confirmed them yet.
    pub is_restored: bool,
}

impl StoredTags {
    /// Whether these are the tags of `image` that the status of the repository speaks of.
    ///
    /// What this process found always is. What an earlier one left behind may be older than the last list that it told of,
    /// when it ended before that was written: policies would go back to tags that were overtaken.
    #[must_use]
    pub fn is_current(&self, image: &str, status: Option<&ImageRepositoryStatus>) -> bool {
        if self.image != image || !self.is_restored {
            return self.image == image;
        }
        let Some(result) = status.and_then(|status| status.last_scan_result.as_ref()) else {
            return false;
        };
        let is_newer = || {
            let told = result.scan_time.as_ref().map(|time| time.0);
            told.is_none_or(|told| told < self.found)
        };
        result.revision.as_deref() == Some(self.tags.revision()) || is_newer()
    }

    /// When a tag was seen for the first time. For the tags of an image's very first list this is the time of that scan.
    #[must_use]
    pub fn first_seen(&self, tag: &str) -> Option<Timestamp> {
        self.seen.first(self.tags.position(tag)?)
    }

    /// Whether nothing would be different for the next process.
    fn keeps_what(&self, other: &Self) -> bool {
        self.image == other.image
            && self.exclusions == other.exclusions
            && self.version == other.version
            && self.seen == other.seen
            && self.held == other.held
            && (Arc::ptr_eq(&self.tags, &other.tags) || self.tags == other.tags)
    }
}

/// The tags of all repositories. Keyed by object, not by image: two objects with the same image may have other credentials
/// and exclusions. Equal lists are in memory once.
#[derive(Debug)]
pub struct TagStore {
    stored: RwLock<HashMap<ObjectKey, Arc<StoredTags>>>,
    /// Repositories whose first list was much shorter than that of an earlier process.
    suspects: RwLock<HashSet<ObjectKey>>,
    /// The lists in memory, by their checksum.
    lists: Mutex<HashMap<String, Weak<TagSnapshot>>>,
    /// What the file does not have yet. Nothing is noted without a file.
    changed: Mutex<HashSet<ObjectKey>>,
    wake: Notify,
    keeper: Option<Keeper>,
    since: Instant,
}

impl Default for TagStore {
    /// A store that is empty at each start.
    fn default() -> Self {
        Self::new(HashMap::new(), None)
    }
}

impl TagStore {
    fn new(stored: HashMap<ObjectKey, Arc<StoredTags>>, keeper: Option<Keeper>) -> Self {
        Self {
            stored: RwLock::new(stored),
            suspects: RwLock::default(),
            lists: Mutex::default(),
            changed: Mutex::default(),
            wake: Notify::new(),
            keeper,
            since: Instant::now(),
        }
    }

    /// What is stored for a repository.
    #[must_use]
    pub fn get(&self, repository: &ObjectKey) -> Option<Arc<StoredTags>> {
        let stored = self.stored.read().unwrap_or_else(PoisonError::into_inner);
        stored.get(repository).cloned()
    }

    /// Since when this process has its tags.
    #[must_use]
    pub fn since(&self) -> Instant {
        self.since
    }

    /// Whether the first list of a repository must wait for a second scan: it has less than half of the tags that an earlier
    /// process counted for the same image and exclusions. The second one is believed, as within a process.
    pub fn must_wait(&self, repository: &ObjectKey, found: usize, before: usize) -> bool {
        let mut suspects = self.suspects.write().unwrap_or_else(PoisonError::into_inner);
        if found.saturating_mul(2) >= before {
            suspects.remove(repository);
            return false;
        }
        if suspects.remove(repository) {
            return false;
        }
        suspects.insert(repository.clone())
    }

    /// Whether the first list of a repository waits for a second scan.
    #[must_use]
    pub fn is_suspect(&self, repository: &ObjectKey) -> bool {
        let suspects = self.suspects.read().unwrap_or_else(PoisonError::into_inner);
        suspects.contains(repository)
    }

    /// Replaces what is stored for a repository.
    pub fn put(&self, repository: &ObjectKey, mut tags: StoredTags) {
        tags.tags = self.share(tags.tags);
        let is_same = {
            let mut stored = self.stored.write().unwrap_or_else(PoisonError::into_inner);
            let is_same = stored
                .get(repository)
                .is_some_and(|before| before.keeps_what(&tags));
            stored.insert(repository.clone(), Arc::new(tags));
            is_same
        };
        if !is_same {
            self.changed(repository);
        }
    }

    /// Notes that a tag has a digest, which dates it.
    pub fn note_digest(&self, repository: &ObjectKey, tag: &str, digest: &str, now: Timestamp) {
        let is_news = {
            let mut stored = self.stored.write().unwrap_or_else(PoisonError::into_inner);
            let Some(known) = stored
                .get_mut(repository)
                .filter(|known| known.tags.contains(tag))
            else {
                return;
            };
            let seen = known.seen.with_digest(tag, digest, now);
            let is_news = seen.is_some();
            if let Some(seen) = seen {
                let changed = StoredTags {
                    seen,
                    ..StoredTags::clone(known)
                };
                *known = Arc::new(changed);
            }
            is_news
        };
        if is_news {
            self.changed(repository);
        }
    }

    /// Forgets a repository.
    pub fn remove(&self, repository: &ObjectKey) {
        let was_there = {
            let mut stored = self.stored.write().unwrap_or_else(PoisonError::into_inner);
            stored.remove(repository).is_some()
        };
        let mut suspects = self.suspects.write().unwrap_or_else(PoisonError::into_inner);
        suspects.remove(repository);
        drop(suspects);
        if was_there {
            self.changed(repository);
        }
    }

    /// Forgets the repositories that are gone.
    pub fn retain(&self, is_there: impl Fn(&ObjectKey) -> bool) {
        let gone: Vec<ObjectKey> = {
            let stored = self.stored.read().unwrap_or_else(PoisonError::into_inner);
            stored.keys().filter(|key| !is_there(key)).cloned().collect()
        };
        for key in gone {
            self.remove(&key);
        }
    }

    /// The list in memory that is equal to `tags`, which may be these.
    fn share(&self, tags: Arc<TagSnapshot>) -> Arc<TagSnapshot> {
        let mut lists = self.lists.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = lists.get(tags.revision()).and_then(Weak::upgrade) {
            return known;
        }
        if lists.len() == lists.capacity() {
            lists.retain(|_, list| list.strong_count() > 0);
        }
        lists.insert(tags.revision().to_owned(), Arc::downgrade(&tags));
        tags
    }

    fn changed(&self, repository: &ObjectKey) {
        if self.keeper.is_none() {
            return;
        }
        let mut changed = self.changed.lock().unwrap_or_else(PoisonError::into_inner);
        changed.insert(repository.clone());
        drop(changed);
        self.wake.notify_one();
    }
}
