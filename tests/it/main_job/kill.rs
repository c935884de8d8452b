//! `kill -9` at any moment: the next process finds the end state that an undisturbed one would have reached.

use std::collections::BTreeSet;
use std::time::Duration;

use fluxbot_api::kustomize::Kustomization;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;

use super::fixture::Team;
use crate::support::command::stdout;
use crate::support::controller::{Controller, Storage};

/// How often the process is killed.
const KILLS: u32 = 10;

/// The loop takes about this long; the moments of the kills are spread over it.
const LOOP: Duration = Duration::from_millis(1500);

#[tokio::test(flavor = "multi_thread")]
async fn ten_kills_at_random_moments_lose_nothing_and_make_nothing_twice() {
    let team = Team::new("kill", &["web", "api"], true).await;
    let namespace = team.namespace.name();
    let storage = Storage::new();
    // Without a lease: the next process begins at once instead of after the dead one's lease has run out.
    let flags = ["--leader-elect=false"];
    let controller = Controller::start(&team.cluster, namespace, &storage, &flags)
        .await
        .ready()
        .await;
    for app in ["web", "api"] {
        team.runs(app, "1.0.0").await;
    }
    let settings: Api<ConfigMap> = team.api();
    let kept = settings.get("settings").await.unwrap().metadata.uid;
    let before = team.repository.revision("main").unwrap();

    let mut running = controller;
    for round in 1..=KILLS {
        for app in ["web", "api"] {
            team.push_tag(app, &format!("1.0.{round}")).await;
        }
        tokio::time::sleep(moment(round)).await;
        running.kill().await;
        running = Controller::start(&team.cluster, namespace, &storage, &flags).await;
    }
    let running = running.ready().await;
    for app in ["web", "api"] {
        team.runs(app, &format!("1.0.{KILLS}")).await;
    }
    team.is_applied().await;

    // Each update is there once at most: no two commits set the same tag of the same app.
    let range = format!("{before}..main");
    let commits = stdout(team.repository.git().args(["rev-list", &range]));
    let mut seen = BTreeSet::new();
    for id in commits.lines() {
        let diff = team.repository.diff(&format!("{id}~1"), id);
        let set: Vec<&str> = diff
            .lines()
            .filter(|line| line.starts_with('+') && line.contains("image:"))
            .collect();
        assert!(!set.is_empty(), "an empty commit: {id}");
        for line in set {
            assert!(seen.insert(line.to_owned()), "set twice: {line}\n{commits}");
        }
    }
    team.repository.fsck();

    // Nothing was pruned, and the inventory holds exactly what is in Git.
    assert_eq!(settings.get("settings").await.unwrap().metadata.uid, kept);
    let kustomizations: Api<Kustomization> = team.api();
    let inventory = kustomizations
        .get("apps")
        .await
        .unwrap()
        .status
        .unwrap()
        .inventory
        .unwrap();
    let mut ids: Vec<String> = inventory.entries.into_iter().map(|entry| entry.id).collect();
    ids.sort();
    let expected = [
        "api_apps_Deployment",
        "extra__ConfigMap",
        "settings__ConfigMap",
        "web_apps_Deployment",
    ];
    let expected: Vec<String> = expected.iter().map(|id| format!("{namespace}_{id}")).collect();
    assert_eq!(ids, expected);
    assert_eq!(running.stop().await, Some(0));
}

/// A moment in the loop, another one in each round and another sequence in each run. What it was is told when the test
/// fails, through the times in the log.
fn moment(round: u32) -> Duration {
    let nanos = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap()
        .subsec_nanos();
    let spread = u64::from(nanos.wrapping_mul(2_654_435_761).wrapping_add(round))
        % u64::try_from(LOOP.as_millis()).unwrap();
    Duration::from_millis(spread)
}
