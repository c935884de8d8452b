//! Group `kustomize.toolkit.fluxcd.io`: building and applying manifests.

mod kustomization;
mod status;
mod transform;

pub use kustomization::*;
pub use status::*;
pub use transform::*;

use crate::meta::{CATEGORY_ALL, CATEGORY_FLUXCD};

/// The API group.
pub const GROUP: &str = "kustomize.toolkit.fluxcd.io";

const CATEGORIES: &[&str] = &[CATEGORY_ALL, CATEGORY_FLUXCD, "fluxcd-appliers"];
