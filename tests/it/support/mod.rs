//! The real parts that tests run against, and the program itself as a user runs it.
//!
//! - [`registry::Registry`]: the CNCF distribution registry; push real images into it.
//! - [`git::GitServer`], [`ssh::GitSshServer`]: Git over smart HTTP and SSH; create repositories on them.
//! - [`github::GitHub`]: tokens for an App, and those repositories behind them.
//! - [`cli::Fluxbot`]: the built program with nothing of this machine around it.
//! - [`cluster::Cluster`]: a Kubernetes control plane whose pods become ready; namespaces, kubectl, helm.
//! - [`controller::Controller`]: `fluxbot controller` as its own process, looking after one namespace.
//! - [`eventually::eventually`]: waits for what comes by itself.
//! - [`control::Control`]: what a server was asked, and faults at exact moments instead of sleeps.
//!
//! `shared()` servers start once per test process; tests keep apart by the names of their
//! repositories. `start(..)` gives a server of one's own where flags matter. Nothing is left behind
//! when the process ends, not even by SIGKILL: a server ends, and removes its data, when the pipe to
//! its stdin closes.
//!
//! Functions panic with the reason on any failure, as tests want.

#![allow(
    dead_code,
    reason = "the harness is complete before the last scenario uses all of it"
)]

pub mod cli;
pub mod cluster;
pub mod command;
pub mod control;
pub mod controller;
pub mod eventually;
pub mod git;
pub mod github;
pub mod image;
pub mod proxy;
pub mod registry;
pub mod server;
pub mod ssh;

/// The folder of the project, where Cargo.toml is.
pub fn project_root() -> std::path::PathBuf {
    std::path::PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}
