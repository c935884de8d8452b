//! `Receiver`: a webhook that wakes objects.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

use super::{CATEGORIES, GROUP, ObservedKind};
use crate::crd::{self, Column, Status};
use crate::duration::{Duration, INTERVAL};
use crate::meta::LocalObjectReference;

custom_resource! {
    /// A webhook by which a registry or Git server wakes the objects that depend on it.
    pub struct Receiver {
        spec: ReceiverSpec,
        status: ReceiverStatus,
    }
    kind: "Receiver",
    group: GROUP,
    versions: ["v1", "v1beta2", "v1beta1"],
    plural: "receivers",
    short_names: &[],
    categories: CATEGORIES,
    status: Status::Defaulted,
    columns: &[Column::AGE, Column::READY, Column::STATUS],
}

/// Who may call the webhook, and which objects it wakes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = crd::rules(&[
    (
        "self.type != 'generic-oidc' || (has(self.oidcProviders) && size(self.oidcProviders) > 0)",
        "generic-oidc receivers must define at least one oidcProvider",
    ),
    (
        "self.type == 'generic-oidc' || !has(self.oidcProviders) || size(self.oidcProviders) == 0",
        "oidcProviders can only be set when type is generic-oidc",
    ),
    (
        "self.type != 'generic-oidc' || !has(self.secretRef)",
        "secretRef cannot be set when type is generic-oidc",
    ),
    (
        "self.type == 'generic-oidc' || has(self.secretRef)",
        "secretRef is required when type is not generic-oidc",
    ),
])))]
pub struct ReceiverSpec {
    /// Events of the caller that are listened to; by default all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<String>,
    /// Time between two checks of the Secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = "10m", "pattern" = INTERVAL))]
    pub interval: Option<Duration>,
    /// Issuers whose tokens are accepted; with type `generic-oidc` only.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["issuerURL"]))]
    pub oidc_providers: Vec<OidcProvider>,
    /// CEL expression over the object's metadata `res`, the request's body `req` and a token's `claims` that must hold for an object to be woken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource_filter: Option<String>,
    /// The objects that are woken.
    pub resources: Vec<ReceiverResource>,
    /// Secret with the `token` that the caller shares.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<LocalObjectReference>,
    /// Whether calls are refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suspend: Option<bool>,
    /// Kind of the caller.
    #[serde(rename = "type")]
    pub type_: ReceiverType,
}

/// An issuer whose tokens are accepted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OidcProvider {
    /// Audience that a token must have; by default `notification-controller`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audience: Option<String>,
    /// Address of the issuer.
    #[serde(rename = "issuerURL")]
    #[schemars(extend("pattern" = "^https?://"))]
    pub issuer_url: String,
    /// CEL expressions that must all hold for a token.
    #[schemars(extend("minItems" = 1))]
    pub validations: Vec<OidcValidation>,
    /// CEL expressions whose values the validations use, evaluated in this order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub variables: Vec<OidcVariable>,
}

/// A CEL expression that must hold for a token.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OidcValidation {
    /// The expression.
    pub expression: String,
    /// What is answered if it does not hold.
    pub message: String,
}

/// A CEL expression whose value has a name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OidcVariable {
    /// The expression.
    pub expression: String,
    /// The name.
    pub name: String,
}

/// Objects that a webhook wakes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReceiverResource {
    /// API version of the objects.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_version: Option<String>,
    /// CEL expression over `res`, `req` and `claims` that must hold besides `resourceFilter`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub filter: Option<String>,
    /// Kind of the objects.
    pub kind: ObservedKind,
    /// Labels that the objects must have; with the name `*` only.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub match_labels: BTreeMap<String, String>,
    /// Name of the object, or `*` for all that have the labels.
    #[schemars(extend("minLength" = 1, "maxLength" = 253))]
    pub name: String,
    /// Namespace of the objects; by default that of the Receiver.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("minLength" = 1, "maxLength" = 253))]
    pub namespace: Option<String>,
}

string_enum! {
    /// Kind of caller, which says how it proves who it is.
    pub enum ReceiverType {
        /// Anyone who knows the path.
        Generic = "generic",
        /// Anyone who signs with the token.
        GenericHmac = "generic-hmac",
        /// Anyone with a token of one of the issuers.
        GenericOidc = "generic-oidc",
        /// GitHub.
        GitHub = "github",
        /// GitLab.
        GitLab = "gitlab",
        /// Bitbucket Server.
        Bitbucket = "bitbucket",
        /// Harbor.
        Harbor = "harbor",
        /// Docker Hub.
        DockerHub = "dockerhub",
        /// Quay.
        Quay = "quay",
        /// Google Container Registry and Artifact Registry.
        Gcr = "gcr",
        /// Sonatype Nexus.
        Nexus = "nexus",
        /// Azure Container Registry.
        Acr = "acr",
        /// `CDEvents`.
        CdEvents = "cdevents",
    }
}

/// Where the webhook is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReceiverStatus {
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
    /// v1beta1 and v1beta2 only: path of the webhook; `webhookPath` takes its place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Path of the webhook.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub webhook_path: Option<String>,
}
