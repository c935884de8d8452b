//! What the service account of an installation may do, asked of a real API server.

use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec,
};
use kube::api::PostParams;
use kube::{Api, Client};

use super::chart;
use crate::support::cluster::Cluster;
use crate::support::command::stdout;

/// Installs the chart with these values, without definitions, in a namespace of its own, and gives a client with the
/// rights of its service account.
async fn installed(cluster: &Cluster, namespace: &str, values: &[&str]) -> Client {
    stdout(
        cluster
            .helm_command()
            .args(["install", "fluxbot"])
            .arg(chart())
            .args(["--namespace", namespace, "--set=crds.install=false"])
            .args(values),
    );
    cluster.client_as(namespace, "fluxbot").await
}

/// Whether the client may do this: verb, resource with its group, namespace (`-` is all).
pub async fn may(client: &Client, verb: &str, resource: &str, namespace: &str) -> bool {
    let (resource, group) = resource.split_once('.').unwrap_or((resource, ""));
    let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
    let review = SelfSubjectAccessReview {
        spec: SelfSubjectAccessReviewSpec {
            resource_attributes: Some(ResourceAttributes {
                verb: Some(verb.to_owned()),
                group: Some(group.to_owned()),
                resource: Some(resource.to_owned()),
                subresource: Some(subresource.to_owned()),
                namespace: (namespace != "-").then(|| namespace.to_owned()),
                ..ResourceAttributes::default()
            }),
            ..SelfSubjectAccessReviewSpec::default()
        },
        ..SelfSubjectAccessReview::default()
    };
    let reviews: Api<SelfSubjectAccessReview> = Api::all(client.clone());
    let answer = reviews.create(&PostParams::default(), &review).await.unwrap();
    answer.status.unwrap().allowed
}

/// The questions, and what each kind of installation answers: `OWN` is its own namespace.
///
/// In the order of the columns: image only, everything under lockdown, lockdown in one namespace, the default.
const MATRIX: &[(&str, &str, &str, [bool; 4])] = &[
    (
        "list",
        "imagepolicies.image.toolkit.fluxcd.io",
        "-",
        [true, true, false, true],
    ),
    (
        "watch",
        "imagepolicies.image.toolkit.fluxcd.io",
        "OWN",
        [true, true, true, true],
    ),
    (
        "patch",
        "imagepolicies/status.image.toolkit.fluxcd.io",
        "OWN",
        [true, true, true, true],
    ),
    (
        "patch",
        "imageupdateautomations.image.toolkit.fluxcd.io",
        "default",
        [true, true, false, true],
    ),
    (
        "delete",
        "imagepolicies.image.toolkit.fluxcd.io",
        "OWN",
        [false, false, false, true],
    ),
    (
        "create",
        "imagepolicies.image.toolkit.fluxcd.io",
        "OWN",
        [false, false, false, true],
    ),
    (
        "watch",
        "gitrepositories.source.toolkit.fluxcd.io",
        "OWN",
        [true, true, true, true],
    ),
    (
        "patch",
        "gitrepositories.source.toolkit.fluxcd.io",
        "OWN",
        [false, true, true, true],
    ),
    (
        "patch",
        "gitrepositories/status.source.toolkit.fluxcd.io",
        "OWN",
        [false, true, true, true],
    ),
    (
        "list",
        "kustomizations.kustomize.toolkit.fluxcd.io",
        "OWN",
        [false, true, true, true],
    ),
    (
        "patch",
        "kustomizations/status.kustomize.toolkit.fluxcd.io",
        "OWN",
        [false, true, true, true],
    ),
    ("get", "secrets", "OWN", [true, true, true, true]),
    ("get", "secrets", "default", [true, true, false, true]),
    ("list", "secrets", "OWN", [false, false, false, true]),
    ("watch", "secrets", "-", [false, false, false, true]),
    ("create", "secrets", "OWN", [false, false, false, true]),
    ("get", "configmaps", "OWN", [false, true, true, true]),
    ("list", "configmaps", "-", [false, false, false, true]),
    ("get", "serviceaccounts", "OWN", [true, true, true, true]),
    (
        "create",
        "serviceaccounts/token",
        "OWN",
        [false, false, false, true],
    ),
    ("impersonate", "serviceaccounts", "OWN", [false, true, true, true]),
    (
        "impersonate",
        "serviceaccounts",
        "default",
        [false, true, false, true],
    ),
    ("impersonate", "users", "-", [false, false, false, true]),
    ("impersonate", "groups", "-", [false, false, false, true]),
    ("get", "namespaces", "-", [true, true, false, true]),
    ("create", "events", "default", [true, true, false, true]),
    ("patch", "events", "OWN", [true, true, true, true]),
    (
        "create",
        "leases.coordination.k8s.io",
        "OWN",
        [true, true, true, true],
    ),
    (
        "update",
        "leases.coordination.k8s.io",
        "OWN",
        [true, true, true, true],
    ),
    (
        "update",
        "leases.coordination.k8s.io",
        "kube-system",
        [false, false, false, true],
    ),
    ("patch", "deployments.apps", "OWN", [false, false, false, true]),
    ("create", "pods", "default", [false, false, false, true]),
    ("get", "pods", "OWN", [false, false, false, true]),
    (
        "escalate",
        "clusterroles.rbac.authorization.k8s.io",
        "-",
        [false, false, false, true],
    ),
    (
        "bind",
        "clusterroles.rbac.authorization.k8s.io",
        "-",
        [false, false, false, true],
    ),
];

#[tokio::test]
async fn each_installation_has_its_rights_and_no_other() {
    let cluster = Cluster::shared();
    cluster.install_crds().await;
    let lockdown = "--set=multitenancy.lockdown=true";
    let values: [&[&str]; 4] = [
        &["--set=controllers={image}"],
        &[lockdown],
        &[lockdown, "--set=watchAllNamespaces=false"],
        &[],
    ];
    let mut namespaces = Vec::new();
    let mut clients = Vec::new();
    for values in values {
        let namespace = cluster.namespace("rights").await;
        clients.push(installed(&cluster, namespace.name(), values).await);
        namespaces.push(namespace);
    }
    let mut wrong = Vec::new();
    for (verb, resource, place, expected) in MATRIX {
        let mut answers = [false; 4];
        for (answer, (client, own)) in answers.iter_mut().zip(clients.iter().zip(&namespaces)) {
            let place = if *place == "OWN" { own.name() } else { place };
            *answer = may(client, verb, resource, place).await;
        }
        if answers != *expected {
            wrong.push(format!(
                "{verb} {resource} in {place}: {answers:?}, expected {expected:?}"
            ));
        }
    }
    for (namespace, _) in namespaces.iter().zip(values) {
        // What has no namespace does not go away with it.
        stdout(
            cluster
                .helm_command()
                .args(["uninstall", "fluxbot", "--namespace", namespace.name()]),
        );
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Under lockdown an editor of a namespace may write a Kustomization, which is applied with a service account of that
/// namespace. Without it, that would be the way to the controller's own rights.
#[tokio::test]
async fn editors_of_a_namespace_write_the_kinds_only_under_lockdown() {
    let cluster = Cluster::start("editors");
    cluster.install_crds().await;
    let namespace = cluster.namespace("team").await;
    let name = namespace.name();
    cluster.kubectl(["create", "serviceaccount", "editor", "--namespace", name]);
    let subject = format!("--serviceaccount={name}:editor");
    cluster.kubectl([
        "create",
        "rolebinding",
        "editor",
        "--clusterrole=edit",
        &subject,
        "--namespace",
        name,
    ]);
    let editor = cluster.client_as(name, "editor").await;
    let kind = "kustomizations.kustomize.toolkit.fluxcd.io";

    installed(&cluster, name, &[]).await;
    crate::support::eventually::eventually("the editor may read", async || {
        if may(&editor, "list", kind, name).await {
            Ok(())
        } else {
            Err("not yet")
        }
    })
    .await;
    assert!(!may(&editor, "create", kind, name).await);

    let upgrade = [
        "upgrade",
        "fluxbot",
        "--namespace",
        name,
        "--set=crds.install=false",
    ];
    stdout(
        cluster
            .helm_command()
            .args(upgrade)
            .arg("--set=multitenancy.lockdown=true")
            .arg(chart()),
    );
    crate::support::eventually::eventually("the editor may write", async || {
        if may(&editor, "create", kind, name).await {
            Ok(())
        } else {
            Err("not yet")
        }
    })
    .await;
}
