//! When each tag of a list was seen for the first time, and with which digest.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

use crate::image::TagSnapshot;
use crate::scanner::KnownTag;

/// A digest that a tag was seen with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenDigest {
    /// The digest, with its algorithm.
    pub digest: String,
    /// When the tag was seen with it for the first time, to the second.
    pub since: Timestamp,
}

/// When the tags of one list were first seen. It is of use only together with that list.
///
/// The tags of the very first list of an image have the time of its scan: how old they are is not known. A tag that goes and
/// comes back is a new one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Sightings {
    /// Seconds since 1970, by the tag's position in the list.
    first: Arc<[u32]>,
    /// Of the few tags whose digest was ever asked for, and of all where the registry's list says it.
    digests: Arc<BTreeMap<String, SeenDigest>>,
}

impl Sightings {
    /// All tags are new.
    #[must_use]
    pub fn new(tags: &TagSnapshot, now: Timestamp) -> Self {
        Self {
            first: std::iter::repeat_n(seconds(now), tags.len()).collect(),
            digests: Arc::default(),
        }
    }

    /// What was read from a file.
    pub(super) fn restored(first: Vec<u32>, digests: BTreeMap<String, SeenDigest>) -> Self {
        Self {
            first: first.into(),
            digests: Arc::new(digests),
        }
    }

    /// The sightings of `tags`, the list that follows `before`, to which these belong.
    #[must_use]
    pub fn carried(&self, before: &TagSnapshot, tags: &TagSnapshot, now: Timestamp) -> Self {
        if before == tags {
            return self.clone();
        }
        let now = seconds(now);
        let mut old = before.tags().zip(self.first.iter().copied()).peekable();
        // Both lists are in the same order.
        let first = tags.tags().map(|tag| {
            while old.next_if(|(known, _)| *known > tag).is_some() {}
            old.next_if(|(known, _)| *known == tag)
                .map_or(now, |(_, first)| first)
        });
        let first = first.collect();
        let is_lost = self.digests.keys().any(|tag| !tags.contains(tag));
        let digests = if is_lost {
            let mut digests = BTreeMap::clone(&self.digests);
            digests.retain(|tag, _| tags.contains(tag));
            Arc::new(digests)
        } else {
            Arc::clone(&self.digests)
        };
        Self { first, digests }
    }

    /// The same sightings with what a registry's list says of `tags` itself. A digest dates its tag as one that was asked for
    /// does. The tags of the very first list are as old as their uploads: it is the best that can be known of them.
    #[must_use]
    pub fn told(&self, tags: &TagSnapshot, known: &[KnownTag], is_first: bool, now: Timestamp) -> Self {
        let mut first: Cow<'_, [u32]> = Cow::Borrowed(&self.first);
        let mut digests = Cow::Borrowed(&*self.digests);
        for tag in known {
            let Some(position) = tags.position(&tag.tag) else {
                continue;
            };
            let uploaded = tag.uploaded.filter(|uploaded| is_first && *uploaded < now);
            if let Some(uploaded) = uploaded
                && let Some(first) = first.to_mut().get_mut(position)
            {
                *first = seconds(uploaded);
            }
            let is_known = digests
                .get(&*tag.tag)
                .is_some_and(|seen| *seen.digest == *tag.digest);
            if !is_known {
                let since = whole(uploaded.unwrap_or(now));
                let digest = tag.digest.to_string();
                digests
                    .to_mut()
                    .insert(tag.tag.to_string(), SeenDigest { digest, since });
            }
        }
        let first = match first {
            Cow::Borrowed(_) => Arc::clone(&self.first),
            Cow::Owned(first) => first.into(),
        };
        let digests = match digests {
            Cow::Borrowed(_) => Arc::clone(&self.digests),
            Cow::Owned(digests) => Arc::new(digests),
        };
        Self { first, digests }
    }

    /// When the tag at a position was seen for the first time.
    #[must_use]
    pub fn first(&self, position: usize) -> Option<Timestamp> {
        let seconds = self.first.get(position).copied()?;
        Timestamp::from_second(i64::from(seconds)).ok()
    }

    /// The same in seconds since 1970.
    pub(super) fn first_seconds(&self, position: usize) -> u32 {
        self.first.get(position).copied().unwrap_or_default()
    }

    /// The digest that a tag was seen with last.
    #[must_use]
    pub fn digest(&self, tag: &str) -> Option<&SeenDigest> {
        self.digests.get(tag)
    }

    /// The same sightings, and the tag has this digest now. `None` when that is known.
    #[must_use]
    pub fn with_digest(&self, tag: &str, digest: &str, now: Timestamp) -> Option<Self> {
        if self.digests.get(tag).is_some_and(|known| known.digest == digest) {
            return None;
        }
        let seen = SeenDigest {
            digest: digest.to_owned(),
            since: whole(now),
        };
        let mut digests = BTreeMap::clone(&self.digests);
        digests.insert(tag.to_owned(), seen);
        Some(Self {
            first: Arc::clone(&self.first),
            digests: Arc::new(digests),
        })
    }
}

/// A time without the fraction of its second.
fn whole(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap_or(time)
}

/// Whole seconds since 1970; 32 bits last until 2106.
fn seconds(time: Timestamp) -> u32 {
    u32::try_from(time.as_second()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot(tags: &[&str]) -> TagSnapshot {
        TagSnapshot::new(tags.iter().map(ToString::to_string).collect())
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_tag_keeps_the_time_at_which_it_came() {
        let (one, two, three) = (
            snapshot(&["a", "c"]),
            snapshot(&["a", "b", "d"]),
            snapshot(&["b", "c"]),
        );
        let seen = Sightings::new(&one, at(1))
            .carried(&one, &two, at(2))
            .carried(&two, &three, at(3));
        let times: Vec<_> = (0..3).map(|position| seen.first(position)).collect();
        assert_eq!(times, [Some(at(3)), Some(at(2)), None], "c came back, b stayed");
    }

    #[test]
    fn what_a_list_says_of_its_tags_dates_them() {
        let known = |tag: &str, digest: &str, uploaded: Option<i64>| KnownTag {
            tag: tag.into(),
            digest: digest.into(),
            uploaded: uploaded.map(at),
        };
        let (one, two) = (snapshot(&["a", "b"]), snapshot(&["a", "b", "c"]));
        let told = [
            known("a", "sha256:1", Some(3)),
            known("b", "sha256:2", Some(99)),
            known("x", "", None),
        ];
        let seen = Sightings::new(&one, at(10)).told(&one, &told, true, at(10));
        let position = |tags: &TagSnapshot, tag| tags.position(tag).unwrap();
        assert_eq!(seen.first(position(&one, "a")), Some(at(3)));
        assert_eq!(
            seen.first(position(&one, "b")),
            Some(at(10)),
            "a clock that is ahead says nothing"
        );
        assert_eq!(seen.digest("a").unwrap().since, at(3));
        assert_eq!(seen.digest("x"), None, "an excluded tag");
        let told = [known("a", "sha256:1", Some(3)), known("c", "sha256:3", Some(4))];
        let later = seen.carried(&one, &two, at(20)).told(&two, &told, false, at(20));
        assert_eq!(
            later.first(position(&two, "c")),
            Some(at(20)),
            "an old image under a new tag"
        );
        assert_eq!(later.digest("c").unwrap().since, at(20));
        assert_eq!(later.digest("a").unwrap().since, at(3));
        assert_eq!(later.told(&two, &told, false, at(30)), later);
    }

    #[test]
    fn a_digest_is_dated_when_it_changes_and_goes_with_its_tag() {
        let (one, two) = (snapshot(&["a", "b"]), snapshot(&["b"]));
        let seen = Sightings::new(&one, at(1));
        let seen = seen.with_digest("a", "sha256:1", at(2)).unwrap();
        assert_eq!(seen.with_digest("a", "sha256:1", at(3)), None);
        assert_eq!(seen.digest("a").unwrap().since, at(2));
        let moved = seen.with_digest("a", "sha256:2", at(4)).unwrap();
        assert_eq!(moved.digest("a").unwrap().since, at(4));
        assert_eq!(moved.carried(&one, &two, at(5)).digest("a"), None);
    }
}
