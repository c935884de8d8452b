//! Policies pick one tag of a list.
