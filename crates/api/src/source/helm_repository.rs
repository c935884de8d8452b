//! `HelmRepository`: the index of a Helm repository, or the address of one in an OCI registry.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Artifact, CATEGORIES, GROUP};
use crate::crd::{self, Column, Status};
use crate::duration::{Duration, INTERVAL, SHORT};
use crate::meta::{AccessFrom, CloudProvider, LocalObjectReference};

custom_resource! {
    /// A Helm repository whose index is fetched and offered as an artifact, or one in an OCI registry.
    pub struct HelmRepository {
        spec: HelmRepositorySpec,
        status: HelmRepositoryStatus,
    }
    kind: "HelmRepository",
    group: GROUP,
    versions: ["v1", "v1beta2", "v1beta1"],
    plural: "helmrepositories",
    short_names: &["helmrepo"],
    categories: CATEGORIES,
    status: Status::Defaulted,
    columns: &[Column::text("URL", ".spec.url"), Column::AGE, Column::READY, Column::STATUS],
}

/// Which repository is used, how often its index is fetched, and as whom.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HelmRepositorySpec {
    /// Kept for compatibility; it has no effect.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub access_from: Option<AccessFrom>,
    /// Secret with `tls.crt` and `tls.key` for a client certificate, `ca.crt` for an authority to trust besides the system's, or all three.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cert_secret_ref: Option<LocalObjectReference>,
    /// Whether a registry may be spoken to without TLS; with type `oci` only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub insecure: Option<bool>,
    /// Time between two fetches of the index; by default a minute.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("pattern" = INTERVAL))]
    pub interval: Option<Duration>,
    /// Whether the credentials are also sent to other hosts that the index names for its charts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pass_credentials: Option<bool>,
    /// Whose way of logging in to the registry is used; with type `oci` only.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = CloudProvider::Generic))]
    pub provider: Option<CloudProvider>,
    /// Secret with the credentials for the repository.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<LocalObjectReference>,
    /// Whether fetching pauses.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suspend: Option<bool>,
    /// Time after which a fetch is given up; by default a minute.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("pattern" = SHORT))]
    pub timeout: Option<Duration>,
    /// Kind of repository; by default one with an index.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub type_: Option<HelmRepositoryType>,
    /// Address of the repository.
    #[schemars(extend("pattern" = "^(http|https|oci)://.*$"))]
    pub url: String,
}

string_enum! {
    /// Kind of Helm repository.
    #[derive(Default)]
    pub enum HelmRepositoryType {
        /// A web server with an index.
        #[default]
        Default = "default",
        /// An OCI registry, which needs no index: the object is never reconciled.
        Oci = "oci",
    }
}

/// What was fetched.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HelmRepositoryStatus {
    /// The fetched index.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub artifact: Option<Artifact>,
    /// Conditions of the object.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Vec<crd::Condition>")]
    pub conditions: Vec<Condition>,
    /// Value of the last reconcile request that was handled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_handled_reconcile_at: Option<String>,
    /// Generation that was last reconciled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Address of the newest index.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
}
