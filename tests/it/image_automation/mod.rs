//! The reconcilers against a real API server, a real registry and a real Git server.

mod automations;
mod clouds;
mod fixture;
mod policies;
mod proxies;
mod registries;
mod repositories;
mod restart;
mod skipped_markers;
mod targets;
