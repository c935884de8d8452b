//! Why an HTTP request got no complete answer.

use std::error::Error;
use std::net::IpAddr;

/// Longest text of another library that goes into an error.
const MAX_REASON: usize = 300;

/// Why a request got no complete answer. No variant holds a URL, a header or a body, so none can hold a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HttpError {
    /// The client could not be built: a certificate, key or proxy address is wrong.
    #[error("invalid connection settings: {reason}")]
    Settings {
        /// What is wrong.
        reason: String,
    },
    /// The host has an address that must not be reached.
    #[error("refused to connect to {host}: {address} is not an address that a request may reach")]
    AddressRefused {
        /// The host as named.
        host: String,
        /// The address it resolves to.
        address: IpAddr,
    },
    /// The server did not answer in time, or too slowly.
    #[error("{host} did not answer in time")]
    Timeout {
        /// The host asked.
        host: String,
    },
    /// The server's certificate is not trusted, or does not fit its name.
    #[error("{host} has no trusted certificate: {reason}")]
    Certificate {
        /// The host asked.
        host: String,
        /// What the verifier says.
        reason: String,
    },
    /// The name does not resolve, nothing listens, or no TLS session comes about.
    #[error("cannot connect to {host}: {reason}")]
    Unreachable {
        /// The host asked.
        host: String,
        /// What the system says.
        reason: String,
    },
    /// The connection broke after the request was sent.
    #[error("the connection to {host} broke: {reason}")]
    Interrupted {
        /// The host asked.
        host: String,
        /// What the connection says.
        reason: String,
    },
    /// The answer is larger than the caller takes.
    #[error("{host} sent more than {limit} bytes")]
    TooLarge {
        /// The host asked.
        host: String,
        /// The caller's limit in bytes.
        limit: u64,
    },
}

impl HttpError {
    /// Whether the same request may succeed when it is sent again at once.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Interrupted { .. } | Self::Unreachable { .. })
    }

    /// Translates the client's error.
    pub(super) fn from_reqwest(host: &str, err: &reqwest::Error) -> Self {
        let host = host.to_owned();
        if let Some(refused) = find::<AddressRefused>(err) {
            return Self::AddressRefused {
                host: refused.host.clone(),
                address: refused.address,
            };
        }
        if err.is_timeout() {
            return Self::Timeout { host };
        }
        if let Some(rustls::Error::InvalidCertificate(reason)) = find::<rustls::Error>(err) {
            return Self::Certificate {
                host,
                reason: bounded(&reason.to_string()),
            };
        }
        let reason = bounded(&root_cause(err).to_string());
        if err.is_connect() {
            Self::Unreachable { host, reason }
        } else {
            Self::Interrupted { host, reason }
        }
    }
}

/// The error of our own resolver.
#[derive(Debug, thiserror::Error)]
#[error("{host} resolves to {address}, which a request must not reach")]
pub(super) struct AddressRefused {
    pub(super) host: String,
    pub(super) address: IpAddr,
}

/// Finds an error of type `E` in the chain, looking into I/O errors, which hide what they wrap from `source`.
fn find<'e, E: Error + 'static>(err: &'e (dyn Error + 'static)) -> Option<&'e E> {
    let mut current = Some(err);
    while let Some(err) = current {
        if let Some(found) = err.downcast_ref::<E>() {
            return Some(found);
        }
        if let Some(inner) = err.downcast_ref::<std::io::Error>().and_then(|io| io.get_ref()) {
            let inner: &(dyn Error + 'static) = inner;
            if let Some(found) = find::<E>(inner) {
                return Some(found);
            }
        }
        current = err.source();
    }
    None
}

fn root_cause<'e>(err: &'e (dyn Error + 'static)) -> &'e (dyn Error + 'static) {
    let mut cause = err;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause
}

/// Keeps foreign text printable and short.
pub(crate) fn bounded(text: &str) -> String {
    let printable = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(MAX_REASON)
        .collect::<String>();
    printable.trim().to_owned()
}
