//! The cluster: objects to reconcile, and what becomes of them.

use std::collections::HashSet;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use fluxbot_api::image::{ImagePolicy, ImageRepository};
use futures::{StreamExt as _, TryStreamExt as _};
use k8s_openapi::api::core::v1::{Event, Namespace};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{ListParams, Patch, PatchParams, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::runtime::wait::{await_condition, conditions};
use kube::runtime::{WatchStreamExt as _, watcher};
use kube::{Api, Client, ResourceExt as _};
use serde::de::DeserializeOwned;
use serde_json::json;

use super::process::Server;
use super::registry::image;

/// Objects that are created at once.
const CONCURRENCY: usize = 16;

/// A connection to the API server.
pub struct Cluster {
    pub client: Client,
}

/// Name of a repository and of its policy.
pub fn name(number: usize) -> String {
    format!("app-{number}")
}

impl Cluster {
    pub async fn connect(plane: &Server) -> anyhow::Result<Self> {
        let path: &Path = plane.kubeconfig()?;
        let kubeconfig = Kubeconfig::read_from(path)?;
        let config = kube::Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
        Ok(Self {
            client: Client::try_from(config)?,
        })
    }

    /// Installs the kinds.
    pub async fn install(&self) -> anyhow::Result<()> {
        let definitions: Api<CustomResourceDefinition> = Api::all(self.client.clone());
        for definition in fluxbot_api::crds() {
            let name = definition.name_any();
            definitions.create(&PostParams::default(), &definition).await?;
            await_condition(definitions.clone(), &name, conditions::is_crd_established())
                .await
                .with_context(|| format!("waiting for {name}"))?;
        }
        Ok(())
    }

    pub async fn namespace(&self, name: &str) -> anyhow::Result<()> {
        let namespace: Namespace = serde_json::from_value(json!({ "metadata": { "name": name } }))?;
        let namespaces: Api<Namespace> = Api::all(self.client.clone());
        namespaces.create(&PostParams::default(), &namespace).await?;
        Ok(())
    }

    /// Creates the repositories and policies.
    pub async fn create(&self, namespace: &str, registry: &str, count: usize) -> anyhow::Result<Duration> {
        let begin = Instant::now();
        let repositories: Api<ImageRepository> = Api::namespaced(self.client.clone(), namespace);
        let policies: Api<ImagePolicy> = Api::namespaced(self.client.clone(), namespace);
        let create = |number: usize| {
            let (repositories, policies) = (&repositories, &policies);
            async move {
                let repository = object(
                    "ImageRepository",
                    number,
                    &json!({ "image": format!("{registry}/{}", image(number)), "interval": "30m" }),
                )?;
                repositories.create(&PostParams::default(), &repository).await?;
                let policy = object(
                    "ImagePolicy",
                    number,
                    &json!({ "imageRepositoryRef": { "name": name(number) }, "policy": { "semver": { "range": ">=1.0.0" } } }),
                )?;
                policies.create(&PostParams::default(), &policy).await?;
                anyhow::Ok(())
            }
        };
        futures::stream::iter(0..count)
            .map(create)
            .buffer_unordered(CONCURRENCY)
            .try_collect::<()>()
            .await?;
        Ok(begin.elapsed())
    }

    /// Waits until all policies have selected.
    pub async fn until_selected(
        &self,
        namespace: &str,
        count: usize,
        patience: Duration,
    ) -> anyhow::Result<()> {
        let is_done = |policy: &ImagePolicy| {
            policy
                .status
                .as_ref()
                .is_some_and(|status| status.latest_ref.is_some())
        };
        self.until(namespace, count, patience, is_done).await
    }

    /// Waits until all repositories say so.
    pub async fn until_scanned(
        &self,
        namespace: &str,
        count: usize,
        patience: Duration,
    ) -> anyhow::Result<()> {
        let is_done = |repository: &ImageRepository| {
            let status = repository.status.as_ref();
            status.is_some_and(|status| status.last_scan_result.is_some())
        };
        self.until(namespace, count, patience, is_done).await
    }

    async fn until<K>(
        &self,
        namespace: &str,
        count: usize,
        patience: Duration,
        is_done: impl Fn(&K) -> bool,
    ) -> anyhow::Result<()>
    where
        K: kube::Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>
            + Clone
            + std::fmt::Debug
            + DeserializeOwned
            + Send
            + 'static,
    {
        let api: Api<K> = Api::namespaced(self.client.clone(), namespace);
        let mut objects = std::pin::pin!(watcher(api, watcher::Config::default()).applied_objects());
        let mut done = HashSet::new();
        let deadline = tokio::time::Instant::now() + patience;
        while done.len() < count {
            let Ok(object) = tokio::time::timeout_at(deadline, objects.try_next()).await else {
                bail!("{} of {count} objects after {} s", done.len(), patience.as_secs());
            };
            let object = object?.context("the watch ended")?;
            if is_done(&object) {
                done.insert(object.name_any());
            }
        }
        Ok(())
    }

    /// Waits until there are so many events.
    pub async fn until_events(
        &self,
        namespace: &str,
        count: usize,
        patience: Duration,
    ) -> anyhow::Result<()> {
        let events: Api<Event> = Api::namespaced(self.client.clone(), namespace);
        let deadline = Instant::now() + patience;
        loop {
            let list = events.list_metadata(&ListParams::default().limit(1)).await?;
            let rest = list.metadata.remaining_item_count.unwrap_or_default();
            let found = list.items.len() + usize::try_from(rest).unwrap_or_default();
            if found >= count {
                return Ok(());
            }
            if Instant::now() > deadline {
                bail!("{found} of {count} events after {} s", patience.as_secs());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// How many of the objects have a finalizer.
    pub async fn finalizers(&self, namespace: &str) -> anyhow::Result<usize> {
        let repositories: Api<ImageRepository> = Api::namespaced(self.client.clone(), namespace);
        let policies: Api<ImagePolicy> = Api::namespaced(self.client.clone(), namespace);
        let repositories = repositories.list_metadata(&ListParams::default()).await?;
        let policies = policies.list_metadata(&ListParams::default()).await?;
        let held = repositories
            .iter()
            .filter(|object| !object.finalizers().is_empty())
            .count();
        Ok(held
            + policies
                .iter()
                .filter(|object| !object.finalizers().is_empty())
                .count())
    }

    /// Waits until a policy has selected a tag.
    pub async fn watch_policy(&self, namespace: &str, number: usize, tag: &str) -> anyhow::Result<()> {
        let policies: Api<ImagePolicy> = Api::namespaced(self.client.clone(), namespace);
        let config = watcher::Config::default().fields(&format!("metadata.name={}", name(number)));
        let mut objects = std::pin::pin!(watcher(policies, config).applied_objects());
        loop {
            let policy = objects.try_next().await?.context("the watch ended")?;
            let latest = policy.status.and_then(|status| status.latest_ref);
            if latest.is_some_and(|latest| latest.tag == tag) {
                return Ok(());
            }
        }
    }

    /// Asks for a scan, as `flux reconcile` does.
    pub async fn request_scan(&self, namespace: &str, number: usize) -> anyhow::Result<()> {
        let repositories: Api<ImageRepository> = Api::namespaced(self.client.clone(), namespace);
        let at = jiff::Timestamp::now().to_string();
        let patch = json!({ "metadata": { "annotations": { fluxbot_api::annotation::REQUESTED_AT: at } } });
        repositories
            .patch(&name(number), &PatchParams::default(), &Patch::Merge(patch))
            .await?;
        Ok(())
    }
}

fn object<K: DeserializeOwned>(kind: &str, number: usize, spec: &serde_json::Value) -> anyhow::Result<K> {
    let object = json!({
        "apiVersion": "image.toolkit.fluxcd.io/v1",
        "kind": kind,
        "metadata": { "name": name(number) },
        "spec": spec,
    });
    Ok(serde_json::from_value(object)?)
}
