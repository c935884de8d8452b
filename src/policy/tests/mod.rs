//! Parity with the Go originals, laws, and the texts that users read.

mod differential;
mod explanations;
mod laws;
mod parity;
mod random;

use crate::image::TagSnapshot;

fn snapshot(tags: &[&str]) -> TagSnapshot {
    TagSnapshot::new(tags.iter().map(ToString::to_string).collect())
}
