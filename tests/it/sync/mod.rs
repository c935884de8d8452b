//! The apply engine against a real API server.

mod apply;
mod health;
mod prune;
mod switches;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use fluxbot::sync::{
    Applied, Applier, Appliers, ApplyError, ApplyOptions, CommonMetadata, DeleteOptions, Entry, Limits,
    Object, Owner, Prepared, Pruned, WaitError, WaitOptions, prepare,
};
use kube::client::Body;
use serde::Deserialize as _;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::support::cluster::{Cluster, Namespace};

/// A Kustomization of one test, in a namespace of its own.
struct World {
    cluster: Cluster,
    namespace: Namespace,
    client: kube::Client,
    applier: Arc<Applier>,
    owner: Owner,
    /// Method and path of each request of the applier.
    requests: Arc<Mutex<Vec<String>>>,
}

impl World {
    async fn new(prefix: &str) -> Self {
        let cluster = Cluster::shared();
        let namespace = cluster.namespace(prefix).await;
        let client = cluster.client().await;
        let requests = Arc::new(Mutex::new(Vec::new()));
        let applier = Applier::new(recording(&client, &requests), Limits::default());
        let owner = Owner {
            name: "apps".to_owned(),
            namespace: namespace.name().to_owned(),
        };
        Self {
            cluster,
            namespace,
            client,
            applier,
            owner,
            requests,
        }
    }

    /// The manifests with the namespace of the test in place of `$NS`, prepared; object N comes from line N.
    fn prepared(&self, manifests: &str) -> Prepared {
        let manifests = manifests.replace("$NS", self.namespace.name());
        let objects = yaml_serde::Deserializer::from_str(&manifests)
            .map(|document| Value::deserialize(document).unwrap())
            .filter(|document| !document.is_null())
            .enumerate()
            .map(|(index, value)| Object::new(value).with_origin(format!("apps.yaml:{}", index + 1)))
            .collect();
        prepare(objects, &self.owner, &CommonMetadata::default()).unwrap()
    }

    async fn try_apply(&self, manifests: &str, options: &ApplyOptions) -> Result<Applied, Box<ApplyError>> {
        self.applier
            .apply(
                &self.prepared(manifests),
                options,
                &CancellationToken::new(),
                &|_| (),
            )
            .await
    }

    async fn apply(&self, manifests: &str) -> Applied {
        self.try_apply(manifests, &ApplyOptions::default())
            .await
            .unwrap_or_else(|error| panic!("{error}"))
    }

    /// The text of the error of an apply that fails, with `$NS` in place of the namespace.
    async fn refusal(&self, manifests: &str) -> String {
        let error = self
            .try_apply(manifests, &ApplyOptions::default())
            .await
            .unwrap_err();
        error.to_string().replace(self.namespace.name(), "$NS")
    }

    fn log(&self, applied: &Applied) -> Vec<String> {
        applied
            .changes
            .iter()
            .map(|change| change.to_string().replace(self.namespace.name(), "$NS"))
            .collect()
    }

    async fn prune(&self, stale: &[Entry]) -> Pruned {
        self.applier
            .prune(stale, &self.delete_options(), &CancellationToken::new())
            .await
    }

    fn delete_options(&self) -> DeleteOptions {
        DeleteOptions {
            owner: self.owner.clone(),
            timeout: Duration::from_secs(30),
        }
    }

    async fn wait(&self, applied: &Applied, timeout: Duration) -> Result<(), WaitError> {
        let options = WaitOptions {
            timeout,
            ..WaitOptions::default()
        };
        let cancel = CancellationToken::new();
        self.applier
            .wait_ready(&applied.awaited(), &options, &cancel)
            .await
    }

    fn entry(&self, id: &str) -> Entry {
        Entry {
            id: id.replace("$NS", self.namespace.name()).parse().unwrap(),
            version: "v1".to_owned(),
        }
    }

    /// The object at this path below the namespace, such as `configmaps/a`, if there is one.
    async fn find(&self, path: &str) -> Option<Value> {
        let path = format!("/api/v1/namespaces/{}/{path}", self.namespace.name());
        self.find_at(&path).await
    }

    async fn find_at(&self, path: &str) -> Option<Value> {
        let request = http::Request::get(path).body(Vec::new()).unwrap();
        match self.client.request::<Value>(request).await {
            Ok(value) => Some(value),
            Err(kube::Error::Api(status)) if status.code == 404 => None,
            Err(error) => panic!("{path}: {error}"),
        }
    }

    async fn config_map(&self, name: &str) -> Value {
        self.find(&format!("configmaps/{name}"))
            .await
            .unwrap_or_else(|| panic!("no ConfigMap {name}"))
    }

    /// Merges a patch into an object as another manager.
    async fn patch(&self, path: &str, patch: &Value) {
        let path = format!(
            "/api/v1/namespaces/{}/{path}?fieldManager=somebody",
            self.namespace.name()
        );
        let request = http::Request::patch(path)
            .header("content-type", "application/merge-patch+json")
            .body(patch.to_string().into_bytes())
            .unwrap();
        self.client.request::<Value>(request).await.unwrap();
    }

    /// The requests since the last call.
    fn requests(&self) -> Vec<String> {
        std::mem::take(&mut *self.requests.lock().unwrap())
    }
}

/// A client that writes down what is asked for.
fn recording(client: &kube::Client, requests: &Arc<Mutex<Vec<String>>>) -> kube::Client {
    let client = client.clone();
    let requests = Arc::clone(requests);
    let service = tower::service_fn(move |request: http::Request<Body>| {
        let client = client.clone();
        requests
            .lock()
            .unwrap()
            .push(format!("{} {}", request.method(), request.uri()));
        async move { client.send(request).await }
    });
    kube::Client::new(service, "default")
}

fn config_map(name: &str, data: &str) -> String {
    format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}, namespace: $NS}}\ndata: {{{data}}}\n---\n"
    )
}

/// A `ConfigMap` with an annotation of Flux's group.
fn switched(name: &str, switch: &str, data: &str) -> String {
    format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\n  namespace: $NS\n  annotations:\n    \
         kustomize.toolkit.fluxcd.io/{switch}\ndata: {{{data}}}\n---\n"
    )
}

fn identities(world: &World) -> Appliers {
    Appliers::new(world.client.clone(), Limits::default())
}
