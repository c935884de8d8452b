//! `HelmRelease`: a Helm chart with its values, installed in a cluster.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

use super::{CATEGORIES, GROUP, HelmReleaseStatus, Install, Rollback, Test, Uninstall, Upgrade};
use crate::crd::{self, Column, Status};
use crate::duration::{Duration, INTERVAL};
use crate::kustomize::{Document, IgnoreRule, Image, Json6902Patch, Patch};
use crate::meta::{
    CommonMetadata, DependencyReference, HealthCheckExpression, KubeConfigReference, LocalObjectReference,
};
use crate::source::{HelmChartSourceKind, ReconcileStrategy, VerificationProvider};

custom_resource! {
    /// A Helm chart with its values that is installed in a cluster and kept up to date.
    pub struct HelmRelease {
        spec: HelmReleaseSpec,
        status: HelmReleaseStatus,
    }
    kind: "HelmRelease",
    group: GROUP,
    versions: ["v2", "v2beta2", "v2beta1"],
    plural: "helmreleases",
    short_names: &["hr"],
    categories: CATEGORIES,
    status: Status::Defaulted,
    columns: &[Column::AGE, Column::READY, Column::STATUS],
}

/// Which chart is installed with which values, and where and how.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = crd::rules(&[(
    "(has(self.chart) && !has(self.chartRef)) || (!has(self.chart) && has(self.chartRef))",
    "either chart or chartRef must be set",
)])))]
pub struct HelmReleaseSpec {
    /// The chart, from which a `HelmChart` is made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chart: Option<HelmChartTemplate>,
    /// An existing source that holds the chart, instead of `chart`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chart_ref: Option<ChartReference>,
    /// Labels and annotations that every object of the release gets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub common_metadata: Option<CommonMetadata>,
    /// `HelmReleases` that must be ready first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub depends_on: Vec<DependencyReference>,
    /// What happens when the cluster differs from the release; by default nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drift_detection: Option<DriftDetection>,
    /// How to tell the health of custom resources; with the wait strategy `poller` only.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub health_check_exprs: Vec<HealthCheckExpression>,
    /// How the release is installed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub install: Option<Install>,
    /// Time between two reconciliations.
    #[schemars(extend("pattern" = INTERVAL))]
    pub interval: Duration,
    /// The cluster to install in; by default the one in which this object is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kube_config: Option<KubeConfigReference>,
    /// How many revisions of the release are kept; 0 keeps all, and 5 is the default.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<crd::Integer>")]
    pub max_history: Option<i64>,
    /// Whether one client serves all steps of a reconciliation; by default it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub persistent_client: Option<bool>,
    /// Whether and how hooks pass the post-renderers; by default `combined`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub post_render_strategy: Option<PostRenderStrategy>,
    /// Changes to the rendered objects, made in this order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub post_renderers: Vec<PostRenderer>,
    /// Name of the release; by default target namespace and name of this object.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("minLength" = 1, "maxLength" = 53))]
    pub release_name: Option<String>,
    /// How the release is rolled back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rollback: Option<Rollback>,
    /// `ServiceAccount` to act as.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("minLength" = 1, "maxLength" = 253))]
    pub service_account_name: Option<String>,
    /// Namespace in which Helm keeps the release; by default that of this object.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("minLength" = 1, "maxLength" = 63))]
    pub storage_namespace: Option<String>,
    /// Whether reconciling pauses.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suspend: Option<bool>,
    /// Namespace of the release; by default that of this object.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("minLength" = 1, "maxLength" = 63))]
    pub target_namespace: Option<String>,
    /// How the release is tested.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub test: Option<Test>,
    /// Time after which a single operation of Helm is given up; by default five minutes.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("pattern" = INTERVAL))]
    pub timeout: Option<Duration>,
    /// How the release is uninstalled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uninstall: Option<Uninstall>,
    /// How the release is upgraded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upgrade: Option<Upgrade>,
    /// Values; they win over those of `valuesFrom`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kubernetes-preserve-unknown-fields" = true))]
    pub values: Option<Value>,
    /// `ConfigMaps` and Secrets with values; later ones win.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values_from: Vec<ValuesReference>,
    /// How Helm waits for the objects to become ready.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wait_strategy: Option<WaitStrategy>,
}

/// The `HelmChart` that is made for a release.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HelmChartTemplate {
    /// Labels and annotations of the `HelmChart`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metadata: Option<HelmChartTemplateMetadata>,
    /// Spec of the `HelmChart`.
    pub spec: HelmChartTemplateSpec,
}

/// Labels and annotations of the `HelmChart` that is made for a release.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HelmChartTemplateMetadata {
    /// Annotations.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// Labels.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
}

/// Spec of the `HelmChart` that is made for a release.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HelmChartTemplateSpec {
    /// Name of the chart in a Helm repository, or its path in another source.
    #[schemars(extend("minLength" = 1, "maxLength" = 2048))]
    pub chart: String,
    /// Whether values files that do not exist are passed over.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ignore_missing_values_files: Option<bool>,
    /// Time between two looks at the source; by default the release's interval.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("pattern" = INTERVAL))]
    pub interval: Option<Duration>,
    /// What makes a new artifact.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = ReconcileStrategy::ChartVersion))]
    pub reconcile_strategy: Option<ReconcileStrategy>,
    /// The source of the chart.
    pub source_ref: HelmChartTemplateSourceReference,
    /// v2beta1 and v2beta2 only: a single values file; `valuesFiles` takes its place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub values_file: Option<String>,
    /// Files that are merged, in this order, into the chart's values; by default `values.yaml`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values_files: Vec<String>,
    /// How the signature is verified; from an OCI registry only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verify: Option<HelmChartTemplateVerification>,
    /// Version of the chart, or a range of them; from a Helm repository only.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = "*"))]
    pub version: Option<String>,
}

/// The source of a release's chart.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HelmChartTemplateSourceReference {
    /// API version of the source.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_version: Option<String>,
    /// Kind of the source.
    pub kind: HelmChartSourceKind,
    /// Name of the source.
    #[schemars(extend("minLength" = 1, "maxLength" = 253))]
    pub name: String,
    /// Namespace of the source; by default that of the release.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("minLength" = 1, "maxLength" = 63))]
    pub namespace: Option<String>,
}

/// How the signature of a release's chart is verified.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HelmChartTemplateVerification {
    /// Tool with which the chart was signed.
    #[serde(default)]
    #[schemars(extend("x-fluxbot-required" = true))]
    pub provider: VerificationProvider,
    /// Secret with the public keys.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<LocalObjectReference>,
}

/// An existing source that holds a release's chart.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ChartReference {
    /// API version of the source.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_version: Option<String>,
    /// Kind of the source.
    pub kind: ChartReferenceKind,
    /// Name of the source.
    #[schemars(extend("minLength" = 1, "maxLength" = 253))]
    pub name: String,
    /// Namespace of the source; by default that of the release.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("minLength" = 1, "maxLength" = 63))]
    pub namespace: Option<String>,
}

string_enum! {
    /// Kind of existing source that can hold a release's chart.
    pub enum ChartReferenceKind {
        /// An artifact in an OCI registry.
        OciRepository = "OCIRepository",
        /// A chart.
        HelmChart = "HelmChart",
        /// An artifact that another controller makes.
        ExternalArtifact = "ExternalArtifact",
    }
}

/// What happens when the cluster differs from the release.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DriftDetection {
    /// Fields that may differ.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ignore: Vec<IgnoreRule>,
    /// What happens; by default nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<DriftDetectionMode>,
}

string_enum! {
    /// What happens when the cluster differs from the release.
    #[derive(Default)]
    pub enum DriftDetectionMode {
        /// It is corrected.
        Enabled = "enabled",
        /// It is reported.
        Warn = "warn",
        /// Nothing.
        #[default]
        Disabled = "disabled",
    }
}

string_enum! {
    /// Whether and how hooks pass the post-renderers.
    #[derive(Default)]
    pub enum PostRenderStrategy {
        /// They do not.
        NoHooks = "nohooks",
        /// Together with the other objects.
        #[default]
        Combined = "combined",
        /// Apart from the other objects.
        Separate = "separate",
    }
}

/// A change to the rendered objects.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PostRenderer {
    /// Patches and images of kustomize.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kustomize: Option<KustomizePostRenderer>,
}

/// Kustomize's changes to the rendered objects.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct KustomizePostRenderer {
    /// Images whose name, tag or digest is replaced.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub images: Vec<Image>,
    /// Patches, applied in this order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub patches: Vec<Patch>,
    /// v2beta1 and v2beta2 only: JSON 6902 patches; `patches` takes its place.
    #[serde(default, rename = "patchesJson6902", skip_serializing_if = "Vec::is_empty")]
    pub patches_json6902: Vec<Json6902Patch>,
    /// v2beta1 and v2beta2 only: strategic merge patches; `patches` takes its place.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub patches_strategic_merge: Vec<Document>,
}

/// A `ConfigMap` or Secret with values.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ValuesReference {
    /// Kind of the object.
    pub kind: ValuesReferenceKind,
    /// Whether the value is set at `targetPath` as it is, without Helm's syntax for lists and escapes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub literal: Option<bool>,
    /// Name of the object, in the same namespace.
    #[schemars(extend("minLength" = 1, "maxLength" = 253))]
    pub name: String,
    /// Whether the object or its key may be missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub optional: Option<bool>,
    /// Path at which a single value is set; by default the key holds YAML that is merged at the root.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("maxLength" = 250, "pattern" = r"^([a-zA-Z0-9_\-.\\\/]|\[[0-9]{1,5}\])+$"))]
    pub target_path: Option<String>,
    /// Key of the object; by default `values.yaml`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("maxLength" = 253, "pattern" = r"^[\-._a-zA-Z0-9]+$"))]
    pub values_key: Option<String>,
}

string_enum! {
    /// Kind of object that can hold values.
    pub enum ValuesReferenceKind {
        /// A Secret.
        Secret = "Secret",
        /// A `ConfigMap`.
        ConfigMap = "ConfigMap",
    }
}

/// How Helm waits for the objects to become ready.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WaitStrategy {
    /// The strategy.
    pub name: WaitStrategyName,
}

string_enum! {
    /// A way to wait for objects to become ready.
    #[derive(Default)]
    pub enum WaitStrategyName {
        /// By the status that all kinds share.
        #[default]
        Poller = "poller",
        /// As Helm 3 did, by rules for each built-in kind.
        Legacy = "legacy",
    }
}
