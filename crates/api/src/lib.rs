//! Flux API types.
