//! Git repositories of objects: who we are to them, and one mirror for all objects that use the same one.
//!
//! [`GitAccess`] is what Secrets say about a repository; [`Mirrors`] opens the mirror of a repository once for all who
//! have the same access; [`GitHttp`] is the Git engine's HTTP port over the program's pooled clients; [`Bound`] says
//! how long it may go on. Of a [`GitHubApp`] the tokens are asked for when a request needs one ([`GitHubApps`]).

mod bound;
mod credentials;
mod github_app;
mod mirrors;
mod ssh;
mod transport;

pub use bound::{Bound, Expired};
pub use credentials::{AccessError, AccessIdentity, AccessSources, GitAccess};
pub use github_app::{GitHubApp, GitHubAppError, GitHubApps};
pub use mirrors::{Mirrors, OpenError};
pub use ssh::ssh_connections;
pub use transport::GitHttp;

#[cfg(test)]
mod tests;
