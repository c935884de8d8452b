//! Golden answers and examples.
