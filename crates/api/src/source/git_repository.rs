//! `GitRepository`: a revision of a Git repository.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Artifact, CATEGORIES, GROUP};
use crate::crd::{self, Column, Status};
use crate::duration::{Duration, INTERVAL, SHORT};
use crate::meta::{AccessFrom, LocalObjectReference};

custom_resource! {
    /// A revision of a Git repository, fetched and offered as an artifact.
    pub struct GitRepository {
        spec: GitRepositorySpec,
        status: GitRepositoryStatus,
    }
    kind: "GitRepository",
    group: GROUP,
    versions: ["v1", "v1beta2", "v1beta1"],
    plural: "gitrepositories",
    short_names: &["gitrepo"],
    categories: CATEGORIES,
    status: Status::Defaulted,
    columns: &[Column::text("URL", ".spec.url"), Column::AGE, Column::READY, Column::STATUS],
}

/// Which revision of which repository is fetched, how often, and as whom.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = crd::rules(&[(
    "!has(self.serviceAccountName) || (has(self.provider) && (self.provider == 'azure' || self.provider == 'aws'))",
    "serviceAccountName can only be set when provider is 'azure' or 'aws'",
)])))]
pub struct GitRepositorySpec {
    /// v1beta1 and v1beta2 only: namespaces whose objects may use this source.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub access_from: Option<AccessFrom>,
    /// v1beta1 and v1beta2 only: the Git library, which no longer makes a difference.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub git_implementation: Option<GitImplementation>,
    /// Files that are left out, in the syntax of `.gitignore`; added to what `.sourceignore` files say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ignore: Option<String>,
    /// Other repositories whose artifacts are put into this one's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub include: Vec<GitRepositoryInclude>,
    /// Time between two looks at the repository.
    #[schemars(extend("pattern" = INTERVAL))]
    pub interval: Duration,
    /// Whose way of logging in to the Git server is used; by default `generic`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider: Option<GitProvider>,
    /// Secret with the `address` of a proxy, and its `username` and `password` if it wants them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proxy_secret_ref: Option<LocalObjectReference>,
    /// Whether submodules are fetched too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recurse_submodules: Option<bool>,
    /// The Git reference to fetch; by default the branch `master`.
    #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
    pub reference: Option<GitRepositoryRef>,
    /// Secret with the credentials: user name and password or token for HTTP, key and known hosts for SSH.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<LocalObjectReference>,
    /// `ServiceAccount` whose identity is used with the providers `aws` and `azure`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_account_name: Option<String>,
    /// Directories that are checked out; by default all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sparse_checkout: Vec<String>,
    /// Whether fetching pauses.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suspend: Option<bool>,
    /// Time after which a Git operation is given up.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = "60s", "pattern" = SHORT))]
    pub timeout: Option<Duration>,
    /// Address of the repository.
    #[schemars(extend("pattern" = "^(http|https|ssh)://.*$"))]
    pub url: String,
    /// How the signatures of commit and tag are verified; by default they are not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verify: Option<GitRepositoryVerification>,
}

string_enum! {
    /// Whose way of logging in to a Git server is used.
    #[derive(Default)]
    pub enum GitProvider {
        /// Credentials from a Secret, or none.
        #[default]
        Generic = "generic",
        /// AWS `CodeCommit`.
        Aws = "aws",
        /// Azure DevOps.
        Azure = "azure",
        /// A GitHub App.
        GitHub = "github",
    }
}

string_enum! {
    /// Git library of old versions.
    pub enum GitImplementation {
        /// The library in Go.
        GoGit = "go-git",
        /// The library in C.
        Libgit2 = "libgit2",
    }
}

/// A Git reference.
///
/// Of several the first one in the order commit, name, tag, semver, branch holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GitRepositoryRef {
    /// A branch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// A commit by its full id; with a branch, only that branch is fetched.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// A reference by its full name, for example `refs/pull/420/head`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// A range of semantic versions; the highest tag in it is taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub semver: Option<String>,
    /// A tag.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
}

/// Another repository whose artifact is put into this one's.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GitRepositoryInclude {
    /// Directory that is taken from the other repository; by default its root.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from_path: Option<String>,
    /// The other `GitRepository`, in the same namespace.
    pub repository: LocalObjectReference,
    /// Directory into which it is put; by default the name of the other repository.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to_path: Option<String>,
}

/// How signatures are verified.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GitRepositoryVerification {
    /// Whose signature is verified.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = GitVerificationMode::Head))]
    pub mode: Option<GitVerificationMode>,
    /// Secret with the public keys of those who may sign.
    pub secret_ref: LocalObjectReference,
}

string_enum! {
    /// Whose signature is verified.
    #[derive(Default)]
    pub enum GitVerificationMode {
        /// The commit's, as old versions write it.
        LegacyHead = "head",
        /// The commit's.
        #[default]
        Head = "HEAD",
        /// The tag's.
        Tag = "Tag",
        /// Both the tag's and the commit's.
        TagAndHead = "TagAndHEAD",
    }
}

/// What was fetched.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GitRepositoryStatus {
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
    /// The included artifacts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub included_artifacts: Vec<Artifact>,
    /// Value of the last reconcile request that was handled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_handled_reconcile_at: Option<String>,
    /// Generation that was last reconciled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// `spec.ignore` with which the artifact was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_ignore: Option<String>,
    /// `spec.include` with which the artifact was made.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub observed_include: Vec<GitRepositoryInclude>,
    /// `spec.recurseSubmodules` with which the artifact was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_recurse_submodules: Option<bool>,
    /// `spec.sparseCheckout` with which the artifact was made.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub observed_sparse_checkout: Vec<String>,
    /// Mode in which the artifact's signature was verified last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_verification_mode: Option<String>,
    /// v1beta1 and v1beta2 only: address of the newest artifact.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
}
