//! How a `HelmRelease` is installed, upgraded, tested, rolled back and uninstalled.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::crd;
use crate::duration::{Duration, INTERVAL};

/// How a release is installed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Install {
    /// What happens to the definitions in the chart's directory `crds`; by default `Create`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub crds: Option<CrdsPolicy>,
    /// Whether the target namespace is created; it is never deleted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub create_namespace: Option<bool>,
    /// Whether hooks are left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disable_hooks: Option<bool>,
    /// Whether the rendered objects are not checked against the API server's schema.
    #[serde(rename = "disableOpenAPIValidation", skip_serializing_if = "Option::is_none")]
    pub disable_open_api_validation: Option<bool>,
    /// Whether the values are not checked against the chart's schema.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disable_schema_validation: Option<bool>,
    /// Whether objects that exist already are refused instead of taken over.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disable_take_ownership: Option<bool>,
    /// Whether to go on without waiting for the objects to become ready.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disable_wait: Option<bool>,
    /// Whether to go on without waiting for jobs to complete.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disable_wait_for_jobs: Option<bool>,
    /// What happens when installing fails.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remediation: Option<InstallRemediation>,
    /// Whether the name of an uninstalled release whose history was kept is used again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replace: Option<bool>,
    /// Whether objects are applied on the server; by default they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_side_apply: Option<bool>,
    /// Whether the definitions in `crds` are left out; `crds: Skip` takes its place.
    #[serde(rename = "skipCRDs", skip_serializing_if = "Option::is_none")]
    pub skip_crds: Option<bool>,
    /// Whether a failed installation is undone or tried again as it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub strategy: Option<InstallStrategy>,
    /// Time after which a single operation is given up; by default the release's timeout.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("pattern" = INTERVAL))]
    pub timeout: Option<Duration>,
}

/// What happens when installing fails.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct InstallRemediation {
    /// Whether failed tests are no failure; by default what `test.ignoreFailures` says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ignore_test_failures: Option<bool>,
    /// Whether the release is uninstalled also after the last try; by default it is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remediate_last_failure: Option<bool>,
    /// How many more tries there are, with the release uninstalled between them; a negative number sets no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<crd::Integer>")]
    pub retries: Option<i64>,
}

/// Whether a failed installation is undone or tried again as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = crd::rules(&[(
    "!has(self.retryInterval) || self.name != 'RemediateOnFailure'",
    ".retryInterval cannot be set when .name is 'RemediateOnFailure'",
)])))]
pub struct InstallStrategy {
    /// The strategy.
    pub name: ActionStrategyName,
    /// Time until the next try, with `RetryOnFailure` only; by default five minutes.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("pattern" = INTERVAL))]
    pub retry_interval: Option<Duration>,
}

string_enum! {
    /// What happens after a failed action.
    #[derive(Default)]
    pub enum ActionStrategyName {
        /// It is undone as `remediation` says.
        #[default]
        RemediateOnFailure = "RemediateOnFailure",
        /// It is tried again.
        RetryOnFailure = "RetryOnFailure",
    }
}

string_enum! {
    /// What happens to the definitions in a chart's directory `crds`.
    #[derive(Default)]
    pub enum CrdsPolicy {
        /// Nothing.
        Skip = "Skip",
        /// New ones are created; existing ones stay as they are.
        #[default]
        Create = "Create",
        /// New ones are created, existing ones are replaced, and none is deleted.
        CreateReplace = "CreateReplace",
    }
}

string_enum! {
    /// Whether objects are applied on the server.
    #[derive(Default)]
    pub enum ServerSideApplyMode {
        /// They are.
        Enabled = "enabled",
        /// They are not.
        Disabled = "disabled",
        /// As in the release before.
        #[default]
        Auto = "auto",
    }
}

/// How a release is upgraded.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Upgrade {
    /// What happens when the chart has another name than that of the release; by default `Reinstall`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chart_name_change_strategy: Option<ChartNameChangeStrategy>,
    /// Whether objects that a failed upgrade created are deleted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cleanup_on_fail: Option<bool>,
    /// What happens to the definitions in the chart's directory `crds`; by default `Create`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub crds: Option<CrdsPolicy>,
    /// Whether hooks are left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disable_hooks: Option<bool>,
    /// Whether the rendered objects are not checked against the API server's schema.
    #[serde(rename = "disableOpenAPIValidation", skip_serializing_if = "Option::is_none")]
    pub disable_open_api_validation: Option<bool>,
    /// Whether the values are not checked against the chart's schema.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disable_schema_validation: Option<bool>,
    /// Whether objects that exist already are refused instead of taken over.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disable_take_ownership: Option<bool>,
    /// Whether to go on without waiting for the objects to become ready.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disable_wait: Option<bool>,
    /// Whether to go on without waiting for jobs to complete.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disable_wait_for_jobs: Option<bool>,
    /// Whether objects are replaced instead of patched; without server-side apply only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub force: Option<bool>,
    /// Whether the values of the release before are kept and the new ones merged over them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preserve_values: Option<bool>,
    /// What happens when upgrading fails.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remediation: Option<UpgradeRemediation>,
    /// Whether objects are applied on the server; by default as in the release before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_side_apply: Option<ServerSideApplyMode>,
    /// Whether a failed upgrade is undone or tried again as it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub strategy: Option<UpgradeStrategy>,
    /// Time after which a single operation is given up; by default the release's timeout.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("pattern" = INTERVAL))]
    pub timeout: Option<Duration>,
}

string_enum! {
    /// What happens when a chart has another name than that of the release.
    #[derive(Default)]
    pub enum ChartNameChangeStrategy {
        /// The release is upgraded to it.
        InPlaceUpdate = "InPlaceUpdate",
        /// The release is uninstalled and installed anew.
        #[default]
        Reinstall = "Reinstall",
    }
}

/// What happens when upgrading fails.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UpgradeRemediation {
    /// Whether failed tests are no failure; by default what `test.ignoreFailures` says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ignore_test_failures: Option<bool>,
    /// Whether the upgrade is undone also after the last try; by default if there are retries.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remediate_last_failure: Option<bool>,
    /// How many more tries there are, with the upgrade undone between them; a negative number sets no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<crd::Integer>")]
    pub retries: Option<i64>,
    /// How the upgrade is undone; by default by a rollback.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub strategy: Option<RemediationStrategy>,
}

string_enum! {
    /// How a failed upgrade is undone.
    #[derive(Default)]
    pub enum RemediationStrategy {
        /// The release before is restored.
        #[default]
        Rollback = "rollback",
        /// The release is uninstalled.
        Uninstall = "uninstall",
    }
}

/// Whether a failed upgrade is undone or tried again as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = crd::rules(&[(
    "!has(self.retryInterval) || self.name == 'RetryOnFailure'",
    ".retryInterval can only be set when .name is 'RetryOnFailure'",
)])))]
pub struct UpgradeStrategy {
    /// The strategy.
    pub name: ActionStrategyName,
    /// Time until the next try, with `RetryOnFailure` only; by default five minutes.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("pattern" = INTERVAL))]
    pub retry_interval: Option<Duration>,
}

/// How a release is tested.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Test {
    /// Whether tests run after an installation or upgrade.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enable: Option<bool>,
    /// Which tests run; by default all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub filters: Vec<TestFilter>,
    /// Whether failed tests are no failure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ignore_failures: Option<bool>,
    /// Time after which a single operation is given up; by default the release's timeout.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("pattern" = INTERVAL))]
    pub timeout: Option<Duration>,
}

/// Selects a test by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TestFilter {
    /// Whether the test is left out instead of run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exclude: Option<bool>,
    /// Name of the test.
    #[schemars(extend("minLength" = 1, "maxLength" = 253))]
    pub name: String,
}

/// How a release is rolled back.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Rollback {
    /// Whether objects that a failed rollback created are deleted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cleanup_on_fail: Option<bool>,
    /// Whether hooks are left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disable_hooks: Option<bool>,
    /// Whether to go on without waiting for the objects to become ready.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disable_wait: Option<bool>,
    /// Whether to go on without waiting for jobs to complete.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disable_wait_for_jobs: Option<bool>,
    /// Whether objects are replaced instead of patched; without server-side apply only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub force: Option<bool>,
    /// Kept for compatibility; it has no effect since Helm 4.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recreate: Option<bool>,
    /// Whether objects are applied on the server; by default as in the release before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_side_apply: Option<ServerSideApplyMode>,
    /// Time after which a single operation is given up; by default the release's timeout.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("pattern" = INTERVAL))]
    pub timeout: Option<Duration>,
}

/// How a release is uninstalled.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Uninstall {
    /// What happens to the objects that depend on the deleted ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = DeletionPropagation::Background))]
    pub deletion_propagation: Option<DeletionPropagation>,
    /// Whether hooks are left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disable_hooks: Option<bool>,
    /// Whether to go on without waiting for the objects to be gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disable_wait: Option<bool>,
    /// Whether the release's history is kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keep_history: Option<bool>,
    /// Time after which a single operation is given up; by default the release's timeout.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("pattern" = INTERVAL))]
    pub timeout: Option<Duration>,
}

string_enum! {
    /// What happens to the objects that depend on deleted ones.
    #[derive(Default)]
    pub enum DeletionPropagation {
        /// They are deleted afterwards.
        #[default]
        Background = "background",
        /// They are deleted first.
        Foreground = "foreground",
        /// They are kept.
        Orphan = "orphan",
    }
}
