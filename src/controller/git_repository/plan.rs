//! What a `GitRepository` asks for, and what a fault means for its conditions: no input, no output.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use fluxbot_api::condition::ConditionType;
use fluxbot_api::source::{
    Artifact, GitProvider, GitRepository, GitRepositoryInclude, GitRepositorySpec, GitRepositoryStatus,
};
use fluxbot_api::{Fault, Reason};

use crate::controller::fault::Diagnosis;
use crate::controller::outcome::{self, Failure, Recovery};
use crate::git::{AccessError, OpenError};
use crate::source::git::{FaultKind, ResolveError, Unverified};
use crate::source::{Revision, StorageError};

/// How long one look at the Git server may take when `spec.timeout` does not say.
const DEFAULT_TIMEOUT: Duration = Duration::from_mins(1);

/// How soon a missing or bad Secret is looked at again: nothing tells when it is mended.
const SECRET_PAUSE: Duration = Duration::from_secs(5);

/// What the messages about a failed fetch begin with, as in Flux.
const CHECKOUT_FAILED: &str = "failed to checkout and determine revision";

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

/// How long one look at the Git server may take for others that use the source: `spec.timeout`, where it can be read.
#[must_use]
pub fn timeout(spec: &GitRepositorySpec) -> Duration {
    let timeout = spec.timeout.as_ref().map(fluxbot_api::Duration::get);
    timeout.and_then(Result::ok).unwrap_or(DEFAULT_TIMEOUT)
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
    if let Some(provider) = spec
        .provider
        .as_ref()
        .filter(|provider| !matches!(provider, GitProvider::Generic | GitProvider::GitHub))
    {
        return unsupported(
            Reason::InvalidProviderConfiguration,
            &format!("spec.provider '{}'", provider.as_str()),
            "use the provider generic with a token in spec.secretRef",
        );
    }
    if spec.provider == Some(GitProvider::GitHub) && spec.secret_ref.is_none() {
        let text = AccessError::GitHubAppMissing.to_string();
        return Some(Failure::stalled(Reason::InvalidProviderConfiguration, text));
    }
    None
}

/// The artifact of the status, when what shapes its content is still as it was when it was made. `included` are the artifacts
/// of `spec.include` as they are now.
#[must_use]
pub fn reusable<'a>(
    spec: &GitRepositorySpec,
    status: &'a GitRepositoryStatus,
    included: &[Artifact],
) -> Option<&'a Artifact> {
    let is_same = spec.ignore == status.observed_ignore
        && spec.include == status.observed_include
        && spec.recurse_submodules.unwrap_or_default()
            == status.observed_recurse_submodules.unwrap_or_default()
        && spec.sparse_checkout == status.observed_sparse_checkout
        && is_included(included, &status.included_artifacts);
    status
        .artifact
        .as_ref()
        .filter(|artifact| is_same && artifact.digest.is_some())
}

/// Whether the included artifacts are those that were included before.
fn is_included(now: &[Artifact], before: &[Artifact]) -> bool {
    let content = |artifacts: &[Artifact]| -> Vec<(String, Option<String>)> {
        let artifacts = artifacts.iter();
        artifacts
            .map(|artifact| (artifact.revision.clone(), artifact.digest.clone()))
            .collect()
    };
    content(now) == content(before)
}

/// The artifacts of `spec.include`, in its order; `lookup` gives the sources of the namespace by name.
///
/// # Errors
/// The first one that does not exist, has no artifact yet, or includes this source in turn.
#[expect(clippy::result_large_err, reason = "it is made once a run")]
pub fn included(
    object: &GitRepository,
    lookup: impl Fn(&str) -> Option<Arc<GitRepository>>,
    pause: Duration,
) -> Result<Vec<Artifact>, SourceFault> {
    let own = object.metadata.name.clone().unwrap_or_default();
    let mut artifacts = Vec::new();
    for include in &object.spec.include {
        let name = &include.repository.name;
        let waiting = |reason: Reason, text: String| {
            let failure = Failure::new(reason, text)
                .recovery(Recovery::Wait(pause))
                .severity(fluxbot_api::condition::EventSeverity::Info);
            SourceFault::include(failure)
        };
        if leads_to(name, &own, &lookup) {
            let text = format!(
                "include '{name}' leads back to this repository: its artifact would grow without end"
            );
            return Err(waiting(Reason::Failed, text));
        }
        let Some(source) = lookup(name) else {
            let text = format!(
                "could not get resource for include '{name}': gitrepositories.source.toolkit.fluxcd.io \"{name}\" not found"
            );
            return Err(waiting(Reason::NotFound, text));
        };
        let artifact = source.status.as_ref().and_then(|status| status.artifact.clone());
        let Some(artifact) = artifact else {
            let text = format!("no artifact available for include '{name}'");
            return Err(waiting(Reason::NoArtifact, text));
        };
        artifacts.push(artifact);
    }
    Ok(artifacts)
}

/// Whether a source includes another one, itself or through others.
fn leads_to(from: &str, to: &str, lookup: &impl Fn(&str) -> Option<Arc<GitRepository>>) -> bool {
    let mut seen = BTreeSet::new();
    let mut open = vec![from.to_owned()];
    while let Some(name) = open.pop() {
        if name == to {
            return true;
        }
        if let Some(source) = lookup(&name).filter(|_| seen.insert(name)) {
            let included = source.spec.include.iter();
            open.extend(included.map(|include| include.repository.name.clone()));
        }
    }
    false
}

/// What is taken from an included artifact, and where it is put.
#[must_use]
pub fn include_paths(include: &GitRepositoryInclude) -> (String, String) {
    let given = |path: &Option<String>| path.clone().filter(|path| !path.is_empty());
    (
        given(&include.from_path).unwrap_or_default(),
        given(&include.to_path).unwrap_or_else(|| include.repository.name.clone()),
    )
}

/// The revision string of our own push, in the form that the object's reference gives its revisions.
#[must_use]
pub fn pushed_revision(object: &GitRepository, branch: &str, commit: &impl std::fmt::Display) -> Revision {
    let full_name = object
        .spec
        .reference
        .as_ref()
        .and_then(|reference| reference.name.as_deref());
    Revision::git(
        full_name.filter(|name| !name.is_empty()).unwrap_or(branch),
        commit,
    )
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

/// The event about a run without news. Flux has two: one where the list of references was enough, and one where the commit had
/// to be looked up.
#[must_use]
pub fn unchanged_text(spec: &GitRepositorySpec, revision: &str) -> (Reason, String) {
    let given = |text: &Option<String>| text.as_ref().is_some_and(|text| !text.is_empty());
    let is_looked_up = spec.verify.is_some()
        || spec.reference.as_ref().is_some_and(|reference| {
            let by_name = given(&reference.name) || given(&reference.tag);
            given(&reference.commit) || (given(&reference.semver) && !by_name)
        });
    if is_looked_up {
        let text = format!("artifact up-to-date with remote revision: '{revision}'");
        return (Reason::ArtifactUpToDate, text);
    }
    let text = format!("no changes since last reconciliation: observed revision '{revision}'");
    (Reason::GitOperationSucceeded, text)
}

/// Whether the status before tells of a fault that a success now ends.
#[must_use]
pub fn had_failed(status: &GitRepositoryStatus) -> bool {
    [
        ConditionType::FetchFailed,
        ConditionType::IncludeUnavailable,
        ConditionType::StorageOperationFailed,
    ]
    .into_iter()
    .any(|kind| outcome::find(&status.conditions, kind).is_some_and(|condition| condition.status == "True"))
}

/// A fault with the condition that shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFault {
    /// `FetchFailed`, `IncludeUnavailable`, `StorageOperationFailed` or `SourceVerified`.
    pub condition: ConditionType,
    /// What `Ready` says.
    pub failure: Failure,
    /// A revision that was found, but of which no artifact was made (`ArtifactOutdated`).
    pub outdated: Option<String>,
}

impl SourceFault {
    /// A Secret that is missing or not usable.
    #[must_use]
    pub fn secret(message: impl Into<String>) -> Self {
        let failure = Failure::new(Reason::AuthenticationFailed, message);
        Self::fetch(failure.recovery(Recovery::After(SECRET_PAUSE)))
    }

    /// An object and Secrets that give no access to the repository.
    #[must_use]
    pub fn access(error: &AccessError) -> Self {
        let text = error.to_string();
        match error {
            AccessError::GitHubAppMissing | AccessError::GitHubAppWithoutProvider(_) => {
                let failure = Failure::new(Reason::InvalidProviderConfiguration, text);
                Self::fetch(failure.recovery(Recovery::After(SECRET_PAUSE)))
            }
            _ => Self::secret(format!("failed to configure authentication options: {text}")),
        }
    }

    /// A fetch that did not end in time.
    #[must_use]
    pub fn timeout(timeout: Duration) -> Self {
        let text = format!(
            "{CHECKOUT_FAILED}: the server did not answer completely within {}",
            fluxbot_api::Duration::from(timeout)
        );
        let failure = Failure::new(Reason::GitOperationFailed, text);
        Self::fetch(failure.diagnosed(Diagnosis::from(Fault::GitUnreachable)))
    }

    /// A fetch that was not begun, because the one before it has not ended.
    #[must_use]
    pub fn busy() -> Self {
        let text = format!("{CHECKOUT_FAILED}: the fetch of an earlier run has not ended yet");
        Self::fetch(Failure::new(Reason::GitOperationFailed, text))
    }

    /// A mirror that cannot be opened.
    #[must_use]
    pub fn open(error: &OpenError) -> Self {
        let text = format!("{CHECKOUT_FAILED}: {error}");
        match error {
            OpenError::Url(_) => Self::fetch(Failure::stalled(Reason::UrlInvalid, text)),
            OpenError::Mirror(error) => {
                let failure = Failure::new(Reason::CacheOperationFailed, text);
                Self::storage(failure.diagnosed(Diagnosis::of_mirror(error)))
            }
        }
    }

    /// A reference that could not be fetched.
    #[must_use]
    pub fn resolve(error: &ResolveError) -> Self {
        if let ResolveError::Unverified(unverified) = error {
            return Self::unverified(unverified);
        }
        let text = format!("{CHECKOUT_FAILED}: {error}");
        let diagnosis = match error {
            ResolveError::Fetch { source, .. } | ResolveError::List { source, .. } => {
                Some(Diagnosis::of_fetch(source))
            }
            _ => None,
        };
        match error.kind() {
            FaultKind::Include => Self::copy(error.to_string()),
            _ if matches!(error, ResolveError::Sparse { .. }) => {
                Self::fetch(Failure::new(Reason::GitOperationFailed, error.to_string()))
            }
            FaultKind::Empty => Self::fetch(Failure::new(Reason::EmptyGitRepository, text)),
            // Flux has no prefix there.
            FaultKind::Ignore => Self::fetch(Failure::new(Reason::SourceIgnoreError, error.to_string())),
            FaultKind::Invalid | FaultKind::Unverified => {
                Self::fetch(Failure::stalled(Reason::GitOperationFailed, text))
            }
            FaultKind::Storage => {
                Self::storage(Failure::new(Reason::CacheOperationFailed, text).diagnosed(diagnosis))
            }
            _ => Self::fetch(Failure::new(Reason::GitOperationFailed, text).diagnosed(diagnosis)),
        }
    }

    /// An artifact that could not be stored or read back.
    #[must_use]
    pub fn stored(error: &StorageError) -> Self {
        let text = format!("failed to store artifact: {error}");
        let failure = Failure::new(Reason::ArchiveOperationFailed, text.clone());
        Self::storage(match error {
            StorageError::Full { .. } => failure.diagnosed(Diagnosis::from(Fault::StorageFull)),
            StorageError::Path { .. } => Failure::stalled(Reason::InvalidPath, text),
            _ => failure.diagnosed(Diagnosis::from(Fault::StorageFailed)),
        })
    }

    /// A signature that is asked for and not there.
    fn unverified(error: &Unverified) -> Self {
        let (reason, text) = (error.reason(), error.to_string());
        let failure = if error.is_stalled() {
            Failure::stalled(reason, text)
        } else {
            Failure::new(reason, text)
        };
        Self::of(ConditionType::SourceVerified, failure)
    }

    /// The Secret with the keys that count cannot be read.
    #[must_use]
    pub fn verification(message: impl Into<String>) -> Self {
        let failure = Failure::new(Reason::VerificationError, message);
        Self::of(
            ConditionType::SourceVerified,
            failure.recovery(Recovery::After(SECRET_PAUSE)),
        )
    }

    /// The files of an included artifact that cannot be put into the tree.
    #[must_use]
    pub fn copy(message: impl Into<String>) -> Self {
        Self::storage(Failure::new(Reason::CopyFailure, message))
    }

    /// The same fault, of a run that had found a revision which is not that of the artifact.
    #[must_use]
    pub fn at(mut self, revision: impl Into<String>) -> Self {
        self.outdated = Some(revision.into());
        self
    }

    /// A fault of the fetch.
    #[must_use]
    pub fn fetch(failure: Failure) -> Self {
        Self::of(ConditionType::FetchFailed, failure)
    }

    fn include(failure: Failure) -> Self {
        Self::of(ConditionType::IncludeUnavailable, failure)
    }

    fn storage(failure: Failure) -> Self {
        Self::of(ConditionType::StorageOperationFailed, failure)
    }

    fn of(condition: ConditionType, failure: Failure) -> Self {
        Self {
            condition,
            failure,
            outdated: None,
        }
    }
}

#[cfg(test)]
mod tests;
