//! `ImageRepository`: an image whose tags are scanned.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{CATEGORIES, GROUP};
use crate::crd::{self, Column, Status};
use crate::duration::{Duration, INTERVAL, SHORT};
use crate::meta::{AccessFrom, CloudProvider, LocalObjectReference};

custom_resource! {
    /// An image in a registry whose tags are scanned.
    pub struct ImageRepository {
        spec: ImageRepositorySpec,
        status: ImageRepositoryStatus,
    }
    kind: "ImageRepository",
    group: GROUP,
    versions: ["v1", "v1beta2", "v1beta1"],
    plural: "imagerepositories",
    short_names: &["imgrepo", "imagerepo"],
    categories: CATEGORIES,
    status: Status::Defaulted,
    columns: &[
        Column::text("Image", ".spec.image"),
        Column::text("Tags", ".status.lastScanResult.tagCount"),
        Column::READY,
        Column::STATUS,
        Column::text("Last scan", ".status.lastScanResult.scanTime").wide(),
        Column::AGE,
    ],
}

/// Regular expression that `exclusionList` holds when a manifest gives none: cosign's signature tags.
pub const DEFAULT_EXCLUSION: &str = r"^.*\.sig$";

/// Which image to scan, how often, and as whom.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ImageRepositorySpec {
    /// Namespaces whose `ImagePolicies` may use this repository; by default only its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub access_from: Option<AccessFrom>,
    /// Secret with `tls.crt` and `tls.key` for a client certificate, `ca.crt` for an authority to trust besides the system's, or all three.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cert_secret_ref: Option<LocalObjectReference>,
    /// Regular expressions; a tag that one of them matches is left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("default" = [DEFAULT_EXCLUSION], "maxItems" = 25))]
    pub exclusion_list: Vec<String>,
    /// Name of the image, without scheme, tag and digest.
    pub image: String,
    /// Whether the registry may be spoken to without TLS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub insecure: Option<bool>,
    /// Time between two scans.
    #[schemars(extend("pattern" = INTERVAL))]
    pub interval: Duration,
    /// Whose way of logging in to the registry is used.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = CloudProvider::Generic))]
    pub provider: Option<CloudProvider>,
    /// Secret with the `address` of a proxy, and its `username` and `password` if it wants them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proxy_secret_ref: Option<LocalObjectReference>,
    /// Secret of type `kubernetes.io/dockerconfigjson` with the credentials for the registry.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<LocalObjectReference>,
    /// `ServiceAccount` whose pull secrets are used, or whose identity is used with a cloud provider.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("maxLength" = 253))]
    pub service_account_name: Option<String>,
    /// Whether scanning pauses.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suspend: Option<bool>,
    /// Time after which a scan is given up; by default the interval.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("pattern" = SHORT))]
    pub timeout: Option<Duration>,
}

/// What the last scans found.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ImageRepositoryStatus {
    /// The image's name with the registry and path that were implied.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub canonical_image_name: Option<String>,
    /// Conditions of the object.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Vec<crd::Condition>")]
    pub conditions: Vec<Condition>,
    /// Value of the last reconcile request that was handled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_handled_reconcile_at: Option<String>,
    /// What the last successful scan found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_scan_result: Option<ScanResult>,
    /// The exclusion list of the last successful scan.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub observed_exclusion_list: Vec<String>,
    /// Generation that was last reconciled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
}

/// What a scan found.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ScanResult {
    /// Some of the tags, at most ten, in descending order of their bytes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub latest_tags: Vec<String>,
    /// Checksum of all tags.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// When the scan ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scan_time: Option<Time>,
    /// Number of tags without the excluded ones.
    #[schemars(with = "crd::Integer")]
    pub tag_count: i64,
}
