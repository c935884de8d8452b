//! Secrets, read by name when they are needed; they are never listed, watched or kept.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client};

use crate::objects::ObjectKey;

/// How long the API server may take.
const TIMEOUT: Duration = Duration::from_secs(15);

/// The contents of a Secret. Printing it shows its keys only.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct SecretData {
    /// The Secret's type.
    pub kind: String,
    /// Its values by key.
    pub values: BTreeMap<String, Vec<u8>>,
}

impl fmt::Debug for SecretData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys: Vec<&String> = self.values.keys().collect();
        f.debug_struct("SecretData")
            .field("kind", &self.kind)
            .field("keys", &keys)
            .finish()
    }
}

/// Why a Secret cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// There is none of this name.
    #[error("secrets \"{}\" not found in namespace '{}'", .0.name, .0.namespace)]
    NotFound(ObjectKey),
    /// The API server refused, or cannot be reached.
    #[error("failed to get secret '{key}': {reason}")]
    Unreadable {
        /// The Secret.
        key: ObjectKey,
        /// What the API server said.
        reason: String,
    },
}

/// Reads a Secret. Gives its resource version, too.
pub(super) async fn read(client: &Client, key: &ObjectKey) -> Result<(SecretData, String), SecretError> {
    let api: Api<Secret> = Api::namespaced(client.clone(), &key.namespace);
    let unreadable = |reason: String| SecretError::Unreadable {
        key: key.clone(),
        reason,
    };
    let secret = tokio::time::timeout(TIMEOUT, api.get_opt(&key.name))
        .await
        .map_err(|_| unreadable("the API server did not answer in time".to_owned()))?
        .map_err(|error| unreadable(error.to_string()))?
        .ok_or_else(|| SecretError::NotFound(key.clone()))?;
    let data = secret.data.unwrap_or_default();
    let data = SecretData {
        kind: secret.type_.unwrap_or_default(),
        values: data.into_iter().map(|(key, value)| (key, value.0)).collect(),
    };
    Ok((data, secret.metadata.resource_version.unwrap_or_default()))
}
