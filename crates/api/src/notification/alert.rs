//! `Alert`: which events go to which provider.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

use super::{CATEGORIES, EventSource, GROUP};
use crate::crd::{Column, Status};
use crate::meta::{LegacyStatus, LocalObjectReference};

custom_resource! {
    /// Sends the events of some objects to a Provider.
    pub struct Alert {
        spec: AlertSpec,
        status: LegacyStatus,
    }
    kind: "Alert",
    group: GROUP,
    versions: ["v1beta3", "v1beta2", "v1beta1"],
    plural: "alerts",
    short_names: &[],
    categories: CATEGORIES,
    status: Status::OldVersionsOnly,
    columns: &[Column::AGE],
}

/// Which events are sent where.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AlertSpec {
    /// Metadata that is added to the events.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub event_metadata: BTreeMap<String, String>,
    /// Least severity of the events that are sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = AlertSeverity::Info))]
    pub event_severity: Option<AlertSeverity>,
    /// The objects whose events are sent.
    pub event_sources: Vec<EventSource>,
    /// Regular expressions; an event whose message one of them matches is not sent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exclusion_list: Vec<String>,
    /// Regular expressions; only an event whose message one of them matches is sent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inclusion_list: Vec<String>,
    /// The Provider to send to, in the same namespace.
    pub provider_ref: LocalObjectReference,
    /// Text that is added to the events; `summary` in `eventMetadata` takes its place.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("maxLength" = 255))]
    pub summary: Option<String>,
    /// Whether sending pauses.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suspend: Option<bool>,
}

string_enum! {
    /// Least severity of the events that an Alert sends.
    #[derive(Default)]
    pub enum AlertSeverity {
        /// All events.
        #[default]
        Info = "info",
        /// Failures.
        Error = "error",
    }
}
