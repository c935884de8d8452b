//! Commits on top of each other, one for each automation that has changes, built in memory.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use fluxbot_git::{
    CommitError, CommitRequest, Edit, InvalidPath, ObjectId, Person, PreparedCommit, ReadError, RepoPath,
    SignError, Snapshot, Timestamp,
};

use super::message::{MessageData, RenderError};
use super::tree::SnapshotTree;
use super::{Commit, Landed, Target, Work, push_branch};
use crate::setters::{self, ChangeSet, Edited, MarkerIndex, WalkError};

/// Why the commits cannot be built. Nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum StackError {
    /// A path of the repository is hostile.
    #[error("failed to apply policies: invalid path in the repository: {0}")]
    Path(#[from] InvalidPath),
    /// The repository's content cannot be read.
    #[error("failed to apply policies: {0}")]
    Read(#[from] ReadError),
    /// `spec.update.path` names nothing.
    #[error("failed to apply policies: spec.update.path '{0}' does not exist on the branch")]
    NoPath(String),
    /// There are more files with markers than one run takes.
    #[error("failed to apply policies: {0}")]
    TooManyFiles(String),
    /// The message cannot be rendered.
    #[error("failed to update source: {0}")]
    Message(#[from] RenderError),
    /// The commit cannot be built.
    #[error("failed to update source: {0}")]
    Commit(#[from] CommitError),
    /// The commit cannot be signed.
    #[error("failed to update source: {0}")]
    Sign(#[from] SignError),
}

impl StackError {
    /// Whether the files were changed, and only the commit could not be made of them.
    #[must_use]
    pub fn is_of_commit(&self) -> bool {
        matches!(self, Self::Message(_) | Self::Commit(_) | Self::Sign(_))
    }
}

/// A commit in memory and the files that it changes.
#[derive(Debug, Clone)]
pub struct Layer {
    /// The commit.
    pub commit: PreparedCommit,
    /// The new content of the changed files.
    pub edits: BTreeMap<RepoPath, Edit>,
}

/// The commits of one attempt.
#[derive(Debug, Clone)]
pub struct Stack {
    /// The commit below the first layer.
    pub base: ObjectId,
    /// What became of each piece of work, in order.
    pub landed: Vec<Result<Landed, Arc<StackError>>>,
    /// The commits, the first at the bottom. Work without changes has none.
    pub layers: Vec<Layer>,
}

impl Stack {
    /// Makes it as if nothing had to be changed.
    pub(super) fn forget_commits(&mut self) {
        self.layers.clear();
        for landed in self.landed.iter_mut().flatten() {
            landed.commit = None;
            landed.changes.files.clear();
        }
    }

    /// Tells what failed on other ground where there was nothing to commit on this one.
    pub(super) fn keep_failures(&mut self, elsewhere: Vec<Result<Landed, Arc<StackError>>>) {
        for (landed, other) in self.landed.iter_mut().zip(elsewhere) {
            if other.is_err() && landed.as_ref().is_ok_and(|landed| landed.commit.is_none()) {
                *landed = other;
            }
        }
    }
}

/// The commit that the next one is built on.
struct Top {
    snapshot: Snapshot,
    id: ObjectId,
    tree: ObjectId,
}

/// Whose the branch is that gets the commits.
#[derive(Debug, Clone, Copy)]
pub(super) enum Ownership {
    /// That of people: it is also what was checked out.
    Shared,
    /// Ours, and so are its commits, which are marked as such: the commit that it was built on, where it is known.
    Own(Option<ObjectId>),
}

/// Where commits are built.
pub(super) struct Ground<'a> {
    /// The commit below the first one.
    pub(super) base: ObjectId,
    /// The branch that gets them, and the refspec.
    pub(super) branch: &'a str,
    pub(super) refspec: Option<&'a str>,
    /// Whose the branch is.
    pub(super) ownership: Ownership,
}

impl<'a> Ground<'a> {
    /// On the head of a branch that is both checked out and pushed.
    pub(super) fn on(base: ObjectId, branch: &'a str) -> Self {
        Self {
            base,
            branch,
            refspec: None,
            ownership: Ownership::Shared,
        }
    }

    /// For what a target pushes.
    pub(super) fn of(target: &'a Target, base: ObjectId, ownership: Ownership) -> Self {
        Self {
            base,
            branch: &target.push_branch,
            refspec: target.refspec.as_ref().map(|refspec| refspec.text.as_str()),
            ownership,
        }
    }
}

/// Builds the commits of `works`. Files are found through `index`, which learns from it.
pub(super) fn build(
    index: &Mutex<MarkerIndex<ObjectId>>,
    snapshot: Snapshot,
    ground: &Ground<'_>,
    works: &[Work],
) -> Result<Stack, StackError> {
    let base = ground.base;
    let mut stack = Stack {
        base,
        landed: Vec::new(),
        layers: Vec::new(),
    };
    let mut top = Top {
        tree: snapshot.commit(&base)?.tree,
        id: base,
        snapshot,
    };
    for work in works {
        let landed = add(index, &mut stack, &mut top, ground, work);
        // What fails for one automation, such as a path that does not exist, is its own affair.
        stack.landed.push(landed.map_err(Arc::new));
    }
    Ok(stack)
}

/// Adds the commit of one automation, if it has changes.
fn add(
    index: &Mutex<MarkerIndex<ObjectId>>,
    stack: &mut Stack,
    top: &mut Top,
    ground: &Ground<'_>,
    work: &Work,
) -> Result<Landed, StackError> {
    let (changes, edits) = edits(index, top, work)?;
    if edits.is_empty() {
        return Ok(Landed {
            commit: None,
            changes,
        });
    }
    let (layer, message) = prepare(top, ground, work, &changes, edits)?;
    if layer.commit.changes_nothing() {
        return Ok(Landed {
            commit: None,
            changes,
        });
    }
    let id = layer.commit.id();
    *top = Top {
        snapshot: top.snapshot.with(&layer.commit),
        id,
        tree: layer.commit.tree(),
    };
    stack.layers.push(layer);
    Ok(Landed {
        commit: Some(Commit {
            id: id.to_string(),
            branch: ground.branch.to_owned(),
            refspec: ground.refspec.map(str::to_owned),
            message,
        }),
        changes,
    })
}

/// Applies the setters to the files below the automation's path that carry markers.
fn edits(
    index: &Mutex<MarkerIndex<ObjectId>>,
    top: &Top,
    work: &Work,
) -> Result<(ChangeSet, BTreeMap<RepoPath, Edit>), StackError> {
    let path = &work.plan.path;
    if !path.is_empty()
        && top
            .snapshot
            .lookup(&top.tree, &path.parse::<RepoPath>()?)?
            .is_none()
    {
        return Err(StackError::NoPath(path.clone()));
    }
    let mut index = index.lock().unwrap_or_else(PoisonError::into_inner);
    let walked = index.walk(&mut SnapshotTree(&top.snapshot), &top.tree, &work.plan.path);
    drop(index);
    let files = walked.map_err(|error| match error {
        WalkError::Source(error) => StackError::Read(error),
        other @ WalkError::TooManyFiles => StackError::TooManyFiles(other.to_string()),
    })?;
    let mut changes = ChangeSet {
        folder: work.plan.path.clone(),
        ..ChangeSet::default()
    };
    let mut edits = BTreeMap::new();
    for file in files {
        // Only a file that changes is read and parsed again.
        let edited = match setters::settled(&file.located, &work.selections) {
            Some(skipped) => Edited {
                skipped,
                ..Edited::default()
            },
            None => setters::set(&top.snapshot.blob(&file.id)?, &work.selections),
        };
        if let Some(content) = edited.content {
            edits.insert(
                file.path.parse::<RepoPath>()?,
                Edit::Write { content, kind: None },
            );
        }
        let skipped = edited
            .skipped
            .into_iter()
            .filter(|skipped| work.concerns(skipped));
        changes.record(&file.path, edited.changes, skipped.collect());
    }
    Ok((changes, edits))
}

fn prepare(
    top: &Top,
    ground: &Ground<'_>,
    work: &Work,
    changes: &ChangeSet,
    edits: BTreeMap<RepoPath, Edit>,
) -> Result<(Layer, String), StackError> {
    let author = Person {
        name: work.plan.author.name.clone(),
        email: work.plan.author.email.clone(),
    };
    let message = work.plan.message.render(&MessageData {
        automation: &work.plan.automation,
        changes,
        selections: &work.selections,
        values: &work.plan.values,
    })?;
    let request = CommitRequest {
        parent: Some(top.id),
        edits,
        committer: author.clone(),
        author,
        time: Timestamp {
            seconds: jiff::Timestamp::now().as_second(),
            offset_minutes: 0,
        },
        message: message.clone(),
    };
    let mut commit = top.snapshot.prepare(&request)?;
    if let Ownership::Own(base) = ground.ownership {
        commit = push_branch::marked(&commit, &work.identity, base)?;
    }
    if let Some(key) = &work.signing_key {
        commit = commit.signed(key)?;
    }
    Ok((
        Layer {
            commit,
            edits: request.edits,
        },
        message,
    ))
}
