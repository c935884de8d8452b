//! Blocking work for objects, on one thread for each object at most.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::time::Instant;

use crate::objects::ObjectKey;

/// The blocking work of the objects of one kind.
///
/// A thread cannot be stopped from outside: when its caller gives up, it goes on. So of each object one piece of work runs at a
/// time, and the next one waits for its end without a thread of its own, however often the object is tried again.
#[derive(Debug, Default)]
pub(super) struct Jobs {
    places: Mutex<HashMap<ObjectKey, Arc<tokio::sync::Mutex<()>>>>,
}

/// Blocking work has no result.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum JobError {
    /// The work of an earlier run has not ended; nothing was begun.
    #[error("the work of an earlier run has not ended yet")]
    Busy,
    /// It did not end in time, and goes on.
    #[error("it did not end in time")]
    Late,
    /// It panicked, or the process ends.
    #[error("internal error: {0}")]
    Stopped(String),
}

impl Jobs {
    /// Does some blocking work for an object, once earlier work for it has ended; until `end` at most.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        key: &ObjectKey,
        end: Instant,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, JobError> {
        let place = {
            let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
            // Whoever works or waits holds one more.
            places.retain(|_, place| Arc::strong_count(place) > 1);
            Arc::clone(places.entry(key.clone()).or_default())
        };
        let alone = tokio::time::timeout_at(end, place.lock_owned());
        let alone = alone.await.map_err(|_| JobError::Busy)?;
        let job = tokio::task::spawn_blocking(move || {
            let _alone = alone;
            work()
        });
        match tokio::time::timeout_at(end, job).await {
            Ok(Ok(result)) => Ok(result),
            Ok(Err(error)) => Err(JobError::Stopped(error.to_string())),
            Err(_) => Err(JobError::Late),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn retries_wait_for_the_thread_that_runs_and_add_none() {
        let jobs = Jobs::default();
        let (web, other) = (ObjectKey::new("apps", "web"), ObjectKey::new("apps", "other"));
        let begun = Arc::new(AtomicUsize::new(0));
        let soon = || Instant::now() + Duration::from_millis(20);
        let late = || Instant::now() + Duration::from_mins(1);
        let (release, released) = mpsc::channel::<()>();
        let counter = Arc::clone(&begun);
        let hangs = move || {
            counter.fetch_add(1, Ordering::SeqCst);
            released.recv().ok();
        };
        assert_eq!(jobs.run(&web, soon(), hangs).await, Err(JobError::Late));
        for _ in 0..5 {
            let counter = Arc::clone(&begun);
            let again = move || counter.fetch_add(1, Ordering::SeqCst);
            assert_eq!(jobs.run(&web, soon(), again).await, Err(JobError::Busy));
        }
        assert_eq!(begun.load(Ordering::SeqCst), 1);
        assert_eq!(jobs.run(&other, late(), || 7).await, Ok(7), "others go on");
        drop(release);
        assert_eq!(jobs.run(&web, late(), || 8).await, Ok(8));
        // A thread that has just ended may still hold its place for a moment.
        while jobs.places.lock().unwrap().contains_key(&web) {
            assert_eq!(jobs.run(&other, late(), || 9).await, Ok(9));
        }
    }

    #[tokio::test]
    async fn a_panic_is_told_and_gives_the_place_back() {
        let jobs = Jobs::default();
        let key = ObjectKey::new("apps", "web");
        let end = || Instant::now() + Duration::from_mins(1);
        let failed = jobs.run(&key, end(), || panic!("on purpose")).await;
        assert!(matches!(failed, Err::<(), _>(JobError::Stopped(text)) if text.contains("panicked")));
        assert_eq!(jobs.run(&key, end(), || 1).await, Ok(1));
    }
}
