//! Objects that failed while they used a Secret: they are tried again as soon as the Secret is another one.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::StreamExt as _;
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::debug;

use super::queue::Queue;
use crate::objects::ObjectKey;

/// How often the Secrets are looked at.
const PERIOD: Duration = Duration::from_secs(5);

/// How many Secrets are looked at in one round; if there are more, they take turns.
const PER_ROUND: usize = 64;

/// How many are looked at at once.
const AT_ONCE: usize = 8;

/// How long the API server may take.
const TIMEOUT: Duration = Duration::from_secs(4);

/// How long an object waits without having failed again: longer than the longest pause between two tries. One that was deleted
/// or stalled meanwhile waits for nothing.
const PATIENCE: Duration = Duration::from_mins(15);

/// How many versions of Secrets are remembered.
const MAX_SEEN: usize = 10_000;

tokio::task_local! {
    static READS: SecretReads;
}

/// The Secrets that one run of an object has read, or has looked for in vain: those that it names, and those that something
/// else names for it, such as a service account.
#[derive(Debug, Clone, Default)]
pub struct SecretReads(Arc<Mutex<BTreeSet<ObjectKey>>>);

impl SecretReads {
    /// Notes what is read while a future runs. What a task reads that the future has spawned is not noted.
    pub fn note<F: Future>(&self, run: F) -> impl Future<Output = F::Output> + use<F> {
        READS.scope(self.clone(), run)
    }

    /// A Secret is about to be read. Outside of a run there is nobody to wait for it.
    pub fn add(secret: &ObjectKey) {
        READS.try_with(|reads| reads.lock().insert(secret.clone())).ok();
    }

    /// What was read up to now.
    #[must_use]
    pub fn all(&self) -> Vec<ObjectKey> {
        self.lock().iter().cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeSet<ObjectKey>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Which Secrets objects wait for.
///
/// Secrets are never watched or listed. While an object fails, the Secrets that it has read are read by name every five seconds,
/// their metadata alone, and a new version wakes the object: a corrected password is noticed at once, and no server is asked
/// more often with a wrong one.
#[derive(Debug, Default)]
pub struct SecretWaits {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    /// The version at which a Secret was last read; `None` for one that was not there.
    seen: HashMap<ObjectKey, Option<String>>,
    waiting: BTreeMap<ObjectKey, Vec<Waiting>>,
    /// The Secret that was looked at last.
    last: Option<ObjectKey>,
}

#[derive(Debug)]
struct Waiting {
    queue: Arc<Queue>,
    object: ObjectKey,
    since: Instant,
}

impl SecretWaits {
    /// A Secret was read, in this version, or was not there.
    pub fn saw(&self, secret: &ObjectKey, version: Option<&str>) {
        let mut inner = self.lock();
        if inner.seen.len() >= MAX_SEEN {
            inner.seen.clear();
        }
        let before = inner.seen.insert(secret.clone(), version.map(str::to_owned));
        // Whoever reads the new version first must not keep the others from noticing it.
        if before.is_some_and(|before| before.as_deref() != version) {
            for waiting in inner.waiting.remove(secret).unwrap_or_default() {
                waiting.queue.wake(&waiting.object);
            }
        }
    }

    /// An object waits for a change of these Secrets from now on, instead of those before. It waits for nothing without any.
    pub fn wait(&self, queue: &Arc<Queue>, object: &ObjectKey, secrets: Vec<ObjectKey>) {
        let mut inner = self.lock();
        inner.retain(|waiting| !(Arc::ptr_eq(&waiting.queue, queue) && waiting.object == *object));
        for secret in secrets {
            inner.waiting.entry(secret).or_default().push(Waiting {
                queue: Arc::clone(queue),
                object: object.clone(),
                since: Instant::now(),
            });
        }
    }

    /// The Secrets that are to be looked at in this round.
    fn round(&self) -> Vec<ObjectKey> {
        let mut inner = self.lock();
        inner.retain(|waiting| waiting.since.elapsed() < PATIENCE);
        let after = |key: &&ObjectKey| inner.last.as_ref().is_none_or(|last| *key > last);
        let later = inner.waiting.keys().filter(after);
        let earlier = inner.waiting.keys().filter(|key| !after(key));
        let round: Vec<ObjectKey> = later.chain(earlier).take(PER_ROUND).cloned().collect();
        inner.last = round.last().cloned();
        round
    }

    /// Wakes those that wait for a Secret, if its version is another one than they have read.
    fn looked(&self, secret: &ObjectKey, version: Option<&str>) {
        let mut inner = self.lock();
        let seen = inner.seen.insert(secret.clone(), version.map(str::to_owned));
        // Without a version from before, the object has not come to read it: the next look tells.
        if seen.is_none_or(|seen| seen.as_deref() == version) {
            return;
        }
        for waiting in inner.waiting.remove(secret).unwrap_or_default() {
            waiting.queue.wake(&waiting.object);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn retain(&mut self, is_kept: impl Fn(&Waiting) -> bool) {
        self.waiting.retain(|_, waiting| {
            waiting.retain(&is_kept);
            !waiting.is_empty()
        });
    }
}

/// Looks at the Secrets that objects wait for, until `stop`.
pub async fn watch_secrets(client: Client, waits: Arc<SecretWaits>, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(PERIOD) => {}
        }
        let looks = waits
            .round()
            .into_iter()
            .map(|secret| look(&client, &waits, secret));
        let looks: Vec<_> = looks.collect();
        futures::stream::iter(looks)
            .buffer_unordered(AT_ONCE)
            .collect::<()>()
            .await;
    }
}

async fn look(client: &Client, waits: &SecretWaits, secret: ObjectKey) {
    let api: Api<Secret> = Api::namespaced(client.clone(), &secret.namespace);
    match tokio::time::timeout(TIMEOUT, api.get_metadata_opt(&secret.name)).await {
        Ok(Ok(found)) => {
            let version = found
                .as_ref()
                .map(|found| found.metadata.resource_version.as_deref());
            waits.looked(&secret, version.map(Option::unwrap_or_default));
        }
        Ok(Err(error)) => debug!(%secret, %error, "secret could not be looked at"),
        Err(_) => debug!(%secret, "the API server did not answer in time"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> ObjectKey {
        ObjectKey::new("apps", name)
    }

    fn due(queue: &Queue) -> usize {
        queue.counts().0
    }

    #[tokio::test(start_paused = true)]
    async fn a_change_of_the_secret_wakes_those_that_failed_with_it_and_only_once() {
        let waits = SecretWaits::default();
        let (queue, other) = (Arc::new(Queue::default()), Arc::new(Queue::default()));
        waits.saw(&key("git"), Some("1"));
        waits.wait(&queue, &key("web"), vec![key("git"), key("proxy")]);
        waits.wait(&queue, &key("jobs"), vec![key("git")]);
        waits.wait(&other, &key("web"), vec![key("other")]);
        assert_eq!(waits.round(), [key("git"), key("other"), key("proxy")]);
        waits.looked(&key("git"), Some("1"));
        assert_eq!(due(&queue), 0);
        waits.looked(&key("git"), Some("2"));
        assert_eq!((due(&queue), due(&other)), (2, 0));
        assert_eq!(waits.round(), [key("other"), key("proxy")]);
        waits.wait(&queue, &key("web"), Vec::new());
        assert_eq!(waits.round(), [key("other")]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_secret_that_appears_or_goes_is_a_change_and_one_that_was_never_read_is_none() {
        let waits = SecretWaits::default();
        let queue = Arc::new(Queue::default());
        for (before, after, woken) in [
            (Some(None), Some("1"), 1),
            (Some(Some("1")), None, 1),
            (Some(None), None, 0),
            (None, Some("1"), 0),
        ] {
            let (secret, object) = (key(&format!("{before:?}")), key("web"));
            if let Some(version) = before {
                waits.saw(&secret, version);
            }
            waits.wait(&queue, &object, vec![secret.clone()]);
            waits.looked(&secret, after);
            assert_eq!(due(&queue), woken, "{before:?} {after:?}");
            queue.forget(&object);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn many_secrets_take_turns_and_nobody_waits_for_ever() {
        let waits = SecretWaits::default();
        let queue = Arc::new(Queue::default());
        let secrets: Vec<ObjectKey> = (0..100).map(|number| key(&format!("s{number:03}"))).collect();
        waits.wait(&queue, &key("web"), secrets.clone());
        let mut seen = waits.round();
        assert_eq!(seen.len(), PER_ROUND);
        seen.extend(waits.round());
        seen.sort();
        seen.dedup();
        assert_eq!(seen, secrets);
        tokio::time::advance(PATIENCE).await;
        assert!(waits.round().is_empty());
    }
}
