//! A remote repository: where it is, who we are to it, and what can go wrong on the way.

pub(crate) mod http;
pub(crate) mod url;

pub use self::url::{InvalidRemoteUrl, RemoteUrl};

use crate::ssh::{Ssh, SshClient, SshCredential};
use base64::Engine as _;
use http::HttpClient;
use std::fmt;
use std::sync::Arc;

/// What proves to a server who we are. `Debug` and `Display` never show a secret.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub enum Credential {
    /// Nothing is sent.
    #[default]
    None,
    /// HTTP basic authentication (RFC 7617).
    Basic {
        /// The user; many forges accept anything beside a token.
        username: String,
        /// The password or token.
        password: String,
    },
    /// A bearer token (RFC 6750).
    Bearer(String),
}

/// Gives the credential for each request, where it does not last as long as the remote.
pub trait CredentialSource: Send + Sync {
    /// The credential for the next request. `rejected` is one that the server has just refused (HTTP 401); the request is then
    /// sent once more with what is given now.
    ///
    /// May block, on the thread of the caller and no longer than its caller waits.
    ///
    /// # Errors
    /// [`CredentialFailure`].
    fn credential(&self, rejected: Option<&Credential>) -> Result<Credential, CredentialFailure>;
}

/// There is no credential now.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct CredentialFailure {
    /// What happened, without any secret.
    pub detail: String,
    /// Whether it may go by itself: somebody could not be reached.
    pub is_transient: bool,
}

/// A remote repository and the means to reach it.
#[derive(Clone)]
pub struct Remote {
    url: RemoteUrl,
    credential: Credential,
    source: Option<Arc<dyn CredentialSource>>,
    http: Option<Arc<dyn HttpClient>>,
    ssh: Option<SshClient>,
}

/// A remote did not serve a request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RemoteFailure {
    /// No connection, a time-out, or a server that says it is unwell; worth another try.
    #[error("git server {host} cannot be reached: {detail}")]
    Unreachable {
        /// Host, and port where it is not the default.
        host: String,
        /// What happened.
        detail: String,
    },
    /// The server wants a credential, or another one (HTTP 401).
    #[error("authentication rejected by {host}")]
    Unauthorized {
        /// Host, and port where it is not the default.
        host: String,
    },
    /// The credential is known but may not do this (HTTP 403).
    #[error("access to {url} is forbidden: the credential may not {action}")]
    Forbidden {
        /// The repository.
        url: String,
        /// `read` or `write`.
        action: &'static str,
    },
    /// Whoever gives us our credentials for the server did not give one.
    #[error("no credential for git server {host}: {detail}")]
    NoCredential {
        /// Host, and port where it is not the default.
        host: String,
        /// What happened.
        detail: String,
        /// Whether it may go by itself: somebody could not be reached.
        is_transient: bool,
    },
    /// An SSH server does not accept the key.
    #[error("authentication rejected by {host}: the key {key} is not accepted for the user {user}")]
    KeyRejected {
        /// Host, and port where it is not 22.
        host: String,
        /// Who we wanted to be.
        user: String,
        /// Kind and fingerprint of the key.
        key: String,
    },
    /// The key of an SSH server is not the one that the known hosts vouch for.
    #[error("host key verification failed for {host}: {problem}")]
    HostKey {
        /// Host, and port where it is not 22.
        host: String,
        /// What is wrong, with the fingerprint that the server showed.
        problem: String,
    },
    /// An SSH server knows us but does not serve the repository: it is not there, or the key may not do this.
    ///
    /// SSH has no status for the difference; the server's own words tell it.
    #[error(
        "access to {url} is denied, the key may not {action} or the repository does not exist: {message}"
    )]
    Denied {
        /// The repository.
        url: String,
        /// `read` or `write`.
        action: &'static str,
        /// The server's text, made safe to show.
        message: String,
    },
    /// There is no such repository, or the credential may not see it (HTTP 404).
    #[error("git repository {url} does not exist or is hidden from this credential")]
    NotFound {
        /// The repository.
        url: String,
    },
    /// The server asked for more time between requests (HTTP 429).
    #[error("git server {host} limits the rate of requests")]
    RateLimited {
        /// Host, and port where it is not the default.
        host: String,
        /// Seconds that the server asked to wait, if it said so.
        retry_after: Option<u64>,
    },
    /// The server sent us elsewhere, where a credential must not go.
    #[error("redirect from {from} to {to} is refused: {problem}")]
    RedirectRefused {
        /// The URL that was asked.
        from: String,
        /// Scheme and host of the target.
        to: String,
        /// Why it is not followed.
        problem: &'static str,
    },
    /// The answer is not what the Git protocol asks for.
    #[error("git server {host} sent an answer that cannot be used: {detail}")]
    Protocol {
        /// Host, and port where it is not the default.
        host: String,
        /// What is wrong.
        detail: String,
    },
    /// The server reported an error of its own.
    #[error("git server {host} reports: {message}")]
    Reported {
        /// Host, and port where it is not the default.
        host: String,
        /// The server's text, made safe to show.
        message: String,
    },
    /// The server lacks something that we cannot do without.
    #[error("git server {host} does not support {feature}")]
    Unsupported {
        /// Host, and port where it is not the default.
        host: String,
        /// What is missing.
        feature: &'static str,
    },
    /// An answer exceeds a limit of [`crate::Limits`].
    #[error("answer of git server {host} is too large: more than {limit} {unit}")]
    TooLarge {
        /// Host, and port where it is not the default.
        host: String,
        /// The limit.
        limit: u64,
        /// What is counted.
        unit: &'static str,
    },
    /// A repository on this machine cannot be used.
    #[error("git repository {path} cannot be used: {detail}")]
    Local {
        /// Its path.
        path: String,
        /// What is wrong.
        detail: String,
    },
}

impl Remote {
    /// A remote at `url`. Without a `credential`, the one in the URL is used.
    #[must_use]
    pub fn new(url: RemoteUrl, credential: Credential, http: Arc<dyn HttpClient>) -> Self {
        let credential = if credential == Credential::None {
            url.credential().clone()
        } else {
            credential
        };
        Self {
            url,
            credential,
            source: None,
            http: Some(http),
            ssh: None,
        }
    }

    /// A remote at `url` with credentials that are asked for when they are needed. One in the URL is not used.
    #[must_use]
    pub fn with_credentials(
        url: RemoteUrl,
        source: Arc<dyn CredentialSource>,
        http: Arc<dyn HttpClient>,
    ) -> Self {
        Self {
            url,
            credential: Credential::None,
            source: Some(source),
            http: Some(http),
            ssh: None,
        }
    }

    /// A remote at an `ssh://` URL, reached with one key. Its connection is made when it is first used, and kept for a
    /// while.
    #[must_use]
    pub fn over_ssh(url: RemoteUrl, credential: SshCredential, ssh: Ssh) -> Self {
        let client = match url.location() {
            url::Location::Ssh(location) => Some(SshClient::new(ssh, credential, location.clone())),
            _ => None,
        };
        Self {
            url,
            credential: Credential::None,
            source: None,
            http: None,
            ssh: client,
        }
    }

    /// Where the remote is.
    #[must_use]
    pub fn url(&self) -> &RemoteUrl {
        &self.url
    }

    /// The credential for the next request, after `rejected` was refused; `None` when there is no other one.
    pub(crate) fn credential(
        &self,
        rejected: Option<&Credential>,
    ) -> Result<Option<Credential>, CredentialFailure> {
        match (&self.source, rejected) {
            (Some(source), _) => source.credential(rejected).map(Some),
            (None, None) => Ok(Some(self.credential.clone())),
            (None, Some(_)) => Ok(None),
        }
    }

    /// Whether a credential that is refused may be followed by another one.
    pub(crate) fn renews_credentials(&self) -> bool {
        self.source.is_some()
    }

    /// Whether requests carry a credential.
    pub(crate) fn has_credential(&self) -> bool {
        self.source.is_some() || self.credential != Credential::None
    }

    /// Whether the caller on this thread does not want to wait any longer, so that a failure says nothing about the server.
    pub(crate) fn caller_gave_up(&self) -> bool {
        let http = self.http.as_ref().is_some_and(|http| http.caller_gave_up());
        http || self.ssh.as_ref().is_some_and(SshClient::caller_gave_up)
    }

    pub(crate) fn http(&self) -> Option<&dyn HttpClient> {
        self.http.as_deref()
    }

    pub(crate) fn ssh(&self) -> Option<&SshClient> {
        self.ssh.as_ref()
    }
}

impl Credential {
    /// The value of the `Authorization` header.
    pub(crate) fn authorization(&self) -> Option<String> {
        match self {
            Self::None => None,
            Self::Basic { username, password } => {
                let pair = base64::engine::general_purpose::STANDARD.encode(format!("{username}:{password}"));
                Some(format!("Basic {pair}"))
            }
            Self::Bearer(token) => Some(format!("Bearer {token}")),
        }
    }
}

impl fmt::Display for Credential {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::None => "no credential",
            Self::Basic { .. } => "basic (redacted)",
            Self::Bearer(_) => "bearer (redacted)",
        })
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Credential({self})")
    }
}

impl fmt::Debug for Remote {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.ssh {
            Some(ssh) => write!(formatter, "Remote({}, {:?})", self.url, ssh.credential()),
            None if self.source.is_some() => write!(formatter, "Remote({}, renewed credentials)", self.url),
            None => write!(formatter, "Remote({}, {})", self.url, self.credential),
        }
    }
}
