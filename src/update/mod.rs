//! The chain without a cluster: objects from files, tags from registries, commits into Git.
//!
//! ```text
//! ObjectSet --scan (E)--> tags --select (P)--> Selections --set (P)--> ChangeSet --commit, push (E)--> branch
//! ```
//!
//! A failure belongs to one object: the others go on, and the outcome of each is reported.

mod build;
mod directory;
mod land;
mod scan;
mod select;

pub use build::BuildError;
pub use directory::{FileEdit, Overlay, SetFile, edit_directory, set_directory};
pub use land::{AutomationOutcome, PlannedWorks, foreign_automations, land, plan_works};
pub use scan::{Scan, Scanner};
pub use select::{PolicyOutcome, select};

use std::collections::BTreeSet;
use std::time::Duration;

use crate::image::{PolicyKey, Selections};
use crate::objects::{Duplicate, Files, ObjectKey, ObjectSet, admits};

/// Why the objects of a path cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The path cannot be built.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// An object is declared twice.
    #[error(transparent)]
    Duplicate(#[from] Duplicate),
}

/// Reads the objects at some paths of some trees: kustomizations, folders, or files.
pub fn load_objects(places: &[(&dyn Files, &str)]) -> Result<ObjectSet, LoadError> {
    let interest = build::Interest {
        may_be_in: ObjectSet::may_be_in,
        must_be_read: ObjectSet::must_be_read,
        is_vital: ObjectSet::is_vital,
    };
    let mut manifests = Vec::new();
    let mut problems = Vec::new();
    for (files, path) in places {
        let built = build::build(*files, path, interest)?;
        manifests.extend(built.manifests);
        problems.extend(built.problems);
    }
    Ok(ObjectSet::from_manifests(&manifests, problems)?)
}

/// Something that happened, for whoever watches.
#[derive(Debug, Clone)]
pub enum Step {
    /// An image's tags are known, or could not be had.
    Scanned {
        /// The `ImageRepository`.
        repository: ObjectKey,
        /// The image as its specification spells it.
        image: String,
        /// How many tags there are, or why that is not known.
        tags: Result<usize, String>,
        /// How long the registry took.
        elapsed: Duration,
    },
    /// A branch got commits.
    Pushed {
        /// The branch.
        branch: String,
        /// How often another writer was faster.
        lost_races: u32,
        /// What the server said, made safe to print.
        messages: Vec<String>,
    },
}

/// Whether an automation may write a policy: it is of its own namespace, and its selector admits it.
fn may_write(objects: &ObjectSet, automation: &ObjectKey, policy: &PolicyKey) -> bool {
    let selector = objects
        .automations
        .get(automation)
        .and_then(|declared| declared.object.spec.policy_selector.as_ref());
    let found = objects
        .policies
        .get(&ObjectKey::new(&policy.namespace, &policy.name));
    policy.namespace == automation.namespace
        && found.is_some_and(|found| admits(selector, found.object.metadata.labels.as_ref()))
}

/// The selections that an automation may write.
#[must_use]
pub fn selections_for(outcomes: &[PolicyOutcome], objects: &ObjectSet, automation: &ObjectKey) -> Selections {
    outcomes
        .iter()
        .filter(|outcome| may_write(objects, automation, &outcome.policy))
        .filter_map(|outcome| Some((outcome.policy.clone(), outcome.result.as_ref().ok()?.clone())))
        .collect()
}

/// The policies of an automation's namespace that it may not write.
#[must_use]
pub fn foreign_policies(objects: &ObjectSet, automation: &ObjectKey) -> BTreeSet<PolicyKey> {
    let keys = objects.policies.keys();
    keys.filter(|key| key.namespace == automation.namespace)
        .map(|key| PolicyKey::new(&key.namespace, &key.name))
        .filter(|policy| !may_write(objects, automation, policy))
        .collect()
}

#[cfg(test)]
mod tests;
