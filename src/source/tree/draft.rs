//! A tree while it is put together: a commit, its submodules, what it includes; then what is ignored is taken out.

use std::ops::ControlFlow;

use fluxbot_git::{EntryKind, ObjectId, ReadError, RepoPath, Snapshot};

use super::super::ignore::{IGNORE_FILE, IgnoreMatcher, IgnoreRules};
use super::{ArtifactTree, Content, Directory, Node, TreeError, UnpackLimits};

/// The file that says where the submodules of a commit come from.
const MODULES_FILE: &str = ".gitmodules";

/// Deepest nesting of folders.
const DEEPEST: usize = 512;

/// The files of a commit, not finished.
pub(in crate::source) struct Draft {
    root: Directory,
    /// How many files and folders were put into it.
    entries: usize,
    /// Where the blobs are; those of the commit itself come first.
    snapshots: Vec<Snapshot>,
    modules: Option<ObjectId>,
    gitlinks: Vec<(RepoPath, ObjectId)>,
    /// Ignore files that are symbolic links.
    linked: Vec<String>,
}

/// Files of another source cannot be put into a tree.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IncludeError {
    /// They are not there.
    #[error("cannot stat {0}: no such file or directory")]
    Missing(String),
    /// Something is in their place.
    #[error("{0} exists already and is not empty")]
    Occupied(String),
    /// A folder on the way to their place is a file.
    #[error("{0} is not a directory")]
    NotADirectory(String),
    /// Sources that include each other grow with each turn.
    #[error("the files are nested deeper than 512 folders")]
    TooDeep,
    /// Sources that include others several times grow with each of them.
    #[error("the files are more than {0} with those of the other source")]
    TooMany(usize),
}

impl Draft {
    /// The files of a commit; with `sparse` those only whose path begins with one of its texts, letter by letter.
    pub(in crate::source) fn of_commit(
        snapshot: &Snapshot,
        commit: &ObjectId,
        sparse: &[String],
    ) -> Result<Self, TreeError> {
        let tree = snapshot.commit(commit)?.tree;
        let mut draft = Self {
            root: Directory::default(),
            entries: 0,
            snapshots: vec![snapshot.clone()],
            modules: None,
            gitlinks: Vec::new(),
            linked: Vec::new(),
        };
        let prefixes: Vec<&[u8]> = sparse
            .iter()
            .map(|text| text.strip_prefix("./").unwrap_or(text).as_bytes())
            .collect();
        let is_wanted = |path: &RepoPath| {
            prefixes.is_empty() || prefixes.iter().any(|prefix| path.as_bytes().starts_with(prefix))
        };
        let mut overflow = None;
        snapshot.walk(&tree, &mut |path, entry| {
            // What is left out is not entered, so that the walk ends soon.
            if overflow.is_some() {
                return ControlFlow::Break(());
            }
            if path.as_bytes() == MODULES_FILE.as_bytes() && entry.kind.is_file() {
                draft.modules = Some(entry.id);
            }
            // A folder stands for itself only where all are taken; otherwise its files bring it.
            if !(is_wanted(path) && (prefixes.is_empty() || entry.kind != EntryKind::Tree)) {
                return ControlFlow::Continue(());
            }
            if let Err(error) = draft.charge(1) {
                overflow = Some(error);
                return ControlFlow::Break(());
            }
            let node = match entry.kind {
                EntryKind::Tree => Node::Directory(Directory::default()),
                EntryKind::Blob | EntryKind::Executable => Node::File {
                    executable: entry.kind == EntryKind::Executable,
                    content: Content::Blob(entry.id, 0),
                },
                EntryKind::Symlink => {
                    if entry.name == IGNORE_FILE.as_bytes() {
                        draft.linked.push(path.to_string());
                    }
                    return ControlFlow::Continue(());
                }
                EntryKind::Submodule => {
                    draft.gitlinks.push((path.clone(), entry.id));
                    return ControlFlow::Continue(());
                }
            };
            let mut names: Vec<&[u8]> = path.names().collect();
            if let (Some(name), Ok(folder)) = (names.pop(), folder_at(&mut draft.root, &names)) {
                folder.entries.insert(name.into(), node);
            }
            ControlFlow::Continue(())
        })?;
        overflow.map_or(Ok(draft), |TooMany(limit)| Err(too_many(limit)))
    }

    /// Counts files and folders before they are put in. Few objects of Git can stand for any number of them.
    fn charge(&mut self, count: usize) -> Result<(), TooMany> {
        let limit = UnpackLimits::default().most_entries;
        self.entries = self.entries.saturating_add(count);
        if self.entries > limit {
            return Err(TooMany(limit));
        }
        Ok(())
    }

    /// Where commits of other repositories stand, and which.
    pub(in crate::source) fn gitlinks(&self) -> &[(RepoPath, ObjectId)] {
        &self.gitlinks
    }

    /// The content of `.gitmodules`.
    pub(in crate::source) fn modules(&self) -> Result<Option<Vec<u8>>, ReadError> {
        match (&self.modules, self.snapshots.first()) {
            (Some(id), Some(snapshot)) => snapshot.blob(id).map(Some),
            _ => Ok(None),
        }
    }

    /// Whether something is at a path, a submodule included. A sparse checkout asks, whose paths need not be in any clean form.
    pub(in crate::source) fn has(&self, path: &str) -> bool {
        let names = names(path);
        let is_link = |link: &RepoPath| {
            link.names()
                .map(Some)
                .eq(names.iter().map(|name| Some(name.as_bytes())))
        };
        find(&self.root, &names).is_some() || self.gitlinks.iter().any(|(link, _)| is_link(link))
    }

    /// Puts the files of a submodule into its place.
    pub(in crate::source) fn put(&mut self, at: &RepoPath, other: &Self) -> Result<(), TreeError> {
        self.charge(other.entries)
            .map_err(|TooMany(limit)| too_many(limit))?;
        let names: Vec<&[u8]> = at.names().collect();
        if names.len() + 1 + depth_below(&other.root) > DEEPEST {
            return Err(TreeError::TooLarge {
                limit: DEEPEST as u64,
                unit: "nested folders",
            });
        }
        let from = self.snapshots.len();
        if let Ok(folder) = folder_at(&mut self.root, &names) {
            *folder = grafted(&other.root, from);
        }
        self.snapshots.extend(other.snapshots.iter().cloned());
        let linked = other.linked.iter();
        self.linked.extend(linked.map(|path| format!("{at}/{path}")));
        Ok(())
    }

    /// Puts what another source has at `from` to `to`, as Flux moves it there: into a new or an empty folder, or over a file.
    /// `..` does not lead out of either.
    pub(in crate::source) fn include(
        &mut self,
        tree: &ArtifactTree,
        from: &str,
        to: &str,
    ) -> Result<(), IncludeError> {
        let source = names(from);
        let found = match source.as_slice() {
            [] => Found::Root(tree.root()),
            names => {
                Found::Node(find(tree.root(), names).ok_or_else(|| IncludeError::Missing(source.join("/")))?)
            }
        };
        let count = match &found {
            Found::Root(root) => entries_below(root),
            Found::Node(node) => entries(node),
        };
        self.charge(count)
            .map_err(|TooMany(limit)| IncludeError::TooMany(limit))?;
        let target = names(to);
        let offset = self.snapshots.len();
        let node = match found {
            Found::Root(root) => Node::Directory(grafted(root, offset)),
            Found::Node(node) => grafted_node(node, offset),
        };
        if target.len() + depth(&node) > DEEPEST {
            return Err(IncludeError::TooDeep);
        }
        let occupied = || IncludeError::Occupied(target.join("/"));
        let Some((name, folders)) = target.split_last() else {
            match node {
                Node::Directory(root) if self.root.entries.is_empty() => self.root = root,
                _ => return Err(IncludeError::Occupied(".".to_owned())),
            }
            self.snapshots.extend(tree.snapshots().iter().cloned());
            return Ok(());
        };
        let folders: Vec<&[u8]> = folders.iter().map(|name| name.as_bytes()).collect();
        let folder = folder_at(&mut self.root, &folders).map_err(IncludeError::NotADirectory)?;
        match (folder.entries.get(name.as_bytes()), &node) {
            (None, _) | (Some(Node::File { .. }), Node::File { .. }) => {}
            (Some(Node::Directory(there)), Node::Directory(_)) if there.entries.is_empty() => {}
            (Some(Node::File { .. }), Node::Directory(_)) => {
                return Err(IncludeError::NotADirectory(target.join("/")));
            }
            (Some(Node::Directory(_)), _) => return Err(occupied()),
        }
        folder.entries.insert(name.as_bytes().into(), node);
        self.snapshots.extend(tree.snapshots().iter().cloned());
        Ok(())
    }

    /// Takes out what the ignore files in it and `ignore` (`spec.ignore`) leave out.
    pub(in crate::source) fn finish(self, ignore: Option<&str>) -> Result<ArtifactTree, TreeError> {
        if let Some(path) = self.linked.first() {
            return Err(TreeError::LinkedIgnore { path: path.clone() });
        }
        let root = without_ignored(self.root, &self.snapshots, ignore)?;
        Ok(ArtifactTree::new(root, self.snapshots))
    }
}

/// A folder without what its ignore files and `ignore` leave out.
pub(super) fn without_ignored(
    mut root: Directory,
    snapshots: &[Snapshot],
    ignore: Option<&str>,
) -> Result<Directory, TreeError> {
    let mut rules = IgnoreRules::default();
    add_rules(&root, snapshots, &mut Vec::new(), &mut rules)?;
    rules
        .add(ignore.unwrap_or_default().as_bytes(), &[])
        .map_err(|source| TreeError::Ignore {
            path: "spec.ignore".to_owned(),
            source,
        })?;
    prune(&mut root, &rules.matcher(), &mut Vec::new());
    Ok(root)
}

/// More files and folders than a tree may have.
struct TooMany(usize);

fn too_many(limit: usize) -> TreeError {
    TreeError::TooLarge {
        limit: limit as u64,
        unit: "entries",
    }
}

enum Found<'t> {
    Root(&'t Directory),
    Node(&'t Node),
}

/// The names of a path; `..` leads to the folder above, and not out of the root.
fn names(path: &str) -> Vec<&str> {
    let mut names = Vec::new();
    for name in path.split('/') {
        match name {
            "" | "." => {}
            ".." => {
                names.pop();
            }
            name => names.push(name),
        }
    }
    names
}

/// What is at a path; nothing is at the root itself.
fn find<'t>(root: &'t Directory, names: &[&str]) -> Option<&'t Node> {
    let (name, folders) = names.split_last()?;
    let mut directory = root;
    for folder in folders {
        match directory.entries.get(folder.as_bytes())? {
            Node::Directory(below) => directory = below,
            Node::File { .. } => return None,
        }
    }
    directory.entries.get(name.as_bytes())
}

/// A folder, made where it is not there. The error is the path of a file on the way.
fn folder_at<'t>(root: &'t mut Directory, names: &[&[u8]]) -> Result<&'t mut Directory, String> {
    let mut directory = root;
    for (index, name) in names.iter().enumerate() {
        let below = directory
            .entries
            .entry((*name).into())
            .or_insert_with(|| Node::Directory(Directory::default()));
        match below {
            Node::Directory(below) => directory = below,
            Node::File { .. } => {
                let path = names.get(..=index).unwrap_or_default().join(&b'/');
                return Err(String::from_utf8_lossy(&path).into_owned());
            }
        }
    }
    Ok(directory)
}

/// A copy whose blobs are in the snapshots from `offset` on.
fn grafted(directory: &Directory, offset: usize) -> Directory {
    let entries = directory.entries.iter();
    Directory {
        entries: entries
            .map(|(name, node)| (name.clone(), grafted_node(node, offset)))
            .collect(),
        is_ignored: false,
    }
}

fn grafted_node(node: &Node, offset: usize) -> Node {
    match node {
        Node::Directory(below) => Node::Directory(grafted(below, offset)),
        Node::File { executable, content } => Node::File {
            executable: *executable,
            content: match content {
                Content::Blob(id, snapshot) => Content::Blob(*id, snapshot + offset),
                Content::Memory(bytes, id) => Content::Memory(bytes.clone(), *id),
            },
        },
    }
}

fn depth(node: &Node) -> usize {
    match node {
        Node::File { .. } => 0,
        Node::Directory(directory) => 1 + depth_below(directory),
    }
}

fn depth_below(directory: &Directory) -> usize {
    directory.entries.values().map(depth).max().unwrap_or_default()
}

/// How many files and folders a node is, itself included.
fn entries(node: &Node) -> usize {
    match node {
        Node::File { .. } => 1,
        Node::Directory(directory) => 1 + entries_below(directory),
    }
}

fn entries_below(directory: &Directory) -> usize {
    directory.entries.values().map(entries).sum()
}

/// Adds the patterns of all ignore files in the order of a walk by name: a folder before those below it.
fn add_rules(
    directory: &Directory,
    snapshots: &[Snapshot],
    path: &mut Vec<Box<[u8]>>,
    rules: &mut IgnoreRules,
) -> Result<(), TreeError> {
    if let Some(Node::File { content, .. }) = directory.entries.get(IGNORE_FILE.as_bytes()) {
        let content = content.read(snapshots)?;
        let folders: Vec<&[u8]> = path.iter().map(|name| &**name).collect();
        rules.add(&content, &folders).map_err(|source| {
            let mut file = folders.join(&b'/');
            if !file.is_empty() {
                file.push(b'/');
            }
            file.extend_from_slice(IGNORE_FILE.as_bytes());
            TreeError::Ignore {
                path: String::from_utf8_lossy(&file).into_owned(),
                source,
            }
        })?;
    }
    for (name, node) in &directory.entries {
        if let Node::Directory(below) = node {
            path.push(name.clone());
            add_rules(below, snapshots, path, rules)?;
            path.pop();
        }
    }
    Ok(())
}

/// Takes out what is ignored. A folder that is ignored stays for what is in it and not ignored.
fn prune(directory: &mut Directory, matcher: &IgnoreMatcher, path: &mut Vec<Box<[u8]>>) {
    directory.entries.retain(|name, node| {
        path.push(name.clone());
        let segments: Vec<&[u8]> = path.iter().map(|name| &**name).collect();
        let ignored = matcher.ignores(&segments, matches!(node, Node::Directory(_)));
        let stays = match node {
            Node::File { .. } => !ignored,
            Node::Directory(below) => {
                below.is_ignored = ignored;
                prune(below, matcher, path);
                !ignored || !below.entries.is_empty()
            }
        };
        path.pop();
        stays
    });
}

#[cfg(test)]
mod tests;
