//! `GitRepository`: the tree of a reference, handed over within the process and stored as an artifact for everybody else.

mod fetch;
pub mod plan;
mod submodules;

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;
use std::time::Duration;

use fluxbot_api::Reason;
use fluxbot_api::condition::{ConditionType, EventSeverity};
use fluxbot_api::source::{
    Artifact, GROUP, GitRepository, GitRepositorySpec, GitRepositoryStatus, GitVerificationMode,
};
use jiff::Timestamp;
use tokio::time::Instant;

use self::fetch::{Fetch, FetchFault, Found, Look};
use self::plan::{SourceFault, Times};
use super::attempt::{Attempt, Reconciler};
use super::context::Context;
use super::image_update_automation;
use super::jobs::{JobError, Jobs};
use super::kinds::Reconciled;
use super::kustomization::{self, Artifacts, Waits};
use super::outcome::{self, Announce, Done, Failure, Requeue, Status};
use super::secrets::SecretError;
use super::wake::is_due;
use super::watch::OnChange;
use crate::git::{AccessSources, Bound, GitAccess, Mirrors};
use crate::http::SecretData;
use crate::objects::ObjectKey;
use crate::source::git::Verification;
use crate::source::{SourceKey, SourceStore, Storage};

/// How soon a server is asked again that still answers with what our own push has replaced.
const REPLICA_PAUSE: Duration = Duration::from_secs(1);

/// How much longer than the requests of a look their thread is waited for: its own error says more.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// Reconciles `GitRepository`.
///
/// A run asks the server for its references first; when revision and `spec.ignore` are as before and the artifact is in the
/// storage, nothing else happens. A new tree is in the [`SourceStore`] before the status names its revision. What this process
/// has pushed itself is taken from the mirror without asking, and an answer that is older than that is never taken.
pub struct GitRepositoryReconciler {
    context: Context,
    mirrors: Mirrors,
    storage: Storage,
    sources: SourceStore,
    jobs: Jobs,
}

impl GitRepositoryReconciler {
    /// A reconciler over mirrors that the automations of this process share, which stores artifacts in `storage` and hands
    /// them to the Kustomizations of this process through `sources`.
    #[must_use]
    pub fn new(context: Context, mirrors: Mirrors, storage: Storage, sources: SourceStore) -> Self {
        Self {
            context,
            mirrors,
            storage,
            sources,
            jobs: Jobs::default(),
        }
    }

    async fn access(&self, object: &GitRepository) -> Result<GitAccess, SourceFault> {
        let spec = &object.spec;
        let secret = self
            .secret(object, spec.secret_ref.as_ref().map(|secret| &secret.name))
            .await?;
        let proxy = self
            .secret(object, spec.proxy_secret_ref.as_ref().map(|secret| &secret.name))
            .await?;
        let name = spec
            .secret_ref
            .as_ref()
            .map(|secret| format!("{}/{}", object.key().namespace, secret.name));
        let sources = AccessSources {
            provider: spec.provider.as_ref(),
            service_account: spec.service_account_name.as_deref(),
            secret_name: name.as_deref(),
            secret: secret.as_ref(),
            proxy: proxy.as_ref(),
        };
        GitAccess::read(&spec.url, &sources)
            .await
            .map_err(|error| SourceFault::access(&error))
    }

    async fn secret(
        &self,
        object: &GitRepository,
        name: Option<&String>,
    ) -> Result<Option<SecretData>, SourceFault> {
        let Some(name) = name else {
            return Ok(None);
        };
        let key = ObjectKey::new(object.key().namespace, name);
        match self.context.secret(&key).await {
            Ok(secret) => Ok(Some(secret.values)),
            Err(error @ SecretError::NotFound(_)) => Err(SourceFault::secret(format!(
                "failed to get secret '{key}': {error}"
            ))),
            Err(error) => Err(SourceFault::secret(error.to_string())),
        }
    }

    /// What `spec.verify` asks for, with the keys of its Secret.
    async fn verification(&self, object: &GitRepository) -> Result<Option<Verification>, SourceFault> {
        let Some(verify) = &object.spec.verify else {
            return Ok(None);
        };
        let key = ObjectKey::new(object.key().namespace, &verify.secret_ref.name);
        let failed =
            |error: SecretError| SourceFault::verification(format!("public keys secret error: {error}"));
        let secret = self.context.secret(&key).await.map_err(failed)?;
        let mode = verify.mode.unwrap_or_default();
        let now = Timestamp::now().as_second();
        Ok(Some(Verification::new(mode, &secret.values, now)))
    }

    /// The artifacts that the object includes.
    #[expect(clippy::result_large_err, reason = "it is made once a run")]
    fn included(&self, object: &GitRepository) -> Result<Vec<Artifact>, SourceFault> {
        let namespace = object.key().namespace;
        let lookup = |name: &str| {
            let key = ObjectKey::new(&namespace, name);
            self.context.caches.git_repositories.good(&key)
        };
        plan::included(object, lookup, self.context.options.requeue_dependency)
    }

    /// One look at the server, bounded by `spec.timeout`.
    async fn look(
        &self,
        attempt: &Attempt<GitRepository>,
        times: Times,
        included: Vec<Artifact>,
    ) -> Result<Look, SourceFault> {
        let object = Arc::clone(&attempt.object);
        let access = self.access(&object).await?;
        let fetch = Fetch {
            artifact: plan::reusable(&object.spec, &attempt.status, &included).cloned(),
            included,
            known: attempt.status.artifact.clone(),
            key: source_key(&attempt.key),
            mirrors: self.mirrors.clone(),
            storage: self.storage.clone(),
            sources: self.sources.clone(),
            pushes: Arc::clone(&self.context.pushes),
            verification: self.verification(&object).await?,
            access,
            object,
        };
        attempt.progress(format!(
            "fetching {}",
            fetch.object.spec.url.rsplit('@').next().unwrap_or_default()
        ));
        // When this run is given up, so are the requests of its thread.
        let cancel = attempt.cancel.child_token();
        let _end = cancel.clone().drop_guard();
        let bound = Bound::new(times.timeout, cancel);
        let end = Instant::now() + times.timeout.saturating_add(LAST_WORDS);
        let job = move || bound.hold(|| fetch.run(Timestamp::now()));
        match self.jobs.run(&attempt.key, end, job).await {
            Ok(Ok(look)) => Ok(look),
            Ok(Err(fault)) => Err(fault_of(&fault)),
            Err(JobError::Busy) => Err(SourceFault::busy()),
            Err(JobError::Late) => Err(SourceFault::timeout(times.timeout)),
            Err(error @ JobError::Stopped(_)) => Err(broken(&error)),
        }
    }
}

fn fault_of(fault: &FetchFault) -> SourceFault {
    match fault {
        FetchFault::Open(error) => SourceFault::open(error),
        FetchFault::Resolve(error) => SourceFault::resolve(error),
        FetchFault::Storage(error) => SourceFault::stored(error),
        FetchFault::Include { text } => SourceFault::copy(text),
        FetchFault::Store { revision, error } => SourceFault::stored(error).at(revision),
    }
}

fn broken(error: &JobError) -> SourceFault {
    let text = format!("fetching stopped: {error}");
    SourceFault::fetch(Failure::new(Reason::Failed, text))
}

impl Reconciler for GitRepositoryReconciler {
    type Kind = GitRepository;

    const CONTROLLER: &'static str = "source-controller";

    async fn reconcile(&self, attempt: &mut Attempt<GitRepository>) -> Result<Done, Failure> {
        let object = Arc::clone(&attempt.object);
        let times = Times::of(&object.spec)?;
        let look = match plan::refused(&object.spec) {
            Some(failure) => Err(SourceFault::fetch(failure)),
            None => match self.included(&object) {
                Ok(included) => self
                    .look(attempt, times, included.clone())
                    .await
                    .map(|look| (look, included)),
                Err(fault) => Err(fault),
            },
        };
        let (look, included) = look.map_err(|fault| show(attempt, fault))?;
        tell(attempt, &look);
        let found = look.found;
        let requeue = match &found {
            Found::Replica { .. } => REPLICA_PAUSE.min(times.interval),
            _ => jittered(&attempt.key, times.interval),
        };
        let verified = found.verified();
        let artifact = match found {
            Found::Stored(stored) => {
                let text = plan::stored_text(stored.subject.as_deref(), &stored.artifact.revision);
                announce(attempt, &stored.artifact, &text);
                stored.artifact
            }
            Found::Current { artifact, .. }
            | Found::Replica {
                artifact: Some(artifact),
            } => {
                announce(attempt, &artifact, &plan::stored_text(None, &artifact.revision));
                artifact
            }
            Found::Replica { artifact: None } => {
                let text = "the Git server does not show the branch yet that was pushed a moment ago";
                let fault = SourceFault::fetch(Failure::new(Reason::GitOperationFailed, text));
                return Err(show(attempt, fault));
            }
        };
        let message = format!("stored artifact for revision '{}'", artifact.revision);
        attempt.condition(
            ConditionType::ArtifactInStorage,
            Status::True,
            Reason::Succeeded,
            &message,
        );
        for fault in [
            ConditionType::FetchFailed,
            ConditionType::ArtifactOutdated,
            ConditionType::StorageOperationFailed,
            ConditionType::IncludeUnavailable,
        ] {
            attempt.remove_condition(fault);
        }
        show_verified(attempt, verified);
        attempt.status.artifact = Some(artifact);
        observe(&mut attempt.status, &object.spec, included);
        Ok(Done {
            reason: Reason::Succeeded,
            message,
            requeue: Requeue::After(requeue),
            announce: Announce::Nothing,
        })
    }

    async fn finalize(&self, attempt: &mut Attempt<GitRepository>) -> Result<(), Failure> {
        let key = source_key(&attempt.key);
        self.sources.remove(&key);
        let storage = self.storage.clone();
        let removed = tokio::task::spawn_blocking(move || storage.remove_all(&key)).await;
        let failed = |text: String| Failure::new(Reason::GarbageCollectionFailed, text);
        removed
            .map_err(|error| failed(format!("internal error: {error}")))?
            .map_err(|error| failed(format!("garbage collection for deleted resource failed: {error}")))?;
        Ok(())
    }

    fn needs_finalizer(&self, _object: &GitRepository) -> bool {
        true
    }

    fn deadline(&self, object: &GitRepository) -> Duration {
        // The reads of Secrets and the end of a request come on top.
        Times::of(&object.spec).map_or(Duration::from_mins(1), |times| times.timeout) + Duration::from_mins(1)
    }
}

/// Notes with what the artifact was made.
fn observe(status: &mut GitRepositoryStatus, spec: &GitRepositorySpec, included: Vec<Artifact>) {
    status.included_artifacts = included;
    status.observed_ignore.clone_from(&spec.ignore);
    status.observed_include.clone_from(&spec.include);
    status.observed_recurse_submodules = spec.recurse_submodules.filter(|recurses| *recurses);
    status.observed_sparse_checkout.clone_from(&spec.sparse_checkout);
}

/// Tells what happened in the storage, and, to who asked for the run, that nothing has changed. These events go to the API
/// server only.
fn tell(attempt: &mut Attempt<GitRepository>, look: &Look) {
    if let Some(damage) = &look.damage {
        let text = format!("failed to verify integrity of artifact: {damage}");
        attempt.event(EventSeverity::Error, Reason::ArtifactVerificationFailed, text);
    }
    if look.removed > 0 {
        let text = format!("garbage collected {} artifacts", look.removed);
        attempt.event(EventSeverity::Trace, Reason::GarbageCollectionSucceeded, text);
    }
    if let Found::Current { artifact, .. } = &look.found
        && attempt.requested_at.is_some()
    {
        let (reason, text) = plan::unchanged_text(&attempt.object.spec, &artifact.revision);
        attempt.event(EventSeverity::Trace, reason, text);
    }
}

/// The interval, 5 % shorter or longer, the same for the same object: sources that were created together are not asked for
/// together for ever. (Flux: `--interval-jitter-percentage`.)
fn jittered(key: &ObjectKey, interval: Duration) -> Duration {
    let mut hasher = DefaultHasher::new();
    (&key.namespace, &key.name).hash(&mut hasher);
    let thousandths = u32::try_from(hasher.finish() % 101).unwrap_or_default();
    interval * (950 + thousandths) / 1000
}

/// Puts a fault into the conditions, and gives the failure for `Ready`.
fn show(attempt: &mut Attempt<GitRepository>, fault: SourceFault) -> Failure {
    let SourceFault {
        condition,
        failure,
        outdated,
    } = fault;
    let others = [
        ConditionType::FetchFailed,
        ConditionType::IncludeUnavailable,
        ConditionType::StorageOperationFailed,
    ];
    for other in others.into_iter().filter(|other| *other != condition) {
        attempt.remove_condition(other);
    }
    // What failed before is not known to fail now.
    let verified = outcome::find(&attempt.status.conditions, ConditionType::SourceVerified);
    if verified.is_some_and(|verified| verified.status == "False") {
        attempt.remove_condition(ConditionType::SourceVerified);
    }
    let known = attempt
        .status
        .artifact
        .as_ref()
        .map(|artifact| &artifact.revision);
    if let (Some(revision), Some(known)) = (outdated, known)
        && revision != *known
    {
        let text = format!("new upstream revision '{revision}'");
        attempt.condition(
            ConditionType::ArtifactOutdated,
            Status::True,
            Reason::NewRevision,
            &text,
        );
    }
    let status = match condition {
        // The one condition for which false is bad.
        ConditionType::SourceVerified => Status::False,
        _ => Status::True,
    };
    attempt.condition(condition, status, failure.reason, &failure.message);
    failure
}

/// Tells what was verified, or that nothing is asked for any more.
fn show_verified(attempt: &mut Attempt<GitRepository>, verified: Option<String>) {
    let verify = attempt.object.spec.verify.clone();
    match (verify, verified) {
        (Some(verify), Some(text)) => {
            let mode = match verify.mode.unwrap_or_default() {
                GitVerificationMode::LegacyHead => GitVerificationMode::Head,
                mode => mode,
            };
            attempt.status.source_verification_mode = Some(mode.as_str().to_owned());
            attempt.condition(
                ConditionType::SourceVerified,
                Status::True,
                Reason::Succeeded,
                &text,
            );
        }
        (None, _) => {
            attempt.status.source_verification_mode = None;
            attempt.remove_condition(ConditionType::SourceVerified);
        }
        (Some(_), None) => {}
    }
}

/// Tells of an artifact with other content, or of the end of a fault.
fn announce(attempt: &mut Attempt<GitRepository>, artifact: &Artifact, text: &str) {
    let before = attempt.status.artifact.as_ref();
    let reason = if before.is_none_or(|before| before.digest != artifact.digest) {
        Reason::NewArtifact
    } else if plan::had_failed(&attempt.status) {
        Reason::Succeeded
    } else {
        return;
    };
    let digest = artifact.digest.clone().unwrap_or_default();
    attempt
        .event(EventSeverity::Info, reason, text)
        .with(format!("{GROUP}/revision"), &artifact.revision)
        .with(format!("{GROUP}/digest"), digest);
}

/// The name under which a `GitRepository` is known to those who use its tree.
#[must_use]
pub fn source_key(key: &ObjectKey) -> SourceKey {
    SourceKey::new(GitRepository::KIND, &key.namespace, &key.name)
}

/// What a change of a `GitRepository` wakes: itself, its automations, its Kustomizations and the sources that
/// include it when its artifact has another revision or content.
#[must_use]
pub fn on_change(context: &Context, waits: Arc<Waits>, artifacts: Arc<Artifacts>) -> OnChange<GitRepository> {
    let context = context.clone();
    Box::new(move |key, old, new| {
        if is_due(old, new) {
            context.queues.git_repositories.wake(key);
        }
        if new.is_none() {
            context.queues.git_repositories.forget(key);
            artifacts.forget(&source_key(key));
        }
        image_update_automation::wake_for_source(&context, key, old, new);
        // An included source can give it other content at the same revision.
        let current = new.and_then(content);
        if current.is_some() && current != old.and_then(content) {
            kustomization::source_changed(&context, &waits, &source_key(key));
        }
        if current != old.and_then(content) {
            wake_including(&context, key);
        }
    })
}

/// Wakes the sources that include this one.
fn wake_including(context: &Context, key: &ObjectKey) {
    let including = context.caches.git_repositories.select(|other| {
        other.metadata.namespace.as_deref() == Some(&key.namespace)
            && other
                .spec
                .include
                .iter()
                .any(|include| include.repository.name == key.name)
    });
    for other in including {
        context.queues.git_repositories.wake(&other.key());
    }
}

/// Revision and digest of the artifact.
fn content(object: &GitRepository) -> Option<(&str, Option<&str>)> {
    let artifact = object.status.as_ref()?.artifact.as_ref()?;
    Some((&artifact.revision, artifact.digest.as_deref()))
}
