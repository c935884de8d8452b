//! Writes of status and finalizers, fenced by uid and resource version.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::api::{Patch, PatchParams};
use kube::{Api, Client};
use serde_json::{Map, Value, json};
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use super::kinds::Reconciled;
use super::watch::Observer;

/// How long the API server may take for one request.
const TIMEOUT: Duration = Duration::from_secs(15);

/// How often a write is tried again after somebody else changed the object meanwhile.
const MAX_CONFLICTS: u32 = 8;

/// Why a status or finalizer could not be written.
#[derive(Debug, thiserror::Error)]
pub enum StatusError {
    /// The object is gone, or another one has its name.
    #[error("the object is gone")]
    Gone,
    /// The process stops, or another one leads.
    #[error("the controller is stopping")]
    Stopping,
    /// The API server did not answer in time.
    #[error("the API server did not answer in {} s", TIMEOUT.as_secs())]
    Timeout,
    /// Others changed the object each time.
    #[error("the object was changed by others {MAX_CONFLICTS} times in a row")]
    Contended,
    /// The API server refused.
    #[error("failed to write the status: {0}")]
    Refused(#[source] Box<kube::Error>),
    /// The status is no JSON.
    #[error("failed to encode the status: {0}")]
    Encode(#[from] serde_json::Error),
}

/// Writes to one object. Clones share what was written last, so that their writes do not undo each other.
pub struct StatusWriter<K: Reconciled> {
    api: Api<K>,
    base: Arc<Mutex<Arc<K>>>,
    observer: Arc<Observer<K>>,
    stop: CancellationToken,
}

impl<K: Reconciled> Clone for StatusWriter<K> {
    fn clone(&self) -> Self {
        Self {
            api: self.api.clone(),
            base: Arc::clone(&self.base),
            observer: Arc::clone(&self.observer),
            stop: self.stop.clone(),
        }
    }
}

impl<K: Reconciled> StatusWriter<K> {
    /// A writer to `object`. Nothing is written after `stop`.
    pub(super) fn new(
        client: &Client,
        object: Arc<K>,
        observer: Arc<Observer<K>>,
        stop: CancellationToken,
    ) -> Self {
        let namespace = object.meta().namespace.clone().unwrap_or_default();
        Self {
            api: Api::namespaced(client.clone(), &namespace),
            base: Arc::new(Mutex::new(object)),
            observer,
            stop,
        }
    }

    /// The conditions as last written.
    pub(super) async fn conditions(&self) -> Vec<Condition> {
        let base = self.base.lock().await;
        base.status()
            .map(|status| K::conditions(status).to_vec())
            .unwrap_or_default()
    }

    /// Writes what differs from the status as last known; nothing when nothing does.
    pub(super) async fn write(&self, status: &K::Status) -> Result<(), StatusError> {
        let mut base = self.base.lock().await;
        let wanted = serde_json::to_value(status)?;
        self.patch(
            &mut base,
            |current| {
                let before = current.status().map(serde_json::to_value).transpose()?;
                let patch = merge_patch(before.as_ref().unwrap_or(&Value::Null), &wanted);
                Ok(patch.map(|status| json!({ "status": status })))
            },
            true,
        )
        .await
    }

    /// Writes the conditions alone, while a run is under way.
    pub(super) async fn write_conditions(&self, conditions: &[Condition]) -> Result<(), StatusError> {
        let mut base = self.base.lock().await;
        self.patch(
            &mut base,
            |current| {
                let before = current.status().map(K::conditions).unwrap_or_default();
                Ok((before != conditions).then(|| json!({ "status": { "conditions": conditions } })))
            },
            true,
        )
        .await
    }

    /// Adds or removes the finalizer.
    pub(super) async fn set_finalizer(&self, finalizer: &str, wanted: bool) -> Result<(), StatusError> {
        let mut base = self.base.lock().await;
        self.patch(
            &mut base,
            |current| {
                let mut finalizers = current.meta().finalizers.clone().unwrap_or_default();
                let is_there = finalizers.iter().any(|name| name == finalizer);
                if is_there == wanted {
                    return Ok(None);
                }
                finalizers.retain(|name| name != finalizer);
                if wanted {
                    finalizers.push(finalizer.to_owned());
                }
                Ok(Some(json!({ "metadata": { "finalizers": finalizers } })))
            },
            false,
        )
        .await
    }

    /// The object as last known.
    pub(super) async fn object(&self) -> Arc<K> {
        Arc::clone(&*self.base.lock().await)
    }

    async fn patch(
        &self,
        base: &mut Arc<K>,
        change: impl Fn(&K) -> Result<Option<Value>, StatusError> + Send + Sync,
        is_status: bool,
    ) -> Result<(), StatusError> {
        for _ in 0..MAX_CONFLICTS {
            let Some(mut patch) = change(base)? else {
                return Ok(());
            };
            if self.stop.is_cancelled() {
                return Err(StatusError::Stopping);
            }
            let meta = base.meta();
            let name = meta.name.clone().unwrap_or_default();
            patch["metadata"]["uid"] = json!(meta.uid);
            patch["metadata"]["resourceVersion"] = json!(meta.resource_version);
            let params = PatchParams::apply(K::STATUS_MANAGER);
            // `apply` sets the manager only; the patch is a merge patch.
            let patch = Patch::Merge(patch);
            let answer = async {
                if is_status {
                    self.api.patch_status(&name, &params, &patch).await
                } else {
                    self.api.patch(&name, &params, &patch).await
                }
            };
            match deadline(answer).await? {
                Ok(object) => {
                    self.accept(base, object);
                    return Ok(());
                }
                Err(kube::Error::Api(status)) if status.code == 404 => return Err(StatusError::Gone),
                Err(kube::Error::Api(status)) if status.code == 409 => self.refresh(base, &name).await?,
                Err(error) => return Err(StatusError::Refused(Box::new(error))),
            }
        }
        Err(StatusError::Contended)
    }

    fn accept(&self, base: &mut Arc<K>, mut object: K) {
        object.meta_mut().managed_fields = None;
        *base = Arc::new(object.clone());
        self.observer.answered(object);
    }

    async fn refresh(&self, base: &mut Arc<K>, name: &str) -> Result<(), StatusError> {
        let current = deadline(self.api.get_opt(name)).await?;
        let current = current.map_err(|error| StatusError::Refused(Box::new(error)))?;
        let current = current.filter(|object| object.meta().uid == base.meta().uid);
        self.accept(base, current.ok_or(StatusError::Gone)?);
        Ok(())
    }
}

async fn deadline<T>(answer: impl Future<Output = T>) -> Result<T, StatusError> {
    tokio::time::timeout(TIMEOUT, answer)
        .await
        .map_err(|_| StatusError::Timeout)
}

/// The JSON merge patch (RFC 7386) that turns `before` into `after`; `None` when they are equal.
fn merge_patch(before: &Value, after: &Value) -> Option<Value> {
    if before == after {
        return None;
    }
    let (Value::Object(before), Value::Object(after)) = (before, after) else {
        return Some(after.clone());
    };
    let mut patch = Map::new();
    for (key, value) in after {
        match before.get(key) {
            Some(old) => {
                if let Some(change) = merge_patch(old, value) {
                    patch.insert(key.clone(), change);
                }
            }
            None => {
                patch.insert(key.clone(), value.clone());
            }
        }
    }
    for key in before.keys().filter(|key| !after.contains_key(*key)) {
        patch.insert(key.clone(), Value::Null);
    }
    Some(Value::Object(patch))
}
