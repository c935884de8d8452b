//! In which order objects are applied: by stage, by the rank of their kind, by group, kind, namespace and name.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use super::object::{GroupKind, ObjectId};

/// The kinds that come first in a stage, in this order; Flux's list.
const FIRST: [&str; 23] = [
    "CustomResourceDefinition",
    "Namespace",
    "ClusterRole",
    "ClusterClass",
    "RuntimeClass",
    "PriorityClass",
    "StorageClass",
    "VolumeSnapshotClass",
    "IngressClass",
    "GatewayClass",
    "ClusterRoleBinding",
    "ResourceQuota",
    "ServiceAccount",
    "Role",
    "RoleBinding",
    "ConfigMap",
    "Secret",
    "Service",
    "LimitRange",
    "Deployment",
    "StatefulSet",
    "CronJob",
    "PodDisruptionBudget",
];

/// The kinds that come last in a stage: a webhook must not judge what is applied together with its server.
const LAST: [&str; 2] = ["MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"];

/// A part of the objects that is applied before the next one begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// Definitions, namespaces and cluster roles, awaited before the next stage.
    Definitions,
    /// Kinds whose name ends in `Class`, awaited before the next stage.
    Classes,
    /// The kinds that the operator of the controller has named.
    Custom,
    /// Everything else.
    Rest,
}

impl Stage {
    /// All stages in their order.
    pub const ALL: [Self; 4] = [Self::Definitions, Self::Classes, Self::Custom, Self::Rest];

    /// The stage of an object.
    #[must_use]
    pub fn of(id: &ObjectId, custom: &BTreeSet<GroupKind>) -> Self {
        let is = |kind: &str, group: &str| id.kind.eq_ignore_ascii_case(kind) && id.group == group;
        if is("CustomResourceDefinition", "apiextensions.k8s.io")
            || is("Namespace", "")
            || is("ClusterRole", "rbac.authorization.k8s.io")
        {
            return Self::Definitions;
        }
        if id.kind.ends_with("Class") {
            return Self::Classes;
        }
        let kind = GroupKind {
            group: id.group.clone(),
            kind: id.kind.clone(),
        };
        if custom.contains(&kind) {
            Self::Custom
        } else {
            Self::Rest
        }
    }

    /// Whether the objects of the stage must be ready before the next one begins.
    #[must_use]
    pub fn is_awaited(self) -> bool {
        matches!(self, Self::Definitions | Self::Classes)
    }
}

/// The rank of a kind: objects of a lower rank are applied first, and deleted last.
#[must_use]
pub fn rank(kind: &str) -> i32 {
    let position = |list: &[&str]| {
        list.iter()
            .position(|entry| *entry == kind)
            .and_then(|index| i32::try_from(index).ok())
    };
    if let Some(index) = position(&FIRST) {
        return index - 23;
    }
    position(&LAST).map_or(0, |index| index + 1)
}

/// Compares two objects in the order in which they are applied; deletion takes the reverse.
#[must_use]
pub fn compare(one: &ObjectId, two: &ObjectId) -> Ordering {
    let key = |id: &ObjectId| rank(&id.kind);
    key(one)
        .cmp(&key(two))
        .then_with(|| one.group.cmp(&two.group))
        .then_with(|| one.kind.cmp(&two.kind))
        .then_with(|| one.namespace.cmp(&two.namespace))
        .then_with(|| one.name.cmp(&two.name))
}

#[cfg(test)]
mod tests;
