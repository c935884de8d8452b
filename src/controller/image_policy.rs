//! Reconciles `ImagePolicy`: selects a tag of its repository, and looks up the digest where it is asked for.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use fluxbot_api::condition::{ConditionType, EventSeverity};
use fluxbot_api::image::{
    DigestReflectionPolicy, ImagePolicy, ImagePolicySpec, ImagePolicyStatus, ImageRef, ImageRepository,
};
use fluxbot_api::{Duration as ApiDuration, Reason};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use tokio::time::Instant;

use super::attempt::{Attempt, Reconciler};
use super::context::Context;
use super::fault::Diagnosis;
use super::image_update_automation::wake_for_policy;
use super::kinds::Reconciled;
use super::outcome::{self, Announce, Done, Failure, Recovery, Requeue};
use super::registry_access;
use super::tag_store::{StoredTags, TagStore};
use super::wake;
use super::watch::OnChange;
use crate::image::{ImageName, InvalidImageName};
use crate::objects::{Labels, ObjectKey, check_access};
use crate::policy::{self, CompiledPolicy};
use crate::scanner::Registry;

/// How long the API server may take.
const API_TIMEOUT: Duration = Duration::from_secs(15);

/// How long a policy that fits no tag waits for other tags, which wake it.
const NO_TAG_PAUSE: Duration = Duration::from_mins(10);

/// How long a policy waits for the first scan of its repository before it says that there are no tags, and how often it looks
/// whether that scan has failed; tags wake it. Flux tries four times within eight seconds.
const FIRST_SCAN: Duration = Duration::from_secs(10);
const FIRST_SCAN_CHECK: Duration = Duration::from_secs(1);

/// Policies that are kept compiled.
const MAX_COMPILED: usize = 10_000;

/// Flux's default of `spec.interval`.
const DEFAULT_INTERVAL: Duration = Duration::from_mins(10);

/// Selects tags.
pub struct ImagePolicyReconciler {
    context: Context,
    registry: Arc<Registry>,
    tags: Arc<TagStore>,
    compiled: Mutex<HashMap<ObjectKey, (ImagePolicySpec, Arc<CompiledPolicy>)>>,
    /// Policies whose repository is about to be scanned, and since when they wait for it.
    waiting: Mutex<HashMap<ObjectKey, Instant>>,
}

/// The reconciler. All kinds of images share `registry` and `tags`.
#[must_use]
pub fn reconciler(context: Context, registry: Arc<Registry>, tags: Arc<TagStore>) -> ImagePolicyReconciler {
    ImagePolicyReconciler {
        context,
        registry,
        tags,
        compiled: Mutex::default(),
        waiting: Mutex::default(),
    }
}

/// What a change of a policy wakes: itself, and when its selection changed, the automations that may write it.
#[must_use]
pub fn on_change(context: &Context) -> OnChange<ImagePolicy> {
    let (caches, queues) = (Arc::clone(&context.caches), Arc::clone(&context.queues));
    Box::new(move |key, old, new| {
        if new.is_none() {
            queues.image_policies.forget(key);
        }
        if wake::is_due(old, new) {
            queues.image_policies.wake(key);
        }
        wake_for_policy(&caches, &queues, key, old, new);
    })
}

/// The repository that a policy refers to; its own namespace is the default.
#[must_use]
pub fn repository_of(policy: &ImagePolicy) -> ObjectKey {
    let reference = &policy.spec.image_repository_ref;
    let namespace = policy.metadata.namespace.as_deref().unwrap_or_default();
    ObjectKey::referred(namespace, reference.namespace.as_deref(), &reference.name)
}

impl Reconciler for ImagePolicyReconciler {
    type Kind = ImagePolicy;

    const CONTROLLER: &'static str = "image-reflector-controller";

    fn postpone(&self, object: &ImagePolicy) -> Option<Duration> {
        let key = object.key();
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.is_about_to_be_scanned(object) {
            waiting.remove(&key);
            return None;
        }
        let since = *waiting.entry(key).or_insert_with(Instant::now);
        (since.elapsed() < FIRST_SCAN).then_some(FIRST_SCAN_CHECK)
    }

    async fn reconcile(&self, attempt: &mut Attempt<ImagePolicy>) -> Result<Done, Failure> {
        let policy = Arc::clone(&attempt.object);
        let requeue = requeue(&policy.spec)?;
        let key = repository_of(&policy);
        let repository = self.repository(&policy, &key).await?;
        let image: ImageName = repository.spec.image.parse().map_err(|error: InvalidImageName| {
            Failure::stalled(Reason::ImageUrlInvalid, error.to_string())
        })?;
        let compiled = self.compiled(&attempt.key, &policy.spec)?;
        let stored = self
            .tags
            .get(&key)
            .filter(|stored| stored.is_current(&image.canonical(), repository.status.as_ref()));
        let Some(stored) = stored.filter(|stored| !stored.tags.is_empty()) else {
            return self.without_tags(attempt, &repository);
        };
        let tag = select(&stored, &compiled)?;
        let digest = match plan_digest(&policy, image.as_str(), &tag) {
            DigestPlan::None => None,
            DigestPlan::Keep(digest) => Some(digest),
            DigestPlan::Fetch => {
                let digest = self.digest(attempt, &repository, &image, &tag).await?;
                self.tags.note_digest(&key, &tag, &digest, Timestamp::now());
                Some(digest)
            }
        };
        let latest = ImageRef {
            name: image.as_str().to_owned(),
            tag,
            digest,
        };
        observe(&mut attempt.status, latest);
        Ok(Done {
            reason: Reason::Succeeded,
            message: ready_message(&attempt.status),
            requeue,
            announce: Announce::Change,
        })
    }

    fn deadline(&self, object: &ImagePolicy) -> Duration {
        let repository = self
            .context
            .caches
            .image_repositories
            .good(&repository_of(object));
        let digest = repository.and_then(|repository| registry_access::timeout(&repository).ok());
        digest.unwrap_or_default().saturating_add(Duration::from_mins(5))
    }
}

impl ImagePolicyReconciler {
    /// Whether there are no tags yet only because the repository's first scan is to come.
    fn is_about_to_be_scanned(&self, policy: &ImagePolicy) -> bool {
        let key = repository_of(policy);
        let Some(repository) = self.context.caches.image_repositories.good(&key) else {
            return false;
        };
        let status = repository.status.as_ref();
        let conditions = status
            .map(|status| status.conditions.as_slice())
            .unwrap_or_default();
        let ready = outcome::find(conditions, ConditionType::Ready);
        let has_failed = ready.is_some_and(|ready| {
            ready.status == "False" && ready.observed_generation == repository.metadata.generation
        });
        let stored = self.tags.get(&key);
        let is_there = stored.is_some_and(|stored| stored.is_current(&stored.image, status));
        // Whoever may not use the repository is told so at once.
        let is_own = key.namespace == policy.key().namespace;
        is_own && !is_there && !has_failed && !repository.is_suspended()
    }

    /// The repository, if the policy may use it.
    async fn repository(
        &self,
        policy: &ImagePolicy,
        key: &ObjectKey,
    ) -> Result<Arc<ImageRepository>, Failure> {
        let wait = self.context.options.requeue_dependency;
        let failed = |reason: Reason, why: String| {
            let message = format!("failed to get the referred ImageRepository: {why}");
            Failure::new(reason, message).recovery(Recovery::Wait(wait))
        };
        let namespace = policy.key().namespace;
        if key.namespace != namespace && self.context.options.no_cross_namespace_refs {
            let why = format!(
                "cannot access 'ImageRepository/{key}', cross-namespace references have been blocked"
            );
            return Err(failed(Reason::AccessDenied, why));
        }
        let Some(repository) = self.context.caches.image_repositories.get(key) else {
            let why = format!(
                "referenced ImageRepository does not exist: ImageRepository.image.toolkit.fluxcd.io \"{}\" not found",
                key.name
            );
            return Err(failed(Reason::DependencyNotReady, why));
        };
        let Some(repository) = repository.good().cloned() else {
            let why =
                format!("ImageRepository '{key}' cannot be understood; read it with kubectl and correct it");
            return Err(failed(Reason::DependencyNotReady, why));
        };
        if key.namespace != namespace {
            let access = repository.spec.access_from.as_ref();
            let labels = match access {
                Some(_) => self
                    .labels(&namespace)
                    .await
                    .map_err(|why| failed(Reason::Failure, why))?,
                None => None,
            };
            check_access(access, key, &namespace, labels.as_ref())
                .map_err(|denied| failed(Reason::AccessDenied, denied.to_string()))?;
        }
        Ok(repository)
    }

    /// The labels of a namespace.
    async fn labels(&self, namespace: &str) -> Result<Option<Labels>, String> {
        let api: Api<Namespace> = Api::all(self.context.client.clone());
        let failed = |why: String| format!("failed to get namespace '{namespace}': {why}");
        let answer = tokio::time::timeout(API_TIMEOUT, api.get_opt(namespace)).await;
        let found = answer
            .map_err(|_| failed("the API server did not answer in time".to_owned()))?
            .map_err(|error| failed(error.to_string()))?;
        Ok(found.and_then(|found| found.metadata.labels))
    }

    /// The policy ready to use; compiled anew only when its spec changed.
    fn compiled(&self, key: &ObjectKey, spec: &ImagePolicySpec) -> Result<Arc<CompiledPolicy>, Failure> {
        let mut all = self.compiled.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, compiled)) = all.get(key)
            && known == spec
        {
            return Ok(Arc::clone(compiled));
        }
        let compiled = CompiledPolicy::from_spec(spec)
            .map_err(|error| Failure::stalled(Reason::InvalidPolicy, error.to_string()))?;
        let compiled = Arc::new(compiled);
        if all.len() >= MAX_COMPILED {
            all.clear();
        }
        all.insert(key.clone(), (spec.clone(), Arc::clone(&compiled)));
        Ok(compiled)
    }

    /// What to say while there are no tags to choose from.
    fn without_tags(
        &self,
        attempt: &Attempt<ImagePolicy>,
        repository: &ImageRepository,
    ) -> Result<Done, Failure> {
        let pause = self.context.options.requeue_dependency;
        let stored = self.tags.get(&repository.key());
        let is_first_scan_since_start = stored.is_none_or(|stored| stored.is_restored);
        if is_first_scan_since_start && is_current(&attempt.status, attempt.generation()) {
            // The process has just started, and the repository is about to be scanned: what was selected before stays.
            return Ok(Done {
                reason: Reason::Succeeded,
                message: ready_message(&attempt.status),
                requeue: Requeue::After(pause),
                announce: Announce::Nothing,
            });
        }
        let message = format!(
            "retrying in {} error: no tags in database",
            ApiDuration::from(pause)
        );
        Err(Failure::new(Reason::DependencyNotReady, message)
            .recovery(Recovery::Wait(pause))
            .severity(EventSeverity::Trace))
    }

    async fn digest(
        &self,
        attempt: &Attempt<ImagePolicy>,
        repository: &ImageRepository,
        image: &ImageName,
        tag: &str,
    ) -> Result<String, Failure> {
        attempt.progress(format!("fetching the digest of {image}:{tag}"));
        // Flux has no reason of its own for these.
        let failed = |why: String| {
            let message = format!("failed fetching digest of {image}:{tag}: {why}");
            Failure::new(Reason::Failed, message)
        };
        let access = registry_access::access(&self.context, repository).await;
        let access = access.map_err(|error| {
            let failure = error.failure();
            failed(failure.message).recovery(failure.recovery)
        })?;
        self.registry.digest(image, tag, &access).await.map_err(|error| {
            let origin = registry_access::origin(repository, &error);
            let reference = format!("{image}:{tag}");
            failed(format!(
                "failed fetching descriptor for {reference:?}: {error}{origin}"
            ))
            .diagnosed(Diagnosis::of_scan(&error))
        })
    }
}

/// When a policy runs without being woken: only for digests that are always looked up.
fn requeue(spec: &ImagePolicySpec) -> Result<Requeue, Failure> {
    if spec.digest_reflection_policy != Some(DigestReflectionPolicy::Always) {
        return Ok(Requeue::OnChange);
    }
    let Some(interval) = &spec.interval else {
        let message = "spec.interval must be set when spec.digestReflectionPolicy is set to 'Always'";
        return Err(Failure::stalled(Reason::IntervalNotConfigured, message));
    };
    Ok(Requeue::After(interval.get().unwrap_or(DEFAULT_INTERVAL)))
}

/// The tag that a policy prefers.
fn select(stored: &StoredTags, compiled: &CompiledPolicy) -> Result<String, Failure> {
    policy::select(&stored.tags, &compiled.policy, compiled.filter.as_ref())
        .map(str::to_owned)
        .map_err(|error| {
            Failure::new(Reason::Failure, error.to_string()).recovery(Recovery::Wait(NO_TAG_PAUSE))
        })
}

/// Whether what the status says was selected for this generation.
fn is_current(status: &ImagePolicyStatus, generation: i64) -> bool {
    let ready = outcome::find(&status.conditions, ConditionType::Ready);
    status.latest_ref.is_some()
        && status.observed_generation == Some(generation)
        && ready.is_some_and(|ready| ready.status == "True")
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum DigestPlan {
    None,
    Keep(String),
    Fetch,
}

/// What to do about the digest of the selected tag.
fn plan_digest(policy: &ImagePolicy, name: &str, tag: &str) -> DigestPlan {
    let latest = policy
        .status
        .as_ref()
        .and_then(|status| status.latest_ref.as_ref());
    let known = latest
        .filter(|latest| latest.name == name && latest.tag == tag)
        .and_then(|latest| latest.digest.clone())
        .filter(|digest| !digest.is_empty());
    match (policy.spec.digest_reflection_policy.unwrap_or_default(), known) {
        (DigestReflectionPolicy::Never, _) => DigestPlan::None,
        (DigestReflectionPolicy::IfNotPresent, Some(digest)) => DigestPlan::Keep(digest),
        (DigestReflectionPolicy::IfNotPresent | DigestReflectionPolicy::Always, _) => DigestPlan::Fetch,
    }
}

/// Puts a selection into the status. What was selected before is kept beside it, and only replaced by another selection.
fn observe(status: &mut ImagePolicyStatus, latest: ImageRef) {
    if status.latest_ref.as_ref() == Some(&latest) {
        return;
    }
    if let Some(previous) = status.latest_ref.replace(latest) {
        status.observed_previous_ref = Some(previous);
    }
}

fn ready_message(status: &ImagePolicyStatus) -> String {
    let Some(latest) = &status.latest_ref else {
        return String::new();
    };
    let digest = |image: &ImageRef| image.digest.clone().filter(|digest| !digest.is_empty());
    let mut message = format!("Latest image tag for {} resolved to {}", latest.name, latest.tag);
    if let Some(digest) = digest(latest) {
        message = format!("{message} with digest {digest}");
    }
    if let Some(previous) = status
        .observed_previous_ref
        .as_ref()
        .filter(|previous| *previous != latest)
    {
        let digest = digest(previous)
            .map(|digest| format!("@{digest}"))
            .unwrap_or_default();
        message = format!(
            "{message} (previously {}:{}{digest})",
            previous.name, previous.tag
        );
    }
    message
}

#[cfg(test)]
mod tests;
