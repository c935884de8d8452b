//! GitHub Apps: what a Secret says about one, and the JSON web token by which it is known to GitHub's API.

mod tokens;

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jiff::Timestamp;
use rustls::SignatureScheme;
use rustls::crypto::ring::sign::RsaSigningKey;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::sign::SigningKey as _;
use sha2::{Digest as _, Sha256};

use super::AccessError;
use crate::http::{SecretData, Url};

pub(super) use tokens::AppCredentials;
pub use tokens::{GitHubAppError, GitHubApps};

/// The user name beside an installation's token, as GitHub's documentation names it.
pub(super) const USERNAME: &str = "x-access-token";

const APP_ID: &str = "githubAppID";
const INSTALLATION_ID: &str = "githubAppInstallationID";
const INSTALLATION_OWNER: &str = "githubAppInstallationOwner";
const PRIVATE_KEY: &str = "githubAppPrivateKey";
const BASE_URL: &str = "githubAppBaseURL";

/// Where the API is when the Secret does not say.
const PUBLIC_API: &str = "https://api.github.com/";

/// How far in the past a web token is dated, as in Flux: clocks differ, and GitHub takes none of the future.
const CLOCK_DRIFT: i64 = 30;

/// Seconds that a web token counts, as in Flux; it is used at once.
const WEB_TOKEN_LIFETIME: i64 = 120;

/// An installation of a GitHub App, as the Secret of a source describes it. Equal for equal descriptions, whatever the Secret's
/// name. `Debug` shows no secret.
#[derive(Clone)]
pub struct GitHubApp {
    /// Namespace and name of the Secret, for messages.
    secret: String,
    id: u64,
    installation: Installation,
    api: Url,
    key: Arc<RsaSigningKey>,
    /// Of everything above but the Secret's name.
    identity: [u8; 32],
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Installation {
    Id(u64),
    /// An organization or a user that has installed the App.
    Owner(String),
}

/// Whether a Secret has a key that belongs to GitHub Apps.
pub(super) fn is_described_by(data: &SecretData) -> bool {
    [APP_ID, INSTALLATION_ID, INSTALLATION_OWNER, PRIVATE_KEY]
        .iter()
        .any(|key| data.contains_key(*key))
}

impl GitHubApp {
    /// Reads the keys of Flux: `githubAppID`, `githubAppPrivateKey`, one of `githubAppInstallationID` and
    /// `githubAppInstallationOwner`, and `githubAppBaseURL` for GitHub Enterprise Server.
    ///
    /// # Errors
    /// [`AccessError`], which names the Secret and the key, and no value.
    pub(super) fn read(secret: &str, data: &SecretData) -> Result<Self, AccessError> {
        let secret = secret.to_owned();
        let wrong = |key: &'static str, problem: &'static str| AccessError::GitHubAppValue {
            secret: secret.clone(),
            key,
            problem,
        };
        let missing = |key: &'static str| AccessError::GitHubAppKeyMissing {
            secret: secret.clone(),
            key,
        };
        let text = |key: &'static str| match data.get(key) {
            None => Ok(None),
            Some(value) => match std::str::from_utf8(value) {
                Ok(text) => Ok(Some(text.trim()).filter(|text| !text.is_empty())),
                Err(_) => Err(wrong(key, "is not UTF-8")),
            },
        };
        let number = |key: &'static str, text: &str| {
            let number = text.parse::<u64>().ok().filter(|number| *number > 0);
            number.ok_or_else(|| wrong(key, "is no positive number"))
        };
        let id = number(APP_ID, text(APP_ID)?.ok_or_else(|| missing(APP_ID))?)?;
        let pem = text(PRIVATE_KEY)?.ok_or_else(|| missing(PRIVATE_KEY))?;
        let installation = match (text(INSTALLATION_ID)?, text(INSTALLATION_OWNER)?) {
            (Some(id), None) => Installation::Id(number(INSTALLATION_ID, id)?),
            (None, Some(owner)) if is_login(owner) => Installation::Owner(owner.to_owned()),
            (None, Some(_)) => {
                return Err(wrong(INSTALLATION_OWNER, "is no name of an organization or user"));
            }
            _ => return Err(AccessError::GitHubAppInstallation { secret }),
        };
        let api =
            api_address(text(BASE_URL)?.unwrap_or(PUBLIC_API)).map_err(|problem| wrong(BASE_URL, problem))?;
        let key = read_key(pem).map_err(|problem| wrong(PRIVATE_KEY, problem))?;
        let mut hash = Sha256::new();
        for part in [&id.to_string(), &format!("{installation:?}"), api.as_str(), pem] {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
        Ok(Self {
            secret,
            id,
            installation,
            api,
            key: Arc::new(key),
            identity: hash.finalize().into(),
        })
    }

    /// A hash of the App, its installation and its key: equal for equal ones, and without a way back.
    #[must_use]
    pub fn identity(&self) -> &[u8; 32] {
        &self.identity
    }

    /// Namespace and name of the Secret that describes it.
    #[must_use]
    pub fn secret(&self) -> &str {
        &self.secret
    }

    /// The token that proves to the API that we are the App (RFC 7519, RS256).
    fn web_token(&self, now: Timestamp) -> Result<String, GitHubAppError> {
        let issued = now.as_second() - CLOCK_DRIFT;
        let expires = issued + WEB_TOKEN_LIFETIME;
        let claims = serde_json::json!({ "iat": issued, "exp": expires, "iss": self.id.to_string() });
        let encode = |text: &str| BASE64_URL_SAFE_NO_PAD.encode(text);
        let signed = format!(
            "{}.{}",
            encode(r#"{"alg":"RS256","typ":"JWT"}"#),
            encode(&claims.to_string())
        );
        let signer = self.key.choose_scheme(&[SignatureScheme::RSA_PKCS1_SHA256]);
        let signature = signer.and_then(|signer| signer.sign(signed.as_bytes()).ok());
        let signature = signature.ok_or(GitHubAppError::Unsigned)?;
        Ok(format!("{signed}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature)))
    }
}

impl PartialEq for GitHubApp {
    fn eq(&self, other: &Self) -> bool {
        self.identity == other.identity
    }
}

impl Eq for GitHubApp {}

impl fmt::Debug for GitHubApp {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("GitHubApp")
            .field("secret", &self.secret)
            .field("id", &self.id)
            .field("installation", &self.installation)
            .field("api", &self.api.as_str())
            .finish_non_exhaustive()
    }
}

/// The names that GitHub gives: letters, digits, `-` and `_`.
fn is_login(text: &str) -> bool {
    text.len() <= 100
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}

/// The address that the paths of the API are joined to: it ends with a slash.
fn api_address(text: &str) -> Result<Url, &'static str> {
    let mut url = Url::parse(text).map_err(|_| "is no URL")?;
    if !matches!(url.scheme(), "https" | "http") || !url.has_host() {
        return Err("is no https:// URL");
    }
    if !url.username().is_empty()
        || url.password().is_some()
        || url.query().is_some()
        || url.fragment().is_some()
    {
        return Err("has more than a host and a path");
    }
    if !url.path().ends_with('/') {
        let path = format!("{}/", url.path());
        url.set_path(&path);
    }
    Ok(url)
}

fn read_key(pem: &str) -> Result<RsaSigningKey, &'static str> {
    let key =
        PrivateKeyDer::from_pem_slice(pem.as_bytes()).map_err(|_| "is no unencrypted private key in PEM")?;
    RsaSigningKey::new(&key).map_err(|_| "is no RSA key of 2048 to 4096 bits")
}

#[cfg(test)]
mod tests;
