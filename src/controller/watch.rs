//! The watch of one kind: from the API server into the cache, and wakes out of it.

use std::sync::Arc;
use std::time::Duration;

use fluxbot_api::Reason;
use fluxbot_api::condition::EventSeverity;
use futures::StreamExt as _;
use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Api;
use kube::runtime::{WatchStreamExt as _, watcher};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::cache::{Cache, Cached, Changed};
use super::context::Context;
use super::events::EventRecord;
use super::guarded::Guarded;
use super::health::Heart;
use super::kinds::Reconciled;
use crate::objects::ObjectKey;

/// How long the API server may keep a watch open. A connection that died without a word is noticed after it.
const WATCH_SECONDS: u32 = 120;

/// Statuses of one kind that are written at once. An API server stores more of them at the same time for the same work, and
/// beyond this it only makes others wait.
const WRITES: usize = 16;

/// Objects in one part of a list. Small, as each part is in memory several times while it is read.
const PAGE: u32 = 100;

/// What to do when an object changed: wake whoever depends on it. `None` before: it is new; `None` after: it is gone.
pub type OnChange<K> = Box<dyn Fn(&ObjectKey, Option<&K>, Option<&K>) + Send + Sync>;

/// Takes what is known of the objects of one kind, and tells whoever depends on them.
pub struct Observer<K: Reconciled> {
    context: Context,
    cache: fn(&Context) -> &Cache<K>,
    on_change: OnChange<K>,
    writes: Semaphore,
}

impl<K: Reconciled> Observer<K> {
    /// An observer that fills a cache.
    #[must_use]
    pub fn new(context: Context, cache: fn(&Context) -> &Cache<K>, on_change: OnChange<K>) -> Self {
        context.lists.begin();
        Self {
            context,
            cache,
            on_change,
            writes: Semaphore::new(WRITES),
        }
    }

    /// Waits until the API server may get another status of this kind from runs that have ended.
    pub(super) async fn turn_to_write(&self) -> Option<SemaphorePermit<'_>> {
        // The semaphore is never closed.
        self.writes.acquire().await.ok()
    }

    /// The cache that is filled.
    #[must_use]
    pub fn cache(&self) -> &Cache<K> {
        (self.cache)(&self.context)
    }

    /// The API server's answer to a write of ours.
    pub(super) fn answered(&self, object: K) {
        if let Some(changed) = self.cache().answered(object) {
            self.tell(&changed);
        }
    }

    fn tell(&self, changed: &Changed<K>) {
        let good = |cached: &Option<Cached<K>>| cached.as_ref().and_then(Cached::good).cloned();
        (self.on_change)(
            &changed.key,
            good(&changed.old).as_deref(),
            good(&changed.new).as_deref(),
        );
        if let Some(Cached::Bad { metadata, error }) = &changed.new {
            self.report_bad(&changed.key, metadata, error);
        }
        if changed.new.is_none() {
            self.context.metrics.forget(K::KIND, &changed.key);
        }
    }
}

impl<K: Reconciled> Observer<K> {
    /// Tells of an object that was stored under another schema: its status cannot be written, as it would not be read.
    fn report_bad(&self, key: &ObjectKey, metadata: &ObjectMeta, error: &str) {
        warn!(kind = K::KIND, object = %key, %error, "object cannot be understood and was left alone");
        self.context.metrics.invalid_object(K::KIND);
        let object = ObjectReference {
            api_version: Some(K::api_version(&()).into_owned()),
            kind: Some(K::KIND.to_owned()),
            name: Some(key.name.clone()),
            namespace: Some(key.namespace.clone()),
            uid: metadata.uid.clone(),
            resource_version: metadata.resource_version.clone(),
            field_path: None,
        };
        let message = format!("the object cannot be understood and was left alone: {error}");
        let record = EventRecord::new(EventSeverity::Error, Reason::Failed, &message);
        let controller = K::STATUS_MANAGER.trim_start_matches("gotk-");
        self.context.events.publish_to(object, controller, record);
    }
}

/// Watches a kind until `stop`. Errors are retried with growing pauses; they never end the watch.
pub async fn watch<K: Reconciled>(
    observer: Arc<Observer<K>>,
    api: Api<Guarded<K>>,
    config: watcher::Config,
    heart: Heart,
    stop: CancellationToken,
) {
    let config = config.timeout(WATCH_SECONDS).page_size(PAGE);
    let mut events = std::pin::pin!(watcher(api, config).default_backoff());
    let mut is_listed = false;
    heart.await_for("the first list is not complete");
    let mut tick = tokio::time::interval(Duration::from_secs(5));
    loop {
        let event = tokio::select! {
            () = stop.cancelled() => {
                heart.retire();
                return;
            }
            _ = tick.tick() => {
                heart.beat();
                continue;
            }
            event = events.next() => event,
        };
        heart.beat();
        match event {
            Some(Ok(event)) => {
                heart.reached();
                for changed in observer.cache().observe(event) {
                    observer.tell(&changed);
                }
                if !is_listed && observer.cache().is_synced() {
                    is_listed = true;
                    observer.context.lists.complete();
                    heart.arrived();
                }
            }
            Some(Err(error)) => {
                heart.missed();
                warn!(kind = K::KIND, %error, "watch failed and will be tried again");
            }
            None => return,
        }
    }
}
