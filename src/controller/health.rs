//! Whether the process does its work: what `/healthz` and `/readyz` answer.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// A loop that gave no sign for this long has stopped.
const SILENCE: Duration = Duration::from_mins(1);

/// The API server counts as unreachable after failures for this long.
const UNREACHABLE: Duration = Duration::from_secs(15);

/// Tries that fail come at least this often: the longest pause between two is 30 s.
const FAILURES_APART: Duration = Duration::from_secs(45);

/// The health of all loops of the process. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Health {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug, Default)]
struct Inner {
    loops: BTreeMap<String, Loop>,
    /// What is not there yet, by name.
    pending: BTreeMap<String, String>,
}

#[derive(Debug)]
struct Loop {
    last_sign: Instant,
    failing_since: Option<Instant>,
    last_failure: Option<Instant>,
    stuck: Option<String>,
}

/// By which a loop gives signs of life. Dropping it says that the loop has stopped.
#[derive(Debug)]
pub struct Heart {
    name: String,
    health: Health,
}

impl Health {
    /// A loop begins; it has to give a sign at least every minute from now on.
    #[must_use]
    pub fn heart(&self, name: &str) -> Heart {
        self.with(|inner| {
            let fresh = Loop {
                last_sign: Instant::now(),
                failing_since: None,
                last_failure: None,
                stuck: None,
            };
            inner.loops.insert(name.to_owned(), fresh);
        });
        Heart {
            name: name.to_owned(),
            health: self.clone(),
        }
    }

    /// Something must happen before the process is ready.
    pub fn await_for(&self, name: &str, why: &str) {
        self.with(|inner| inner.pending.insert(name.to_owned(), why.to_owned()));
    }

    /// It has happened.
    pub fn arrived(&self, name: &str) {
        self.with(|inner| inner.pending.remove(name));
    }

    /// Why the process is not alive, one line for each loop that has stopped; `Ok` when it is.
    pub fn alive(&self) -> Result<(), String> {
        let now = Instant::now();
        self.with(|inner| {
            let faults = inner.loops.iter().filter_map(|(name, state)| {
                if let Some(stuck) = &state.stuck {
                    return Some(format!("{name}: {stuck}"));
                }
                let silence = now.duration_since(state.last_sign);
                (silence > SILENCE).then(|| format!("{name}: no sign of life for {} s", silence.as_secs()))
            });
            lines(faults)
        })
    }

    /// Why the process is not ready; `Ok` when it is.
    pub fn ready(&self) -> Result<(), String> {
        self.alive()?;
        let now = Instant::now();
        self.with(|inner| {
            let pending = inner.pending.iter().map(|(name, why)| format!("{name}: {why}"));
            let failing = inner.loops.iter().filter_map(|(name, state)| {
                let since = now.duration_since(state.failing_since?);
                // A watch that goes on without news says nothing: only failures that go on count.
                let goes_on = now.duration_since(state.last_failure?) < FAILURES_APART;
                (since > UNREACHABLE && goes_on).then(|| format!("{name}: failing for {} s", since.as_secs()))
            });
            lines(pending.chain(failing))
        })
    }

    fn with<T>(&self, work: impl FnOnce(&mut Inner) -> T) -> T {
        work(&mut self.inner.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn lines(faults: impl Iterator<Item = String>) -> Result<(), String> {
    let faults: Vec<String> = faults.collect();
    if faults.is_empty() {
        Ok(())
    } else {
        Err(faults.join("\n"))
    }
}

impl Heart {
    /// The loop is alive.
    pub fn beat(&self) {
        self.change(|state| state.last_sign = Instant::now());
    }

    /// What the loop talks to has answered.
    pub fn reached(&self) {
        self.change(|state| state.failing_since = None);
    }

    /// What the loop talks to has failed.
    pub fn missed(&self) {
        self.change(|state| {
            let now = Instant::now();
            if state
                .last_failure
                .is_none_or(|last| now.duration_since(last) >= FAILURES_APART)
            {
                state.failing_since = None;
            }
            state.failing_since.get_or_insert(now);
            state.last_failure = Some(now);
        });
    }

    /// The loop hangs in something, or does not any more.
    pub fn stuck(&self, why: Option<String>) {
        self.change(|state| state.stuck = why);
    }

    /// The process is not ready before something has happened in this loop.
    pub fn await_for(&self, why: &str) {
        self.health.await_for(&self.name, why);
    }

    /// It has happened.
    pub fn arrived(&self) {
        self.health.arrived(&self.name);
    }

    /// The loop ended as it should: nothing is expected from it any more.
    pub fn retire(self) {
        self.health.with(|inner| inner.loops.remove(&self.name));
    }

    fn change(&self, work: impl FnOnce(&mut Loop)) {
        self.health.with(|inner| {
            if let Some(state) = inner.loops.get_mut(&self.name) {
                work(state);
            }
        });
    }
}

impl Drop for Heart {
    fn drop(&mut self) {
        self.change(|state| {
            state.stuck.get_or_insert_with(|| "has stopped".to_owned());
        });
    }
}
