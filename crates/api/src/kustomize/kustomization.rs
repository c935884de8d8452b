//! `Kustomization`: a directory of manifests that is built and applied.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

use super::{CATEGORIES, Document, GROUP, IgnoreRule, Image, Json6902Patch, KustomizationStatus, Patch};
use crate::crd::{Column, Status};
use crate::duration::{Duration, INTERVAL};
use crate::meta::{
    CommonMetadata, DependencyReference, HealthCheckExpression, KubeConfigReference, LocalObjectReference,
};

custom_resource! {
    /// A directory of a source whose manifests are built with kustomize and applied to a cluster.
    pub struct Kustomization {
        spec: KustomizationSpec,
        status: KustomizationStatus,
    }
    kind: "Kustomization",
    group: GROUP,
    versions: ["v1", "v1beta2", "v1beta1"],
    plural: "kustomizations",
    short_names: &["ks"],
    categories: CATEGORIES,
    status: Status::Defaulted,
    columns: &[Column::AGE, Column::READY, Column::STATUS],
}

/// What is built, how it is changed, and where and how it is applied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct KustomizationSpec {
    /// Annotations about their origin that the built objects get.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub build_metadata: Vec<BuildMetadataOption>,
    /// Labels and annotations that every applied object gets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub common_metadata: Option<CommonMetadata>,
    /// Directories of kustomize components that are added to the build, relative to `path`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub components: Vec<String>,
    /// How encrypted manifests are decrypted; by default they are not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decryption: Option<Decryption>,
    /// What happens to the applied objects when this one is deleted; by default `MirrorPrune`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deletion_policy: Option<DeletionPolicy>,
    /// Kustomizations that must be ready first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub depends_on: Vec<DependencyReference>,
    /// Whether an object is recreated when a field cannot be changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = false))]
    pub force: Option<bool>,
    /// How to tell the health of custom resources.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub health_check_exprs: Vec<HealthCheckExpression>,
    /// Objects whose health is awaited, unless `wait` asks for all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub health_checks: Vec<HealthCheckTarget>,
    /// Fields that are left as they are in the cluster.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ignore: Vec<IgnoreRule>,
    /// Whether components that do not exist are passed over.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ignore_missing_components: Option<bool>,
    /// Images whose name, tag or digest is replaced.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub images: Vec<Image>,
    /// Time between two reconciliations.
    #[schemars(extend("pattern" = INTERVAL))]
    pub interval: Duration,
    /// The cluster to apply to; by default the one in which this object is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kube_config: Option<KubeConfigReference>,
    /// Text that is put before the names of all objects.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("minLength" = 1, "maxLength" = 200))]
    pub name_prefix: Option<String>,
    /// Text that is put after the names of all objects.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("minLength" = 1, "maxLength" = 200))]
    pub name_suffix: Option<String>,
    /// Patches, applied in this order after those of the directory.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub patches: Vec<Patch>,
    /// v1beta1 and v1beta2 only: JSON 6902 patches; `patches` takes its place.
    #[serde(default, rename = "patchesJson6902", skip_serializing_if = "Vec::is_empty")]
    pub patches_json6902: Vec<Json6902Patch>,
    /// v1beta1 and v1beta2 only: strategic merge patches; `patches` takes its place.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub patches_strategic_merge: Vec<Document>,
    /// Directory of the source that is built; by default its root.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// What is done with the built objects before they are applied.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub post_build: Option<PostBuild>,
    /// Whether objects that leave the source are deleted.
    pub prune: bool,
    /// Time until the next try after a failure; by default the interval.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("pattern" = INTERVAL))]
    pub retry_interval: Option<Duration>,
    /// v1beta1 only: the `ServiceAccount` to act as; `serviceAccountName` takes its place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_account: Option<LegacyServiceAccount>,
    /// `ServiceAccount` to act as when applying.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_account_name: Option<String>,
    /// The source of the manifests.
    pub source_ref: KustomizationSourceReference,
    /// Whether reconciling pauses.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suspend: Option<bool>,
    /// Namespace that all objects get.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("minLength" = 1, "maxLength" = 63))]
    pub target_namespace: Option<String>,
    /// Time after which building, applying and awaiting health are given up; by default the interval less 30 seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("pattern" = INTERVAL))]
    pub timeout: Option<Duration>,
    /// v1beta1 and v1beta2 only: where manifests were validated, which now the API server always does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub validation: Option<LegacyValidation>,
    /// Whether the health of all applied objects is awaited.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wait: Option<bool>,
}

string_enum! {
    /// Annotations about their origin that built objects get.
    pub enum BuildMetadataOption {
        /// Which file an object comes from.
        OriginAnnotations = "originAnnotations",
        /// What changed an object.
        TransformerAnnotations = "transformerAnnotations",
    }
}

/// How encrypted manifests are decrypted.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Decryption {
    /// Tool with which they were encrypted.
    pub provider: DecryptionProvider,
    /// Secret with the private keys or the credentials of key services.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<LocalObjectReference>,
    /// `ServiceAccount` whose identity is used with the key service of a cloud.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_account_name: Option<String>,
}

string_enum! {
    /// Tool with which manifests were encrypted.
    pub enum DecryptionProvider {
        /// SOPS.
        Sops = "sops",
    }
}

string_enum! {
    /// What happens to the applied objects when a Kustomization is deleted.
    #[derive(Default)]
    pub enum DeletionPolicy {
        /// They are deleted if `prune` is set, and kept otherwise.
        #[default]
        MirrorPrune = "MirrorPrune",
        /// They are deleted.
        Delete = "Delete",
        /// They are deleted, and the Kustomization stays until they are gone.
        WaitForTermination = "WaitForTermination",
        /// They are kept.
        Orphan = "Orphan",
    }
}

/// An object whose health is awaited.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HealthCheckTarget {
    /// API version of the object; by default `apps/v1`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_version: Option<String>,
    /// Kind of the object.
    pub kind: String,
    /// Name of the object.
    pub name: String,
    /// Namespace of the object; by default that of the Kustomization.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
}

/// What is done with the built objects before they are applied.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PostBuild {
    /// Variables with their values; they win over those of `substituteFrom`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub substitute: BTreeMap<String, String>,
    /// `ConfigMaps` and Secrets whose keys are variables; later ones win.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub substitute_from: Vec<SubstituteReference>,
    /// When variables are replaced; by default if there are any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub substitute_strategy: Option<SubstituteStrategy>,
}

/// A `ConfigMap` or Secret whose keys are variables.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SubstituteReference {
    /// Kind of the object.
    pub kind: SubstituteKind,
    /// Name of the object, in the same namespace.
    #[schemars(extend("minLength" = 1, "maxLength" = 253))]
    pub name: String,
    /// Whether the object may be missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = false))]
    pub optional: Option<bool>,
}

string_enum! {
    /// Kind of object that can hold variables.
    pub enum SubstituteKind {
        /// A Secret.
        Secret = "Secret",
        /// A `ConfigMap`.
        ConfigMap = "ConfigMap",
    }
}

string_enum! {
    /// When variables are replaced.
    #[derive(Default)]
    pub enum SubstituteStrategy {
        /// If there are variables.
        #[default]
        WithVariables = "WithVariables",
        /// Even if there are none, so that escapes and defaults take effect.
        Always = "Always",
    }
}

/// The source of a Kustomization's manifests.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct KustomizationSourceReference {
    /// API version of the source.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_version: Option<String>,
    /// Kind of the source.
    pub kind: KustomizationSourceKind,
    /// Name of the source.
    pub name: String,
    /// Namespace of the source; by default that of the Kustomization.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
}

string_enum! {
    /// Kind of source that can hold manifests.
    pub enum KustomizationSourceKind {
        /// An artifact in an OCI registry.
        OciRepository = "OCIRepository",
        /// A Git repository.
        GitRepository = "GitRepository",
        /// A bucket.
        Bucket = "Bucket",
        /// An artifact that another controller makes.
        ExternalArtifact = "ExternalArtifact",
    }
}

/// The `ServiceAccount` to act as, in the form of old versions.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LegacyServiceAccount {
    /// Name of the `ServiceAccount`.
    pub name: String,
    /// Namespace of the `ServiceAccount`.
    pub namespace: String,
}

string_enum! {
    /// Where old versions validated manifests.
    pub enum LegacyValidation {
        /// Nowhere.
        None = "none",
        /// In the controller.
        Client = "client",
        /// In the API server.
        Server = "server",
    }
}
