//! The core without an API server: queue, cache, outcomes, health.

mod cache;
mod driver;
mod forget;
mod health;
mod outcome;
mod queue;
