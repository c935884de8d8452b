use std::time::Duration;

use fluxbot::sync::health::Status;
use fluxbot::sync::{WaitError, WaitOptions};
use tokio_util::sync::CancellationToken;

use super::{World, config_map};
use crate::support::cluster::{FAILING, NOT_READY};

fn deployment(annotation: &str) -> String {
    format!(
        "apiVersion: apps/v1
kind: Deployment
metadata: {{name: web, namespace: $NS}}
spec:
  selector: {{matchLabels: {{app: web}}}}
  template:
    metadata: {{labels: {{app: web}}, annotations: {{{annotation}}}}}
    spec: {{containers: [{{name: web, image: 'example.com/web:1'}}]}}
"
    )
}

#[tokio::test]
async fn a_deployment_that_becomes_ready_ends_the_wait() {
    let world = World::new("ready").await;
    let applied = world.apply(&deployment("")).await;
    world.wait(&applied, Duration::from_mins(1)).await.unwrap();
    let health = world.applier.check(&applied.awaited()).await;
    assert_eq!(health[0].1.status, Status::Current);
    assert_eq!(health[0].1.message, "Deployment is available. Replicas: 1");
}

#[tokio::test]
async fn a_deployment_that_never_becomes_ready_is_named_when_the_time_is_over() {
    let world = World::new("never").await;
    let (key, value) = NOT_READY;
    let applied = world
        .apply(&(config_map("a", "") + &deployment(&format!("{key}: '{value}'"))))
        .await;
    let error = world.wait(&applied, Duration::from_secs(2)).await.unwrap_err();
    assert_eq!(
        error.to_string().replace(world.namespace.name(), "$NS"),
        "timeout waiting for: [Deployment/$NS/web status: 'InProgress']"
    );
}

#[tokio::test]
async fn a_deployment_whose_pods_crash_fails_early() {
    let world = World::new("crash").await;
    let applied = world.apply(&deployment(&format!("{FAILING}: 'no'"))).await;
    let error = world.wait(&applied, Duration::from_mins(2)).await.unwrap_err();
    let WaitError::Failed { failed } = &error else {
        panic!("{error}");
    };
    assert_eq!(failed[0].1.message, "1 pods have failed");
    assert_eq!(
        error.to_string().replace(world.namespace.name(), "$NS"),
        "failed early due to stalled resources: [Deployment/$NS/web status: 'Failed']"
    );
}

#[tokio::test]
async fn a_job_is_awaited_until_it_is_complete_even_if_it_is_gone_then() {
    let world = World::new("job").await;
    let job = "apiVersion: batch/v1
kind: Job
metadata: {name: once, namespace: $NS}
spec:
  ttlSecondsAfterFinished: 0
  template: {spec: {restartPolicy: Never, containers: [{name: a, image: 'example.com/a:1'}]}}
";
    let applied = world.apply(job).await;
    let options = WaitOptions {
        timeout: Duration::from_mins(1),
        jobs_with_ttl: world.prepared(job).jobs_with_ttl(),
        ..WaitOptions::default()
    };
    let cancel = CancellationToken::new();
    world
        .applier
        .wait_ready(&applied.awaited(), &options, &cancel)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_wait_ends_when_it_is_cancelled() {
    let world = World::new("stop").await;
    let cancel = CancellationToken::new();
    let options = WaitOptions::default();
    let missing = [world.entry("$NS_missing__ConfigMap")];
    let (result, ()) = tokio::join!(world.applier.wait_ready(&missing, &options, &cancel), async {
        cancel.cancel();
    });
    assert_eq!(result, Err(WaitError::Cancelled));
}

#[tokio::test]
async fn an_object_that_is_not_there_or_of_no_known_kind_is_told_apart() {
    let world = World::new("absent").await;
    let entries = [
        world.entry("$NS_missing__ConfigMap"),
        world.entry("$NS_g_nowhere.example.com_Gadget"),
    ];
    let health = world.applier.check(&entries).await;
    let found: Vec<(Status, &str)> = health
        .iter()
        .map(|(_, health)| (health.status, health.message.as_str()))
        .collect();
    assert_eq!(
        found,
        [
            (Status::NotFound, "Resource not found"),
            (
                Status::Unknown,
                "no matches for kind \"Gadget\" in version \"nowhere.example.com/v1\""
            ),
        ]
    );
}
