//! Fields of `Kustomization` beyond path and prune, each in a cluster.

use fluxbot_api::kustomize::Kustomization;
use k8s_openapi::api::core::v1::{ConfigMap, Event};
use kube::Api;
use kube::api::{ListParams, Patch, PatchParams};
use serde_json::json;

use super::fixture::{Fleet, condition, config_map};
use crate::support::eventually::eventually;

/// The messages of the events about an object with a reason.
async fn events(fleet: &Fleet, name: &str, reason: &str) -> Vec<String> {
    let api: Api<Event> = Api::namespaced(fleet.client.clone(), fleet.namespace.name());
    let all = api.list(&ListParams::default()).await.unwrap();
    all.items
        .into_iter()
        .filter(|event| event.involved_object.name.as_deref() == Some(name))
        .filter(|event| event.reason.as_deref() == Some(reason))
        .filter_map(|event| event.message)
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn variables_are_put_in_after_the_build() {
    let map = config_map("one", "${region:=nowhere} ${replicas} ${password}");
    let script = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: script\n  annotations:\n    \
                  kustomize.toolkit.fluxcd.io/substitute: disabled\ndata: {value: \"${1}\"}\n";
    let files = [("apps/one.yaml", map.as_str()), ("apps/script.yaml", script)];
    let fleet = Fleet::start("variables", &files).await;
    let spec = "  retryInterval: 1s\n  postBuild:\n    substitute: {region: north}\n    substituteFrom:\n      - {kind: ConfigMap, \
                name: common}\n      - {kind: Secret, name: secret}\n      - {kind: ConfigMap, name: absent, optional: true}\n";
    let manifest = fleet
        .kustomization("apps", "./apps", spec)
        .replacen("  retryInterval: 1h\n", "", 1);
    fleet.apply(&manifest);
    let text = fleet.failed("apps", "BuildFailed").await;
    assert_eq!(
        text,
        "post build failed: substitute from 'ConfigMap/common' error: configmaps \"common\" not found"
    );
    fleet.apply(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: common}\ndata: {region: south, replicas: \"3\"}\n",
    );
    fleet.apply("apiVersion: v1\nkind: Secret\nmetadata: {name: secret}\nstringData: {password: hunter2}\n");
    // It is looked for again without anybody asking.
    fleet.applied("apps", &fleet.head()).await;
    assert_eq!(fleet.config("one").await.as_deref(), Some("north 3 hunter2"));
    assert_eq!(fleet.config("script").await.as_deref(), Some("${1}"));

    // A variable that is not there, and no default.
    let revision = fleet.commit(
        "missing",
        &[("apps/one.yaml", Some(&config_map("one", "${missing}")))],
    );
    let text = fleet.failed("apps", "BuildFailed").await;
    assert_eq!(
        text,
        "post build failed for 'ConfigMap.v1.[noGrp]/one': envsubst error: variable substitution failed: variable not set (strict \
         mode): \"missing\" (apps/one.yaml:1)"
    );
    assert_eq!(fleet.config("one").await.as_deref(), Some("north 3 hunter2"));
    drop(revision);

    // What the API server repeats of a Secret's value is masked.
    let broken = "apiVersion: v1\nkind: Service\nmetadata: {name: one}\nspec:\n  ports: [{port: 80}]\n  type: ${password}\n";
    fleet.commit("broken", &[("apps/one.yaml", Some(broken))]);
    let text = fleet.failed("apps", "ReconciliationFailed").await;
    assert!(text.contains("***") && !text.contains("hunter2"), "{text}");
    assert!(text.contains("apps/one.yaml:1"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn health_is_what_the_expressions_say() {
    let one = config_map("one", "working");
    let fleet = Fleet::start("expressions", &[("apps/one.yaml", one.as_str())]).await;
    let spec = "  wait: true\n  healthCheckExprs:\n    - apiVersion: v1\n      kind: ConfigMap\n      inProgress: data.value == \
                'working'\n      failed: data.value == 'broken'\n      current: data.value == 'done'\n";
    fleet.apply(&fleet.kustomization("apps", "./apps", spec));
    eventually("the wait is shown", async || {
        let status = fleet.get_kustomization("apps").await.status.unwrap_or_default();
        match condition(&status.conditions, "Healthy") {
            Some(healthy) if healthy.status == "Unknown" => Ok(()),
            _ => Err(format!("{:?}", status.conditions)),
        }
    })
    .await;
    fleet.commit("broken", &[("apps/one.yaml", Some(&config_map("one", "broken")))]);
    let text = fleet.failed("apps", "HealthCheckFailed").await;
    let object = format!("ConfigMap/{}/one status: 'Failed'", fleet.namespace.name());
    assert!(text.contains(&object), "{text}");
    let revision = fleet.commit("done", &[("apps/one.yaml", Some(&config_map("one", "done")))]);
    fleet.applied("apps", &revision).await;

    let wrong = spec.replace("current: data.value == 'done'", "current: data.value ==");
    fleet.apply(&fleet.kustomization("apps", "./apps", &wrong));
    let text = fleet.failed("apps", "InvalidCELExpression").await;
    assert!(
        text.starts_with(
            "Reconciliation failed terminally due to configuration error: failed to create custom status evaluator for \
             healthchecks[0]: failed to parse the expression Current: "
        ),
        "{text}"
    );
    let status = fleet.get_kustomization("apps").await.status.unwrap();
    assert_eq!(condition(&status.conditions, "Stalled").unwrap().status, "True");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dependency_is_ready_when_its_expression_says_so() {
    let (base, top) = (config_map("base", "1"), config_map("top", "1"));
    let files = [("base/base.yaml", base.as_str()), ("top/top.yaml", top.as_str())];
    let fleet = Fleet::start("ready-expression", &files).await;
    fleet.apply(&fleet.kustomization("base", "./base", ""));
    fleet.applied("base", &fleet.head()).await;
    let spec = "  dependsOn:\n    - name: base\n      readyExpr: has(dep.metadata.labels) && dep.metadata.labels.?open.orValue('') == 'yes'\n";
    fleet.apply(&fleet.kustomization("top", "./top", spec));
    let text = fleet.failed("top", "DependencyNotReady").await;
    let name = fleet.namespace.name();
    assert_eq!(
        text,
        format!("dependency '{name}/base' is not ready according to readyExpr eval")
    );
    fleet.kubectl(&["label", "kustomization", "base", "open=yes"]);
    // Woken by the change: the pause is half a minute, the patience of this test less.
    fleet.applied("top", &fleet.head()).await;
    let wrong = spec.replace("has(dep.metadata.labels)", "other.ready");
    fleet.apply(&fleet.kustomization("top", "./top", &wrong));
    let text = fleet.failed("top", "InvalidCELExpression").await;
    assert!(text.contains("failed to evaluate dependency base: "), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn ignored_fields_stay_as_others_have_set_them() {
    let one = config_map("one", "git");
    let fleet = Fleet::start("ignored", &[("apps/one.yaml", one.as_str())]).await;
    let spec = "  ignore:\n    - paths: [/data/value]\n      target: {kind: ConfigMap, name: one}\n";
    fleet.apply(&fleet.kustomization("apps", "./apps", spec));
    fleet.applied("apps", &fleet.head()).await;
    assert_eq!(
        fleet.config("one").await.as_deref(),
        Some("git"),
        "a new object has the field"
    );
    let patch = [
        "patch",
        "configmap",
        "one",
        "--patch",
        r#"{"data":{"value":"hand","other":"hand"}}"#,
    ];
    fleet.kubectl(&patch);
    let request = fleet.request("kustomization", "apps");
    fleet.handled("apps", &request).await;
    assert_eq!(fleet.config("one").await.as_deref(), Some("hand"));
    // Another field that changes in Git is applied, and the ignored one is left.
    let more = one.replace(
        "metadata: {name: one}",
        "metadata: {name: one, labels: {changed: \"yes\"}}",
    );
    let revision = fleet.commit("more", &[("apps/one.yaml", Some(&more))]);
    fleet.applied("apps", &revision).await;
    assert_eq!(fleet.config("one").await.as_deref(), Some("hand"));
    let label = fleet.kubectl(&[
        "get",
        "configmap",
        "one",
        "--output=jsonpath={.metadata.labels.changed}",
    ]);
    assert_eq!(label, "yes");
    // Without the rule it is Git's again.
    fleet.apply(&fleet.kustomization("apps", "./apps", "  ignore: []\n"));
    fleet.applied("apps", &revision).await;
    eventually("the field is Git's", async || match fleet.config("one").await {
        Some(value) if value == "git" => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_changes_nothing_of_it_passes_a_kustomization_by() {
    let (left, right) = (config_map("left", "1"), config_map("right", "1"));
    let files = [
        ("left/left.yaml", left.as_str()),
        ("right/right.yaml", right.as_str()),
    ];
    let fleet = Fleet::start("idle", &files).await;
    fleet.apply(&fleet.kustomization("left", "./left", "  wait: true\n"));
    fleet.applied("left", &fleet.head()).await;
    fleet.apply(&fleet.kustomization("right", "./right", "  dependsOn: [{name: left}]\n"));
    fleet.applied("right", &fleet.head()).await;
    // Only a complete run would put this back.
    let patch = [
        "patch",
        "configmap",
        "left",
        "--patch",
        r#"{"data":{"value":"hand"}}"#,
    ];
    fleet.kubectl(&patch);
    let revision = fleet.commit("right", &[("right/right.yaml", Some(&config_map("right", "2")))]);
    let object = fleet.applied("left", &revision).await;
    fleet.applied("right", &revision).await;
    assert_eq!(fleet.config("right").await.as_deref(), Some("2"));
    assert_eq!(
        fleet.config("left").await.as_deref(),
        Some("hand"),
        "nothing was applied"
    );
    let status = object.status.unwrap();
    assert_eq!(status.last_attempted_revision.as_deref(), Some(revision.as_str()));
    assert_eq!(status.history.len(), 1);
    assert_eq!(status.history[0].metadata["revision"], revision);
    assert_eq!(status.history[0].total_reconciliations, 2);
    let finished = events(&fleet, "left", "ReconciliationSucceeded").await;
    assert!(!finished.is_empty());
    assert!(
        events(&fleet, "right", "DependencyNotReady").await.is_empty(),
        "nobody is told to wait for what is on its way"
    );
    // Whoever asks gets a complete run.
    let request = fleet.request("kustomization", "left");
    fleet.handled("left", &request).await;
    assert_eq!(fleet.config("left").await.as_deref(), Some("1"));
    let name = fleet.namespace.name().to_owned();
    fleet
        .event("left", "DriftDetected", |text| {
            text == format!("ConfigMap/{name}/left differed in .data.value")
        })
        .await;
    // A file that comes into the folder is a change.
    let revision = fleet.commit("new", &[("left/new.yaml", Some(&config_map("new", "1")))]);
    fleet.applied("left", &revision).await;
    assert_eq!(fleet.config("new").await.as_deref(), Some("1"));
}

#[tokio::test(flavor = "multi_thread")]
async fn drift_is_put_back_at_once_where_that_is_asked_for() {
    let one = config_map("one", "git");
    let fleet = Fleet::start("drift", &[("apps/one.yaml", one.as_str())]).await;
    let manifest = fleet.kustomization("apps", "./apps", "");
    let manifest = manifest.replace(
        "metadata: {name: apps}",
        "metadata: {name: apps, annotations: {fluxbot.io/drift: immediate}}",
    );
    fleet.apply(&manifest);
    fleet.applied("apps", &fleet.head()).await;
    let back = async |what: &str| {
        eventually(what, async || match fleet.config("one").await {
            Some(value) if value == "git" => Ok(()),
            other => Err(format!("{other:?}")),
        })
        .await;
    };
    for _ in 0..2 {
        fleet.kubectl(&[
            "patch",
            "configmap",
            "one",
            "--patch",
            r#"{"data":{"value":"hand"}}"#,
        ]);
        back("the value is Git's again").await;
    }
    fleet.kubectl(&["delete", "configmap", "one"]);
    back("the object is there again").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_that_claim_one_object_are_reported() {
    let one = config_map("one", "left");
    let other = config_map("one", "right");
    let files = [
        ("left/one.yaml", one.as_str()),
        ("right/one.yaml", other.as_str()),
    ];
    let fleet = Fleet::start("claims", &files).await;
    fleet.apply(&fleet.kustomization("left", "./left", ""));
    fleet.applied("left", &fleet.head()).await;
    fleet.apply(&fleet.kustomization("right", "./right", ""));
    fleet.applied("right", &fleet.head()).await;
    let name = fleet.namespace.name().to_owned();
    let text =
        format!("ConfigMap/{name}/one is also applied by Kustomization/{name}/left, and each overwrites");
    let event = fleet
        .event("right", "Progressing", |found| found.starts_with(&text))
        .await;
    assert_eq!(event.type_.as_deref(), Some("Warning"));
}

#[tokio::test(flavor = "multi_thread")]
async fn controllers_of_flux_are_not_installed_again() {
    let labels = "labels: {app.kubernetes.io/part-of: flux, app.kubernetes.io/component: source-controller}";
    let deployment = format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: source-controller\n  {labels}\nspec:\n  selector: {{matchLabels: \
         {{app: source-controller}}}}\n  template:\n    metadata: {{labels: {{app: source-controller}}}}\n    spec:\n      \
         containers: [{{name: manager, image: \"ghcr.io/fluxcd/source-controller:v1.9.4\"}}]\n"
    );
    let one = config_map("one", "1");
    let files = [
        ("flux-system/gotk-components.yaml", deployment.as_str()),
        ("flux-system/one.yaml", one.as_str()),
    ];
    let fleet = Fleet::start("components", &files).await;
    fleet.apply(&fleet.kustomization("flux-system", "./flux-system", "  wait: true\n"));
    let object = fleet.applied("flux-system", &fleet.head()).await;
    assert_eq!(fleet.config("one").await.as_deref(), Some("1"));
    let found = fleet.kubectl(&["get", "deployment", "source-controller", "--ignore-not-found"]);
    assert_eq!(found, "");
    let inventory = object.status.unwrap().inventory.unwrap();
    let is_noted = inventory
        .entries
        .iter()
        .any(|entry| entry.id.contains("source-controller"));
    assert!(is_noted, "it is not pruned where it is there");
    let text = format!(
        "Deployment/{}/source-controller were not applied",
        fleet.namespace.name()
    );
    fleet
        .event("flux-system", "Progressing", |found| found.starts_with(&text))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_go_to_the_cluster_of_a_kubeconfig() {
    let one = config_map("one", "1");
    let fleet = Fleet::start("kubeconfig", &[("apps/one.yaml", one.as_str())]).await;
    fleet.apply(
        &fleet
            .kustomization(
                "apps",
                "./apps",
                "  retryInterval: 1s\n  kubeConfig: {secretRef: {name: remote}}\n",
            )
            .replacen("  retryInterval: 1h\n", "", 1),
    );
    let text = fleet.failed("apps", "ReconciliationFailed").await;
    let name = fleet.namespace.name();
    assert_eq!(
        text,
        format!("unable to read KubeConfig secret '{name}/remote' error: secrets \"remote\" not found")
    );
    let secret = |config: &str| {
        let lines: Vec<String> = config.lines().map(|line| format!("    {line}\n")).collect();
        format!(
            "apiVersion: v1\nkind: Secret\nmetadata: {{name: remote}}\nstringData:\n  value: |\n{}",
            lines.concat()
        )
    };
    let program = "apiVersion: v1\nkind: Config\ncurrent-context: a\ncontexts: [{name: a, context: {cluster: a, user: a}}]\nclusters: \
                   [{name: a, cluster: {server: 'https://127.0.0.1:1'}}]\nusers: [{name: a, user: {exec: {command: sh, apiVersion: \
                   client.authentication.k8s.io/v1}}}]\n";
    fleet.apply(&secret(program));
    eventually("the program is refused", async || {
        let text = fleet.failed("apps", "ReconciliationFailed").await;
        if text.contains("users[].user.exec is not allowed") {
            Ok(())
        } else {
            Err(text)
        }
    })
    .await;
    // The same cluster, by another way.
    let config = std::fs::read_to_string(fleet.cluster.kubeconfig_path()).unwrap();
    fleet.apply(&secret(&config));
    fleet.applied("apps", &fleet.head()).await;
    assert_eq!(fleet.config("one").await.as_deref(), Some("1"));
    fleet.kubectl(&["delete", "kustomization", "apps", "--wait=true"]);
    fleet.gone("configmap", "one").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_switch_from_flux_and_back_changes_no_object() {
    let one = config_map("one", "1");
    let mut fleet = Fleet::idle("switch", &[("apps/one.yaml", one.as_str())]).await;
    let name = fleet.namespace.name().to_owned();
    let api: Api<ConfigMap> = Api::namespaced(fleet.client.clone(), &name);
    // What Flux's controller sends, and what it leaves in the status.
    let wish = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "one", "namespace": name, "labels": {
        "kustomize.toolkit.fluxcd.io/name": "apps", "kustomize.toolkit.fluxcd.io/namespace": name}}, "data": {"value": "1"}});
    let params = PatchParams::apply("kustomize-controller").force();
    let before = api.patch("one", &params, &Patch::Apply(&wish)).await.unwrap();
    let manifest = fleet.kustomization("apps", "./apps", "");
    let finalizer = "metadata: {name: apps, finalizers: [finalizers.fluxcd.io]}";
    fleet.apply(&manifest.replace("metadata: {name: apps}", finalizer));
    let kustomizations: Api<Kustomization> = Api::namespaced(fleet.client.clone(), &name);
    let inventory = json!({"entries": [{"id": format!("{name}_one__ConfigMap"), "v": "v1"}]});
    let status = json!({"status": {"inventory": inventory, "lastAppliedRevision": fleet.head(), "observedGeneration": 1}});
    let params_of_status = PatchParams::apply("gotk-kustomize-controller");
    kustomizations
        .patch_status("apps", &params_of_status, &Patch::Merge(&status))
        .await
        .unwrap();

    fleet.run(&[]).await;
    fleet.applied("apps", &fleet.head()).await;
    let request = fleet.request("kustomization", "apps");
    fleet.handled("apps", &request).await;
    let ours = api.get("one").await.unwrap();
    assert_eq!(ours.metadata.resource_version, before.metadata.resource_version);
    assert_eq!(ours.metadata.managed_fields, before.metadata.managed_fields);

    // And back: what Flux sends changes nothing, and it finds its own inventory.
    fleet.controller.take().unwrap().kill().await;
    let again = api.patch("one", &params, &Patch::Apply(&wish)).await.unwrap();
    assert_eq!(again.metadata.resource_version, before.metadata.resource_version);
    let status = fleet.get_kustomization("apps").await.status.unwrap();
    assert_eq!(serde_json::to_value(status.inventory).unwrap(), inventory);
}
