//! The tags of one image at one moment, and what changed between two moments.

use sha2::{Digest, Sha256};

use crate::hexadecimal::hexadecimal;

/// A complete list of an image's tags.
///
/// The tags are unique and in descending byte order, which is the order in which Flux hands them to policies.
/// A snapshot is only ever built from a complete list; a partial one is an error of the scan.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TagSnapshot {
    tags: Vec<String>,
}

impl TagSnapshot {
    /// Sorts and deduplicates `tags`.
    #[must_use]
    pub fn new(mut tags: Vec<String>) -> Self {
        tags.sort_unstable_by(|a, b| b.cmp(a));
        tags.dedup();
        Self { tags }
    }

    /// The tags, in descending byte order.
    #[must_use]
    pub fn tags(&self) -> &[String] {
        &self.tags
    }

    /// How many tags there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.tags.len()
    }

    /// Whether there is no tag at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.tags.is_empty()
    }

    /// A checksum that changes exactly when the set of tags changes: `sha256:` and 64 hexadecimal digits over the
    /// tags, one a line (`ImageRepository.status.lastScanResult.revision`).
    #[must_use]
    pub fn revision(&self) -> String {
        let mut hash = Sha256::new();
        for tag in &self.tags {
            hash.update(tag.as_bytes());
            hash.update(b"\n");
        }
        format!("sha256:{}", hexadecimal(&hash.finalize()))
    }

    /// What changed since `earlier`.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> TagDelta {
        let missing_in = |list: &Self, tag: &String| list.tags.binary_search_by(|t| tag.cmp(t)).is_err();
        TagDelta {
            added: self
                .tags
                .iter()
                .filter(|tag| missing_in(earlier, tag))
                .cloned()
                .collect(),
            removed: earlier
                .tags
                .iter()
                .filter(|tag| missing_in(self, tag))
                .cloned()
                .collect(),
        }
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
        assert_eq!(snapshot(&["1", "10", "9", "1"]).tags(), ["9", "10", "1"]);
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
