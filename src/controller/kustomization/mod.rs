//! `Kustomization`: a path of a source, built, applied, pruned and awaited.
//!
//! ```text
//! Settings, source, dependencies (plan, P) --> tree (artifact, E) --> objects (build)
//!     --> inventory of old and new objects saved --> apply --> prune --> inventory of new objects --> health --> Ready
//! ```
//!
//! Nothing is pruned unless one revision was built and applied completely. [`Waits`] says who is woken by what.

mod artifact;
mod build;
mod clusters;
mod delete;
mod drift;
pub mod history;
mod memory;
pub mod plan;
mod run;
mod variables;
mod waits;

pub use artifact::{ArtifactError, Artifacts};
pub use waits::{Underway, Waits};

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use fluxbot_api::Reason;
use fluxbot_api::kustomize::Kustomization;
use fluxbot_api::source::Artifact;
use tokio::time::Instant;

use self::clusters::{ClusterError, Clusters};
use self::drift::DriftWatch;
use self::memory::Memory;
use self::plan::{Rules, Settings, Times};
use self::run::Run;
use super::attempt::{Attempt, Reconciler};
use super::cache::Cached;
use super::context::Context;
use super::jobs::Jobs;
use super::kinds::Reconciled;
use super::outcome::{Done, Failure, Recovery};
use super::wake::is_due;
use super::watch::OnChange;
use crate::objects::ObjectKey;
use crate::source::SourceKey;
use crate::sync::Inventory;

/// What the phases of a run may take beyond their timeouts: requests under way that come to their end.
const SLACK: Duration = Duration::from_mins(2);

/// How long a run waits for a dependency that is about to pass its revision on, unless the dependency wakes it, and how often.
const DEPENDENCY_PAUSE: Duration = Duration::from_secs(2);
const MOST_PAUSES: u32 = 15;

/// How long a run that has nothing to do waits for those that have.
const IDLE_PAUSE: Duration = Duration::from_millis(20);

/// Reconciles `Kustomization`.
pub struct KustomizationReconciler {
    context: Context,
    waits: Arc<Waits>,
    artifacts: Arc<Artifacts>,
    clusters: Clusters,
    builds: Jobs,
    memory: Arc<Memory>,
    drift: Arc<DriftWatch>,
}

impl KustomizationReconciler {
    /// A reconciler that takes its trees from `artifacts`. Both are shared with [`on_change`].
    #[must_use]
    pub fn new(context: Context, waits: Arc<Waits>, artifacts: Arc<Artifacts>) -> Self {
        let clusters = Clusters::new(context.client.clone());
        let memory = Arc::new(Memory::default());
        let applier = clusters.local().for_identity(None, "");
        Self {
            drift: DriftWatch::new(context.clone(), applier, Arc::clone(&memory)),
            context,
            waits,
            artifacts,
            clusters,
            builds: Jobs::default(),
            memory,
        }
    }

    fn rules(&self) -> Rules<'_> {
        Rules {
            no_cross_namespace_refs: self.context.options.no_cross_namespace_refs,
            default_service_account: self.context.options.default_service_account.as_deref(),
        }
    }

    /// The artifact in the status of the source.
    fn artifact(&self, object: &Kustomization, settings: &Settings) -> Result<Artifact, Failure> {
        plan::check_source_kind(&object.spec.source_ref.kind)?;
        let SourceKey { namespace, name, .. } = &settings.source;
        let key = ObjectKey::new(namespace, name);
        match self.context.caches.git_repositories.get(&key) {
            Some(Cached::Good(source)) => {
                let artifact = source.status.as_ref().and_then(|status| status.artifact.clone());
                artifact.ok_or_else(|| plan::artifact_not_found(self.context.options.requeue_dependency))
            }
            Some(Cached::Bad { error, .. }) => {
                let text = format!("GitRepository '{key}' cannot be understood: {error}");
                Err(Failure::new(Reason::ArtifactFailed, text)
                    .recovery(Recovery::Wait(settings.retry_interval)))
            }
            None => Err(plan::source_not_found(settings)),
        }
    }

    /// Whether all dependencies let the object go on. Those that do not will wake it.
    fn check_dependencies(
        &self,
        key: &ObjectKey,
        object: &Kustomization,
        settings: &Settings,
        revision: &str,
    ) -> Result<(), Failure> {
        let dependencies = plan::dependencies(key, &object.spec);
        self.waits.wait_for(key, &dependencies);
        for (dependency, reference) in dependencies.iter().zip(&object.spec.depends_on) {
            let found = self.context.caches.kustomizations.good(dependency);
            let unready = match (&found, &reference.ready_expr) {
                (Some(found), Some(expression)) if !expression.is_empty() => {
                    plan::unready_by_expression(reference, dependency, object, found)?
                }
                _ => plan::unready(dependency, found.as_deref(), &settings.source, revision),
            };
            if let Some(text) = unready {
                let pause = self.context.options.requeue_dependency;
                return Err(with_revision(plan::dependency_not_ready(text, pause), revision));
            }
        }
        self.waits.forget(key);
        Ok(())
    }

    /// Whether a dependency from the same source is about to pass its revision on: it has applied the one before, and nothing
    /// keeps it from the next.
    fn is_dependency_on_its_way(&self, object: &Kustomization, settings: &Settings, revision: &str) -> bool {
        let key = object.key();
        let dependencies = plan::dependencies(&key, &object.spec);
        let is_on_its_way = |dependency: &ObjectKey| {
            let found = self.context.caches.kustomizations.good(dependency);
            found.is_some_and(|found| plan::is_on_its_way(dependency, &found, &settings.source, revision))
        };
        // Before it is looked at, so that no change is missed.
        self.waits.wait_for(&key, &dependencies);
        let simple = dependencies.iter().zip(&object.spec.depends_on);
        let mut simple = simple.filter(|(_, reference)| reference.ready_expr.is_none());
        simple.any(|(dependency, _)| is_on_its_way(dependency))
    }
}

/// A failure whose event names the revision.
fn with_revision(failure: Failure, revision: &str) -> Failure {
    failure.with(format!("{}/revision", fluxbot_api::kustomize::GROUP), revision)
}

impl Reconciler for KustomizationReconciler {
    type Kind = Kustomization;

    const CONTROLLER: &'static str = "kustomize-controller";

    const READY_UNKNOWN_WHILE_RUNNING: bool = true;

    async fn reconcile(&self, attempt: &mut Attempt<Kustomization>) -> Result<Done, Failure> {
        let started = Instant::now();
        let object = Arc::clone(&attempt.object);
        let key = attempt.key.clone();
        let underway = self.waits.begin(&key);
        // What changed between the start of the run and its registration was not told.
        let current = self.context.caches.kustomizations.good(&key);
        if is_due(Some(object.as_ref()), current.as_deref()) {
            self.waits.interrupt(&key, &subject(Kustomization::KIND, &key));
        }
        let settings = Settings::of(&key, &object.spec, self.rules())?;
        let rules = Arc::new(plan::health_rules(&object.spec)?);
        let ignored = Arc::new(plan::ignore_rules(&object.spec)?);
        let artifact = self.artifact(&object, &settings)?;
        self.check_dependencies(&key, &object, &settings, &artifact.revision)?;
        let cluster = object.spec.kube_config.as_ref();
        let appliers = self.clusters.of(&self.context, &key.namespace, cluster).await;
        let appliers = appliers.map_err(|error| {
            let failure = Failure::new(Reason::ReconciliationFailed, error.to_string());
            let failure = match error {
                ClusterError::ConfigMap => failure.recovery(Recovery::Stalled),
                _ => failure.recovery(Recovery::After(settings.retry_interval)),
            };
            with_revision(failure, &artifact.revision)
        })?;
        let run = Run {
            context: &self.context,
            artifacts: &self.artifacts,
            builds: &self.builds,
            masks: OnceLock::new(),
            memory: &self.memory,
            applier: appliers.for_identity(settings.service_account.as_deref(), &key.namespace),
            is_remote: cluster.is_some(),
            rules,
            ignored,
            settings,
            artifact,
            underway: &underway,
            started,
        };
        let result = match run.carry_over(attempt).await {
            Some(result) => result,
            None => run.reconcile(attempt).await,
        };
        if plan::corrects_at_once(&object) && run.settings.service_account.is_none() {
            if result.is_ok() {
                let inventory = attempt.status.inventory.as_ref().map(Inventory::from_stored);
                self.drift.follow(&key, inventory.unwrap_or_default().entries());
            }
        } else {
            self.drift.forget(&key);
        }
        result
    }

    fn postpone(&self, object: &Kustomization) -> Option<Duration> {
        let key = object.key();
        let settings = Settings::of(&key, &object.spec, self.rules()).ok()?;
        let artifact = self.artifact(object, &settings).ok()?;
        let revision = &artifact.revision;
        let is_requested = super::wake::is_requested(object);
        if plan::settled(object)? == Some(revision.as_str()) || is_requested {
            return None;
        }
        if self.is_dependency_on_its_way(object, &settings, revision)
            && self.memory.may_put_off(&key, revision, MOST_PAUSES)
        {
            return Some(DEPENDENCY_PAUSE);
        }
        // Those that have something to do go first.
        let last = self.memory.get(&key)?;
        let tree = self.artifacts.at_hand(&settings.source, &artifact)?;
        let is_idle = plan::is_last_run_of(object, &last) && last.seen.is_same_in(&tree);
        (is_idle && self.memory.may_put_off(&key, revision, 1)).then_some(IDLE_PAUSE)
    }

    async fn finalize(&self, attempt: &mut Attempt<Kustomization>) -> Result<(), Failure> {
        self.waits.forget(&attempt.key);
        self.memory.forget(&attempt.key);
        self.drift.forget(&attempt.key);
        delete::delete(&self.context, &self.clusters, self.rules(), attempt).await
    }

    fn needs_finalizer(&self, _object: &Kustomization) -> bool {
        true
    }

    fn deadline(&self, object: &Kustomization) -> Duration {
        // Building and applying have the timeout, and so has the wait for health.
        let timeout = Times::of(&object.spec).map_or(Duration::ZERO, |times| times.timeout);
        timeout.saturating_mul(2).saturating_add(SLACK)
    }
}

fn subject(kind: &str, key: &ObjectKey) -> String {
    format!("{kind}/{key}")
}

/// What a change of a `Kustomization` wakes: itself, and those that have waited for it. A run that works on an older state of it
/// stops waiting for health.
#[must_use]
pub fn on_change(context: &Context, waits: Arc<Waits>, artifacts: Arc<Artifacts>) -> OnChange<Kustomization> {
    let (caches, queues) = (Arc::clone(&context.caches), Arc::clone(&context.queues));
    Box::new(move |key, old, new| {
        let queue = &queues.kustomizations;
        if is_due(old, new) {
            // In this order: a run that the wake starts must not be interrupted by what it was started for.
            waits.interrupt(key, &subject(Kustomization::KIND, key));
            queue.wake(key);
        }
        if new.is_none() {
            queue.forget(key);
            waits.forget(key);
        }
        let source = |object: &Kustomization| plan::source_key(key, &object.spec.source_ref);
        if let Some(before) = old
            .map(source)
            .filter(|before| new.map(source).as_ref() != Some(before))
        {
            let is_user =
                |object: &Kustomization| plan::source_key(&object.key(), &object.spec.source_ref) == before;
            if caches.kustomizations.select(is_user).is_empty() {
                artifacts.forget(&before);
            }
        }
        let settled = new.and_then(plan::settled);
        let has_settled = settled.is_some() && settled != old.and_then(plan::settled);
        for dependent in waits.dependents(key) {
            // What an expression looks at, nobody knows.
            let asks_more = || {
                caches
                    .kustomizations
                    .good(&dependent)
                    .is_some_and(|object| plan::has_expressions(&object.spec))
            };
            if has_settled || asks_more() {
                queue.wake(&dependent);
            }
        }
    })
}

/// To be called when a source has another revision: makes its Kustomizations due, and interrupts their waits for the health of
/// what the revision before has brought.
pub fn source_changed(context: &Context, waits: &Waits, source: &SourceKey) {
    let trigger = format!("{}/{}/{}", source.kind, source.namespace, source.name);
    let users = context
        .caches
        .kustomizations
        .select(|object| plan::source_key(&object.key(), &object.spec.source_ref) == *source);
    for user in users {
        let key = user.key();
        waits.interrupt(&key, &trigger);
        context.queues.kustomizations.wake(&key);
    }
}
