//! What an `ImageUpdateAutomation` asks for, checked and completed before anything is read or written.

use std::collections::BTreeMap;

use fluxbot_api::annotation;
use fluxbot_api::image::{GitSpec, ImageUpdateAutomation};
use fluxbot_api::source::GitRepository;

use super::message::{InvalidTemplate, MessagePreset, MessageTemplate, UnknownPreset};
use super::reference::{CheckoutRef, FLUX_DEFAULT_BRANCH, InvalidRefspec, Refspec};
use crate::objects::{ObjectKey, clean_path};

/// Who a commit is by. Author and committer are the same, as in Flux.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Author {
    /// The name; Flux allows it to be empty.
    pub name: String,
    /// The e-mail address.
    pub email: String,
}

/// Where commits come from and go to. Automations with the same target are pushed at once.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Target {
    /// What is checked out.
    pub checkout: CheckoutRef,
    /// The branch that is pushed.
    pub push_branch: String,
    /// Whether the push branch is another one than the branch that is checked out: then it is rebuilt, and may lose commits of
    /// its own.
    pub switches: bool,
    /// A further reference that gets what is pushed.
    pub refspec: Option<Refspec>,
    /// Options sent with the push, `key=value`.
    pub push_options: Vec<String>,
}

/// Everything that is known of an automation's commit before its content is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitPlan {
    /// The automation: only markers of its namespace's policies are set.
    pub automation: ObjectKey,
    /// Where commits come from and go to.
    pub target: Target,
    /// The folder or file below which markers are set, relative to the root, `""` for all.
    pub path: String,
    /// Author and committer.
    pub author: Author,
    /// How the message is made.
    pub message: MessageTemplate,
    /// Values for the message, `.Values` of its template.
    pub values: BTreeMap<String, String>,
}

/// What the command line or the remote says beside the objects.
#[derive(Debug, Clone, Default)]
pub struct PlanDefaults {
    /// Overrides what is checked out.
    pub branch: Option<String>,
    /// The remote's default branch, used when no object names one. Without it Flux's default is checked out, and the push branch
    /// must be named.
    pub default_branch: Option<String>,
    /// Whether the caller reads the Secret of a signing key, and hands the key over in [`super::Work`].
    pub signs: bool,
    /// The message of automations that have neither a template nor a preset of their own.
    pub preset: MessagePreset,
}

/// Why an automation cannot run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// `spec.git` is missing.
    #[error("source kind 'GitRepository' necessitates field .spec.git: invalid source configuration")]
    MissingGit,
    /// Neither the push branch nor a branch to check out is named.
    #[error(
        "failed configuring source manager: push spec not provided, and cannot be inferred from .spec.git.checkout.ref or \
         GitRepository .spec.ref"
    )]
    NoPushBranch,
    /// The refspec cannot be pushed.
    #[error(transparent)]
    Refspec(#[from] InvalidRefspec),
    /// A part of the specification is not supported yet.
    #[error("{0} is not supported yet")]
    Unsupported(&'static str),
    /// The message template cannot be parsed.
    #[error(transparent)]
    Template(#[from] InvalidTemplate),
    /// The annotation names no preset.
    #[error("annotation {annotation}: {0}", annotation = annotation::COMMIT_MESSAGE)]
    Preset(#[from] UnknownPreset),
    /// `spec.update.path` leaves the repository.
    #[error("spec.update.path '{0}' leaves the repository")]
    PathOutside(String),
}

/// Plans the commit of an automation. `source` is the `GitRepository` that it refers to, where it is known.
pub fn plan(
    automation: &ImageUpdateAutomation,
    source: Option<&GitRepository>,
    defaults: &PlanDefaults,
) -> Result<CommitPlan, PlanError> {
    let git = automation.spec.git.as_ref().ok_or(PlanError::MissingGit)?;
    if git.commit.signing_key.is_some() && !defaults.signs {
        return Err(PlanError::Unsupported("spec.git.commit.signingKey"));
    }
    let own = automation.metadata.annotations.as_ref();
    let preset = match own.and_then(|annotations| annotations.get(annotation::COMMIT_MESSAGE)) {
        Some(name) => name.parse()?,
        None => defaults.preset,
    };
    let metadata = &automation.metadata;
    Ok(CommitPlan {
        automation: ObjectKey::new(
            metadata.namespace.clone().unwrap_or_default(),
            metadata.name.clone().unwrap_or_default(),
        ),
        target: target(git, source, defaults)?,
        path: update_path(automation)?,
        author: Author {
            name: git.commit.author.name.clone().unwrap_or_default(),
            email: git.commit.author.email.clone(),
        },
        message: MessageTemplate::parse(git.commit.message_template.as_deref(), preset)?,
        values: git.commit.message_template_values.clone(),
    })
}

/// Flux's rules: the automation's reference counts before its source's; the push branch is the named one, else the branch of the
/// reference, whatever else the reference names.
fn target(
    git: &GitSpec,
    source: Option<&GitRepository>,
    defaults: &PlanDefaults,
) -> Result<Target, PlanError> {
    let reference = git.checkout.as_ref().map(|checkout| &checkout.reference);
    let reference = reference.or_else(|| source.and_then(|source| source.spec.reference.as_ref()));
    let named = reference
        .and_then(|reference| reference.branch.clone())
        .filter(|branch| !branch.is_empty());
    let checkout = match &defaults.branch {
        Some(branch) => Some(CheckoutRef::Branch(branch.clone())),
        None => reference.and_then(CheckoutRef::of),
    };
    let checkout = checkout.or_else(|| defaults.default_branch.clone().map(CheckoutRef::Branch));
    let push = git.push.as_ref();
    let own = push
        .and_then(|push| push.branch.clone())
        .filter(|branch| !branch.is_empty());
    // With --branch the whole job moves to that branch, unless the automation pushes to a branch of its own.
    let own = own.filter(|branch| defaults.branch.is_none() || Some(branch) != named.as_ref());
    let beside = match (&defaults.branch, &checkout) {
        (None, Some(CheckoutRef::Branch(branch))) => named.clone().or_else(|| Some(branch.clone())),
        (Some(branch), _) => Some(branch.clone()),
        (None, _) => named.clone(),
    };
    let checkout = checkout.unwrap_or_else(|| CheckoutRef::Branch(FLUX_DEFAULT_BRANCH.to_owned()));
    let (push_branch, switches) = match (own, beside) {
        (Some(own), Some(beside)) => {
            let switches = own != beside;
            (own, switches)
        }
        (Some(own), None) => {
            let switches = checkout.branch() != Some(own.as_str());
            (own, switches)
        }
        (None, Some(beside)) => (beside, false),
        (None, None) => return Err(PlanError::NoPushBranch),
    };
    let refspec = push
        .and_then(|push| push.refspec.as_deref())
        .filter(|refspec| !refspec.is_empty());
    let options = push.map(|push| &push.options).into_iter().flatten();
    Ok(Target {
        refspec: refspec
            .map(|text| Refspec::parse(text, &checkout, &push_branch))
            .transpose()?,
        checkout,
        push_branch,
        switches,
        push_options: options.map(|(key, value)| format!("{key}={value}")).collect(),
    })
}

/// Cleans `spec.update.path`: `./apps/` is `apps`, `.` is everything.
fn update_path(automation: &ImageUpdateAutomation) -> Result<String, PlanError> {
    let update = automation.spec.update.as_ref();
    let raw = update
        .and_then(|update| update.path.as_deref())
        .unwrap_or_default();
    clean_path(raw).ok_or_else(|| PlanError::PathOutside(raw.to_owned()))
}
