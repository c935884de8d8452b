//! Decoding of objects that a server sent, with the checks that keep hostile ones out.

use super::{Commit, EntryKind, ReadError, TreeEntry};
use crate::path::check_name;
use crate::{ObjectId, Person, Timestamp};
use gix::hash::Kind as HashKind;
use gix::objs::{CommitRef, TagRefIter, TreeRefIter};
use std::collections::HashSet;

pub(super) fn commit(id: ObjectId, data: &[u8]) -> Result<Commit, ReadError> {
    let malformed = |problem: &str| ReadError::Malformed {
        id,
        problem: problem.to_owned(),
    };
    let commit =
        CommitRef::from_bytes(data, HashKind::Sha1).map_err(|error| malformed(&error.to_string()))?;
    let author = commit
        .author()
        .map_err(|_| malformed("its author cannot be read"))?;
    let committer = commit
        .committer()
        .map_err(|_| malformed("its committer cannot be read"))?;
    Ok(Commit {
        id,
        tree: ObjectId::from_gix(&commit.tree()),
        parents: commit
            .parents()
            .map(|parent| ObjectId::from_gix(&parent))
            .collect(),
        author: signature(author),
        committer: signature(committer),
        message: commit.message.to_string(),
        extra_headers: commit
            .extra_headers
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_string()))
            .collect(),
    })
}

pub(super) fn tag_target(id: ObjectId, data: &[u8]) -> Result<ObjectId, ReadError> {
    TagRefIter::from_bytes(data, HashKind::Sha1)
        .target_id()
        .map(|target| ObjectId::from_gix(&target))
        .map_err(|error| ReadError::Malformed {
            id,
            problem: error.to_string(),
        })
}

/// The entries of a tree.
///
/// Deviation: Git tells of names like `.git` only in `git fsck`; here they are an error, as is a name that comes twice,
/// since readers differ in which one they take (CVE-2026-45022).
pub(crate) fn tree(id: ObjectId, data: &[u8]) -> Result<Vec<TreeEntry>, ReadError> {
    let mut entries: Vec<TreeEntry> = Vec::with_capacity(data.len() / 40);
    for entry in TreeRefIter::from_bytes(data, HashKind::Sha1) {
        let entry = entry.map_err(|error| ReadError::Malformed {
            id,
            problem: error.to_string(),
        })?;
        let name: &[u8] = entry.filename;
        let hostile = |problem| ReadError::HostileEntry {
            id,
            name: crate::text::line(name).chars().take(120).collect(),
            problem,
        };
        check_name(name).map_err(hostile)?;
        if entries.last().is_some_and(|last| last.name == name) {
            return Err(hostile("the name comes twice"));
        }
        entries.push(TreeEntry {
            name: name.to_vec(),
            kind: entry_kind(entry.mode.kind()),
            id: ObjectId::from_gix(entry.oid),
        });
    }
    // In the order of Git equal names are neighbours, unless one is a directory; only then a set is needed.
    if !entries.is_sorted_by(|first, second| first.name < second.name) {
        let mut names = HashSet::with_capacity(entries.len());
        if let Some(twice) = entries.iter().find(|entry| !names.insert(&entry.name)) {
            let name = crate::text::line(&twice.name).chars().take(120).collect();
            return Err(ReadError::HostileEntry {
                id,
                name,
                problem: "the name comes twice",
            });
        }
    }
    Ok(entries)
}

fn entry_kind(kind: gix::objs::tree::EntryKind) -> EntryKind {
    match kind {
        gix::objs::tree::EntryKind::Tree => EntryKind::Tree,
        gix::objs::tree::EntryKind::Blob => EntryKind::Blob,
        gix::objs::tree::EntryKind::BlobExecutable => EntryKind::Executable,
        gix::objs::tree::EntryKind::Link => EntryKind::Symlink,
        gix::objs::tree::EntryKind::Commit => EntryKind::Submodule,
    }
}

fn signature(signature: gix::actor::SignatureRef<'_>) -> (Person, Timestamp) {
    let time = signature.time().unwrap_or_default();
    let person = Person {
        name: signature.name.to_string(),
        email: signature.email.to_string(),
    };
    (
        person,
        Timestamp {
            seconds: time.seconds,
            offset_minutes: time.offset / 60,
        },
    )
}
