//! From commits and tags to all objects below them.

use crate::ObjectId;
use crate::pack::{Object, ObjectKind, Packs};
use gix::hash::Kind as HashKind;
use gix::objs::{CommitRefIter, TagRefIter, TreeRefIter};
use std::collections::HashSet;

/// Objects by their names.
pub(super) trait Source {
    /// Why an object cannot be had.
    type Failure;

    /// Reads a commit, tag or tree.
    fn read(&self, id: ObjectId) -> Result<Object, Self::Failure>;

    /// Checks that a file is there, without reading it.
    fn check_blob(&self, id: ObjectId) -> Result<(), Self::Failure>;

    /// What to say of an object that cannot be understood.
    fn malformed(&self, id: ObjectId, error: &gix::Error) -> Self::Failure;
}

/// All objects that commits and tags lead to, their parents left out, in the order in which they are met.
///
/// What `known` names is neither read nor among them, nor is what lies below it.
pub(super) fn below<S: Source>(
    source: &S,
    tips: impl IntoIterator<Item = ObjectId>,
    known: impl Fn(ObjectId) -> bool,
) -> Result<Vec<ObjectId>, S::Failure> {
    let mut pending: Vec<ObjectId> = tips.into_iter().collect();
    let tips: HashSet<ObjectId> = pending.iter().copied().collect();
    let mut seen = HashSet::new();
    let mut found = Vec::new();
    while let Some(id) = pending.pop() {
        if (known(id) && !tips.contains(&id)) || !seen.insert(id) {
            continue;
        }
        found.push(id);
        let Object { kind, data } = source.read(id)?;
        let malformed = |error: gix::Error| source.malformed(id, &error);
        match kind {
            ObjectKind::Commit => {
                let tree = CommitRefIter::from_bytes(&data, HashKind::Sha1).tree_id();
                pending.push(ObjectId::from_gix(&tree.map_err(malformed)?));
            }
            ObjectKind::Tag => {
                let target = TagRefIter::from_bytes(&data, HashKind::Sha1).target_id();
                pending.push(ObjectId::from_gix(&target.map_err(malformed)?));
            }
            ObjectKind::Tree => {
                for entry in TreeRefIter::from_bytes(&data, HashKind::Sha1) {
                    let entry = entry.map_err(malformed)?;
                    let child = ObjectId::from_gix(entry.oid);
                    if entry.mode.is_tree() {
                        pending.push(child);
                    } else if !entry.mode.is_commit() && !known(child) && seen.insert(child) {
                        source.check_blob(child)?;
                        found.push(child);
                    }
                }
            }
            ObjectKind::Blob => {}
        }
    }
    Ok(found)
}

/// All objects of a mirror that commits and tags lead to; an error when one is missing.
pub(super) fn reachable(
    packs: &Packs,
    tips: impl IntoIterator<Item = ObjectId>,
) -> Result<HashSet<ObjectId>, String> {
    below(packs, tips, |_| false).map(|found| found.into_iter().collect())
}

impl Source for Packs {
    type Failure = String;

    fn read(&self, id: ObjectId) -> Result<Object, String> {
        Self::read(self, id)?.ok_or_else(|| format!("object {id} is missing"))
    }

    fn check_blob(&self, id: ObjectId) -> Result<(), String> {
        if self.contains(id) {
            Ok(())
        } else {
            Err(format!("object {id} is missing"))
        }
    }

    fn malformed(&self, id: ObjectId, error: &gix::Error) -> String {
        format!("object {id} is malformed: {error}")
    }
}
