//! Waits until objects are healthy: by watches where possible, by reads with growing pauses otherwise.

use std::collections::BTreeSet;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures::stream::{self, SelectAll, Stream, StreamExt as _};
use kube::api::WatchEvent;
use serde_json::Value;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::super::health::{self, Health, HealthRules, Status};
use super::super::inventory::Entry;
use super::super::object::{ObjectId, text};
use super::call::encode;
use super::discovery::unknown;
use super::{Applier, CallError, WaitError};

/// How many objects are read at once; the applier's own limit holds besides.
const AT_ONCE: usize = 16;

/// The pause between two reads of objects that cannot be watched, at first and at most.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// How long, and for what, objects are awaited.
#[derive(Debug, Clone)]
pub struct WaitOptions {
    /// How long they are awaited.
    pub timeout: Duration,
    /// Whether the first object that has failed ends the wait, even while others are on their way. Flux's default.
    pub fail_fast: bool,
    /// Jobs that are removed when they are done, see [`Prepared::jobs_with_ttl`](super::super::prepare::Prepared::jobs_with_ttl).
    pub jobs_with_ttl: BTreeSet<ObjectId>,
    /// How to tell the health of objects.
    pub rules: Arc<HealthRules>,
}

impl Default for WaitOptions {
    fn default() -> Self {
        Self {
            timeout: Duration::from_mins(1),
            fail_fast: true,
            jobs_with_ttl: BTreeSet::new(),
            rules: Arc::default(),
        }
    }
}

/// Growing pauses until a deadline.
pub(super) struct Backoff {
    pause: Duration,
    longest: Duration,
    deadline: Instant,
}

impl Backoff {
    /// From 50 ms to one second.
    pub(super) fn quick(timeout: Duration) -> Self {
        Self {
            pause: Duration::from_millis(50),
            longest: Duration::from_secs(1),
            deadline: Instant::now() + timeout,
        }
    }

    /// Pauses; false when the time is over or the operation was cancelled.
    pub(super) async fn pause(&mut self, cancel: &CancellationToken) -> bool {
        let now = Instant::now();
        if now >= self.deadline {
            return false;
        }
        let until = (now + self.pause).min(self.deadline);
        self.pause = (self.pause * 3 / 2).min(self.longest);
        tokio::select! {
            () = cancel.cancelled() => false,
            () = tokio::time::sleep_until(until) => true,
        }
    }
}

pub(super) async fn check(applier: &Applier, entries: &[Entry]) -> Vec<(Entry, Health)> {
    let rules = &HealthRules::default();
    let reads: Vec<_> = entries
        .iter()
        .map(|entry| async move { (entry.clone(), observe(applier, entry, rules, true).await.health) })
        .collect();
    stream::iter(reads).buffered(AT_ONCE).collect().await
}

/// What a read of an object has shown.
struct Observation {
    health: Health,
    /// The path under which changes of the object can be watched, from the state that was read.
    watch: Option<String>,
}

impl Observation {
    fn unknown(error: &CallError) -> Self {
        Self {
            health: Health::new(Status::Unknown, error.to_string()),
            watch: None,
        }
    }
}

/// Reads an object. With `with_pods` the pods of one that is on its way are looked at too.
async fn observe(applier: &Applier, entry: &Entry, rules: &HealthRules, with_pods: bool) -> Observation {
    let resource = match applier.shared.discovery.of_entry(&applier.api, entry).await {
        Ok(Some(resource)) => resource,
        Ok(None) => return Observation::unknown(&unknown(&entry.id.group, &entry.version, &entry.id.kind)),
        Err(error) => return Observation::unknown(&error),
    };
    let paths = resource
        .path(&entry.id)
        .and_then(|path| Ok((path, resource.collection(entry.id.namespace.as_deref())?)));
    let (path, collection) = match paths {
        Ok(paths) => paths,
        Err(error) => return Observation::unknown(&error),
    };
    let live = match applier.api.get(&path).await {
        Ok(Some(live)) => live,
        Ok(None) => {
            return Observation {
                health: Health::new(Status::NotFound, "Resource not found"),
                watch: None,
            };
        }
        Err(error) => return Observation::unknown(&error),
    };
    let mut health = rules.compute(&live);
    let has_pods = health::has_pods(&live) && !rules.covers(&entry.id.group, &entry.id.kind);
    if with_pods && health.status == Status::InProgress && has_pods {
        health = of_pods(applier, entry, &live).await.unwrap_or(health);
    }
    // Secrets are never watched.
    let watch = (!entry.id.is_secret()).then(|| {
        let name = encode(&entry.id.name);
        let version = encode(text(&live, "/metadata/resourceVersion"));
        format!("{collection}?watch=1&fieldSelector=metadata.name%3D{name}&resourceVersion={version}")
    });
    Observation { health, watch }
}

/// Whether pods of an object have failed for good. Without the right to list pods, nobody knows.
async fn of_pods(applier: &Applier, entry: &Entry, live: &Value) -> Option<Health> {
    let namespace = entry.id.namespace.as_deref()?;
    let labels = live.pointer("/spec/selector/matchLabels")?.as_object()?;
    let selector: Vec<String> = labels
        .iter()
        .filter_map(|(key, value)| Some(format!("{key}={}", value.as_str()?)))
        .collect();
    let path = format!(
        "/api/v1/namespaces/{}/pods?labelSelector={}",
        encode(namespace),
        encode(&selector.join(","))
    );
    let mut list: Value = applier.api.read(&path, None).await.ok()?;
    let Value::Array(mut pods) = list.get_mut("items")?.take() else {
        return None;
    };
    for pod in &mut pods {
        // The items of a list carry no type of their own.
        if let Value::Object(pod) = pod {
            pod.insert("apiVersion".to_owned(), "v1".into());
            pod.insert("kind".to_owned(), "Pod".into());
        }
    }
    health::of_pods(&pods)
}

/// What a watch tells of the object with this index: its health, or that the watch has ended.
type Told = (usize, Option<Health>);
type Watches = SelectAll<Pin<Box<dyn Stream<Item = Told> + Send>>>;

/// The objects of one wait.
struct Wait<'a> {
    applier: &'a Applier,
    entries: &'a [Entry],
    options: &'a WaitOptions,
    healths: Vec<Health>,
    watched: BTreeSet<usize>,
    watches: Watches,
}

pub(super) async fn wait_ready(
    applier: &Applier,
    entries: &[Entry],
    options: &WaitOptions,
    cancel: &CancellationToken,
) -> Result<(), WaitError> {
    let deadline = Instant::now() + options.timeout;
    let mut wait = Wait {
        applier,
        entries,
        options,
        healths: vec![Health::new(Status::Unknown, "not read yet"); entries.len()],
        watched: BTreeSet::new(),
        watches: SelectAll::new(),
    };
    let mut pause = FIRST_PAUSE;
    let mut full_round = Instant::now() + LONGEST_PAUSE;
    let all: Vec<usize> = (0..entries.len()).collect();
    tokio::select! {
        () = cancel.cancelled() => return Err(WaitError::Cancelled),
        () = tokio::time::sleep_until(deadline) => {}
        () = wait.round(&all, false) => {}
    }
    let mut next_round = Instant::now() + pause;
    loop {
        if let Some(result) = wait.verdict() {
            return result;
        }
        tokio::select! {
            () = cancel.cancelled() => return Err(WaitError::Cancelled),
            () = tokio::time::sleep_until(deadline) => return Err(wait.timeout()),
            Some((index, told)) = wait.watches.next(), if !wait.watches.is_empty() => wait.hear(index, told),
            () = tokio::time::sleep_until(next_round) => {
                // What is watched is read only now and then, for a watch that has silently died.
                let is_full = Instant::now() >= full_round;
                let due: Vec<usize> = wait.pending().filter(|index| is_full || !wait.watched.contains(index)).collect();
                tokio::select! {
                    () = cancel.cancelled() => return Err(WaitError::Cancelled),
                    () = tokio::time::sleep_until(deadline) => return Err(wait.timeout()),
                    () = wait.round(&due, is_full) => {}
                }
                if is_full {
                    full_round = Instant::now() + LONGEST_PAUSE;
                }
                pause = (pause * 3 / 2).min(LONGEST_PAUSE);
                next_round = Instant::now() + pause;
            }
        }
    }
}

impl Wait<'_> {
    /// Reads objects, and begins to watch those that are not ready.
    async fn round(&mut self, indexes: &[usize], with_pods: bool) {
        let (applier, entries, rules) = (self.applier, self.entries, &self.options.rules);
        let reads: Vec<_> = indexes
            .iter()
            .filter_map(|index| Some((*index, entries.get(*index)?)))
            .map(|(index, entry)| async move { (index, observe(applier, entry, rules, with_pods).await) })
            .collect();
        let observations: Vec<(usize, Observation)> =
            stream::iter(reads).buffer_unordered(AT_ONCE).collect().await;
        for (index, observation) in observations {
            let is_pending = !observation.health.is_current();
            if let Some(health) = self.healths.get_mut(index) {
                *health = observation.health;
            }
            if is_pending
                && let Some(path) = observation.watch
                && !self.watched.contains(&index)
            {
                self.watch(index, &path);
            }
        }
    }

    /// Watches an object, unless too many are watched already.
    fn watch(&mut self, index: usize, path: &str) {
        let Ok(permit) = Arc::clone(&self.applier.shared.watches).try_acquire_owned() else {
            return;
        };
        let Ok(request) = self.applier.api.watch_request(path) else {
            return;
        };
        let client = self.applier.api.client().clone();
        let deadline = self.applier.shared.limits.request;
        let rules = Arc::clone(&self.options.rules);
        let events = async move {
            let opening = client.request_events::<Value>(request);
            let events = match tokio::time::timeout(deadline, opening).await {
                Ok(Ok(events)) => Some(events),
                Ok(Err(_)) | Err(_) => None,
            };
            let told = events.map(|events| {
                events.filter_map(move |event| {
                    let health = match event {
                        Ok(WatchEvent::Added(live) | WatchEvent::Modified(live)) => {
                            Some(rules.compute(&live))
                        }
                        Ok(WatchEvent::Deleted(_)) => {
                            Some(Health::new(Status::NotFound, "Resource not found"))
                        }
                        Ok(WatchEvent::Bookmark(_) | WatchEvent::Error(_)) | Err(_) => None,
                    };
                    std::future::ready(health.map(|health| (index, Some(health))))
                })
            });
            let ended = stream::once(async move {
                drop(permit);
                (index, None)
            });
            stream::iter(told).flatten().chain(ended)
        };
        self.watched.insert(index);
        self.watches.push(Box::pin(stream::once(events).flatten()));
    }

    fn hear(&mut self, index: usize, told: Option<Health>) {
        match told {
            Some(health) => {
                if let Some(place) = self.healths.get_mut(index) {
                    *place = health;
                }
            }
            // The next round reads it, and watches it again.
            None => {
                self.watched.remove(&index);
            }
        }
    }

    /// What counts: a job that is removed when it is done, is done.
    fn status(&self, index: usize) -> Status {
        let status = self
            .healths
            .get(index)
            .map_or(Status::Unknown, |health| health.status);
        let is_gone_job = status == Status::NotFound
            && self
                .entries
                .get(index)
                .is_some_and(|entry| self.options.jobs_with_ttl.contains(&entry.id));
        if is_gone_job { Status::Current } else { status }
    }

    fn pending(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.entries.len()).filter(|index| self.status(*index) != Status::Current)
    }

    fn with_status(&self, is_wanted: impl Fn(Status) -> bool) -> Vec<(Entry, Health)> {
        (0..self.entries.len())
            .filter(|index| is_wanted(self.status(*index)))
            .filter_map(|index| Some((self.entries.get(index)?.clone(), self.healths.get(index)?.clone())))
            .collect()
    }

    /// The end of the wait, if it has come: all are ready, or waiting longer cannot help.
    fn verdict(&self) -> Option<Result<(), WaitError>> {
        let failed = self.with_status(|status| status == Status::Failed);
        let on_their_way = self.pending().count() - failed.len();
        if failed.is_empty() {
            return (on_their_way == 0).then_some(Ok(()));
        }
        (self.options.fail_fast || on_their_way == 0).then_some(Err(WaitError::Failed { failed }))
    }

    fn timeout(&self) -> WaitError {
        WaitError::Timeout {
            unready: self.with_status(|status| status != Status::Current),
        }
    }
}
