//! The committer: turns changes into commits and lands them on a branch, without ever losing one.
//!
//! [`plan`] reads what an automation asks for and [`MessageTemplate`] writes the message. [`Writer`] fetches, sets, commits
//! and pushes, and does it again on the new head when another writer was faster; the setters are idempotent, so there is
//! nothing to merge. [`Checkout`] commits into the work tree of a user instead.

mod checkout;
mod history;
mod message;
mod plan;
mod push_branch;
mod races;
mod reference;
mod stack;
mod start;
mod tree;
mod writer;

pub use checkout::{Checkout, CheckoutError};
pub use message::{
    DEFAULT_MESSAGE, InvalidTemplate, MessageData, MessagePreset, MessageTemplate, RenderError, UnknownPreset,
};
pub use plan::{Author, CommitPlan, PlanDefaults, PlanError, Target, plan};
pub use reference::{CheckoutRef, InvalidRefspec, Refspec, RefspecSource};
pub use stack::{Layer, Stack, StackError};
pub use writer::{Landing, WriteError, Writer};

use std::collections::BTreeSet;

use fluxbot_git::SigningKey;

use crate::image::{PolicyKey, Selections};
use crate::setters::{ChangeSet, SkipReason, Skipped};

/// What one automation wants to have written.
#[derive(Debug, Clone)]
pub struct Work {
    /// Branches, path, author and message.
    pub plan: CommitPlan,
    /// What tells the automation from all others, in other clusters too: the object's uid, or its file and name. Commits on a
    /// push branch carry it, so that it is known whose they are.
    pub identity: String,
    /// The images to write.
    pub selections: Selections,
    /// Policies of the automation's namespace that it may not write: their markers are another automation's.
    pub foreign: BTreeSet<PolicyKey>,
    /// The key that signs the commit.
    pub signing_key: Option<SigningKey>,
}

impl Work {
    /// Whether a marker that was left alone is this automation's business.
    #[must_use]
    pub fn concerns(&self, skipped: &Skipped) -> bool {
        let is_foreign =
            matches!(&skipped.reason, SkipReason::NotSelected(policy) if self.foreign.contains(policy));
        !is_foreign && skipped.concerns(&self.plan.automation.namespace)
    }
}

/// What became of one automation's work.
#[derive(Debug, Clone)]
pub struct Landed {
    /// The commit, or `None` when nothing had to change.
    pub commit: Option<Commit>,
    /// The changes, and the markers that were left alone.
    pub changes: ChangeSet,
}

/// A commit, on the server or in a checkout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    /// Its id, 40 hexadecimal digits.
    pub id: String,
    /// The branch that got it.
    pub branch: String,
    /// The refspec by which another reference got it, too.
    pub refspec: Option<String>,
    /// Its message.
    pub message: String,
}

#[cfg(test)]
mod tests;
