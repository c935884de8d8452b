//! What a reconciler gets to work with, and what it has to provide.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use fluxbot_api::Reason;
use fluxbot_api::condition::{ConditionType, EventSeverity};
use jiff::Timestamp;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio_util::sync::CancellationToken;

use tracing::debug;

use super::events::EventRecord;
use super::kinds::Reconciled;
use super::outcome::{self, Change, Done, Failure};
use super::status::{StatusError, StatusWriter};
use crate::objects::ObjectKey;

/// Reconciles the objects of one kind. The driver around it does the rest: finalizer, suspend, deadline, panics, status,
/// event, metric, log and the next run.
pub trait Reconciler: Send + Sync + 'static {
    /// The kind.
    type Kind: Reconciled;

    /// The name under which Flux's controller of this kind reports events (`source-controller`).
    const CONTROLLER: &'static str;

    /// Whether a run that takes long shows `Ready` as `Unknown`, as Flux does for a `Kustomization`.
    const READY_UNKNOWN_WHILE_RUNNING: bool = false;

    /// Brings the world to what the object asks for.
    fn reconcile(
        &self,
        attempt: &mut Attempt<Self::Kind>,
    ) -> impl Future<Output = Result<Done, Failure>> + Send;

    /// Cleans up before the object goes. Called also for a suspended object. Only for kinds whose
    /// [`Self::needs_finalizer`] is true.
    fn finalize(
        &self,
        attempt: &mut Attempt<Self::Kind>,
    ) -> impl Future<Output = Result<(), Failure>> + Send {
        let _ = attempt;
        async { Ok(()) }
    }

    /// How long a run is put off because something that it waits for is about to come, and will wake it. Nothing is written
    /// for a run that was put off: an object that comes up together with what it depends on is not told that it is missing.
    fn postpone(&self, object: &Self::Kind) -> Option<Duration> {
        let _ = object;
        None
    }

    /// Whether deleting the object needs [`Self::finalize`]. Where it does not, no finalizer is set, and Flux's own is
    /// removed when the object is deleted.
    fn needs_finalizer(&self, object: &Self::Kind) -> bool {
        let _ = object;
        false
    }

    /// How long one run may take.
    fn deadline(&self, object: &Self::Kind) -> Duration {
        let _ = object;
        Duration::from_mins(10)
    }
}

/// One of the places in which the objects of a kind are worked on at once. A run that only waits gives its place up.
#[derive(Debug)]
pub struct Slot {
    places: Arc<Semaphore>,
    permit: Option<OwnedSemaphorePermit>,
    /// Whether the run merely watches: it can be dropped at any moment.
    rests: Arc<AtomicBool>,
}

impl Slot {
    /// A place that was taken.
    pub(super) fn new(places: Arc<Semaphore>, permit: OwnedSemaphorePermit) -> Self {
        Self {
            places,
            permit: Some(permit),
            rests: Arc::default(),
        }
    }

    /// Becomes true when the run merely watches.
    pub(super) fn rests(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.rests)
    }

    /// Gives the place to others for the rest of the run, which changes nothing from now on: when the process stops, it is
    /// dropped, and its successor watches instead.
    pub fn rest(&mut self) {
        self.release();
        self.rests.store(true, Ordering::Release);
    }

    /// Gives the place to others, before a wait.
    pub fn release(&mut self) {
        self.permit = None;
    }

    /// Takes a place again, after a wait.
    pub async fn retake(&mut self) {
        self.rests.store(false, Ordering::Release);
        if self.permit.is_none() {
            // The semaphore is never closed.
            self.permit = Arc::clone(&self.places).acquire_owned().await.ok();
        }
    }
}

/// One run of one object.
pub struct Attempt<K: Reconciled> {
    /// The object as it was when the run began. Its `status` is the state before the run.
    pub object: Arc<K>,
    /// The status after the run. Conditions are set through [`Self::condition`]; `Ready`, `Reconciling`, `Stalled`,
    /// `observedGeneration` and `lastHandledReconcileAt` are the driver's.
    pub status: K::Status,
    /// Namespace and name.
    pub key: ObjectKey,
    /// Cancelled when the process stops or leadership is lost: no write may follow.
    pub cancel: CancellationToken,
    /// The place of this run.
    pub slot: Slot,
    /// Runs that failed in a row before this one.
    pub failures: u32,
    /// The value of `reconcile.fluxcd.io/requestedAt`, when it was not handled yet.
    pub requested_at: Option<String>,
    pub(super) progress: watch::Sender<Option<String>>,
    pub(super) events: Vec<EventRecord>,
    pub(super) writer: StatusWriter<K>,
}

impl<K: Reconciled> Attempt<K> {
    /// `metadata.generation`.
    #[must_use]
    pub fn generation(&self) -> i64 {
        self.object.meta().generation.unwrap_or_default()
    }

    /// Says what the run is doing: shown in `Reconciling` when the run takes long.
    pub fn progress(&self, message: impl Into<String>) {
        self.progress.send_replace(Some(message.into()));
    }

    /// Shows at once that the run is under way and that `Ready` is not known until its end. One that cannot be written is no
    /// failure.
    pub async fn show_unknown(&self, message: &str) {
        let before = self.writer.conditions().await;
        let conditions = outcome::progressing(&before, self.generation(), message, true, Timestamp::now());
        if let Err(error) = self.writer.write_conditions(&conditions).await {
            debug!(object = %self.key, %error, "progress could not be shown");
        }
    }

    /// Records an event, published when the run has ended and its status is written.
    pub fn event(
        &mut self,
        severity: EventSeverity,
        reason: Reason,
        message: impl AsRef<str>,
    ) -> &mut EventRecord {
        self.events
            .push(EventRecord::new(severity, reason, message.as_ref()));
        let last = self.events.len() - 1;
        &mut self.events[last]
    }

    /// Sets a condition that belongs to the kind.
    pub fn condition(&mut self, kind: ConditionType, status: outcome::Status, reason: Reason, message: &str) {
        let generation = self.generation();
        let new = Change::new(kind, status, reason, message);
        outcome::set(
            K::conditions_mut(&mut self.status),
            new,
            generation,
            Timestamp::now(),
        );
    }

    /// Removes a condition that belongs to the kind.
    pub fn remove_condition(&mut self, kind: ConditionType) {
        outcome::remove(K::conditions_mut(&mut self.status), kind);
    }

    /// Writes [`Self::status`] now, before the run ends: for what must be known even if the process dies in the next
    /// moment (the inventory before an apply).
    pub async fn save(&mut self) -> Result<(), StatusError> {
        // What the driver shows of the run stays as it is.
        let mut status = self.status.clone();
        let shown = self.writer.conditions().await;
        outcome::keep_shown(K::conditions_mut(&mut status), &shown);
        self.writer.write(&status).await
    }
}
