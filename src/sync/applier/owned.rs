//! Watches the metadata of applied objects of one kind, so that what others change in them is seen at once.

use std::time::Duration;

use futures::StreamExt as _;
use kube::api::WatchEvent;
use serde::Deserialize;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::super::drift;
use super::super::inventory::Entry;
use super::super::object::ObjectId;
use super::super::switches::GROUP;
use super::call::encode;
use super::{Applier, FIELD_MANAGER};

/// How long the API server may keep a watch open. What was missed when a connection died is seen after it.
const WATCH_SECONDS: u64 = 300;

/// The pause after a watch that could not be opened or has ended, at first and at most.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_mins(1);

/// What a watch tells of an applied object.
#[derive(Debug, Clone, PartialEq)]
pub struct Owned {
    /// The object.
    pub id: ObjectId,
    /// The fields that our manager has applied; `None` when it has none, or the object or its labels are gone.
    pub fields: Option<Value>,
    /// The manager that changed it last, apart from ours.
    pub changed_by: Option<String>,
}

/// The metadata of an object, without its content.
#[derive(Debug, Clone, Deserialize)]
struct Partial {
    #[serde(default)]
    metadata: Metadata,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Metadata {
    name: String,
    namespace: Option<String>,
    managed_fields: Vec<Value>,
}

/// Watches the objects of an entry's kind that some Kustomization has applied, in all namespaces, until it is cancelled.
pub(super) async fn watch(
    applier: &Applier,
    kind: &Entry,
    tell: &(dyn Fn(Owned) + Send + Sync),
    cancel: &CancellationToken,
) {
    let mut pause = FIRST_PAUSE;
    loop {
        let has_told = tokio::select! {
            () = cancel.cancelled() => return,
            has_told = watch_once(applier, kind, tell) => has_told,
        };
        pause = if has_told {
            FIRST_PAUSE
        } else {
            (pause * 2).min(LONGEST_PAUSE)
        };
        tokio::select! {
            () = cancel.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// One watch until its end; the objects that there are come first. Gives whether it told anything.
async fn watch_once(applier: &Applier, kind: &Entry, tell: &(dyn Fn(Owned) + Send + Sync)) -> bool {
    let Ok(Some(resource)) = applier.shared.discovery.of_entry(&applier.api, kind).await else {
        return false;
    };
    let Ok(collection) = resource.collection(None) else {
        return false;
    };
    let selector = encode(&format!("{GROUP}/name"));
    let path = format!("{collection}?watch=1&labelSelector={selector}&timeoutSeconds={WATCH_SECONDS}");
    let Ok(request) = applier.api.watch_metadata_request(&path) else {
        return false;
    };
    let opening = applier.api.client().request_events::<Partial>(request);
    let Ok(Ok(events)) = tokio::time::timeout(applier.shared.limits.request, opening).await else {
        return false;
    };
    let mut events = std::pin::pin!(events);
    let mut has_told = false;
    while let Some(Ok(event)) = events.next().await {
        let (object, is_gone) = match event {
            WatchEvent::Added(object) | WatchEvent::Modified(object) => (object, false),
            WatchEvent::Deleted(object) => (object, true),
            WatchEvent::Bookmark(_) => continue,
            WatchEvent::Error(_) => break,
        };
        let Metadata {
            name,
            namespace,
            managed_fields,
        } = object.metadata;
        let fields = drift::own_fields(&managed_fields, FIELD_MANAGER).filter(|_| !is_gone);
        has_told = true;
        tell(Owned {
            id: ObjectId {
                namespace,
                name,
                group: kind.id.group.clone(),
                kind: kind.id.kind.clone(),
            },
            fields,
            changed_by: drift::last_other(&managed_fields, FIELD_MANAGER).map(str::to_owned),
        });
    }
    has_told
}
