//! Semantic versions and ranges exactly as Masterminds/semver v3.5.0 reads them, the library behind every semver
//! field of Flux.

mod grammar;
mod quote;
mod range;
mod version;

pub use range::{InvalidRange, Mismatch, Range};
pub use version::{InvalidVersion, Version};
