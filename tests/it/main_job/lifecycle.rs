//! Leaders, probes, figures and stops.

use std::time::{Duration, Instant};

use super::fixture::Team;
use crate::support::controller::{Controller, Storage, leader};
use crate::support::eventually::eventually;

#[tokio::test(flavor = "multi_thread")]
async fn when_the_leader_is_killed_another_takes_over_and_a_clean_stop_hands_over_at_once() {
    let team = Team::new("leader", &["web"], false).await;
    let namespace = team.namespace.name();
    let (first_storage, second_storage, third_storage) = (Storage::new(), Storage::new(), Storage::new());
    let first = Controller::start(&team.cluster, namespace, &first_storage, &[])
        .await
        .ready()
        .await;
    team.runs("web", "1.0.0").await;
    let leading = leader(&team.cluster, namespace).await.unwrap();
    assert!(leading.ends_with(&format!("_{}", first.id())), "{leading}");

    let second = Controller::start(&team.cluster, namespace, &second_storage, &[]).await;
    let (code, text) = second.get("health", "readyz").await;
    assert_eq!((code, text.trim()), (503, "lease: another process leads"));
    assert_eq!(
        second.get("health", "healthz").await.0,
        200,
        "waiting for the lease is no illness"
    );

    first.kill().await;
    team.push_tag("web", "1.0.1").await;
    let second = second.ready().await;
    team.runs("web", "1.0.1").await;

    // A clean stop gives the lease back.
    let third = Controller::start(&team.cluster, namespace, &third_storage, &[]).await;
    assert_eq!(second.stop().await, Some(0));
    let start = Instant::now();
    let third = third.ready().await;
    assert!(
        start.elapsed() < Duration::from_secs(10),
        "nobody waits for a lease that was given back"
    );
    team.push_tag("web", "1.0.2").await;
    team.runs("web", "1.0.2").await;
    assert_eq!(third.stop().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_whose_lease_is_taken_stops_by_itself() {
    let team = Team::new("taken", &["web"], false).await;
    let namespace = team.namespace.name();
    let storage = Storage::new();
    let mut controller = Controller::start(&team.cluster, namespace, &storage, &[])
        .await
        .ready()
        .await;
    let name = "fluxbot-image-source-kustomize";
    let taken = r#"{"spec":{"holderIdentity":"somebody-else"}}"#;
    team.cluster.kubectl([
        "patch",
        "lease",
        name,
        "--namespace",
        namespace,
        "--type=merge",
        "--patch",
        taken,
    ]);
    eventually("the controller ends", async || {
        if controller.is_running() {
            Err("it still runs")
        } else {
            Ok(())
        }
    })
    .await;
    let log = controller.log().join("\n");
    assert!(log.contains("the lease was lost"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn figures_and_logs_say_what_happened_without_a_secret() {
    let team = Team::new("figures", &["web"], false).await;
    let storage = Storage::new();
    let controller = Controller::start(&team.cluster, team.namespace.name(), &storage, &[])
        .await
        .ready()
        .await;
    team.runs("web", "1.0.0").await;
    team.push_tag("web", "1.0.1").await;
    team.runs("web", "1.0.1").await;
    let (code, figures) = controller.get("metrics", "metrics").await;
    assert_eq!(code, 200);
    for kind in [
        "ImageRepository",
        "ImagePolicy",
        "ImageUpdateAutomation",
        "GitRepository",
        "Kustomization",
    ] {
        let line = format!("gotk_reconcile_duration_seconds_count{{kind=\"{kind}\"");
        assert!(figures.contains(&line), "no figure of {kind}:\n{figures}");
    }
    assert!(figures.contains("fluxbot_leading 1"), "{figures}");
    let log = controller.log();
    assert!(
        log.iter()
            .all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok()),
        "{}",
        log.join("\n")
    );
    let everything = format!("{figures}\n{}", log.join("\n"));
    assert!(
        !everything.contains(crate::support::git::PASSWORD),
        "the Git password is in the log or the figures"
    );
    assert_eq!(controller.stop().await, Some(0));
}
