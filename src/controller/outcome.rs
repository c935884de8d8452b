//! The one place that turns a result into conditions, an event, a metric label and the time of the next run.

use std::time::Duration;

use fluxbot_api::Reason;
use fluxbot_api::condition::{ConditionType, EventSeverity};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

use super::events::EventRecord;

/// Shortest pause after a failure (Flux: `--min-retry-delay`).
const MIN_BACKOFF: Duration = Duration::from_millis(750);

/// Longest pause after a failure (Flux: `--max-retry-delay` is 15 minutes; a fault that ended should not be felt as long).
const MAX_BACKOFF: Duration = Duration::from_mins(5);

/// Shortest interval; the API allows `0s`.
const MIN_INTERVAL: Duration = Duration::from_secs(1);

/// Longest message that the API server takes in a condition.
const MAX_MESSAGE: usize = 32_768;

/// When an object is due again, unless something wakes it before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Requeue {
    /// After this time.
    After(Duration),
    /// Only when something wakes it.
    OnChange,
}

/// Which event tells of a success.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Announce {
    /// One when the message of `Ready` changed, or `Ready` was not `True` before.
    #[default]
    Change,
    /// None: the reconciler recorded its own with [`super::Attempt::event`], or there is nothing to tell.
    Nothing,
}

/// A reconcile that succeeded: `Ready` becomes `True`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Done {
    /// Reason of `Ready`.
    pub reason: Reason,
    /// Message of `Ready`.
    pub message: String,
    /// When to run again.
    pub requeue: Requeue,
    /// Which event tells of it.
    pub announce: Announce,
}

/// What can help after a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recovery {
    /// Another try, after a pause that doubles with each failure: 750 ms up to five minutes.
    Backoff,
    /// Another try after this time (Flux: `retryInterval`, `--requeue-dependency`).
    After(Duration),
    /// Another try when something wakes the object, at the latest after this time.
    Wait(Duration),
    /// Only a change of the object: `Stalled` becomes `True`.
    Stalled,
}

/// A reconcile that failed: `Ready` becomes `False`.
///
/// The message is shown in the status, in an event and in the log: it must not hold a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// Reason of `Ready`, one of Flux's.
    pub reason: Reason,
    /// Message of `Ready`.
    pub message: String,
    /// What can help.
    pub recovery: Recovery,
    /// Severity of the event that tells of it.
    pub severity: EventSeverity,
    /// What the event carries beside the message.
    pub metadata: Vec<(String, String)>,
    /// The text of the event, where Flux's is not that of `Ready`.
    pub event: Option<String>,
}

impl Failure {
    /// A failure that is tried again with growing pauses.
    pub fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self {
            reason,
            message: message.into(),
            recovery: Recovery::Backoff,
            severity: EventSeverity::Error,
            metadata: Vec::new(),
            event: None,
        }
    }

    /// A failure that only a change of the object can help.
    pub fn stalled(reason: Reason, message: impl Into<String>) -> Self {
        Self::new(reason, message).recovery(Recovery::Stalled)
    }

    /// The same failure with another way to recover.
    #[must_use]
    pub fn recovery(mut self, recovery: Recovery) -> Self {
        self.recovery = recovery;
        self
    }

    /// The same failure with another severity of its event: waiting for a dependency is no error.
    #[must_use]
    pub fn severity(mut self, severity: EventSeverity) -> Self {
        self.severity = severity;
        self
    }

    /// The same failure with another text in its event.
    #[must_use]
    pub fn telling(mut self, event: impl Into<String>) -> Self {
        self.event = Some(event.into());
        self
    }

    /// Adds something that the event carries beside the message.
    #[must_use]
    pub fn with(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.metadata.push((key.into(), value.into()));
        self
    }
}

/// What is known of an object before its result is settled.
#[derive(Debug, Clone, Copy)]
pub struct Before<'a> {
    /// `metadata.generation` of the object that was reconciled.
    pub generation: i64,
    /// The conditions in the status before the run.
    pub conditions: &'a [Condition],
    /// What the run last said that it was doing.
    pub progress: Option<&'a str>,
    /// How many runs failed in a row before this one.
    pub failures: u32,
}

/// What follows from a result.
#[derive(Debug, Clone, PartialEq)]
pub struct Settled {
    /// The conditions `Ready`, `Reconciling` and `Stalled`, in place of those before; others are kept.
    pub conditions: Vec<Condition>,
    /// `status.observedGeneration`, when it moves: on success and when stalled, as in Flux.
    pub observed_generation: Option<i64>,
    /// The event to publish.
    pub event: Option<EventRecord>,
    /// When the object is due again.
    pub requeue: Requeue,
    /// Runs that failed in a row, this one included.
    pub failures: u32,
}

/// Decides what follows from a result.
#[must_use]
pub fn settle(before: &Before<'_>, result: &Result<Done, Failure>, now: Timestamp) -> Settled {
    match result {
        Ok(done) => succeeded(before, done, now),
        Err(failure) => failed(before, failure, now),
    }
}

fn succeeded(before: &Before<'_>, done: &Done, now: Timestamp) -> Settled {
    let ready = find(before.conditions, ConditionType::Ready);
    let is_news = ready.is_none_or(|ready| ready.status != "True" || ready.message != done.message);
    let mut conditions = before.conditions.to_vec();
    remove(&mut conditions, ConditionType::Reconciling);
    remove(&mut conditions, ConditionType::Stalled);
    let new = Change::new(ConditionType::Ready, Status::True, done.reason, &done.message);
    set(&mut conditions, new, before.generation, now);
    let event = (done.announce == Announce::Change && is_news)
        .then(|| EventRecord::new(EventSeverity::Info, done.reason, &done.message));
    Settled {
        conditions,
        observed_generation: Some(before.generation),
        event,
        requeue: floored(done.requeue),
        failures: 0,
    }
}

fn failed(before: &Before<'_>, failure: &Failure, now: Timestamp) -> Settled {
    let ready = find(before.conditions, ConditionType::Ready);
    let is_news = ready.is_none_or(|ready| {
        ready.status != "False"
            || ready.message != shortened(&failure.message, MAX_MESSAGE)
            || ready.observed_generation != Some(before.generation)
    });
    let mut conditions = before.conditions.to_vec();
    let stalled = failure.recovery == Recovery::Stalled;
    if stalled {
        remove(&mut conditions, ConditionType::Reconciling);
        let new = Change::new(
            ConditionType::Stalled,
            Status::True,
            failure.reason,
            &failure.message,
        );
        set(&mut conditions, new, before.generation, now);
    } else {
        remove(&mut conditions, ConditionType::Stalled);
        let doing = before.progress.unwrap_or("reconciliation in progress");
        let new = Change::new(
            ConditionType::Reconciling,
            Status::True,
            Reason::ProgressingWithRetry,
            doing,
        );
        set(&mut conditions, new, before.generation, now);
    }
    let new = Change::new(
        ConditionType::Ready,
        Status::False,
        failure.reason,
        &failure.message,
    );
    set(&mut conditions, new, before.generation, now);
    let text = failure.event.as_deref().unwrap_or(&failure.message);
    let mut event = EventRecord::new(failure.severity, failure.reason, text);
    event.metadata.extend(failure.metadata.iter().cloned());
    let failures = before.failures.saturating_add(1);
    Settled {
        conditions,
        observed_generation: stalled.then_some(before.generation),
        event: is_news.then_some(event),
        requeue: match failure.recovery {
            Recovery::Backoff => Requeue::After(backoff(failures)),
            Recovery::After(pause) | Recovery::Wait(pause) => floored(Requeue::After(pause)),
            Recovery::Stalled => Requeue::OnChange,
        },
        failures,
    }
}

/// An interval of nothing would ask a server without pause.
fn floored(requeue: Requeue) -> Requeue {
    match requeue {
        Requeue::After(pause) => Requeue::After(pause.max(MIN_INTERVAL)),
        Requeue::OnChange => Requeue::OnChange,
    }
}

/// The conditions of an object whose run is under way.
#[must_use]
pub fn progressing(
    conditions: &[Condition],
    generation: i64,
    message: &str,
    ready_is_unknown: bool,
    now: Timestamp,
) -> Vec<Condition> {
    let mut conditions = conditions.to_vec();
    remove(&mut conditions, ConditionType::Stalled);
    let new = Change::new(
        ConditionType::Reconciling,
        Status::True,
        Reason::Progressing,
        message,
    );
    set(&mut conditions, new, generation, now);
    if ready_is_unknown {
        let text = "Reconciliation in progress";
        let new = Change::new(ConditionType::Ready, Status::Unknown, Reason::Progressing, text);
        set(&mut conditions, new, generation, now);
    }
    conditions
}

/// The pause after this many failures in a row.
#[must_use]
pub fn backoff(failures: u32) -> Duration {
    let doublings = failures.saturating_sub(1).min(20);
    MIN_BACKOFF.saturating_mul(1 << doublings).min(MAX_BACKOFF)
}

/// Status of a condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// It holds.
    True,
    /// It does not hold.
    False,
    /// Not known yet.
    Unknown,
}

impl Status {
    /// The word in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::True => "True",
            Self::False => "False",
            Self::Unknown => "Unknown",
        }
    }
}

/// A condition as it shall be.
#[derive(Debug, Clone, Copy)]
pub struct Change<'a> {
    kind: ConditionType,
    status: Status,
    reason: Reason,
    message: &'a str,
}

impl<'a> Change<'a> {
    /// A condition of this type with these contents.
    #[must_use]
    pub const fn new(kind: ConditionType, status: Status, reason: Reason, message: &'a str) -> Self {
        Self {
            kind,
            status,
            reason,
            message,
        }
    }
}

/// The condition of a type.
#[must_use]
pub fn find(conditions: &[Condition], kind: ConditionType) -> Option<&Condition> {
    conditions
        .iter()
        .find(|condition| condition.type_ == kind.as_str())
}

/// Removes the condition of a type.
pub fn remove(conditions: &mut Vec<Condition>, kind: ConditionType) {
    conditions.retain(|condition| condition.type_ != kind.as_str());
}

/// Puts `Ready`, `Reconciling` and `Stalled` as they are shown in the place of those in `conditions`.
pub(super) fn keep_shown(conditions: &mut Vec<Condition>, shown: &[Condition]) {
    let is_common = |condition: &Condition| rank(&condition.type_) < 3;
    conditions.retain(|condition| !is_common(condition));
    conditions.extend(shown.iter().filter(|condition| is_common(condition)).cloned());
    sort(conditions);
}

/// Sets a condition. The time of its last transition moves only with its status. The order is Flux's: `Reconciling`,
/// `Stalled`, `Ready`, then by name.
pub fn set(conditions: &mut Vec<Condition>, new: Change<'_>, generation: i64, now: Timestamp) {
    let status = new.status.as_str();
    let since = find(conditions, new.kind)
        .filter(|old| old.status == status)
        .map(|old| old.last_transition_time.clone());
    remove(conditions, new.kind);
    conditions.push(Condition {
        type_: new.kind.as_str().to_owned(),
        status: status.to_owned(),
        reason: new.reason.as_str().to_owned(),
        message: shortened(new.message, MAX_MESSAGE),
        observed_generation: Some(generation),
        // The API holds whole seconds.
        last_transition_time: since.unwrap_or_else(|| Time(whole_seconds(now))),
    });
    sort(conditions);
}

fn sort(conditions: &mut [Condition]) {
    conditions.sort_by(|a, b| {
        rank(&a.type_)
            .cmp(&rank(&b.type_))
            .then_with(|| a.type_.cmp(&b.type_))
    });
}

/// A time without its fraction, as the API server keeps it.
#[must_use]
pub fn whole_seconds(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap_or(time)
}

fn rank(kind: &str) -> u8 {
    match kind {
        "Reconciling" => 0,
        "Stalled" => 1,
        "Ready" => 2,
        _ => 3,
    }
}

/// A text of at most `limit` bytes, which are more than three; one that is longer ends in three dots.
pub(super) fn shortened(text: &str, limit: usize) -> String {
    if text.len() <= limit {
        return text.to_owned();
    }
    let mut end = limit - 3;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}...", text.get(..end).unwrap_or_default())
}
