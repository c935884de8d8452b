//! Accesses and mirrors.
