//! Status of a `Kustomization`.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

use crate::crd;
use crate::duration::Duration;
use crate::meta::Inventory;

/// What was applied.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct KustomizationStatus {
    /// Conditions of the object.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Vec<crd::Condition>")]
    pub conditions: Vec<Condition>,
    /// The last reconciliations with different results, newest first, at most five.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub history: Vec<HistoryEntry>,
    /// The objects that were applied.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inventory: Option<Inventory>,
    /// Revision of the source code from which the last applied artifact was made, if the artifact names it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_applied_origin_revision: Option<String>,
    /// Revision that was last applied completely.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_applied_revision: Option<String>,
    /// Revision whose application was last begun.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_attempted_revision: Option<String>,
    /// Value of the last reconcile request that was handled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_handled_reconcile_at: Option<String>,
    /// Generation that was last reconciled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// v1beta1 only: the kinds that were applied; `inventory` takes its place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<Snapshot>,
}

/// Reconciliations of the same built objects with the same result.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HistoryEntry {
    /// Digest of the built objects.
    pub digest: String,
    /// When they were first reconciled with this result.
    pub first_reconciled: Time,
    /// When they were last reconciled with this result.
    pub last_reconciled: Time,
    /// How long the last of these reconciliations took.
    pub last_reconciled_duration: Duration,
    /// Reason of the Ready condition after the last of these reconciliations.
    pub last_reconciled_status: String,
    /// Further details, such as the revision.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, String>,
    /// How many reconciliations there were.
    pub total_reconciliations: i64,
}

/// The kinds that were applied, as old versions kept them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Snapshot {
    /// Checksum of the manifests.
    pub checksum: String,
    /// The kinds by namespace.
    pub entries: Vec<SnapshotEntry>,
}

/// The kinds that were applied in one namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SnapshotEntry {
    /// API versions and kinds.
    pub kinds: BTreeMap<String, String>,
    /// The namespace; absent for objects without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
}
