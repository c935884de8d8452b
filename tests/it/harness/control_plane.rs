//! The control plane and what its node does.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Pod};
use kube::Api;
use kube::api::{DeleteParams, ListParams, PostParams};

use crate::support::cluster::{Cluster, FAILING, NOT_READY};
use crate::support::command::stdout;
use crate::support::eventually::{eventually, holds};
use crate::support::server::Server;

fn deployment(annotations: &str, more: &str) -> String {
    format!(
        "apiVersion: apps/v1
kind: Deployment
metadata: {{ name: web }}
spec:
  replicas: 3
  {more}
  selector: {{ matchLabels: {{ app: web }} }}
  template:
    metadata: {{ labels: {{ app: web }}, annotations: {{ {annotations} }} }}
    spec: {{ containers: [{{ name: web, image: \"registry.example.com/web:1.2.3\" }}] }}
"
    )
}

fn job(annotations: &str) -> String {
    format!(
        "apiVersion: batch/v1
kind: Job
metadata: {{ name: migrate }}
spec:
  backoffLimit: 0
  template:
    metadata: {{ annotations: {{ {annotations} }} }}
    spec:
      restartPolicy: Never
      containers: [{{ name: migrate, image: \"registry.example.com/migrate:1.2.3\" }}]
"
    )
}

#[tokio::test]
async fn a_deployment_becomes_ready_and_goes_with_its_pods() {
    let cluster = Cluster::shared();
    let namespace = cluster.namespace("deployment").await;
    cluster.apply(&deployment("", ""), Some(namespace.name()));
    let deployments: Api<Deployment> = namespace.api().await;
    eventually("three replicas are available", async || {
        let status = deployments.get_status("web").await.unwrap().status.unwrap();
        holds(status.available_replicas == Some(3), &status)
    })
    .await;

    let pods: Api<Pod> = namespace.api().await;
    for pod in pods.list(&ListParams::default()).await.unwrap() {
        assert_eq!(pod.spec.unwrap().node_name.as_deref(), Some("node-1"));
        let status = pod.status.unwrap();
        assert_eq!(status.phase.as_deref(), Some("Running"));
        assert!(status.pod_ip.is_some());
        assert!(status.start_time.is_some());
        assert_eq!(
            status.container_statuses.unwrap()[0].image,
            "registry.example.com/web:1.2.3"
        );
    }

    deployments
        .delete("web", &DeleteParams::foreground())
        .await
        .unwrap();
    eventually("the Deployment and its pods are gone", async || {
        let left = pods.list(&ListParams::default()).await.unwrap().items.len();
        let there = deployments.get_opt("web").await.unwrap().is_some();
        holds(left == 0 && !there, left)
    })
    .await;
}

#[tokio::test]
async fn a_rollout_that_never_becomes_ready_is_seen_and_can_recover() {
    let cluster = Cluster::shared();
    let namespace = cluster.namespace("rollout").await;
    let (name, value) = NOT_READY;
    let stuck = deployment(&format!("{name}: \"{value}\""), "progressDeadlineSeconds: 1");
    cluster.apply(&stuck, Some(namespace.name()));
    let deployments: Api<Deployment> = namespace.api().await;
    eventually("the rollout is given up", async || {
        let status = deployments.get_status("web").await.unwrap().status.unwrap();
        assert_eq!(status.ready_replicas, None);
        let conditions = status.conditions.unwrap_or_default();
        let given_up = conditions
            .iter()
            .any(|condition| condition.reason.as_deref() == Some("ProgressDeadlineExceeded"));
        holds(given_up, &conditions)
    })
    .await;

    cluster.kubectl([
        "annotate",
        "pods",
        "--all",
        "--overwrite",
        &format!("{name}=true"),
        "--namespace",
        namespace.name(),
    ]);
    eventually("the pods are ready", async || {
        let status = deployments.get_status("web").await.unwrap().status.unwrap();
        holds(status.ready_replicas == Some(3), &status)
    })
    .await;
}

#[tokio::test]
async fn a_job_completes_unless_it_shall_fail() {
    let cluster = Cluster::shared();
    for (annotations, condition) in [
        (String::new(), "Complete"),
        (format!("{FAILING}: \"no database\""), "Failed"),
    ] {
        let namespace = cluster.namespace("job").await;
        cluster.apply(&job(&annotations), Some(namespace.name()));
        let jobs: Api<Job> = namespace.api().await;
        eventually(&format!("the Job is {condition}"), async || {
            let conditions = jobs
                .get_status("migrate")
                .await
                .unwrap()
                .status
                .unwrap()
                .conditions;
            let ended = conditions
                .iter()
                .flatten()
                .any(|found| found.type_ == condition && found.status == "True");
            holds(ended, &conditions)
        })
        .await;
    }
}

#[tokio::test]
async fn a_service_account_may_do_what_its_role_says_and_no_more() {
    let cluster = Cluster::shared();
    let namespace = cluster.namespace("role").await;
    cluster.apply(
        "apiVersion: v1
kind: ServiceAccount
metadata: { name: reader }
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: { name: reader }
rules: [{ apiGroups: [''], resources: [configmaps], verbs: [get, list] }]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: { name: reader }
roleRef: { apiGroup: rbac.authorization.k8s.io, kind: Role, name: reader }
subjects: [{ kind: ServiceAccount, name: reader }]
",
        Some(namespace.name()),
    );
    let client = cluster.client_as(namespace.name(), "reader").await;
    let config_maps: Api<ConfigMap> = Api::namespaced(client, namespace.name());
    // The role was written a moment ago, and the authorizer has it from a watch; so has the ConfigMap with
    // the authority, which every namespace gets.
    eventually("the role holds", async || {
        match config_maps.list(&ListParams::default()).await {
            Ok(listed) if listed.items.len() == 1 => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    let refused = config_maps
        .create(&PostParams::default(), &ConfigMap::default())
        .await
        .unwrap_err();
    assert!(
        matches!(refused, kube::Error::Api(status) if status.code == 403),
        "a reader wrote"
    );
}

#[tokio::test]
async fn a_namespace_is_deleted_with_its_handle() {
    let cluster = Cluster::shared();
    let namespace = cluster.namespace("short").await;
    let name = namespace.name().to_owned();
    drop(namespace);
    let namespaces: Api<Namespace> = Api::all(cluster.client().await);
    eventually("the namespace is gone", async || {
        match namespaces.get_opt(&name).await.unwrap() {
            None => Ok(()),
            Some(namespace) => Err(format!("{:?}", namespace.status)),
        }
    })
    .await;
}

#[tokio::test]
async fn the_api_server_comes_back_with_everything_after_a_kill() {
    let cluster = Cluster::start("production");
    let config = fs::read_to_string(cluster.kubeconfig_path()).unwrap();
    assert!(
        config.contains("current-context: production"),
        "the name is not that of the cluster"
    );
    assert!(!config.contains("insecure"), "the kubeconfig trusts everybody");
    let namespace = cluster.namespace("kept").await;

    let client = cluster.client().await;
    let namespaces: Api<Namespace> = Api::all(client);
    cluster.kill_api_server().await;
    assert!(namespaces.get(namespace.name()).await.is_err());
    cluster.start_api_server().await;
    namespaces.get(namespace.name()).await.unwrap();

    // The controllers and the node find the way back by themselves.
    cluster.apply(&deployment("", ""), Some(namespace.name()));
    let deployments: Api<Deployment> = namespace.api().await;
    eventually("three replicas are available", async || {
        let status = deployments.get_status("web").await.unwrap().status.unwrap();
        holds(status.available_replicas == Some(3), &status)
    })
    .await;
}

#[test]
fn nothing_is_left_of_a_cluster_when_its_handle_is_dropped() {
    let cluster = Cluster::start("short");
    let root = cluster.server().ready().root.clone();
    let processes = processes(cluster.server());
    assert!(root.exists());
    assert!(processes.iter().all(|process| process.exists()), "{processes:?}");
    drop(cluster);
    assert!(!root.exists());
    let left: Vec<_> = processes.iter().filter(|process| process.exists()).collect();
    assert!(left.is_empty(), "{left:?}");
}

#[tokio::test]
async fn no_process_of_a_cluster_outlives_a_kill() {
    // With data of the test: whoever is killed removes nothing.
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start("control-plane", &["--dir", directory.path().to_str().unwrap()]);
    let processes = processes(&server);
    stdout(Command::new("kill").args(["-9", &server.id().to_string()]));
    drop(server);
    eventually("every process is gone", async || {
        let left: Vec<_> = processes.iter().filter(|process| process.exists()).collect();
        holds(left.is_empty(), &left)
    })
    .await;
    assert!(directory.path().join("kubeconfig").exists());
}

#[test]
fn the_tools_speak_to_the_cluster() {
    let cluster = Cluster::shared();
    assert!(cluster.kubectl(["version"]).contains("Server Version: v1."));
    let releases = stdout(cluster.helm_command().args(["list", "--output=json"]));
    assert_eq!(releases, "[]");
}

/// The processes of a control plane as the Linux kernel shows them; elsewhere none, so that only the data
/// directory counts.
fn processes(server: &Server) -> Vec<PathBuf> {
    let process = Path::new("/proc").join(server.id().to_string());
    let Ok(threads) = fs::read_dir(process.join("task")) else {
        return Vec::new();
    };
    // A child belongs to the thread that started it.
    let children: Vec<String> = threads
        .map(|thread| fs::read_to_string(thread.unwrap().path().join("children")).unwrap_or_default())
        .collect();
    let children: Vec<PathBuf> = children
        .iter()
        .flat_map(|children| children.split_whitespace())
        .map(|child| Path::new("/proc").join(child))
        .collect();
    assert!(!children.is_empty(), "the API server is a process of its own");
    std::iter::once(process).chain(children).collect()
}
