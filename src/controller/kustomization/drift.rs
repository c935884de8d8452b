//! Objects whose drift is corrected at once: what others change in them wakes their Kustomization.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use fluxbot_api::Reason;
use fluxbot_api::condition::EventSeverity;
use serde_json::Value;
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::memory::Memory;
use crate::controller::context::Context;
use crate::controller::events::EventRecord;
use crate::objects::ObjectKey;
use crate::sync::object::GroupKind;
use crate::sync::{Applier, Entry, ObjectId, Owned, drift};

/// How often an object is put back at once within [`PERIOD`]. Who changes it more often has a reason, or is a controller.
const MOST_CORRECTIONS: usize = 3;
const PERIOD: Duration = Duration::from_mins(10);

/// How many kinds are watched.
const MOST_KINDS: usize = 200;

/// Watches the applied objects of Kustomizations that ask for it. Secrets are never watched.
pub(super) struct DriftWatch {
    context: Context,
    applier: Arc<Applier>,
    memory: Arc<Memory>,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    objects: HashMap<ObjectId, Followed>,
    of_owner: HashMap<ObjectKey, Vec<ObjectId>>,
    /// The kinds that are watched. A watch ends when nobody needs it.
    kinds: HashMap<GroupKind, DropGuard>,
}

struct Followed {
    owner: ObjectKey,
    /// Our fields as last seen.
    fields: Option<Value>,
    is_seen: bool,
    corrections: VecDeque<Instant>,
    /// Whether it was told that the object is left until the interval.
    is_left: bool,
}

/// What follows from a change of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Verdict {
    Nothing,
    Correct(ObjectKey),
    /// Too many corrections, for the first time.
    Leave(ObjectKey),
}

impl DriftWatch {
    pub(super) fn new(context: Context, applier: Arc<Applier>, memory: Arc<Memory>) -> Arc<Self> {
        Arc::new(Self {
            context,
            applier,
            memory,
            inner: Mutex::default(),
        })
    }

    /// These objects of a Kustomization are watched from now on, instead of those before.
    pub(super) fn follow(self: &Arc<Self>, owner: &ObjectKey, entries: &[Entry]) {
        let mut inner = self.lock();
        inner.replace(owner, entries);
        for entry in entries.iter().filter(|entry| !entry.id.is_secret()) {
            let kind = kind_of(&entry.id);
            if inner.kinds.contains_key(&kind) || inner.kinds.len() >= MOST_KINDS {
                continue;
            }
            let token = CancellationToken::new();
            inner.kinds.insert(kind, token.clone().drop_guard());
            tokio::spawn(watch(
                Arc::downgrade(self),
                Arc::clone(&self.applier),
                entry.clone(),
                token,
            ));
        }
    }

    /// Nothing of a Kustomization is watched any more.
    pub(super) fn forget(&self, owner: &ObjectKey) {
        self.lock().replace(owner, &[]);
    }

    fn told(&self, owned: &Owned) {
        let verdict = self.lock().judge(owned, Instant::now());
        match verdict {
            Verdict::Nothing => {}
            Verdict::Correct(owner) => {
                tracing::debug!(object = %owned.id.subject(), kustomization = %owner, "drift was seen");
                // A commit that comes at the same moment and changes nothing must not pass for the correction.
                self.memory.doubt(&owner);
                self.context.queues.kustomizations.wake(&owner);
            }
            Verdict::Leave(owner) => {
                let Some(kustomization) = self.context.caches.kustomizations.good(&owner) else {
                    return;
                };
                let text = format!(
                    "{} was put back {MOST_CORRECTIONS} times within ten minutes and is changed again by '{}': it is left until the \
                     next interval; remove the field from the repository, or name it in spec.ignore",
                    owned.id.subject(),
                    owned.changed_by.as_deref().unwrap_or("unknown"),
                );
                let record = EventRecord::new(EventSeverity::Error, Reason::DriftDetected, &text);
                let controller = "kustomize-controller";
                self.context
                    .events
                    .publish(kustomization.as_ref(), controller, record);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn replace(&mut self, owner: &ObjectKey, entries: &[Entry]) {
        let before = self.of_owner.remove(owner).unwrap_or_default();
        if before.is_empty() && entries.is_empty() {
            return;
        }
        for id in before {
            let is_kept = entries.iter().any(|entry| entry.id == id);
            if !is_kept && self.objects.get(&id).is_some_and(|object| object.owner == *owner) {
                self.objects.remove(&id);
            }
        }
        let ids: Vec<ObjectId> = entries
            .iter()
            .map(|entry| entry.id.clone())
            .filter(|id| !id.is_secret())
            .collect();
        for id in &ids {
            let object = self.objects.entry(id.clone()).or_insert_with(|| Followed {
                owner: owner.clone(),
                fields: None,
                is_seen: false,
                corrections: VecDeque::new(),
                is_left: false,
            });
            object.owner = owner.clone();
        }
        if !ids.is_empty() {
            self.of_owner.insert(owner.clone(), ids);
        }
        let objects = &self.objects;
        self.kinds
            .retain(|kind, _| objects.keys().any(|id| kind_of(id) == *kind));
    }

    fn judge(&mut self, owned: &Owned, now: Instant) -> Verdict {
        let Some(object) = self.objects.get_mut(&owned.id) else {
            return Verdict::Nothing;
        };
        let has_drifted = match (&object.fields, &owned.fields) {
            (Some(before), Some(after)) => drift::has_lost(before, after),
            (Some(_), None) => true,
            (None, found) => found.is_none(),
        };
        let is_first = !object.is_seen;
        object.is_seen = true;
        object.fields.clone_from(&owned.fields);
        if is_first {
            // Between the run and the first sight somebody may have changed it: one more look costs a read.
            return Verdict::Correct(object.owner.clone());
        }
        if !has_drifted {
            return Verdict::Nothing;
        }
        while object
            .corrections
            .front()
            .is_some_and(|at| now.saturating_duration_since(*at) > PERIOD)
        {
            object.corrections.pop_front();
            object.is_left = false;
        }
        if object.corrections.len() >= MOST_CORRECTIONS {
            let is_told = std::mem::replace(&mut object.is_left, true);
            return if is_told {
                Verdict::Nothing
            } else {
                Verdict::Leave(object.owner.clone())
            };
        }
        object.corrections.push_back(now);
        Verdict::Correct(object.owner.clone())
    }
}

fn kind_of(id: &ObjectId) -> GroupKind {
    GroupKind {
        group: id.group.clone(),
        kind: id.kind.clone(),
    }
}

async fn watch(drift: Weak<DriftWatch>, applier: Arc<Applier>, kind: Entry, token: CancellationToken) {
    let tell = |owned: Owned| {
        if let Some(drift) = drift.upgrade() {
            drift.told(&owned);
        }
    };
    applier.watch_owned(&kind, &tell, &token).await;
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn entry(name: &str) -> Entry {
        Entry {
            id: format!("apps_{name}__ConfigMap").parse().unwrap(),
            version: "v1".to_owned(),
        }
    }

    fn seen(name: &str, fields: Option<&Value>) -> Owned {
        Owned {
            id: entry(name).id,
            fields: fields.cloned(),
            changed_by: None,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_taken_from_us_is_put_back_three_times_and_then_left() {
        let owner = ObjectKey::new("apps", "web");
        let mut inner = Inner::default();
        inner.replace(&owner, &[entry("one")]);
        let (all, less) = (json!({"f:data": {"f:a": {}}}), json!({"f:data": {}}));
        let mut judge = |fields: Option<&Value>| inner.judge(&seen("one", fields), Instant::now());
        assert_eq!(
            judge(Some(&all)),
            Verdict::Correct(owner.clone()),
            "the first sight"
        );
        for _ in 0..3 {
            assert_eq!(judge(Some(&less)), Verdict::Correct(owner.clone()));
            assert_eq!(judge(Some(&all)), Verdict::Nothing, "put back");
        }
        assert_eq!(judge(Some(&less)), Verdict::Leave(owner.clone()));
        assert_eq!(judge(Some(&all)), Verdict::Nothing);
        assert_eq!(judge(None), Verdict::Nothing, "told once");
        tokio::time::advance(PERIOD + Duration::from_secs(1)).await;
        assert_eq!(judge(Some(&all)), Verdict::Nothing);
        assert_eq!(judge(None), Verdict::Correct(owner.clone()), "gone");
        assert_eq!(
            inner.judge(&seen("other", None), Instant::now()),
            Verdict::Nothing
        );
        inner.replace(&owner, &[]);
        assert_eq!(
            inner.judge(&seen("one", Some(&less)), Instant::now()),
            Verdict::Nothing
        );
        assert!(inner.objects.is_empty() && inner.of_owner.is_empty());
    }
}
