//! Connection settings as Flux keeps them in Secrets: certificates and proxies.

use std::collections::BTreeMap;

use super::{ClientCertificate, ClientSettings, ProxySettings};

/// The values of a Secret by key, decoded.
pub type SecretData = BTreeMap<String, Vec<u8>>;

/// A Secret does not hold the connection settings that it should. No variant holds a value of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSecret {
    /// None of the keys for certificates is there.
    #[error("the certificate Secret has none of the keys 'ca.crt', 'tls.crt' and 'tls.key'")]
    NoCertificate,
    /// A client certificate without its key, or the other way round.
    #[error("the certificate Secret has only one of the keys 'tls.crt' and 'tls.key'")]
    HalfPair,
    /// The proxy's address is missing.
    #[error("the proxy Secret has no key 'address'")]
    NoAddress,
    /// The proxy's address cannot be used.
    #[error("{0}")]
    Address(String),
}

impl ClientSettings {
    /// Adds what a Secret holds under `ca.crt` (or `caFile`), and `tls.crt` and `tls.key` (or `certFile` and `keyFile`).
    /// An empty value counts as none. Gives whether there was anything.
    ///
    /// # Errors
    /// [`InvalidSecret::HalfPair`]. Whether the values are certificates is found out when a client is built from them.
    pub fn add_certificates(&mut self, data: &SecretData) -> Result<bool, InvalidSecret> {
        let first = |keys: [&str; 2]| {
            let mut values = keys.iter().filter_map(|key| data.get(*key));
            values.find(|value| !value.is_empty()).cloned()
        };
        let authority = first(["ca.crt", "caFile"]);
        let pair = match (first(["tls.crt", "certFile"]), first(["tls.key", "keyFile"])) {
            (Some(certificate), Some(key)) => Some(ClientCertificate { certificate, key }),
            (None, None) => None,
            _ => return Err(InvalidSecret::HalfPair),
        };
        let found = authority.is_some() || pair.is_some();
        self.root_certificates.extend(authority);
        if pair.is_some() {
            self.client_certificate = pair;
        }
        Ok(found)
    }
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
        Self::new(&address, text("username").as_deref(), text("password").as_deref())
            .map_err(InvalidSecret::Address)
    }
}
