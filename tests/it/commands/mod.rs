//! The offline commands and their contract: output, exit codes, messages.

mod crds;
mod markers;
mod policy;
mod scan;
mod set;
mod usage;
