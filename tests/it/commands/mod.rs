//! The offline commands and their contract: output, exit codes, messages.

mod build;
mod crds;
#[cfg(feature = "demo")]
mod demo;
mod envsubst;
mod markers;
mod policy;
mod scan;
mod set;
mod usage;
