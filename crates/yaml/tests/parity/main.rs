//! Cases that the Go originals have answered: golden tables, and random ones.

#![allow(
    clippy::unwrap_used,
    reason = "clippy allows it in tests by itself only inside #[test] functions, not in what they share"
)]

mod case;
mod differential;
mod document;
mod golden;
mod random;
