//! Reconciles `ImageUpdateAutomation`: writes what the policies selected into Git.

mod plan;
mod signing;
mod skipped;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use fluxbot_api::condition::{ConditionType, EventSeverity};
use fluxbot_api::image::{ImagePolicy, ImageRef as ApiImageRef, ImageUpdateAutomation};
use fluxbot_api::source::GitRepository;
use fluxbot_api::{Reason, annotation};
use fluxbot_git::SigningKey;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use self::plan::{
    done, failure, is_ready, list, planning_failed, push_message, revision, selections, settled_at, source_of,
};
use super::attempt::{Attempt, Reconciler};
use super::context::{Caches, Context, Queues};
use super::git_repository;
use super::kinds::Reconciled;
use super::landing::{LandError, Landings, Remote};
use super::outcome::{self, Announce, Done, Failure, Recovery, Requeue};
use super::wake;
use super::watch::OnChange;
use crate::committer::{self, Commit, PlanDefaults, Work};
use crate::git::{AccessSources, GitAccess};
use crate::image::{PolicyKey, Selections};
use crate::objects::{ObjectKey, admits, check_selector};
use crate::setters::ChangeSet;

/// Writes to Git.
pub struct ImageUpdateAutomationReconciler {
    context: Context,
    landings: Landings,
}

/// The reconciler.
#[must_use]
pub fn reconciler(context: Context, landings: Landings) -> ImageUpdateAutomationReconciler {
    ImageUpdateAutomationReconciler { context, landings }
}

/// What a change of an automation wakes: itself.
#[must_use]
pub fn on_change(context: &Context) -> OnChange<ImageUpdateAutomation> {
    let queues = Arc::clone(&context.queues);
    Box::new(move |key, old, new| {
        if new.is_none() {
            queues.automations.forget(key);
        }
        if wake::is_due(old, new) {
            queues.automations.wake(key);
        }
    })
}

/// Wakes the automations that may write a policy whose selection changed, and no others.
pub fn wake_for_policy(
    caches: &Caches,
    queues: &Queues,
    key: &ObjectKey,
    old: Option<&ImagePolicy>,
    new: Option<&ImagePolicy>,
) {
    let latest = |policy: Option<&ImagePolicy>| policy?.status.as_ref()?.latest_ref.clone();
    let labels = |policy: Option<&ImagePolicy>| policy?.metadata.labels.clone();
    let relabelled = old.is_some() && new.is_some() && labels(old) != labels(new);
    if latest(old) == latest(new) && !relabelled {
        return;
    }
    let (before, after) = (labels(old), labels(new));
    let concerned = caches.automations.select(|automation| {
        let selector = automation.spec.policy_selector.as_ref();
        automation.metadata.namespace.as_ref() == Some(&key.namespace)
            && ((new.is_some() && admits(selector, after.as_ref()))
                || (old.is_some() && admits(selector, before.as_ref())))
    });
    for automation in concerned {
        queues.automations.wake(&automation.key());
    }
}

/// Wakes the automations of a source: all when its spec changed, and those that have failed when it has a new revision.
pub fn wake_for_source(
    context: &Context,
    key: &ObjectKey,
    old: Option<&GitRepository>,
    new: Option<&GitRepository>,
) {
    let Some(new) = new else { return };
    let identity = |source: &GitRepository| (source.metadata.uid.clone(), source.metadata.generation);
    let revision = |source: &GitRepository| {
        let artifact = source.status.as_ref()?.artifact.as_ref()?;
        Some(artifact.revision.clone())
    };
    let is_changed = old.is_none_or(|old| identity(old) != identity(new));
    let is_moved = old.is_some_and(|old| revision(old) != revision(new));
    if !is_changed && !is_moved {
        return;
    }
    let concerned = context
        .caches
        .automations
        .select(|automation| source_of(automation) == *key && (is_changed || !is_ready(automation)));
    for automation in concerned {
        context.queues.automations.wake(&automation.key());
    }
}

impl Reconciler for ImageUpdateAutomationReconciler {
    type Kind = ImageUpdateAutomation;

    const CONTROLLER: &'static str = "image-automation-controller";

    async fn reconcile(&self, attempt: &mut Attempt<ImageUpdateAutomation>) -> Result<Done, Failure> {
        let automation = Arc::clone(&attempt.object);
        let now = Time(outcome::whole_seconds(Timestamp::now()));
        attempt.status.last_automation_run_time = Some(now.clone());
        let interval = automation
            .spec
            .interval
            .get()
            .map_err(|error| Failure::stalled(Reason::Failed, format!("spec.interval: {error}")))?;
        let requeue = Requeue::After(interval);
        check_selector(automation.spec.policy_selector.as_ref())
            .map_err(|error| Failure::stalled(Reason::InvalidPolicySelector, error.to_string()))?;
        let source = self.source(&automation)?;
        let defaults = PlanDefaults {
            signs: true,
            preset: self.context.options.commit_message,
            ..PlanDefaults::default()
        };
        let plan = committer::plan(&automation, Some(&source), &defaults)
            .map_err(|error| planning_failed(&error))?;
        let Policies {
            latest: policies,
            foreign,
            waiting,
        } = self.policies(&automation);
        let remote = self.remote(&source).await?;
        let failed = |error: LandError| failure(&error, &source);

        if attempt.requested_at.is_none()
            && let Some((branch, settled)) = settled_at(&automation, &plan, &policies)
        {
            attempt.progress("comparing the branch with the last run");
            let head = self.landings.head(&remote, branch).await.map_err(failed)?;
            if head == Some(settled) {
                return Ok(done(requeue, Announce::Change));
            }
        }

        attempt.progress(format!("updating branch '{}'", plan.target.push_branch));
        let work = Work {
            selections: selections(&attempt.key, &policies),
            plan: plan.clone(),
            identity: automation
                .metadata
                .uid
                .clone()
                .unwrap_or_else(|| attempt.key.to_string()),
            foreign,
            signing_key: self.signing_key(&automation).await?,
        };
        let written = work.selections.clone();
        let key = attempt.key.clone();
        let cancel = attempt.cancel.clone();
        let generation = automation.metadata.generation;
        let landing = self
            .landings
            .land(&remote, &key, generation, work, &mut attempt.slot, &cancel);
        let landed = landing.await.map_err(failed)?;
        report_skipped(attempt, &landed.landed.changes, &waiting);
        let status = &mut attempt.status;
        status.observed_policies = policies;
        status.observed_source_revision = Some(revision(&plan, &landed));
        let Some(commit) = landed.landed.commit else {
            return Ok(done(requeue, Announce::Change));
        };
        status.last_push_commit = Some(commit.id.clone());
        status.last_push_time = Some(now);
        announce(attempt, &commit, &landed.landed.changes, &written);
        Ok(done(requeue, Announce::Nothing))
    }
}

impl ImageUpdateAutomationReconciler {
    /// The source that an automation refers to, if it may use it.
    fn source(&self, automation: &ImageUpdateAutomation) -> Result<Arc<GitRepository>, Failure> {
        let key = source_of(automation);
        if key.namespace != automation.key().namespace && self.context.options.no_cross_namespace_refs {
            let message =
                format!("can't access 'GitRepository/{key}', cross-namespace references have been blocked");
            return Err(Failure::stalled(Reason::AccessDenied, message));
        }
        let failed = |why: String| {
            let message = format!("failed configuring source manager: {why}");
            // The source wakes its automations when it comes.
            let recovery = Recovery::Wait(self.context.options.requeue_dependency);
            Failure::new(Reason::SourceManagerFailed, message).recovery(recovery)
        };
        match self.context.caches.git_repositories.get(&key) {
            Some(cached) => cached.good().cloned().ok_or_else(|| {
                failed(format!(
                    "GitRepository '{key}' cannot be understood; read it with kubectl and correct it"
                ))
            }),
            None => Err(failed(format!(
                "referenced git repository does not exist: GitRepository.source.toolkit.fluxcd.io \"{}\" not found",
                key.name
            ))),
        }
    }

    /// The repository of a source, with its Secrets.
    async fn remote(&self, source: &GitRepository) -> Result<Remote, Failure> {
        let failed = |why: String| {
            let message = format!("failed configuring source manager: {why}");
            Failure::new(Reason::SourceManagerFailed, message)
        };
        let namespace = source.key().namespace;
        let mut secrets = Vec::new();
        for reference in [&source.spec.secret_ref, &source.spec.proxy_secret_ref] {
            secrets.push(match reference {
                Some(reference) => {
                    let key = ObjectKey::new(&namespace, &reference.name);
                    let data = self.context.secret(&key).await;
                    Some(data.map_err(|error| failed(error.to_string()))?.values)
                }
                None => None,
            });
        }
        let proxy = secrets.pop().flatten();
        let secret = secrets.pop().flatten();
        let name = source
            .spec
            .secret_ref
            .as_ref()
            .map(|secret| format!("{namespace}/{}", secret.name));
        let sources = AccessSources {
            provider: source.spec.provider.as_ref(),
            service_account: source.spec.service_account_name.as_deref(),
            secret_name: name.as_deref(),
            secret: secret.as_ref(),
            proxy: proxy.as_ref(),
        };
        let access = GitAccess::read(&source.spec.url, &sources)
            .await
            .map_err(|error| failed(error.to_string()))?;
        Ok(Remote {
            url: source.spec.url.clone(),
            access,
            timeout: git_repository::plan::timeout(&source.spec),
        })
    }

    /// The key that signs the automation's commits, read from its Secret.
    async fn signing_key(&self, automation: &ImageUpdateAutomation) -> Result<Option<SigningKey>, Failure> {
        let Some(key) = signing::secret_of(automation) else {
            return Ok(None);
        };
        let failed = |why: String| {
            Failure::new(
                Reason::GitOperationFailed,
                format!("failed to update source: {why}"),
            )
        };
        let secret = self.context.secret(&key).await;
        let secret =
            secret.map_err(|error| failed(format!("could not find signing key secret '{key}': {error}")))?;
        // Decrypting a key is slow on purpose, so it is done where a thread may block.
        let (automation, name) = (automation.clone(), key.name);
        let reading = tokio::task::spawn_blocking(move || signing::read(&automation, &name, &secret.values));
        let key = reading
            .await
            .map_err(|error| failed(format!("internal error: {error}")))?;
        key.map(Some).map_err(|error| failed(error.to_string()))
    }

    /// The policies of the automation's namespace.
    fn policies(&self, automation: &ImageUpdateAutomation) -> Policies {
        let selector = automation.spec.policy_selector.as_ref();
        let all = self
            .context
            .caches
            .image_policies
            .select(|policy| policy.metadata.namespace == automation.metadata.namespace);
        let mut policies = Policies::default();
        for policy in all {
            let ObjectKey { namespace, name } = policy.key();
            let latest = policy
                .status
                .as_ref()
                .and_then(|status| status.latest_ref.clone());
            match latest {
                _ if !admits(selector, policy.metadata.labels.as_ref()) => {
                    policies.foreign.insert(PolicyKey::new(namespace, name));
                }
                Some(latest) => {
                    policies.latest.insert(name, latest);
                }
                None => {
                    policies.waiting.insert(PolicyKey::new(namespace, name));
                }
            }
        }
        policies
    }
}

/// The policies of a namespace as an automation sees them.
#[derive(Debug, Default)]
struct Policies {
    /// What those selected that it may write, by name.
    latest: BTreeMap<String, ApiImageRef>,
    /// Those that its selector does not admit.
    foreign: BTreeSet<PolicyKey>,
    /// Those that have not selected an image yet.
    waiting: BTreeSet<PolicyKey>,
}

/// Puts the markers that were left alone into the status, and tells of them when they are others than before.
fn report_skipped(
    attempt: &mut Attempt<ImageUpdateAutomation>,
    changes: &ChangeSet,
    waiting: &BTreeSet<PolicyKey>,
) {
    let kind = ConditionType::MarkersSkipped;
    let before = outcome::find(&attempt.status.conditions, kind).map(|condition| condition.message.clone());
    let now = skipped::message(&changes.skipped, waiting);
    if let Some(event) = skipped::news(before.as_deref(), now.as_deref()) {
        attempt.event(EventSeverity::Info, Reason::MarkersSkipped, event);
    }
    match now {
        Some(message) => attempt.condition(kind, outcome::Status::True, Reason::MarkersSkipped, &message),
        None => attempt.remove_condition(kind),
    }
}

/// Tells of a commit: the text is Flux's, the metadata is for programs.
fn announce(
    attempt: &mut Attempt<ImageUpdateAutomation>,
    commit: &Commit,
    changes: &ChangeSet,
    written: &Selections,
) {
    let images: Vec<String> = changes
        .images(written)
        .into_iter()
        .map(ToString::to_string)
        .collect();
    attempt
        .event(EventSeverity::Info, Reason::Succeeded, push_message(commit))
        .with(annotation::COMMIT, &commit.id)
        .with(annotation::BRANCH, &commit.branch)
        .with(annotation::IMAGES, images.join("\n"))
        .with(annotation::CHANGES, list(changes));
}

#[cfg(test)]
mod tests;
