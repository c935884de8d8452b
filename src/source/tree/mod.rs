//! An immutable tree of files: what a source holds at one revision, without what it ignores.

mod archive;
mod directory;
mod draft;

pub use archive::UnpackLimits;
pub(super) use draft::Draft;
pub use draft::IncludeError;

use std::collections::BTreeMap;
use std::fmt;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use fluxbot_git::{ObjectId, ReadError, Snapshot};

use super::ignore::InvalidIgnoreFile;
use crate::objects::{Files, FilesError};

/// The files of a source at one revision. Cheap to clone; clones share everything.
///
/// Paths are relative to the root, with `/` between names, without `.`, `..` or a `/` at either end; `""` is the root. A path of
/// any other form finds nothing, so nothing outside the tree is ever reached. Symbolic links are no part of it,
/// as they are no part of Flux's artifacts. Of a tree in Git only the list of files is held; contents are read from the mirror
/// when they are asked for, and stay readable while the mirror moves on.
#[derive(Clone)]
pub struct ArtifactTree {
    inner: Arc<Inner>,
}

struct Inner {
    root: Directory,
    /// Where the blobs of a tree in Git are.
    snapshots: Vec<Snapshot>,
}

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

/// A tree cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum TreeError {
    /// The mirror does not give an object of the commit.
    #[error("cannot read the commit: {0}")]
    Git(#[from] ReadError),
    /// An ignore file cannot be used.
    #[error("failed to load source ignore patterns from repository: {path}: {source}")]
    Ignore {
        /// The file, or `spec.ignore`.
        path: String,
        /// What is wrong.
        #[source]
        source: InvalidIgnoreFile,
    },
    /// An ignore file is a symbolic link. What it points at would not be read, and its rules silently not be applied.
    #[error("failed to load source ignore patterns from repository: {path} is a symbolic link")]
    LinkedIgnore {
        /// The file.
        path: String,
    },
    /// A file or folder of this machine cannot be read.
    #[error("cannot read {path}: {source}")]
    Disk {
        /// Its path.
        path: String,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// An archive cannot be read.
    #[error("cannot read the archive: {0}")]
    Archive(#[source] std::io::Error),
    /// An archive is larger than allowed, packed or unpacked; or the files of a commit are, with those of its submodules.
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

/// A folder: its entries by name, in byte order.
#[derive(Default)]
pub(super) struct Directory {
    pub entries: BTreeMap<Box<[u8]>, Node>,
    /// Whether the folder itself is ignored and only there for the files in it.
    pub is_ignored: bool,
}

pub(super) enum Node {
    Directory(Directory),
    File { executable: bool, content: Content },
}

/// Where a file's content is.
pub(super) enum Content {
    /// In which of the snapshots.
    Blob(ObjectId, usize),
    Memory(Arc<[u8]>, ContentId),
}

impl Content {
    fn read(&self, snapshots: &[Snapshot]) -> Result<Arc<[u8]>, ReadError> {
        match self {
            Self::Memory(bytes, _) => Ok(Arc::clone(bytes)),
            Self::Blob(id, index) => match snapshots.get(*index) {
                Some(snapshot) => snapshot.blob(id).map(Arc::from),
                None => Err(ReadError::Missing { id: *id }),
            },
        }
    }
}

impl ArtifactTree {
    /// The files of a commit, without those that `.sourceignore` files in it and `ignore` (`spec.ignore`) leave out.
    ///
    /// Reads all folders of the commit and its ignore files, and no other file.
    pub fn of_commit(
        snapshot: &Snapshot,
        commit: &ObjectId,
        ignore: Option<&str>,
    ) -> Result<Self, TreeError> {
        Draft::of_commit(snapshot, commit, &[])?.finish(ignore)
    }

    /// The files of a folder of this machine as a source would have them, read into memory: regular files only, without `.git`
    /// and without what is ignored.
    ///
    /// # Errors
    /// What cannot be read, and more than [`UnpackLimits`] allows by default.
    pub fn of_directory(path: &Path, ignore: Option<&str>) -> Result<Self, TreeError> {
        let mut root = draft::without_ignored(directory::scan(path)?, &[], ignore)?;
        let mut left = UnpackLimits::default().most_bytes;
        directory::fill(path, &mut root, &mut left)?;
        Ok(Self::new(root, Vec::new()))
    }

    /// The files of an archive as [`super::pack`] and source-controller write them, held in memory.
    pub fn from_tar_gz(path: &Path, limits: &UnpackLimits) -> Result<Self, TreeError> {
        let file = std::fs::File::open(path).map_err(TreeError::Archive)?;
        Self::read_tar_gz(file, limits)
    }

    /// As [`ArtifactTree::from_tar_gz`], from a stream.
    pub fn read_tar_gz(archive: impl Read, limits: &UnpackLimits) -> Result<Self, TreeError> {
        Ok(Self::new(archive::read(archive, limits)?, Vec::new()))
    }

    fn new(root: Directory, snapshots: Vec<Snapshot>) -> Self {
        Self {
            inner: Arc::new(Inner { root, snapshots }),
        }
    }

    /// What `path` is; `None` when nothing is there.
    #[must_use]
    pub fn kind(&self, path: &str) -> Option<TreeKind> {
        match self.find(path)? {
            Found::Directory(_) => Some(TreeKind::Directory),
            Found::File { executable, .. } => Some(TreeKind::File { executable }),
        }
    }

    /// The content of a file; `None` when `path` is no file.
    pub fn read_file(&self, path: &str) -> Result<Option<Arc<[u8]>>, FilesError> {
        match self.find(path) {
            Some(Found::File { content, .. }) => {
                self.content(content).map(Some).map_err(|error| FilesError::Git {
                    path: path.to_owned(),
                    reason: error.to_string(),
                })
            }
            _ => Ok(None),
        }
    }

    /// The entries of a folder, sorted by name; `None` when `path` is no folder. Names that are not UTF-8 are left out.
    #[must_use]
    pub fn entries(&self, path: &str) -> Option<Vec<TreeEntry>> {
        let Some(Found::Directory(directory)) = self.find(path) else {
            return None;
        };
        let entry = |name: &[u8], node: &Node| {
            Some(TreeEntry {
                name: std::str::from_utf8(name).ok()?.to_owned(),
                kind: match node {
                    Node::Directory(_) => TreeKind::Directory,
                    Node::File { executable, .. } => TreeKind::File {
                        executable: *executable,
                    },
                },
            })
        };
        let entries = directory.entries.iter();
        Some(entries.filter_map(|(name, node)| entry(name, node)).collect())
    }

    /// Tells the content of a file from others without reading it; `None` when `path` is no file.
    #[must_use]
    pub fn content_id(&self, path: &str) -> Option<ContentId> {
        match self.find(path)? {
            Found::File { content, .. } => Some(match content {
                Content::Memory(_, id) => *id,
                Content::Blob(id, _) => {
                    let mut bytes = [0; 32];
                    for (target, byte) in bytes.iter_mut().zip(id.as_bytes()) {
                        *target = *byte;
                    }
                    ContentId(bytes)
                }
            }),
            Found::Directory(_) => None,
        }
    }

    pub(super) fn root(&self) -> &Directory {
        &self.inner.root
    }

    fn snapshots(&self) -> &[Snapshot] {
        &self.inner.snapshots
    }

    pub(super) fn content(&self, content: &Content) -> Result<Arc<[u8]>, ReadError> {
        content.read(&self.inner.snapshots)
    }

    fn find(&self, path: &str) -> Option<Found<'_>> {
        let mut directory = &self.inner.root;
        if path.is_empty() {
            return Some(Found::Directory(directory));
        }
        let mut names = path.split('/').peekable();
        while let Some(name) = names.next() {
            match directory.entries.get(name.as_bytes())? {
                Node::Directory(found) if names.peek().is_none() => return Some(Found::Directory(found)),
                Node::Directory(found) => directory = found,
                Node::File { executable, content } if names.peek().is_none() => {
                    return Some(Found::File {
                        executable: *executable,
                        content,
                    });
                }
                Node::File { .. } => return None,
            }
        }
        None
    }
}

/// What is at a path.
enum Found<'t> {
    Directory(&'t Directory),
    File { executable: bool, content: &'t Content },
}

impl Files for ArtifactTree {
    fn list(&self, path: &str) -> Result<Vec<String>, FilesError> {
        let mut files = Vec::new();
        match self.find(path) {
            Some(Found::File { .. }) => files.push(path.to_owned()),
            Some(Found::Directory(directory)) => collect(directory, path, &mut files),
            None => {
                return Err(FilesError::Git {
                    path: path.to_owned(),
                    reason: "no such file or folder".to_owned(),
                });
            }
        }
        files.sort_unstable();
        Ok(files)
    }

    fn read(&self, path: &str) -> Result<Option<Vec<u8>>, FilesError> {
        Ok(self.read_file(path)?.map(|content| content.to_vec()))
    }
}

fn collect(directory: &Directory, path: &str, files: &mut Vec<String>) {
    for (name, node) in &directory.entries {
        let Ok(name) = std::str::from_utf8(name) else {
            continue;
        };
        let child = if path.is_empty() {
            name.to_owned()
        } else {
            format!("{path}/{name}")
        };
        match node {
            Node::Directory(directory) => collect(directory, &child, files),
            Node::File { .. } => files.push(child),
        }
    }
}

impl fmt::Debug for ArtifactTree {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.inner.root.entries.keys();
        formatter
            .debug_set()
            .entries(names.map(|name| String::from_utf8_lossy(name)))
            .finish()
    }
}
