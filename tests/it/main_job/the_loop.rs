//! From a pushed tag to a running object, and what keeps it so.

use fluxbot_api::kustomize::Kustomization;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::json;

use super::fixture::Team;
use crate::support::controller::{Controller, Storage};
use crate::support::eventually::eventually;

#[tokio::test(flavor = "multi_thread")]
async fn a_pushed_tag_becomes_a_commit_and_a_ready_deployment_that_is_kept_as_git_says() {
    let team = Team::new("loop", &["web"], false).await;
    let storage = Storage::new();
    let controller = Controller::start(&team.cluster, team.namespace.name(), &storage, &[])
        .await
        .ready()
        .await;
    team.runs("web", "1.0.0").await;
    let before = team.repository.revision("main").unwrap();

    // A tag: one commit that changes the marked scalar and nothing else, and a Deployment that runs it.
    team.push_tag("web", "1.0.1").await;
    team.runs("web", "1.0.1").await;
    let head = team.repository.revision("main").unwrap();
    assert_eq!(team.repository.log(&format!("{before}..{head}")).len(), 1);
    let image = team.image("web");
    let marker = format!("{{\"$imagepolicy\": \"{}:web\"}}", team.namespace.name());
    let diff = team.repository.diff(&before, &head);
    let changed: Vec<&str> = diff
        .lines()
        .filter(|line| {
            (line.starts_with('+') || line.starts_with('-'))
                && !line.starts_with("+++")
                && !line.starts_with("---")
        })
        .collect();
    assert_eq!(
        changed,
        [
            format!("-                image: \"{image}:1.0.0\"   # {marker}"),
            format!("+                image: \"{image}:1.0.1\"   # {marker}"),
        ]
    );
    team.is_applied().await;

    // An edit by hand is put back at the next reconciliation, and what others own is left alone.
    let deployments: Api<Deployment> = team.api();
    let edit = json!({
        "metadata": { "labels": { "owner": "somebody" } },
        "spec": { "replicas": 1, "template": { "spec": { "containers": [ { "name": "web", "image": "by/hand:0" } ] } } },
    });
    let by_hand = PatchParams {
        field_manager: Some("somebody".to_owned()),
        ..PatchParams::default()
    };
    deployments
        .patch("web", &by_hand, &Patch::Strategic(&edit))
        .await
        .unwrap();
    team.request::<Kustomization>("apps", "drift").await;
    team.runs("web", "1.0.1").await;
    let labels = deployments.get("web").await.unwrap().metadata.labels.unwrap();
    assert_eq!(labels.get("owner").map(String::as_str), Some("somebody"));

    // A file removed from Git: its object goes, all others stay.
    let settings: Api<ConfigMap> = team.api();
    let kept = settings.get("settings").await.unwrap().metadata.uid;
    assert!(settings.get_opt("extra").await.unwrap().is_some());
    remove_file(&team, "apps/extra.yaml");
    team.request::<fluxbot_api::source::GitRepository>("fleet", "prune")
        .await;
    eventually(
        "the object of the removed file is gone",
        async || match settings.get_opt("extra").await {
            Ok(None) => Ok(()),
            Ok(Some(_)) => Err(team.states().await),
            Err(error) => Err(error.to_string()),
        },
    )
    .await;
    assert_eq!(settings.get("settings").await.unwrap().metadata.uid, kept);
    assert_eq!(controller.stop().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn five_automations_on_one_branch_lose_no_update() {
    let apps = ["a", "b", "c", "d", "e"];
    let team = Team::new("five", &apps, true).await;
    let storage = Storage::new();
    let controller = Controller::start(&team.cluster, team.namespace.name(), &storage, &[])
        .await
        .ready()
        .await;
    for app in apps {
        team.runs(app, "1.0.0").await;
    }
    let before = team.repository.revision("main").unwrap();

    // All at once, with somebody else pushing to the same branch.
    let pushes = apps.iter().map(|app| team.push_tag(app, "1.0.7"));
    let human = async {
        for round in 0..5 {
            let text = format!("round {round}\n");
            team.repository
                .push_from_another_writer("main", "by hand", &[("notes.txt", &text)]);
            tokio::task::yield_now().await;
        }
    };
    futures::future::join(futures::future::join_all(pushes), human).await;
    for app in apps {
        team.runs(app, "1.0.7").await;
    }
    let log = team.repository.log(&format!("{before}..main"));
    let by_hand = log.iter().filter(|line| line.contains("by hand")).count();
    assert_eq!(by_hand, 5, "no commit of somebody else was lost: {log:?}");
    assert_eq!(
        log.len() - by_hand,
        5,
        "one commit for each automation, none twice: {log:?}"
    );
    assert_eq!(controller.stop().await, Some(0));
}

fn remove_file(team: &Team, path: &str) {
    let clone = tempfile::TempDir::new().unwrap();
    team.repository.clone_to(clone.path());
    for arguments in [
        vec!["rm", "--quiet", path],
        vec!["commit", "--quiet", "-m", "remove a file"],
        vec!["push", "--quiet"],
    ] {
        crate::support::command::stdout(team.repository.client(clone.path()).args(arguments));
    }
}
