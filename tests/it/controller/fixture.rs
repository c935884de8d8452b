//! A namespace with a repository, a controller that looks after it, and questions about its objects.

use fluxbot_api::kustomize::Kustomization;
use fluxbot_api::source::GitRepository;
use k8s_openapi::api::core::v1::{ConfigMap, Event};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::api::ListParams;
use kube::{Api, Client};
use serde_json::Value;

use crate::support::cluster::{Cluster, Namespace};
use crate::support::controller::{Controller, Storage};
use crate::support::eventually::eventually;
use crate::support::git::{GitServer, PASSWORD, Repository, USER};

/// The whole of it. Each test has its own, on the shared servers.
pub struct Fleet {
    pub cluster: Cluster,
    pub namespace: Namespace,
    pub client: Client,
    pub repository: Repository,
    pub storage: Storage,
    pub controller: Option<Controller>,
}

/// A value for `reconcile.fluxcd.io/requestedAt`, another one each time.
fn request() -> String {
    jiff::Timestamp::now().to_string()
}

impl Fleet {
    /// A namespace, a repository with these files, a `GitRepository` named `fleet` for it, and no controller yet.
    pub async fn idle(name: &str, files: &[(&str, &str)]) -> Self {
        let cluster = Cluster::shared();
        cluster.install_crds().await;
        let namespace = cluster.namespace(name).await;
        let repository = GitServer::shared().create_repository(&format!("controller/{name}"), files);
        let client = cluster.client().await;
        let fleet = Self {
            cluster,
            namespace,
            client,
            repository,
            storage: Storage::new(),
            controller: None,
        };
        fleet.apply(&format!(
            "apiVersion: v1\nkind: Secret\nmetadata: {{name: git}}\nstringData: {{username: {USER}, password: {PASSWORD}}}\n"
        ));
        fleet.apply(&fleet.source("fleet", ""));
        fleet
    }

    /// The same with a running controller.
    pub async fn start(name: &str, files: &[(&str, &str)]) -> Self {
        let mut fleet = Self::idle(name, files).await;
        fleet.run(&[]).await;
        fleet
    }

    /// Starts a controller with these flags.
    pub async fn run(&mut self, flags: &[&str]) {
        let mut all = vec!["--leader-elect=false"];
        all.extend_from_slice(flags);
        let controller = Controller::start(&self.cluster, self.namespace.name(), &self.storage, &all).await;
        self.controller = Some(controller.ready().await);
    }

    /// A `GitRepository` for the repository, with more lines of its spec.
    pub fn source(&self, name: &str, spec: &str) -> String {
        let url = &self.repository.url;
        format!(
            "apiVersion: source.toolkit.fluxcd.io/v1\nkind: GitRepository\nmetadata: {{name: {name}}}\nspec:\n  url: {url}\n  \
             interval: 1h\n  ref: {{branch: main}}\n  secretRef: {{name: git}}\n{spec}"
        )
    }

    /// A Kustomization of a path, with more lines of its spec.
    pub fn kustomization(&self, name: &str, path: &str, spec: &str) -> String {
        let namespace = self.namespace.name();
        format!(
            "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {{name: {name}}}\nspec:\n  \
             interval: 1h\n  retryInterval: 1h\n  timeout: 10m\n  prune: true\n  path: {path}\n  targetNamespace: {namespace}\n  \
             sourceRef: {{kind: GitRepository, name: fleet}}\n{spec}"
        )
    }

    pub fn apply(&self, manifest: &str) {
        self.cluster.apply(manifest, Some(self.namespace.name()));
    }

    /// Runs kubectl in the namespace.
    pub fn kubectl(&self, arguments: &[&str]) -> String {
        let mut all = vec!["--namespace", self.namespace.name()];
        all.extend_from_slice(arguments);
        self.cluster.kubectl(all)
    }

    /// Asks for a run, and gives what it asked with.
    pub fn request(&self, kind: &str, name: &str) -> String {
        let value = request();
        let annotation = format!("reconcile.fluxcd.io/requestedAt={value}");
        self.kubectl(&["annotate", "--overwrite", kind, name, &annotation]);
        value
    }

    /// Commits files, which may be removed with `None`, and has the source look.
    pub fn commit(&self, message: &str, files: &[(&str, Option<&str>)]) -> String {
        let written: Vec<(&str, &str)> = files
            .iter()
            .filter_map(|(path, content)| Some((*path, (*content)?)))
            .collect();
        let gone: Vec<&str> = files
            .iter()
            .filter(|(_, content)| content.is_none())
            .map(|(path, _)| *path)
            .collect();
        let commit = self.repository.commit_with("main", message, &written, &gone);
        self.request("gitrepository", "fleet");
        format!("main@sha1:{commit}")
    }

    pub async fn git_repository(&self, name: &str) -> GitRepository {
        let api: Api<GitRepository> = Api::namespaced(self.client.clone(), self.namespace.name());
        api.get(name).await.unwrap()
    }

    pub async fn get_kustomization(&self, name: &str) -> Kustomization {
        let api: Api<Kustomization> = Api::namespaced(self.client.clone(), self.namespace.name());
        api.get(name).await.unwrap()
    }

    /// Waits until a Kustomization is ready with a revision in its present generation.
    pub async fn applied(&self, name: &str, revision: &str) -> Kustomization {
        eventually(&format!("{name} has applied {revision}"), async || {
            let object = self.get_kustomization(name).await;
            let status = object.status.clone().unwrap_or_default();
            let is_ready = condition(&status.conditions, "Ready").is_some_and(|ready| ready.status == "True");
            let is_current = status.observed_generation == object.metadata.generation
                && status.last_applied_revision.as_deref() == Some(revision);
            if is_ready && is_current {
                Ok(object)
            } else {
                Err(self.story(&status.conditions))
            }
        })
        .await
    }

    /// Waits until a request was handled and the Kustomization is ready.
    pub async fn handled(&self, name: &str, request: &str) {
        eventually(&format!("{name} has handled the request"), async || {
            let status = self.get_kustomization(name).await.status.unwrap_or_default();
            let is_ready = condition(&status.conditions, "Ready").is_some_and(|ready| ready.status == "True");
            let is_handled = status.last_handled_reconcile_at.as_deref() == Some(request);
            if is_ready && is_handled {
                Ok(())
            } else {
                Err(self.story(&status.conditions))
            }
        })
        .await;
    }

    /// Waits until `Ready` of a Kustomization is `False` for this reason, and gives its message.
    pub async fn failed(&self, name: &str, reason: &str) -> String {
        eventually(&format!("{name} fails with {reason}"), async || {
            let status = self.get_kustomization(name).await.status.unwrap_or_default();
            match condition(&status.conditions, "Ready") {
                Some(ready) if ready.status == "False" && ready.reason == reason => Ok(ready.message.clone()),
                _ => Err(self.story(&status.conditions)),
            }
        })
        .await
    }

    /// Waits until the source has a revision.
    pub async fn fetched(&self, name: &str, revision: &str) -> GitRepository {
        eventually(&format!("{name} has fetched {revision}"), async || {
            let object = self.git_repository(name).await;
            let status = object.status.clone().unwrap_or_default();
            let is_there = status
                .artifact
                .as_ref()
                .is_some_and(|artifact| artifact.revision == revision);
            let is_ready = condition(&status.conditions, "Ready").is_some_and(|ready| ready.status == "True");
            if is_there && is_ready {
                Ok(object)
            } else {
                Err(self.story(&status.conditions))
            }
        })
        .await
    }

    /// A value of a `ConfigMap`, if that exists.
    pub async fn config(&self, name: &str) -> Option<String> {
        let api: Api<ConfigMap> = Api::namespaced(self.client.clone(), self.namespace.name());
        let object = api.get_opt(name).await.unwrap()?;
        object.data.unwrap_or_default().get("value").cloned()
    }

    /// Waits until an object is gone.
    pub async fn gone(&self, kind: &str, name: &str) {
        eventually(&format!("{kind} {name} is gone"), async || {
            let found = self.kubectl(&["get", kind, name, "--ignore-not-found", "--output=name"]);
            if found.trim().is_empty() {
                Ok(())
            } else {
                Err(found)
            }
        })
        .await;
    }

    /// Waits for an event about an object whose message satisfies a condition.
    pub async fn event(&self, name: &str, reason: &str, wanted: impl Fn(&str) -> bool) -> Event {
        let api: Api<Event> = Api::namespaced(self.client.clone(), self.namespace.name());
        eventually(&format!("an event {reason} about {name}"), async || {
            let events = api
                .list(&ListParams::default())
                .await
                .map_err(|error| error.to_string())?;
            let of_object = |event: &&Event| event.involved_object.name.as_deref() == Some(name);
            let all: Vec<String> = events
                .items
                .iter()
                .filter(of_object)
                .map(|event| format!("{:?} {:?}", event.reason, event.message))
                .collect();
            let found = events.items.iter().filter(of_object).find(|event| {
                event.reason.as_deref() == Some(reason) && event.message.as_deref().is_some_and(&wanted)
            });
            found.cloned().ok_or_else(|| all.join("\n"))
        })
        .await
    }

    /// The revision of the head of the branch.
    pub fn head(&self) -> String {
        format!("main@sha1:{}", self.repository.revision("main").unwrap())
    }

    fn story(&self, conditions: &[Condition]) -> String {
        let lines: Vec<String> = conditions
            .iter()
            .map(|condition| {
                let Condition {
                    type_,
                    status,
                    reason,
                    message,
                    ..
                } = condition;
                format!("{type_}={status} {reason}: {message}")
            })
            .collect();
        let log = self.controller.as_ref().map(Controller::log).unwrap_or_default();
        let notable: Vec<String> = log.into_iter().filter(|line| is_notable(line)).collect();
        format!("{}\n{}", lines.join("\n"), notable.join("\n"))
    }
}

fn is_notable(line: &str) -> bool {
    let line: Value = serde_json::from_str(line).unwrap_or_default();
    matches!(line["level"].as_str(), Some("warn" | "error"))
}

/// The condition of a type.
pub fn condition<'a>(conditions: &'a [Condition], kind: &str) -> Option<&'a Condition> {
    conditions.iter().find(|condition| condition.type_ == kind)
}

/// A `ConfigMap` with one value.
pub fn config_map(name: &str, value: &str) -> String {
    format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\ndata: {{value: \"{value}\"}}\n")
}
