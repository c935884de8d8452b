//! The tree of files that a build reads, and the record of what it read.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What a path of a tree is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A regular file.
    File,
    /// A folder.
    Directory,
}

/// An entry of a folder.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Entry {
    /// The name, without a `/`.
    pub name: String,
    /// Whether it is a file or a folder.
    pub kind: Kind,
}

/// An immutable tree of files.
///
/// Paths are relative to the root of the tree, with `/` between names, without `.` or `..` and without a `/` at either end;
/// `""` is the root. A build never asks for anything outside. Whether symbolic links are followed is the implementation's
/// decision: what it does not want to show does not exist.
pub trait Files: Sync {
    /// What `path` is, or `None` when nothing is there.
    fn kind(&self, path: &str) -> Result<Option<Kind>, FilesError>;

    /// The content of a file, or `None` when `path` is no file.
    fn read(&self, path: &str) -> Result<Option<Arc<[u8]>>, FilesError>;

    /// The entries of a folder, sorted by name, or `None` when `path` is no folder.
    fn list(&self, path: &str) -> Result<Option<Vec<Entry>>, FilesError>;
}

/// A tree cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot read {path}: {reason}")]
pub struct FilesError {
    /// The path in the tree.
    pub path: String,
    /// What the system says.
    pub reason: String,
}

/// Everything that a build looked at. A tree with the same answers to these questions gives the same result.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Inputs {
    /// Files whose content was read.
    pub read: BTreeSet<String>,
    /// Folders whose entries were listed.
    pub listed: BTreeSet<String>,
    /// Paths that were looked for and not found.
    pub missing: BTreeSet<String>,
    /// Addresses outside of the tree that were asked for.
    pub fetched: BTreeSet<String>,
}

impl Inputs {
    /// Adds what another build looked at.
    pub fn extend(&mut self, other: Self) {
        self.read.extend(other.read);
        self.listed.extend(other.listed);
        self.missing.extend(other.missing);
        self.fetched.extend(other.fetched);
    }
}

/// A tree of files in memory.
#[derive(Debug, Clone, Default)]
pub struct MemoryFiles {
    files: BTreeMap<String, Arc<[u8]>>,
}

impl MemoryFiles {
    /// A tree of files from paths and contents. Of two files with the same path the later one counts.
    pub fn new<P: Into<String>, C: Into<Arc<[u8]>>>(files: impl IntoIterator<Item = (P, C)>) -> Self {
        Self {
            files: files
                .into_iter()
                .map(|(path, content)| (path.into(), content.into()))
                .collect(),
        }
    }
}

impl Files for MemoryFiles {
    fn kind(&self, path: &str) -> Result<Option<Kind>, FilesError> {
        if self.files.contains_key(path) {
            return Ok(Some(Kind::File));
        }
        Ok(self.list(path)?.map(|_| Kind::Directory))
    }

    fn read(&self, path: &str) -> Result<Option<Arc<[u8]>>, FilesError> {
        Ok(self.files.get(path).cloned())
    }

    fn list(&self, path: &str) -> Result<Option<Vec<Entry>>, FilesError> {
        let folder = if path.is_empty() {
            String::new()
        } else {
            format!("{path}/")
        };
        let mut entries: BTreeMap<&str, Kind> = BTreeMap::new();
        for file in self.files.range(folder.clone()..).map(|(file, _)| file) {
            let Some(rest) = file.strip_prefix(&folder) else {
                break;
            };
            match rest.split_once('/') {
                Some((name, _)) => entries.insert(name, Kind::Directory),
                None => entries.insert(rest, Kind::File),
            };
        }
        let found = entries.into_iter().map(|(name, kind)| Entry {
            name: name.to_owned(),
            kind,
        });
        let found: Vec<Entry> = found.collect();
        Ok((path.is_empty() || !found.is_empty()).then_some(found))
    }
}
