//! One team's setup: a registry with images, a repository with marked manifests, and Flux objects in a namespace.

use std::fmt::Write as _;

use fluxbot_api::annotation::REQUESTED_AT;
use fluxbot_api::image::{ImagePolicy, ImageRepository, ImageUpdateAutomation};
use fluxbot_api::kustomize::Kustomization;
use fluxbot_api::source::GitRepository;
use k8s_openapi::api::apps::v1::Deployment;
use kube::api::{ListParams, Patch, PatchParams};
use kube::core::NamespaceResourceScope;
use kube::{Api, Client, Resource};
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::support::cluster::{Cluster, Namespace};
use crate::support::eventually::eventually;
use crate::support::git::{GitServer, PASSWORD, Repository, USER};
use crate::support::registry::Registry;

/// A team: its namespace, its repository, and its apps, whose images are `TEAM-APP` in the shared registry.
pub struct Team {
    pub cluster: Cluster,
    pub client: Client,
    pub namespace: Namespace,
    pub registry: Registry,
    pub repository: Repository,
}

impl Team {
    /// Sets a team up with apps at 1.0.0. With `automations` each app has an `ImageUpdateAutomation` of its own;
    /// otherwise there is one for all.
    pub async fn new(name: &str, apps: &[&str], automation_per_app: bool) -> Self {
        let cluster = Cluster::shared();
        cluster.install_crds().await;
        let namespace = cluster.namespace(name).await;
        let client = cluster.client().await;
        let registry = Registry::shared();
        let mut files = Vec::new();
        let mut objects = sources(namespace.name());
        for app in apps {
            let image = registry.image(&format!("{}-{app}", namespace.name()));
            registry
                .push_tags(&format!("{}-{app}", namespace.name()), &["1.0.0"])
                .await;
            files.push((
                format!("apps/{app}.yaml"),
                deployment(namespace.name(), app, &image),
            ));
            objects.push_str(&image_objects(app, &image));
            if automation_per_app {
                objects.push_str(&automation(app, &format!("./apps/{app}.yaml")));
            }
        }
        if !automation_per_app {
            objects.push_str(&automation("all", "./apps"));
        }
        files.push(("apps/settings.yaml".to_owned(), settings("settings")));
        files.push(("apps/extra.yaml".to_owned(), settings("extra")));
        let files: Vec<(&str, &str)> = files
            .iter()
            .map(|(path, text)| (path.as_str(), text.as_str()))
            .collect();
        let repository = GitServer::shared().create_repository(namespace.name(), &files);
        let objects = objects.replace("REPOSITORY-URL", repository.url.as_str());
        cluster.apply(&objects, Some(namespace.name()));
        Self {
            cluster,
            client,
            namespace,
            registry,
            repository,
        }
    }

    pub fn api<K>(&self) -> Api<K>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
    {
        Api::namespaced(self.client.clone(), self.namespace.name())
    }

    pub fn image(&self, app: &str) -> String {
        self.registry.image(&format!("{}-{app}", self.namespace.name()))
    }

    /// Pushes a tag, and has the image scanned now instead of at its interval.
    pub async fn push_tag(&self, app: &str, tag: &str) {
        self.registry
            .push_tags(&format!("{}-{app}", self.namespace.name()), &[tag])
            .await;
        self.request::<ImageRepository>(app, tag).await;
    }

    /// Asks for a reconciliation of an object as `flux reconcile` does.
    pub async fn request<K>(&self, name: &str, value: &str)
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>
            + Clone
            + DeserializeOwned
            + std::fmt::Debug,
    {
        let patch = json!({ "metadata": { "annotations": { REQUESTED_AT: value } } });
        let api: Api<K> = self.api();
        api.patch(name, &PatchParams::default(), &Patch::Merge(&patch))
            .await
            .unwrap();
    }

    /// Waits until an app's Deployment runs an image of this tag and is ready.
    pub async fn runs(&self, app: &str, tag: &str) {
        let wanted = format!("{}:{tag}", self.image(app));
        let deployments: Api<Deployment> = self.api();
        eventually(&format!("{app} runs {tag}"), async || {
            let deployment = match deployments.get(app).await {
                Ok(deployment) => deployment,
                Err(error) => return Err(format!("{error}\n{}", self.states().await)),
            };
            let container = deployment
                .spec
                .unwrap()
                .template
                .spec
                .unwrap()
                .containers
                .remove(0);
            let image = container.image.unwrap_or_default();
            let status = deployment.status.unwrap_or_default();
            let is_ready = status.ready_replicas == Some(1)
                && status.updated_replicas == Some(1)
                && status.observed_generation == deployment.metadata.generation;
            if image == wanted && is_ready {
                return Ok(());
            }
            Err(format!(
                "it runs {image}, ready: {is_ready}\n{}",
                self.states().await
            ))
        })
        .await;
    }

    /// What the objects say of themselves, for the text of a failed test.
    pub async fn states(&self) -> String {
        let mut text = String::new();
        text.push_str(&self.conditions::<ImageRepository>().await);
        text.push_str(&self.conditions::<ImagePolicy>().await);
        text.push_str(&self.conditions::<ImageUpdateAutomation>().await);
        text.push_str(&self.conditions::<GitRepository>().await);
        text.push_str(&self.conditions::<Kustomization>().await);
        text
    }

    async fn conditions<K>(&self) -> String
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>
            + Clone
            + DeserializeOwned
            + serde::Serialize
            + std::fmt::Debug,
    {
        let api: Api<K> = self.api();
        let Ok(list) = api.list(&ListParams::default()).await else {
            return String::new();
        };
        let mut text = String::new();
        for object in list {
            let value = serde_json::to_value(&object).unwrap();
            let name = value["metadata"]["name"].as_str().unwrap_or_default();
            let conditions = &value["status"]["conditions"];
            writeln!(text, "{} {name}: {conditions}", K::kind(&())).unwrap();
        }
        text
    }

    /// Waits until the Kustomization has applied the newest commit of the branch.
    pub async fn is_applied(&self) {
        let kustomizations: Api<Kustomization> = self.api();
        eventually("the newest commit is applied", async || {
            let head = self.repository.revision("main").unwrap();
            let found = kustomizations
                .get("apps")
                .await
                .map_err(|error| error.to_string())?;
            let applied = found.status.and_then(|status| status.last_applied_revision);
            if applied.as_deref() == Some(format!("main@sha1:{head}").as_str()) {
                return Ok(());
            }
            Err(format!(
                "{applied:?} is applied, {head} is the head\n{}",
                self.states().await
            ))
        })
        .await;
    }
}

fn sources(namespace: &str) -> String {
    format!(
        "apiVersion: v1
kind: Secret
metadata: {{name: git}}
stringData: {{username: {USER}, password: {PASSWORD}}}
---
apiVersion: source.toolkit.fluxcd.io/v1
kind: GitRepository
metadata: {{name: fleet}}
spec:
  interval: 1h
  url: REPOSITORY-URL
  ref: {{branch: main}}
  secretRef: {{name: git}}
---
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {{name: apps}}
spec:
  interval: 1h
  retryInterval: 5s
  sourceRef: {{kind: GitRepository, name: fleet}}
  path: ./apps
  prune: true
  wait: true
  timeout: 1m
  targetNamespace: {namespace}
"
    )
}

fn image_objects(app: &str, image: &str) -> String {
    format!(
        "---
apiVersion: image.toolkit.fluxcd.io/v1
kind: ImageRepository
metadata: {{name: {app}}}
spec: {{image: {image}, interval: 1h, insecure: true}}
---
apiVersion: image.toolkit.fluxcd.io/v1
kind: ImagePolicy
metadata: {{name: {app}}}
spec:
  imageRepositoryRef: {{name: {app}}}
  policy: {{semver: {{range: 1.0.x}}}}
"
    )
}

fn automation(name: &str, path: &str) -> String {
    format!(
        "---
apiVersion: image.toolkit.fluxcd.io/v1
kind: ImageUpdateAutomation
metadata: {{name: {name}}}
spec:
  interval: 1h
  sourceRef: {{kind: GitRepository, name: fleet}}
  git:
    checkout: {{ref: {{branch: main}}}}
    commit: {{author: {{name: fluxbot, email: fluxbot@example.org}}}}
    push: {{branch: main}}
  update: {{path: {path}, strategy: Setters}}
"
    )
}

/// A Deployment by hand: odd spacing, quotes and comments show that nothing but the marked scalar is touched.
fn deployment(namespace: &str, app: &str, image: &str) -> String {
    format!(
        "# {app}, by hand\n\napiVersion: apps/v1\nkind: Deployment\nmetadata:\n    name: {app}   # four spaces\nspec:\n    \
         replicas: 1\n    selector: {{matchLabels: {{app:   {app}}}}}\n    template:\n        metadata: {{labels: {{app: {app}}}}}\n        \
         spec:\n            containers:\n              - name: '{app}'\n                \
         image: \"{image}:1.0.0\"   # {{\"$imagepolicy\": \"{namespace}:{app}\"}}\n\n                \
         env: [ {{name: A,   value: 'b'}} ]\n"
    )
}

fn settings(name: &str) -> String {
    format!("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\ndata:\n  key: value\n")
}
