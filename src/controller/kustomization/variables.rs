//! The variables of `spec.postBuild`, read from the `ConfigMap`s and Secrets that it names.

use std::time::Duration;

use fluxbot_api::kustomize::{PostBuild, SubstituteKind, SubstituteReference};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use sha2::{Digest as _, Sha256};

use crate::controller::context::Context;
use crate::controller::secrets::SecretError;
use crate::objects::ObjectKey;
use crate::substitute::Variables;

/// How long the API server may take.
const TIMEOUT: Duration = Duration::from_secs(15);

/// Variables cannot be read. The texts are Flux's.
#[derive(Debug, thiserror::Error)]
#[error("substitute from '{kind}/{name}' error: {reason}")]
pub(super) struct VariablesError {
    kind: String,
    name: String,
    reason: String,
}

/// Variables, and a digest of all their names and values.
pub(super) struct Found {
    pub(super) variables: Variables,
    pub(super) digest: [u8; 32],
}

/// Reads the variables of a Kustomization: of two with one name the later counts, and those that it names itself count most.
pub(super) async fn read(
    context: &Context,
    namespace: &str,
    post_build: Option<&PostBuild>,
) -> Result<Found, VariablesError> {
    let mut variables = Variables::new();
    let mut digest = Sha256::new();
    for reference in post_build
        .iter()
        .flat_map(|post_build| &post_build.substitute_from)
    {
        for (name, value, is_secret) in entries(context, namespace, reference).await? {
            note(&mut digest, &name, &value);
            if is_secret {
                variables.set_secret(&name, &value);
            } else {
                variables.set(&name, &String::from_utf8_lossy(&value));
            }
        }
    }
    for (name, value) in post_build.iter().flat_map(|post_build| &post_build.substitute) {
        note(&mut digest, name, value.as_bytes());
        variables.set(name, value);
    }
    Ok(Found {
        variables,
        digest: digest.finalize().into(),
    })
}

fn note(digest: &mut Sha256, name: &str, value: &[u8]) {
    for part in [name.as_bytes(), value] {
        digest.update((part.len() as u64).to_be_bytes());
        digest.update(part);
    }
}

/// A variable: its name, its value, and whether that is secret.
type Variable = (String, Vec<u8>, bool);

async fn entries(
    context: &Context,
    namespace: &str,
    reference: &SubstituteReference,
) -> Result<Vec<Variable>, VariablesError> {
    let failed = |reason: String| VariablesError {
        kind: reference.kind.as_str().to_owned(),
        name: reference.name.clone(),
        reason,
    };
    let is_optional = reference.optional == Some(true);
    if reference.kind == SubstituteKind::Secret {
        let key = ObjectKey::new(namespace, &reference.name);
        return match context.secret(&key).await {
            Ok(data) => Ok(data
                .values
                .into_iter()
                .map(|(name, value)| (name, value, true))
                .collect()),
            Err(SecretError::NotFound(_)) if is_optional => Ok(Vec::new()),
            Err(SecretError::NotFound(_)) => Err(failed(format!("secrets \"{}\" not found", reference.name))),
            Err(error) => Err(failed(error.to_string())),
        };
    }
    let api: Api<ConfigMap> = Api::namespaced(context.client.clone(), namespace);
    let found = tokio::time::timeout(TIMEOUT, api.get_opt(&reference.name))
        .await
        .map_err(|_| failed("the API server did not answer in time".to_owned()))?
        .map_err(|error| failed(error.to_string()))?;
    match found {
        Some(map) => {
            let data = map.data.unwrap_or_default().into_iter();
            Ok(data
                .map(|(name, value)| (name, value.into_bytes(), false))
                .collect())
        }
        None if is_optional => Ok(Vec::new()),
        None => Err(failed(format!("configmaps \"{}\" not found", reference.name))),
    }
}
