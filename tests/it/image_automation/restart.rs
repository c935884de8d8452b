//! What a process finds whose predecessor has scanned.

use fluxbot_api::image::{ImagePolicy, ImageRepository};
use kube::api::PostParams;
use kube::{Api, Client};
use serde_json::{Value, json};

use crate::support::cluster::{Cluster, Namespace};
use crate::support::controller::{Controller, Storage};
use crate::support::eventually::eventually;
use crate::support::registry::Registry;

struct Stage {
    cluster: Cluster,
    namespace: Namespace,
    client: Client,
    storage: Storage,
}

impl Stage {
    async fn new(prefix: &str) -> Self {
        let cluster = Cluster::shared();
        cluster.install_crds().await;
        Self {
            namespace: cluster.namespace(prefix).await,
            client: cluster.client().await,
            storage: Storage::new(),
            cluster,
        }
    }

    /// Starts a controller that does not wait for the lease of one that was killed.
    async fn controller(&self) -> Controller {
        let flags = ["--controllers", "image", "--leader-elect=false"];
        let controller = Controller::start(&self.cluster, self.namespace.name(), &self.storage, &flags);
        controller.await.ready().await
    }

    async fn repository(&self, image: &str) {
        let spec = json!({ "image": image, "interval": "1h", "insecure": true });
        let object: ImageRepository = object("ImageRepository", "app", &spec);
        let api: Api<ImageRepository> = Api::namespaced(self.client.clone(), self.namespace.name());
        api.create(&PostParams::default(), &object).await.unwrap();
    }

    async fn policy(&self, name: &str) {
        let spec =
            json!({ "imageRepositoryRef": { "name": "app" }, "policy": { "semver": { "range": "1.x" } } });
        let object: ImagePolicy = object("ImagePolicy", name, &spec);
        self.policies()
            .create(&PostParams::default(), &object)
            .await
            .unwrap();
    }

    fn policies(&self) -> Api<ImagePolicy> {
        Api::namespaced(self.client.clone(), self.namespace.name())
    }

    async fn selected(&self, name: &str) -> String {
        eventually("the policy has selected", async || {
            let policy = self
                .policies()
                .get(name)
                .await
                .map_err(|error| error.to_string())?;
            let latest = policy
                .status
                .as_ref()
                .and_then(|status| status.latest_ref.as_ref());
            latest
                .map(|latest| latest.tag.clone())
                .ok_or_else(|| format!("{:?}", policy.status))
        })
        .await
    }
}

fn object<K: serde::de::DeserializeOwned>(kind: &str, name: &str, spec: &Value) -> K {
    let object = json!({
        "apiVersion": "image.toolkit.fluxcd.io/v1",
        "kind": kind,
        "metadata": { "name": name },
        "spec": spec,
    });
    serde_json::from_value(object).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_restart_policies_select_from_the_kept_tags_and_no_registry_is_asked() {
    let stage = Stage::new("kept-tags").await;
    let registry = Registry::shared();
    registry.push_tags("kept-tags", &["1.0.0", "1.0.1"]).await;
    stage.repository(&registry.image("kept-tags")).await;
    stage.policy("first").await;
    let controller = stage.controller().await;
    assert_eq!(stage.selected("first").await, "1.0.1");
    assert_eq!(controller.stop().await, Some(0));

    registry.push_tags("kept-tags", &["1.0.2"]).await;
    let lists = async || {
        let requests = registry.control().requests("kept-tags/tags/list").await;
        requests.len()
    };
    let before = lists().await;
    let version = stage
        .policies()
        .get("first")
        .await
        .unwrap()
        .metadata
        .resource_version;
    let controller = stage.controller().await;
    stage.policy("second").await;
    assert_eq!(stage.selected("second").await, "1.0.1", "what was known before");
    assert_eq!(lists().await, before, "its interval is an hour");
    let first = stage.policies().get("first").await.unwrap();
    assert_eq!(
        first.metadata.resource_version, version,
        "nothing is written for it"
    );
    assert_eq!(controller.stop().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_kill_a_selection_never_goes_back() {
    let stage = Stage::new("killed-tags").await;
    let registry = Registry::shared();
    registry.push_tags("killed-tags", &["1.0.0"]).await;
    stage.repository(&registry.image("killed-tags")).await;
    stage.policy("first").await;
    let mut expected = "1.0.0".to_owned();
    for round in 1..4 {
        let controller = stage.controller().await;
        let tag = format!("1.0.{round}");
        registry.push_tags("killed-tags", &[tag.as_str()]).await;
        let request = format!("reconcile.fluxcd.io/requestedAt={tag}");
        stage.cluster.kubectl([
            "annotate",
            "imagerepository",
            "app",
            "--namespace",
            stage.namespace.name(),
            "--overwrite",
            &request,
        ]);
        eventually("the new tag is selected", async || {
            let selected = stage.selected("first").await;
            if selected == tag {
                Ok(())
            } else {
                Err(format!("{selected} after {expected}"))
            }
        })
        .await;
        // Sooner than the list is in the file.
        controller.kill().await;
        expected = tag;
    }
    let controller = stage.controller().await;
    stage.policy("second").await;
    assert_eq!(stage.selected("second").await, expected);
    assert_eq!(stage.selected("first").await, expected);
    assert_eq!(controller.stop().await, Some(0));
}
