//! A checkout of the user: what it holds, and a commit on its branch that keeps files, index and branch together.

mod error;
mod files;

pub use error::WorkTreeError;

use crate::commit::encode_pack;
use crate::mirror::local::{edit, open};
use crate::pack::{self, Object, ObjectKind, Packs};
use crate::wire::receive::Command;
use crate::{CommitError, Edit, EntryKind, FileKind, ObjectId, PreparedCommit, RefName, RepoPath, Snapshot};
use files::{Content, OnDisk};
use gix::bstr::ByteSlice;
use gix::index::entry::{Flags, Mode, Stage, Stat};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A repository with its files checked out, opened at the root of the checkout.
///
/// Only the repository's own configuration is read; hooks, filters and signing settings of the user are not honoured.
/// Where a filter changes content on checkout (`core.autocrlf`, attributes), such files count as changed and are left alone.
pub struct WorkTree {
    repository: gix::Repository,
    root: PathBuf,
    branch: RefName,
    snapshot: Snapshot,
    head: Option<ObjectId>,
}

impl WorkTree {
    /// Opens the checkout whose root is `directory`; `.git` there may be a directory or, in a linked worktree, a file.
    pub fn open(directory: &Path) -> Result<Self, WorkTreeError> {
        let not = |detail: String| WorkTreeError::NotACheckout {
            path: directory.to_owned(),
            detail,
        };
        let repository = open(directory).map_err(not)?;
        let root = repository
            .workdir()
            .ok_or_else(|| not("it is a bare repository".to_owned()))?;
        let root = root.canonicalize().map_err(|error| not(error.to_string()))?;
        if directory.canonicalize().ok().as_ref() != Some(&root) {
            return Err(not(format!("its files are in {}", root.display())));
        }
        if repository.state().is_some() {
            return Err(WorkTreeError::InProgress { path: root });
        }
        let head = repository.head().map_err(|error| not(error.to_string()))?;
        let id = head.id().map(|id| ObjectId::from_gix(&id));
        let branch = head
            .referent_name()
            .and_then(|name| RefName::new(name.as_bstr().to_string()).ok());
        let branch = branch.ok_or_else(|| WorkTreeError::Detached { path: root.clone() })?;
        drop(head);
        let objects = gix::odb::at(repository.common_dir().join("objects"), gix::hash::Kind::Sha1)
            .map_err(|error| not(error.to_string()))?;
        let reference = id.map(|id| crate::RemoteRef {
            name: branch.clone(),
            id,
            peeled: None,
        });
        let references = reference
            .into_iter()
            .map(|reference| (branch.clone(), reference))
            .collect();
        let snapshot = Snapshot::new(
            references,
            Some(branch.clone()),
            Packs::of_checkout(objects),
            Arc::default(),
        );
        Ok(Self {
            repository,
            root,
            branch,
            snapshot,
            head: id,
        })
    }

    /// The root of the checkout, without symbolic links.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The branch that is checked out.
    #[must_use]
    pub fn branch(&self) -> &RefName {
        &self.branch
    }

    /// The commit that is checked out; `None` before the first one.
    #[must_use]
    pub fn head(&self) -> Option<ObjectId> {
        self.head
    }

    /// What is committed on the branch.
    #[must_use]
    pub fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    /// The URL that the repository's own configuration gives for the remote of the branch, else for `origin`.
    ///
    /// It may hold a password; parse it with [`crate::RemoteUrl`] before it is shown. `insteadOf` is not applied.
    #[must_use]
    pub fn remote_url(&self) -> Option<String> {
        let remote = self.setting(&format!("branch.{}.remote", self.branch.short()));
        self.setting(&format!("remote.{}.url", remote.as_deref().unwrap_or("origin")))
    }

    /// The branch of the remote that this branch follows.
    #[must_use]
    pub fn upstream(&self) -> Option<RefName> {
        let merge = self.setting(&format!("branch.{}.merge", self.branch.short()))?;
        RefName::new(merge).ok()
    }

    /// Those of the paths whose file or index entry differs from what is committed.
    ///
    /// # Errors
    /// A path behind a symbolic link is an error, as its file is not the one that is committed.
    pub fn dirty<'a>(
        &self,
        paths: impl IntoIterator<Item = &'a RepoPath>,
    ) -> Result<Vec<RepoPath>, WorkTreeError> {
        let index = self.index()?;
        let mut dirty = Vec::new();
        for path in paths {
            let committed = self.committed(path)?;
            if self.staged(&index, path) != Some(committed) || self.on_disk(path)? != committed {
                dirty.push(path.clone());
            }
        }
        Ok(dirty)
    }

    /// Puts a commit on the branch, and writes the files that it changes and their index entries.
    ///
    /// `edits` are those that the commit was prepared from. Afterwards `git status` shows nothing new; other changes of the
    /// user, staged or not, stay as they are.
    ///
    /// # Errors
    /// Nothing is changed when a file is dirty, lies behind a symbolic link, or the branch moved. Ended in the middle, the
    /// files may have their new content before the branch has the commit; then the same run again refuses, as they are
    /// dirty.
    pub fn commit(
        &self,
        commit: &PreparedCommit,
        edits: &BTreeMap<RepoPath, Edit>,
    ) -> Result<(), WorkTreeError> {
        if commit.parent() != self.head {
            return Err(WorkTreeError::NotOnHead { id: commit.id() });
        }
        let mut lock = self.lock_index()?;
        self.check_head()?;
        let dirty = self.dirty(edits.keys())?;
        if !dirty.is_empty() {
            return Err(WorkTreeError::Dirty { paths: dirty });
        }
        self.store(commit)?;
        let after = self.snapshot.with(commit);
        for (path, edit) in edits {
            if let Err(error) = self.apply(&after, commit.tree(), path, edit) {
                self.undo(edits);
                return Err(error);
            }
        }
        if let Err(error) = self.move_branch(commit) {
            self.undo(edits);
            return Err(error);
        }
        let mut index = self.index()?;
        for path in edits.keys() {
            self.stage(&mut index, &after, commit.tree(), path)?;
        }
        index.sort_entries();
        // It remembers trees that are no longer those of the entries.
        index.remove_tree();
        index
            .write_to(&mut lock, gix::index::write::Options::default())
            .map_err(|error| self.index_error(error.to_string()))?;
        lock.commit()
            .map_err(|error| self.index_error(error.to_string()))?;
        Ok(())
    }

    /// Records that the remote branch that this branch follows is at the checked-out commit, as `git push` does, so that
    /// `git status` does not call the pushed commits unpushed. Without such a record there is nothing to bring up to date.
    pub fn record_push(&self) -> Result<(), WorkTreeError> {
        let (Some(head), Some(upstream)) = (self.head, self.upstream()) else {
            return Ok(());
        };
        let remote = self.setting(&format!("branch.{}.remote", self.branch.short()));
        let name = format!(
            "refs/remotes/{}/{}",
            remote.as_deref().unwrap_or("origin"),
            upstream.short()
        );
        let Ok(Some(tracked)) = self.repository.try_find_reference(&name) else {
            return Ok(());
        };
        let Some(old) = tracked.try_id() else {
            return Ok(());
        };
        let command = Command {
            name,
            old: ObjectId::from_gix(&old),
            new: head,
        };
        self.move_reference(&command, false, "update by push", head, &self.snapshot)
    }

    fn setting(&self, key: &str) -> Option<String> {
        self.repository
            .config_snapshot()
            .string(key)
            .map(|value| value.to_string())
    }

    fn index(&self) -> Result<gix::index::File, WorkTreeError> {
        let options = gix::index::decode::Options::default();
        let index = gix::index::File::at_or_default(
            self.repository.index_path(),
            gix::hash::Kind::Sha1,
            false,
            options,
        )
        .map_err(|error| self.index_error(error.to_string()))?;
        if index.is_sparse() {
            return Err(self.index_error("it is sparse: run `git sparse-checkout disable` first".to_owned()));
        }
        Ok(index)
    }

    fn lock_index(&self) -> Result<gix::lock::File, WorkTreeError> {
        let fail = gix::lock::acquire::Fail::Immediately;
        gix::lock::File::acquire_to_update_resource(self.repository.index_path(), fail, None, 0)
            .map_err(|error| self.index_error(error.to_string()))
    }

    fn check_head(&self) -> Result<(), WorkTreeError> {
        let moved = || WorkTreeError::Moved {
            branch: self.branch.clone(),
        };
        let head = self.repository.head().map_err(|_| moved())?;
        let branch = head.referent_name().map(|name| name.as_bstr().to_string());
        let id = head.id().map(|id| ObjectId::from_gix(&id));
        if branch.as_deref() == Some(self.branch.as_str()) && id == self.head {
            Ok(())
        } else {
            Err(moved())
        }
    }

    /// The file as it is committed.
    fn committed(&self, path: &RepoPath) -> Result<OnDisk, WorkTreeError> {
        let Some(head) = self.head else {
            return Ok(OnDisk::Nothing);
        };
        let tree = self.snapshot.commit(&head)?.tree;
        Ok(match self.snapshot.lookup(&tree, path)? {
            None => OnDisk::Nothing,
            Some(entry) => match entry.kind {
                EntryKind::Blob => OnDisk::File {
                    id: entry.id,
                    kind: FileKind::Plain,
                },
                EntryKind::Executable => OnDisk::File {
                    id: entry.id,
                    kind: FileKind::Executable,
                },
                EntryKind::Symlink | EntryKind::Tree | EntryKind::Submodule => OnDisk::Other,
            },
        })
    }

    /// The file as the index has it; `None` in the middle of a merge, or when it is marked as not to be looked at.
    #[expect(
        clippy::unused_self,
        reason = "it stands beside `committed` and `on_disk`, which it is compared with"
    )]
    fn staged(&self, index: &gix::index::File, path: &RepoPath) -> Option<OnDisk> {
        let path = path.as_bytes().as_bstr();
        if [Stage::Base, Stage::Ours, Stage::Theirs]
            .into_iter()
            .any(|stage| index.entry_by_path_and_stage(path, stage).is_some())
        {
            return None;
        }
        let Some(entry) = index.entry_by_path_and_stage(path, Stage::Unconflicted) else {
            return Some(OnDisk::Nothing);
        };
        if entry
            .flags
            .intersects(Flags::SKIP_WORKTREE | Flags::ASSUME_VALID | Flags::INTENT_TO_ADD)
        {
            return None;
        }
        let id = ObjectId::from_gix(&entry.id);
        Some(match entry.mode {
            Mode::FILE => OnDisk::File {
                id,
                kind: FileKind::Plain,
            },
            Mode::FILE_EXECUTABLE => OnDisk::File {
                id,
                kind: FileKind::Executable,
            },
            _ => OnDisk::Other,
        })
    }

    fn on_disk(&self, path: &RepoPath) -> Result<OnDisk, WorkTreeError> {
        match files::read(&self.root, path)? {
            Content::Nothing => Ok(OnDisk::Nothing),
            Content::Other => Ok(OnDisk::Other),
            Content::File { data, kind } => {
                let object = Object {
                    kind: ObjectKind::Blob,
                    data,
                };
                let id = object.id().map_err(CommitError::Hash)?;
                Ok(OnDisk::File { id, kind })
            }
        }
    }

    fn store(&self, commit: &PreparedCommit) -> Result<(), WorkTreeError> {
        let directory = self.repository.common_dir().join("objects/pack");
        let storage = |source| WorkTreeError::Storage {
            path: directory.clone(),
            source,
        };
        std::fs::create_dir_all(&directory).map_err(storage)?;
        let objects = encode_pack(&[commit], false).map_err(storage)?;
        let nothing = Packs::new(usize::MAX);
        let stored = pack::index(&mut objects.as_slice(), &directory, &nothing, u64::MAX, u64::MAX)
            .map_err(|failure| storage(failure.into()))?;
        if let Some(pack) = stored {
            pack.publish().map_err(storage)?;
        }
        Ok(())
    }

    /// Brings one file to what the tree says.
    fn apply(
        &self,
        snapshot: &Snapshot,
        tree: ObjectId,
        path: &RepoPath,
        edit: &Edit,
    ) -> Result<(), WorkTreeError> {
        let kind = snapshot.lookup(&tree, path)?.map(|entry| entry.kind);
        match edit {
            Edit::Write { content, .. } => {
                files::write(&self.root, path, content, kind == Some(EntryKind::Executable))
            }
            Edit::Remove => files::remove(&self.root, path),
        }
    }

    /// Brings files back to what is committed, as far as the disk lets us.
    fn undo(&self, edits: &BTreeMap<RepoPath, Edit>) {
        for path in edits.keys() {
            match self.committed(path) {
                Ok(OnDisk::File { id, kind }) => {
                    if let Ok(content) = self.snapshot.blob(&id) {
                        files::write(&self.root, path, &content, kind == FileKind::Executable).ok();
                    }
                }
                Ok(OnDisk::Nothing) => {
                    files::remove(&self.root, path).ok();
                }
                Ok(OnDisk::Other) | Err(_) => {}
            }
        }
    }

    fn move_branch(&self, commit: &PreparedCommit) -> Result<(), WorkTreeError> {
        let command = Command {
            // Through HEAD, so that its log tells of the commit too.
            name: "HEAD".to_owned(),
            old: commit.parent().unwrap_or(ObjectId::NULL),
            new: commit.id(),
        };
        let after = self.snapshot.with(commit);
        self.move_reference(&command, true, "commit: by fluxbot", commit.id(), &after)
    }

    /// Moves a reference from its old value to its new one; the committer of `of` stands in its log.
    fn move_reference(
        &self,
        command: &Command,
        through: bool,
        message: &str,
        of: ObjectId,
        snapshot: &Snapshot,
    ) -> Result<(), WorkTreeError> {
        let moved = || WorkTreeError::Moved {
            branch: self.branch.clone(),
        };
        let mut edit = edit(command, message).map_err(|_| moved())?;
        edit.deref = through;
        let (person, time) = snapshot.commit(&of)?.committer;
        let time = format!("{} +0000", time.seconds);
        let committer = gix::actor::SignatureRef {
            name: person.name.as_bytes().as_bstr(),
            email: person.email.as_bytes().as_bstr(),
            time: &time,
        };
        self.repository
            .edit_references_as([edit], Some(committer))
            .map_err(|_| moved())?;
        Ok(())
    }

    /// Brings one index entry to what the tree and the file say.
    fn stage(
        &self,
        index: &mut gix::index::File,
        snapshot: &Snapshot,
        tree: ObjectId,
        path: &RepoPath,
    ) -> Result<(), WorkTreeError> {
        let name = path.as_bytes().as_bstr();
        index.remove_entries(|_, entry, _| entry == name);
        let Some(entry) = snapshot.lookup(&tree, path)? else {
            return Ok(());
        };
        let file = self.root.join(files::to_path(path));
        let storage = |source| WorkTreeError::Storage {
            path: file.clone(),
            source,
        };
        let metadata = gix::index::fs::Metadata::from_path_no_follow(&file).map_err(storage)?;
        let stat = Stat::from_fs(&metadata).map_err(|error| storage(io::Error::other(error)))?;
        let mode = if entry.kind == EntryKind::Executable {
            Mode::FILE_EXECUTABLE
        } else {
            Mode::FILE
        };
        index.dangerously_push_entry(stat, entry.id.to_gix(), Flags::empty(), mode, name);
        Ok(())
    }

    fn index_error(&self, detail: String) -> WorkTreeError {
        WorkTreeError::Index {
            path: self.root.clone(),
            detail,
        }
    }
}

impl std::fmt::Debug for WorkTree {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "WorkTree({}, {})", self.root.display(), self.branch)
    }
}
