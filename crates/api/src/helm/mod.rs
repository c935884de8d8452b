//! Group `helm.toolkit.fluxcd.io`: installing and upgrading Helm releases.

mod actions;
mod release;
mod status;

pub use actions::*;
pub use release::*;
pub use status::*;

use crate::meta::{CATEGORY_ALL, CATEGORY_FLUXCD};

/// The API group.
pub const GROUP: &str = "helm.toolkit.fluxcd.io";

const CATEGORIES: &[&str] = &[CATEGORY_ALL, CATEGORY_FLUXCD, "fluxcd-appliers"];
