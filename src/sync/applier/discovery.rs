//! Which kinds a cluster has, and under which paths.

/// The kinds of a cluster, read once and again when a kind is not among them.
#[derive(Default)]
pub(super) struct Discovery {}
