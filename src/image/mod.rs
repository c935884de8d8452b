//! The values that the stages hand to each other: image names, tags, digests and selections.
//!
//! Pure: no network, no clock, no API server.

mod name;
mod policy_key;
mod reference;
mod tags;

pub use name::{ImageName, InvalidImageName};
pub use policy_key::{InvalidPolicyKey, PolicyKey};
pub use reference::{ImageRef, InvalidImageRef, Selections};
pub use tags::{TagDelta, TagSnapshot, Tags};
