//! The reconcilers against a real API server, a real registry and a real Git server.

mod automations;
mod fixture;
mod policies;
mod repositories;
mod skipped_markers;
