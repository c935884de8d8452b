//! What can go wrong with a checkout.

use crate::{CommitError, ObjectId, ReadError, RefName, RepoPath};
use std::io;
use std::path::PathBuf;

/// A checkout cannot be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum WorkTreeError {
    /// There is no repository with files at this path.
    #[error("{} is not the root of a git checkout: {detail}", path.display())]
    NotACheckout {
        /// The path.
        path: PathBuf,
        /// What is wrong.
        detail: String,
    },
    /// `HEAD` names a commit and no branch.
    #[error("no branch is checked out in {}: check out the branch that shall get the commit", path.display())]
    Detached {
        /// The root.
        path: PathBuf,
    },
    /// A merge, rebase or the like is not finished.
    #[error("an operation of git is in progress in {}: finish or abort it first", path.display())]
    InProgress {
        /// The root.
        path: PathBuf,
    },
    /// Files have changes that are not committed; nothing was changed.
    #[error("{} not committed: commit or stash {} first", listed(paths), if paths.len() == 1 { "it" } else { "them" })]
    Dirty {
        /// The files.
        paths: Vec<RepoPath>,
    },
    /// A file lies behind a symbolic link, which is never followed.
    #[error("file {path} lies behind the symbolic link {link}, which is not followed")]
    BehindSymlink {
        /// The file.
        path: RepoPath,
        /// The link.
        link: String,
    },
    /// The branch moved, or another one was checked out, since the checkout was opened; nothing was changed.
    #[error("branch {branch} of the checkout moved meanwhile")]
    Moved {
        /// The branch.
        branch: RefName,
    },
    /// The commit is not for this checkout.
    #[error("commit {id} does not follow the commit that is checked out")]
    NotOnHead {
        /// The commit.
        id: ObjectId,
    },
    /// An object cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// An object cannot be built.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// The index cannot be read or written.
    #[error("the git index of {} cannot be used: {detail}", path.display())]
    Index {
        /// The root.
        path: PathBuf,
        /// What is wrong.
        detail: String,
    },
    /// The disk does not let us.
    #[error("{} cannot be read or written", path.display())]
    Storage {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

fn listed(paths: &[RepoPath]) -> String {
    const SHOWN: usize = 5;
    let names: Vec<String> = paths.iter().take(SHOWN).map(ToString::to_string).collect();
    let more = paths.len().saturating_sub(SHOWN);
    let (verb, rest) = (
        if paths.len() == 1 {
            "has changes"
        } else {
            "have changes"
        },
        names.join(", "),
    );
    if more == 0 {
        format!("{rest} {verb}")
    } else {
        format!("{rest} and {more} more {verb}")
    }
}
