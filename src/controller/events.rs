//! Events: to the API server, and to a notification endpoint where one is given.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;
use std::time::Duration;

use fluxbot_api::Reason;
use fluxbot_api::annotation::EVENT_PREFIX;
use fluxbot_api::condition::EventSeverity;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::ObjectReference;
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, Client};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tracing::{debug, warn};

use super::kinds::Reconciled;
use super::metrics::Metrics;
use super::outcome;
use crate::http::{ClientSettings, HttpClients, Reach};

/// Events that wait to be published; more are dropped and counted.
const CAPACITY: usize = 4096;

/// Longest message in an event of the API server.
const MAX_NOTE: usize = 1024;

/// How long one endpoint may take.
const TIMEOUT: Duration = Duration::from_secs(15);

/// An event that repeats within this time is counted up instead of created anew.
const REPEATS_WITHIN: Duration = Duration::from_hours(1);

/// Events that are published at once. Few: they must not keep the API server from storing statuses.
const LANES: usize = 2;

/// Events of a lane whose repetition is recognised.
const MAX_REMEMBERED: usize = 512;

/// Something that happened to an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventRecord {
    /// How bad it is. [`EventSeverity::Trace`] goes to the API server only.
    pub severity: EventSeverity,
    /// Why, in one word.
    pub reason: Reason,
    /// What happened; no secret.
    pub message: String,
    /// What it carries beside, by full key (`source.toolkit.fluxcd.io/revision`).
    pub metadata: Vec<(String, String)>,
}

impl EventRecord {
    /// An event without metadata.
    #[must_use]
    pub fn new(severity: EventSeverity, reason: Reason, message: &str) -> Self {
        Self {
            severity,
            reason,
            message: message.to_owned(),
            metadata: Vec::new(),
        }
    }

    /// Adds something that the event carries beside the message.
    pub fn with(&mut self, key: impl Into<String>, value: impl Into<String>) -> &mut Self {
        self.metadata.push((key.into(), value.into()));
        self
    }
}

/// An event with the object that it belongs to.
#[derive(Debug)]
struct Publication {
    object: ObjectReference,
    controller: &'static str,
    record: EventRecord,
    at: Timestamp,
}

/// Publishes events in the background, so that no reconcile waits for it. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Events {
    sender: mpsc::Sender<Publication>,
    metrics: Arc<Metrics>,
}

/// Where events go.
#[derive(Clone)]
pub struct Destinations {
    /// The API server.
    pub client: Client,
    /// Name of this process (Flux: the pod).
    pub instance: String,
    /// A notification-controller's address.
    pub address: Option<String>,
    /// Connections to it.
    pub http: HttpClients,
}

impl Events {
    /// Starts publishing. The future ends when all clones of [`Events`] are dropped and everything is out.
    pub fn start(
        destinations: Destinations,
        metrics: Arc<Metrics>,
    ) -> (Self, impl Future<Output = ()> + Send) {
        let (sender, receiver) = mpsc::channel(CAPACITY);
        (Self { sender, metrics }, publish_all(destinations, receiver))
    }

    /// Hands an event over for publication. Never waits: when too many wait already, it is dropped and counted.
    pub fn publish<K: Reconciled>(&self, object: &K, controller: &'static str, mut record: EventRecord) {
        let annotations = object.meta().annotations.iter().flatten();
        for (key, value) in annotations.filter(|(key, _)| key.starts_with(EVENT_PREFIX)) {
            if !record.metadata.iter().any(|(known, _)| known == key) {
                record.metadata.push((key.clone(), value.clone()));
            }
        }
        self.publish_to(object.object_ref(&()), controller, record);
    }

    /// The same for an object of which nothing but its name is understood.
    pub fn publish_to(&self, object: ObjectReference, controller: &'static str, record: EventRecord) {
        let publication = Publication {
            object,
            controller,
            record,
            at: Timestamp::now(),
        };
        if self.sender.try_send(publication).is_err() {
            self.metrics.event_dropped();
        }
    }
}

struct Remembered {
    name: String,
    count: i32,
    since: Instant,
}

/// Deals the events out to several lanes, those of one object to the same one: they stay in order.
async fn publish_all(destinations: Destinations, mut receiver: mpsc::Receiver<Publication>) {
    let (lanes, ends): (Vec<_>, Vec<_>) = std::iter::repeat_with(|| mpsc::channel(1)).take(LANES).unzip();
    let deal = async move {
        while let Some(publication) = receiver.recv().await {
            let mut hasher = DefaultHasher::new();
            publication.object.uid.hash(&mut hasher);
            publication.object.name.hash(&mut hasher);
            let lane = usize::try_from(hasher.finish() % LANES as u64).unwrap_or_default();
            if let Some(lane) = lanes.get(lane) {
                // A lane ends after this does.
                drop(lane.send(publication).await);
            }
        }
    };
    let publish = ends.into_iter().map(|end| publish_lane(&destinations, end));
    tokio::join!(deal, futures::future::join_all(publish));
}

async fn publish_lane(destinations: &Destinations, mut receiver: mpsc::Receiver<Publication>) {
    let mut remembered: HashMap<u64, Remembered> = HashMap::new();
    while let Some(publication) = receiver.recv().await {
        if let Err(error) = to_api_server(destinations, &mut remembered, &publication).await {
            debug!(%error, reason = %publication.record.reason, "event could not be recorded");
        }
        if let Some(address) = &destinations.address
            && publication.record.severity != EventSeverity::Trace
            && let Err(error) = to_endpoint(destinations, address, &publication).await
        {
            warn!(%error, reason = %publication.record.reason, "event could not be sent to the notification endpoint");
        }
    }
}

async fn to_api_server(
    destinations: &Destinations,
    remembered: &mut HashMap<u64, Remembered>,
    publication: &Publication,
) -> Result<(), String> {
    let namespace = publication
        .object
        .namespace
        .clone()
        .unwrap_or_else(|| "default".to_owned());
    let api: Api<k8s_openapi::api::core::v1::Event> =
        Api::namespaced(destinations.client.clone(), &namespace);
    let key = fingerprint(publication);
    if remembered.len() >= MAX_REMEMBERED {
        remembered.retain(|_, known| known.since.elapsed() < REPEATS_WITHIN);
    }
    let known = remembered.get_mut(&key);
    if let Some(known) = known.filter(|known| known.since.elapsed() < REPEATS_WITHIN) {
        let patch = json!({ "count": known.count + 1, "lastTimestamp": seconds(publication.at) });
        let patch = Patch::Merge(patch);
        let params = PatchParams::default();
        let answer = tokio::time::timeout(TIMEOUT, api.patch(&known.name, &params, &patch)).await;
        if matches!(answer, Ok(Ok(_))) {
            known.count += 1;
            return Ok(());
        }
        remembered.remove(&key);
    }
    let event = event_object(destinations, publication, &namespace);
    let event = serde_json::from_value(event).map_err(|error| error.to_string())?;
    let params = PostParams::default();
    let created = tokio::time::timeout(TIMEOUT, api.create(&params, &event)).await;
    let created = created
        .map_err(|_| "timeout".to_owned())?
        .map_err(|error| error.to_string())?;
    if remembered.len() < MAX_REMEMBERED {
        let fresh = Remembered {
            name: created.metadata.name.unwrap_or_default(),
            count: 1,
            since: Instant::now(),
        };
        remembered.insert(key, fresh);
    }
    Ok(())
}

fn event_object(destinations: &Destinations, publication: &Publication, namespace: &str) -> Value {
    let Publication {
        object,
        controller,
        record,
        at,
    } = publication;
    let name = object.name.as_deref().unwrap_or_default();
    let metadata: serde_json::Map<String, Value> = record
        .metadata
        .iter()
        .map(|(key, value)| (key.clone(), json!(value)))
        .collect();
    json!({
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {
            "name": format!("{name}.{:x}", at.as_nanosecond()),
            "namespace": namespace,
            "annotations": metadata,
        },
        "involvedObject": object,
        "reason": record.reason,
        "message": outcome::shortened(&record.message, MAX_NOTE),
        "type": if record.severity == EventSeverity::Error { "Warning" } else { "Normal" },
        "source": { "component": controller },
        "reportingComponent": controller,
        "reportingInstance": destinations.instance,
        "firstTimestamp": seconds(*at),
        "lastTimestamp": seconds(*at),
        "count": 1,
    })
}

/// Posts the event as Flux's notification-controller reads it.
async fn to_endpoint(
    destinations: &Destinations,
    address: &str,
    publication: &Publication,
) -> Result<(), String> {
    let Publication {
        object,
        controller,
        record,
        at,
    } = publication;
    let metadata: serde_json::Map<String, Value> = record
        .metadata
        .iter()
        .map(|(key, value)| (key.clone(), json!(value)))
        .collect();
    let body = json!({
        "involvedObject": object,
        "severity": record.severity,
        "timestamp": at.to_string(),
        "message": record.message,
        "reason": record.reason,
        "metadata": metadata,
        "reportingController": controller,
        "reportingInstance": destinations.instance,
    });
    let settings = ClientSettings::default();
    let client = destinations
        .http
        .client(&settings, Reach::Named)
        .map_err(|error| error.to_string())?;
    let request = client
        .post(address)
        .header("content-type", "application/json")
        .body(body.to_string())
        .build()
        .map_err(|error| error.without_url().to_string())?;
    let answer = destinations.http.send(&settings, Reach::Named, request);
    let answer = tokio::time::timeout(TIMEOUT, answer)
        .await
        .map_err(|_| "timeout".to_owned())?;
    let answer = answer.map_err(|error| error.to_string())?;
    // 429 says that the same event was sent before.
    let status = answer.status();
    if status.is_success() || status.as_u16() == 429 {
        Ok(())
    } else {
        Err(format!("status {status}"))
    }
}

fn fingerprint(publication: &Publication) -> u64 {
    let mut hasher = DefaultHasher::new();
    publication.object.uid.hash(&mut hasher);
    publication.object.name.hash(&mut hasher);
    publication.record.reason.hash(&mut hasher);
    publication.record.message.hash(&mut hasher);
    publication.record.metadata.hash(&mut hasher);
    hasher.finish()
}

fn seconds(time: Timestamp) -> String {
    outcome::whole_seconds(time).to_string()
}
