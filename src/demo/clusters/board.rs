//! What the clusters run, as far as their objects tell, and how that differs from what they should.

use std::collections::{BTreeMap, BTreeSet};

use fluxbot_api::image::{ImagePolicy, ImageRepository, ImageUpdateAutomation};
use fluxbot_api::kustomize::Kustomization;
use fluxbot_api::source::GitRepository;
use kube::api::{ApiResource, DynamicObject, ListParams};
use kube::{Api, ResourceExt as _};

use super::cluster::Cluster;
use super::watch::{self, Event, What};
use crate::demo::fleet;
use crate::demo::scenario::{Expected, Object};

/// What an object runs.
#[derive(Clone)]
struct Running {
    image: String,
    is_ready: bool,
}

/// The newest state of all clusters.
#[derive(Default)]
pub(super) struct Board {
    running: BTreeMap<(String, Object), Running>,
    settled: BTreeSet<(String, String)>,
}

impl Board {
    /// Takes down what an event tells.
    pub(super) fn note(&mut self, event: &Event) {
        let place = event.place.to_owned();
        match &event.what {
            What::Applied { object, image } => {
                let running = Running {
                    image: image.clone(),
                    is_ready: false,
                };
                self.running.insert((place, *object), running);
            }
            What::Ready { object, image } => {
                let running = Running {
                    image: image.clone(),
                    is_ready: true,
                };
                self.running.insert((place, *object), running);
            }
            What::Settled { object, .. } => {
                self.settled.insert((place, object.clone()));
            }
            What::Failed { object, .. } | What::Waiting { object, .. } => {
                self.settled.remove(&(place, object.clone()));
            }
            _ => {}
        }
    }

    /// Says of each expected object that does not run its image, or is not Ready, what it does instead.
    pub(super) fn differences(&self, expected: &[Expected], registry: &str) -> Vec<String> {
        let difference = |expected: &Expected| {
            let object = expected.application()?.object;
            let image = expected.image(registry);
            let found = match self.running.get(&(expected.cluster.to_owned(), object)) {
                Some(running) if running.image != image => format!("runs {}", running.image),
                Some(running) if !running.is_ready => "is not ready".to_owned(),
                Some(_) => return None,
                None => "is not there".to_owned(),
            };
            Some(format!(
                "{}: {object} {found}, expected {image}",
                expected.cluster
            ))
        };
        expected.iter().filter_map(difference).collect()
    }

    /// The Flux objects of a cluster that are not Ready.
    pub(super) fn unsettled(&self, cluster: &str) -> anyhow::Result<Vec<String>> {
        let is_unsettled = |object: &String| !self.settled.contains(&(cluster.to_owned(), object.clone()));
        let unsettled = fleet::objects(cluster)?.into_iter().filter(is_unsettled);
        Ok(unsettled
            .map(|object| format!("{cluster}: {object} is not ready"))
            .collect())
    }
}

/// Reads a cluster afresh. Says what differs from what is expected of it: images, rollouts, and Flux objects that are missing
/// or not Ready.
pub(super) async fn differences(
    cluster: &Cluster,
    expected: &[Expected],
    registry: &str,
) -> anyhow::Result<Vec<String>> {
    let mut board = Board::default();
    let parameters = ListParams::default();
    let mut images = Vec::new();
    for deployment in watch::deployments(&cluster.client).list(&parameters).await? {
        let is_ready = watch::is_rolled_out(&deployment);
        images.extend(watch::deployment_image(&deployment).map(|(object, image)| (object, image, is_ready)));
    }
    for values in watch::values(&cluster.client).list(&parameters).await? {
        images.extend(watch::values_image(&values).map(|(object, image)| (object, image, true)));
    }
    let mut found = Vec::new();
    for (object, image, is_ready) in images {
        let running = Running {
            image: image.clone(),
            is_ready,
        };
        if board
            .running
            .insert((cluster.name.to_owned(), object), running)
            .is_some()
        {
            found.push(format!("{}: {object} is there more than once", cluster.name));
        }
    }
    for resource in [
        ApiResource::erase::<GitRepository>(&()),
        ApiResource::erase::<Kustomization>(&()),
        ApiResource::erase::<ImageRepository>(&()),
        ApiResource::erase::<ImagePolicy>(&()),
        ApiResource::erase::<ImageUpdateAutomation>(&()),
    ] {
        let kind = resource.kind.to_lowercase();
        let api: Api<DynamicObject> =
            Api::namespaced_with(cluster.client.clone(), fleet::NAMESPACE, &resource);
        for object in api.list(&parameters).await?.into_iter().filter(is_ready) {
            board
                .settled
                .insert((cluster.name.to_owned(), format!("{kind}/{}", object.name_any())));
        }
    }
    let of_cluster: Vec<Expected> = expected
        .iter()
        .filter(|expected| expected.cluster == cluster.name)
        .cloned()
        .collect();
    found.extend(board.differences(&of_cluster, registry));
    found.extend(board.unsettled(cluster.name)?);
    Ok(found)
}

fn is_ready(object: &DynamicObject) -> bool {
    let conditions = object
        .data
        .pointer("/status/conditions")
        .and_then(|conditions| conditions.as_array());
    conditions.into_iter().flatten().any(|condition| {
        condition.get("type").is_some_and(|kind| kind == "Ready")
            && condition.get("status").is_some_and(|status| status == "True")
    })
}
