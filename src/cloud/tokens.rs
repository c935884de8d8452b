//! Credentials for the registries of clouds, kept until most of their life is over.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::future::BoxFuture;
use tokio::sync::Mutex as AsyncMutex;
use tokio::time::Instant;

use super::call::Caller;
use super::{CloudError, Environment, Provider, RegistryHost, aws, azure, gcp};
use crate::http::{ClientSettings, HttpClients, ProxySettings};

/// How long a refusal is believed: a thousand objects must not wait one after another for a service that is not there.
const FAILURE_LIFETIME: Duration = Duration::from_secs(10);

/// Longest lifetime that is believed.
const MAX_LIFETIME: Duration = Duration::from_hours(12);

/// Credentials that are kept; beyond that, those that are over are dropped.
const MAX_KEPT: usize = 4096;

/// A user name and password that a registry takes. Printing it shows neither.
#[derive(Clone, PartialEq, Eq)]
pub struct Credential {
    /// The user name.
    pub username: String,
    /// The password: a token of the cloud.
    pub password: String,
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credential(***)")
    }
}

/// A Kubernetes service account, as far as a cloud asks for it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Account {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// What tells it from an earlier one of the same name.
    pub uid: String,
    /// Its annotations: they name the identity at the cloud.
    pub annotations: BTreeMap<String, String>,
}

/// Who knows a service account and can have tokens of it made.
pub trait AccountTokens: Send + Sync {
    /// The service account as it is now.
    ///
    /// # Errors
    /// A text that names it, and says what is wrong.
    fn account(&self) -> BoxFuture<'_, Result<Account, String>>;

    /// A token of the service account for `audience`.
    ///
    /// # Errors
    /// A text that names the service account, and says what is wrong.
    fn token<'t>(&'t self, audience: &'t str) -> BoxFuture<'t, Result<String, String>>;
}

/// Who asks a cloud.
#[derive(Clone)]
pub enum Identity {
    /// The process itself, as its environment says.
    Process,
    /// A service account of the cluster.
    Account(Arc<dyn AccountTokens>),
}

/// How one object gets at the credentials of its registry.
#[derive(Clone)]
pub struct CloudAccess {
    /// The cloud.
    pub provider: Provider,
    /// Who asks.
    pub identity: Identity,
    /// The proxy that the services are asked through.
    pub proxy: Option<ProxySettings>,
}

impl fmt::Debug for CloudAccess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CloudAccess")
            .field("provider", &self.provider)
            .finish_non_exhaustive()
    }
}

/// What is known of credentials, for all objects.
pub struct CloudTokens {
    http: HttpClients,
    environment: Environment,
    slots: Mutex<HashMap<Key, Slot>>,
}

type Slot = Arc<AsyncMutex<Option<Kept>>>;

/// What a credential depends on.
#[derive(PartialEq, Eq, Hash)]
struct Key {
    host: RegistryHost,
    account: Option<AccountKey>,
    proxy: Option<ProxySettings>,
}

#[derive(PartialEq, Eq)]
struct AccountKey {
    account: Account,
}

impl Hash for AccountKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.account.uid.hash(state);
        self.account.namespace.hash(state);
        self.account.name.hash(state);
    }
}

struct Kept {
    outcome: Result<Credential, CloudError>,
    until: Instant,
}

/// Who asks, and how.
pub(super) struct Who<'w> {
    pub(super) environment: &'w Environment,
    pub(super) account: Option<&'w Account>,
    pub(super) tokens: Option<&'w dyn AccountTokens>,
    pub(super) caller: Caller<'w>,
}

impl Who<'_> {
    /// The service account and a token of it for `audience`.
    pub(super) async fn account_token(&self, audience: &str) -> Result<String, CloudError> {
        let Some(tokens) = self.tokens else {
            return Err(CloudError::Account {
                reason: "there is no service account".to_owned(),
            });
        };
        tokens
            .token(audience)
            .await
            .map_err(|reason| CloudError::Account { reason })
    }
}

impl fmt::Debug for CloudTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CloudTokens").finish_non_exhaustive()
    }
}

impl CloudTokens {
    /// Knows nothing yet.
    #[must_use]
    pub fn new(http: HttpClients, environment: Environment) -> Self {
        Self {
            http,
            environment,
            slots: Mutex::default(),
        }
    }

    /// Credentials for `registry` (host with optional port).
    ///
    /// They are kept for four fifths of their lifetime, as in Flux, and one request is made however many objects wait for it.
    ///
    /// # Errors
    /// [`CloudError`]; a failure is believed for ten seconds.
    pub async fn credential(&self, access: &CloudAccess, registry: &str) -> Result<Credential, CloudError> {
        let host = access.provider.registry(registry, &self.environment)?;
        let (account, tokens) = match &access.identity {
            Identity::Process => (None, None),
            Identity::Account(tokens) => {
                let account = tokens
                    .account()
                    .await
                    .map_err(|reason| CloudError::Account { reason })?;
                (Some(account), Some(tokens.as_ref()))
            }
        };
        let slot = self.slot(Key {
            host: host.clone(),
            account: account.as_ref().map(identity_of),
            proxy: access.proxy.clone(),
        });
        let mut kept = slot.lock().await;
        if let Some(known) = kept.as_ref().filter(|known| known.until > Instant::now()) {
            return known.outcome.clone();
        }
        let asked = Instant::now();
        let settings = ClientSettings {
            proxy: access.proxy.clone(),
            ..ClientSettings::default()
        };
        let who = Who {
            environment: &self.environment,
            account: account.as_ref(),
            tokens,
            caller: Caller {
                http: &self.http,
                settings: &settings,
            },
        };
        let outcome = match &host {
            RegistryHost::Ecr { .. } | RegistryHost::EcrPublic => aws::credential(&who, &host).await,
            RegistryHost::Acr { host } => azure::credential(&who, host).await,
            RegistryHost::Google => gcp::credential(&who).await,
        };
        let (outcome, lifetime) = match outcome {
            Ok((credential, lifetime)) => (Ok(credential), lifetime.min(MAX_LIFETIME) * 4 / 5),
            Err(err) => (Err(err), FAILURE_LIFETIME),
        };
        *kept = Some(Kept {
            outcome: outcome.clone(),
            until: asked + lifetime,
        });
        outcome
    }

    /// Forgets a credential that the registry does not take, so that the next request asks for another.
    pub fn reject(&self, rejected: &Credential) {
        let slots: Vec<Slot> = self.slots().values().map(Arc::clone).collect();
        for slot in slots {
            // One that is locked is being made or used right now; it is rejected the next time.
            let Ok(mut kept) = slot.try_lock() else {
                continue;
            };
            if kept
                .as_ref()
                .is_some_and(|kept| kept.outcome.as_ref() == Ok(rejected))
            {
                *kept = None;
            }
        }
    }

    fn slots(&self) -> std::sync::MutexGuard<'_, HashMap<Key, Slot>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn slot(&self, key: Key) -> Slot {
        let mut slots = self.slots();
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

/// What of a service account decides which credentials it gets: of its annotations those that clouds read.
fn identity_of(account: &Account) -> AccountKey {
    let annotations = account
        .annotations
        .iter()
        .filter(|(key, _)| {
            matches!(
                key.as_str(),
                aws::ROLE_ANNOTATION
                    | azure::TENANT_ANNOTATION
                    | azure::CLIENT_ANNOTATION
                    | gcp::EMAIL_ANNOTATION
                    | gcp::PROVIDER_ANNOTATION
            )
        })
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    AccountKey {
        account: Account {
            annotations,
            ..account.clone()
        },
    }
}
