//! Commits into a checkout of the user: its branch, its index and its files.

use std::path::Path;
use std::sync::{Arc, Mutex};

use fluxbot_git::{ObjectId, RepoPath, WorkTree, WorkTreeError};

use super::stack::{self, Ground, Layer, Stack, StackError};
use super::{Landed, Work};
use crate::setters::MarkerIndex;

/// A checkout, opened at its root.
pub struct Checkout {
    tree: WorkTree,
    index: Mutex<MarkerIndex<ObjectId>>,
}

/// Why nothing was committed, or not all of it.
#[derive(Debug, thiserror::Error)]
pub enum CheckoutError {
    /// The checkout cannot be read or written.
    #[error(transparent)]
    WorkTree(#[from] WorkTreeError),
    /// The branch has no commit yet.
    #[error("branch '{0}' has no commit yet")]
    Unborn(String),
    /// The commits cannot be built.
    #[error(transparent)]
    Stack(#[from] StackError),
    /// Files that would be written have changes of the user.
    #[error("these files have changes that are not committed: {0}; commit or stash them first")]
    Dirty(String),
}

impl Checkout {
    /// Opens the checkout whose root is `root`.
    pub fn open(root: &Path) -> Result<Self, CheckoutError> {
        Ok(Self {
            tree: WorkTree::open(root)?,
            index: Mutex::default(),
        })
    }

    /// The branch that is checked out.
    #[must_use]
    pub fn branch(&self) -> &str {
        self.tree.branch().short()
    }

    /// The commit that is checked out.
    #[must_use]
    pub fn head(&self) -> Option<ObjectId> {
        self.tree.head()
    }

    /// The branch of the remote that the branch follows; its own name when it follows none.
    #[must_use]
    pub fn upstream(&self) -> String {
        self.tree
            .upstream()
            .map_or_else(|| self.branch().to_owned(), |name| name.short().to_owned())
    }

    /// The URL of the branch's remote. It may hold a password. A relative path counts from the root of the checkout.
    #[must_use]
    pub fn remote_url(&self) -> Option<String> {
        let url = self.tree.remote_url()?;
        let is_relative = url.starts_with("./") || url.starts_with("../");
        if is_relative {
            self.tree.root().join(&url).to_str().map(str::to_owned)
        } else {
            Some(url)
        }
    }

    /// Builds the commits of some automations on the checked-out commit, and makes sure that no file with changes of the
    /// user would be touched.
    pub fn build(&self, works: &[Work]) -> Result<Stack, CheckoutError> {
        let head = self
            .head()
            .ok_or_else(|| CheckoutError::Unborn(self.branch().to_owned()))?;
        let stack = stack::build(
            &self.index,
            self.tree.snapshot().clone(),
            &Ground::on(head, self.branch()),
            works,
        )?;
        let touched = stack.layers.iter().flat_map(|layer| layer.edits.keys());
        let dirty: Vec<String> = self
            .tree
            .dirty(touched)?
            .iter()
            .map(RepoPath::to_string)
            .collect();
        if !dirty.is_empty() {
            return Err(CheckoutError::Dirty(dirty.join(", ")));
        }
        Ok(stack)
    }

    /// Commits to the branch, and writes index and files, one automation after the other. Gives what became of each.
    pub fn commit(self, works: &[Work]) -> Result<Vec<Result<Landed, Arc<StackError>>>, CheckoutError> {
        let stack = self.build(works)?;
        self.take(&stack.layers)?;
        Ok(stack.landed)
    }

    /// Brings commits that were built on the checked-out commit into the checkout. Gives it as it is then.
    pub fn take(self, layers: &[Layer]) -> Result<Self, CheckoutError> {
        let mut tree = self.tree;
        for layer in layers {
            tree.commit(&layer.commit, &layer.edits)?;
            // A work tree stays what it was when it was opened.
            tree = WorkTree::open(tree.root())?;
        }
        Ok(Self {
            tree,
            index: self.index,
        })
    }

    /// Records that the remote branch is at the checked-out commit, as `git push` does.
    pub fn record_push(&self) -> Result<(), CheckoutError> {
        Ok(self.tree.record_push()?)
    }
}
