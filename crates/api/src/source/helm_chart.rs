//! `HelmChart`: a chart from a Helm repository, a Git repository or a bucket.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Artifact, CATEGORIES, ChartVerification, GROUP};
use crate::crd::{self, Column, Status};
use crate::duration::{Duration, INTERVAL};
use crate::meta::AccessFrom;

custom_resource! {
    /// A version of a Helm chart, fetched or packaged and offered as an artifact.
    pub struct HelmChart {
        spec: HelmChartSpec,
        status: HelmChartStatus,
    }
    kind: "HelmChart",
    group: GROUP,
    versions: ["v1", "v1beta2", "v1beta1"],
    plural: "helmcharts",
    short_names: &["hc"],
    categories: CATEGORIES,
    status: Status::Defaulted,
    columns: &[
        Column::text("Chart", ".spec.chart"),
        Column::text("Version", ".spec.version"),
        Column::text("Source Kind", ".spec.sourceRef.kind"),
        Column::text("Source Name", ".spec.sourceRef.name"),
        Column::AGE,
        Column::READY,
        Column::STATUS,
    ],
}

/// Which version of which chart is fetched, and how often.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = crd::rules(&[(
    "!has(self.verify) || self.sourceRef.kind == 'HelmRepository'",
    "spec.verify is only supported when spec.sourceRef.kind is 'HelmRepository'",
)])))]
pub struct HelmChartSpec {
    /// v1beta1 and v1beta2 only: namespaces whose objects may use this source.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub access_from: Option<AccessFrom>,
    /// Name of the chart in a Helm repository, or its path in another source.
    pub chart: String,
    /// Whether values files that do not exist are passed over.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ignore_missing_values_files: Option<bool>,
    /// Time between two looks at the source.
    #[schemars(extend("pattern" = INTERVAL))]
    pub interval: Duration,
    /// What makes a new artifact.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = ReconcileStrategy::ChartVersion))]
    pub reconcile_strategy: Option<ReconcileStrategy>,
    /// The source of the chart, in the same namespace.
    pub source_ref: HelmChartSourceReference,
    /// Whether fetching pauses.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suspend: Option<bool>,
    /// v1beta1 and v1beta2 only: a single values file; `valuesFiles` takes its place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub values_file: Option<String>,
    /// Files that are merged, in this order, into the chart's values; by default `values.yaml`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values_files: Vec<String>,
    /// How the signature is verified; from an OCI registry only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verify: Option<ChartVerification>,
    /// Version of the chart, or a range of them; from a Helm repository only.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = "*"))]
    pub version: Option<String>,
}

/// The source of a chart.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HelmChartSourceReference {
    /// API version of the source.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_version: Option<String>,
    /// Kind of the source.
    pub kind: HelmChartSourceKind,
    /// Name of the source.
    pub name: String,
}

string_enum! {
    /// Kind of source that can hold a chart.
    pub enum HelmChartSourceKind {
        /// A Helm repository.
        HelmRepository = "HelmRepository",
        /// A Git repository.
        GitRepository = "GitRepository",
        /// A bucket.
        Bucket = "Bucket",
    }
}

string_enum! {
    /// What makes a new artifact of a chart.
    #[derive(Default)]
    pub enum ReconcileStrategy {
        /// A new version of the chart.
        #[default]
        ChartVersion = "ChartVersion",
        /// A new revision of the source.
        Revision = "Revision",
    }
}

/// What was fetched.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HelmChartStatus {
    /// The fetched chart.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub artifact: Option<Artifact>,
    /// Conditions of the object.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Vec<crd::Condition>")]
    pub conditions: Vec<Condition>,
    /// Value of the last reconcile request that was handled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_handled_reconcile_at: Option<String>,
    /// Name of the chart in the artifact.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_chart_name: Option<String>,
    /// Generation that was last reconciled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Revision of the source from which the artifact was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_source_artifact_revision: Option<String>,
    /// Values files with which the artifact was made.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub observed_values_files: Vec<String>,
    /// Address of the newest artifact.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
}
