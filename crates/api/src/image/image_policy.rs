//! `ImagePolicy`: a rule that selects one tag of an image.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{CATEGORIES, GROUP};
use crate::crd::{self, Column, Status};
use crate::duration::{Duration, INTERVAL};
use crate::meta::NamespacedObjectReference;

custom_resource! {
    /// A rule that selects the newest tag of a scanned image.
    pub struct ImagePolicy {
        spec: ImagePolicySpec,
        status: ImagePolicyStatus,
    }
    kind: "ImagePolicy",
    group: GROUP,
    versions: ["v1", "v1beta2", "v1beta1"],
    plural: "imagepolicies",
    short_names: &["imgpol", "imagepol"],
    categories: CATEGORIES,
    status: Status::Defaulted,
    columns: &[
        Column::text("Image", ".status.latestRef.name"),
        Column::text("Tag", ".status.latestRef.tag"),
        Column::READY,
        Column::STATUS,
        Column::AGE,
    ],
}

/// Which tags are considered, and which one of them wins.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = crd::rules(&[
    (
        "!has(self.interval) || (has(self.digestReflectionPolicy) && self.digestReflectionPolicy == 'Always')",
        "spec.interval is only accepted when spec.digestReflectionPolicy is set to 'Always'",
    ),
    (
        "has(self.interval) || !has(self.digestReflectionPolicy) || self.digestReflectionPolicy != 'Always'",
        "spec.interval must be set when spec.digestReflectionPolicy is set to 'Always'",
    ),
])))]
pub struct ImagePolicySpec {
    /// When the digest behind the selected tag is looked up.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = DigestReflectionPolicy::Never))]
    pub digest_reflection_policy: Option<DigestReflectionPolicy>,
    /// Which tags are considered; by default all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub filter_tags: Option<TagFilter>,
    /// The `ImageRepository` whose tags are considered.
    pub image_repository_ref: NamespacedObjectReference,
    /// Time between two lookups of the digest; with `digestReflectionPolicy: Always` only.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("pattern" = INTERVAL))]
    pub interval: Option<Duration>,
    /// The rule; of several the first in the order semver, alphabetical, numerical holds.
    pub policy: ImagePolicyChoice,
    /// Whether selecting pauses.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suspend: Option<bool>,
}

string_enum! {
    /// When the digest behind the selected tag is looked up.
    #[derive(Default)]
    pub enum DigestReflectionPolicy {
        /// At every interval.
        Always = "Always",
        /// Once for each selected tag.
        IfNotPresent = "IfNotPresent",
        /// Not at all.
        #[default]
        Never = "Never",
    }
}

/// Which tags are considered, and what of them the rule sees.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TagFilter {
    /// Replacement such as `$ts`, with the groups of the pattern, whose result the rule sees instead of the tag.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub extract: Option<String>,
    /// Regular expression that a tag must match to be considered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pattern: Option<String>,
}

/// The rule by which one tag wins.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ImagePolicyChoice {
    /// The last tag in alphabetical order wins.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alphabetical: Option<AlphabeticalPolicy>,
    /// The last tag in numerical order wins.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub numerical: Option<NumericalPolicy>,
    /// The highest version in a range wins.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub semver: Option<SemverPolicy>,
}

/// Selects by semantic version.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SemverPolicy {
    /// Range of versions, for example `1.0.x`.
    pub range: String,
}

/// Selects by the order of letters.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AlphabeticalPolicy {
    /// Direction; ascending lets the last letter win.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = Order::Asc))]
    pub order: Option<Order>,
}

/// Selects by the order of numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NumericalPolicy {
    /// Direction; ascending lets the greatest number win.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = Order::Asc))]
    pub order: Option<Order>,
}

string_enum! {
    /// Direction in which tags are sorted; the last one wins.
    #[derive(Default)]
    pub enum Order {
        /// Ascending.
        #[default]
        Asc = "asc",
        /// Descending.
        Desc = "desc",
    }
}

/// What was selected.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ImagePolicyStatus {
    /// Conditions of the object.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Vec<crd::Condition>")]
    pub conditions: Vec<Condition>,
    /// Value of the last reconcile request that was handled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_handled_reconcile_at: Option<String>,
    /// v1beta1 and v1beta2 only: the selected image and tag, joined by a colon.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latest_image: Option<String>,
    /// The selected image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latest_ref: Option<ImageRef>,
    /// Generation that was last reconciled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// v1beta2 only: the image that was selected before, and its tag, joined by a colon.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_previous_image: Option<String>,
    /// The image that was selected before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_previous_ref: Option<ImageRef>,
}

/// An image with its tag, and the digest behind it if it was looked up.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ImageRef {
    /// Digest of the manifest or index behind the tag.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// Name of the image as `spec.image` of the repository gives it.
    pub name: String,
    /// The tag.
    pub tag: String,
}
