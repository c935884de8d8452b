//! Commits built in memory: changed files in, new trees and a commit object out.

mod tree;

use crate::pack::encode::{self, Entry};
use crate::pack::{Object, ObjectKind};
use crate::{ObjectId, ReadError, RepoPath, Snapshot};
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

/// A person in a commit.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Person {
    /// The name.
    pub name: String,
    /// The mail address; it may be empty.
    pub email: String,
}

/// A moment, and the offset from UTC at which people see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Timestamp {
    /// Seconds since 1970-01-01 UTC.
    pub seconds: i64,
    /// Minutes east of UTC.
    pub offset_minutes: i32,
}

/// What happens to one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Edit {
    /// The file gets this content; it is created if it is not there. Its kind stays, unless one is given.
    Write {
        /// The whole content.
        content: Vec<u8>,
        /// The kind of file, `None` to keep it (a new file is [`FileKind::Plain`]).
        kind: Option<FileKind>,
    },
    /// The file goes; directories that are empty then go as well. It is no error if it is not there.
    Remove,
}

/// The kinds of files that can be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FileKind {
    /// Mode 100644.
    Plain,
    /// Mode 100755.
    Executable,
}

/// What a commit shall be.
#[derive(Debug, Clone)]
pub struct CommitRequest {
    /// The commit that it follows; `None` for the first one of a repository.
    pub parent: Option<ObjectId>,
    /// The files that change.
    pub edits: BTreeMap<RepoPath, Edit>,
    /// Who made the change.
    pub author: Person,
    /// Who makes the commit.
    pub committer: Person,
    /// When.
    pub time: Timestamp,
    /// The message. A line feed is added at the end if there is none.
    pub message: String,
}

/// A commit with the objects that only it needs; nothing of it is on disk or on a server yet.
#[derive(Debug, Clone)]
pub struct PreparedCommit {
    id: ObjectId,
    tree: ObjectId,
    parent: Option<ObjectId>,
    parent_tree: Option<ObjectId>,
    commit: Object,
    objects: Arc<Vec<NewObject>>,
}

/// A new tree or blob, and the shorter way to say it.
#[derive(Debug)]
pub(crate) struct NewObject {
    pub id: ObjectId,
    pub object: Object,
    /// An object of the parent commit, and the instructions that turn it into this one.
    pub delta: Option<(ObjectId, Vec<u8>)>,
}

/// A commit cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// The parent or its trees cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A path leads through something that is no directory, or replaces something that is no file.
    #[error("file {path} cannot be written: {problem}")]
    Conflict {
        /// The path.
        path: RepoPath,
        /// What is in the way.
        problem: &'static str,
    },
    /// A name or address would break the format of the commit.
    #[error("{role} {value:?} cannot stand in a commit: `<`, `>`, NUL and line feeds are not allowed")]
    InvalidPerson {
        /// `name` or `email`.
        role: &'static str,
        /// Its value.
        value: String,
    },
    /// The message would break the format of the commit.
    #[error("the commit message contains NUL")]
    InvalidMessage,
    /// A header would break the format of the commit.
    #[error("commit header {name:?} is not valid")]
    InvalidHeader {
        /// Its name.
        name: String,
    },
    /// The name of an object cannot be computed.
    #[error("an object cannot be hashed: {0}")]
    Hash(#[source] io::Error),
}

impl Snapshot {
    /// Builds a commit on top of one of this snapshot's commits.
    ///
    /// A commit whose tree equals its parent's is built as well: see [`PreparedCommit::changes_nothing`].
    ///
    /// # Errors
    /// A path that leads through a file, symbolic link or submodule is refused, and so is one that ends at a directory,
    /// symbolic link or submodule.
    pub fn prepare(&self, request: &CommitRequest) -> Result<PreparedCommit, CommitError> {
        let parent_tree = request
            .parent
            .map(|parent| self.commit(&parent))
            .transpose()?
            .map(|parent| parent.tree);
        let mut editor = tree::Editor::new(self);
        let tree = editor.apply(parent_tree, &request.edits)?;
        let commit = Object {
            kind: ObjectKind::Commit,
            data: encode_commit(tree, request)?,
        };
        Ok(PreparedCommit {
            id: commit.id().map_err(CommitError::Hash)?,
            tree,
            parent: request.parent,
            parent_tree,
            commit,
            objects: Arc::new(editor.into_objects()),
        })
    }
}

impl PreparedCommit {
    /// The name of the commit.
    #[must_use]
    pub fn id(&self) -> ObjectId {
        self.id
    }

    /// Its root directory.
    #[must_use]
    pub fn tree(&self) -> ObjectId {
        self.tree
    }

    /// The commit that it follows.
    #[must_use]
    pub fn parent(&self) -> Option<ObjectId> {
        self.parent
    }

    /// Whether every file is as in the parent, so that there is nothing to push.
    #[must_use]
    pub fn changes_nothing(&self) -> bool {
        self.parent_tree.unwrap_or(ObjectId::EMPTY_TREE) == self.tree
    }

    /// The bytes that a signature of this commit covers.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        &self.commit.data
    }

    /// The same commit with one more header, such as `gpgsig` and an armored signature of [`Self::payload`].
    pub fn with_header(&self, name: &str, value: &str) -> Result<Self, CommitError> {
        let valid_name = !name.is_empty()
            && name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        if !valid_name || value.contains('\0') {
            return Err(CommitError::InvalidHeader {
                name: name.to_owned(),
            });
        }
        let value = value.trim_end_matches('\n').replace('\n', "\n ");
        let data = &self.commit.data;
        let end = data
            .windows(2)
            .position(|pair| pair == b"\n\n")
            .map_or(data.len(), |position| position + 1);
        let (head, rest) = data.split_at(end);
        let data = [head, format!("{name} {value}\n").as_bytes(), rest].concat();
        let commit = Object {
            kind: ObjectKind::Commit,
            data,
        };
        Ok(Self {
            id: commit.id().map_err(CommitError::Hash)?,
            commit,
            ..self.clone()
        })
    }

    pub(crate) fn objects_with_ids(&self) -> impl Iterator<Item = (ObjectId, Object)> {
        let objects = self.objects.iter().map(|new| (new.id, new.object.clone()));
        objects.chain(Some((self.id, self.commit.clone())))
    }

    pub(crate) fn new_objects(&self) -> &[NewObject] {
        &self.objects
    }
}

/// A pack with the objects of some commits.
///
/// A thin pack holds differences to objects of the parents, which the reader must have.
pub(crate) fn encode_pack(commits: &[&PreparedCommit], thin: bool) -> io::Result<Vec<u8>> {
    let mut written = std::collections::HashSet::new();
    let mut entries = Vec::new();
    for commit in commits {
        if written.insert(commit.id) {
            entries.push(Entry::Complete(&commit.commit));
        }
        for new in commit.new_objects() {
            if !written.insert(new.id) {
                continue;
            }
            entries.push(match &new.delta {
                // The base may be an object of an earlier commit of this pack; git resolves it wherever it stands.
                Some((base, delta)) if thin => Entry::Difference { base: *base, delta },
                _ => Entry::Complete(&new.object),
            });
        }
    }
    encode::to_vec(entries)
}

fn encode_commit(tree: ObjectId, request: &CommitRequest) -> Result<Vec<u8>, CommitError> {
    if request.message.contains('\0') {
        return Err(CommitError::InvalidMessage);
    }
    let mut lines = vec![format!("tree {tree}")];
    lines.extend(request.parent.map(|parent| format!("parent {parent}")));
    for (role, Person { name, email }) in [("author", &request.author), ("committer", &request.committer)] {
        for (part, value) in [("name", name), ("email", email)] {
            if value.contains(['<', '>', '\n', '\0']) {
                return Err(CommitError::InvalidPerson {
                    role: part,
                    value: value.clone(),
                });
            }
        }
        let Timestamp {
            seconds,
            offset_minutes,
        } = request.time;
        let sign = if offset_minutes < 0 { '-' } else { '+' };
        let (hours, minutes) = (offset_minutes.abs() / 60, offset_minutes.abs() % 60);
        let (name, email) = (name.trim(), email.trim());
        lines.push(format!(
            "{role} {name} <{email}> {seconds} {sign}{hours:02}{minutes:02}"
        ));
    }
    lines.push(String::new());
    lines.push(request.message.clone());
    let mut text = lines.join("\n");
    if !text.ends_with('\n') {
        text.push('\n');
    }
    Ok(text.into_bytes())
}
