//! The harness does what the scenarios rely on: the real clients work against its servers.

mod control_plane;
mod git_over_http;
mod git_over_ssh;
mod program;
mod registry;
mod servers;
