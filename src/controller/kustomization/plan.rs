//! What a `Kustomization` asks for, and what follows from what was found: no input, no output.

mod dependencies;
mod inventory;

use std::time::Duration;

use fluxbot_api::Reason;
use fluxbot_api::kustomize::{
    Kustomization, KustomizationSourceKind, KustomizationSourceReference, KustomizationSpec,
    SubstituteStrategy,
};
use fluxbot_api::source::GROUP as SOURCE_GROUP;
use fluxbot_kustomize::flux::Overrides;
use serde_json::{Value, json};

use super::memory::LastRun;
use crate::controller::outcome::{Failure, Recovery};
use crate::objects::ObjectKey;
use crate::source::SourceKey;
use crate::substitute;
use crate::sync::{Action, Applied, CommonMetadata, Entry, HealthRules, IgnoreRules, ObjectId, Owner};

pub use self::dependencies::{
    dependencies, dependency_missing, dependency_not_ready, has_expressions, is_on_its_way, settled, unready,
    unready_by_expression,
};
pub use self::inventory::{
    after_failure, claims, inventory, is_emptied_by_mistake, next_inventory, stale, write_ahead,
};

/// The shortest time that a run may take, and what the interval leaves of it, as in Flux.
const MIN_TIMEOUT: Duration = Duration::from_secs(30);

/// What a spec says of how to work, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// `spec.interval`.
    pub interval: Duration,
    /// `spec.retryInterval`, by default the interval.
    pub retry_interval: Duration,
    /// `spec.timeout`, by default 30 s less than the interval; 30 s at least.
    pub timeout: Duration,
    /// Where the manifests come from.
    pub source: SourceKey,
    /// The service account to act as, if any.
    pub service_account: Option<String>,
}

/// What the command line says that matters here.
#[derive(Debug, Clone, Copy, Default)]
pub struct Rules<'a> {
    /// `--no-cross-namespace-refs`.
    pub no_cross_namespace_refs: bool,
    /// `--default-service-account`.
    pub default_service_account: Option<&'a str>,
}

impl Settings {
    /// Reads and checks a spec.
    ///
    /// # Errors
    /// A source in another namespace where that is not allowed, a field that this version cannot honour, or a text that is no
    /// duration. Only a change of the object can help.
    pub fn of(key: &ObjectKey, spec: &KustomizationSpec, rules: Rules<'_>) -> Result<Self, Failure> {
        let source = source_key(key, &spec.source_ref);
        if rules.no_cross_namespace_refs && source.namespace != key.namespace {
            let SourceKey {
                kind,
                namespace,
                name,
            } = &source;
            let text = format!(
                "can't access '{kind}/{namespace}/{name}', cross-namespace references have been blocked"
            );
            return Err(Failure::stalled(Reason::AccessDenied, text));
        }
        if let Some(failure) = refused(spec) {
            return Err(failure);
        }
        let Times {
            interval,
            retry_interval,
            timeout,
        } = Times::of(spec)?;
        Ok(Self {
            interval,
            retry_interval,
            timeout,
            source,
            service_account: service_account(spec, rules.default_service_account),
        })
    }
}

/// The times of a `Kustomization`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Times {
    /// `spec.interval`.
    pub interval: Duration,
    /// `spec.retryInterval`, by default the interval.
    pub retry_interval: Duration,
    /// `spec.timeout`, by default 30 s less than the interval; 30 s at least.
    pub timeout: Duration,
}

impl Times {
    /// The times in a spec.
    ///
    /// # Errors
    /// A text that is no duration.
    pub fn of(spec: &KustomizationSpec) -> Result<Self, Failure> {
        let read = |field: &str, duration: &fluxbot_api::Duration| {
            duration
                .get()
                .map_err(|error| Failure::stalled(Reason::Failed, format!("spec.{field}: {error}")))
        };
        let interval = read("interval", &spec.interval)?;
        let retry = spec
            .retry_interval
            .as_ref()
            .map(|retry| read("retryInterval", retry));
        let timeout = spec.timeout.as_ref().map(|timeout| read("timeout", timeout));
        let timeout = timeout.transpose()?;
        Ok(Self {
            interval,
            retry_interval: retry.transpose()?.unwrap_or(interval),
            timeout: timeout
                .unwrap_or_else(|| interval.saturating_sub(MIN_TIMEOUT))
                .max(MIN_TIMEOUT),
        })
    }
}

/// The source that a reference names.
#[must_use]
pub fn source_key(key: &ObjectKey, reference: &KustomizationSourceReference) -> SourceKey {
    let namespace = reference
        .namespace
        .as_deref()
        .filter(|namespace| !namespace.is_empty());
    SourceKey::new(
        reference.kind.as_str(),
        namespace.unwrap_or(&key.namespace),
        &reference.name,
    )
}

/// The service account to act as: the object's own, else that of the command line.
#[must_use]
pub fn service_account(spec: &KustomizationSpec, default: Option<&str>) -> Option<String> {
    let legacy = spec.service_account.as_ref().map(|account| &account.name);
    let own = spec.service_account_name.as_ref().or(legacy);
    let own = own.map(String::as_str).filter(|name| !name.is_empty());
    own.or(default).map(str::to_owned)
}

/// A field that this version cannot honour. An object that sets one is refused: to apply without it would apply something else
/// than was asked for.
fn refused(spec: &KustomizationSpec) -> Option<Failure> {
    spec.decryption.as_ref()?;
    let text = "spec.decryption is not supported yet: no encrypted manifest is applied";
    Some(Failure::stalled(Reason::BuildFailed, text))
}

/// What Flux says before the cause of a failure that only a change of the object can help.
const TERMINAL: &str = "Reconciliation failed terminally due to configuration error";

fn invalid_expression(error: impl std::fmt::Display) -> Failure {
    Failure::stalled(Reason::InvalidCelExpression, format!("{TERMINAL}: {error}"))
}

/// How the health of objects is told.
///
/// # Errors
/// Expressions that are no CEL, or two for one kind.
pub fn health_rules(spec: &KustomizationSpec) -> Result<HealthRules, Failure> {
    HealthRules::new(&spec.health_check_exprs).map_err(invalid_expression)
}

/// The fields that are left to others.
///
/// # Errors
/// Targets or paths that cannot be understood.
pub fn ignore_rules(spec: &KustomizationSpec) -> Result<IgnoreRules, Failure> {
    IgnoreRules::new(&spec.ignore)
        .map_err(|error| Failure::stalled(Reason::ReconciliationFailed, error.to_string()))
}

/// How variables are put into the objects; `None` when the spec does not ask for it.
#[must_use]
pub fn substitution(spec: &KustomizationSpec) -> Option<substitute::Rules> {
    let post_build = spec.post_build.as_ref()?;
    Some(substitute::Rules {
        always: post_build.substitute_strategy == Some(SubstituteStrategy::Always),
        ..substitute::Rules::default()
    })
}

/// What is done about drift between two intervals: put back at once, where an annotation says so.
#[must_use]
pub fn corrects_at_once(object: &Kustomization) -> bool {
    let annotations = object.metadata.annotations.as_ref();
    let value = annotations.and_then(|annotations| annotations.get(fluxbot_api::annotation::DRIFT));
    value.is_some_and(|value| value == "immediate")
        && object.spec.kube_config.is_none()
        && object.spec.suspend != Some(true)
}

/// Refuses a source that this version cannot read.
///
/// # Errors
/// Every kind but `GitRepository`.
pub fn check_source_kind(kind: &KustomizationSourceKind) -> Result<(), Failure> {
    if *kind == KustomizationSourceKind::GitRepository {
        return Ok(());
    }
    let text = format!(
        "spec.sourceRef.kind '{}' is not supported yet: use a GitRepository",
        kind.as_str()
    );
    Err(Failure::stalled(Reason::ArtifactFailed, text))
}

/// The failure of a `Kustomization` whose source does not exist.
#[must_use]
pub fn source_not_found(settings: &Settings) -> Failure {
    let SourceKey { kind, name, .. } = &settings.source;
    let text = format!("{kind}.{SOURCE_GROUP} \"{name}\" not found");
    Failure::new(Reason::ArtifactFailed, text).recovery(Recovery::Wait(settings.retry_interval))
}

/// The failure of a `Kustomization` whose source has no artifact yet.
#[must_use]
pub fn artifact_not_found(pause: Duration) -> Failure {
    let text = format!(
        "Source artifact not found, retrying in {}",
        fluxbot_api::Duration::from(pause)
    );
    Failure::new(Reason::ArtifactFailed, text)
        .recovery(Recovery::Wait(pause))
        .severity(fluxbot_api::condition::EventSeverity::Info)
}

/// The folder of a tree that `spec.path` names, `""` being the root. `..` does not lead out of it.
#[must_use]
pub fn folder(path: Option<&str>) -> String {
    let mut names: Vec<&str> = Vec::new();
    for name in path.unwrap_or_default().split('/') {
        match name {
            "" | "." => {}
            ".." => {
                names.pop();
            }
            name => names.push(name),
        }
    }
    names.join("/")
}

/// What the spec changes about the build of its path.
///
/// The patches of older versions of the API are added behind those of the present one.
///
/// # Errors
/// A field that cannot be put into words for the build.
pub fn overrides(spec: &KustomizationSpec) -> Result<Overrides, serde_json::Error> {
    let mut patches = values(&spec.patches)?;
    for document in &spec.patches_strategic_merge {
        patches.push(json!({ "patch": document.0.to_string() }));
    }
    for patch in &spec.patches_json6902 {
        let operations = serde_json::to_string(&patch.patch)?;
        patches.push(json!({ "patch": operations, "target": serde_json::to_value(&patch.target)? }));
    }
    let metadata: Vec<String> = spec
        .build_metadata
        .iter()
        .map(|option| option.as_str().to_owned())
        .collect();
    Ok(Overrides {
        target_namespace: spec.target_namespace.clone(),
        name_prefix: spec.name_prefix.clone(),
        name_suffix: spec.name_suffix.clone(),
        patches,
        images: values(&spec.images)?,
        components: spec.components.clone(),
        ignore_missing_components: spec.ignore_missing_components == Some(true),
        build_metadata: Some(metadata).filter(|metadata| !metadata.is_empty()),
    })
}

fn values<T: serde::Serialize>(items: &[T]) -> Result<Vec<Value>, serde_json::Error> {
    items.iter().map(serde_json::to_value).collect()
}

/// The metadata that all objects get.
#[must_use]
pub fn common_metadata(spec: &KustomizationSpec) -> CommonMetadata {
    spec.common_metadata
        .as_ref()
        .map(|common| CommonMetadata {
            labels: common.labels.clone(),
            annotations: common.annotations.clone(),
        })
        .unwrap_or_default()
}

/// In whose name objects are applied.
#[must_use]
pub fn owner(key: &ObjectKey) -> Owner {
    Owner {
        name: key.name.clone(),
        namespace: key.namespace.clone(),
    }
}

/// Whether a run found nothing new in the repository: what it changes is drift.
#[must_use]
pub fn is_known(object: &Kustomization, revision: &str, digest: &str) -> bool {
    let Some(status) = &object.status else {
        return false;
    };
    settled(object) == Some(Some(revision))
        && status.history.first().is_some_and(|last| last.digest == digest)
}

/// Whether a run is the last one of an object as it is now, with nothing in between.
#[must_use]
pub(super) fn is_last_run_of(object: &Kustomization, last: &LastRun) -> bool {
    object.metadata.uid == last.uid
        && object.metadata.generation == Some(last.generation)
        && settled(object) == Some(Some(&last.revision))
}

/// What was changed in the cluster by others and put back, a line for each object with the fields that differed; empty when
/// there is nothing.
#[must_use]
pub fn drift(applied: &Applied) -> String {
    let lines = applied.changes.iter().filter_map(|change| {
        let subject = change.entry.id.subject();
        match change.action {
            Action::Created => Some(format!("{subject} was missing")),
            Action::Configured if change.fields.is_empty() => {
                Some(format!("{subject} had fields that belong to another manager"))
            }
            Action::Configured => {
                let fields: Vec<&str> = change.fields.iter().map(|field| field.path.as_str()).collect();
                Some(format!("{subject} differed in {}", fields.join(", ")))
            }
            _ => None,
        }
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// The objects whose health is awaited; `None` when none is asked for.
///
/// With `spec.wait` these are all applied objects but the `Kustomization` itself, which could never become ready before.
#[must_use]
pub fn health_targets(key: &ObjectKey, spec: &KustomizationSpec, applied: &Applied) -> Option<Vec<Entry>> {
    let is_self = |id: &ObjectId| {
        id.kind == "Kustomization" && id.name == key.name && id.namespace.as_deref() == Some(&key.namespace)
    };
    if spec.wait == Some(true) {
        let mut entries = applied.awaited();
        entries.retain(|entry| !is_self(&entry.id));
        return Some(entries);
    }
    if spec.health_checks.is_empty() {
        return None;
    }
    let entries = spec.health_checks.iter().map(|check| {
        let api_version = check.api_version.as_deref().filter(|version| !version.is_empty());
        let api_version = api_version.unwrap_or("apps/v1");
        let (group, version) = api_version.rsplit_once('/').unwrap_or(("", api_version));
        let namespace = check
            .namespace
            .as_deref()
            .filter(|namespace| !namespace.is_empty());
        Entry {
            id: ObjectId {
                namespace: Some(namespace.unwrap_or(&key.namespace).to_owned()),
                name: check.name.clone(),
                group: group.to_owned(),
                kind: check.kind.clone(),
            },
            version: version.to_owned(),
        }
    });
    Some(entries.filter(|entry| !is_self(&entry.id)).collect())
}

#[cfg(test)]
mod tests;
