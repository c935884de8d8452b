//! The tags that the scans found, by `ImageRepository`, shared with the policies.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, PoisonError, RwLock};

use crate::image::TagSnapshot;
use crate::objects::ObjectKey;
use crate::scanner::scan::{self, Exclusion, Merge};
use crate::scanner::{ListVersion, TagList};

/// What is stored for one `ImageRepository`.
#[derive(Debug, Clone)]
pub struct StoredTags {
    /// Canonical name of the image. Tags of another image are never used.
    pub image: String,
    /// The exclusion list in force at the scan.
    pub exclusions: Vec<String>,
    /// The tags in force, without the excluded ones.
    pub tags: Arc<TagSnapshot>,
    /// A list that lost more than half of the tags, and counts only when the next scan agrees.
    pub held: Option<TagSnapshot>,
    /// The version of the list that was found last, where the registry gave one.
    pub version: Option<ListVersion>,
}

/// The tags of all repositories. Keyed by object, not by image: two objects with the same image may have other credentials
/// and exclusions.
#[derive(Debug, Default)]
pub struct TagStore {
    stored: RwLock<HashMap<ObjectKey, Arc<StoredTags>>>,
    /// Repositories whose first list was much shorter than that of an earlier process.
    suspects: RwLock<HashSet<ObjectKey>>,
}

impl TagStore {
    /// What is stored for a repository.
    #[must_use]
    pub fn get(&self, repository: &ObjectKey) -> Option<Arc<StoredTags>> {
        let stored = self.stored.read().unwrap_or_else(PoisonError::into_inner);
        stored.get(repository).cloned()
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

    /// Replaces what is stored for a repository.
    pub fn put(&self, repository: &ObjectKey, tags: StoredTags) {
        let mut stored = self.stored.write().unwrap_or_else(PoisonError::into_inner);
        stored.insert(repository.clone(), Arc::new(tags));
    }

    /// Forgets a repository.
    pub fn remove(&self, repository: &ObjectKey) {
        let mut stored = self.stored.write().unwrap_or_else(PoisonError::into_inner);
        stored.remove(repository);
        let mut suspects = self.suspects.write().unwrap_or_else(PoisonError::into_inner);
        suspects.remove(repository);
    }
}

/// What a scan means for what is stored.
#[derive(Debug, Clone)]
pub struct Settled {
    /// What to store.
    pub stored: StoredTags,
    /// Whether the tags in force are others than before.
    pub is_news: bool,
    /// How many tags a list has that is held, when it is.
    pub held: Option<usize>,
}

/// Decides what a scan means. `found` is the new list, or `None` when the registry says that it is still the one found last.
#[must_use]
pub fn settle(
    previous: Option<&StoredTags>,
    image: &str,
    (exclusions, exclusion): (&[String], &Exclusion),
    found: Option<&TagList>,
) -> Settled {
    let previous = previous.filter(|previous| previous.image == image);
    let (found, version) = match (found, previous) {
        (Some(list), _) => (exclusion.filter(&list.snapshot), list.version.clone()),
        (None, Some(previous)) => {
            let last = previous.held.as_ref().unwrap_or(&previous.tags);
            (exclusion.filter(last), previous.version.clone())
        }
        (None, None) => (TagSnapshot::default(), None),
    };
    // What a new exclusion list drops was not lost by the registry.
    let before = previous.map(|previous| exclusion.filter(&previous.tags));
    let merged = scan::merge(
        before.as_ref(),
        found,
        previous.and_then(|previous| previous.held.as_ref()),
    );
    let (tags, held) = match merged {
        Merge::Accepted { snapshot, .. } => (snapshot, None),
        Merge::Held { candidate, .. } => (before.unwrap_or_default(), Some(candidate)),
    };
    Settled {
        is_news: previous.is_none_or(|previous| *previous.tags != tags),
        held: held.as_ref().map(TagSnapshot::len),
        stored: StoredTags {
            image: image.to_owned(),
            exclusions: exclusions.to_vec(),
            tags: Arc::new(tags),
            held,
            version,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(tags: std::ops::Range<u32>) -> TagList {
        TagList {
            snapshot: Arc::new(TagSnapshot::new(tags.map(|tag| tag.to_string()).collect())),
            asked_at: jiff::Timestamp::UNIX_EPOCH,
            known: Vec::new(),
            requests: 1,
            pages: 1,
            illegal: 0,
            version: None,
        }
    }

    fn run(previous: Option<&StoredTags>, patterns: &[&str], found: Option<TagList>) -> Settled {
        let exclusion = Exclusion::new(patterns).unwrap();
        let patterns = scan::effective_exclusions(patterns);
        settle(previous, "r.example/app", (&patterns, &exclusion), found.as_ref())
    }

    #[test]
    fn a_first_list_that_is_much_shorter_than_that_of_an_earlier_process_waits_for_a_second_scan() {
        let tags = TagStore::default();
        let key = ObjectKey::new("ns", "app");
        assert!(!tags.must_wait(&key, 10, 0), "nothing was counted before");
        assert!(!tags.must_wait(&key, 5, 10), "half is no suspicion");
        assert!(tags.must_wait(&key, 4, 10));
        assert!(!tags.must_wait(&key, 4, 10), "the second scan is believed");
        assert!(tags.must_wait(&key, 4, 10));
        assert!(!tags.must_wait(&key, 9, 10), "the list is whole again");
        assert!(
            tags.must_wait(&key, 4, 10),
            "so the next short one is the first again"
        );
    }

    #[test]
    fn a_list_that_shrank_by_half_counts_when_the_next_scan_agrees() {
        let first = run(None, &[], Some(list(0..10)));
        assert!(first.is_news && first.held.is_none());
        let second = run(Some(&first.stored), &[], Some(list(0..3)));
        assert_eq!((second.is_news, second.held), (false, Some(3)));
        assert_eq!(second.stored.tags.len(), 10);
        let third = run(Some(&second.stored), &[], Some(list(0..3)));
        assert_eq!((third.is_news, third.held), (true, None));
        assert_eq!(third.stored.tags.len(), 3);
    }

    #[test]
    fn an_unchanged_list_is_the_one_that_was_found_last() {
        let first = run(None, &[], Some(list(0..10)));
        let same = run(Some(&first.stored), &[], None);
        assert!(!same.is_news);
        assert_eq!(same.stored.tags, first.stored.tags);
        let held = run(Some(&same.stored), &[], Some(list(0..3)));
        let agreed = run(Some(&held.stored), &[], None);
        assert_eq!((agreed.is_news, agreed.stored.tags.len()), (true, 3));
    }

    #[test]
    fn what_a_new_exclusion_list_drops_is_no_loss() {
        let first = run(None, &[], Some(list(0..10)));
        let second = run(Some(&first.stored), &["[1-9]"], Some(list(0..10)));
        assert_eq!((second.is_news, second.held), (true, None));
        assert_eq!(second.stored.tags.tags(), ["0"]);
    }

    #[test]
    fn tags_of_another_image_are_never_used() {
        let mut first = run(None, &[], Some(list(0..10))).stored;
        first.image = "r.example/other".to_owned();
        let second = run(Some(&first), &[], Some(list(0..1)));
        assert_eq!((second.is_news, second.held), (true, None));
        assert_eq!(second.stored.tags.len(), 1);
    }
}
