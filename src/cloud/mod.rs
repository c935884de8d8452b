//! Registry credentials from the identity that a cloud gives to a process or to a Kubernetes service account.
//!
//! Nothing here is a secret that somebody stored: a cloud hands out short tokens to who can show a token of its own (a file, a
//! service account's token, the metadata service of the machine). Hosts, audiences, annotations and scopes are those of Flux
//! (`fluxcd/pkg/auth`), so that an installation that works with Flux works here.
//!
//! The metadata addresses, which nothing else in the program may reach, are reached from here alone.

mod aws;
mod azure;
mod call;
mod environment;
mod error;
mod gcp;
mod registry_host;
mod signature;
mod tokens;

pub use environment::Environment;
pub use error::CloudError;
pub use registry_host::{Provider, RegistryHost};
pub use tokens::{Account, AccountTokens, CloudAccess, CloudTokens, Credential, Identity};

#[cfg(test)]
mod tests;
