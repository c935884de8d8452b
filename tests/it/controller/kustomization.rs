//! `Kustomization` in a cluster.

use serde_json::json;

use super::fixture::{Fleet, condition, config_map};
use crate::support::cluster::NOT_READY;
use crate::support::eventually::eventually;

fn deployment(image: &str, annotation: &str) -> String {
    format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: web}}\nspec:\n  selector: {{matchLabels: {{app: web}}}}\n  \
         template:\n    metadata: {{labels: {{app: web}}, annotations: {{{annotation}}}}}\n    spec:\n      containers:\n      \
         - {{name: web, image: \"{image}\"}}\n"
    )
}

fn inventory(object: &fluxbot_api::kustomize::Kustomization) -> Vec<String> {
    let inventory = object.status.as_ref().and_then(|status| status.inventory.clone());
    let mut ids: Vec<String> = inventory
        .unwrap_or_default()
        .entries
        .into_iter()
        .map(|entry| entry.id)
        .collect();
    ids.sort();
    ids
}

#[tokio::test(flavor = "multi_thread")]
async fn a_path_is_applied_kept_and_pruned() {
    let (web, one) = (
        deployment("registry.example/web:1.0.0", ""),
        config_map("one", "1"),
    );
    let files = [("apps/web.yaml", web.as_str()), ("apps/one.yaml", one.as_str())];
    let fleet = Fleet::start("apply", &files).await;
    fleet.apply(&fleet.kustomization("apps", "./apps", "  wait: true\n"));
    let object = fleet.applied("apps", &fleet.head()).await;
    let name = fleet.namespace.name().to_owned();
    assert_eq!(
        inventory(&object),
        [
            format!("{name}_one__ConfigMap"),
            format!("{name}_web_apps_Deployment")
        ]
    );
    let status = object.status.unwrap();
    assert_eq!(
        status.last_attempted_revision.as_deref(),
        Some(fleet.head().as_str())
    );
    assert_eq!(
        condition(&status.conditions, "Ready").unwrap().reason,
        "ReconciliationSucceeded"
    );
    assert_eq!(condition(&status.conditions, "Healthy").unwrap().status, "True");
    assert!(condition(&status.conditions, "Reconciling").is_none());
    assert_eq!(status.history.len(), 1);
    assert_eq!(
        status.history[0].last_reconciled_status,
        "ReconciliationSucceeded"
    );
    let ready = fleet.kubectl(&[
        "get",
        "deployment",
        "web",
        "--output=jsonpath={.status.readyReplicas} {.metadata.labels}",
    ]);
    assert!(ready.starts_with("1 "), "{ready}");
    assert!(
        ready.contains("\"kustomize.toolkit.fluxcd.io/name\":\"apps\""),
        "{ready}"
    );
    let created = format!("ConfigMap/{name}/one created");
    let event = fleet
        .event("apps", "Progressing", |text| {
            text.lines().any(|line| line == created)
        })
        .await;
    let annotations = event.metadata.annotations.unwrap();
    assert_eq!(annotations["kustomize.toolkit.fluxcd.io/revision"], fleet.head());
    fleet
        .event("apps", "Progressing", |text| {
            text.starts_with("Health check passed in ")
        })
        .await;
    let finished = fleet
        .event("apps", "ReconciliationSucceeded", |text| {
            text.starts_with("Reconciliation finished in ") && text.ends_with(", next run in 1h0m0s")
        })
        .await;
    assert_eq!(
        finished.metadata.annotations.unwrap()["kustomize.toolkit.fluxcd.io/commit_status"],
        "update"
    );

    // A new commit.
    let newer = deployment("registry.example/web:1.1.0", "");
    let revision = fleet.commit("newer", &[("apps/web.yaml", Some(&newer))]);
    fleet.applied("apps", &revision).await;
    let image = [
        "get",
        "deployment",
        "web",
        "--output=jsonpath={.spec.template.spec.containers[0].image}",
    ];
    assert_eq!(fleet.kubectl(&image), "registry.example/web:1.1.0");

    // Changed by hand, and put back.
    fleet.kubectl(&["set", "image", "deployment/web", "web=registry.example/web:evil"]);
    fleet.kubectl(&[
        "patch",
        "configmap",
        "one",
        "--patch",
        r#"{"data":{"value":"evil"}}"#,
    ]);
    let request = fleet.request("kustomization", "apps");
    fleet.handled("apps", &request).await;
    assert_eq!(fleet.kubectl(&image), "registry.example/web:1.1.0");
    assert_eq!(fleet.config("one").await.as_deref(), Some("1"));

    // Removed from Git.
    let revision = fleet.commit("less", &[("apps/one.yaml", None)]);
    let object = fleet.applied("apps", &revision).await;
    assert_eq!(inventory(&object), [format!("{name}_web_apps_Deployment")]);
    assert_eq!(fleet.config("one").await, None);
    let deleted = format!("ConfigMap/{name}/one deleted");
    fleet.event("apps", "Progressing", |text| text == deleted).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn dependents_wait_for_the_same_revision_of_what_they_depend_on() {
    let (base, top) = (config_map("base", "1"), config_map("top", "1"));
    let files = [("base/base.yaml", base.as_str()), ("top/top.yaml", top.as_str())];
    let fleet = Fleet::start("order", &files).await;
    fleet.apply(&fleet.kustomization("top", "./top", "  dependsOn: [{name: base}]\n"));
    let name = fleet.namespace.name().to_owned();
    let text = fleet.failed("top", "DependencyNotReady").await;
    assert!(
        text.starts_with(&format!("dependency '{name}/base' not found")),
        "{text}"
    );
    fleet
        .event("top", "DependencyNotReady", |text| {
            text == "Dependencies do not meet ready condition, retrying in 30s"
        })
        .await;
    assert_eq!(fleet.config("top").await, None);
    fleet.apply(&fleet.kustomization("base", "./base", ""));
    fleet.applied("top", &fleet.head()).await;

    // A revision that breaks the base stops at the base, and its fix lets both go on.
    let top = config_map("top", "2");
    let files = [
        ("base/base.yaml", Some("kind: [")),
        ("top/top.yaml", Some(top.as_str())),
    ];
    fleet.commit("break", &files);
    fleet.failed("base", "BuildFailed").await;
    let text = fleet.failed("top", "DependencyNotReady").await;
    assert!(text.starts_with(&format!("dependency '{name}/base' ")), "{text}");
    assert_eq!(fleet.config("top").await.as_deref(), Some("1"));
    let revision = fleet.commit("fix", &[("base/base.yaml", Some(&config_map("base", "2")))]);
    fleet.applied("top", &revision).await;
    assert_eq!(fleet.config("top").await.as_deref(), Some("2"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fix_is_not_held_up_by_the_wait_for_what_it_fixes() {
    let (key, value) = NOT_READY;
    let broken = deployment("registry.example/web:1", &format!("{key}: \"{value}\""));
    let fleet = Fleet::start("fix", &[("apps/web.yaml", broken.as_str())]).await;
    // The timeout of the wait is ten minutes.
    fleet.apply(&fleet.kustomization("apps", "./apps", "  wait: true\n"));
    eventually("the wait is shown", async || {
        let status = fleet.get_kustomization("apps").await.status.unwrap_or_default();
        match condition(&status.conditions, "Healthy") {
            Some(healthy) if healthy.status == "Unknown" => Ok(()),
            _ => Err(format!("{:?}", status.conditions)),
        }
    })
    .await;
    let status = fleet.get_kustomization("apps").await.status.unwrap();
    assert_eq!(status.last_applied_revision, None);
    let revision = fleet.commit(
        "fix",
        &[("apps/web.yaml", Some(&deployment("registry.example/web:2", "")))],
    );
    let object = fleet.applied("apps", &revision).await;
    let results: Vec<String> = object
        .status
        .unwrap()
        .history
        .into_iter()
        .map(|entry| entry.last_reconciled_status)
        .collect();
    assert_eq!(results, ["ReconciliationSucceeded", "HealthCheckCanceled"]);
    let trigger = format!(
        "New reconciliation triggered by GitRepository/{}/fleet",
        fleet.namespace.name()
    );
    fleet
        .event("apps", "HealthCheckCanceled", |text| text == trigger)
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_pruned_unless_a_revision_was_built_and_applied_completely() {
    let (one, two) = (config_map("one", "1"), config_map("two", "1"));
    let fleet = Fleet::start(
        "broken",
        &[("apps/one.yaml", one.as_str()), ("apps/two.yaml", two.as_str())],
    )
    .await;
    fleet.apply(&fleet.kustomization("apps", "./apps", ""));
    let before = inventory(&fleet.applied("apps", &fleet.head()).await);

    // One file is gone, another one is half written.
    let files = [
        ("apps/one.yaml", None),
        (
            "apps/half.yaml",
            Some("apiVersion: v1\nkind: ConfigMap\nmetadata: {name"),
        ),
    ];
    fleet.commit("half", &files);
    let text = fleet.failed("apps", "BuildFailed").await;
    assert!(text.contains("apps/half.yaml"), "{text}");

    // An object that the API server refuses.
    let refused = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: UPPER}\n";
    fleet.commit("refused", &[("apps/half.yaml", Some(refused))]);
    let text = fleet.failed("apps", "ReconciliationFailed").await;
    assert!(
        text.contains("UPPER") && text.contains("apps/half.yaml"),
        "{text}"
    );

    // All manifests are gone, but not the folder.
    let files = [
        ("apps/half.yaml", None),
        ("apps/two.yaml", None),
        ("apps/README.md", Some("nothing here\n")),
    ];
    fleet.commit("empty", &files);
    let text = fleet.failed("apps", "BuildFailed").await;
    assert!(text.contains("applied objects are kept"), "{text}");

    // The folder is gone.
    fleet.commit(
        "away",
        &[("apps/README.md", None), ("README.md", Some("nothing here\n"))],
    );
    let text = fleet.failed("apps", "ArtifactFailed").await;
    assert_eq!(
        text,
        "kustomization path not found: stat apps: no such file or directory"
    );

    assert_eq!(fleet.config("one").await.as_deref(), Some("1"));
    assert_eq!(fleet.config("two").await.as_deref(), Some("1"));
    let kept = inventory(&fleet.get_kustomization("apps").await);
    assert_eq!(kept, before, "what was refused was never there");

    // A complete revision prunes what the broken ones did not.
    let revision = fleet.commit("back", &[("apps/two.yaml", Some(&config_map("two", "2")))]);
    fleet.applied("apps", &revision).await;
    assert_eq!(fleet.config("one").await, None);
    assert_eq!(fleet.config("two").await.as_deref(), Some("2"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_becomes_of_the_objects_of_a_deleted_kustomization_is_its_policy() {
    let files: Vec<(String, String)> = ["mirror", "keep", "delete", "orphan", "resting"]
        .into_iter()
        .map(|name| (format!("{name}/object.yaml"), config_map(name, "1")))
        .collect();
    let files: Vec<(&str, &str)> = files
        .iter()
        .map(|(path, text)| (path.as_str(), text.as_str()))
        .collect();
    let fleet = Fleet::start("deletion", &files).await;
    for (name, spec) in [
        ("mirror", ""),
        ("keep", "  deletionPolicy: MirrorPrune\n"),
        ("delete", "  deletionPolicy: WaitForTermination\n"),
        ("orphan", "  deletionPolicy: Orphan\n"),
        ("resting", ""),
    ] {
        let mut manifest = fleet.kustomization(name, &format!("./{name}"), spec);
        if matches!(name, "keep" | "delete") {
            manifest = manifest.replace("prune: true", "prune: false");
        }
        fleet.apply(&manifest);
        fleet.applied(name, &fleet.head()).await;
    }
    fleet.kubectl(&[
        "patch",
        "kustomization",
        "resting",
        "--type=merge",
        "--patch",
        r#"{"spec":{"suspend":true}}"#,
    ]);
    fleet.kubectl(&["delete", "kustomization", "--all", "--wait=true"]);
    for (name, expected) in [
        ("mirror", false),
        ("keep", true),
        ("delete", false),
        ("orphan", true),
        ("resting", true),
    ] {
        if expected {
            assert_eq!(fleet.config(name).await.as_deref(), Some("1"), "{name}");
        } else {
            fleet.gone("configmap", name).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kustomization_can_do_what_its_service_account_may_and_no_more() {
    let one = config_map("one", "1");
    let fleet = Fleet::start("rights", &[("apps/one.yaml", one.as_str())]).await;
    fleet.apply("apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: deployer}\n");
    fleet.apply(&fleet.kustomization("apps", "./apps", "  serviceAccountName: deployer\n"));
    let text = fleet.failed("apps", "ReconciliationFailed").await;
    let user = format!("system:serviceaccount:{}:deployer", fleet.namespace.name());
    assert!(
        text.contains("forbidden") && text.contains(&user) && text.contains("ConfigMap"),
        "{text}"
    );
    assert_eq!(fleet.config("one").await, None);
    fleet.kubectl(&["create", "role", "deployer", "--verb=*", "--resource=configmaps"]);
    let account = format!("--serviceaccount={}:deployer", fleet.namespace.name());
    fleet.kubectl(&["create", "rolebinding", "deployer", "--role=deployer", &account]);
    let request = fleet.request("kustomization", "apps");
    fleet.handled("apps", &request).await;
    assert_eq!(fleet.config("one").await.as_deref(), Some("1"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_moves_to_another_kustomization_is_not_deleted() {
    let one = config_map("one", "1");
    let other = config_map("other", "1");
    let fleet = Fleet::start(
        "move",
        &[
            ("left/one.yaml", one.as_str()),
            ("right/other.yaml", other.as_str()),
        ],
    )
    .await;
    fleet.apply(&fleet.kustomization("left", "./left", ""));
    fleet.apply(&fleet.kustomization("right", "./right", "  dependsOn: [{name: left}]\n"));
    fleet.applied("right", &fleet.head()).await;
    let uid = ["get", "configmap", "one", "--output=jsonpath={.metadata.uid}"];
    let before = fleet.kubectl(&uid);
    // The new owner comes first, then the old one prunes.
    fleet.apply(&fleet.kustomization("right", "./right", "  dependsOn: []\n"));
    fleet.apply(&fleet.kustomization("left", "./left", "  dependsOn: [{name: right}]\n"));
    let keep = config_map("keep", "1");
    let files = [
        ("left/one.yaml", None),
        ("left/keep.yaml", Some(keep.as_str())),
        ("right/one.yaml", Some(one.as_str())),
    ];
    let revision = fleet.commit("move", &files);
    fleet.applied("left", &revision).await;
    assert_eq!(fleet.kubectl(&uid), before);
    let id = format!("{}_one__ConfigMap", fleet.namespace.name());
    assert!(inventory(&fleet.get_kustomization("right").await).contains(&id));
    assert!(!inventory(&fleet.get_kustomization("left").await).contains(&id));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_process_has_noted_and_applied_is_pruned_by_the_next() {
    let one = config_map("one", "1");
    let mut fleet = Fleet::start("killed", &[("apps/one.yaml", one.as_str())]).await;
    fleet.apply(&fleet.kustomization("apps", "./apps", ""));
    let object = fleet.applied("apps", &fleet.head()).await;
    fleet.controller.take().unwrap().kill().await;
    // As if it had died between the two: noted and applied, noted and not applied. Both left Git since.
    let name = fleet.namespace.name().to_owned();
    let labels =
        format!("kustomize.toolkit.fluxcd.io/name: apps, kustomize.toolkit.fluxcd.io/namespace: {name}");
    let applied = config_map("applied", "1").replace(
        "{name: applied}",
        &format!("{{name: applied, labels: {{{labels}}}}}"),
    );
    fleet.apply(&applied);
    fleet.apply(&config_map("foreign", "1"));
    let mut entries = object.status.unwrap().inventory.unwrap().entries;
    for noted in ["applied", "planned", "foreign"] {
        entries.push(fluxbot_api::meta::InventoryEntry {
            id: format!("{name}_{noted}__ConfigMap"),
            version: "v1".to_owned(),
        });
    }
    let patch = json!({ "status": { "inventory": { "entries": entries } } }).to_string();
    fleet.kubectl(&[
        "patch",
        "kustomization",
        "apps",
        "--subresource=status",
        "--type=merge",
        "--patch",
        &patch,
    ]);
    fleet.run(&[]).await;
    fleet.gone("configmap", "applied").await;
    eventually("the inventory is clean", async || {
        let ids = inventory(&fleet.get_kustomization("apps").await);
        if ids == [format!("{name}_one__ConfigMap")] {
            Ok(())
        } else {
            Err(format!("{ids:?}"))
        }
    })
    .await;
    assert_eq!(fleet.config("one").await.as_deref(), Some("1"));
    assert_eq!(
        fleet.config("foreign").await.as_deref(),
        Some("1"),
        "it has no labels of ours"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_artifact_of_another_controller_is_downloaded() {
    let one = config_map("one", "1");
    let mut fleet = Fleet::idle("beside", &[("apps/one.yaml", one.as_str())]).await;
    fleet.run(&["--controllers", "source"]).await;
    fleet.fetched("fleet", &fleet.head()).await;
    let source = fleet.controller.take();
    let own = std::mem::replace(&mut fleet.storage, crate::support::controller::Storage::new());
    fleet.run(&["--controllers", "kustomize"]).await;
    fleet.apply(&fleet.kustomization("apps", "./apps", ""));
    fleet.applied("apps", &fleet.head()).await;
    let revision = fleet.commit("second", &[("apps/one.yaml", Some(&config_map("one", "2")))]);
    fleet.applied("apps", &revision).await;
    assert_eq!(fleet.config("one").await.as_deref(), Some("2"));
    drop((source, own));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_missing_or_not_supported_is_said_and_a_suspended_one_rests() {
    let one = config_map("one", "1");
    let fleet = Fleet::start("refused", &[("apps/one.yaml", one.as_str())]).await;
    let ready = fleet.kustomization("apps", "./apps", "");
    fleet.apply(&ready.replace("name: fleet}", "name: nothing}"));
    let text = fleet.failed("apps", "ArtifactFailed").await;
    assert_eq!(
        text,
        "GitRepository.source.toolkit.fluxcd.io \"nothing\" not found"
    );
    fleet.apply(&fleet.kustomization("apps", "./apps", "  decryption: {provider: sops}\n"));
    let text = fleet.failed("apps", "BuildFailed").await;
    assert!(text.starts_with("spec.decryption is not supported yet"), "{text}");
    let status = fleet.get_kustomization("apps").await.status.unwrap();
    assert_eq!(condition(&status.conditions, "Stalled").unwrap().status, "True");
    assert_eq!(fleet.config("one").await, None);

    fleet.kubectl(&["delete", "kustomization", "apps"]);
    fleet.apply(&fleet.kustomization("resting", "./apps", "  suspend: true\n"));
    fleet.apply(&fleet.kustomization("other", "./apps", "  namePrefix: other-\n"));
    fleet.applied("other", &fleet.head()).await;
    assert_eq!(fleet.config("other-one").await.as_deref(), Some("1"));
    assert_eq!(fleet.config("one").await, None);
    fleet.apply(&fleet.kustomization("resting", "./apps", "  suspend: false\n"));
    fleet.applied("resting", &fleet.head()).await;
    assert_eq!(fleet.config("one").await.as_deref(), Some("1"));
}
