//! Group `image.toolkit.fluxcd.io`: scanning registries, selecting tags, and committing them.

mod image_policy;
mod image_repository;
mod image_update_automation;

pub use image_policy::*;
pub use image_repository::*;
pub use image_update_automation::*;

use crate::meta::{CATEGORY_ALL, CATEGORY_FLUXCD};

/// The API group.
pub const GROUP: &str = "image.toolkit.fluxcd.io";

const CATEGORIES: &[&str] = &[CATEGORY_ALL, CATEGORY_FLUXCD, "fluxcd-images"];
