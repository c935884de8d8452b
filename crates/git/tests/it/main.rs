//! The engine against real Git: `git http-backend` as the server, the `git` command line as the oracle.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::format_push_string,
    clippy::duration_suboptimal_units,
    reason = "tests fail by panicking"
)]

mod full_disk;
mod hostile;
mod http;
mod killed;
mod local;
mod measure;
mod mirror;
mod push;
mod signature;
mod ssh;
mod support;
