//! The one place that builds HTTP clients: TLS trust, proxies, address rules and timeouts.
//!
//! Everything that talks HTTP to the outside (registries, Git servers, webhooks) asks [`HttpClients`] for a client,
//! so that connections are pooled across all objects and the same rules hold everywhere:
//!
//! - certificates are always verified; there is no switch that turns this off;
//! - a client never follows a redirect by itself, the caller decides and strips what must not travel;
//! - link-local and metadata addresses are never reached but for the identity of a cloud ([`Reach::Metadata`]), and
//!   [`Reach::Referred`] hosts only at public addresses;
//! - a connection takes at most 10 s to establish, and no answer stays silent for longer than 30 s.

mod address;
mod clients;
mod error;
mod secret;
mod settings;
mod tls;

pub use address::{AddressClass, Reach};
pub use clients::{CONNECT_TIMEOUT, HttpClients, PacedBody, READ_TIMEOUT, read_body};
pub use error::HttpError;
pub(crate) use error::bounded;
pub use reqwest::header;
pub use reqwest::{Method, Request, Response, StatusCode, Url};
pub use secret::{InvalidSecret, SecretData};
pub(crate) use settings::percent_decode;
pub use settings::{ClientCertificate, ClientSettings, ProxySettings};

#[cfg(test)]
mod tests;
