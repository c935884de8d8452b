//! From tags to selections: each policy on the tags of its repository.

use std::collections::BTreeMap;

use fluxbot_api::image::ImagePolicy;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

use super::scan::Scan;
use crate::image::{ImageRef, PolicyKey};
use crate::objects::{ObjectKey, ObjectSet};
use crate::policy::{self, CompiledPolicy};

/// What became of a policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyOutcome {
    /// The policy.
    pub policy: PolicyKey,
    /// The image of its repository, where that is known.
    pub image: Option<String>,
    /// The selected image, or why there is none.
    pub result: Result<ImageRef, String>,
}

/// Runs every policy on the tags that were scanned.
///
/// A suspended policy, or one whose repository is suspended, gives no outcome: its markers stay as they are.
#[must_use]
pub fn select(objects: &ObjectSet, scans: &BTreeMap<ObjectKey, Scan>) -> Vec<PolicyOutcome> {
    let mut outcomes = Vec::new();
    for (key, declared) in &objects.policies {
        let policy = &declared.object;
        if policy.spec.suspend == Some(true) {
            continue;
        }
        let repository = repository_of(key, policy);
        if objects
            .repositories
            .get(&repository)
            .is_some_and(|found| found.object.spec.suspend == Some(true))
        {
            continue;
        }
        outcomes.push(PolicyOutcome {
            policy: PolicyKey::new(&key.namespace, &key.name),
            image: objects
                .repositories
                .get(&repository)
                .map(|found| found.object.spec.image.clone()),
            result: select_one(objects, scans, key, policy, &repository),
        });
    }
    outcomes
}

fn select_one(
    objects: &ObjectSet,
    scans: &BTreeMap<ObjectKey, Scan>,
    key: &ObjectKey,
    policy: &ImagePolicy,
    repository: &ObjectKey,
) -> Result<ImageRef, String> {
    let Some(declared) = objects.repositories.get(repository) else {
        return Err(format!("referenced ImageRepository does not exist: {repository}"));
    };
    check_access(objects, key, repository)?;
    let compiled = CompiledPolicy::from_spec(&policy.spec).map_err(|error| error.to_string())?;
    let Some(scan) = scans.get(repository) else {
        return Err(format!("ImageRepository {repository} was not scanned"));
    };
    let tags = scan.result.as_ref().map_err(Clone::clone)?;
    let tag = policy::select(tags, &compiled.policy, compiled.filter.as_ref())
        .map_err(|error| error.to_string())?;
    ImageRef::new(&declared.object.spec.image, tag, None).map_err(|error| error.to_string())
}

/// The repository that a policy refers to; its own namespace is the default.
pub(super) fn repository_of(key: &ObjectKey, policy: &ImagePolicy) -> ObjectKey {
    let reference = &policy.spec.image_repository_ref;
    let namespace = reference
        .namespace
        .as_deref()
        .filter(|namespace| !namespace.is_empty());
    ObjectKey::new(namespace.unwrap_or(&key.namespace), &reference.name)
}

/// Whether the repository lets the policy's namespace read it (`spec.accessFrom`).
fn check_access(objects: &ObjectSet, policy: &ObjectKey, repository: &ObjectKey) -> Result<(), String> {
    if policy.namespace == repository.namespace {
        return Ok(());
    }
    let access = objects
        .repositories
        .get(repository)
        .and_then(|found| found.object.spec.access_from.as_ref());
    let Some(access) = access else {
        return Err(format!(
            "access denied: '{repository}' can't be accessed due to missing ACL labels on 'accessFrom'"
        ));
    };
    let namespace = objects.namespaces.get(&policy.namespace);
    let mut labels = namespace
        .and_then(|found| found.metadata.labels.clone())
        .unwrap_or_default();
    // The API server labels every namespace with its name.
    labels.insert("kubernetes.io/metadata.name".to_owned(), policy.namespace.clone());
    let admitted = access.namespace_selectors.iter().any(|selector| {
        selector
            .match_labels
            .iter()
            .all(|(name, value)| labels.get(name) == Some(value))
    });
    if admitted {
        return Ok(());
    }
    Err(format!(
        "access denied: '{repository}' can't be accessed due to ACL labels mismatch on namespace '{}'",
        policy.namespace
    ))
}

/// Whether a label selector admits an object; no selector admits all.
pub(super) fn admits(selector: Option<&LabelSelector>, labels: Option<&BTreeMap<String, String>>) -> bool {
    let Some(selector) = selector else { return true };
    let value_of = |key: &str| labels.and_then(|labels| labels.get(key));
    let equal = selector
        .match_labels
        .iter()
        .flatten()
        .all(|(key, value)| value_of(key) == Some(value));
    let expressions = selector.match_expressions.iter().flatten().all(|expression| {
        let value = value_of(&expression.key);
        let listed = value.is_some_and(|value| expression.values.iter().flatten().any(|v| v == value));
        match expression.operator.as_str() {
            "In" => listed,
            "NotIn" => !listed,
            "Exists" => value.is_some(),
            "DoesNotExist" => value.is_none(),
            _ => false,
        }
    });
    equal && expressions
}
