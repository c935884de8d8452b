//! How long the Git requests of one thread may go on.

use std::cell::RefCell;
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

thread_local! {
    static CURRENT: RefCell<Option<Bound>> = const { RefCell::new(None) };
}

/// A deadline and a cancellation for all requests that a blocking piece of work sends through [`super::GitHttp`].
///
/// The Git engine blocks and knows no deadline of its callers, and a mirror is shared by callers with different ones: so the
/// bound belongs to the thread that works. Without it a thread whose caller has gone would go on for as long as its server
/// sends anything.
#[derive(Debug, Clone)]
pub struct Bound {
    limit: Duration,
    deadline: Instant,
    cancel: CancellationToken,
}

/// A request was given up.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Expired {
    /// The time is over.
    #[error("no complete answer within {}", fluxbot_api::Duration::from(*.0))]
    Deadline(Duration),
    /// Nobody waits for the answer any more.
    #[error("the operation was cancelled")]
    Cancelled,
}

impl Bound {
    /// A bound that ends after `limit` from now, or when `cancel` is cancelled.
    #[must_use]
    pub fn new(limit: Duration, cancel: CancellationToken) -> Self {
        // A limit that the clock cannot hold is as good as a year.
        let limit = limit.min(Duration::from_hours(8760));
        Self {
            limit,
            deadline: Instant::now() + limit,
            cancel,
        }
    }

    /// Does some work on this thread; its requests, and the reads of their answers, are given up when the bound ends.
    pub fn hold<T>(&self, work: impl FnOnce() -> T) -> T {
        let outer = CURRENT.replace(Some(self.clone()));
        // Puts the outer one back also when the work panics: the thread is used again.
        let _restore = Restore(outer);
        work()
    }

    /// Waits for something, at most until the bound ends.
    pub(super) async fn keep<T>(&self, work: impl Future<Output = T>) -> Result<T, Expired> {
        tokio::select! {
            biased;
            () = self.cancel.cancelled() => Err(Expired::Cancelled),
            () = tokio::time::sleep_until(self.deadline) => Err(Expired::Deadline(self.limit)),
            done = work => Ok(done),
        }
    }

    /// Whether it has ended.
    pub(super) fn is_over(&self) -> bool {
        self.cancel.is_cancelled() || Instant::now() >= self.deadline
    }

    /// The bound of the work on this thread.
    pub(super) fn current() -> Option<Self> {
        CURRENT.with_borrow(Clone::clone)
    }
}

struct Restore(Option<Bound>);

impl Drop for Restore {
    fn drop(&mut self) {
        CURRENT.set(self.0.take());
    }
}
