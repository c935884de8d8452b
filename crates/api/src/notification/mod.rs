//! Group `notification.toolkit.fluxcd.io`: sending events out, and taking webhooks in.

mod alert;
mod provider;
mod receiver;

pub use alert::*;
pub use provider::*;
pub use receiver::*;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

use crate::meta::{CATEGORY_ALL, CATEGORY_FLUXCD};

/// The API group.
pub const GROUP: &str = "notification.toolkit.fluxcd.io";

const CATEGORIES: &[&str] = &[CATEGORY_ALL, CATEGORY_FLUXCD, "fluxcd-notifications"];

/// Name that stands for all objects of a kind.
pub const ANY_NAME: &str = "*";

string_enum! {
    /// Kinds that emit events, and that a webhook can wake.
    pub enum ObservedKind {
        /// A bucket.
        Bucket = "Bucket",
        /// A Git repository.
        GitRepository = "GitRepository",
        /// A Kustomization.
        Kustomization = "Kustomization",
        /// A Helm release.
        HelmRelease = "HelmRelease",
        /// A Helm chart.
        HelmChart = "HelmChart",
        /// A Helm repository.
        HelmRepository = "HelmRepository",
        /// A scanned image.
        ImageRepository = "ImageRepository",
        /// A rule that selects a tag.
        ImagePolicy = "ImagePolicy",
        /// An automation that commits tags.
        ImageUpdateAutomation = "ImageUpdateAutomation",
        /// An artifact in an OCI registry.
        OciRepository = "OCIRepository",
        /// A generator of artifacts, of another controller.
        ArtifactGenerator = "ArtifactGenerator",
        /// An artifact that another controller makes.
        ExternalArtifact = "ExternalArtifact",
    }
}

/// Objects that an Alert listens to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EventSource {
    /// API version of the objects.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_version: Option<String>,
    /// Kind of the objects.
    pub kind: ObservedKind,
    /// Labels that the objects must have; with the name `*` only.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub match_labels: BTreeMap<String, String>,
    /// Name of the object, or `*` for all.
    #[schemars(extend("minLength" = 1, "maxLength" = 253))]
    pub name: String,
    /// Namespace of the objects; by default that of the Alert.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("minLength" = 1, "maxLength" = 253))]
    pub namespace: Option<String>,
}
