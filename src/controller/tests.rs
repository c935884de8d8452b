//! The core without an API server: queue, cache, outcomes, health.

mod cache;
mod driver;
mod health;
mod outcome;
mod queue;
