//! The rights are enough: the controller does its whole job as the service account of an installation.

use std::path::PathBuf;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::chart;
use crate::main_job::fixture::Team;
use crate::support::cluster::Cluster;
use crate::support::command::stdout;
use crate::support::controller::{Controller, Storage};
use crate::support::eventually::eventually;

/// A kubeconfig that acts as the service account, with a token that the API server issued for it.
fn kubeconfig_of(cluster: &Cluster, namespace: &str, service_account: &str, folder: &TempDir) -> PathBuf {
    let admin = cluster.kubectl([
        "config",
        "view",
        "--raw",
        "--flatten",
        "--minify",
        "--output=json",
    ]);
    let token = cluster.kubectl(["create", "token", service_account, "--namespace", namespace]);
    let mut config: Value = serde_json::from_str(&admin).unwrap();
    config["users"][0]["user"] = json!({ "token": token.trim() });
    let path = folder.path().join("kubeconfig");
    std::fs::write(&path, config.to_string()).unwrap();
    path
}

/// Installs the chart with these values beside a team's objects, and runs the controller with its service account.
async fn installed(team: &Team, values: &[&str], storage: &Storage, flags: &[&str]) -> Controller {
    let namespace = team.namespace.name();
    stdout(
        team.cluster
            .helm_command()
            .args(["install", "fluxbot"])
            .arg(chart())
            .args([
                "--namespace",
                namespace,
                "--set=crds.install=false",
                "--set=rbac.aggregate=false",
            ])
            .args(values),
    );
    let folder = TempDir::new().unwrap();
    let kubeconfig = kubeconfig_of(&team.cluster, namespace, "fluxbot", &folder);
    Controller::start_as(&kubeconfig, namespace, storage, flags)
        .await
        .ready()
        .await
}

/// What the API server refused, by the log.
fn refused(controller: &Controller) -> Vec<String> {
    let log = controller.log().into_iter();
    log.filter(|line| line.to_lowercase().contains("forbidden"))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn under_lockdown_the_controller_applies_with_the_rights_of_the_team() {
    let team = Team::new("lockdown", &["web"], false).await;
    let namespace = team.namespace.name();
    let subject = format!("--serviceaccount={namespace}:default");
    let grant = [
        "create",
        "rolebinding",
        "team",
        "--clusterrole=admin",
        &subject,
        "--namespace",
        namespace,
    ];
    team.cluster.kubectl(grant);
    let values = [
        "--set=multitenancy.lockdown=true",
        "--set=watchAllNamespaces=false",
    ];
    let flags = [
        "--no-cross-namespace-refs=true",
        "--no-remote-bases=true",
        "--default-service-account=default",
    ];
    let storage = Storage::new();
    let controller = installed(&team, &values, &storage, &flags).await;
    team.runs("web", "1.0.0").await;
    team.push_tag("web", "1.0.1").await;
    team.runs("web", "1.0.1").await;
    // The controller itself may not write Deployments: it was the team's service account that did.
    let own = team.cluster.client_as(namespace, "fluxbot").await;
    assert!(!super::rights::may(&own, "patch", "deployments.apps", namespace).await);
    assert_eq!(refused(&controller), Vec::<String>::new());
    assert_eq!(controller.stop().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn image_only_commits_with_rights_that_can_change_no_workload() {
    let team = Team::new("image-only", &["web"], false).await;
    let values = ["--set=controllers={image}", "--set=watchAllNamespaces=false"];
    let storage = Storage::new();
    let controller = installed(&team, &values, &storage, &["--controllers=image"]).await;
    team.push_tag("web", "1.0.1").await;
    let wanted = format!("{}:1.0.1", team.image("web"));
    eventually("the new tag is committed", async || {
        let file = team.repository.show("main", "apps/web.yaml");
        if file.contains(&wanted) {
            return Ok(());
        }
        Err(format!("{file}\n{}", team.states().await))
    })
    .await;
    assert_eq!(refused(&controller), Vec::<String>::new());
    assert_eq!(controller.stop().await, Some(0));
}
