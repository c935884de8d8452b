//! Reconciles `ImageRepository`: scans when it is time, and tells the policies what changed.

use std::hash::{DefaultHasher, Hash, Hasher as _};
use std::sync::Arc;
use std::time::Duration;

use fluxbot_api::condition::{ConditionType, EventSeverity};
use fluxbot_api::image::{ImageRepository, ImageRepositoryStatus, ScanResult};
use fluxbot_api::{Fault, Reason, annotation};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::attempt::{Attempt, Reconciler};
use super::context::Context;
use super::fault::Diagnosis;
use super::image_policy::repository_of;
use super::kinds::Reconciled;
use super::outcome::{self, Announce, Done, Failure, Recovery, Requeue};
use super::registry_access;
use super::tag_store::{self, StoredTags, TagStore};
use super::wake;
use super::watch::OnChange;
use crate::image::{ImageName, InvalidImageName, TagSnapshot};
use crate::objects::ObjectKey;
use crate::scanner::scan::{self, Exclusion, ScanDecision, ScanReason, ScanState};
use crate::scanner::{Access, Ask, Listed, Registry};

/// When a list that is much shorter than before is looked at again, if its interval is longer.
const SECOND_LOOK: Duration = Duration::from_mins(5);

/// How long the scans that are overdue when a process starts are spread over at most; and a tenth of their interval.
const MAX_SPREAD: Duration = Duration::from_mins(1);

/// How much later than its interval a scan can be; and a twentieth of the interval.
const MAX_JITTER: Duration = Duration::from_secs(30);

/// Scans image repositories.
pub struct ImageRepositoryReconciler {
    context: Context,
    registry: Arc<Registry>,
    tags: Arc<TagStore>,
}

/// The reconciler. All kinds of images share `registry` and `tags`.
#[must_use]
pub fn reconciler(
    context: Context,
    registry: Arc<Registry>,
    tags: Arc<TagStore>,
) -> ImageRepositoryReconciler {
    ImageRepositoryReconciler {
        context,
        registry,
        tags,
    }
}

/// What a change of a repository wakes: itself, and its policies when it came, went or has another spec. A new list of tags
/// wakes them as soon as it is stored, which is before the status says so.
#[must_use]
pub fn on_change(context: &Context, tags: Arc<TagStore>) -> OnChange<ImageRepository> {
    let (caches, queues) = (Arc::clone(&context.caches), Arc::clone(&context.queues));
    Box::new(move |key, old, new| {
        if new.is_none() {
            tags.remove(key);
            queues.image_repositories.forget(key);
        }
        if wake::is_due(old, new) {
            queues.image_repositories.wake(key);
        }
        let generation = |object: Option<&ImageRepository>| {
            object.map(|object| (object.metadata.uid.clone(), object.metadata.generation))
        };
        if generation(old) != generation(new) {
            for policy in caches
                .image_policies
                .select(|policy| repository_of(policy) == *key)
            {
                queues.image_policies.wake(&policy.key());
            }
        }
    })
}

impl Reconciler for ImageRepositoryReconciler {
    type Kind = ImageRepository;

    const CONTROLLER: &'static str = "image-reflector-controller";

    async fn reconcile(&self, attempt: &mut Attempt<ImageRepository>) -> Result<Done, Failure> {
        let repository = Arc::clone(&attempt.object);
        let image: ImageName = repository.spec.image.parse().map_err(|error: InvalidImageName| {
            Failure::stalled(Reason::ImageUrlInvalid, error.to_string())
        })?;
        let interval = repository
            .spec
            .interval
            .get()
            .map_err(|error| Failure::stalled(Reason::Failed, format!("spec.interval: {error}")))?;
        let canonical = image.canonical();
        let stored = self.tags.get(&attempt.key);
        let has_list = stored
            .as_ref()
            .is_some_and(|stored| stored.is_current(&canonical, repository.status.as_ref()));
        let decision = decide(&repository, &image, has_list, interval, Timestamp::now());
        let decision = self.spread(decision, attempt, stored.as_deref(), interval);
        let (stored, rest) = match (decision, stored) {
            (ScanDecision::In(rest), Some(stored)) => {
                if attempt.status.observed_generation != Some(attempt.generation()) {
                    // A wrong reference shows at once, not at the next scan.
                    self.access(&repository).await?;
                }
                let last = last_scan(&repository).unwrap_or_default();
                (stored, rest + jitter(&canonical, last, interval))
            }
            (decision, stored) => {
                let reason = match decision {
                    ScanDecision::Now(reason) => reason,
                    ScanDecision::In(_) => ScanReason::NoStoredList,
                };
                let text = format!("scanning: {reason}");
                if reason == ScanReason::NoStoredList {
                    // What the status says of the image is not known any more, as in Flux.
                    attempt.show_unknown(&text).await;
                }
                attempt.progress(text);
                let access = self.access(&repository).await?;
                // A list that the status has overtaken must not come into force again.
                let stored = stored.filter(|_| has_list);
                // A second look at a list that is doubted must not find the answer of the first.
                let is_doubted = stored.as_ref().is_some_and(|stored| stored.held.is_some())
                    || self.tags.is_suspect(&attempt.key);
                let max_age = if is_doubted {
                    Duration::ZERO
                } else {
                    longest_age(reason, interval)
                };
                let (stored, asked_at) = self.scan(attempt, &image, &access, (stored, max_age)).await?;
                // Objects that shared a list stay in step, and share the next one too.
                observe(&mut attempt.status, &stored, asked_at);
                let age = Duration::try_from(Timestamp::now().duration_since(asked_at)).unwrap_or_default();
                let asked_at = outcome::whole_seconds(asked_at);
                (
                    stored,
                    interval.saturating_sub(age) + jitter(&canonical, asked_at, interval),
                )
            }
        };
        Ok(Done {
            reason: Reason::Succeeded,
            message: ready_message(&stored.tags),
            requeue: Requeue::After(rest),
            announce: Announce::Change,
        })
    }

    fn deadline(&self, object: &ImageRepository) -> Duration {
        // The scan's own timeout comes first; waiting for a turn at the registry does not count in it.
        let scan = registry_access::timeout(object).unwrap_or_default();
        scan.saturating_add(Duration::from_mins(5))
    }
}

impl ImageRepositoryReconciler {
    /// When a process starts, all intervals that ended while there was none are over at once: what is known from before is
    /// good enough for a moment more.
    fn spread(
        &self,
        decision: ScanDecision,
        attempt: &Attempt<ImageRepository>,
        stored: Option<&StoredTags>,
        interval: Duration,
    ) -> ScanDecision {
        let is_restored = stored.is_some_and(|stored| stored.is_restored);
        // What failed before is not known to work again until it was tried.
        let has_failed = outcome::find(&attempt.status.conditions, ConditionType::Ready)
            .is_some_and(|ready| ready.status == "False");
        if decision != ScanDecision::Now(ScanReason::Interval) || !is_restored || has_failed {
            return decision;
        }
        let turn = (interval / 10)
            .min(MAX_SPREAD)
            .mul_f64(fraction(&attempt.object.spec.image));
        match turn.checked_sub(self.tags.since().elapsed()) {
            Some(rest) if !rest.is_zero() => ScanDecision::In(rest),
            _ => decision,
        }
    }

    async fn access(&self, repository: &ImageRepository) -> Result<Access, Failure> {
        registry_access::access(&self.context, repository)
            .await
            .map_err(|error| error.failure())
    }

    /// Asks the registry, stores what it said, and wakes the policies when there is something new for them. Gives when the
    /// registry was asked.
    async fn scan(
        &self,
        attempt: &mut Attempt<ImageRepository>,
        image: &ImageName,
        access: &Access,
        (previous, max_age): (Option<Arc<StoredTags>>, Duration),
    ) -> Result<(Arc<StoredTags>, Timestamp), Failure> {
        let repository = Arc::clone(&attempt.object);
        let exclusions = scan::effective_exclusions(&repository.spec.exclusion_list);
        let exclusion = Exclusion::new(&repository.spec.exclusion_list).map_err(|error| {
            Failure::stalled(Reason::ReadOperationFailed, format!("scan failed: {error}"))
        })?;
        let canonical = image.canonical();
        let known = previous
            .as_ref()
            .filter(|known| known.image == canonical && known.exclusions == exclusions)
            .and_then(|known| known.version.as_ref());
        // A registry that does not answer holds up nobody else.
        attempt.slot.release();
        let listed = self.registry.list(image, access, &Ask { known, max_age }).await;
        attempt.slot.retake().await;
        let listed = listed.map_err(|error| {
            let origin = registry_access::origin(&repository, &error);
            Failure::new(
                Reason::ReadOperationFailed,
                format!("scan failed: {error}{origin}"),
            )
            .diagnosed(Diagnosis::of_scan(&error))
        })?;
        let (found, asked_at) = match &listed {
            Listed::Unchanged { asked_at } => (None, *asked_at),
            Listed::New(list) => (Some(list.as_ref()), list.asked_at),
        };
        let lists = (exclusions.as_slice(), &exclusion);
        let settled = tag_store::settle(previous.as_deref(), &canonical, lists, found, Timestamp::now());
        if let Some(held) = settled.held {
            let message = format!(
                "{}: {image} has {held} tags and had {}; the shorter list counts when the next scan agrees",
                Fault::TagListShrank,
                settled.stored.tags.len(),
            );
            attempt
                .event(EventSeverity::Error, Reason::ReadOperationFailed, message)
                .with(annotation::FAULT, Fault::TagListShrank.as_str());
        }
        let before = counted_before(&repository, &canonical, &exclusions);
        let now = settled.stored.tags.len();
        if previous.is_none() && self.tags.must_wait(&attempt.key, now, before) {
            let text = format!(
                "{}: {image} has {now} tags and had {before} before this process began; the shorter list counts when the next \
                 scan agrees",
                Fault::TagListShrank,
            );
            let pause = Recovery::After(
                attempt
                    .object
                    .spec
                    .interval
                    .get()
                    .unwrap_or(SECOND_LOOK)
                    .min(SECOND_LOOK),
            );
            return Err(Failure::new(Reason::ReadOperationFailed, text)
                .recovery(pause)
                .with(annotation::FAULT, Fault::TagListShrank.as_str()));
        }
        let stored = Arc::new(settled.stored.clone());
        // A list from an earlier process that was not to be used is news, even if it is found to be right.
        let is_news = settled.is_news || previous.is_some_and(|previous| previous.is_restored);
        self.tags.put(&attempt.key, settled.stored);
        if self.context.caches.image_repositories.get(&attempt.key).is_none() {
            // Deleted meanwhile.
            self.tags.remove(&attempt.key);
        }
        if is_news {
            self.wake_policies(&attempt.key);
        }
        Ok((stored, asked_at))
    }

    fn wake_policies(&self, repository: &ObjectKey) {
        let policies = &self.context.caches.image_policies;
        for policy in policies.select(|policy| repository_of(policy) == *repository) {
            self.context.queues.image_policies.wake(&policy.key());
        }
    }
}

/// How old a list may be that the registry gave to somebody else: whoever asks for a scan, or writes a spec, means what is there
/// now.
fn longest_age(reason: ScanReason, interval: Duration) -> Duration {
    match reason {
        ScanReason::Interval | ScanReason::NoStoredList => interval / 2,
        ScanReason::NeverScanned
        | ScanReason::Requested
        | ScanReason::NewImageName
        | ScanReason::NewExclusionList => Duration::ZERO,
    }
}

/// How many tags an earlier process counted, if it was for the same image and exclusions.
fn counted_before(repository: &ImageRepository, canonical: &str, exclusions: &[String]) -> usize {
    let status = repository.status.as_ref();
    let same = status.filter(|status| {
        status.canonical_image_name.as_deref() == Some(canonical)
            && status.observed_exclusion_list == exclusions
    });
    let counted = same
        .and_then(|status| status.last_scan_result.as_ref())
        .map(|result| result.tag_count);
    counted
        .and_then(|count| usize::try_from(count).ok())
        .unwrap_or_default()
}

/// A part of the interval after which the next scan is later than it: images that were scanned together do not stay so. Objects
/// with the same image do: they share a request.
fn jitter(image: &str, now: Timestamp, interval: Duration) -> Duration {
    (interval / 20)
        .min(MAX_JITTER)
        .mul_f64(fraction(&(image, now.as_second())))
}

/// A number from 0 to 1 that belongs to a value.
fn fraction(value: &impl Hash) -> f64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    let high = u32::try_from(hasher.finish() >> 32).unwrap_or(u32::MAX);
    f64::from(high) / f64::from(u32::MAX)
}

/// When a repository was scanned last.
fn last_scan(repository: &ImageRepository) -> Option<Timestamp> {
    let result = repository.status.as_ref()?.last_scan_result.as_ref()?;
    result.scan_time.as_ref().map(|time| time.0)
}

/// Decides whether to scan. After a failure it is always time: Flux would show `Ready` again until the interval is over.
fn decide(
    repository: &ImageRepository,
    image: &ImageName,
    has_stored_list: bool,
    interval: Duration,
    now: Timestamp,
) -> ScanDecision {
    let status = repository.status.clone().unwrap_or_default();
    let annotations = repository.metadata.annotations.as_ref();
    let state = ScanState {
        last_scan: last_scan(repository),
        requested_at: annotations
            .and_then(|all| all.get(annotation::REQUESTED_AT))
            .map(String::as_str),
        last_handled: status.last_handled_reconcile_at.as_deref(),
        canonical_name: &image.canonical(),
        observed_canonical_name: status.canonical_image_name.as_deref().unwrap_or_default(),
        exclusions: &repository.spec.exclusion_list,
        observed_exclusions: &status.observed_exclusion_list,
        has_stored_list,
        interval,
    };
    let has_failed =
        outcome::find(&status.conditions, ConditionType::Ready).is_some_and(|ready| ready.status == "False");
    match scan::should_scan(&state, now) {
        ScanDecision::In(_) if has_failed => ScanDecision::Now(ScanReason::Interval),
        decision => decision,
    }
}

/// Puts the result of a scan into the status.
fn observe(status: &mut ImageRepositoryStatus, stored: &StoredTags, now: Timestamp) {
    status.canonical_image_name = Some(stored.image.clone());
    status.observed_exclusion_list.clone_from(&stored.exclusions);
    status.last_scan_result = Some(ScanResult {
        latest_tags: scan::latest_tags(&stored.tags),
        revision: Some(stored.tags.revision().to_owned()),
        scan_time: Some(Time(outcome::whole_seconds(now))),
        tag_count: i64::try_from(stored.tags.len()).unwrap_or(i64::MAX),
    });
}

fn ready_message(tags: &TagSnapshot) -> String {
    format!(
        "successful scan: found {} tags with checksum {}",
        tags.len(),
        tags.revision()
    )
}

#[cfg(test)]
mod tests {
    use fluxbot_api::image::ImageRepositorySpec;
    use rstest::rstest;

    use super::super::tag_store::Sightings;
    use super::*;
    use crate::controller::outcome::{Change, Status};

    const SCANNED: &str = "2026-01-01T10:00:00Z";

    fn stored() -> StoredTags {
        let tags = TagSnapshot::new(vec!["1".to_owned(), "2".to_owned()]);
        let found = SCANNED.parse().unwrap();
        StoredTags {
            image: "r.example/app".to_owned(),
            exclusions: scan::effective_exclusions::<&str>(&[]),
            seen: Sightings::new(&tags, found),
            tags: Arc::new(tags),
            held: None,
            version: None,
            found,
            is_restored: false,
        }
    }

    fn repository(ready: Option<Status>) -> ImageRepository {
        let spec = ImageRepositorySpec {
            image: "r.example/app".to_owned(),
            ..ImageRepositorySpec::default()
        };
        let mut repository = ImageRepository::new("app", spec);
        let mut status = ImageRepositoryStatus::default();
        let now: Timestamp = SCANNED.parse().unwrap();
        observe(&mut status, &stored(), now);
        if let Some(ready) = ready {
            let new = Change::new(ConditionType::Ready, ready, Reason::ReadOperationFailed, "x");
            outcome::set(&mut status.conditions, new, 1, now);
        }
        repository.status = Some(status);
        repository
    }

    #[rstest]
    #[case::scanned(Some(Status::True), true, ScanDecision::In(Duration::from_secs(50)))]
    #[case::failed(Some(Status::False), true, ScanDecision::Now(ScanReason::Interval))]
    #[case::without_a_list(Some(Status::True), false, ScanDecision::Now(ScanReason::NoStoredList))]
    fn a_scan_is_due(#[case] ready: Option<Status>, #[case] has_list: bool, #[case] expected: ScanDecision) {
        let image = "r.example/app".parse().unwrap();
        let now = SCANNED.parse::<Timestamp>().unwrap() + jiff::SignedDuration::from_secs(10);
        let interval = Duration::from_mins(1);
        assert_eq!(
            decide(&repository(ready), &image, has_list, interval, now),
            expected
        );
    }

    #[test]
    fn the_status_tells_what_was_found() {
        let status = repository(None).status.unwrap();
        assert_eq!(status.canonical_image_name.as_deref(), Some("r.example/app"));
        assert_eq!(status.observed_exclusion_list, ["^.*\\.sig$"]);
        let result = status.last_scan_result.unwrap();
        assert_eq!(result.latest_tags, ["2", "1"]);
        assert_eq!(result.tag_count, 2);
        insta::assert_snapshot!(ready_message(&stored().tags), @"successful scan: found 2 tags with checksum sha256:451d660bc5f37a981539cf07c4c6a182693a7d165b4589ecb1165a72555ff90a");
    }
}
