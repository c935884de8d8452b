//! The reconcilers: objects of the API server in, conditions, events and work done out.
//!
//! ```text
//! API server --watch--> Cache --Queue--> driver: Reconciler::reconcile(Attempt) --> Done | Failure
//!                         ^                                                             |
//!                         |                                   outcome::settle (P): conditions, event, requeue
//!                         +-------------- status written <----+--> events, metrics, log
//! ```
//!
//! One file for each kind says what its reconcile does; how an outcome becomes conditions, an event, a metric and the
//! next run is decided in [`outcome`] alone. A [`Queue`] runs an object once at a time, wakes it when something that it
//! depends on changed, and holds nothing but a time while an object waits.

mod attempt;
mod cache;
mod context;
mod driver;
mod events;
mod fault;
pub mod git_repository;
mod guarded;
mod health;
pub mod image_policy;
pub mod image_repository;
pub mod image_update_automation;
mod jobs;
mod kinds;
pub mod kustomization;
mod landing;
mod lease;
mod metrics;
pub mod outcome;
pub mod pushed;
mod queue;
mod registry_access;
mod secret_waits;
mod secrets;
mod service_account;
mod status;
mod tag_store;
mod wake;
mod watch;

pub use attempt::{Attempt, Reconciler, Slot};
pub use cache::{Cache, Cached, Lists};
pub use context::{Caches, Context, Options, Queues};
pub use driver::{Drive, drive};
pub use events::{Destinations, EventRecord, Events};
pub use fault::Diagnosis;
pub use guarded::{Guarded, NotUnderstood};
pub use health::{Health, Heart};
pub use kinds::Reconciled;
pub use landing::Landings;
pub use lease::{Election, Leadership};
pub use metrics::{Metrics, RunResult};
pub use outcome::{Announce, Done, Failure, Recovery, Requeue};
pub use pushed::{Push, Pushes};
pub use queue::Queue;
pub use secret_waits::{SecretWaits, watch_secrets};
pub use secrets::{SecretData, SecretError};
pub use status::{StatusError, StatusWriter};
pub use tag_store::{SeenDigest, Sightings, StoredTags, TagStore};
pub use wake::is_due;
pub use watch::{Observer, OnChange, watch};

#[cfg(test)]
mod tests;
