//! The offline commands and their contract: output, exit codes, messages.

mod crds;
#[cfg(feature = "demo")]
mod demo;
mod markers;
mod policy;
mod scan;
mod set;
mod usage;
