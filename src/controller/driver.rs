//! Runs the objects of one kind as they become due: deadline, panics, status, event, metric, log, next run.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use fluxbot_api::Reason;
use fluxbot_api::annotation::{FINALIZER, REQUESTED_AT};
use futures::FutureExt as _;
use jiff::Timestamp;
use kube::Resource as _;
use tokio::sync::{Semaphore, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, error, info, warn};

use super::attempt::{Attempt, Reconciler, Slot};
use super::cache::Cached;
use super::context::Context;
use super::health::Heart;
use super::kinds::Reconciled;
use super::metrics::RunResult;
use super::outcome::{self, Before, Done, Failure, Recovery, Requeue, Settled};
use super::queue::Queue;
use super::secret_waits::SecretReads;
use super::status::{StatusError, StatusWriter};
use super::watch::Observer;
use crate::objects::ObjectKey;

/// A run that takes longer than this shows what it is doing in its status.
const SHOW_PROGRESS_AFTER: Duration = Duration::from_millis(500);

/// How long past its deadline a run may hang before the process counts as dead.
const HANGING: Duration = Duration::from_mins(2);

/// How long runs may go on after a stop was asked for.
const GRACE: Duration = Duration::from_secs(20);

/// How often a stopping process looks whether a run has come to rest.
const REST_CHECK: Duration = Duration::from_millis(50);

/// How long to wait after a status could not be written.
const STATUS_PAUSE: Duration = Duration::from_secs(2);

/// One kind's reconciler with all that drives it.
pub struct Drive<R: Reconciler> {
    /// What all share.
    pub context: Context,
    /// The reconciler.
    pub reconciler: R,
    /// Where the kind's objects are seen.
    pub observer: Arc<Observer<R::Kind>>,
    /// What is due.
    pub queue: Arc<Queue>,
    /// Objects worked on at once.
    pub concurrent: usize,
    /// Cancelled when writes must stop at once: leadership is lost, or the grace is over.
    pub halt: CancellationToken,
    /// Cancelled when no new run may begin.
    pub stop: CancellationToken,
}

/// Works on the objects of one kind until its `stop`, then lets running ones end within a grace.
pub async fn drive<R: Reconciler>(drive: Drive<R>, heart: Heart) {
    let stop = drive.stop.clone();
    let drive = Arc::new(drive);
    let places = Arc::new(Semaphore::new(drive.concurrent.max(1)));
    let tracker = TaskTracker::new();
    let mut tick = tokio::time::interval(Duration::from_secs(5));
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            _ = tick.tick() => heart.beat(),
            () = drive.context.lists.wait() => break,
        }
    }
    loop {
        // The place first: a run begins when its object is handed out.
        let place = loop {
            tokio::select! {
                () = stop.cancelled() => break None,
                _ = tick.tick() => sign(&drive, &heart),
                place = Arc::clone(&places).acquire_owned() => break place.ok(),
            }
        };
        let Some(place) = place else { break };
        let key = loop {
            tokio::select! {
                () = stop.cancelled() => break None,
                _ = tick.tick() => sign(&drive, &heart),
                key = drive.queue.next() => break Some(key),
            }
        };
        let Some(key) = key else { break };
        heart.beat();
        let slot = Slot::new(Arc::clone(&places), place);
        let drive = Arc::clone(&drive);
        tracker.spawn(async move {
            // The object must leave the queue's list of running ones whatever happens in here.
            let requeue = AssertUnwindSafe(drive.run(&key, slot)).catch_unwind().await;
            let requeue = requeue.unwrap_or_else(|panic| {
                error!(kind = R::Kind::KIND, object = %key, panic = panic_text(panic.as_ref()), "driver panicked");
                Some(STATUS_PAUSE)
            });
            drive.queue.finish(&key, requeue);
        });
    }
    tracker.close();
    if tokio::time::timeout(GRACE, tracker.wait()).await.is_err() {
        warn!(kind = R::Kind::KIND, "runs did not end in time and are given up");
        drive.halt.cancel();
    }
    heart.retire();
}

fn sign<R: Reconciler>(drive: &Drive<R>, heart: &Heart) {
    heart.beat();
    let (queued, running) = drive.queue.counts();
    drive.context.metrics.load(R::Kind::KIND, queued, running);
    let hangs = drive.queue.running().into_iter().find_map(|(key, since)| {
        let object = drive.observer.cache().good(&key)?;
        let limit = drive.reconciler.deadline(&object) + HANGING;
        (since > limit).then(|| format!("{key} hangs for {} s", since.as_secs()))
    });
    heart.stuck(hangs);
}

impl<R: Reconciler> Drive<R> {
    /// One run of one object. Gives when it is due again.
    async fn run(&self, key: &crate::objects::ObjectKey, slot: Slot) -> Option<Duration> {
        let object = match self.observer.cache().get(key)? {
            Cached::Good(object) => object,
            Cached::Bad { .. } => return None,
        };
        let is_deleted = object.meta().deletion_timestamp.is_some();
        let has_finalizer = object
            .meta()
            .finalizers
            .iter()
            .flatten()
            .any(|finalizer| finalizer == FINALIZER);
        if is_deleted && !has_finalizer {
            return None;
        }
        let observer = Arc::clone(&self.observer);
        let writer = StatusWriter::new(
            &self.context.client,
            Arc::clone(&object),
            observer,
            self.halt.clone(),
        );
        if is_deleted {
            return self.finalize(object, writer, slot).await;
        }
        if !has_finalizer
            && self.reconciler.needs_finalizer(&object)
            && let Err(error) = writer.set_finalizer(FINALIZER, true).await
        {
            return self.status_failed(key, &error);
        }
        if object.is_suspended() {
            debug!(kind = R::Kind::KIND, %key, "suspended");
            return None;
        }
        let object = writer.object().await;
        if let Some(pause) = self.reconciler.postpone(&object) {
            debug!(kind = R::Kind::KIND, %key, "put off");
            return Some(pause);
        }
        self.reconcile(object, writer, slot).await
    }

    async fn reconcile(
        &self,
        object: Arc<R::Kind>,
        writer: StatusWriter<R::Kind>,
        slot: Slot,
    ) -> Option<Duration> {
        let started = Instant::now();
        let rests = slot.rests();
        let (mut attempt, progress) = self.attempt(Arc::clone(&object), writer.clone(), slot);
        let deadline = self.reconciler.deadline(&object);
        let secrets = SecretReads::default();
        let result = {
            let run = secrets.note(self.reconciler.reconcile(&mut attempt));
            let run = AssertUnwindSafe(run).catch_unwind();
            let run = tokio::time::timeout(deadline, run);
            let generation = object.meta().generation.unwrap_or_default();
            tokio::select! {
                result = self.watch_over(run, &writer, progress.clone(), generation) => result,
                () = stopped_at_rest(&self.stop, &rests) => None,
            }
        };
        let (result, label) = match result {
            Some(Ok(Ok(result))) => {
                let label = label_of(&result);
                (result, label)
            }
            Some(Ok(Err(panic))) => {
                let text = panic_text(panic.as_ref());
                error!(kind = R::Kind::KIND, object = %attempt.key, panic = text, "reconcile panicked");
                let message = format!("internal error: {text}");
                (Err(Failure::new(Reason::Failed, message)), RunResult::Panic)
            }
            Some(Err(_)) => {
                let doing = progress
                    .borrow()
                    .clone()
                    .unwrap_or_else(|| "reconciliation".to_owned());
                let message = format!("{doing}: did not end within {} s", deadline.as_secs());
                (Err(Failure::new(Reason::Failed, message)), RunResult::Error)
            }
            // Nothing may be written any more, or the run merely watched: what it did before that is told.
            None => {
                if !self.halt.is_cancelled() {
                    if let Err(error) = writer.write(&attempt.status).await {
                        debug!(kind = R::Kind::KIND, %error, "status could not be written before the stop");
                    }
                    for record in attempt.events.drain(..) {
                        self.context
                            .events
                            .publish(object.as_ref(), R::CONTROLLER, record);
                    }
                }
                return None;
            }
        };
        let duration = started.elapsed();
        let progress = progress.borrow().clone();
        self.wait_for_secrets(&attempt.key, &secrets, &result);
        let requeue = self
            .report(attempt, &writer, &result, progress.as_deref(), duration)
            .await;
        self.context
            .metrics
            .ran(R::Kind::KIND, &object.key(), label, duration);
        requeue
    }

    fn attempt(
        &self,
        object: Arc<R::Kind>,
        writer: StatusWriter<R::Kind>,
        slot: Slot,
    ) -> (Attempt<R::Kind>, watch::Receiver<Option<String>>) {
        let (progress, receiver) = watch::channel(None);
        let status = object.status().cloned().unwrap_or_default();
        let requested = object
            .meta()
            .annotations
            .as_ref()
            .and_then(|all| all.get(REQUESTED_AT));
        let is_new = |value: &&String| R::Kind::last_handled(&status) != Some(value.as_str());
        let key = object.key();
        let attempt = Attempt {
            requested_at: requested.filter(is_new).cloned(),
            failures: self.queue.failures(&key),
            status,
            key,
            cancel: self.halt.clone(),
            slot,
            progress,
            events: Vec::new(),
            writer,
            object,
        };
        (attempt, receiver)
    }

    /// Waits for a run and shows its progress when it takes long. `None` when everything has to stop.
    async fn watch_over<T>(
        &self,
        run: impl Future<Output = T>,
        writer: &StatusWriter<R::Kind>,
        mut progress: watch::Receiver<Option<String>>,
        generation: i64,
    ) -> Option<T> {
        let mut run = std::pin::pin!(run);
        let mut show = std::pin::pin!(tokio::time::sleep(SHOW_PROGRESS_AFTER));
        let mut is_shown = false;
        loop {
            tokio::select! {
                biased;
                result = &mut run => return Some(result),
                () = self.halt.cancelled() => return None,
                () = &mut show, if !is_shown => is_shown = true,
                changed = progress.changed(), if is_shown => {
                    if changed.is_err() {
                        return Some(run.await);
                    }
                }
            }
            let text = progress.borrow_and_update().clone();
            let text = text.unwrap_or_else(|| "reconciliation in progress".to_owned());
            // The run may hold the writer: it must go on while this waits for it.
            let shown = async {
                let before = writer.conditions().await;
                let unknown = R::READY_UNKNOWN_WHILE_RUNNING;
                let conditions = outcome::progressing(&before, generation, &text, unknown, Timestamp::now());
                writer.write_conditions(&conditions).await
            };
            tokio::select! {
                result = &mut run => return Some(result),
                () = self.halt.cancelled() => return None,
                written = shown => {
                    if let Err(error) = written {
                        debug!(kind = R::Kind::KIND, %error, "progress could not be shown");
                    }
                }
            }
        }
    }

    /// After a failure, a change of a Secret that the run has read makes the object due.
    fn wait_for_secrets(&self, key: &ObjectKey, reads: &SecretReads, result: &Result<Done, Failure>) {
        let secrets = match result {
            Ok(_) => Vec::new(),
            Err(_) => reads.all(),
        };
        self.context.queues.secrets.wait(&self.queue, key, secrets);
    }

    /// Status, events and log of a run that has ended. Gives when the object is due again.
    async fn report(
        &self,
        mut attempt: Attempt<R::Kind>,
        writer: &StatusWriter<R::Kind>,
        result: &Result<Done, Failure>,
        progress: Option<&str>,
        duration: Duration,
    ) -> Option<Duration> {
        let generation = attempt.generation();
        let mut conditions = writer.conditions().await;
        conditions
            .retain(|condition| matches!(condition.type_.as_str(), "Ready" | "Reconciling" | "Stalled"));
        let own = R::Kind::conditions(&attempt.status).iter();
        let own =
            own.filter(|condition| !matches!(condition.type_.as_str(), "Ready" | "Reconciling" | "Stalled"));
        conditions.extend(own.cloned());
        let before = Before {
            generation,
            conditions: &conditions,
            progress,
            failures: attempt.failures,
        };
        let settled = outcome::settle(&before, result, Timestamp::now());
        self.queue.set_failures(&attempt.key, settled.failures);
        R::Kind::conditions_mut(&mut attempt.status).clone_from(&settled.conditions);
        if let Some(generation) = settled.observed_generation {
            R::Kind::set_observed_generation(&mut attempt.status, generation);
        }
        if let Some(requested) = attempt.requested_at.clone() {
            R::Kind::set_last_handled(&mut attempt.status, requested);
        }
        log_result::<R>(&attempt, result, &settled, duration);
        // The work is done: the next object can be worked on while the API server stores what became of this one.
        let turn = self.observer.turn_to_write().await;
        attempt.slot.release();
        let written = writer.write(&attempt.status).await;
        drop(turn);
        for record in attempt.events.drain(..).chain(settled.event) {
            self.context
                .events
                .publish(attempt.object.as_ref(), R::CONTROLLER, record);
        }
        match written {
            Ok(()) => match settled.requeue {
                Requeue::After(pause) => Some(pause),
                Requeue::OnChange => None,
            },
            Err(error) => self.status_failed(&attempt.key, &error),
        }
    }

    async fn finalize(
        &self,
        object: Arc<R::Kind>,
        writer: StatusWriter<R::Kind>,
        slot: Slot,
    ) -> Option<Duration> {
        let key = object.key();
        if self.reconciler.needs_finalizer(&object) {
            let deadline = self.reconciler.deadline(&object);
            let (mut attempt, _progress) = self.attempt(Arc::clone(&object), writer.clone(), slot);
            let run = AssertUnwindSafe(self.reconciler.finalize(&mut attempt)).catch_unwind();
            let result = match tokio::time::timeout(deadline, run).await {
                Ok(Ok(result)) => result,
                Ok(Err(panic)) => {
                    let text = panic_text(panic.as_ref());
                    Err(Failure::new(Reason::Failed, format!("internal error: {text}")))
                }
                Err(_) => Err(Failure::new(Reason::Failed, "clean-up did not end in time")),
            };
            for record in attempt.events.drain(..) {
                self.context
                    .events
                    .publish(object.as_ref(), R::CONTROLLER, record);
            }
            if let Err(failure) = result {
                let progress = Some("cleaning up");
                return self
                    .report(attempt, &writer, &Err(failure), progress, Duration::ZERO)
                    .await;
            }
        }
        match writer.set_finalizer(FINALIZER, false).await {
            Ok(()) | Err(StatusError::Gone) => {
                info!(kind = R::Kind::KIND, object = %key, "deleted");
                None
            }
            Err(error) => self.status_failed(&key, &error),
        }
    }

    /// What to do when a write failed: a gone object needs nothing, everything else is run again.
    fn status_failed(&self, key: &crate::objects::ObjectKey, error: &StatusError) -> Option<Duration> {
        match error {
            StatusError::Gone | StatusError::Stopping => {
                debug!(kind = R::Kind::KIND, object = %key, %error, "not written");
                None
            }
            _ => {
                warn!(kind = R::Kind::KIND, object = %key, %error, "status could not be written and will be again");
                // The whole run is repeated, so its pauses grow.
                let failures = self.queue.failures(key).saturating_add(1);
                self.queue.set_failures(key, failures);
                Some(outcome::backoff(failures).max(STATUS_PAUSE))
            }
        }
    }
}

/// Ends when the process stops while a run merely watches.
async fn stopped_at_rest(stop: &CancellationToken, rests: &AtomicBool) {
    stop.cancelled().await;
    while !rests.load(Ordering::Acquire) {
        tokio::time::sleep(REST_CHECK).await;
    }
}

fn label_of(result: &Result<Done, Failure>) -> RunResult {
    match result {
        Ok(_) => RunResult::Success,
        Err(failure) if failure.recovery == Recovery::Stalled => RunResult::Stalled,
        Err(_) => RunResult::Error,
    }
}

fn log_result<R: Reconciler>(
    attempt: &Attempt<R::Kind>,
    result: &Result<Done, Failure>,
    settled: &Settled,
    duration: Duration,
) {
    let kind = R::Kind::KIND;
    let (namespace, name) = (&attempt.key.namespace, &attempt.key.name);
    let milliseconds = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    match result {
        Ok(done) if settled.event.is_some() || !attempt.events.is_empty() => {
            info!(kind, name, namespace, milliseconds, "{}", done.message);
        }
        Ok(done) => debug!(kind, name, namespace, milliseconds, "{}", done.message),
        Err(failure) if failure.recovery == Recovery::Stalled => {
            error!(kind, name, namespace, reason = %failure.reason, error = %failure.message, "stalled until the object changes");
        }
        Err(failure) => {
            warn!(kind, name, namespace, reason = %failure.reason, error = %failure.message, "failed and will be tried again");
        }
    }
}

/// What a panic said.
fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("panic without a message")
}
