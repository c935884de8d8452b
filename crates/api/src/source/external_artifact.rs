//! `ExternalArtifact`: an artifact that another controller makes.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Artifact, CATEGORIES, GROUP};
use crate::crd::{self, Column, Status};

custom_resource! {
    /// An artifact that another controller makes and stores.
    pub struct ExternalArtifact {
        spec: ExternalArtifactSpec,
        status: ExternalArtifactStatus,
    }
    kind: "ExternalArtifact",
    group: GROUP,
    versions: ["v1"],
    plural: "externalartifacts",
    short_names: &["ea"],
    categories: CATEGORIES,
    status: Status::Plain,
    columns: &[Column::AGE, Column::READY, Column::STATUS, Column::text("Source", ".spec.sourceRef.name")],
}

/// Where the artifact comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExternalArtifactSpec {
    /// The object from which the artifact is made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_ref: Option<ExternalSourceReference>,
}

/// The object from which an artifact is made, of any kind.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExternalSourceReference {
    /// API version of the object.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_version: Option<String>,
    /// Kind of the object.
    pub kind: String,
    /// Name of the object.
    pub name: String,
    /// Namespace of the object; by default that of the artifact.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
}

/// What the other controller offers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExternalArtifactStatus {
    /// The offered revision.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub artifact: Option<Artifact>,
    /// Conditions of the object.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Vec<crd::Condition>")]
    pub conditions: Vec<Condition>,
}
