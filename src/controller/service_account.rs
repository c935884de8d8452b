//! A service account of the cluster as a cloud's identity: its annotations, and tokens of it.

use std::time::Duration;

use futures::future::BoxFuture;
use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::api::PostParams;
use kube::{Api, Client};

use crate::cloud::{Account, AccountTokens};
use crate::objects::ObjectKey;

/// How long the API server may take.
const TIMEOUT: Duration = Duration::from_secs(15);

/// A service account; nothing of it is kept.
pub(super) struct KubernetesAccount {
    pub(super) client: Client,
    pub(super) key: ObjectKey,
}

impl KubernetesAccount {
    fn api(&self) -> Api<ServiceAccount> {
        Api::namespaced(self.client.clone(), &self.key.namespace)
    }
}

impl AccountTokens for KubernetesAccount {
    fn account(&self) -> BoxFuture<'_, Result<Account, String>> {
        Box::pin(async {
            let failed = |reason: String| format!("failed to get service account '{}': {reason}", self.key);
            let found = tokio::time::timeout(TIMEOUT, self.api().get(&self.key.name))
                .await
                .map_err(|_| failed("the API server did not answer in time".to_owned()))?
                .map_err(|error| failed(said(&error)))?;
            Ok(Account {
                namespace: self.key.namespace.clone(),
                name: self.key.name.clone(),
                uid: found.metadata.uid.unwrap_or_default(),
                annotations: found.metadata.annotations.unwrap_or_default(),
            })
        })
    }

    fn token<'t>(&'t self, audience: &'t str) -> BoxFuture<'t, Result<String, String>> {
        Box::pin(async move {
            let failed = |reason: String| {
                format!(
                    "failed to create kubernetes token for service account '{}': {reason}",
                    self.key
                )
            };
            let request = TokenRequest {
                spec: TokenRequestSpec {
                    audiences: vec![audience.to_owned()],
                    ..TokenRequestSpec::default()
                },
                ..TokenRequest::default()
            };
            let api = self.api();
            let parameters = PostParams::default();
            let answer = api.create_token_request(&self.key.name, &parameters, &request);
            let answer = tokio::time::timeout(TIMEOUT, answer)
                .await
                .map_err(|_| failed("the API server did not answer in time".to_owned()))?
                .map_err(|error| failed(hinted(&error)))?;
            answer
                .status
                .map(|status| status.token)
                .ok_or_else(|| failed("the answer has no token".to_owned()))
        })
    }
}

/// What the API server said, and what to do about a right that is missing.
fn hinted(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) if status.code == 403 => format!(
            "{}; the right to create serviceaccounts/token is given by the chart's value rbac.serviceAccountTokens",
            status.message
        ),
        other => said(other),
    }
}

/// What the API server said, without the code around it.
fn said(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) => status.message.clone(),
        other => other.to_string(),
    }
}
