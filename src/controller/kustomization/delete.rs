//! What becomes of the applied objects when their `Kustomization` is deleted.

use std::time::Duration;

use fluxbot_api::Reason;
use fluxbot_api::condition::EventSeverity;
use fluxbot_api::kustomize::{DeletionPolicy, GROUP, Kustomization, KustomizationSpec};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::Api;

use super::clusters::{ClusterError, Clusters};
use super::plan::{self, Rules, Times};
use crate::controller::attempt::Attempt;
use crate::controller::context::Context;
use crate::controller::outcome::Failure;
use crate::sync::DeleteOptions;

/// How long the API server may take to tell whether a service account exists.
const TIMEOUT: Duration = Duration::from_secs(15);

/// How long objects may take to go when the spec does not say.
const DEFAULT_TERMINATION: Duration = Duration::from_mins(2);

/// Deletes what the deletion policy says. Nothing while the object is suspended.
pub(super) async fn delete(
    context: &Context,
    clusters: &Clusters,
    rules: Rules<'_>,
    attempt: &mut Attempt<Kustomization>,
) -> Result<(), Failure> {
    let object = std::sync::Arc::clone(&attempt.object);
    let spec = &object.spec;
    let inventory = plan::inventory(&object);
    if spec.suspend == Some(true) || inventory.is_empty() || !deletes(spec) {
        return Ok(());
    }
    let namespace = &attempt.key.namespace.clone();
    let account = plan::service_account(spec, rules.default_service_account);
    if let Some(account) = &account
        && spec.kube_config.is_none()
        && !exists(context, namespace, account)
            .await
            .map_err(|text| failed(&object, &text))?
    {
        // Nobody is left in whose name the objects could be deleted; to wait for it would block the namespace's end.
        let text = format!(
            "unable to prune objects: service account '{namespace}/{account}' does not exist: {} objects are left behind",
            inventory.entries().len()
        );
        report(attempt, EventSeverity::Error, &text);
        return Ok(());
    }
    let appliers = match clusters.of(context, namespace, spec.kube_config.as_ref()).await {
        Ok(appliers) => appliers,
        // The way to the cluster is gone with its Secret; to wait for it would block the namespace's end.
        Err(
            error @ (ClusterError::Missing { .. } | ClusterError::NoKey { .. } | ClusterError::ConfigMap),
        ) => {
            let count = inventory.entries().len();
            let text = format!("unable to prune objects: {error}: {count} objects are left behind");
            report(attempt, EventSeverity::Error, &text);
            return Ok(());
        }
        Err(error) => {
            let text = format!("pruning for deleted resource failed: {error}");
            return Err(failed(&object, &text));
        }
    };
    let applier = appliers.for_identity(account.as_deref(), namespace);
    let options = DeleteOptions {
        owner: plan::owner(&attempt.key),
        timeout: Times::of(spec).map_or(DEFAULT_TERMINATION, |times| times.timeout),
    };
    let policy = policy(spec);
    let prune = spec.prune;
    match applier
        .delete_all(&inventory, policy, prune, &options, &attempt.cancel)
        .await
    {
        Ok(pruned) => {
            let log = pruned.change_log();
            if !log.is_empty() {
                report(attempt, EventSeverity::Info, &log);
            }
            Ok(())
        }
        Err(error) => Err(failed(
            &object,
            &format!("pruning for deleted resource failed: {error}"),
        )),
    }
}

fn policy(spec: &KustomizationSpec) -> DeletionPolicy {
    spec.deletion_policy.unwrap_or_default()
}

fn deletes(spec: &KustomizationSpec) -> bool {
    match policy(spec) {
        DeletionPolicy::MirrorPrune => spec.prune,
        DeletionPolicy::Delete | DeletionPolicy::WaitForTermination => true,
        DeletionPolicy::Orphan => false,
    }
}

async fn exists(context: &Context, namespace: &str, name: &str) -> Result<bool, String> {
    let api: Api<ServiceAccount> = Api::namespaced(context.client.clone(), namespace);
    let found = tokio::time::timeout(TIMEOUT, api.get_opt(name)).await;
    let problem = |text: String| format!("failed to get service account '{namespace}/{name}': {text}");
    let found = found.map_err(|_| problem("the API server did not answer in time".to_owned()))?;
    Ok(found.map_err(|error| problem(error.to_string()))?.is_some())
}

fn report(attempt: &mut Attempt<Kustomization>, severity: EventSeverity, text: &str) {
    let revision = attempt.status.last_applied_revision.clone().unwrap_or_default();
    attempt
        .event(severity, Reason::Progressing, text)
        .with(format!("{GROUP}/revision"), revision);
}

fn failed(object: &Kustomization, text: &str) -> Failure {
    let status = object.status.as_ref();
    let revision = status.and_then(|status| status.last_applied_revision.as_deref());
    super::with_revision(
        Failure::new(Reason::PruneFailed, text),
        revision.unwrap_or_default(),
    )
}
