//! What an `ImageUpdateAutomation` asks for, checked and completed before anything is read or written.

use fluxbot_api::image::ImageUpdateAutomation;
use fluxbot_api::source::GitRepository;

use super::message::{InvalidTemplate, MessageTemplate};
use crate::objects::clean_path;

/// The branch that Flux checks out when neither the automation nor its source names one.
const FLUX_DEFAULT_BRANCH: &str = "master";

/// Who a commit is by. Author and committer are the same, as in Flux.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Author {
    /// The name; Flux allows it to be empty.
    pub name: String,
    /// The e-mail address.
    pub email: String,
}

/// Everything that is known of an automation's commit before its content is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitPlan {
    /// Namespace of the automation: only markers of its policies are set.
    pub namespace: String,
    /// Name of the automation.
    pub name: String,
    /// The branch whose head is changed.
    pub checkout_branch: String,
    /// The branch that is pushed.
    pub push_branch: String,
    /// The folder or file below which markers are set, relative to the root, `""` for all.
    pub path: String,
    /// Author and committer.
    pub author: Author,
    /// How the message is made.
    pub message: MessageTemplate,
    /// Options sent with the push, `key=value`.
    pub push_options: Vec<String>,
}

/// What the command line or the remote says beside the objects.
#[derive(Debug, Clone, Default)]
pub struct PlanDefaults {
    /// Overrides the branch to check out.
    pub branch: Option<String>,
    /// The remote's default branch, used when no object names one.
    pub default_branch: Option<String>,
    /// Whether the caller reads the Secret of a signing key, and hands the key over in [`super::Work`].
    pub signs: bool,
}

/// Why an automation cannot run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// `spec.git` is missing.
    #[error("source kind 'GitRepository' necessitates field .spec.git: invalid source configuration")]
    MissingGit,
    /// A part of the specification is not supported yet.
    #[error("{0} is not supported yet")]
    Unsupported(&'static str),
    /// The message template cannot be rendered.
    #[error(transparent)]
    Template(#[from] InvalidTemplate),
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
    let spec = &automation.spec;
    let git = spec.git.as_ref().ok_or(PlanError::MissingGit)?;
    let reference = git.checkout.as_ref().map(|checkout| &checkout.reference);
    let reference = reference.or_else(|| source.and_then(|source| source.spec.reference.as_ref()));
    if reference
        .is_some_and(|r| r.tag.is_some() || r.semver.is_some() || r.commit.is_some() || r.name.is_some())
    {
        return Err(PlanError::Unsupported("a checkout reference other than a branch"));
    }
    if git.commit.signing_key.is_some() && !defaults.signs {
        return Err(PlanError::Unsupported("spec.git.commit.signingKey"));
    }
    let push = git.push.as_ref();
    if push.is_some_and(|push| push.refspec.as_ref().is_some_and(|refspec| !refspec.is_empty())) {
        return Err(PlanError::Unsupported("spec.git.push.refspec"));
    }
    let named = reference
        .and_then(|reference| reference.branch.clone())
        .filter(|branch| !branch.is_empty());
    let checkout_branch = defaults
        .branch
        .clone()
        .or_else(|| named.clone())
        .or_else(|| defaults.default_branch.clone())
        .unwrap_or_else(|| FLUX_DEFAULT_BRANCH.to_owned());
    let push_branch = push
        .and_then(|push| push.branch.clone())
        .filter(|branch| !branch.is_empty());
    // With --branch the whole job moves to that branch, unless the automation pushes to a branch of its own.
    let push_branch =
        push_branch.filter(|branch| defaults.branch.is_none() || Some(branch) != named.as_ref());
    let push_options = push.map(|push| &push.options).into_iter().flatten();
    Ok(CommitPlan {
        namespace: automation.metadata.namespace.clone().unwrap_or_default(),
        name: automation.metadata.name.clone().unwrap_or_default(),
        push_branch: push_branch.unwrap_or_else(|| checkout_branch.clone()),
        checkout_branch,
        path: update_path(automation)?,
        author: Author {
            name: git.commit.author.name.clone().unwrap_or_default(),
            email: git.commit.author.email.clone(),
        },
        message: MessageTemplate::parse(git.commit.message_template.as_deref())?,
        push_options: push_options
            .map(|(key, value)| format!("{key}={value}"))
            .collect(),
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
