//! The `fluxbot` command.

fn main() {}
