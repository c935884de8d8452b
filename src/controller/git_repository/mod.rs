//! `GitRepository`: the tree of a reference, handed over within the process and stored as an artifact for everybody else.

mod fetch;
pub mod plan;

use std::sync::Arc;
use std::time::Duration;

use fluxbot_api::Reason;
use fluxbot_api::condition::{ConditionType, EventSeverity};
use fluxbot_api::source::{Artifact, GROUP, GitRepository, GitVerificationMode};
use jiff::Timestamp;
use tokio::time::Instant;

use self::fetch::{Fetch, FetchFault, Found};
use self::plan::{SourceFault, Times};
use super::attempt::{Attempt, Reconciler};
use super::context::Context;
use super::image_update_automation;
use super::jobs::{JobError, Jobs};
use super::kinds::Reconciled;
use super::kustomization::{self, Artifacts, Waits};
use super::outcome::{Announce, Done, Failure, Requeue, Status};
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

    /// One look at the server, bounded by `spec.timeout`.
    async fn look(&self, attempt: &Attempt<GitRepository>, times: Times) -> Result<Found, SourceFault> {
        let object = Arc::clone(&attempt.object);
        let access = self.access(&object).await?;
        let fetch = Fetch {
            artifact: plan::reusable(&object.spec, &attempt.status).cloned(),
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
            Ok(Ok(found)) => Ok(found),
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
        let found = match plan::refused(&object.spec) {
            Some(failure) => Err(SourceFault::fetch(failure)),
            None => self.look(attempt, times).await,
        };
        let found = found.map_err(|fault| show(attempt, fault))?;
        let requeue = match &found {
            Found::Replica { .. } => REPLICA_PAUSE.min(times.interval),
            _ => times.interval,
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
        attempt.status.observed_ignore.clone_from(&object.spec.ignore);
        attempt.status.observed_include.clear();
        attempt.status.observed_recurse_submodules = None;
        attempt.status.observed_sparse_checkout.clear();
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

/// Puts a fault into the conditions, and gives the failure for `Ready`.
fn show(attempt: &mut Attempt<GitRepository>, fault: SourceFault) -> Failure {
    let SourceFault { condition, failure } = fault;
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

/// What a change of a `GitRepository` wakes: itself, its automations, and its Kustomizations when its artifact has another
/// revision.
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
        let current = new.and_then(revision);
        if current.is_some() && current != old.and_then(revision) {
            kustomization::source_changed(&context, &waits, &source_key(key));
        }
    })
}

fn revision(object: &GitRepository) -> Option<&str> {
    let artifact = object.status.as_ref()?.artifact.as_ref()?;
    Some(&artifact.revision)
}
