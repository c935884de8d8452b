//! The objects of one kind as last seen, bad ones included.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, PoisonError, RwLock};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::runtime::watcher::Event;
use tokio::sync::watch;

use super::guarded::Guarded;
use super::kinds::Reconciled;
use crate::objects::ObjectKey;

/// How many kinds have not been listed completely yet. Nothing is reconciled before all are: an object that refers to
/// another one must not be told that it does not exist because its list came later.
#[derive(Debug, Default)]
pub struct Lists {
    pending: watch::Sender<usize>,
}

impl Lists {
    /// A kind will be listed.
    pub fn begin(&self) {
        self.pending.send_modify(|pending| *pending += 1);
    }

    /// A kind was listed.
    pub fn complete(&self) {
        self.pending
            .send_modify(|pending| *pending = pending.saturating_sub(1));
    }

    /// Waits until all kinds that are watched were listed.
    pub async fn wait(&self) {
        // Fails only when the sender is gone, which is ours.
        drop(self.pending.subscribe().wait_for(|pending| *pending == 0).await);
    }
}

/// How many deletions are remembered, against an answer that comes after the deletion.
const MAX_TOMBSTONES: usize = 4096;

/// An object as last seen.
#[derive(Debug, Clone)]
pub enum Cached<K> {
    /// It was understood.
    Good(Arc<K>),
    /// It was stored under another schema and cannot be understood. It never stops the others.
    Bad {
        /// Its metadata.
        metadata: Arc<ObjectMeta>,
        /// What is wrong with it.
        error: Arc<str>,
    },
}

impl<K: Reconciled> Cached<K> {
    fn meta(&self) -> &ObjectMeta {
        match self {
            Self::Good(object) => object.meta(),
            Self::Bad { metadata, .. } => metadata,
        }
    }

    /// The object, when it was understood.
    #[must_use]
    pub fn good(&self) -> Option<&Arc<K>> {
        match self {
            Self::Good(object) => Some(object),
            Self::Bad { .. } => None,
        }
    }
}

/// A change of one object.
#[derive(Debug, Clone)]
pub(super) struct Changed<K> {
    pub(super) key: ObjectKey,
    pub(super) old: Option<Cached<K>>,
    pub(super) new: Option<Cached<K>>,
}

/// The objects of one kind: what the watch said, and what the API server answered to our own writes, whichever is newer.
/// A reconcile never sees a state older than its own last write.
#[derive(Debug)]
pub struct Cache<K> {
    inner: RwLock<Inner<K>>,
}

#[derive(Debug)]
struct Inner<K> {
    objects: HashMap<ObjectKey, Cached<K>>,
    tombstones: HashMap<ObjectKey, u64>,
    /// Keys that a list in progress has named so far.
    listed: Option<HashSet<ObjectKey>>,
    is_synced: bool,
}

impl<K> Default for Cache<K> {
    fn default() -> Self {
        Self {
            inner: RwLock::new(Inner {
                objects: HashMap::new(),
                tombstones: HashMap::new(),
                listed: None,
                is_synced: false,
            }),
        }
    }
}

impl<K: Reconciled> Cache<K> {
    /// The object of this key.
    #[must_use]
    pub fn get(&self, key: &ObjectKey) -> Option<Cached<K>> {
        self.read(|inner| inner.objects.get(key).cloned())
    }

    /// The object of this key, when it was understood.
    #[must_use]
    pub fn good(&self, key: &ObjectKey) -> Option<Arc<K>> {
        self.read(|inner| inner.objects.get(key)?.good().cloned())
    }

    /// The understood objects that satisfy a condition, in no order.
    pub fn select(&self, mut wanted: impl FnMut(&K) -> bool) -> Vec<Arc<K>> {
        self.read(|inner| {
            let good = inner.objects.values().filter_map(Cached::good);
            good.filter(|object| wanted(object)).cloned().collect()
        })
    }

    /// Whether the first list is complete.
    #[must_use]
    pub fn is_synced(&self) -> bool {
        self.read(|inner| inner.is_synced)
    }

    /// How many objects there are, and how many of them are bad.
    #[must_use]
    pub fn counts(&self) -> (usize, usize) {
        self.read(|inner| {
            let bad = inner.objects.values().filter(|cached| cached.good().is_none());
            (inner.objects.len(), bad.count())
        })
    }

    /// Takes the API server's answer to a write of ours.
    pub(super) fn answered(&self, mut object: K) -> Option<Changed<K>> {
        // Nobody reads them here, and they are half of the memory.
        object.meta_mut().managed_fields = None;
        self.write(|inner| inner.upsert(Cached::Good(Arc::new(object))))
    }

    /// Takes an event of the watch, and gives what changed.
    pub(super) fn observe(&self, event: Event<Guarded<K>>) -> Vec<Changed<K>> {
        self.write(|inner| match event {
            Event::Init => {
                inner.listed = Some(HashSet::new());
                Vec::new()
            }
            Event::InitApply(object) => {
                let cached = cached(object);
                if let Some(listed) = &mut inner.listed {
                    listed.insert(key_of(cached.meta()));
                }
                inner.upsert(cached).into_iter().collect()
            }
            Event::InitDone => {
                inner.is_synced = true;
                let Some(listed) = inner.listed.take() else {
                    return Vec::new();
                };
                let gone: Vec<ObjectKey> = inner
                    .objects
                    .keys()
                    .filter(|key| !listed.contains(key))
                    .cloned()
                    .collect();
                gone.into_iter()
                    .filter_map(|key| inner.remove(key, None))
                    .collect()
            }
            Event::Apply(object) => inner.upsert(cached(object)).into_iter().collect(),
            Event::Delete(object) => {
                let cached = cached(object);
                let key = key_of(cached.meta());
                inner.remove(key, version_of(cached.meta())).into_iter().collect()
            }
        })
    }

    fn read<T>(&self, work: impl FnOnce(&Inner<K>) -> T) -> T {
        work(&self.inner.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn write<T>(&self, work: impl FnOnce(&mut Inner<K>) -> T) -> T {
        work(&mut self.inner.write().unwrap_or_else(PoisonError::into_inner))
    }
}

impl<K: Reconciled> Inner<K> {
    fn upsert(&mut self, new: Cached<K>) -> Option<Changed<K>> {
        let key = key_of(new.meta());
        let version = version_of(new.meta());
        // Resource versions of custom resources are comparable numbers (Kubernetes 1.35 says so, and all before were).
        let is_old = |other: Option<u64>| matches!((version, other), (Some(new), Some(old)) if new <= old);
        if is_old(self.tombstones.get(&key).copied()) {
            return None;
        }
        if self
            .objects
            .get(&key)
            .is_some_and(|old| is_old(version_of(old.meta())))
        {
            return None;
        }
        self.tombstones.remove(&key);
        let old = self.objects.insert(key.clone(), new.clone());
        Some(Changed {
            key,
            old,
            new: Some(new),
        })
    }

    fn remove(&mut self, key: ObjectKey, version: Option<u64>) -> Option<Changed<K>> {
        let old = self.objects.remove(&key)?;
        if self.tombstones.len() >= MAX_TOMBSTONES {
            self.tombstones.clear();
        }
        if let Some(version) = version.or_else(|| version_of(old.meta())) {
            self.tombstones.insert(key.clone(), version);
        }
        Some(Changed {
            key,
            old: Some(old),
            new: None,
        })
    }
}

fn cached<K: Reconciled>(object: Guarded<K>) -> Cached<K> {
    match object.0 {
        Ok(object) => Cached::Good(Arc::new(object)),
        Err(invalid) => Cached::Bad {
            metadata: Arc::from(invalid.metadata),
            error: invalid.error.into(),
        },
    }
}

fn key_of(meta: &ObjectMeta) -> ObjectKey {
    ObjectKey::new(
        meta.namespace.clone().unwrap_or_default(),
        meta.name.clone().unwrap_or_default(),
    )
}

fn version_of(meta: &ObjectMeta) -> Option<u64> {
    meta.resource_version.as_deref()?.parse().ok()
}
