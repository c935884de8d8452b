//! Flux objects read from files: what a cluster's API server holds for the controllers, without a cluster.
//!
//! [`Files`] lists and reads files, [`Manifest`] is one object in them, and [`ObjectSet`] finds objects by kind and name.

mod files;
mod git_tree;
mod manifest;
mod selector;
mod set;
mod visit;

pub use files::{Directory, Files, FilesError, clean_path};
pub use git_tree::GitTree;
pub use manifest::{InvalidManifest, Manifest};
pub use selector::{AccessDenied, InvalidSelector, Labels, admits, check_access, check_selector};
pub use set::{Declared, Duplicate, ObjectKey, ObjectSet, selection_of};
pub use visit::{Visited, VisitedFile};

#[cfg(test)]
mod tests;
