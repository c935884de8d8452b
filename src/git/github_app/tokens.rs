//! Tokens of installations: asked for once however many wait for one, and kept until shortly before their end.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use fluxbot_git::{Credential, CredentialFailure, CredentialSource};
use jiff::Timestamp;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::runtime::Handle;
use tokio::sync::Mutex as AsyncMutex;
use tokio::time::Instant;

use super::{GitHubApp, Installation, USERNAME};
use crate::git::Bound;
use crate::http::header::{ACCEPT, AUTHORIZATION, HeaderValue};
use crate::http::{
    ClientSettings, HttpClients, HttpError, Method, Reach, Request, StatusCode, Url, bounded, read_body,
};

/// An answer of the API has no business being larger.
const MAX_ANSWER: u64 = 1 << 20;

/// How long before its end a token is replaced, at most: a push that has begun must end with it.
const MARGIN: Duration = Duration::from_mins(5);

/// Longest lifetime that is believed; GitHub gives an hour.
const MAX_LIFETIME: Duration = Duration::from_hours(1);

/// How long a refusal is believed: a thousand sources must not ask one after another.
const FAILURE_LIFETIME: Duration = Duration::from_secs(5);

/// A token that was asked for within this time is not replaced: that a server refuses it has another reason.
const MIN_AGE: Duration = Duration::from_secs(1);

/// Tokens that are kept; beyond that, those that are over are dropped.
const MAX_KEPT: usize = 1024;

/// How often a request is sent again after a transient failure, and the pause before.
const RETRIES: u32 = 2;
const PAUSE: Duration = Duration::from_millis(200);

/// A GitHub App gets no token. No variant holds a key or a token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GitHubAppError {
    /// The API cannot be reached.
    #[error("cannot ask the GitHub API: {0}")]
    Unreachable(HttpError),
    /// The API is unwell, or asks for more time between requests.
    #[error("the GitHub API at {host} is not available: {answer}")]
    Unavailable {
        /// The host asked.
        host: String,
        /// Status, and message where there is one.
        answer: String,
    },
    /// The API said no.
    #[error("the GitHub API at {host} refused {action}: {answer}")]
    Refused {
        /// The host asked.
        host: String,
        /// What was asked for.
        action: &'static str,
        /// Status, and message where there is one.
        answer: String,
    },
    /// The API answered with something that holds no token.
    #[error("the GitHub API at {host} gave no usable answer")]
    Answer {
        /// The host asked.
        host: String,
    },
    /// The private key makes no signature.
    #[error("the private key cannot sign")]
    Unsigned,
}

/// The tokens of all GitHub Apps. Clones share them.
#[derive(Clone)]
pub struct GitHubApps {
    http: HttpClients,
    slots: Arc<Mutex<HashMap<Key, Slot>>>,
}

type Key = ([u8; 32], ClientSettings);
type Slot = Arc<AsyncMutex<Option<Kept>>>;

struct Kept {
    outcome: Result<String, GitHubAppError>,
    asked: Instant,
    until: Instant,
}

#[derive(Deserialize)]
struct InstallationToken {
    token: String,
    expires_at: Timestamp,
}

#[derive(Deserialize)]
struct FoundInstallation {
    id: u64,
}

impl GitHubApps {
    /// Knows nothing yet.
    #[must_use]
    pub fn new(http: HttpClients) -> Self {
        Self {
            http,
            slots: Arc::default(),
        }
    }

    /// A token of the App's installation. `rejected` is one that a server refused; it is not given again, unless it is brand-new.
    ///
    /// # Errors
    /// [`GitHubAppError`]; a failure is believed for five seconds.
    pub async fn token(
        &self,
        app: &GitHubApp,
        settings: &ClientSettings,
        rejected: Option<&str>,
    ) -> Result<String, GitHubAppError> {
        let slot = self.slot((app.identity, settings.clone()));
        let mut kept = slot.lock().await;
        let now = Instant::now();
        if let Some(known) = kept.as_ref().filter(|known| known.until > now) {
            let is_rejected = known.outcome.as_deref().ok() == rejected && rejected.is_some();
            if !is_rejected || now.duration_since(known.asked) < MIN_AGE {
                return known.outcome.clone();
            }
        }
        let outcome = self.ask(app, settings).await;
        let (outcome, lifetime) = match outcome {
            Ok(InstallationToken { token, expires_at }) => {
                let lifetime =
                    Duration::try_from(expires_at.duration_since(Timestamp::now())).unwrap_or_default();
                let lifetime = lifetime.min(MAX_LIFETIME);
                (Ok(token), lifetime.saturating_sub(MARGIN.min(lifetime / 5)))
            }
            Err(error) => (Err(error), FAILURE_LIFETIME),
        };
        *kept = Some(Kept {
            outcome: outcome.clone(),
            asked: now,
            // From now on: the question may have taken longer than a failure is believed.
            until: Instant::now() + lifetime,
        });
        outcome
    }

    async fn ask(
        &self,
        app: &GitHubApp,
        settings: &ClientSettings,
    ) -> Result<InstallationToken, GitHubAppError> {
        let api = Api {
            http: &self.http,
            settings,
            app,
        };
        let installation = match &app.installation {
            Installation::Id(id) => *id,
            Installation::Owner(owner) => api.installation_of(owner).await?,
        };
        let path = format!("app/installations/{installation}/access_tokens");
        let token: InstallationToken = api
            .send(Method::POST, &path, "a token for the installation")
            .await?;
        tracing::debug!(app = app.id, installation, expires = %token.expires_at, "got a token of a GitHub App");
        Ok(token)
    }

    fn slot(&self, key: Key) -> Slot {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        if slots.len() >= MAX_KEPT && !slots.contains_key(&key) {
            let now = Instant::now();
            slots.retain(|_, slot| {
                Arc::strong_count(slot) > 1
                    || slot
                        .try_lock()
                        .is_ok_and(|kept| kept.as_ref().is_some_and(|kept| kept.until > now))
            });
        }
        Arc::clone(slots.entry(key).or_default())
    }
}

impl fmt::Debug for GitHubApps {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("GitHubApps").finish_non_exhaustive()
    }
}

impl GitHubAppError {
    /// Whether it may go by itself.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable(error) => !matches!(
                error,
                HttpError::Settings { .. } | HttpError::AddressRefused { .. } | HttpError::Certificate { .. }
            ),
            Self::Unavailable { .. } => true,
            Self::Refused { .. } | Self::Answer { .. } | Self::Unsigned => false,
        }
    }
}

/// The API, asked by one App.
struct Api<'a> {
    http: &'a HttpClients,
    settings: &'a ClientSettings,
    app: &'a GitHubApp,
}

impl Api<'_> {
    /// The installation of an organization, else of a user.
    async fn installation_of(&self, owner: &str) -> Result<u64, GitHubAppError> {
        let action = "the installation of the owner";
        let [of_organization, of_user] = ["orgs", "users"].map(|kind| format!("{kind}/{owner}/installation"));
        let found: FoundInstallation = match self.send(Method::GET, &of_organization, action).await {
            Err(GitHubAppError::Refused { .. }) => self.send(Method::GET, &of_user, action).await?,
            other => other?,
        };
        Ok(found.id)
    }

    /// Sends a request, again after a transient failure: neither of the two questions changes anything that counts.
    async fn send<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        action: &'static str,
    ) -> Result<T, GitHubAppError> {
        let mut attempt = 0;
        loop {
            let outcome = self.once(method.clone(), path, action).await;
            let again = match &outcome {
                Err(GitHubAppError::Unavailable { .. }) => true,
                Err(GitHubAppError::Unreachable(error)) => error.is_transient(),
                _ => false,
            };
            if !again || attempt == RETRIES {
                return outcome;
            }
            attempt += 1;
            tokio::time::sleep(PAUSE * attempt).await;
        }
    }

    async fn once<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        action: &'static str,
    ) -> Result<T, GitHubAppError> {
        let host = host(&self.app.api);
        let unusable = || GitHubAppError::Answer { host: host.clone() };
        let url = self.app.api.join(path).map_err(|_| unusable())?;
        let mut request = Request::new(method, url);
        let headers = request.headers_mut();
        let bearer = format!("Bearer {}", self.app.web_token(Timestamp::now())?);
        let mut bearer = HeaderValue::from_str(&bearer).map_err(|_| GitHubAppError::Unsigned)?;
        bearer.set_sensitive(true);
        headers.insert(AUTHORIZATION, bearer);
        headers.insert(ACCEPT, HeaderValue::from_static("application/vnd.github+json"));
        headers.insert("x-github-api-version", HeaderValue::from_static("2022-11-28"));
        let sent = self.http.send(self.settings, Reach::Named, request).await;
        let response = sent.map_err(GitHubAppError::Unreachable)?;
        let status = response.status();
        let body = read_body(response, MAX_ANSWER).await;
        if status.is_success() {
            let body = body.map_err(GitHubAppError::Unreachable)?;
            // serde's own message may quote a value, and the values are tokens.
            return serde_json::from_slice(&body).map_err(|_| unusable());
        }
        // The status of a refusal says enough when its text cannot be had.
        let answer = describe(status, &body.unwrap_or_default());
        Err(
            if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
                GitHubAppError::Unavailable { host, answer }
            } else {
                GitHubAppError::Refused { host, action, answer }
            },
        )
    }
}

/// Status and message of a refusal. GitHub's messages repeat nothing that was sent; another server's might.
fn describe(status: StatusCode, body: &[u8]) -> String {
    let value: Option<serde_json::Value> = serde_json::from_slice(body).ok();
    let message = value.as_ref().and_then(|value| value.get("message")?.as_str());
    match message.filter(|message| message.split_whitespace().all(|word| word.len() <= 80)) {
        Some(message) => format!("{status}, {}", bounded(message)),
        None => status.to_string(),
    }
}

fn host(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port()
        .map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// The credentials of a GitHub App for the Git engine.
pub(in crate::git) struct AppCredentials {
    pub(in crate::git) apps: GitHubApps,
    pub(in crate::git) app: GitHubApp,
    pub(in crate::git) settings: ClientSettings,
    pub(in crate::git) runtime: Handle,
}

impl CredentialSource for AppCredentials {
    fn credential(&self, rejected: Option<&Credential>) -> Result<Credential, CredentialFailure> {
        let rejected = match rejected {
            Some(Credential::Basic { password, .. }) => Some(password.as_str()),
            _ => None,
        };
        let asking = self.apps.token(&self.app, &self.settings, rejected);
        let bound = Bound::current();
        let outcome = self.runtime.block_on(async {
            match &bound {
                Some(bound) => bound.keep(asking).await,
                None => Ok(asking.await),
            }
        });
        let failure = |detail: String, is_transient| CredentialFailure {
            detail: format!(
                "GitHub App {} of secret '{}': {detail}",
                self.app.id, self.app.secret
            ),
            is_transient,
        };
        match outcome {
            Ok(Ok(token)) => Ok(Credential::Basic {
                username: USERNAME.to_owned(),
                password: token,
            }),
            Ok(Err(error)) => Err(failure(error.to_string(), error.is_transient())),
            Err(expired) => Err(failure(expired.to_string(), true)),
        }
    }
}
