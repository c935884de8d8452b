//! Remembers which files of a Git tree carry markers, so that a run costs what changed and not what there is.

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::hash::Hash;
use std::sync::Arc;

use super::{Located, is_candidate, locate, mentions_marker};
use crate::image::PolicyKey;

/// Deepest directory that is looked at, counted from where the walk begins.
const MAX_DEPTH: usize = 500;

/// Most marker files that one walk returns. A tree can name one subtree many times, so that a small repository has
/// more paths than memory holds.
const MAX_FILES: usize = 100_000;

/// How many different starting points the index keeps everything for.
const KEPT_ROOTS: usize = 16;

/// Below this many remembered objects nothing is ever dropped.
const MIN_SWEEP: usize = 4_096;

/// A name for the content of a file or directory: equal ids, equal content. Git's object ids are.
pub trait ObjectId: Clone + Eq + Hash {}

impl<T: Clone + Eq + Hash> ObjectId for T {}

/// What an entry of a directory is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EntryKind {
    /// A directory.
    Tree,
    /// A regular file.
    File,
    /// A symbolic link, a submodule, or anything else that is never followed.
    Other,
}

/// An entry of a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry<Id> {
    /// Its name, without any `/`.
    pub name: String,
    /// Its content.
    pub id: Id,
    /// What it is.
    pub kind: EntryKind,
}

/// Gives directories and files by their ids. An id that was given once is asked for again only after it was
/// dropped from the index, or after an error.
pub trait TreeSource {
    /// How objects are named.
    type Id: ObjectId;
    /// Why an object could not be read.
    type Error;

    /// Lists a directory, in the order in which its files shall be returned. Entries whose names are not UTF-8
    /// are left out.
    fn entries(&mut self, tree: &Self::Id) -> Result<Vec<Entry<Self::Id>>, Self::Error>;

    /// Reads a file.
    fn blob(&mut self, id: &Self::Id) -> Result<Vec<u8>, Self::Error>;
}

/// A file that mentions markers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MarkerFile<Id> {
    /// Its path from the repository's root, `/`-separated.
    pub path: String,
    /// Its content.
    pub id: Id,
    /// Its markers, good and bad; shared by all files of the same content.
    pub located: Arc<Located>,
}

impl<Id> MarkerFile<Id> {
    /// The policies that set a scalar of this file.
    #[must_use]
    pub fn policies(&self) -> BTreeSet<&PolicyKey> {
        self.located
            .scalars
            .iter()
            .map(|scalar| &scalar.marker.policy)
            .collect()
    }
}

/// Why a walk ended early.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WalkError<E> {
    /// The source failed; what was learned before it did is kept.
    #[error(transparent)]
    Source(#[from] E),
    /// More files than a walk returns.
    #[error("more than {MAX_FILES} files carry markers")]
    TooManyFiles,
}

/// A directory that was listed.
struct Directory<Id> {
    /// Its subdirectories and candidate files.
    children: Arc<[Entry<Id>]>,
    /// Whether markers are anywhere below; nothing until that was looked up.
    carries: Option<bool>,
}

/// Which files of which trees carry markers, by content.
///
/// Each directory is listed once and each file scanned once for as long as one of the last 16 different starting
/// points reaches it; branches that share content share the work. Results depend on ids alone, so one index serves
/// any number of repositories that have the same kind of ids.
pub struct MarkerIndex<Id> {
    directories: HashMap<Id, Directory<Id>>,
    files: HashMap<Id, Option<Arc<Located>>>,
    roots: VecDeque<Id>,
    sweep_above: usize,
}

impl<Id: ObjectId> Default for MarkerIndex<Id> {
    fn default() -> Self {
        Self {
            directories: HashMap::new(),
            files: HashMap::new(),
            roots: VecDeque::new(),
            sweep_above: MIN_SWEEP,
        }
    }
}

impl<Id: ObjectId> MarkerIndex<Id> {
    /// The files at or below `path` that mention markers, in the order of the tree.
    ///
    /// `path` is relative to the root `tree`; `.`, empty segments and a leading or trailing `/` are ignored. It may
    /// name a file. A path that does not exist gives no files; one that goes up (`..`) does not exist.
    ///
    /// # Errors
    /// When the source fails, or there are more than 100,000 files.
    pub fn walk<S: TreeSource<Id = Id>>(
        &mut self,
        source: &mut S,
        tree: &Id,
        path: &str,
    ) -> Result<Vec<MarkerFile<Id>>, WalkError<S::Error>> {
        self.remember(tree);
        let mut found = Vec::new();
        let Some((start, prefix)) = self.resolve(source, tree, path)? else {
            return Ok(found);
        };
        match start.kind {
            EntryKind::Tree if self.carries(source, &start.id, 0)? => {
                self.collect(&start.id, &prefix, &mut found)
                    .map_err(|TooMany| WalkError::TooManyFiles)?;
            }
            EntryKind::File => {
                if let Some(located) = self.file(source, &start.id)? {
                    found.push(MarkerFile {
                        path: prefix,
                        id: start.id,
                        located,
                    });
                }
            }
            EntryKind::Tree | EntryKind::Other => {}
        }
        self.sweep();
        Ok(found)
    }

    /// How many directories and files the index remembers.
    #[must_use]
    pub fn len(&self) -> usize {
        self.directories.len() + self.files.len()
    }

    /// Whether the index remembers nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn remember(&mut self, root: &Id) {
        self.roots.retain(|kept| kept != root);
        self.roots.push_front(root.clone());
        self.roots.truncate(KEPT_ROOTS);
    }

    fn resolve<S: TreeSource<Id = Id>>(
        &mut self,
        source: &mut S,
        tree: &Id,
        path: &str,
    ) -> Result<Option<(Entry<Id>, String)>, S::Error> {
        let mut entry = Entry {
            name: String::new(),
            id: tree.clone(),
            kind: EntryKind::Tree,
        };
        let mut prefix = String::new();
        for segment in path.split('/').filter(|segment| !matches!(*segment, "" | ".")) {
            if entry.kind != EntryKind::Tree {
                return Ok(None);
            }
            let children = self.children(source, &entry.id)?;
            let Some(child) = children.iter().find(|child| child.name == segment) else {
                return Ok(None);
            };
            entry = child.clone();
            join(&mut prefix, segment);
        }
        Ok(Some((entry, prefix)))
    }

    fn children<S: TreeSource<Id = Id>>(
        &mut self,
        source: &mut S,
        tree: &Id,
    ) -> Result<Arc<[Entry<Id>]>, S::Error> {
        if let Some(directory) = self.directories.get(tree) {
            return Ok(Arc::clone(&directory.children));
        }
        let mut children = source.entries(tree)?;
        children.retain(|entry| match entry.kind {
            EntryKind::Tree => true,
            EntryKind::File => is_candidate(&entry.name),
            EntryKind::Other => false,
        });
        let children: Arc<[_]> = children.into();
        let directory = Directory {
            children: Arc::clone(&children),
            carries: None,
        };
        self.directories.insert(tree.clone(), directory);
        Ok(children)
    }

    /// Whether markers are anywhere below `tree`; afterwards everything below is known.
    fn carries<S: TreeSource<Id = Id>>(
        &mut self,
        source: &mut S,
        tree: &Id,
        depth: usize,
    ) -> Result<bool, S::Error> {
        if depth > MAX_DEPTH {
            return Ok(false);
        }
        if let Some(carries) = self.directories.get(tree).and_then(|directory| directory.carries) {
            return Ok(carries);
        }
        let mut carries = false;
        for child in self.children(source, tree)?.iter() {
            carries |= match child.kind {
                EntryKind::Tree => self.carries(source, &child.id, depth + 1)?,
                EntryKind::File => self.file(source, &child.id)?.is_some(),
                EntryKind::Other => false,
            };
        }
        if let Some(directory) = self.directories.get_mut(tree) {
            directory.carries = Some(carries);
        }
        Ok(carries)
    }

    fn file<S: TreeSource<Id = Id>>(
        &mut self,
        source: &mut S,
        id: &Id,
    ) -> Result<Option<Arc<Located>>, S::Error> {
        if let Some(known) = self.files.get(id) {
            return Ok(known.clone());
        }
        let content = source.blob(id)?;
        let located = mentions_marker(&content).then(|| Arc::new(locate(&content)));
        self.files.insert(id.clone(), located.clone());
        Ok(located)
    }

    fn collect(&self, tree: &Id, prefix: &str, found: &mut Vec<MarkerFile<Id>>) -> Result<(), TooMany> {
        let Some(directory) = self
            .directories
            .get(tree)
            .filter(|directory| directory.carries == Some(true))
        else {
            return Ok(());
        };
        for child in directory.children.iter() {
            let mut path = prefix.to_owned();
            join(&mut path, &child.name);
            if child.kind == EntryKind::Tree {
                self.collect(&child.id, &path, found)?;
            } else if let Some(Some(located)) = self.files.get(&child.id) {
                if found.len() >= MAX_FILES {
                    return Err(TooMany);
                }
                found.push(MarkerFile {
                    path,
                    id: child.id.clone(),
                    located: Arc::clone(located),
                });
            }
        }
        Ok(())
    }

    /// Drops what the last starting points do not reach, once as much again was learned as was kept the last time.
    fn sweep(&mut self) {
        if self.len() <= self.sweep_above {
            return;
        }
        let mut reached = HashSet::new();
        let mut pending: Vec<Id> = self.roots.iter().cloned().collect();
        while let Some(id) = pending.pop() {
            if let Some(directory) = self.directories.get(&id)
                && !reached.contains(&id)
            {
                pending.extend(directory.children.iter().map(|child| child.id.clone()));
            }
            reached.insert(id);
        }
        self.directories.retain(|id, _| reached.contains(id));
        self.files.retain(|id, _| reached.contains(id));
        self.sweep_above = MIN_SWEEP.max(self.len() * 2);
    }
}

/// A walk found more files than it may return.
struct TooMany;

fn join(path: &mut String, segment: &str) {
    if !path.is_empty() {
        path.push('/');
    }
    path.push_str(segment);
}
