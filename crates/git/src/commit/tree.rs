//! Editing of trees: only directories on the paths of changed files are read and written.

use super::{CommitError, Edit, FileKind, NewObject};
use crate::pack::encode::delta;
use crate::pack::{Object, ObjectKind};
use crate::{EntryKind, ObjectId, RepoPath, Snapshot, TreeEntry};
use std::collections::{BTreeMap, HashMap, HashSet};

/// Collects the objects that edits bring about.
pub(super) struct Editor<'a> {
    snapshot: &'a Snapshot,
    objects: Vec<NewObject>,
    known: HashSet<ObjectId>,
}

/// What happens in one directory, by name.
#[derive(Default)]
struct Directory<'a> {
    files: BTreeMap<&'a [u8], (&'a RepoPath, &'a Edit)>,
    directories: BTreeMap<&'a [u8], Self>,
}

impl<'a> Editor<'a> {
    pub(super) fn new(snapshot: &'a Snapshot) -> Self {
        Self {
            snapshot,
            objects: Vec::new(),
            known: HashSet::new(),
        }
    }

    /// The root tree after the edits.
    pub(super) fn apply(
        &mut self,
        root: Option<ObjectId>,
        edits: &BTreeMap<RepoPath, Edit>,
    ) -> Result<ObjectId, CommitError> {
        let mut directory = Directory::default();
        for (path, edit) in edits {
            directory.insert(path, edit)?;
        }
        Ok(self.edit(root, &directory)?.unwrap_or(ObjectId::EMPTY_TREE))
    }

    pub(super) fn into_objects(self) -> Vec<NewObject> {
        self.objects
    }

    /// The tree after the edits, or `None` when nothing is left in it.
    fn edit(
        &mut self,
        tree: Option<ObjectId>,
        edits: &Directory<'_>,
    ) -> Result<Option<ObjectId>, CommitError> {
        let old = tree
            .map(|tree| self.snapshot.tree_entries(&tree))
            .transpose()?
            .unwrap_or_default();
        let modes = match tree {
            Some(tree) => unusual_modes(&self.snapshot.raw(&tree)?, &old),
            None => HashMap::new(),
        };
        let mut entries: BTreeMap<Vec<u8>, TreeEntry> =
            old.into_iter().map(|entry| (entry.name.clone(), entry)).collect();
        // Files go first, so that a file can make room for a directory in the same commit.
        for (name, (path, edit)) in &edits.files {
            self.edit_file(&mut entries, name, path, edit)?;
        }
        for (name, directory) in &edits.directories {
            let old = entries.get(*name);
            if let Some(entry) = old.filter(|entry| entry.kind != EntryKind::Tree) {
                if directory.only_removes() {
                    continue;
                }
                let problem = match entry.kind {
                    EntryKind::Symlink => "a symbolic link is where a directory should be",
                    EntryKind::Submodule => "a submodule is where a directory should be",
                    _ => "a file is where a directory should be",
                };
                return Err(CommitError::Conflict {
                    path: directory.any_path(),
                    problem,
                });
            }
            match self.edit(old.map(|entry| entry.id), directory)? {
                Some(id) => {
                    let entry = TreeEntry {
                        name: name.to_vec(),
                        kind: EntryKind::Tree,
                        id,
                    };
                    entries.insert(name.to_vec(), entry);
                }
                None => {
                    entries.remove(*name);
                }
            }
        }
        if entries.is_empty() {
            return Ok(None);
        }
        self.store(
            ObjectKind::Tree,
            encode_tree(entries.into_values().collect(), &modes),
            tree,
        )
        .map(Some)
    }

    fn edit_file(
        &mut self,
        entries: &mut BTreeMap<Vec<u8>, TreeEntry>,
        name: &[u8],
        path: &RepoPath,
        edit: &Edit,
    ) -> Result<(), CommitError> {
        let old = entries.get(name);
        let conflict = |problem| CommitError::Conflict {
            path: path.clone(),
            problem,
        };
        match old.map(|entry| entry.kind) {
            Some(EntryKind::Tree) => return Err(conflict("a directory is in its place")),
            Some(EntryKind::Symlink) => return Err(conflict("a symbolic link is in its place")),
            Some(EntryKind::Submodule) => return Err(conflict("a submodule is in its place")),
            Some(EntryKind::Blob | EntryKind::Executable) | None => {}
        }
        match edit {
            Edit::Remove => {
                entries.remove(name);
            }
            Edit::Write { content, kind } => {
                let base = old.map(|entry| entry.id);
                let kind = match kind {
                    Some(FileKind::Plain) => EntryKind::Blob,
                    Some(FileKind::Executable) => EntryKind::Executable,
                    None => old.map_or(EntryKind::Blob, |entry| entry.kind),
                };
                let id = self.store(ObjectKind::Blob, content.clone(), base)?;
                entries.insert(
                    name.to_vec(),
                    TreeEntry {
                        name: name.to_vec(),
                        kind,
                        id,
                    },
                );
            }
        }
        Ok(())
    }

    /// Takes in an object, unless it equals the one that it replaces.
    fn store(
        &mut self,
        kind: ObjectKind,
        data: Vec<u8>,
        old: Option<ObjectId>,
    ) -> Result<ObjectId, CommitError> {
        let object = Object { kind, data };
        let id = object.id().map_err(CommitError::Hash)?;
        if old != Some(id) && self.known.insert(id) {
            let base = old.and_then(|old| self.snapshot.raw(&old).ok().map(|data| (old, data)));
            let delta = base.and_then(|(base, data)| Some((base, delta(kind, &data, &object.data)?)));
            self.objects.push(NewObject { id, object, delta });
        }
        Ok(id)
    }
}

impl<'a> Directory<'a> {
    fn insert(&mut self, path: &'a RepoPath, edit: &'a Edit) -> Result<(), CommitError> {
        let mut names: Vec<&[u8]> = path.names().collect();
        let file = names.pop().unwrap_or_default();
        let mut directory = self;
        for name in names {
            directory = directory.directories.entry(name).or_default();
        }
        directory.files.insert(file, (path, edit));
        // `a` as a file and `a/b` cannot both be written, whatever comes first.
        let writes = |directory: &Directory<'_>, name: &[u8]| {
            directory
                .files
                .get(name)
                .is_some_and(|(_, edit)| matches!(edit, Edit::Write { .. }))
                && directory
                    .directories
                    .get(name)
                    .is_some_and(|below| !below.only_removes())
        };
        if writes(directory, file) {
            return Err(CommitError::Conflict {
                path: path.clone(),
                problem: "a directory is in its place",
            });
        }
        Ok(())
    }

    fn only_removes(&self) -> bool {
        self.files.values().all(|(_, edit)| **edit == Edit::Remove)
            && self.directories.values().all(Directory::only_removes)
    }

    fn any_path(&self) -> RepoPath {
        let file = self.files.values().next().map(|(path, _)| (*path).clone());
        let below = || self.directories.values().next().map(Directory::any_path);
        file.or_else(below).unwrap_or_else(|| RepoPath::below(None, b"?"))
    }
}

/// Modes of entries that are written in another way than Git writes them today, such as 100664.
type Modes = HashMap<Vec<u8>, (EntryKind, Vec<u8>)>;

/// Old repositories hold such modes; a commit that changed them would change files that nobody asked to change.
fn unusual_modes(tree: &[u8], entries: &[TreeEntry]) -> Modes {
    let mut modes = Modes::new();
    let mut rest = tree;
    for entry in entries {
        let end = rest.iter().position(|byte| *byte == b' ').unwrap_or(rest.len());
        let (mode, tail) = rest.split_at(end);
        if mode != usual_mode(entry.kind) {
            modes.insert(entry.name.clone(), (entry.kind, mode.to_vec()));
        }
        // The space, the name, NUL and the id.
        rest = tail.get(entry.name.len() + 22..).unwrap_or_default();
    }
    modes
}

fn usual_mode(kind: EntryKind) -> &'static [u8] {
    match kind {
        EntryKind::Tree => b"40000",
        EntryKind::Blob => b"100644",
        EntryKind::Executable => b"100755",
        EntryKind::Symlink => b"120000",
        EntryKind::Submodule => b"160000",
    }
}

/// Writes a tree; Git sorts directories as if their names ended with a slash.
fn encode_tree(mut entries: Vec<TreeEntry>, modes: &Modes) -> Vec<u8> {
    entries.sort_by_cached_key(|entry| {
        let mut key = entry.name.clone();
        if entry.kind == EntryKind::Tree {
            key.push(b'/');
        }
        key
    });
    let mut data = Vec::with_capacity(entries.len() * 48);
    for entry in entries {
        match modes.get(&entry.name) {
            Some((kind, mode)) if *kind == entry.kind => data.extend_from_slice(mode),
            _ => data.extend_from_slice(usual_mode(entry.kind)),
        }
        data.push(b' ');
        data.extend_from_slice(&entry.name);
        data.push(0);
        data.extend_from_slice(entry.id.as_bytes());
    }
    data
}
