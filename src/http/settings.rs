//! What may differ between two HTTP clients: trusted roots, client certificate and proxy.

use std::fmt;
use std::hash::{Hash, Hasher};

use url::Url;

/// Longest address of a proxy, as in Flux.
const MAX_PROXY_ADDRESS: usize = 2048;

/// The TLS and proxy settings of a client; equal settings share connections.
///
/// There is deliberately no setting that skips the verification of certificates. Two objects with different settings
/// share neither connections nor tokens, so one tenant's proxy or authority cannot speak for another's registry.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct ClientSettings {
    /// Authorities to trust beside the system's, each in PEM (one or more certificates), as `ca.crt` of a
    /// `certSecretRef` holds them.
    pub root_certificates: Vec<Vec<u8>>,
    /// The certificate that the client shows when the server asks.
    pub client_certificate: Option<ClientCertificate>,
    /// The proxy for every request. `None` means the proxies of the environment (`HTTPS_PROXY`, `HTTP_PROXY`,
    /// `ALL_PROXY`, `NO_PROXY`).
    pub proxy: Option<ProxySettings>,
}

/// A client certificate with its key, as `tls.crt` and `tls.key` hold them.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ClientCertificate {
    /// The certificate and its chain in PEM.
    pub certificate: Vec<u8>,
    /// The private key in PEM (PKCS#8, PKCS#1 or SEC1).
    pub key: Vec<u8>,
}

impl fmt::Debug for ClientCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientCertificate").finish_non_exhaustive()
    }
}

/// A proxy: `http`, `https`, `socks5` or `socks5h` address, and credentials when it asks for them.
#[derive(Clone, PartialEq, Eq)]
pub struct ProxySettings {
    address: Url,
    credentials: Option<(String, String)>,
}

impl ProxySettings {
    /// Takes the `address` of a proxy, with `username` and `password` as the keys of a `proxySecretRef` give them.
    /// User information in the address itself serves when no `username` is given.
    ///
    /// # Errors
    /// A description when the address is no URL of a supported scheme. It never repeats the address, which may hold a
    /// password.
    pub fn new(address: &str, username: Option<&str>, password: Option<&str>) -> Result<Self, String> {
        if address.len() > MAX_PROXY_ADDRESS {
            return Err(format!(
                "proxy URL exceeds maximum length of {MAX_PROXY_ADDRESS} characters"
            ));
        }
        let mut address = Url::parse(address).map_err(|err| format!("the proxy address is no URL: {err}"))?;
        if !matches!(address.scheme(), "http" | "https" | "socks5" | "socks5h") {
            return Err(format!(
                "proxy URL must use one of the supported schemes (http, https, socks5), got '{}'",
                address.scheme()
            ));
        }
        if !address.has_host() {
            return Err("the proxy address has no host".to_owned());
        }
        let decode = |text: &str| {
            percent_decode(text).ok_or_else(|| "the proxy address has broken percent-encoding".to_owned())
        };
        let credentials = match username.filter(|name| !name.is_empty()) {
            Some(username) => Some((username.to_owned(), password.unwrap_or_default().to_owned())),
            None if !address.username().is_empty() => Some((
                decode(address.username())?,
                decode(address.password().unwrap_or_default())?,
            )),
            None => None,
        };
        // Setting user information can only fail for URLs without a host.
        let _ = address.set_username("");
        let _ = address.set_password(None);
        // Go resolves names at a SOCKS proxy, not before it: the client may have no DNS for them.
        if address.scheme() == "socks5" {
            let _ = address.set_scheme("socks5h");
        }
        Ok(Self { address, credentials })
    }

    /// The address without credentials.
    #[must_use]
    pub fn address(&self) -> &Url {
        &self.address
    }

    /// User name and password.
    pub(crate) fn credentials(&self) -> Option<(&str, &str)> {
        self.credentials
            .as_ref()
            .map(|(username, password)| (username.as_str(), password.as_str()))
    }
}

impl Hash for ProxySettings {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.address.as_str().hash(state);
        self.credentials.hash(state);
    }
}

impl fmt::Debug for ProxySettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProxySettings")
            .field("address", &self.address.as_str())
            .field("credentials", &self.credentials.as_ref().map(|_| "***"))
            .finish()
    }
}

/// Decodes a part of a URL; `None` for broken encoding and what is not UTF-8.
pub(crate) fn percent_decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digits = [rest.next()?, rest.next()?];
            let digits = std::str::from_utf8(&digits).ok()?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}
