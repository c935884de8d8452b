//! Flux objects read from files: what a cluster's API server holds for the controllers, without a cluster.
//!
//! [`Files`] lists and reads files, [`collect`] chooses those that make up a set of objects (a folder, or what a
//! kustomization lists), and [`ObjectSet`] finds the objects in them by kind and name.

mod collect;
mod files;
mod git_tree;
mod manifest;
mod set;

pub use collect::{CollectError, Collected, collect};
pub use files::{Directory, Files, FilesError};
pub use git_tree::GitTree;
pub use manifest::{InvalidManifest, Manifest};
pub use set::{Declared, ObjectKey, ObjectSet, SetError, selection_of};

#[cfg(test)]
mod tests;
