//! What a scan means for what is stored.

use std::sync::Arc;

use jiff::Timestamp;

use super::StoredTags;
use super::seen::Sightings;
use crate::image::TagSnapshot;
use crate::scanner::TagList;
use crate::scanner::scan::{self, Exclusion, Merge};

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

/// Decides what a scan at `now` means. `found` is the new list, or `None` when the registry says that it is still the one
/// found last. A list like the one before is the same one: it takes no memory again.
#[must_use]
pub fn settle(
    previous: Option<&StoredTags>,
    image: &str,
    (exclusions, exclusion): (&[String], &Exclusion),
    found: Option<&TagList>,
    now: Timestamp,
) -> Settled {
    let previous = previous.filter(|previous| previous.image == image);
    let known = found.map(|list| list.known.as_slice()).unwrap_or_default();
    let (found, version) = match (found, previous) {
        (Some(list), _) => (exclusion.filter(&list.snapshot), list.version.clone()),
        (None, Some(previous)) => {
            let last = previous.held.as_deref().unwrap_or(&previous.tags);
            (exclusion.filter(last), previous.version.clone())
        }
        (None, None) => (TagSnapshot::default(), None),
    };
    // What a new exclusion list drops was not lost by the registry.
    let before = previous.map(|previous| exclusion.filter(&previous.tags));
    let merged = scan::merge(
        before.as_ref(),
        found,
        previous.and_then(|previous| previous.held.as_deref()),
    );
    let (tags, held) = match merged {
        Merge::Accepted { snapshot, .. } => (snapshot, None),
        Merge::Held { candidate, .. } => (before.unwrap_or_default(), Some(candidate)),
    };
    let is_news = previous.is_none_or(|previous| *previous.tags != tags);
    let (tags, seen, found) = match previous {
        None => {
            let seen = Sightings::new(&tags, now);
            (Arc::new(tags), seen, now)
        }
        Some(previous) if is_news => {
            let seen = previous.seen.carried(&previous.tags, &tags, now);
            (Arc::new(tags), seen, now)
        }
        Some(previous) => (Arc::clone(&previous.tags), previous.seen.clone(), previous.found),
    };
    // What a held list says is of tags that may not be in force.
    let known = if held.is_none() { known } else { &[] };
    let seen = seen.told(&tags, known, previous.is_none(), now);
    Settled {
        is_news,
        held: held.as_ref().map(TagSnapshot::len),
        stored: StoredTags {
            image: image.to_owned(),
            exclusions: exclusions.to_vec(),
            tags,
            held: held.map(Arc::new),
            version,
            found,
            seen,
            is_restored: false,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(tags: std::ops::Range<u32>) -> TagList {
        TagList {
            snapshot: Arc::new(TagSnapshot::new(tags.map(|tag| tag.to_string()).collect())),
            asked_at: Timestamp::UNIX_EPOCH,
            known: Vec::new(),
            requests: 1,
            pages: 1,
            illegal: 0,
            version: None,
        }
    }

    fn run(previous: Option<&StoredTags>, patterns: &[&str], found: Option<&TagList>) -> Settled {
        let exclusion = Exclusion::new(patterns).unwrap();
        let patterns = scan::effective_exclusions(patterns);
        let now = Timestamp::from_second(if previous.is_some() { 2 } else { 1 }).unwrap();
        settle(previous, "r.example/app", (&patterns, &exclusion), found, now)
    }

    #[test]
    fn a_list_that_shrank_by_half_counts_when_the_next_scan_agrees() {
        let first = run(None, &[], Some(&list(0..10)));
        assert!(first.is_news && first.held.is_none());
        let second = run(Some(&first.stored), &[], Some(&list(0..3)));
        assert_eq!((second.is_news, second.held), (false, Some(3)));
        assert_eq!(second.stored.tags.len(), 10);
        let third = run(Some(&second.stored), &[], Some(&list(0..3)));
        assert_eq!((third.is_news, third.held), (true, None));
        assert_eq!(third.stored.tags.len(), 3);
    }

    #[test]
    fn an_unchanged_list_is_the_one_that_was_found_last() {
        let first = run(None, &[], Some(&list(0..10)));
        let same = run(Some(&first.stored), &[], None);
        assert!(!same.is_news);
        assert!(Arc::ptr_eq(&same.stored.tags, &first.stored.tags));
        assert_eq!(same.stored.found, first.stored.found);
        let held = run(Some(&same.stored), &[], Some(&list(0..3)));
        let agreed = run(Some(&held.stored), &[], None);
        assert_eq!((agreed.is_news, agreed.stored.tags.len()), (true, 3));
    }

    #[test]
    fn a_tag_is_as_old_as_its_first_list() {
        let first = run(None, &[], Some(&list(0..2)));
        let second = run(Some(&first.stored), &[], Some(&list(0..3)));
        let ages: Vec<i64> = (0..3)
            .map(|position| second.stored.seen.first(position).unwrap().as_second())
            .collect();
        assert_eq!(ages, [2, 1, 1]);
    }

    #[test]
    fn what_a_new_exclusion_list_drops_is_no_loss() {
        let first = run(None, &[], Some(&list(0..10)));
        let second = run(Some(&first.stored), &["[1-9]"], Some(&list(0..10)));
        assert_eq!((second.is_news, second.held), (true, None));
        assert_eq!(second.stored.tags.tags(), ["0"]);
    }

    #[test]
    fn tags_of_another_image_are_never_used() {
        let mut first = run(None, &[], Some(&list(0..10))).stored;
        first.image = "r.example/other".to_owned();
        let second = run(Some(&first), &[], Some(&list(0..1)));
        assert_eq!((second.is_news, second.held), (true, None));
        assert_eq!(second.stored.tags.len(), 1);
    }
}
