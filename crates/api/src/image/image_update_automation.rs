//! `ImageUpdateAutomation`: commits selected tags to a Git repository.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, LabelSelector, Time};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

use super::{CATEGORIES, GROUP, ImageRef};
use crate::crd::{self, Column, Status};
use crate::duration::{Duration, INTERVAL};
use crate::meta::LocalObjectReference;
use crate::source::GitRepositoryRef;

custom_resource! {
    /// Writes the selected tags to the files of a Git repository and commits them.
    pub struct ImageUpdateAutomation {
        spec: ImageUpdateAutomationSpec,
        status: ImageUpdateAutomationStatus,
    }
    kind: "ImageUpdateAutomation",
    group: GROUP,
    versions: ["v1", "v1beta2", "v1beta1"],
    plural: "imageupdateautomations",
    short_names: &["iua", "imgupd", "imgauto"],
    categories: CATEGORIES,
    status: Status::Defaulted,
    columns: &[
        Column::READY,
        Column::STATUS,
        Column::text("Last run", ".status.lastAutomationRunTime").wide(),
        Column::AGE,
    ],
}

/// Which repository is updated by which policies, and how it is committed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ImageUpdateAutomationSpec {
    /// How to check out, commit and push; needed for a `GitRepository`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub git: Option<GitSpec>,
    /// Time between two runs.
    #[schemars(extend("pattern" = INTERVAL))]
    pub interval: Duration,
    /// Labels of the `ImagePolicies` that take part; by default all of the namespace do.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<crd::LabelSelector>")]
    pub policy_selector: Option<LabelSelector>,
    /// The source that is updated.
    pub source_ref: AutomationSourceReference,
    /// Whether the automation pauses.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suspend: Option<bool>,
    /// How the files are changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = { "strategy": UpdateStrategyName::Setters }))]
    pub update: Option<UpdateStrategy>,
}

/// The source that an automation updates.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AutomationSourceReference {
    /// API version of the source.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_version: Option<String>,
    /// Kind of the source.
    #[serde(default)]
    #[schemars(extend("x-fluxbot-required" = true))]
    pub kind: AutomationSourceKind,
    /// Name of the source.
    pub name: String,
    /// Namespace of the source; by default that of the automation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
}

string_enum! {
    /// Kind of source that an automation can update.
    #[derive(Default)]
    pub enum AutomationSourceKind {
        /// A Git repository.
        #[default]
        GitRepository = "GitRepository",
    }
}

/// How an automation uses Git.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GitSpec {
    /// What is checked out; by default what the `GitRepository` says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checkout: Option<GitCheckoutSpec>,
    /// How commits are made.
    pub commit: CommitSpec,
    /// Where commits are pushed; by default to the branch that was checked out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub push: Option<PushSpec>,
}

/// What an automation checks out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GitCheckoutSpec {
    /// The Git reference to start from.
    #[serde(rename = "ref")]
    pub reference: GitRepositoryRef,
}

/// How an automation commits.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CommitSpec {
    /// Author of the commits.
    pub author: CommitUser,
    /// Go template of the commit message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message_template: Option<String>,
    /// Further values for the template, under `.Values`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub message_template_values: BTreeMap<String, String>,
    /// Key with which commits are signed; by default they are not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signing_key: Option<SigningKey>,
}

/// Author of commits.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CommitUser {
    /// Mail address.
    pub email: String,
    /// Name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// Key with which commits are signed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SigningKey {
    /// Secret with the key: `git.asc` and its `passphrase` for an OpenPGP key, `identity` and its `password` for an SSH key.
    pub secret_ref: LocalObjectReference,
    /// Kind of the key; by default an OpenPGP key.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub type_: Option<SigningKeyType>,
}

string_enum! {
    /// Kind of a signing key.
    #[derive(Default)]
    pub enum SigningKeyType {
        /// An OpenPGP key.
        #[default]
        Gpg = "gpg",
        /// An SSH key.
        Ssh = "ssh",
    }
}

/// Where an automation pushes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PushSpec {
    /// Branch to push to; created from the checkout if it does not exist.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// Push options that are sent to the server.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub options: BTreeMap<String, String>,
    /// Refspec to push, besides the branch if both are given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refspec: Option<String>,
}

/// How an automation changes files.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UpdateStrategy {
    /// Directory below which files are changed; by default the whole repository.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The strategy.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = UpdateStrategyName::Setters))]
    pub strategy: Option<UpdateStrategyName>,
}

string_enum! {
    /// Way to find what is to be changed in a file.
    #[derive(Default)]
    pub enum UpdateStrategyName {
        /// Values followed by a comment that names a policy.
        #[default]
        Setters = "Setters",
    }
}

/// What the last runs did.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ImageUpdateAutomationStatus {
    /// Conditions of the object.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Vec<crd::Condition>")]
    pub conditions: Vec<Condition>,
    /// When the last run ended, whether it committed or not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_automation_run_time: Option<Time>,
    /// Value of the last reconcile request that was handled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_handled_reconcile_at: Option<String>,
    /// The last commit that was pushed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_push_commit: Option<String>,
    /// When it was pushed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_push_time: Option<Time>,
    /// Generation that was last reconciled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// What the policies had selected in the last run, by the policy's name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub observed_policies: BTreeMap<String, ImageRef>,
    /// Revision of the source in the last run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_source_revision: Option<String>,
}
