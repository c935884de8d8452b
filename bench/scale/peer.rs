//! The peer: a client that does nothing but send the writes that the controllers have to make.

use std::time::{Duration, Instant};

use fluxbot_api::image::{ImagePolicy, ImageRepository};
use futures::{StreamExt as _, TryStreamExt as _};
use k8s_openapi::api::core::v1::Event;
use kube::Api;
use kube::api::{Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use super::Arguments;
use super::cluster::{Cluster, name};

/// Sends a status for each repository and policy, then an event for each. Gives the time of the statuses, and of all.
pub async fn write(
    cluster: &Cluster,
    namespace: &str,
    arguments: &Arguments,
) -> anyhow::Result<(Duration, Duration)> {
    let begin = Instant::now();
    let repositories: Api<ImageRepository> = Api::namespaced(cluster.client.clone(), namespace);
    let policies: Api<ImagePolicy> = Api::namespaced(cluster.client.clone(), namespace);
    let events: Api<Event> = Api::namespaced(cluster.client.clone(), namespace);
    let parameters = PatchParams::apply("peer");
    let now = jiff::Timestamp::now();
    let statuses = |number: usize| {
        let (repositories, policies, parameters) = (&repositories, &policies, &parameters);
        async move {
            let patch = Patch::Merge(repository_status(number, now));
            repositories
                .patch_status(&name(number), parameters, &patch)
                .await?;
            let patch = Patch::Merge(policy_status(number, now));
            policies.patch_status(&name(number), parameters, &patch).await?;
            anyhow::Ok(())
        }
    };
    futures::stream::iter(0..arguments.repositories)
        .map(statuses)
        .buffer_unordered(arguments.peer_concurrency)
        .try_collect::<()>()
        .await?;
    let written = begin.elapsed();
    let tell = |number: usize| {
        let events = &events;
        async move {
            for kind in ["ImageRepository", "ImagePolicy"] {
                let event = serde_json::from_value(event(namespace, kind, number, now))?;
                events.create(&PostParams::default(), &event).await?;
            }
            anyhow::Ok(())
        }
    };
    futures::stream::iter(0..arguments.repositories)
        .map(tell)
        .buffer_unordered(arguments.peer_concurrency)
        .try_collect::<()>()
        .await?;
    Ok((written, begin.elapsed()))
}

fn seconds(now: jiff::Timestamp) -> String {
    now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

fn ready(message: &str, now: jiff::Timestamp) -> Value {
    json!([{
        "type": "Ready", "status": "True", "reason": "Succeeded", "message": message,
        "observedGeneration": 1, "lastTransitionTime": seconds(now),
    }])
}

fn repository_status(number: usize, now: jiff::Timestamp) -> Value {
    let revision = format!("sha256:{number:064x}");
    let latest: Vec<String> = (0..10).map(|tag| format!("1.9.{tag}")).collect();
    json!({ "status": {
        "canonicalImageName": format!("127.0.0.1:12345/team/app-{number}"),
        "conditions": ready(&format!("successful scan: found 100 tags with checksum {revision}"), now),
        "lastScanResult": { "latestTags": latest, "revision": revision, "scanTime": seconds(now), "tagCount": 100 },
        "observedExclusionList": ["^.*\\.sig$"],
        "observedGeneration": 1,
    } })
}

fn policy_status(number: usize, now: jiff::Timestamp) -> Value {
    let image = format!("127.0.0.1:12345/team/app-{number}");
    json!({ "status": {
        "conditions": ready(&format!("Latest image tag for {image} resolved to 1.9.9"), now),
        "latestRef": { "name": image, "tag": "1.9.9" },
        "observedGeneration": 1,
    } })
}

fn event(namespace: &str, kind: &str, number: usize, now: jiff::Timestamp) -> Value {
    json!({
        "metadata": { "generateName": format!("{}.", name(number)), "namespace": namespace },
        "involvedObject": {
            "apiVersion": "image.toolkit.fluxcd.io/v1", "kind": kind, "name": name(number), "namespace": namespace,
        },
        "reason": "Succeeded",
        "message": format!("successful scan: found 100 tags with checksum sha256:{number:064x}"),
        "type": "Normal",
        "source": { "component": "peer" },
        "firstTimestamp": seconds(now), "lastTimestamp": seconds(now), "count": 1,
    })
}
