//! Which objects are due when, each at most once at a time.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::objects::ObjectKey;

/// The objects of one kind that have to be looked at, by the time when they are due.
///
/// Guarantees: an object is handed out by [`Self::next`] only once until [`Self::finish`]; a wake that comes meanwhile is
/// kept; of several times for an object the earliest counts.
#[derive(Debug, Default)]
pub struct Queue {
    inner: Mutex<Inner>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Inner {
    due: BTreeSet<(Instant, ObjectKey)>,
    when: HashMap<ObjectKey, Instant>,
    /// Objects that are worked on, since when, and the time of a wake that came meanwhile.
    running: HashMap<ObjectKey, (Instant, Option<Instant>)>,
    /// Runs that failed in a row.
    failures: HashMap<ObjectKey, u32>,
}

impl Queue {
    /// The object is due now.
    pub fn wake(&self, key: &ObjectKey) {
        self.wake_at(key, Instant::now());
    }

    /// The object is due after a time, if it is not due before.
    pub fn wake_after(&self, key: &ObjectKey, pause: Duration) {
        self.wake_at(key, later(pause));
    }

    fn wake_at(&self, key: &ObjectKey, at: Instant) {
        self.lock().schedule(key, at);
        self.changed.notify_one();
    }

    /// The object is gone: whatever was planned for it is dropped.
    pub fn forget(&self, key: &ObjectKey) {
        let mut inner = self.lock();
        inner.failures.remove(key);
        if let Some(at) = inner.when.remove(key) {
            inner.due.remove(&(at, key.clone()));
        }
        if let Some((_, again)) = inner.running.get_mut(key) {
            *again = None;
        }
    }

    /// Waits for the next object that is due. Cancel-safe: an object is handed out only when this returns. For one caller.
    pub async fn next(&self) -> ObjectKey {
        loop {
            let changed = self.changed.notified();
            let wait = {
                let mut inner = self.lock();
                match inner.take(Instant::now()) {
                    Ok(key) => return key,
                    Err(next) => next,
                }
            };
            match wait {
                Some(at) => {
                    tokio::select! {
                        () = changed => {}
                        () = tokio::time::sleep_until(at) => {}
                    }
                }
                None => changed.await,
            }
        }
    }

    /// The run of an object has ended. It is due again after `requeue`, or earlier when it was woken meanwhile.
    pub fn finish(&self, key: &ObjectKey, requeue: Option<Duration>) {
        {
            let mut inner = self.lock();
            let again = inner.running.remove(key).and_then(|(_, again)| again);
            for at in [again, requeue.map(later)].into_iter().flatten() {
                inner.schedule(key, at);
            }
        }
        self.changed.notify_one();
    }

    /// How many runs of an object failed in a row.
    #[must_use]
    pub fn failures(&self, key: &ObjectKey) -> u32 {
        self.lock().failures.get(key).copied().unwrap_or_default()
    }

    /// Remembers how many runs of an object failed in a row.
    pub fn set_failures(&self, key: &ObjectKey, failures: u32) {
        let mut inner = self.lock();
        if failures == 0 {
            inner.failures.remove(key);
        } else {
            inner.failures.insert(key.clone(), failures);
        }
    }

    /// How many objects are due now and wait, and how many are worked on.
    #[must_use]
    pub fn counts(&self) -> (usize, usize) {
        let inner = self.lock();
        let now = Instant::now();
        let due = inner.due.iter().take_while(|(at, _)| *at <= now).count();
        (due, inner.running.len())
    }

    /// What is worked on, and for how long.
    #[must_use]
    pub fn running(&self) -> Vec<(ObjectKey, Duration)> {
        let inner = self.lock();
        let running = inner.running.iter();
        running
            .map(|(key, (since, _))| (key.clone(), since.elapsed()))
            .collect()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn schedule(&mut self, key: &ObjectKey, at: Instant) {
        if let Some((_, again)) = self.running.get_mut(key) {
            *again = Some(again.map_or(at, |before| before.min(at)));
            return;
        }
        match self.when.get(key) {
            Some(before) if *before <= at => return,
            Some(before) => {
                self.due.remove(&(*before, key.clone()));
            }
            None => {}
        }
        self.when.insert(key.clone(), at);
        self.due.insert((at, key.clone()));
    }

    /// Hands out the object that has been due for the longest time, or tells when the next one is.
    fn take(&mut self, now: Instant) -> Result<ObjectKey, Option<Instant>> {
        let Some((at, key)) = self.due.first().cloned() else {
            return Err(None);
        };
        if at > now {
            return Err(Some(at));
        }
        self.due.pop_first();
        self.when.remove(&key);
        self.running.insert(key.clone(), (now, None));
        Ok(key)
    }
}

/// A time from now on; one that the clock cannot hold is as good as a year.
fn later(pause: Duration) -> Instant {
    const YEAR: Duration = Duration::from_hours(8760);
    Instant::now() + pause.min(YEAR)
}
