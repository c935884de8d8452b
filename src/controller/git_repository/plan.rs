//! What a `GitRepository` asks for, and what a fault means for its conditions: no input, no output.

use std::time::Duration;

use fluxbot_api::Reason;
use fluxbot_api::condition::ConditionType;
use fluxbot_api::source::{Artifact, GitProvider, GitRepository, GitRepositorySpec, GitRepositoryStatus};

use crate::controller::outcome::{self, Failure, Recovery};
use crate::source::git::{FaultKind, ResolveError};
use crate::source::{Revision, StorageError};

/// How long one look at the Git server may take when `spec.timeout` does not say.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(60);

/// How soon a missing or bad Secret is looked at again: nothing tells when it is mended.
const SECRET_PAUSE: Duration = Duration::from_secs(5);

/// Characters of a commit's subject in an event, as in Flux.
const SUBJECT_LENGTH: usize = 50;

/// The times of a `GitRepository`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Times {
    /// `spec.interval`.
    pub interval: Duration,
    /// `spec.timeout`.
    pub timeout: Duration,
}

impl Times {
    /// The times in a spec.
    ///
    /// # Errors
    /// A text that is no duration.
    pub fn of(spec: &GitRepositorySpec) -> Result<Self, Failure> {
        let invalid = |field: &str, error: fluxbot_api::InvalidDuration| {
            Failure::stalled(Reason::Failed, format!("spec.{field}: {error}"))
        };
        let timeout = match &spec.timeout {
            Some(timeout) => timeout.get().map_err(|error| invalid("timeout", error))?,
            None => DEFAULT_TIMEOUT,
        };
        Ok(Self {
            interval: spec.interval.get().map_err(|error| invalid("interval", error))?,
            timeout,
        })
    }
}

/// A field that this version cannot honour. An object that sets one is refused: to leave it out would give other content than
/// was asked for.
#[must_use]
pub fn refused(spec: &GitRepositorySpec) -> Option<Failure> {
    let unsupported = |reason: Reason, field: &str, remedy: &str| {
        Some(Failure::stalled(
            reason,
            format!("{field} is not supported yet: {remedy}"),
        ))
    };
    if spec.url.starts_with("ssh://") {
        return unsupported(
            Reason::UrlInvalid,
            &format!("the scheme of spec.url '{}'", shown(&spec.url)),
            "use an https:// URL",
        );
    }
    if let Some(provider) = spec.provider.as_ref().filter(|provider| **provider != GitProvider::Generic) {
        return unsupported(
            Reason::InvalidProviderConfiguration,
            &format!("spec.provider '{}'", provider.as_str()),
            "use the provider generic with a token in spec.secretRef",
        );
    }
    if spec.verify.is_some() {
        return unsupported(
            Reason::VerificationError,
            "spec.verify",
            "signatures cannot be checked, and nothing is fetched unchecked",
        );
    }
    if !spec.include.is_empty() {
        return unsupported(
            Reason::GitOperationFailed,
            "spec.include",
            "keep the files in one repository",
        );
    }
    if spec.recurse_submodules == Some(true) {
        return unsupported(
            Reason::GitOperationFailed,
            "spec.recurseSubmodules",
            "keep the files in the repository itself",
        );
    }
    if !spec.sparse_checkout.is_empty() {
        return unsupported(
            Reason::GitOperationFailed,
            "spec.sparseCheckout",
            "leave files out with spec.ignore or .sourceignore",
        );
    }
    None
}

/// A URL without its user information.
fn shown(url: &str) -> String {
    match url.split_once("://").and_then(|(scheme, rest)| Some((scheme, rest.split_once('@')?.1))) {
        Some((scheme, rest)) => format!("{scheme}://{rest}"),
        None => url.to_owned(),
    }
}

/// The artifact of the status, when what shapes its content is still as it was when it was made.
#[must_use]
pub fn reusable<'a>(spec: &GitRepositorySpec, status: &'a GitRepositoryStatus) -> Option<&'a Artifact> {
    let is_same = spec.ignore == status.observed_ignore
        && status.observed_include.is_empty()
        && status.observed_recurse_submodules != Some(true)
        && status.observed_sparse_checkout.is_empty();
    status
        .artifact
        .as_ref()
        .filter(|artifact| is_same && artifact.digest.is_some())
}

/// The revision string of our own push, in the form that the object's reference gives its revisions.
#[must_use]
pub fn pushed_revision(object: &GitRepository, branch: &str, commit: &impl std::fmt::Display) -> Revision {
    let full_name = object.spec.reference.as_ref().and_then(|reference| reference.name.as_deref());
    Revision::git(full_name.filter(|name| !name.is_empty()).unwrap_or(branch), commit)
}

/// The text of the event about a new artifact. Without a subject it names the revision, as Flux does for a commit whose message
/// it has not read.
#[must_use]
pub fn stored_text(subject: Option<&str>, revision: &str) -> String {
    let what = match subject {
        Some(subject) if subject.chars().count() > SUBJECT_LENGTH => {
            let start: String = subject.chars().take(SUBJECT_LENGTH).collect();
            format!("{start}...")
        }
        Some(subject) => subject.to_owned(),
        None => revision.to_owned(),
    };
    format!("stored artifact for commit '{what}'")
}

/// Whether the status before tells of a fault that a success now ends.
#[must_use]
pub fn had_failed(status: &GitRepositoryStatus) -> bool {
    [ConditionType::FetchFailed, ConditionType::StorageOperationFailed]
        .into_iter()
        .any(|kind| outcome::find(&status.conditions, kind).is_some_and(|condition| condition.status == "True"))
}

/// A fault with the condition that shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// `FetchFailed` or `StorageOperationFailed`.
    pub condition: ConditionType,
    /// What `Ready` says.
    pub failure: Failure,
}

impl Fault {
    /// A Secret that is missing or not usable.
    #[must_use]
    pub fn secret(message: impl Into<String>) -> Self {
        let failure = Failure::new(Reason::AuthenticationFailed, message);
        Self {
            condition: ConditionType::FetchFailed,
            failure: failure.recovery(Recovery::After(SECRET_PAUSE)),
        }
    }

    /// A fetch that did not end in time.
    #[must_use]
    pub fn timeout(timeout: Duration) -> Self {
        let message = format!(
            "GitUnreachable: failed to checkout and determine revision: no end within {}",
            fluxbot_api::Duration::from(timeout)
        );
        Self::fetch(Failure::new(Reason::GitOperationFailed, message))
    }

    /// A reference that could not be fetched.
    #[must_use]
    pub fn resolve(error: &ResolveError) -> Self {
        let text = format!("failed to checkout and determine revision: {error}");
        let kind = error.kind();
        let reason = match kind {
            FaultKind::Unauthorized => Reason::AuthenticationFailed,
            FaultKind::Empty => Reason::EmptyGitRepository,
            _ => Reason::GitOperationFailed,
        };
        let failure = match kind {
            // The words that stand in front tell faults apart that Flux has one reason for.
            FaultKind::Unreachable => Failure::new(reason, format!("GitUnreachable: {text}")),
            FaultKind::Invalid => Failure::stalled(reason, text),
            FaultKind::Storage => {
                return Self::storage(Failure::new(Reason::CacheOperationFailed, format!("StorageFull: {text}")));
            }
            _ => Failure::new(reason, text),
        };
        Self::fetch(failure)
    }

    /// An artifact that could not be stored or read back.
    #[must_use]
    pub fn stored(error: &StorageError) -> Self {
        let text = format!("failed to store artifact: {error}");
        let failure = match error {
            StorageError::Full { .. } => {
                Failure::new(Reason::ArchiveOperationFailed, format!("StorageFull: {text}"))
            }
            StorageError::Path { .. } => Failure::stalled(Reason::InvalidPath, text),
            _ => Failure::new(Reason::ArchiveOperationFailed, text),
        };
        Self::storage(failure)
    }

    /// A fault of the fetch.
    #[must_use]
    pub fn fetch(failure: Failure) -> Self {
        Self {
            condition: ConditionType::FetchFailed,
            failure,
        }
    }

    fn storage(failure: Failure) -> Self {
        Self {
            condition: ConditionType::StorageOperationFailed,
            failure,
        }
    }
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
