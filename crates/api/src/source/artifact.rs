//! `Artifact`: what a source offers to those who apply it.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A fetched and stored revision of a source.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Artifact {
    /// v1beta1 and v1beta2 only: SHA-256 of the file, in hexadecimal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checksum: Option<String>,
    /// Digest of the file: algorithm, colon, value.
    ///
    /// Objects that Flux stored before version 2.0 may lack it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(
        required,
        extend("pattern" = "^[a-z0-9]+(?:[.+_-][a-z0-9]+)*:[a-zA-Z0-9=_-]+$")
    )]
    pub digest: Option<String>,
    /// When the file was stored.
    pub last_update_time: Time,
    /// What the upstream says about the revision, such as the annotations of an OCI manifest.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, String>,
    /// Path of the file in the storage.
    pub path: String,
    /// Revision of the source, for example `main@sha1:` and the commit.
    pub revision: String,
    /// Size of the file in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<i64>,
    /// Address of the file.
    pub url: String,
}
