//! What happens in a cluster, read from the changes of its objects.

use std::collections::HashMap;
use std::fmt::Debug;
use std::pin::pin;
use std::time::Instant;

use fluxbot_api::image::{ImagePolicy, ImageRepository, ImageUpdateAutomation};
use fluxbot_api::kustomize::Kustomization;
use fluxbot_api::source::GitRepository;
use futures::TryStreamExt as _;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::runtime::{WatchStreamExt as _, watcher};
use kube::{Api, ResourceExt as _};
use serde::de::DeserializeOwned;
use tokio::sync::mpsc::UnboundedSender;
use tokio::task::JoinSet;

use super::cluster::Cluster;
use crate::demo::scenario::{APPLICATIONS, Object};

/// Namespace of the Deployments.
const APPS: &str = "apps";

/// Namespace of the values.
const GATEWAY: &str = "gateway";

/// Something that happened.
pub(super) struct Event {
    /// The cluster, or what else it happened in.
    pub place: &'static str,
    pub at: Instant,
    pub what: What,
}

/// What it was.
pub(super) enum What {
    /// A tag is in the registry.
    Pushed { image: String, is_own: bool },
    /// An `ImageRepository` has new tags.
    Scanned { image: String, tags: i64 },
    /// An `ImagePolicy` selected another image.
    Selected {
        policy: String,
        before: Option<String>,
        image: String,
    },
    /// An `ImageUpdateAutomation` pushed a commit.
    Committed { automation: String, commit: String },
    /// A `GitRepository` offers another revision.
    Fetched { source: String, revision: String },
    /// An object has another image.
    Applied { object: Object, image: String },
    /// All pods of an object run its image.
    Ready { object: Object, image: String },
    /// A generated object that nothing refers to any more is gone.
    Pruned { object: String },
    /// A Flux object is Ready; a `Kustomization` with the revision that it applied.
    Settled {
        object: String,
        revision: Option<String>,
    },
    /// A Flux object waits for another.
    Waiting { object: String, message: String },
    /// A Flux object failed; it is tried again.
    Failed {
        object: String,
        reason: String,
        message: String,
    },
    /// A process ended although it should not.
    Ended { process: String, status: String },
}

/// A kind whose changes mean something here.
trait Told: kube::Resource<DynamicType = ()> + DeserializeOwned + Clone + Debug + Send + 'static {
    /// What a change means.
    fn news(old: Option<&Self>, new: &Self) -> Vec<What>;

    /// What the end means.
    fn end(&self) -> Option<What> {
        None
    }
}

/// Starts to watch everything in a cluster that the demo shows.
pub(super) fn watch(cluster: &Cluster, events: &UnboundedSender<Event>, tasks: &mut JoinSet<()>) {
    let client = &cluster.client;
    let place = cluster.name;
    tasks.spawn(follow(place, cluster.api::<ImageRepository>(), events.clone()));
    tasks.spawn(follow(place, cluster.api::<ImagePolicy>(), events.clone()));
    tasks.spawn(follow(
        place,
        cluster.api::<ImageUpdateAutomation>(),
        events.clone(),
    ));
    tasks.spawn(follow(place, cluster.api::<GitRepository>(), events.clone()));
    tasks.spawn(follow(place, cluster.api::<Kustomization>(), events.clone()));
    tasks.spawn(follow(place, deployments(client), events.clone()));
    tasks.spawn(follow(place, values(client), events.clone()));
}

/// The Deployments of the applications.
pub(super) fn deployments(client: &kube::Client) -> Api<Deployment> {
    Api::namespaced(client.clone(), APPS)
}

/// The generated values.
pub(super) fn values(client: &kube::Client) -> Api<ConfigMap> {
    Api::namespaced(client.clone(), GATEWAY)
}

async fn follow<K: Told>(place: &'static str, api: Api<K>, events: UnboundedSender<Event>) {
    let mut known: HashMap<String, K> = HashMap::new();
    let mut changes = pin!(watcher(api, watcher::Config::default()).default_backoff());
    loop {
        let news = match changes.try_next().await {
            Ok(Some(watcher::Event::Apply(new) | watcher::Event::InitApply(new))) => {
                let name = new.name_any();
                let news = K::news(known.get(&name), &new);
                known.insert(name, new);
                news
            }
            Ok(Some(watcher::Event::Delete(old))) => {
                known.remove(&old.name_any());
                old.end().into_iter().collect()
            }
            Ok(Some(watcher::Event::Init | watcher::Event::InitDone)) => continue,
            Ok(None) => return,
            Err(error) => {
                tracing::debug!(%error, "a watch is tried again");
                continue;
            }
        };
        let at = Instant::now();
        for what in news {
            if events.send(Event { place, at, what }).is_err() {
                return;
            }
        }
    }
}

/// What the Ready condition says, when it says something new.
fn readiness<K: kube::Resource<DynamicType = ()>>(
    name: &str,
    old: Option<&[Condition]>,
    new: &[Condition],
    revision: Option<&str>,
) -> Option<What> {
    fn ready(conditions: &[Condition]) -> Option<&Condition> {
        conditions.iter().find(|condition| condition.type_ == "Ready")
    }
    let said = |condition: &Condition| {
        (
            condition.status.clone(),
            condition.reason.clone(),
            condition.message.clone(),
        )
    };
    let new = ready(new)?;
    if old.and_then(ready).map(said) == Some(said(new)) {
        return None;
    }
    let object = format!("{}/{name}", K::kind(&()).to_lowercase());
    let message = new.message.clone();
    match (new.status.as_str(), new.reason.as_str()) {
        ("True", _) => Some(What::Settled {
            object,
            revision: revision.map(str::to_owned),
        }),
        // Flux's words for "not yet".
        ("False", "DependencyNotReady" | "ArtifactFailed" | "HealthCheckCanceled") => {
            Some(What::Waiting { object, message })
        }
        ("False", reason) => Some(What::Failed {
            object,
            reason: reason.to_owned(),
            message,
        }),
        _ => None,
    }
}

impl Told for ImageRepository {
    fn news(old: Option<&Self>, new: &Self) -> Vec<What> {
        let status = |object: &Self| object.status.clone().unwrap_or_default();
        let tags = |object: &Self| {
            status(object)
                .last_scan_result
                .map(|result| (result.tag_count, result.latest_tags))
        };
        let scanned = tags(new).filter(|_| tags(new) != old.and_then(tags));
        let scanned = scanned.map(|(tags, _)| What::Scanned {
            image: new.spec.image.clone(),
            tags,
        });
        let old = old.map(|old| status(old).conditions);
        let ready = readiness::<Self>(&new.name_any(), old.as_deref(), &status(new).conditions, None);
        scanned.into_iter().chain(ready).collect()
    }
}

impl Told for ImagePolicy {
    fn news(old: Option<&Self>, new: &Self) -> Vec<What> {
        let status = |object: &Self| object.status.clone().unwrap_or_default();
        let selected = |object: &Self| status(object).latest_ref;
        let before = old.and_then(selected);
        let selected = selected(new)
            .filter(|after| before.as_ref() != Some(after))
            .map(|after| What::Selected {
                policy: new.name_any(),
                before: before.map(|before| before.tag),
                image: format!("{}:{}", after.name, after.tag),
            });
        let old = old.map(|old| status(old).conditions);
        let ready = readiness::<Self>(&new.name_any(), old.as_deref(), &status(new).conditions, None);
        selected.into_iter().chain(ready).collect()
    }
}

impl Told for ImageUpdateAutomation {
    fn news(old: Option<&Self>, new: &Self) -> Vec<What> {
        let status = |object: &Self| object.status.clone().unwrap_or_default();
        let commit = |object: &Self| status(object).last_push_commit;
        let pushed = commit(new).filter(|after| old.and_then(commit).as_ref() != Some(after));
        let pushed = pushed.map(|commit| What::Committed {
            automation: new.name_any(),
            commit,
        });
        let old = old.map(|old| status(old).conditions);
        let ready = readiness::<Self>(&new.name_any(), old.as_deref(), &status(new).conditions, None);
        pushed.into_iter().chain(ready).collect()
    }
}

impl Told for GitRepository {
    fn news(old: Option<&Self>, new: &Self) -> Vec<What> {
        let status = |object: &Self| object.status.clone().unwrap_or_default();
        let revision = |object: &Self| status(object).artifact.map(|artifact| artifact.revision);
        let fetched = revision(new).filter(|after| old.and_then(revision).as_ref() != Some(after));
        let fetched = fetched.map(|revision| What::Fetched {
            source: new.name_any(),
            revision,
        });
        let old = old.map(|old| status(old).conditions);
        let ready = readiness::<Self>(&new.name_any(), old.as_deref(), &status(new).conditions, None);
        fetched.into_iter().chain(ready).collect()
    }
}

impl Told for Kustomization {
    fn news(old: Option<&Self>, new: &Self) -> Vec<What> {
        let status = |object: &Self| object.status.clone().unwrap_or_default();
        let revision = status(new).last_applied_revision;
        let old = old.map(|old| status(old).conditions);
        let conditions = status(new).conditions;
        readiness::<Self>(&new.name_any(), old.as_deref(), &conditions, revision.as_deref())
            .into_iter()
            .collect()
    }
}

impl Told for Deployment {
    fn news(old: Option<&Self>, new: &Self) -> Vec<What> {
        let Some((object, image)) = deployment_image(new) else {
            return Vec::new();
        };
        let before = old.and_then(deployment_image).map(|(_, image)| image);
        let is_other = before.as_ref() != Some(&image);
        let is_ready = is_rolled_out(new) && (is_other || !old.is_some_and(is_rolled_out));
        let applied = is_other.then(|| What::Applied {
            object,
            image: image.clone(),
        });
        let ready = is_ready.then_some(What::Ready { object, image });
        applied.into_iter().chain(ready).collect()
    }
}

impl Told for ConfigMap {
    fn news(old: Option<&Self>, new: &Self) -> Vec<What> {
        match values_image(new) {
            Some((object, image)) if old.is_none() => {
                vec![
                    What::Applied {
                        object,
                        image: image.clone(),
                    },
                    What::Ready { object, image },
                ]
            }
            _ => Vec::new(),
        }
    }

    fn end(&self) -> Option<What> {
        values_image(self)?;
        Some(What::Pruned {
            object: format!("configmap/{}", self.name_any()),
        })
    }
}

/// The application that a Deployment runs, and its image.
pub(super) fn deployment_image(deployment: &Deployment) -> Option<(Object, String)> {
    let name = deployment.name_any();
    let is_it = |object: &Object| matches!(object, Object::Deployment(known) if *known == name);
    let object = APPLICATIONS
        .iter()
        .map(|application| application.object)
        .find(is_it)?;
    let pod = deployment.spec.as_ref()?.template.spec.as_ref()?;
    Some((object, pod.containers.first()?.image.clone()?))
}

/// The application whose values a `ConfigMap` holds, and the image that they name.
pub(super) fn values_image(values: &ConfigMap) -> Option<(Object, String)> {
    #[derive(serde::Deserialize)]
    struct Values {
        controller: Controller,
    }
    #[derive(serde::Deserialize)]
    struct Controller {
        image: Image,
    }
    #[derive(serde::Deserialize)]
    struct Image {
        repository: String,
        tag: String,
    }
    let name = values.name_any();
    let is_it = |object: &Object| matches!(object, Object::Values(known) if name.strip_prefix(known).is_some_and(|rest| rest.starts_with('-')));
    let object = APPLICATIONS
        .iter()
        .map(|application| application.object)
        .find(is_it)?;
    let text = values.data.as_ref()?.get("values.yaml")?;
    let image = yaml_serde::from_str::<Values>(text).ok()?.controller.image;
    Some((object, format!("{}:{}", image.repository, image.tag)))
}

/// Whether all pods are those of the newest template, and available.
pub(super) fn is_rolled_out(deployment: &Deployment) -> bool {
    let wanted = deployment
        .spec
        .as_ref()
        .and_then(|spec| spec.replicas)
        .unwrap_or(1);
    deployment.status.as_ref().is_some_and(|status| {
        status.observed_generation == deployment.metadata.generation
            && status.replicas == Some(wanted)
            && status.updated_replicas == Some(wanted)
            && status.available_replicas == Some(wanted)
    })
}
