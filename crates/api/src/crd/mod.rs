//! `CustomResourceDefinitions`: one superset schema per kind, offered under every version that Flux served.
//!
//! # One schema for all versions
//!
//! Flux converts between versions with strategy `None`: only the `apiVersion` string changes. A
//! field that the storage version's schema does not name would be lost on the way to etcd, so the
//! schema of the newest version also holds what only older ones had, and every version shares it.
//! Such fields are optional, have no default, and their description begins with the versions that
//! knew them.
//!
//! Validation is that of the newest version. Where an old version asked for less, the newest rule
//! holds (the text of a rejection names the field):
//!
//! * durations need a number and unit each (`^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$`); `v1beta1` took
//!   Go's whole grammar, and hours in the `timeout` of sources;
//! * `HelmRepository.spec.url` needs one of the schemes `http`, `https` and `oci`;
//! * `GitRepository.spec.verify` needs `secretRef`, without which nothing can be verified;
//! * `ImageRepository.spec.exclusionList` has at most 25 entries;
//! * length limits of names in `v1beta1` of the notification group, and of `chart`,
//!   `serviceAccountName` in `v2beta1` of `HelmRelease`.
//!
//! Decoding is laxer than the schema where an object may sit in etcd from before a field was
//! required: an artifact without `digest` decodes.
//!
//! # Differences from Flux's files
//!
//! * Descriptions are fluxbot's own.
//! * Every definition is annotated so that a Kustomization's variable substitution leaves it
//!   alone; Flux lacks the annotation on `ImageRepository` and `ImagePolicy`.
//! * The annotation with the version of Flux's schema generator is absent.

mod schema;

use std::collections::BTreeMap;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceColumnDefinition, CustomResourceDefinition, CustomResourceDefinitionNames,
    CustomResourceDefinitionSpec, CustomResourceDefinitionVersion, CustomResourceSubresourceStatus,
    CustomResourceSubresources, CustomResourceValidation, JSON, JSONSchemaProps,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::json;

pub(crate) use schema::{Condition, Integer, LabelSelector, rules, schema_of};

use crate::{FluxResource, annotation, helm, image, kustomize, notification, source};

/// All that a `CustomResourceDefinition` says about one kind.
#[derive(Debug)]
pub struct Definition {
    /// The API group, for example `image.toolkit.fluxcd.io`.
    pub group: &'static str,
    /// The kind, for example `ImageRepository`.
    pub kind: &'static str,
    /// The plural in lower case, as it stands in URLs.
    pub plural: &'static str,
    /// The served versions, newest first; the first one is stored, the others are deprecated.
    pub versions: &'static [&'static str],
    /// Short names for `kubectl`.
    pub short_names: &'static [&'static str],
    /// Categories for `kubectl get`.
    pub categories: &'static [&'static str],
    /// What the kind is for.
    pub(crate) description: &'static str,
    /// The columns of `kubectl get`.
    pub(crate) columns: &'static [Column],
    /// How the status is offered.
    pub(crate) status: Status,
    /// The structural schema of `spec`.
    pub(crate) spec_schema: fn() -> JSONSchemaProps,
    /// The structural schema of `status`.
    pub(crate) status_schema: fn() -> JSONSchemaProps,
}

impl Definition {
    /// The version in which objects are stored, the newest.
    ///
    /// Empty only if `versions` is, which no kind of this crate has.
    #[must_use]
    pub fn storage_version(&self) -> &'static str {
        self.versions.first().copied().unwrap_or_default()
    }

    /// The name of the `CustomResourceDefinition`: plural, dot, group.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}.{}", self.plural, self.group)
    }

    /// Whether a manifest with this `apiVersion` (group, slash, version) is of this group in a served version.
    ///
    /// ```
    /// use fluxbot_api::{FluxResource, image::ImagePolicy};
    ///
    /// assert!(ImagePolicy::DEFINITION.serves("image.toolkit.fluxcd.io/v1beta1"));
    /// assert!(!ImagePolicy::DEFINITION.serves("image.toolkit.fluxcd.io/v1alpha1"));
    /// ```
    #[must_use]
    pub fn serves(&self, api_version: &str) -> bool {
        api_version
            .split_once('/')
            .is_some_and(|(group, version)| group == self.group && self.versions.contains(&version))
    }

    pub(crate) fn to_crd(&self) -> CustomResourceDefinition {
        let schema = self.root_schema();
        let versions = self
            .versions
            .iter()
            .map(|version| self.version(version, schema.clone()))
            .collect();
        CustomResourceDefinition {
            metadata: ObjectMeta {
                name: Some(self.name()),
                annotations: Some(BTreeMap::from([(
                    annotation::SUBSTITUTE.to_owned(),
                    annotation::DISABLED.to_owned(),
                )])),
                ..Default::default()
            },
            spec: CustomResourceDefinitionSpec {
                group: self.group.to_owned(),
                names: CustomResourceDefinitionNames {
                    categories: words(self.categories),
                    kind: self.kind.to_owned(),
                    list_kind: Some(format!("{}List", self.kind)),
                    plural: self.plural.to_owned(),
                    short_names: words(self.short_names),
                    singular: Some(self.kind.to_ascii_lowercase()),
                },
                scope: "Namespaced".to_owned(),
                versions,
                ..Default::default()
            },
            status: None,
        }
    }

    fn version(&self, version: &str, schema: JSONSchemaProps) -> CustomResourceDefinitionVersion {
        let storage = self.storage_version();
        let is_storage = version == storage;
        let has_status = !is_storage || self.status != Status::OldVersionsOnly;
        CustomResourceDefinitionVersion {
            additional_printer_columns: Some(self.columns.iter().map(Column::to_definition).collect()),
            deprecated: (!is_storage).then_some(true),
            deprecation_warning: (!is_storage)
                .then(|| format!("{version} {} is deprecated, upgrade to {storage}", self.kind)),
            name: version.to_owned(),
            schema: Some(CustomResourceValidation {
                open_api_v3_schema: Some(schema),
            }),
            served: true,
            storage: is_storage,
            subresources: Some(CustomResourceSubresources {
                status: has_status.then(|| CustomResourceSubresourceStatus(json!({}))),
                ..Default::default()
            }),
            ..Default::default()
        }
    }

    fn root_schema(&self) -> JSONSchemaProps {
        let mut status = (self.status_schema)();
        if self.status == Status::Defaulted {
            status.default = Some(JSON(json!({ "observedGeneration": -1 })));
        }
        let text = |description: &str| JSONSchemaProps {
            type_: Some("string".to_owned()),
            description: Some(description.to_owned()),
            ..Default::default()
        };
        JSONSchemaProps {
            description: Some(schema::plain_text(self.description)),
            type_: Some("object".to_owned()),
            properties: Some(BTreeMap::from([
                (
                    "apiVersion".to_owned(),
                    text("API group and version in which this object is written."),
                ),
                ("kind".to_owned(), text("Kind of this object.")),
                (
                    "metadata".to_owned(),
                    JSONSchemaProps {
                        type_: Some("object".to_owned()),
                        ..Default::default()
                    },
                ),
                ("spec".to_owned(), (self.spec_schema)()),
                ("status".to_owned(), status),
            ])),
            ..Default::default()
        }
    }
}

/// How a kind offers its status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    /// A subresource with the default `observedGeneration: -1`, so that a new object reads as not yet seen.
    Defaulted,
    /// A subresource without default.
    Plain,
    /// The newest version has none: the status is what controllers of older versions left behind.
    OldVersionsOnly,
}

/// A column of `kubectl get`.
#[derive(Debug)]
pub(crate) struct Column {
    name: &'static str,
    json_path: &'static str,
    type_: &'static str,
    priority: Option<i32>,
}

impl Column {
    /// The Ready condition's status.
    pub(crate) const READY: Self = Self::text("Ready", r#".status.conditions[?(@.type=="Ready")].status"#);
    /// The Ready condition's message.
    pub(crate) const STATUS: Self = Self::text("Status", r#".status.conditions[?(@.type=="Ready")].message"#);
    /// Time since creation.
    pub(crate) const AGE: Self = Self {
        name: "Age",
        json_path: ".metadata.creationTimestamp",
        type_: "date",
        priority: None,
    };

    /// A column that is always shown, as text.
    pub(crate) const fn text(name: &'static str, json_path: &'static str) -> Self {
        Self {
            name,
            json_path,
            type_: "string",
            priority: None,
        }
    }

    /// The same column, shown with `-o wide` only.
    pub(crate) const fn wide(self) -> Self {
        Self {
            priority: Some(1),
            ..self
        }
    }

    fn to_definition(&self) -> CustomResourceColumnDefinition {
        CustomResourceColumnDefinition {
            json_path: self.json_path.to_owned(),
            name: self.name.to_owned(),
            priority: self.priority,
            type_: self.type_.to_owned(),
            ..Default::default()
        }
    }
}

/// The `CustomResourceDefinitions` of all kinds, ordered as the stages of the pipeline use them.
///
/// The order and the content are the same on every call. Serialised documents keep the order of
/// Kubernetes' own types (`apiVersion`, `kind`, `metadata`, `spec`).
#[must_use]
pub fn crds() -> Vec<CustomResourceDefinition> {
    definitions().into_iter().map(Definition::to_crd).collect()
}

/// The definitions of all kinds, in the order of [`crds`].
///
/// Lets code that reads manifests find a kind by group and name without building schemas.
#[must_use]
pub fn definitions() -> Vec<&'static Definition> {
    vec![
        image::ImageRepository::DEFINITION,
        image::ImagePolicy::DEFINITION,
        image::ImageUpdateAutomation::DEFINITION,
        source::GitRepository::DEFINITION,
        source::OciRepository::DEFINITION,
        source::Bucket::DEFINITION,
        source::HelmRepository::DEFINITION,
        source::HelmChart::DEFINITION,
        source::ExternalArtifact::DEFINITION,
        kustomize::Kustomization::DEFINITION,
        helm::HelmRelease::DEFINITION,
        notification::Alert::DEFINITION,
        notification::Provider::DEFINITION,
        notification::Receiver::DEFINITION,
    ]
}

/// The name of the file that holds a definition: group, underscore, plural, `.yaml`.
///
/// ```
/// use fluxbot_api::{crd_file_name, image::ImageRepository};
/// use kube::CustomResourceExt;
///
/// assert_eq!(crd_file_name(&ImageRepository::crd()), "image.toolkit.fluxcd.io_imagerepositories.yaml");
/// ```
#[must_use]
pub fn crd_file_name(crd: &CustomResourceDefinition) -> String {
    format!("{}_{}.yaml", crd.spec.group, crd.spec.names.plural)
}

fn words(words: &[&str]) -> Option<Vec<String>> {
    (!words.is_empty()).then(|| words.iter().map(|word| (*word).to_owned()).collect())
}

#[cfg(test)]
mod tests;
