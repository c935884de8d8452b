//! The tree of a commit, without what is ignored.

use fluxbot_git::{EntryKind, ObjectId, RepoPath, Snapshot};
use std::ops::ControlFlow;

use super::super::ignore::{IGNORE_FILE, IgnoreMatcher, IgnoreRules};
use super::{Content, Directory, Node, TreeError};

pub(super) fn read(
    snapshot: &Snapshot,
    commit: &ObjectId,
    ignore: Option<&str>,
) -> Result<Directory, TreeError> {
    let tree = snapshot.commit(commit)?.tree;
    let mut root = Directory::default();
    let mut ignore_files: Vec<(RepoPath, EntryKind, ObjectId)> = Vec::new();
    snapshot.walk(&tree, &mut |path, entry| {
        if entry.name == IGNORE_FILE.as_bytes() {
            ignore_files.push((path.clone(), entry.kind, entry.id));
        }
        let node = match entry.kind {
            EntryKind::Tree => Node::Directory(Directory::default()),
            EntryKind::Blob | EntryKind::Executable => Node::File {
                executable: entry.kind == EntryKind::Executable,
                content: Content::Blob(entry.id),
            },
            EntryKind::Symlink | EntryKind::Submodule => return ControlFlow::Continue(()),
        };
        insert(&mut root, path, node);
        ControlFlow::Continue(())
    })?;
    let matcher = rules(snapshot, ignore_files, ignore)?.matcher();
    prune(&mut root, &matcher, &mut Vec::new());
    Ok(root)
}

/// Puts a node at a path whose folder is there already.
fn insert(root: &mut Directory, path: &RepoPath, node: Node) {
    let mut names = path.names().peekable();
    let mut directory = root;
    while let Some(name) = names.next() {
        if names.peek().is_none() {
            directory.entries.insert(name.into(), node);
            return;
        }
        match directory.entries.get_mut(name) {
            Some(Node::Directory(below)) => directory = below,
            _ => return,
        }
    }
}

/// The patterns of all ignore files, and of `spec.ignore` behind them.
fn rules(
    snapshot: &Snapshot,
    mut files: Vec<(RepoPath, EntryKind, ObjectId)>,
    ignore: Option<&str>,
) -> Result<IgnoreRules, TreeError> {
    // The order of a walk by name, which is not Git's.
    files.sort_by(|(one, ..), (other, ..)| folders(one).cmp(&folders(other)));
    let mut rules = IgnoreRules::default();
    for (path, kind, id) in &files {
        match kind {
            EntryKind::Blob | EntryKind::Executable => {}
            EntryKind::Symlink => {
                return Err(TreeError::LinkedIgnore {
                    path: path.to_string(),
                });
            }
            EntryKind::Tree | EntryKind::Submodule => continue,
        }
        let content = snapshot.blob(id)?;
        rules
            .add(&content, &folders(path))
            .map_err(|source| TreeError::Ignore {
                path: path.to_string(),
                source,
            })?;
    }
    rules
        .add(ignore.unwrap_or_default().as_bytes(), &[])
        .map_err(|source| TreeError::Ignore {
            path: "spec.ignore".to_owned(),
            source,
        })?;
    Ok(rules)
}

/// The names of the folders of a file.
fn folders(path: &RepoPath) -> Vec<&[u8]> {
    let mut names: Vec<&[u8]> = path.names().collect();
    names.pop();
    names
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
