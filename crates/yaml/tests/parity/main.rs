//! Cases that the Go originals have answered: golden tables, and random ones.

mod case;
mod differential;
mod document;
mod golden;
mod random;
