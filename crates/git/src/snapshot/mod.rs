//! A repository as it was at one moment: references, commits, trees and blobs.

mod decode;

use crate::mirror::RemoteRef;
use crate::pack::{Object, ObjectKind, Packs};
use crate::{ObjectId, Person, PreparedCommit, RefName, RepoPath, Timestamp};
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Deepest nesting of directories that a walk enters; each level costs a stack frame.
const DEEPEST_TREE: usize = 512;

/// Longest chain of annotated tags that point at tags.
const LONGEST_TAG_CHAIN: usize = 16;

/// What a fetch found: references with their ids, and all objects of the commits they point at. Cheap to clone.
///
/// Guarantees: it never changes, and stays readable while the mirror fetches, pushes and drops old packs.
#[derive(Clone)]
pub struct Snapshot {
    references: Arc<BTreeMap<RefName, RemoteRef>>,
    default_branch: Option<RefName>,
    objects: Packs,
    damaged: Arc<AtomicBool>,
}

/// A commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    /// Its name.
    pub id: ObjectId,
    /// The root directory.
    pub tree: ObjectId,
    /// Its parents, which a mirror usually does not have.
    pub parents: Vec<ObjectId>,
    /// Who made the change, and when.
    pub author: (Person, Timestamp),
    /// Who made the commit, and when.
    pub committer: (Person, Timestamp),
    /// The message, with bytes that are not UTF-8 replaced.
    pub message: String,
    /// The other headers, such as `gpgsig`, with continued lines joined by line feeds.
    pub extra_headers: Vec<(String, String)>,
}

/// What a name in a directory stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EntryKind {
    /// A file.
    Blob,
    /// A file that can be executed.
    Executable,
    /// A symbolic link; its blob holds the target. It is never followed.
    Symlink,
    /// A directory.
    Tree,
    /// A commit of another repository. It is never fetched.
    Submodule,
}

/// A name in a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TreeEntry {
    /// The name; not always UTF-8. It is never empty, `.`, `..` or `.git`, and holds no slash and no NUL.
    pub name: Vec<u8>,
    /// What it stands for.
    pub kind: EntryKind,
    /// The object behind it.
    pub id: ObjectId,
}

/// An object cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// The mirror does not have it; the next fetch starts with a fresh mirror.
    #[error("object {id} is missing from the mirror")]
    Missing {
        /// The object.
        id: ObjectId,
    },
    /// The mirror has it, damaged; the next fetch starts with a fresh mirror.
    #[error("object {id} cannot be read from the mirror: {detail}")]
    Damaged {
        /// The object.
        id: ObjectId,
        /// What is wrong.
        detail: String,
    },
    /// It is of another kind.
    #[error("object {id} is not a {expected}")]
    WrongKind {
        /// The object.
        id: ObjectId,
        /// The kind that was asked for.
        expected: &'static str,
    },
    /// It breaks the rules of its format.
    #[error("object {id} is malformed: {problem}")]
    Malformed {
        /// The object.
        id: ObjectId,
        /// What is wrong.
        problem: String,
    },
    /// A directory holds a name that could leave the repository, or the same name twice.
    #[error("directory {id} of the repository holds the entry {name:?}, which is refused: {problem}")]
    HostileEntry {
        /// The tree.
        id: ObjectId,
        /// The name, made safe to show.
        name: String,
        /// What is wrong.
        problem: &'static str,
    },
    /// Directories are nested deeper than 512 levels.
    #[error("directory {id} of the repository is nested deeper than 512 levels")]
    TooDeep {
        /// The tree.
        id: ObjectId,
    },
}

impl EntryKind {
    /// Whether it is a file with content of its own.
    #[must_use]
    pub fn is_file(self) -> bool {
        matches!(self, Self::Blob | Self::Executable)
    }
}

impl Snapshot {
    pub(crate) fn new(
        references: BTreeMap<RefName, RemoteRef>,
        default_branch: Option<RefName>,
        objects: Packs,
        damaged: Arc<AtomicBool>,
    ) -> Self {
        Self {
            references: Arc::new(references),
            default_branch,
            objects,
            damaged,
        }
    }

    /// The references that the fetch asked for and the remote has.
    pub fn references(&self) -> impl Iterator<Item = &RemoteRef> {
        self.references.values()
    }

    /// The branch that `HEAD` of the remote names, when the fetch asked for [`crate::RefQuery::DefaultBranch`].
    ///
    /// In an empty repository that branch does not exist yet.
    #[must_use]
    pub fn default_branch(&self) -> Option<&RefName> {
        self.default_branch.as_ref()
    }

    /// The commit at the tip of a reference; behind an annotated tag, the commit that it names.
    #[must_use]
    pub fn head(&self, name: &RefName) -> Option<ObjectId> {
        self.references.get(name).map(RemoteRef::commit)
    }

    /// This snapshot, with a commit on top that is not pushed yet.
    ///
    /// So several changes can be stacked and pushed at once.
    #[must_use]
    pub fn with(&self, commit: &PreparedCommit) -> Self {
        Self {
            objects: self.objects.with_memory(commit.objects_with_ids()),
            ..self.clone()
        }
    }

    /// Reads a commit.
    pub fn commit(&self, id: &ObjectId) -> Result<Commit, ReadError> {
        let data = self.object_of(id, ObjectKind::Commit, "commit")?;
        decode::commit(*id, &data)
    }

    /// Reads the commit behind a commit or a chain of annotated tags.
    pub fn peel(&self, id: &ObjectId) -> Result<Commit, ReadError> {
        let mut current = *id;
        for _ in 0..LONGEST_TAG_CHAIN {
            let object = self.object(&current)?;
            match object.kind {
                ObjectKind::Commit => return decode::commit(current, &object.data),
                ObjectKind::Tag => current = decode::tag_target(current, &object.data)?,
                ObjectKind::Tree | ObjectKind::Blob => break,
            }
        }
        Err(ReadError::WrongKind {
            id: *id,
            expected: "commit",
        })
    }

    /// Reads the content of a tag object, which its signature covers, or of a commit object.
    pub fn raw(&self, id: &ObjectId) -> Result<Vec<u8>, ReadError> {
        self.object(id).map(|object| object.data)
    }

    /// Reads the entries of a directory, in the order of Git.
    pub fn tree_entries(&self, id: &ObjectId) -> Result<Vec<TreeEntry>, ReadError> {
        let data = self.object_of(id, ObjectKind::Tree, "tree")?;
        decode::tree(*id, &data)
    }

    /// Reads the content of a file.
    pub fn blob(&self, id: &ObjectId) -> Result<Vec<u8>, ReadError> {
        self.object_of(id, ObjectKind::Blob, "blob")
    }

    /// Finds what is at `path` below a directory. Symbolic links are not followed.
    pub fn lookup(&self, tree: &ObjectId, path: &RepoPath) -> Result<Option<TreeEntry>, ReadError> {
        let mut directory = *tree;
        let mut names = path.names().peekable();
        while let Some(name) = names.next() {
            let Some(entry) = self
                .tree_entries(&directory)?
                .into_iter()
                .find(|entry| entry.name == name)
            else {
                return Ok(None);
            };
            if names.peek().is_none() {
                return Ok(Some(entry));
            }
            if entry.kind != EntryKind::Tree {
                return Ok(None);
            }
            directory = entry.id;
        }
        Ok(None)
    }

    /// Visits every entry below a directory, a directory before what it holds, in the order of Git.
    ///
    /// The visitor answers whether to enter a directory: `Break` leaves it out. For other entries the answer is ignored.
    pub fn walk(
        &self,
        tree: &ObjectId,
        visit: &mut dyn FnMut(&RepoPath, &TreeEntry) -> ControlFlow<()>,
    ) -> Result<(), ReadError> {
        self.walk_below(tree, None, 0, visit)
    }

    /// The object's content, if it is of that kind.
    fn object_of(
        &self,
        id: &ObjectId,
        kind: ObjectKind,
        expected: &'static str,
    ) -> Result<Vec<u8>, ReadError> {
        let object = self.object(id)?;
        if object.kind != kind {
            return Err(ReadError::WrongKind { id: *id, expected });
        }
        Ok(object.data)
    }

    fn object(&self, id: &ObjectId) -> Result<Object, ReadError> {
        let error = match self.objects.read(*id) {
            Ok(Some(object)) => return Ok(object),
            Ok(None) => ReadError::Missing { id: *id },
            Err(detail) => ReadError::Damaged { id: *id, detail },
        };
        self.damaged.store(true, Ordering::Relaxed);
        Err(error)
    }

    fn walk_below(
        &self,
        tree: &ObjectId,
        parent: Option<&RepoPath>,
        depth: usize,
        visit: &mut dyn FnMut(&RepoPath, &TreeEntry) -> ControlFlow<()>,
    ) -> Result<(), ReadError> {
        if depth >= DEEPEST_TREE {
            return Err(ReadError::TooDeep { id: *tree });
        }
        for entry in self.tree_entries(tree)? {
            let path = RepoPath::below(parent, &entry.name);
            let enter = visit(&path, &entry).is_continue();
            if enter && entry.kind == EntryKind::Tree {
                self.walk_below(&entry.id, Some(&path), depth + 1, visit)?;
            }
        }
        Ok(())
    }
}

impl std::fmt::Debug for Snapshot {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Snapshot")
            .field("references", &self.references)
            .finish_non_exhaustive()
    }
}
