//! A fuzz run against the original.
