//! Sources on a real Git server: references, mirrors, artifacts on disk and over HTTP.

mod artifacts;
mod content;
mod fixture;
mod github_app;
mod mirrors;
mod references;
mod signed;
