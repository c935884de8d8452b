//! From the Secrets of a Git source to a credential and connection settings.

use std::fmt;

use fluxbot_api::source::GitProvider;
use fluxbot_git::{Credential, InvalidRemoteUrl, InvalidSshCredential, RemoteUrl, SshCredential, SshProxy};
use sha2::{Digest as _, Sha256};

use super::github_app::{self, GitHubApp};
use crate::http::{ClientSettings, InvalidSecret, ProxySettings, SecretData};

/// What an object says about the access to its repository, its Secrets read.
#[derive(Clone, Copy, Default)]
pub struct AccessSources<'a> {
    /// `spec.provider`.
    pub provider: Option<&'a GitProvider>,
    /// `spec.serviceAccountName`.
    pub service_account: Option<&'a str>,
    /// Namespace and name of the Secret that `spec.secretRef` names, for messages.
    pub secret_name: Option<&'a str>,
    /// The values of that Secret.
    pub secret: Option<&'a SecretData>,
    /// The values of the Secret that `spec.proxySecretRef` names.
    pub proxy: Option<&'a SecretData>,
}

/// Everything that a request to a Git server takes beside the URL. `Debug` shows no secret.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct GitAccess {
    /// Who we are, unless we are a GitHub App.
    pub credential: Credential,
    /// The GitHub App whose tokens are the credential, each for its time.
    pub app: Option<GitHubApp>,
    /// Trusted authorities, client certificate and proxy.
    pub settings: ClientSettings,
    /// Who we are to an SSH server, and which servers we trust; always there for an `ssh://` URL.
    pub ssh: Option<SshCredential>,
}

/// A hash of a [`GitAccess`]: equal for equal accesses, in this process and the next, and without a way back.
///
/// Two objects may share a mirror only if theirs are equal: a mirror holds what the server showed to one credential.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccessIdentity([u8; 32]);

/// The access to a repository cannot be derived from the Secrets. Texts are Flux's where Flux has the same fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AccessError {
    /// `spec.url` cannot be used.
    #[error(transparent)]
    Url(#[from] InvalidRemoteUrl),
    /// A password without its user.
    #[error("invalid '{transport}' auth option: 'password' requires 'username' to be set")]
    PasswordWithoutUsername {
        /// The scheme of the URL.
        transport: String,
    },
    /// What SSH needs is not there; Flux's text.
    #[error("invalid 'ssh' auth option: '{key}' is required")]
    SshKeyMissing {
        /// The key of the Secret.
        key: &'static str,
    },
    /// The private key or the known hosts cannot be used.
    #[error("the Git Secret cannot be used for SSH: {0}")]
    Ssh(#[from] InvalidSshCredential),
    /// A value of the Secret that cannot be sent.
    #[error("the Git Secret's key '{key}' {problem}")]
    Value {
        /// The key.
        key: &'static str,
        /// What is wrong with the value, which is not repeated.
        problem: &'static str,
    },
    /// Certificates or proxy cannot be used.
    #[error(transparent)]
    Connection(#[from] InvalidSecret),
    /// The Secret of a GitHub App without the provider that uses it.
    #[error("secretRef{} has github app data but provider is not set to github", quoted(.0.as_ref()))]
    GitHubAppWithoutProvider(Option<String>),
    /// The provider without the Secret of a GitHub App.
    #[error("secretRef with github app data must be specified when provider is set to github")]
    GitHubAppMissing,
    /// The Secret of a GitHub App lacks a key.
    #[error("secret '{secret}': key '{key}' not found")]
    GitHubAppKeyMissing {
        /// Namespace and name of the Secret.
        secret: String,
        /// The key.
        key: &'static str,
    },
    /// The Secret of a GitHub App does not say which installation is meant, or says it twice.
    #[error(
        "secret '{secret}' must contain exactly one of 'githubAppInstallationOwner' or 'githubAppInstallationID'"
    )]
    GitHubAppInstallation {
        /// Namespace and name of the Secret.
        secret: String,
    },
    /// A value in the Secret of a GitHub App cannot be used.
    #[error("secret '{secret}': the value of '{key}' {problem}")]
    GitHubAppValue {
        /// Namespace and name of the Secret.
        secret: String,
        /// The key.
        key: &'static str,
        /// What is wrong with the value, which is not repeated.
        problem: &'static str,
    },
    /// The thread that read the Secrets ended.
    #[error("internal error: the Secrets could not be read: {0}")]
    Stopped(String),
    /// A field that this version cannot honour yet.
    #[error("{field} is not supported yet: {remedy}")]
    Unsupported {
        /// The field and its value.
        field: String,
        /// What to do instead.
        remedy: &'static str,
    },
}

impl GitAccess {
    /// The access that an object's Secrets give to the repository at `url`, as [`GitAccess::new`]. A private key is read on a
    /// thread that may block: decrypting it is slow on purpose.
    ///
    /// # Errors
    /// [`AccessError`].
    pub async fn read(url: &str, sources: &AccessSources<'_>) -> Result<Self, AccessError> {
        let has_key = |data: &SecretData| data.contains_key("identity") || github_app::is_described_by(data);
        if !sources.secret.is_some_and(has_key) {
            return Self::new(url, sources);
        }
        let url = url.to_owned();
        let (provider, service_account) = (
            sources.provider.copied(),
            sources.service_account.map(str::to_owned),
        );
        let secret_name = sources.secret_name.map(str::to_owned);
        let (secret, proxy) = (sources.secret.cloned(), sources.proxy.cloned());
        let reading = tokio::task::spawn_blocking(move || {
            let sources = AccessSources {
                provider: provider.as_ref(),
                service_account: service_account.as_deref(),
                secret_name: secret_name.as_deref(),
                secret: secret.as_ref(),
                proxy: proxy.as_ref(),
            };
            Self::new(&url, &sources)
        });
        reading
            .await
            .unwrap_or_else(|error| Err(AccessError::Stopped(error.to_string())))
    }

    /// The access that an object's Secrets give to the repository at `url`. User information in the URL serves where the
    /// Secret has none. Blocks for as long as it takes to decrypt a private key.
    ///
    /// The Secret's keys are Flux's: `bearerToken`, else `username` and `password`; `ca.crt` (or `caFile`); `tls.crt` and
    /// `tls.key`; with the provider `github` those of a GitHub App. Without a Secret the repository is read anonymously.
    ///
    /// # Errors
    /// [`AccessError`]; all of its variants need a change of the object or its Secrets.
    pub fn new(url: &str, sources: &AccessSources<'_>) -> Result<Self, AccessError> {
        check_provider(sources)?;
        let remote: RemoteUrl = url.parse()?;
        let mut access = Self {
            credential: remote.credential().clone(),
            app: None,
            settings: ClientSettings::default(),
            ssh: None,
        };
        let is_app = sources.provider == Some(&GitProvider::GitHub);
        if remote.is_ssh() {
            if is_app {
                return Err(AccessError::Unsupported {
                    field: "spec.provider 'github' with an ssh:// URL".to_owned(),
                    remedy: "use the https:// URL of the repository",
                });
            }
            access.settings.proxy = sources.proxy.map(ProxySettings::from_secret).transpose()?;
            access.ssh = Some(ssh_credential(sources, access.settings.proxy.as_ref())?);
            return Ok(access);
        }
        if let Some(data) = sources.secret {
            if is_app {
                access.credential = Credential::None;
                access.app = Some(GitHubApp::read(sources.secret_name.unwrap_or("secretRef"), data)?);
            } else if let Some(credential) = credential(url, remote.credential(), data)? {
                access.credential = credential;
            }
            access.settings.add_certificates(data)?;
        }
        if let Some(data) = sources.proxy {
            access.settings.proxy = Some(ProxySettings::from_secret(data)?);
        }
        Ok(access)
    }

    /// What tells this access from others.
    #[must_use]
    pub fn identity(&self) -> AccessIdentity {
        let mut hash = Sha256::new();
        // Each part with its length, so that two different accesses never give the same bytes.
        let mut part = |bytes: &[u8]| {
            hash.update((bytes.len() as u64).to_le_bytes());
            hash.update(bytes);
        };
        part(b"fluxbot git access 1");
        match &self.credential {
            Credential::None => part(b"none"),
            Credential::Basic { username, password } => {
                part(b"basic");
                part(username.as_bytes());
                part(password.as_bytes());
            }
            Credential::Bearer(token) => {
                part(b"bearer");
                part(token.as_bytes());
            }
        }
        if let Some(app) = &self.app {
            part(b"github app");
            part(app.identity());
            // The mirror's messages name the Secret, so another one's objects must not see them.
            part(app.secret().as_bytes());
        }
        if let Some(ssh) = &self.ssh {
            part(b"ssh");
            part(ssh.identity());
        }
        for authority in &self.settings.root_certificates {
            part(b"authority");
            part(authority);
        }
        if let Some(pair) = &self.settings.client_certificate {
            part(b"certificate");
            part(&pair.certificate);
            part(&pair.key);
        }
        if let Some(proxy) = &self.settings.proxy {
            part(b"proxy");
            part(proxy.address().as_str().as_bytes());
            let (username, password) = proxy.credentials().unwrap_or_default();
            part(username.as_bytes());
            part(password.as_bytes());
        }
        AccessIdentity(hash.finalize().into())
    }
}

impl AccessIdentity {
    /// The bytes of the hash.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for AccessIdentity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [first, second, third, fourth, ..] = self.0;
        write!(
            formatter,
            "AccessIdentity({first:02x}{second:02x}{third:02x}{fourth:02x}..)"
        )
    }
}

impl fmt::Debug for GitAccess {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("GitAccess")
            .field("credential", &self.credential)
            .field("app", &self.app)
            .field("settings", &self.settings)
            .field("ssh", &self.ssh)
            .finish()
    }
}

impl fmt::Debug for AccessSources<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys = |data: Option<&SecretData>| data.map(|data| data.keys().cloned().collect::<Vec<_>>());
        formatter
            .debug_struct("AccessSources")
            .field("provider", &self.provider)
            .field("service_account", &self.service_account)
            .field("secret_name", &self.secret_name)
            .field("secret_keys", &keys(self.secret))
            .field("proxy_keys", &keys(self.proxy))
            .finish()
    }
}

/// Refuses the providers and fields whose tokens cannot be fetched yet.
fn check_provider(sources: &AccessSources<'_>) -> Result<(), AccessError> {
    let provider = sources.provider.unwrap_or(&GitProvider::Generic);
    if !matches!(provider, GitProvider::Generic | GitProvider::GitHub) {
        return Err(AccessError::Unsupported {
            field: format!("spec.provider '{}'", provider.as_str()),
            remedy: "use the provider generic with a token in spec.secretRef",
        });
    }
    if sources.service_account.is_some_and(|name| !name.is_empty()) {
        return Err(AccessError::Unsupported {
            field: "spec.serviceAccountName".to_owned(),
            remedy: "use a token in spec.secretRef",
        });
    }
    let has_app = sources.secret.is_some_and(github_app::is_described_by);
    match provider {
        GitProvider::GitHub if !has_app => Err(AccessError::GitHubAppMissing),
        GitProvider::Generic if has_app => {
            let secret = sources.secret_name.map(str::to_owned);
            Err(AccessError::GitHubAppWithoutProvider(secret))
        }
        _ => Ok(()),
    }
}

fn quoted(name: Option<&String>) -> String {
    name.map(|name| format!(" '{name}'")).unwrap_or_default()
}

/// The keys of a Secret that belong to SSH: `identity`, `known_hosts`, and `password` for the passphrase of the key.
fn ssh_credential(
    sources: &AccessSources<'_>,
    proxy: Option<&ProxySettings>,
) -> Result<SshCredential, AccessError> {
    let value = |key: &'static str| {
        let value = sources.secret.and_then(|data| data.get(key));
        value
            .filter(|value| !value.is_empty())
            .ok_or(AccessError::SshKeyMissing { key })
    };
    let (identity, known_hosts) = (value("identity")?, value("known_hosts")?);
    let proxy = proxy.map(ssh_proxy).transpose()?;
    let passphrase = match value("password").ok().map(|value| std::str::from_utf8(value)) {
        None => None,
        Some(Ok(passphrase)) => Some(passphrase),
        Some(Err(_)) => {
            return Err(AccessError::Value {
                key: "password",
                problem: "is not UTF-8",
            });
        }
    };
    let credential = SshCredential::new(identity, passphrase, known_hosts)?;
    Ok(match proxy {
        Some(proxy) => credential.through(proxy),
        None => credential,
    })
}

/// A proxy as SSH can use it: as in Flux, SOCKS 5 alone.
fn ssh_proxy(proxy: &ProxySettings) -> Result<SshProxy, AccessError> {
    let address = proxy.address();
    let host = address.host_str().unwrap_or_default();
    if !address.scheme().starts_with("socks5") {
        return Err(AccessError::Unsupported {
            field: format!("a proxy of the scheme '{}' with an ssh:// URL", address.scheme()),
            remedy: "use a socks5:// proxy, or the https:// URL of the repository",
        });
    }
    Ok(SshProxy {
        host: host.trim_start_matches('[').trim_end_matches(']').to_owned(),
        port: address.port().unwrap_or(1080),
        credentials: proxy
            .credentials()
            .map(|(username, password)| (username.to_owned(), password.to_owned())),
    })
}

/// The credential in a Secret; `None` when it has none. Keys that belong to SSH are not looked at, as in Flux.
fn credential(url: &str, in_url: &Credential, data: &SecretData) -> Result<Option<Credential>, AccessError> {
    let text = |key: &'static str| match data.get(key).map(|value| std::str::from_utf8(value)) {
        None => Ok(String::new()),
        Some(Ok(text)) => Ok(text.to_owned()),
        Some(Err(_)) => Err(AccessError::Value {
            key,
            problem: "is not UTF-8",
        }),
    };
    if data.contains_key("bearerToken") {
        let token = text("bearerToken")?;
        // A line feed at the end is what `echo` leaves; a header could not carry it.
        if token.chars().any(char::is_control) {
            return Err(AccessError::Value {
                key: "bearerToken",
                problem: "contains a control character, such as a line feed at its end",
            });
        }
        if !token.is_empty() {
            return Ok(Some(Credential::Bearer(token)));
        }
    }
    let (mut username, mut password) = (text("username")?, text("password")?);
    if let Credential::Basic {
        username: user,
        password: pass,
    } = in_url
    {
        if username.is_empty() {
            username.clone_from(user);
        }
        if password.is_empty() {
            password.clone_from(pass);
        }
    }
    match (username.is_empty(), password.is_empty()) {
        (true, true) => Ok(None),
        (true, false) => Err(AccessError::PasswordWithoutUsername {
            transport: url.split(':').next().unwrap_or_default().to_owned(),
        }),
        _ => Ok(Some(Credential::Basic { username, password })),
    }
}
