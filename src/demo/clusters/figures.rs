//! What is measured: the steps of each update, and the memory of the controllers.

use std::time::Duration;

use serde::Serialize;

/// An update in one cluster: the time of each step after the tag was in the registry, the last of its kind where an update
/// consists of several.
#[derive(Clone, Serialize)]
pub(super) struct Update {
    pub title: String,
    pub cluster: &'static str,
    /// Whether it is one of the updates that only measure.
    pub measured: bool,
    #[serde(rename = "selected_ms", serialize_with = "milliseconds")]
    pub selected: Option<Duration>,
    #[serde(rename = "committed_ms", serialize_with = "milliseconds")]
    pub committed: Option<Duration>,
    #[serde(rename = "fetched_ms", serialize_with = "milliseconds")]
    pub fetched: Option<Duration>,
    #[serde(rename = "applied_ms", serialize_with = "milliseconds")]
    pub applied: Option<Duration>,
    #[serde(rename = "ready_ms", serialize_with = "milliseconds")]
    pub ready: Option<Duration>,
}

impl Update {
    pub(super) fn new(title: &str, cluster: &'static str, measured: bool) -> Self {
        Self {
            title: title.to_owned(),
            cluster,
            measured,
            selected: None,
            committed: None,
            fetched: None,
            applied: None,
            ready: None,
        }
    }

    /// The steps in order.
    pub(super) fn steps(&self) -> [Option<Duration>; 5] {
        [
            self.selected,
            self.committed,
            self.fetched,
            self.applied,
            self.ready,
        ]
    }
}

// The signature is serde's.
#[allow(clippy::ref_option)]
fn milliseconds<S: serde::Serializer>(time: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    time.map(|time| time.as_secs_f64() * 1000.0).serialize(serializer)
}

/// The memory of one cluster's controller, in bytes.
#[derive(Serialize)]
pub(super) struct Memory {
    pub cluster: &'static str,
    #[serde(rename = "rss_bytes")]
    pub now: u64,
    #[serde(rename = "peak_rss_bytes")]
    pub peak: u64,
}

/// Everything.
#[derive(Serialize)]
pub(super) struct Figures {
    /// From the start of the controllers until both clusters ran what the repository says.
    pub bootstrap_ms: u128,
    pub updates: Vec<Update>,
    pub controllers: Vec<Memory>,
}
