//! Integration tests: the built program against real servers.
//!
//! One binary for all of them, because each would link the whole library again. A new file is
//! declared here, or in the `mod.rs` beside it; `files` fails otherwise.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "clippy allows these in tests by itself only inside #[test] functions, not in what they share"
)]

mod api;
mod architecture;
mod chain;
mod chart;
mod commands;
mod controller;
mod files;
mod harness;
mod image_automation;
mod main_job;
mod source;
mod support;
mod sync;
