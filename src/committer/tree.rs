//! A Git tree as the marker index reads it.

use fluxbot_git::{ObjectId, ReadError, Snapshot};

use crate::setters::{Entry, EntryKind, TreeSource};

/// Reads directories and files of a snapshot for the marker index.
pub(super) struct SnapshotTree<'a>(pub &'a Snapshot);

impl TreeSource for SnapshotTree<'_> {
    type Id = ObjectId;
    type Error = ReadError;

    fn entries(&mut self, tree: &ObjectId) -> Result<Vec<Entry<ObjectId>>, ReadError> {
        let entries = self.0.tree_entries(tree)?;
        let readable = entries.into_iter().filter_map(|entry| {
            // A name that is not UTF-8 cannot be named by an automation or in a message.
            let name = String::from_utf8(entry.name).ok()?;
            let kind = match entry.kind {
                fluxbot_git::EntryKind::Tree => EntryKind::Tree,
                kind if kind.is_file() => EntryKind::File,
                _ => EntryKind::Other,
            };
            Some(Entry {
                name,
                id: entry.id,
                kind,
            })
        });
        Ok(readable.collect())
    }

    fn blob(&mut self, id: &ObjectId) -> Result<Vec<u8>, ReadError> {
        self.0.blob(id)
    }
}
