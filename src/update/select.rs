//! From tags to selections: each policy on the tags of its repository.

use std::collections::BTreeMap;

use fluxbot_api::image::ImagePolicy;

use super::scan::Scan;
use crate::image::{ImageRef, PolicyKey};
use crate::objects::{ObjectKey, ObjectSet, check_access};
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
    let namespace = objects.namespaces.get(&key.namespace);
    let labels = namespace.and_then(|found| found.metadata.labels.as_ref());
    let access = declared.object.spec.access_from.as_ref();
    check_access(access, repository, &key.namespace, labels).map_err(|denied| denied.to_string())?;
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
    ObjectKey::referred(&key.namespace, reference.namespace.as_deref(), &reference.name)
}
