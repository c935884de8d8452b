//! The scanner asks registries for their tags.
//!
//! Pure parts: [`scan`] decides when to scan and what a result means, [`challenge`] reads the registry's headers,
//! [`budget`] reads what it says of its limits, [`credentials`] reads docker configurations. The edge is [`Registry`], which all objects share, so that
//! connections, tokens, rate limits and what is known of a host are shared too.

mod auth;
pub mod budget;
pub mod challenge;
pub mod credentials;
mod error;
mod exchange;
mod flight;
mod host;
mod inspect;
mod key;
mod listing;
mod manifest;
mod registry;
pub mod scan;
mod tag_page;
mod token_host;
mod wording;

pub use credentials::{Credential, InvalidDockerConfig, Keychain};
pub use error::ScanError;
pub use registry::{Access, Ask, KnownTag, Limits, ListVersion, Listed, Registry, TagList};
pub use scan::Exclusion;
pub use token_host::{InvalidTokenHost, TokenHost};

#[cfg(test)]
mod tests;
