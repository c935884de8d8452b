//! The tags of one image at one moment, and what changed between two moments.

use std::cmp::Ordering;
use std::fmt;
use std::ops::Range;
use std::sync::OnceLock;

use sha2::{Digest, Sha256};

use crate::hexadecimal::hexadecimal;

/// A complete list of an image's tags.
///
/// The tags are unique and in descending byte order, which is the order in which Flux hands them to policies.
/// A snapshot is only ever built from a complete list; a partial one is an error of the scan.
///
/// All tags lie in one buffer: a controller keeps some hundred thousand of them for months.
#[derive(Clone, Default)]
pub struct TagSnapshot {
    text: Box<str>,
    /// Where each tag ends in `text`.
    ends: Box<[u32]>,
    revision: OnceLock<Box<str>>,
}

/// The tags of a [`TagSnapshot`], in descending byte order.
#[derive(Debug, Clone)]
pub struct Tags<'s> {
    snapshot: &'s TagSnapshot,
    positions: Range<usize>,
}

impl TagSnapshot {
    /// Sorts and deduplicates `tags`. Of tags that are longer than 4 GiB together, which no registry's list is allowed to
    /// be, the last ones in the order are left out.
    #[must_use]
    pub fn new(mut tags: Vec<String>) -> Self {
        tags.sort_unstable_by(|a, b| b.cmp(a));
        tags.dedup();
        Self::from_descending(tags.iter().map(String::as_str))
    }

    /// A list of tags that are in descending byte order already. One that is not in its place is left out, so that the
    /// order holds in any case.
    #[must_use]
    pub fn from_descending<'t>(tags: impl IntoIterator<Item = &'t str>) -> Self {
        let mut text = String::new();
        let mut ends: Vec<u32> = Vec::new();
        let mut last: Option<Range<usize>> = None;
        for tag in tags {
            let begin = text.len();
            if last
                .and_then(|last| text.get(last))
                .is_some_and(|last| last <= tag)
            {
                last = ends.len().checked_sub(1).map(|position| span(&ends, position));
                continue;
            }
            let Ok(end) = u32::try_from(begin + tag.len()) else {
                break;
            };
            text.push_str(tag);
            ends.push(end);
            last = Some(begin..text.len());
        }
        Self {
            text: text.into_boxed_str(),
            ends: ends.into_boxed_slice(),
            revision: OnceLock::new(),
        }
    }

    /// The tags, in descending byte order.
    #[must_use]
    pub fn tags(&self) -> Tags<'_> {
        Tags {
            snapshot: self,
            positions: 0..self.len(),
        }
    }

    /// The tag at a position of the descending order.
    #[must_use]
    pub fn get(&self, position: usize) -> Option<&str> {
        if position >= self.ends.len() {
            return None;
        }
        self.text.get(span(&self.ends, position))
    }

    /// Where a tag stands in the descending order, if it is there.
    #[must_use]
    pub fn position(&self, tag: &str) -> Option<usize> {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low.midpoint(high);
            match tag.cmp(self.get(middle)?) {
                Ordering::Equal => return Some(middle),
                Ordering::Greater => high = middle,
                Ordering::Less => low = middle + 1,
            }
        }
        None
    }

    /// Whether a tag is there.
    #[must_use]
    pub fn contains(&self, tag: &str) -> bool {
        self.position(tag).is_some()
    }

    /// How many tags there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is no tag at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// A checksum that changes exactly when the set of tags changes: `sha256:` and 64 hexadecimal digits over the
    /// tags, one a line (`ImageRepository.status.lastScanResult.revision`).
    #[must_use]
    pub fn revision(&self) -> &str {
        self.revision.get_or_init(|| {
            let mut hash = Sha256::new();
            for tag in self.tags() {
                hash.update(tag.as_bytes());
                hash.update(b"\n");
            }
            format!("sha256:{}", hexadecimal(&hash.finalize())).into_boxed_str()
        })
    }

    /// What changed since `earlier`.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> TagDelta {
        let missing_in = |list: &Self, tags: Tags<'_>| -> Vec<String> {
            let missing = tags.filter(|tag| !list.contains(tag));
            missing.map(str::to_owned).collect()
        };
        TagDelta {
            added: missing_in(earlier, self.tags()),
            removed: missing_in(self, earlier.tags()),
        }
    }
}

fn span(ends: &[u32], position: usize) -> Range<usize> {
    let end = |position: usize| ends.get(position).copied().unwrap_or_default() as usize;
    position.checked_sub(1).map_or(0, end)..end(position)
}

impl PartialEq for TagSnapshot {
    fn eq(&self, other: &Self) -> bool {
        self.ends == other.ends && self.text == other.text
    }
}

impl Eq for TagSnapshot {}

impl fmt::Debug for TagSnapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.tags()).finish()
    }
}

impl<'s> Iterator for Tags<'s> {
    type Item = &'s str;

    fn next(&mut self) -> Option<&'s str> {
        self.snapshot.get(self.positions.next()?)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.positions.size_hint()
    }
}

impl DoubleEndedIterator for Tags<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        self.snapshot.get(self.positions.next_back()?)
    }
}

impl ExactSizeIterator for Tags<'_> {}

impl<const N: usize> PartialEq<[&str; N]> for Tags<'_> {
    fn eq(&self, other: &[&str; N]) -> bool {
        self.clone().eq(other.iter().copied())
    }
}

/// The difference between two snapshots of the same image.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TagDelta {
    /// Tags that the later snapshot alone has, in descending byte order.
    pub added: Vec<String>,
    /// Tags that the earlier snapshot alone has, in descending byte order.
    pub removed: Vec<String>,
}

impl TagDelta {
    /// Whether nothing changed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot(tags: &[&str]) -> TagSnapshot {
        TagSnapshot::new(tags.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn tags_are_unique_and_descending() {
        let list = snapshot(&["1", "10", "9", "1"]);
        assert_eq!(list.tags(), ["9", "10", "1"]);
        assert!(list.tags().rev().eq(["1", "10", "9"]));
        assert_eq!((list.len(), list.tags().len()), (3, 3));
    }

    #[test]
    fn a_tag_has_a_position() {
        let list = snapshot(&["", "a", "b", "ab", "c"]);
        for (position, tag) in list.tags().enumerate() {
            assert_eq!(
                (list.position(tag), list.get(position)),
                (Some(position), Some(tag))
            );
        }
        assert_eq!(
            (list.position("aa"), list.position("d"), list.get(5)),
            (None, None, None)
        );
    }

    #[test]
    fn a_list_that_is_not_in_order_loses_what_is_out_of_place() {
        let list = TagSnapshot::from_descending(["c", "c", "d", "b", "bb", "a"]);
        assert_eq!(list.tags(), ["c", "b", "a"]);
    }

    #[test]
    fn the_revision_depends_on_the_set_alone() {
        assert_eq!(
            snapshot(&["a", "b"]).revision(),
            snapshot(&["b", "a", "a"]).revision()
        );
        assert_ne!(snapshot(&["a", "b"]).revision(), snapshot(&["a"]).revision());
    }

    #[test]
    fn a_delta_names_what_came_and_what_went() {
        let delta = snapshot(&["a", "c", "d"]).since(&snapshot(&["a", "b"]));
        assert_eq!(
            delta,
            TagDelta {
                added: vec!["d".into(), "c".into()],
                removed: vec!["b".into()]
            }
        );
    }
}
