//! Git engine.
