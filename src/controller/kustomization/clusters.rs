//! The clusters to which objects are applied: this one, and those of kubeconfigs in Secrets (`spec.kubeConfig`).

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use fluxbot_api::meta::KubeConfigReference;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use sha2::{Digest as _, Sha256};
use tokio::time::Instant;

use crate::controller::context::Context;
use crate::controller::secrets::{SecretData, SecretError};
use crate::objects::ObjectKey;
use crate::sync::{Appliers, Limits};

/// How long an API server may take for one answer, as in Flux.
const TIMEOUT: Duration = Duration::from_secs(30);

/// How long a cluster that nobody uses is remembered, with its connections and what is known of its objects.
const IDLE: Duration = Duration::from_hours(2);

/// Another cluster cannot be reached. No text holds a part of the kubeconfig but names.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// A way to log in that this version does not know.
    #[error(
        "spec.kubeConfig.configMapRef is not supported yet: put a kubeconfig into a Secret and name it in spec.kubeConfig.secretRef"
    )]
    ConfigMap,
    /// The Secret with the kubeconfig does not exist.
    #[error("unable to read KubeConfig secret '{key}' error: secrets \"{}\" not found", .key.name)]
    Missing {
        /// The Secret.
        key: ObjectKey,
    },
    /// The Secret cannot be read.
    #[error("unable to read KubeConfig secret '{key}' error: {reason}")]
    Unreadable {
        /// The Secret.
        key: ObjectKey,
        /// What the API server said.
        reason: String,
    },
    /// The Secret has no kubeconfig where it should be.
    #[error("KubeConfig secret '{key}' does not contain a '{name}' key with a kubeconfig")]
    NoKey {
        /// The Secret.
        key: ObjectKey,
        /// The missing key.
        name: String,
    },
    /// The kubeconfig cannot be used.
    #[error("KubeConfig secret '{key}' cannot be used: {reason}")]
    Invalid {
        /// The Secret.
        key: ObjectKey,
        /// Why; what to do.
        reason: String,
    },
}

/// The clusters to which objects are applied.
pub(super) struct Clusters {
    local: Appliers,
    /// By the digest of the kubeconfig: a changed one is another cluster.
    others: Mutex<HashMap<[u8; 32], (Appliers, Instant)>>,
}

impl Clusters {
    /// The cluster of a client, and others as they are named.
    pub(super) fn new(client: Client) -> Self {
        Self {
            local: Appliers::new(client, Limits::default()),
            others: Mutex::default(),
        }
    }

    /// This cluster.
    pub(super) fn local(&self) -> &Appliers {
        &self.local
    }

    /// The cluster that a spec names.
    pub(super) async fn of(
        &self,
        context: &Context,
        namespace: &str,
        reference: Option<&KubeConfigReference>,
    ) -> Result<Appliers, ClusterError> {
        let Some(reference) = reference else {
            return Ok(self.local.clone());
        };
        let secret = reference.secret_ref.as_ref().ok_or(ClusterError::ConfigMap)?;
        let key = ObjectKey::new(namespace, &secret.name);
        let data = context.secret(&key).await.map_err(|error| match error {
            SecretError::NotFound(key) => ClusterError::Missing { key },
            SecretError::Unreadable { key, reason } => ClusterError::Unreadable { key, reason },
        })?;
        let text = kubeconfig(&data, secret.key.as_deref()).map_err(|name| ClusterError::NoKey {
            key: key.clone(),
            name: name.to_owned(),
        })?;
        let digest: [u8; 32] = Sha256::digest(text).into();
        if let Some(known) = self.known(&digest) {
            return Ok(known);
        }
        let client = client(text)
            .await
            .map_err(|reason| ClusterError::Invalid { key, reason })?;
        let appliers = Appliers::new(client, Limits::default());
        let mut others = self.others.lock().unwrap_or_else(PoisonError::into_inner);
        let (kept, _) = others.entry(digest).or_insert_with(|| (appliers, Instant::now()));
        Ok(kept.clone())
    }

    fn known(&self, digest: &[u8; 32]) -> Option<Appliers> {
        let now = Instant::now();
        let mut others = self.others.lock().unwrap_or_else(PoisonError::into_inner);
        others.retain(|other, (_, used)| other == digest || now.saturating_duration_since(*used) < IDLE);
        let (appliers, used) = others.get_mut(digest)?;
        *used = now;
        Some(appliers.clone())
    }
}

/// The kubeconfig in a Secret; else the key that is missing.
fn kubeconfig<'s>(data: &'s SecretData, key: Option<&'s str>) -> Result<&'s [u8], &'s str> {
    let value = |name: &str| data.values.get(name).map(Vec::as_slice);
    match key.filter(|key| !key.is_empty()) {
        Some(key) => value(key).ok_or(key),
        None => value("value").or_else(|| value("value.yaml")).ok_or("value"),
    }
}

/// A client for a kubeconfig that nobody trusts.
async fn client(text: &[u8]) -> Result<Client, String> {
    let text = std::str::from_utf8(text).map_err(|_| "it is no UTF-8".to_owned())?;
    // The text of the error may quote the file.
    let mut kubeconfig = Kubeconfig::from_yaml(text).map_err(|_| "it is no kubeconfig".to_owned())?;
    confine(&mut kubeconfig)?;
    let mut config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default())
        .await
        .map_err(|_| {
            "its current context does not name a cluster and a user with usable credentials".to_owned()
        })?;
    config.read_timeout = Some(TIMEOUT);
    config.connect_timeout = Some(TIMEOUT);
    Client::try_from(config).map_err(|_| "its certificates or keys cannot be read".to_owned())
}

/// Refuses what would run a program of this pod or read one of its files; leaves out what Flux leaves out.
fn confine(kubeconfig: &mut Kubeconfig) -> Result<(), String> {
    let refused = |field: &str, remedy: &str| Err(format!("{field} is not allowed: {remedy}"));
    for user in &mut kubeconfig.auth_infos {
        let Some(user) = &mut user.auth_info else { continue };
        if user.exec.is_some() {
            return refused("users[].user.exec", "use a token or a client certificate");
        }
        if user.auth_provider.is_some() {
            return refused(
                "users[].user.auth-provider",
                "use a token or a client certificate",
            );
        }
        if user.token_file.is_some() {
            return refused("users[].user.tokenFile", "use token");
        }
        if user.client_certificate.is_some() {
            return refused("users[].user.client-certificate", "use client-certificate-data");
        }
        if user.client_key.is_some() {
            return refused("users[].user.client-key", "use client-key-data");
        }
        // Whom to act as is said by spec.serviceAccountName alone.
        user.impersonate = None;
        user.impersonate_groups = None;
    }
    for cluster in &mut kubeconfig.clusters {
        let Some(cluster) = &mut cluster.cluster else {
            continue;
        };
        if cluster.certificate_authority.is_some() {
            return refused(
                "clusters[].cluster.certificate-authority",
                "use certificate-authority-data",
            );
        }
        // Certificates are always verified.
        cluster.insecure_skip_tls_verify = None;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn config(user: &str, cluster: &str) -> String {
        format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: a\ncontexts: [{{name: a, context: {{cluster: a, user: a}}}}]\nclusters: \
             [{{name: a, cluster: {{server: 'https://other.example:6443'{cluster}}}}}]\nusers: [{{name: a, user: {{{user}}}}}]\n"
        )
    }

    #[rstest]
    #[case(
        "exec: {command: sh, apiVersion: client.authentication.k8s.io/v1}",
        "",
        "users[].user.exec"
    )]
    #[case("auth-provider: {name: gcp}", "", "users[].user.auth-provider")]
    #[case("tokenFile: /var/run/secrets/token", "", "users[].user.tokenFile")]
    #[case("client-certificate: /etc/a", "", "users[].user.client-certificate")]
    #[case("client-key: /etc/a", "", "users[].user.client-key")]
    #[case(
        "token: abcd",
        ", certificate-authority: /etc/a",
        "clusters[].cluster.certificate-authority"
    )]
    #[tokio::test]
    async fn programs_and_files_of_the_pod_are_refused(
        #[case] user: &str,
        #[case] cluster: &str,
        #[case] field: &str,
    ) {
        let error = client(config(user, cluster).as_bytes()).await.err().unwrap();
        assert!(error.starts_with(&format!("{field} is not allowed: ")), "{error}");
    }

    #[tokio::test]
    async fn certificates_are_verified_and_nobody_else_is_acted_as() {
        let text = config(
            "token: abcd, as: admin, as-groups: ['system:masters']",
            ", insecure-skip-tls-verify: true",
        );
        let mut kubeconfig = Kubeconfig::from_yaml(&text).unwrap();
        confine(&mut kubeconfig).unwrap();
        let user = kubeconfig.auth_infos[0].auth_info.as_ref().unwrap();
        assert_eq!((&user.impersonate, &user.impersonate_groups), (&None, &None));
        let cluster = kubeconfig.clusters[0].cluster.as_ref().unwrap();
        assert_eq!(cluster.insecure_skip_tls_verify, None);
        let error = client(b"users: [{name: hunter2").await.err().unwrap();
        assert!(!error.contains("hunter2"), "{error}");
    }

    #[test]
    fn the_key_is_the_one_that_is_named_or_one_of_two() {
        let data = |names: &[&str]| SecretData {
            values: names
                .iter()
                .map(|name| ((*name).to_owned(), name.as_bytes().to_vec()))
                .collect(),
            ..SecretData::default()
        };
        assert_eq!(
            kubeconfig(&data(&["value", "value.yaml"]), None),
            Ok(&b"value"[..])
        );
        assert_eq!(kubeconfig(&data(&["value.yaml"]), None), Ok(&b"value.yaml"[..]));
        assert_eq!(kubeconfig(&data(&["value"]), Some("other")), Err("other"));
        assert_eq!(kubeconfig(&data(&["other"]), None), Err("value"));
    }
}
