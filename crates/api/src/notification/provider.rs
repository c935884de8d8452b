//! `Provider`: a service to which events are sent.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{CATEGORIES, GROUP};
use crate::crd::{self, Column, Status};
use crate::duration::{Duration, INTERVAL, SHORT};
use crate::meta::{LegacyStatus, LocalObjectReference};

custom_resource! {
    /// A service to which events are sent: a chat, a Git server's commit status, an incident tool.
    pub struct Provider {
        spec: ProviderSpec,
        status: LegacyStatus,
    }
    kind: "Provider",
    group: GROUP,
    versions: ["v1beta3", "v1beta2", "v1beta1"],
    plural: "providers",
    short_names: &[],
    categories: CATEGORIES,
    status: Status::OldVersionsOnly,
    columns: &[Column::AGE],
}

/// How a service is reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = crd::rules(&[(
    "self.type == 'github' || self.type == 'gitlab' || self.type == 'gitea' || self.type == 'bitbucketserver' || self.type == 'bitbucket' || self.type == 'azuredevops' || !has(self.commitStatusExpr)",
    "spec.commitStatusExpr is only supported for the 'github', 'gitlab', 'gitea', 'bitbucketserver', 'bitbucket', 'azuredevops' provider types",
)])))]
pub struct ProviderSpec {
    /// Address of the service; `address` in the Secret wins.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("maxLength" = 2048))]
    pub address: Option<String>,
    /// Secret with `tls.crt` and `tls.key` for a client certificate, `ca.crt` for an authority to trust besides the system's, or all three.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cert_secret_ref: Option<LocalObjectReference>,
    /// Where in the service the events appear, such as a chat's channel.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("maxLength" = 2048))]
    pub channel: Option<String>,
    /// CEL expression over `event`, `alert` and `provider` that gives the name of the commit status.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commit_status_expr: Option<String>,
    /// Kept for compatibility; it has no effect.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("pattern" = INTERVAL))]
    pub interval: Option<Duration>,
    /// Address of a proxy; `proxySecretRef` takes its place.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("maxLength" = 2048, "pattern" = "^(http|https)://.*$"))]
    pub proxy: Option<String>,
    /// Secret with the `address` of a proxy, and its `username` and `password` if it wants them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proxy_secret_ref: Option<LocalObjectReference>,
    /// Secret with the credentials for the service.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<LocalObjectReference>,
    /// `ServiceAccount` whose identity is used with the services of a cloud.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_account_name: Option<String>,
    /// Whether sending pauses.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suspend: Option<bool>,
    /// Time after which sending is given up.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("pattern" = SHORT))]
    pub timeout: Option<Duration>,
    /// The service.
    #[serde(rename = "type")]
    pub type_: ProviderType,
    /// Name under which the events appear.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("maxLength" = 2048))]
    pub username: Option<String>,
}

string_enum! {
    /// A service to which events can be sent.
    pub enum ProviderType {
        /// Slack.
        Slack = "slack",
        /// Discord.
        Discord = "discord",
        /// Microsoft Teams.
        MsTeams = "msteams",
        /// Rocket.Chat.
        Rocket = "rocket",
        /// Any web server, which gets the event as JSON.
        Generic = "generic",
        /// Any web server, which gets the event as JSON with a signature.
        GenericHmac = "generic-hmac",
        /// Commit status of GitHub.
        GitHub = "github",
        /// Commit status of GitLab.
        GitLab = "gitlab",
        /// Commit status of Gitea.
        Gitea = "gitea",
        /// Comment on a pull request of Gitea.
        GiteaPullRequestComment = "giteapullrequestcomment",
        /// Commit status of Bitbucket Server.
        BitbucketServer = "bitbucketserver",
        /// Commit status of Bitbucket.
        Bitbucket = "bitbucket",
        /// Commit status of Azure DevOps.
        AzureDevOps = "azuredevops",
        /// Google Chat.
        GoogleChat = "googlechat",
        /// Google Cloud Pub/Sub.
        GooglePubSub = "googlepubsub",
        /// Webex.
        Webex = "webex",
        /// Sentry.
        Sentry = "sentry",
        /// Azure Event Hub.
        AzureEventHub = "azureeventhub",
        /// Telegram.
        Telegram = "telegram",
        /// Lark.
        Lark = "lark",
        /// Matrix.
        Matrix = "matrix",
        /// Opsgenie.
        Opsgenie = "opsgenie",
        /// Prometheus Alertmanager.
        Alertmanager = "alertmanager",
        /// Annotations of Grafana.
        Grafana = "grafana",
        /// Repository dispatch of GitHub.
        GitHubDispatch = "githubdispatch",
        /// Comment on a pull request of GitHub.
        GitHubPullRequestComment = "githubpullrequestcomment",
        /// Comment on a merge request of GitLab.
        GitLabMergeRequestComment = "gitlabmergerequestcomment",
        /// `PagerDuty`.
        PagerDuty = "pagerduty",
        /// Datadog.
        Datadog = "datadog",
        /// NATS.
        Nats = "nats",
        /// Zulip.
        Zulip = "zulip",
        /// OpenTelemetry, as spans.
        Otel = "otel",
        /// Zoom.
        Zoom = "zoom",
        /// incident.io.
        IncidentIo = "incident.io",
    }
}
