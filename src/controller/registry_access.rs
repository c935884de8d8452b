//! From an `ImageRepository` and its Secrets to the access to its registry.

use std::sync::Arc;
use std::time::Duration;

use fluxbot_api::image::ImageRepository;
use fluxbot_api::meta::CloudProvider;
use fluxbot_api::{InvalidDuration, Reason};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::Api;

use super::context::Context;
use super::kinds::Reconciled as _;
use super::outcome::Failure;
use super::secrets::SecretError;
use crate::http::{ClientSettings, InvalidSecret, ProxySettings};
use crate::objects::ObjectKey;
use crate::scanner::{Access, InvalidDockerConfig, Keychain, ScanError};

/// Flux's floor for `spec.timeout`.
const MIN_TIMEOUT: Duration = Duration::from_secs(1);

/// Longest time for one scan where `spec.timeout` says nothing; Flux takes the whole interval.
const MAX_DEFAULT_TIMEOUT: Duration = Duration::from_mins(5);

/// How long the API server may take.
const API_TIMEOUT: Duration = Duration::from_secs(15);

/// Why the access to a registry cannot be derived. No variant holds a value of a Secret.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    /// A provider whose tokens cannot be fetched yet.
    #[error(
        "spec.provider '{0}' is not supported yet: use the provider generic with a docker configuration in spec.secretRef"
    )]
    Provider(&'static str),
    /// A Secret cannot be read.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// A Secret holds no docker configuration.
    #[error("secret '{secret}': {reason}")]
    DockerConfig {
        /// The Secret.
        secret: ObjectKey,
        /// What is wrong with it.
        reason: InvalidDockerConfig,
    },
    /// A Secret holds no certificates or no proxy.
    #[error("secret '{secret}': {reason}")]
    Connection {
        /// The Secret.
        secret: ObjectKey,
        /// What is wrong with it.
        reason: InvalidSecret,
    },
    /// The service account does not exist.
    #[error("serviceaccounts \"{}\" not found in namespace '{}'", .0.name, .0.namespace)]
    NoServiceAccount(ObjectKey),
    /// The API server refused, or cannot be reached.
    #[error("failed to get service account '{key}': {reason}")]
    ServiceAccount {
        /// The service account.
        key: ObjectKey,
        /// What the API server said.
        reason: String,
    },
    /// The timeout is no duration.
    #[error("spec.timeout: {0}")]
    Timeout(#[from] InvalidDuration),
}

impl AccessError {
    /// The failure of the object: Flux's reason and message.
    pub(super) fn failure(&self) -> Failure {
        let message = format!("failed to configure authentication options: {self}");
        let failure = Failure::new(Reason::AuthenticationFailed, message);
        match self {
            Self::Provider(_) | Self::Timeout(_) => failure.recovery(super::Recovery::Stalled),
            _ => failure,
        }
    }
}

/// Reads the Secrets of a repository. Nothing is kept.
///
/// Credentials of `spec.secretRef` come before those of the service account's pull Secrets.
pub async fn access(context: &Context, repository: &ImageRepository) -> Result<Access, AccessError> {
    let spec = &repository.spec;
    let namespace = repository.key().namespace;
    let key = |name: &str| ObjectKey::new(&namespace, name);
    match spec.provider {
        None | Some(CloudProvider::Generic) => {}
        Some(provider) => return Err(AccessError::Provider(provider.as_str())),
    }
    let mut settings = ClientSettings::default();
    if let Some(reference) = &spec.cert_secret_ref {
        let secret = key(&reference.name);
        let data = context.secret(&secret).await?.values;
        match settings.add_certificates(&data) {
            Ok(true) => {}
            Ok(false) => {
                let reason = InvalidSecret::NoCertificate;
                return Err(AccessError::Connection { secret, reason });
            }
            Err(reason) => return Err(AccessError::Connection { secret, reason }),
        }
    }
    if let Some(reference) = &spec.proxy_secret_ref {
        let secret = key(&reference.name);
        let data = context.secret(&secret).await?.values;
        let proxy = ProxySettings::from_secret(&data);
        settings.proxy = Some(proxy.map_err(|reason| AccessError::Connection { secret, reason })?);
    }
    let mut keychain = Keychain::default();
    let mut secrets: Vec<ObjectKey> = spec.secret_ref.iter().map(|found| key(&found.name)).collect();
    if let Some(name) = spec
        .service_account_name
        .as_deref()
        .filter(|name| !name.is_empty())
    {
        secrets.extend(pull_secrets(context, key(name)).await?);
    }
    for secret in secrets {
        let data = context.secret(&secret).await?;
        let read = Keychain::from_secret(&data.kind, &data.values);
        keychain.extend(read.map_err(|reason| AccessError::DockerConfig { secret, reason })?);
    }
    Ok(Access {
        keychain: Arc::new(keychain),
        insecure: spec.insecure == Some(true),
        timeout: timeout(repository)?,
        client: settings,
        ..Access::default()
    })
}

/// How long one scan may take.
pub fn timeout(repository: &ImageRepository) -> Result<Duration, InvalidDuration> {
    let timeout = match &repository.spec.timeout {
        Some(timeout) => timeout.get()?,
        None => repository.spec.interval.get()?.min(MAX_DEFAULT_TIMEOUT),
    };
    Ok(timeout.max(MIN_TIMEOUT))
}

/// Where the credentials come from, when a registry refused them; empty otherwise.
pub fn origin(repository: &ImageRepository, error: &ScanError) -> String {
    if !matches!(error, ScanError::Unauthorized { .. }) {
        return String::new();
    }
    let namespace = repository.key().namespace;
    let spec = &repository.spec;
    match (&spec.secret_ref, spec.service_account_name.as_deref()) {
        (Some(secret), _) => format!("; see Secret '{namespace}/{}'", secret.name),
        (None, Some(account)) if !account.is_empty() => {
            format!("; see the pull Secrets of ServiceAccount '{namespace}/{account}'")
        }
        _ => "; spec.secretRef is not set".to_owned(),
    }
}

/// The Secrets that a service account pulls images with.
async fn pull_secrets(context: &Context, key: ObjectKey) -> Result<Vec<ObjectKey>, AccessError> {
    let api: Api<ServiceAccount> = Api::namespaced(context.client.clone(), &key.namespace);
    let answer = tokio::time::timeout(API_TIMEOUT, api.get_opt(&key.name)).await;
    let account = match answer {
        Ok(Ok(Some(account))) => account,
        Ok(Ok(None)) => return Err(AccessError::NoServiceAccount(key)),
        Ok(Err(error)) => {
            let reason = error.to_string();
            return Err(AccessError::ServiceAccount { key, reason });
        }
        Err(_) => {
            let reason = "the API server did not answer in time".to_owned();
            return Err(AccessError::ServiceAccount { key, reason });
        }
    };
    let secrets = account.image_pull_secrets.unwrap_or_default();
    let names = secrets.into_iter().map(|secret| secret.name);
    Ok(names
        .filter(|name| !name.is_empty())
        .map(|name| ObjectKey::new(&key.namespace, name))
        .collect())
}
