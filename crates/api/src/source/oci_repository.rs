//! `OCIRepository`: a revision of an artifact in an OCI registry.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Artifact, CATEGORIES, GROUP, OciVerification};
use crate::crd::{self, Column, Status};
use crate::duration::{Duration, INTERVAL, SHORT};
use crate::meta::{CloudProvider, LocalObjectReference};

custom_resource! {
    /// A revision of an artifact in an OCI registry, fetched and offered as an artifact.
    pub struct OciRepository {
        spec: OciRepositorySpec,
        status: OciRepositoryStatus,
    }
    kind: "OCIRepository",
    group: GROUP,
    versions: ["v1", "v1beta2"],
    plural: "ocirepositories",
    short_names: &["ocirepo"],
    categories: CATEGORIES,
    status: Status::Defaulted,
    columns: &[Column::text("URL", ".spec.url"), Column::READY, Column::STATUS, Column::AGE],
}

/// Which revision of which artifact is fetched, how often, and as whom.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OciRepositorySpec {
    /// Secret with `tls.crt` and `tls.key` for a client certificate, `ca.crt` for an authority to trust besides the system's, or all three.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cert_secret_ref: Option<LocalObjectReference>,
    /// Files that are left out, in the syntax of `.gitignore`; added to what `.sourceignore` files say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ignore: Option<String>,
    /// Whether the registry may be spoken to without TLS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub insecure: Option<bool>,
    /// Time between two looks at the registry.
    #[schemars(extend("pattern" = INTERVAL))]
    pub interval: Duration,
    /// Which layer is taken, and how; by default the first one is unpacked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub layer_selector: Option<OciLayerSelector>,
    /// Whose way of logging in to the registry is used.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = CloudProvider::Generic))]
    pub provider: Option<CloudProvider>,
    /// Secret with the `address` of a proxy, and its `username` and `password` if it wants them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proxy_secret_ref: Option<LocalObjectReference>,
    /// Which revision is fetched; by default the tag `latest`.
    #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
    pub reference: Option<OciRepositoryRef>,
    /// Secret of type `kubernetes.io/dockerconfigjson` with the credentials for the registry.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<LocalObjectReference>,
    /// `ServiceAccount` whose pull secrets are used, or whose identity is used with a cloud provider.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_account_name: Option<String>,
    /// Whether fetching pauses.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suspend: Option<bool>,
    /// Time after which an operation on the registry is given up.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = "60s", "pattern" = SHORT))]
    pub timeout: Option<Duration>,
    /// Address of the artifact, without tag and digest.
    #[schemars(extend("pattern" = "^oci://.*$"))]
    pub url: String,
    /// How the signature is verified; by default it is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verify: Option<OciVerification>,
}

/// Which revision of an artifact is fetched.
///
/// Of several the first one in the order digest, semver, tag holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OciRepositoryRef {
    /// Digest of the manifest or index.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// A range of semantic versions; the highest tag in it is taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub semver: Option<String>,
    /// Regular expression that a tag must match to be considered for `semver`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub semver_filter: Option<String>,
    /// A tag.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
}

/// Which layer of an artifact is taken, and how.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OciLayerSelector {
    /// Media type of the layer; the first one of this type is taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    /// What happens to the layer; by default `extract`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operation: Option<OciLayerOperation>,
}

string_enum! {
    /// What happens to a layer.
    #[derive(Default)]
    pub enum OciLayerOperation {
        /// It is unpacked, and the files are packed again without the ignored ones.
        #[default]
        Extract = "extract",
        /// It is kept byte by byte.
        Copy = "copy",
    }
}

/// What was fetched.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OciRepositoryStatus {
    /// The fetched revision.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub artifact: Option<Artifact>,
    /// Conditions of the object.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Vec<crd::Condition>")]
    pub conditions: Vec<Condition>,
    /// v1beta2 only: checksum of what shapes the artifact's content.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_config_checksum: Option<String>,
    /// Value of the last reconcile request that was handled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_handled_reconcile_at: Option<String>,
    /// Generation that was last reconciled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// `spec.ignore` with which the artifact was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_ignore: Option<String>,
    /// `spec.layerSelector` with which the artifact was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_layer_selector: Option<OciLayerSelector>,
    /// Address of the newest artifact.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
}
