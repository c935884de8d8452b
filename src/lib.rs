//! fluxbot keeps Kubernetes clusters on the newest images that their teams allow, through Git.
//!
//! # The data flow
//! (P) is pure: no network, no files, no clock, so that a test can compare its values. (E) is the edge.
//!
//! ```text
//! ImageRepository --> scanner::Registry (E) --> TagSnapshot      all tags of an image at one moment
//!        |
//! ImagePolicy ------> policy::select (P) -----> ImageRef         the tag that the policy allows, and why
//!        |
//! ImageUpdateAutomation
//!        |            committer::plan (P) ----> CommitPlan       branches, path, author, message
//!        |            fluxbot_git::Mirror (E) -> Snapshot        the head of the branch, without a work tree
//!        |            setters::MarkerIndex (P)                   which files carry markers of which policies
//!        |            setters::set (P) -------> ChangeSet        the marked scalars, and no other byte
//!        v
//! committer::Writer (E): commit, push with compare-and-swap; a lost race means fetch, set again, push again
//!
//! GitRepository ----> source::git (E) --------> Checkout      a revision and its files, on the mirror that the Writer uses
//!        |            source::Storage (E)                       the same files as an artifact over HTTP
//!        v            source::SourceStore                       the same files for this process
//!
//! Kustomization ----> fluxbot_kustomize (P) --> objects         built from the files of a path, then sync::prepare (P)
//!        v            sync::Applier (E)                         applied in stages, pruned by inventory, health awaited
//! ```
//! In a cluster [`controller`] holds the reconciler of each kind, with a queue that wakes it and the one place that turns its
//! outcome into conditions; [`run`] wires them into a process.
//!
//! The same code runs without a cluster: [`objects`] holds the objects of a path instead of an API server, and [`update`] is
//! the whole chain over them.
//!
//! # Who may use whom
//! ```text
//! cli, demo, run -> controller -> {update, source, sync, scanner, committer}     scanner -> cloud
//! cli, demo -> update -> {scanner, committer, sync} -> {policy, setters, objects} -> image
//!              source -> {git, objects, policy}            scanner, git, source, cloud -> http
//!              committer, objects, git, source -> fluxbot_git        policy, objects -> fluxbot_api
//! ```
//! `tests/it/architecture.rs` checks it. [`hexadecimal`] and [`substitute`] (P) may be used by all.

pub mod cli;
pub mod cloud;
pub mod committer;
pub mod controller;
#[cfg(feature = "demo")]
pub mod demo;
pub mod docker_config;
pub mod git;
pub mod hexadecimal;
pub mod http;
pub mod image;
pub mod objects;
pub mod policy;
pub mod run;
pub mod scanner;
pub mod setters;
pub mod source;
pub mod substitute;
pub mod sync;
pub mod telemetry;
pub mod update;
