//! What the examples share.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use fluxbot_kustomize::{Entry, Files, FilesError, Kind};

/// A folder of the disk, as a tree of files.
pub(crate) struct Disk(pub(crate) PathBuf);

impl Disk {
    fn place(&self, path: &str) -> PathBuf {
        if path.is_empty() {
            self.0.clone()
        } else {
            self.0.join(path)
        }
    }
}

fn kind(path: &Path) -> Option<Kind> {
    let found = std::fs::metadata(path).ok()?;
    Some(if found.is_dir() {
        Kind::Directory
    } else {
        Kind::File
    })
}

impl Files for Disk {
    fn kind(&self, path: &str) -> Result<Option<Kind>, FilesError> {
        Ok(kind(&self.place(path)))
    }

    fn read(&self, path: &str) -> Result<Option<Arc<[u8]>>, FilesError> {
        Ok(std::fs::read(self.place(path)).ok().map(Into::into))
    }

    fn list(&self, path: &str) -> Result<Option<Vec<Entry>>, FilesError> {
        let Ok(found) = std::fs::read_dir(self.place(path)) else {
            return Ok(None);
        };
        let entries = found.filter_map(|entry| {
            let entry = entry.ok()?;
            Some(Entry {
                name: entry.file_name().into_string().ok()?,
                kind: kind(&entry.path())?,
            })
        });
        let mut entries: Vec<Entry> = entries.collect();
        entries.sort();
        Ok(Some(entries))
    }
}
