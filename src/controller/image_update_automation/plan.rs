//! The pure part of an automation's run: what there is to do, and how its outcome reads.

use std::collections::BTreeMap;

use fluxbot_api::condition::ConditionType;
use fluxbot_api::image::{ImageRef as ApiImageRef, ImageUpdateAutomation};
use fluxbot_api::source::GitRepository;
use fluxbot_api::{Fault, Reason};
use fluxbot_git::ObjectId;
use tracing::warn;

use crate::committer::{Commit, CommitPlan, PlanError, Target};
use crate::controller::kinds::Reconciled as _;
use crate::controller::landing::{LandError, LandedWork};
use crate::controller::outcome::{self, Announce, Done, Failure, Requeue};
use crate::image::{ImageRef, PolicyKey, Selections};
use crate::objects::ObjectKey;
use crate::setters::ChangeSet;

/// Flux's message, also right after a push.
pub(super) const UP_TO_DATE: &str = "repository up-to-date";

/// Changes that an event lists.
const MAX_LISTED: usize = 50;

/// The source that an automation refers to; its own namespace is the default.
pub(super) fn source_of(automation: &ImageUpdateAutomation) -> ObjectKey {
    let reference = &automation.spec.source_ref;
    let namespace = automation.metadata.namespace.as_deref().unwrap_or_default();
    ObjectKey::referred(namespace, reference.namespace.as_deref(), &reference.name)
}

/// Whether the last run succeeded.
pub(super) fn is_ready(automation: &ImageUpdateAutomation) -> bool {
    let conditions = automation.status.as_ref().map(|status| &status.conditions);
    let ready = conditions.and_then(|conditions| outcome::find(conditions, ConditionType::Ready));
    ready.is_some_and(|ready| ready.status == "True")
}

/// The branch, and the head of it at which an automation has nothing to do, when all else is as it was at its last run.
pub(super) fn settled_at<'p>(
    automation: &ImageUpdateAutomation,
    plan: &'p CommitPlan,
    policies: &BTreeMap<String, ApiImageRef>,
) -> Option<(&'p str, ObjectId)> {
    let status = automation.status.as_ref()?;
    let target = &plan.target;
    let checkout = target.checkout.branch()?;
    // As in Flux: a push branch of its own or a refspec may have been changed, too.
    let is_same = status.observed_generation == automation.metadata.generation
        && target.push_branch == checkout
        && target.refspec.is_none()
        && status.observed_policies == *policies
        && is_ready(automation);
    let revision = status.observed_source_revision.as_deref().filter(|_| is_same)?;
    let (branch, commit) = revision.rsplit_once("@sha1:")?;
    let settled = commit.parse().ok().filter(|_| branch == checkout)?;
    Some((checkout, settled))
}

/// The revision that the work was done on, as Flux writes it: that of the pushed commit, and with a push branch of its own, or
/// when nothing was pushed, that of what was checked out.
pub(super) fn revision(plan: &CommitPlan, landed: &LandedWork) -> String {
    let Target {
        checkout,
        push_branch,
        switches,
        ..
    } = &plan.target;
    let is_pushed = landed.landed.commit.is_some() || checkout.branch() == Some(push_branch);
    match landed.push_head {
        Some(head) if !switches && is_pushed => format!("{push_branch}@sha1:{head}"),
        _ => landed.checkout_revision.clone(),
    }
}

/// The images to write. What cannot stand in a file is left out, and never stops the others.
pub(super) fn selections(automation: &ObjectKey, policies: &BTreeMap<String, ApiImageRef>) -> Selections {
    let mut selections = Selections::new();
    for (name, latest) in policies {
        match ImageRef::new(&latest.name, &latest.tag, latest.digest.clone()) {
            Ok(image) => {
                selections.insert(PolicyKey::new(&automation.namespace, name), image);
            }
            Err(error) => warn!(%automation, policy = name, %error, "left out a policy"),
        }
    }
    selections
}

/// The failure of an automation that asks for something impossible.
pub(super) fn planning_failed(error: &PlanError) -> Failure {
    let message = error.to_string();
    match error {
        PlanError::MissingGit | PlanError::Unsupported(_) | PlanError::Refspec(_) | PlanError::Preset(_) => {
            Failure::stalled(Reason::InvalidSourceConfiguration, message)
        }
        // A reference of the source may name a branch later.
        PlanError::NoPushBranch => Failure::new(Reason::SourceManagerFailed, message),
        PlanError::Template(_) => Failure::stalled(
            Reason::GitOperationFailed,
            format!("failed to update source: {message}"),
        ),
        PlanError::PathOutside(_) => Failure::stalled(
            Reason::UpdateFailed,
            format!("failed to apply policies: {message}"),
        ),
    }
}

/// The failure of an automation whose work was not landed.
pub(super) fn failure(error: &LandError, source: &GitRepository) -> Failure {
    let refused = error
        .diagnosis
        .is_some_and(|diagnosis| diagnosis.fault == Fault::AuthorizationFailed);
    let namespace = source.key().namespace;
    let origin = match &source.spec.secret_ref {
        _ if !refused => String::new(),
        Some(secret) => format!("; see Secret '{namespace}/{}'", secret.name),
        None => format!("; GitRepository '{}' has no spec.secretRef", source.key()),
    };
    Failure::new(error.reason, format!("{}{origin}", error.message)).diagnosed(error.diagnosis)
}

/// The success of an automation.
pub(super) fn done(requeue: Requeue, announce: Announce) -> Done {
    Done {
        reason: Reason::Succeeded,
        message: UP_TO_DATE.to_owned(),
        requeue,
        announce,
    }
}

/// The text of a push's event, as in Flux.
pub(super) fn push_message(commit: &Commit) -> String {
    let short = commit.id.get(..7).unwrap_or(&commit.id);
    let refspec = commit.refspec.as_ref();
    let beside = refspec.map_or_else(String::new, |refspec| format!(" and refspecs '{refspec}'"));
    format!(
        "pushed commit '{short}' to branch '{}'{beside}\n{}",
        commit.branch, commit.message
    )
}

/// The changed scalars, for programs.
pub(super) fn list(changes: &ChangeSet) -> String {
    let all: Vec<String> = changes
        .changes()
        .map(|(path, change)| format!("{path}:{} {} -> {}", change.line, change.old, change.new))
        .collect();
    let mut listed: Vec<String> = all.iter().take(MAX_LISTED).cloned().collect();
    if all.len() > MAX_LISTED {
        listed.push(format!("and {} more", all.len() - MAX_LISTED));
    }
    listed.join("\n")
}
