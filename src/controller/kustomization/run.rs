//! One revision of a source, from its tree to healthy objects.

mod health;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use fluxbot_api::Reason;
use fluxbot_api::condition::{ConditionType, EventSeverity};
use fluxbot_api::kustomize::{GROUP, Kustomization};
use fluxbot_api::source::Artifact;
use jiff::Timestamp;
use tokio::time::Instant;

use super::artifact::{ArtifactError, Artifacts};
use super::build::{Build, Built, Fault};
use super::history::{self, Record};
use super::memory::{LastRun, Memory};
use super::plan::{self, Settings};
use super::variables::{self, VariablesError};
use super::waits::Underway;
use crate::controller::attempt::Attempt;
use crate::controller::context::Context;
use crate::controller::jobs::{JobError, Jobs};
use crate::controller::outcome::{self, Announce, Done, Failure, Recovery, Requeue};
use crate::source::FetchArtifactError;
use crate::sync::{
    Applied, Applier, ApplyCause, ApplyOptions, DeleteError, DeleteOptions, Entry, HealthRules, IgnoreRules,
    Inventory, object::MASK,
};

/// How long the objects of an awaited stage are waited for, as in Flux.
const STAGE_TIMEOUT: Duration = Duration::from_mins(1);

/// When variables that could not be read are looked for again.
const VARIABLES_PAUSE: Duration = Duration::from_secs(5);

/// The annotation of an artifact that names the revision of the source code from which it was made.
const ORIGIN_REVISION: &str = "org.opencontainers.image.revision";

/// One run with everything that it takes.
pub(super) struct Run<'a> {
    pub(super) context: &'a Context,
    pub(super) artifacts: &'a Artifacts,
    pub(super) builds: &'a Jobs,
    pub(super) memory: &'a Memory,
    pub(super) applier: Arc<Applier>,
    /// Whether the objects are in another cluster.
    pub(super) is_remote: bool,
    pub(super) rules: Arc<HealthRules>,
    pub(super) ignored: Arc<IgnoreRules>,
    /// The values of Secrets that the objects may hold.
    pub(super) masks: OnceLock<Vec<String>>,
    pub(super) settings: Settings,
    pub(super) artifact: Artifact,
    pub(super) underway: &'a Underway<'a>,
    pub(super) started: Instant,
}

impl Run<'_> {
    pub(super) async fn reconcile(&self, attempt: &mut Attempt<Kustomization>) -> Result<Done, Failure> {
        // Until the end nobody knows what is in the cluster.
        self.memory.doubt(&attempt.key);
        let found = variables::read(
            self.context,
            &attempt.key.namespace,
            attempt.object.spec.post_build.as_ref(),
        )
        .await;
        let found = found.map_err(|error| self.retried(no_variables(&error)))?;
        self.mask(&found);
        let digest = found.digest;
        let result = self.run(attempt, found).await;
        match result {
            Ok((is_news, mut last)) => {
                last.variables = digest;
                self.memory.put(&attempt.key, last);
                Ok(self.finish(attempt, is_news, self.settings.interval))
            }
            Err(failure) => Err(self.retried(self.masked(failure))),
        }
    }

    async fn run(
        &self,
        attempt: &mut Attempt<Kustomization>,
        found: variables::Found,
    ) -> Result<(bool, LastRun), Failure> {
        let built = self.build(attempt, found).await?;
        let result = self.roll_out(attempt, &built).await;
        let reason = result
            .as_ref()
            .map_or_else(|failure| failure.reason, |_| Reason::ReconciliationSucceeded);
        self.record(attempt, &built.digest, reason);
        let (is_news, targets) = result?;
        let last = LastRun {
            uid: attempt.object.metadata.uid.clone(),
            generation: attempt.generation(),
            source: self.settings.source.clone(),
            applier: Arc::downgrade(&self.applier),
            revision: self.artifact.revision.clone(),
            jobs_with_ttl: built.objects.jobs_with_ttl(),
            seen: built.seen,
            variables: [0; 32],
            digest: built.digest,
            targets,
            at: self.started,
        };
        Ok((is_news, last))
    }

    /// Passes a new revision on that changes nothing for this object: nothing is built and nothing is sent for its objects.
    ///
    /// `None` means that this is not such a revision, or that nobody knows, so that the object takes the full path.
    pub(super) async fn carry_over(
        &self,
        attempt: &mut Attempt<Kustomization>,
    ) -> Option<Result<Done, Failure>> {
        let last = self.memory.get(&attempt.key)?;
        if attempt.requested_at.is_some() || !plan::is_last_run_of(&attempt.object, &last) {
            return None;
        }
        // A kubeconfig that was replaced leads to another cluster, which has nothing yet.
        if self.is_remote && !last.applier.ptr_eq(&Arc::downgrade(&self.applier)) {
            return None;
        }
        let is_new = last.revision != self.artifact.revision && last.source == self.settings.source;
        let rest = last.rest_of(self.settings.interval).filter(|_| is_new)?;
        let tree = self.artifacts.tree(&self.settings.source, &self.artifact);
        let tree = tokio::time::timeout_at(self.end(), tree).await.ok()?.ok()?;
        if !last.seen.is_same_in(&tree) {
            return None;
        }
        let found = variables::read(
            self.context,
            &attempt.key.namespace,
            attempt.object.spec.post_build.as_ref(),
        )
        .await;
        let found = found.ok()?;
        if found.digest != last.variables {
            return None;
        }
        self.mask(&found);
        attempt.status.last_attempted_revision = Some(self.artifact.revision.clone());
        let health = self
            .check_health(attempt, last.targets.as_deref(), &last.jobs_with_ttl, false)
            .await;
        let reason = health
            .as_ref()
            .map_or_else(|failure| failure.reason, |()| Reason::ReconciliationSucceeded);
        self.record(attempt, &last.digest, reason);
        if let Err(failure) = health {
            self.memory.doubt(&attempt.key);
            return Some(Err(self.retried(failure)));
        }
        let next = LastRun {
            revision: self.artifact.revision.clone(),
            ..LastRun::clone(&last)
        };
        self.memory.put(&attempt.key, next);
        Some(Ok(self.finish(attempt, false, rest)))
    }

    /// From here on the values of Secrets are kept out of failures.
    fn mask(&self, found: &variables::Found) {
        let secrets = found.variables.secret_values().map(str::to_owned);
        // They are the same in all of a run.
        self.masks.get_or_init(|| secrets.collect());
    }

    fn masked(&self, failure: Failure) -> Failure {
        masked(failure, self.masks.get().map(Vec::as_slice).unwrap_or_default())
    }

    fn record(&self, attempt: &mut Attempt<Kustomization>, digest: &str, result: Reason) {
        let record = Record {
            digest,
            result,
            revision: &self.artifact.revision,
            origin_revision: self.origin_revision(),
            duration: self.started.elapsed(),
            at: Timestamp::now(),
        };
        history::record(&mut attempt.status.history, &record);
    }

    /// Fetches and builds.
    async fn build(
        &self,
        attempt: &mut Attempt<Kustomization>,
        found: variables::Found,
    ) -> Result<Built, Failure> {
        let object = Arc::clone(&attempt.object);
        let spec = &object.spec;
        attempt.progress(self.text("Fetching manifests"));
        let tree = self.artifacts.tree(&self.settings.source, &self.artifact);
        let tree = self
            .in_time("fetching the artifact", Reason::ArtifactFailed, tree)
            .await?;
        let tree = tree.map_err(|error| self.no_tree(&error))?;

        attempt.status.last_attempted_revision = Some(self.artifact.revision.clone());
        attempt.progress(self.text("Building manifests"));
        let build = Build {
            tree,
            folder: plan::folder(spec.path.as_deref()),
            overrides: plan::overrides(spec).map_err(|error| {
                Failure::new(Reason::BuildFailed, format!("spec cannot be used: {error}"))
            })?,
            owner: plan::owner(&attempt.key),
            common: plan::common_metadata(spec),
            substitution: plan::substitution(spec).map(|rules| (found.variables, rules)),
            ignored: Arc::clone(&self.ignored),
            replaced_controllers: if self.is_remote {
                Arc::default()
            } else {
                Arc::clone(&self.context.options.replaced_controllers)
            },
        };
        let built = self
            .builds
            .run(&attempt.key, self.end(), move || build.run())
            .await;
        let built = built.map_err(|error| {
            let text = match error {
                JobError::Late => format!("building did not end within {}", self.timeout()),
                error => format!("building was not possible: {error}"),
            };
            Failure::new(Reason::BuildFailed, text)
        })?;
        let built = built.map_err(|fault| {
            let reason = match &fault {
                Fault::NoFolder(_) => Reason::ArtifactFailed,
                Fault::Build(_) | Fault::PostBuild { .. } | Fault::Prepare(_) => Reason::BuildFailed,
            };
            Failure::new(reason, fault.to_string())
        })?;
        let before = plan::inventory(&object);
        if plan::is_emptied_by_mistake(
            built.objects.objects().len(),
            built.has_kustomization_file,
            &before,
        ) {
            let text = format!(
                "path '{}' has no manifests and no kustomization.yaml at revision {}: {} applied objects are kept; to delete \
                 them, delete the Kustomization or add an empty kustomization.yaml",
                spec.path.as_deref().unwrap_or("./"),
                self.artifact.revision,
                before.entries().len(),
            );
            return Err(Failure::new(Reason::BuildFailed, text));
        }
        Ok(built)
    }

    /// Applies, prunes and awaits health. Gives whether anything is worth telling, and whose health was awaited.
    async fn roll_out(
        &self,
        attempt: &mut Attempt<Kustomization>,
        built: &Built,
    ) -> Result<(bool, Option<Vec<Entry>>), Failure> {
        let before = plan::inventory(&attempt.object);
        attempt.progress(self.text("Detecting drift"));
        let failed = |text: String| Failure::new(Reason::ReconciliationFailed, text);
        let planned = self.applier.inventory(&built.objects).await;
        let planned =
            planned.map_err(|error| failed(format!("kinds of the cluster cannot be read: {error}")))?;
        if let Some(all) = plan::write_ahead(&before, &planned) {
            attempt.status.inventory = Some(all.to_stored());
            let saved = attempt.save().await;
            saved.map_err(|error| {
                failed(format!(
                    "inventory could not be stored, nothing was applied: {error}"
                ))
            })?;
        }
        let applied = self.apply(attempt, built, &before).await?;
        let log = applied.change_log();
        if !log.is_empty() {
            self.tell(attempt, Reason::Progressing, &log);
        }
        self.tell_findings(attempt, built, &applied, &before);
        self.prune(attempt, &before, &applied.inventory()).await?;
        let targets = plan::health_targets(&attempt.key, &attempt.object.spec, &applied);
        let has_changed = applied.changes.iter().any(crate::sync::Change::is_change);
        self.check_health(
            attempt,
            targets.as_deref(),
            &built.objects.jobs_with_ttl(),
            has_changed,
        )
        .await?;
        Ok((!log.is_empty(), targets))
    }

    /// What an apply has shown beside its changes.
    fn tell_findings(
        &self,
        attempt: &mut Attempt<Kustomization>,
        built: &Built,
        applied: &Applied,
        before: &Inventory,
    ) {
        let is_known = plan::is_known(&attempt.object, &self.artifact.revision, &built.digest);
        let drift = if is_known {
            plan::drift(applied)
        } else {
            String::new()
        };
        if !drift.is_empty() {
            self.tell(attempt, Reason::DriftDetected, &drift);
        }
        let claims = plan::claims(
            applied,
            before,
            (&self.settings.source, &self.artifact.revision),
            |key| self.context.caches.kustomizations.good(key),
        );
        for text in [applied.dropped(), claims] {
            if !text.is_empty() {
                self.tell(attempt, Reason::Progressing, &text).severity = EventSeverity::Error;
            }
        }
        let left: Vec<String> = built
            .objects
            .left_alone()
            .map(|object| object.id().subject())
            .collect();
        if !left.is_empty() && !is_known {
            let text = format!(
                "{} were not applied, because they install controllers of Flux whose work is done here already: remove them from the \
                 repository, or suspend this Kustomization to go back to Flux",
                left.join(", ")
            );
            self.tell(attempt, Reason::Progressing, &text);
        }
    }

    async fn apply(
        &self,
        attempt: &mut Attempt<Kustomization>,
        built: &Built,
        before: &Inventory,
    ) -> Result<Applied, Failure> {
        let options = ApplyOptions {
            force: attempt.object.spec.force == Some(true),
            stage_timeout: STAGE_TIMEOUT.min(self.settings.timeout),
            ..ApplyOptions::default()
        };
        let token = attempt.cancel.child_token();
        let mut apply = std::pin::pin!(self.applier.apply(&built.objects, &options, &token, &|_| {}));
        let (result, is_late) = tokio::select! {
            result = &mut apply => (result, false),
            () = tokio::time::sleep_until(self.end()) => {
                // Requests under way come to their end, so that it is known what they did.
                token.cancel();
                (apply.await, true)
            }
        };
        result.map_err(|error| {
            // What was noted before the apply and did not get that far is not there.
            let there = plan::after_failure(before, &error).map(|there| there.to_stored());
            attempt.status.inventory = there.or_else(|| {
                let status = attempt.object.status.as_ref();
                status.and_then(|status| status.inventory.clone())
            });
            let text = match error.cause {
                ApplyCause::Cancelled if is_late => {
                    format!("apply did not end within {}: {error}", self.timeout())
                }
                _ => error.to_string(),
            };
            Failure::new(Reason::ReconciliationFailed, text)
        })
    }

    /// Deletes what a complete apply has made stale, and notes the new inventory.
    async fn prune(
        &self,
        attempt: &mut Attempt<Kustomization>,
        before: &Inventory,
        after: &Inventory,
    ) -> Result<(), Failure> {
        let stale = plan::stale(before, after, attempt.object.spec.prune);
        if stale.is_empty() {
            let next = plan::next_inventory(before, after, &Inventory::default());
            attempt.status.inventory = Some(next.to_stored());
            return Ok(());
        }
        let options = DeleteOptions {
            owner: plan::owner(&attempt.key),
            timeout: self.settings.timeout,
        };
        let pruned = self.applier.prune(&stale, &options, &attempt.cancel).await;
        let next = plan::next_inventory(before, after, &pruned.surviving());
        attempt.status.inventory = Some(next.to_stored());
        let log = pruned.change_log();
        if !log.is_empty() {
            self.tell(attempt, Reason::Progressing, &log);
        }
        if pruned.survivors.is_empty() {
            return Ok(());
        }
        let text = DeleteError::Failed(pruned).to_string();
        Err(Failure::new(Reason::PruneFailed, text))
    }

    /// Notes and tells that the revision is applied; the next run comes after a pause.
    fn finish(&self, attempt: &mut Attempt<Kustomization>, has_changed: bool, pause: Duration) -> Done {
        let revision = &self.artifact.revision;
        let status = &attempt.status;
        let was_ready = outcome::find(&status.conditions, ConditionType::Ready)
            .is_some_and(|condition| condition.status == "True");
        let is_news = has_changed
            || !was_ready
            || status.last_applied_revision.as_ref() != Some(revision)
            || status.observed_generation != Some(attempt.generation())
            || attempt.requested_at.is_some();
        attempt.status.last_applied_revision = Some(revision.clone());
        attempt.status.last_applied_origin_revision = self.origin_revision().map(str::to_owned);
        if is_news {
            let text = format!(
                "Reconciliation finished in {}, next run in {}",
                rounded(self.started.elapsed()),
                fluxbot_api::Duration::from(self.settings.interval),
            );
            self.tell(attempt, Reason::ReconciliationSucceeded, &text)
                .with(format!("{GROUP}/commit_status"), "update");
        }
        Done {
            reason: Reason::ReconciliationSucceeded,
            message: format!("Applied revision: {revision}"),
            requeue: Requeue::After(pause),
            announce: Announce::Nothing,
        }
    }

    fn tell<'e>(
        &self,
        attempt: &'e mut Attempt<Kustomization>,
        reason: Reason,
        text: &str,
    ) -> &'e mut crate::controller::events::EventRecord {
        let event = attempt.event(EventSeverity::Info, reason, text);
        event.with(format!("{GROUP}/revision"), &self.artifact.revision);
        if let Some(origin) = self.origin_revision() {
            event.with(format!("{GROUP}/originRevision"), origin);
        }
        event
    }

    /// A failure of this revision: tried again after `spec.retryInterval`, unless it says otherwise.
    fn retried(&self, failure: Failure) -> Failure {
        let failure = match failure.recovery {
            Recovery::Backoff => failure.recovery(Recovery::After(self.settings.retry_interval)),
            _ => failure,
        };
        let failure = super::with_revision(failure, &self.artifact.revision);
        match self.origin_revision() {
            Some(origin) => failure.with(format!("{GROUP}/originRevision"), origin),
            None => failure,
        }
    }

    fn no_tree(&self, error: &ArtifactError) -> Failure {
        if matches!(error, ArtifactError::Fetch(FetchArtifactError::NotFound)) {
            let pause = self.context.options.requeue_dependency;
            let text = format!(
                "Source is not ready, artifact not found, retrying in {}",
                fluxbot_api::Duration::from(pause)
            );
            return Failure::new(Reason::ArtifactFailed, text)
                .recovery(Recovery::Wait(pause))
                .severity(EventSeverity::Info);
        }
        Failure::new(Reason::ArtifactFailed, error.to_string())
    }

    async fn in_time<T>(
        &self,
        what: &str,
        reason: Reason,
        work: impl Future<Output = T>,
    ) -> Result<T, Failure> {
        tokio::time::timeout_at(self.end(), work)
            .await
            .map_err(|_| Failure::new(reason, format!("{what} did not end within {}", self.timeout())))
    }

    /// When building and applying have to be done.
    fn end(&self) -> Instant {
        self.started + self.settings.timeout
    }

    fn timeout(&self) -> fluxbot_api::Duration {
        self.settings.timeout.into()
    }

    /// What is being done, in Flux's words.
    fn text(&self, what: &str) -> String {
        let revision = &self.artifact.revision;
        format!(
            "{what} for revision {revision} with a timeout of {}",
            self.timeout()
        )
    }

    fn origin_revision(&self) -> Option<&str> {
        self.artifact.metadata.get(ORIGIN_REVISION).map(String::as_str)
    }
}

/// Variables that cannot be read are looked for more often than the interval says: whoever has forgotten them adds them soon.
fn no_variables(error: &VariablesError) -> Failure {
    Failure::new(Reason::BuildFailed, format!("post build failed: {error}"))
        .recovery(Recovery::After(VARIABLES_PAUSE))
}

/// A failure without the values of Secrets that were put into objects: an API server may repeat what it does not understand.
fn masked(mut failure: Failure, secrets: &[String]) -> Failure {
    let mut secrets: Vec<&String> = secrets
        .iter()
        .filter(|secret| secret.chars().count() >= 4)
        .collect();
    // The longest first, so that no part of one stays behind after another.
    secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
    for secret in secrets {
        failure.message = failure.message.replace(secret.as_str(), MASK);
        failure.event = failure.event.map(|event| event.replace(secret.as_str(), MASK));
    }
    failure
}

/// A time that was taken, in whole milliseconds.
fn rounded(time: Duration) -> fluxbot_api::Duration {
    Duration::from_millis(u64::try_from(time.as_millis()).unwrap_or(u64::MAX)).into()
}
