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
use super::service_account::KubernetesAccount;
use crate::cloud::{CloudAccess, Identity, Provider};
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
    #[error("{}", reason.about(secret))]
    Connection {
        /// The Secret.
        secret: ObjectKey,
        /// What is wrong with it.
        reason: InvalidSecret,
    },
    /// The service account does not exist.
    #[error("serviceaccount '{0}' not found")]
    NoServiceAccount(ObjectKey),
    /// The API server refused, or cannot be reached.
    #[error("failed to get serviceaccount '{key}': {reason}")]
    ServiceAccount {
        /// The service account.
        key: ObjectKey,
        /// What the API server said.
        reason: String,
    },
    /// A pull Secret of the service account cannot be read.
    #[error("failed to get image pull secret for serviceaccount '{account}': {reason}")]
    PullSecret {
        /// The service account.
        account: ObjectKey,
        /// What is wrong.
        reason: SecretError,
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
            Self::Timeout(_) => failure.recovery(super::Recovery::Stalled),
            _ => failure,
        }
    }
}

/// Reads the Secrets of a repository. Nothing is kept.
///
/// A cloud provider is asked for credentials when the registry is, and then nothing else gives any. Credentials of
/// `spec.secretRef` come before those of the service account's pull Secrets.
pub async fn access(context: &Context, repository: &ImageRepository) -> Result<Access, AccessError> {
    let spec = &repository.spec;
    let client = connection(context, repository).await?;
    let provider = match spec.provider {
        None | Some(CloudProvider::Generic) => None,
        Some(CloudProvider::Aws) => Some(Provider::Aws),
        Some(CloudProvider::Azure) => Some(Provider::Azure),
        Some(CloudProvider::Gcp) => Some(Provider::Gcp),
    };
    let keychain = match provider {
        Some(_) => Keychain::default(),
        None => keychain(context, repository).await?,
    };
    let cloud = provider.map(|provider| CloudAccess {
        provider,
        identity: identity(context, repository),
        proxy: client.proxy.clone(),
    });
    Ok(Access {
        keychain: Arc::new(keychain),
        insecure: spec.insecure == Some(true),
        timeout: timeout(repository)?,
        client,
        cloud,
    })
}

/// TLS and proxy.
async fn connection(context: &Context, repository: &ImageRepository) -> Result<ClientSettings, AccessError> {
    let (spec, namespace) = (&repository.spec, repository.key().namespace);
    let mut settings = ClientSettings::default();
    if let Some(reference) = &spec.proxy_secret_ref {
        let secret = ObjectKey::new(&namespace, &reference.name);
        let data = context.secret(&secret).await?.values;
        let proxy = ProxySettings::from_secret(&data);
        settings.proxy = Some(proxy.map_err(|reason| AccessError::Connection { secret, reason })?);
    }
    if let Some(reference) = &spec.cert_secret_ref {
        let secret = ObjectKey::new(&namespace, &reference.name);
        let data = context.secret(&secret).await?.values;
        let added = match settings.add_certificates(&data) {
            Ok(true) => settings.check(),
            Ok(false) => Err(InvalidSecret::NoCertificate),
            Err(reason) => Err(reason),
        };
        added.map_err(|reason| AccessError::Connection { secret, reason })?;
    }
    Ok(settings)
}

/// Who asks a cloud: the service account of the object, that of the lockdown, or this process.
fn identity(context: &Context, repository: &ImageRepository) -> Identity {
    let named = repository.spec.service_account_name.as_deref();
    let name = named
        .filter(|name| !name.is_empty())
        .or(context.options.default_service_account.as_deref());
    match name {
        None => Identity::Process,
        Some(name) => Identity::Account(Arc::new(KubernetesAccount {
            client: context.client.clone(),
            key: ObjectKey::new(&repository.key().namespace, name),
        })),
    }
}

/// The credentials of Secrets.
async fn keychain(context: &Context, repository: &ImageRepository) -> Result<Keychain, AccessError> {
    let (spec, namespace) = (&repository.spec, repository.key().namespace);
    let mut keychain = Keychain::default();
    if let Some(reference) = &spec.secret_ref {
        let secret = ObjectKey::new(&namespace, &reference.name);
        let data = context.secret(&secret).await?;
        let read = Keychain::from_secret(&data.kind, &data.values);
        keychain.extend(read.map_err(|reason| AccessError::DockerConfig { secret, reason })?);
    }
    let name = spec
        .service_account_name
        .as_deref()
        .filter(|name| !name.is_empty());
    if let Some(name) = name {
        let account = ObjectKey::new(&namespace, name);
        for secret in pull_secrets(context, account.clone()).await? {
            let data = context
                .secret(&secret)
                .await
                .map_err(|reason| AccessError::PullSecret {
                    account: account.clone(),
                    reason,
                })?;
            match Keychain::from_secret(&data.kind, &data.values) {
                Ok(read) => keychain.extend(read),
                // The kubelet takes no notice of these either.
                Err(InvalidDockerConfig::SecretType { .. }) => {}
                Err(reason) => return Err(AccessError::DockerConfig { secret, reason }),
            }
        }
    }
    Ok(keychain)
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
    if !matches!(spec.provider, None | Some(CloudProvider::Generic)) {
        return String::new();
    }
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
