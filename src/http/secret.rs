//! Connection settings as Flux keeps them in Secrets: certificates and proxies.

use std::collections::BTreeMap;
use std::fmt;

use super::{ClientCertificate, ClientSettings, HttpError, ProxySettings, tls};

/// The values of a Secret by key, decoded.
pub type SecretData = BTreeMap<String, Vec<u8>>;

/// A Secret does not hold the connection settings that it should. No variant holds a value of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSecret {
    /// None of the keys for certificates is there.
    #[error("the Secret must contain either 'ca.crt' or both 'tls.crt' and 'tls.key'")]
    NoCertificate,
    /// A client certificate without its key, or the other way round.
    #[error("the Secret contains '{present}' but is missing '{missing}'")]
    HalfPair {
        /// The key that is there.
        present: &'static str,
        /// The key that is not.
        missing: &'static str,
    },
    /// What is under a key is no certificate or private key, or they do not belong together.
    #[error("{0}")]
    Certificate(String),
    /// The proxy's address is missing.
    #[error("the proxy Secret has no key 'address'")]
    NoAddress,
    /// The proxy's address cannot be used.
    #[error("{0}")]
    Address(String),
}

impl InvalidSecret {
    /// What is wrong with the Secret of this namespace and name, in the words of Flux.
    #[must_use]
    pub fn about(&self, secret: &impl fmt::Display) -> String {
        match self {
            Self::NoCertificate => {
                format!("secret '{secret}' must contain either 'ca.crt' or both 'tls.crt' and 'tls.key'")
            }
            Self::HalfPair { present, missing } => {
                format!("secret '{secret}' contains '{present}' but missing '{missing}'")
            }
            Self::NoAddress => format!("secret '{secret}': key 'address' not found"),
            Self::Certificate(reason) | Self::Address(reason) => format!("secret '{secret}': {reason}"),
        }
    }
}

impl ClientSettings {
    /// Adds what a Secret holds under `ca.crt` (or `caFile`), and `tls.crt` and `tls.key` (or `certFile` and `keyFile`).
    /// An empty value counts as none. Gives whether there was anything.
    ///
    /// # Errors
    /// [`InvalidSecret::HalfPair`]. Whether the values are certificates is found out when a client is built from them, or by
    /// [`Self::check`].
    pub fn add_certificates(&mut self, data: &SecretData) -> Result<bool, InvalidSecret> {
        // The first key that is there counts, as in Flux, also when it is empty.
        let first = |keys: [&str; 2]| {
            let mut values = keys.iter().filter_map(|key| data.get(*key));
            values.next().filter(|value| !value.is_empty()).cloned()
        };
        let authority = first(["ca.crt", "caFile"]);
        let pair = match (first(["tls.crt", "certFile"]), first(["tls.key", "keyFile"])) {
            (Some(certificate), Some(key)) => Some(ClientCertificate { certificate, key }),
            (None, None) => None,
            (Some(_), None) => return Err(half_pair("tls.crt", "tls.key")),
            (None, Some(_)) => return Err(half_pair("tls.key", "tls.crt")),
        };
        let found = authority.is_some() || pair.is_some();
        self.root_certificates.extend(authority);
        if pair.is_some() {
            self.client_certificate = pair;
        }
        Ok(found)
    }

    /// Finds out whether the certificates and keys are ones, and belong together.
    ///
    /// # Errors
    /// [`InvalidSecret::Certificate`].
    pub fn check(&self) -> Result<(), InvalidSecret> {
        match tls::client_config(self) {
            Ok(_) => Ok(()),
            Err(HttpError::Settings { reason }) => Err(InvalidSecret::Certificate(reason)),
            Err(other) => Err(InvalidSecret::Certificate(other.to_string())),
        }
    }
}

fn half_pair(present: &'static str, missing: &'static str) -> InvalidSecret {
    InvalidSecret::HalfPair { present, missing }
}

impl ProxySettings {
    /// The proxy that a Secret describes with `address`, `username` and `password`.
    ///
    /// # Errors
    /// [`InvalidSecret`] when the address is missing or is no URL of a supported scheme.
    pub fn from_secret(data: &SecretData) -> Result<Self, InvalidSecret> {
        let text = |key: &str| {
            data.get(key)
                .map(|value| String::from_utf8_lossy(value).trim().to_owned())
        };
        let address = text("address").ok_or(InvalidSecret::NoAddress)?;
        if address.is_empty() {
            return Err(InvalidSecret::Address("proxy address is empty".to_owned()));
        }
        Self::new(&address, text("username").as_deref(), text("password").as_deref())
            .map_err(InvalidSecret::Address)
    }
}
