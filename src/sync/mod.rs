//! The sync loop: what a path of the repository declares, and later what the cluster makes of it.
//!
//! So far it builds: [`build`] turns files into objects, for `fluxbot update`, which reads its own objects the way the sync
//! loop will. Applying comes with the cluster; the full kustomize engine replaces what [`build`] refuses.

mod build;

pub use build::{BuildError, Built, Interest, build};

#[cfg(test)]
mod tests;
