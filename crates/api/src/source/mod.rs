//! Group `source.toolkit.fluxcd.io`: fetching what is to be applied.

mod artifact;
mod bucket;
mod external_artifact;
mod git_repository;
mod helm_chart;
mod helm_repository;
mod oci_repository;
mod verification;

pub use artifact::*;
pub use bucket::*;
pub use external_artifact::*;
pub use git_repository::*;
pub use helm_chart::*;
pub use helm_repository::*;
pub use oci_repository::*;
pub use verification::*;

use crate::meta::{CATEGORY_ALL, CATEGORY_FLUXCD};

/// The API group.
pub const GROUP: &str = "source.toolkit.fluxcd.io";

const CATEGORIES: &[&str] = &[CATEGORY_ALL, CATEGORY_FLUXCD, "fluxcd-sources"];
