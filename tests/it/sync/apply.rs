use fluxbot::sync::{Action, ApplyCause, ApplyOptions};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::{World, config_map, identities};

#[tokio::test]
async fn objects_are_created_then_unchanged_then_configured() {
    let world = World::new("apply").await;
    let both = config_map("a", "x: '1'") + &config_map("b", "x: '1'");
    let applied = world.apply(&both).await;
    assert_eq!(
        world.log(&applied),
        ["ConfigMap/$NS/a created", "ConfigMap/$NS/b created"]
    );
    let before = world.config_map("a").await;
    assert_eq!(
        before["metadata"]["managedFields"][0]["manager"],
        "kustomize-controller"
    );

    let applied = world.apply(&both).await;
    assert_eq!(
        world.log(&applied),
        ["ConfigMap/$NS/a unchanged", "ConfigMap/$NS/b unchanged"]
    );
    assert_eq!(applied.change_log(), "");
    assert_eq!(
        world.config_map("a").await["metadata"]["resourceVersion"],
        before["metadata"]["resourceVersion"]
    );

    let applied = world
        .apply(&(config_map("a", "x: '2'") + &config_map("b", "x: '1'")))
        .await;
    assert_eq!(
        world.log(&applied),
        ["ConfigMap/$NS/a configured", "ConfigMap/$NS/b unchanged"]
    );
    let field = &applied.changes[0].fields[0];
    assert_eq!(
        (field.path.as_str(), field.wanted.as_deref()),
        (".data.x", Some("\"2\""))
    );
    assert_eq!(applied.changes[0].origin.as_deref(), Some("apps.yaml:1"));
}

#[tokio::test]
async fn fields_that_a_built_in_kind_does_not_have_are_left_out_and_told() {
    let world = World::new("unknown").await;
    let name = world.namespace.name();
    let service = format!(
        "---\napiVersion: v1\nkind: Service\nmetadata: {{name: web, namespace: {name}, labls: {{a: b}}}}\nspec:\n  \
         selectr: {{app: web}}\n  selector: {{app: web}}\n  ports: [{{port: 80, targetPrt: 8080}}]\n"
    );
    let applied = world.apply(&service).await;
    assert_eq!(world.log(&applied), ["Service/$NS/web created"]);
    insta::assert_snapshot!(
        applied.dropped().replace(world.namespace.name(), "$NS"),
        @r#"Service/$NS/web: unknown fields were left out: .metadata.labls, .spec.ports[port=80,protocol="TCP"].targetPrt, .spec.selectr (apps.yaml:1)"#
    );
    let live = world.find("services/web").await.unwrap();
    assert_eq!(live["spec"]["selector"], json!({ "app": "web" }));

    let again = world.apply(&service).await;
    assert_eq!(world.log(&again), ["Service/$NS/web unchanged"]);
    assert_eq!(again.dropped(), "", "what is known to be equal is not looked at");
    world.applier.forget_known();
    let again = world.apply(&service).await;
    assert_eq!(again.dropped(), applied.dropped());

    // A field of the wrong type is no such field.
    let wrong = service.replace("[{port: 80, targetPrt: 8080}]", "none");
    let options = ApplyOptions::default();
    let error = world.try_apply(&wrong, &options).await.unwrap_err();
    assert!(error.to_string().contains("dry-run failed"), "{error}");
}

#[tokio::test]
async fn an_object_that_is_known_to_be_equal_costs_one_read_of_its_metadata() {
    let world = World::new("known").await;
    let manifest = config_map("a", "x: '1'");
    world.apply(&manifest).await;
    world.requests();
    world.apply(&manifest).await;
    let path = format!("GET /api/v1/namespaces/{}/configmaps/a", world.namespace.name());
    assert_eq!(world.requests(), [path]);

    world.applier.forget_known();
    world.apply(&manifest).await;
    let requests = world.requests();
    assert_eq!(requests.len(), 2, "{requests:?}");
    assert!(
        requests[1].starts_with("PATCH") && requests[1].ends_with("&dryRun=All"),
        "{requests:?}"
    );
}

#[tokio::test]
async fn drift_in_our_fields_is_corrected_and_the_fields_of_others_stay() {
    let world = World::new("drift").await;
    let manifest = config_map("a", "x: '1', y: '1'");
    world.apply(&manifest).await;
    world
        .patch(
            "configmaps/a",
            &json!({"data": {"x": "9", "y": null, "theirs": "z"}}),
        )
        .await;
    let applied = world.apply(&manifest).await;
    assert_eq!(world.log(&applied), ["ConfigMap/$NS/a configured"]);
    assert_eq!(
        world.config_map("a").await["data"],
        json!({"x": "1", "y": "1", "theirs": "z"})
    );
    let applied = world.apply(&manifest).await;
    assert_eq!(world.log(&applied), ["ConfigMap/$NS/a unchanged"]);
}

#[tokio::test]
async fn an_object_of_kubectl_is_taken_over_with_all_its_fields() {
    let world = World::new("takeover").await;
    let manifest = config_map("a", "x: '1', y: '1'").replace("$NS", world.namespace.name());
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), manifest).unwrap();
    world
        .cluster
        .kubectl(["apply", "--filename", file.path().to_str().unwrap()]);

    let applied = world.apply(&config_map("a", "x: '1'")).await;
    assert_eq!(world.log(&applied), ["ConfigMap/$NS/a configured"]);
    let live = world.config_map("a").await;
    assert_eq!(live["data"], json!({"x": "1"}));
    let managers = live["metadata"]["managedFields"].as_array().unwrap();
    assert_eq!(managers.len(), 1, "{managers:?}");
    assert_eq!(
        (&managers[0]["manager"], &managers[0]["operation"]),
        (&json!("kustomize-controller"), &json!("Apply"))
    );
    assert_eq!(live["metadata"].get("annotations"), None);
}

#[tokio::test]
async fn a_stage_with_failing_objects_writes_nothing_and_names_them_all() {
    let world = World::new("nothing").await;
    let bad = |name: &str| config_map(name, "'no/key': x");
    let manifests = config_map("good", "x: '1'") + &bad("bad-one") + &bad("bad-two");
    let text = world.refusal(&manifests).await;
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 2, "{text}");
    assert!(
        lines[0]
            .starts_with("ConfigMap/$NS/bad-one dry-run failed (Invalid): ConfigMap \"bad-one\" is invalid"),
        "{text}"
    );
    assert!(
        lines[0].ends_with("(apps.yaml:2)") && lines[1].ends_with("(apps.yaml:3)"),
        "{text}"
    );
    assert!(world.find("configmaps/good").await.is_none());
}

fn definition(group: &str) -> String {
    format!(
        "apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {{name: widgets.{group}}}
spec:
  group: {group}
  scope: Namespaced
  names: {{kind: Widget, plural: widgets, singular: widget, listKind: WidgetList}}
  versions:
  - name: v1
    served: true
    storage: true
    schema: {{openAPIV3Schema: {{type: object, x-kubernetes-preserve-unknown-fields: true}}}}
---
"
    )
}

#[tokio::test]
async fn a_definition_and_an_object_of_it_are_applied_at_once() {
    let world = World::new("crd").await;
    let group = format!("{}.example.com", world.namespace.name());
    let widget = format!(
        "apiVersion: {group}/v1\nkind: Widget\nmetadata: {{name: w, namespace: $NS}}\nspec: {{a: 1}}\n---\n"
    );
    let manifests = widget.clone() + &definition(&group);
    let inventory = world
        .applier
        .inventory(&world.prepared(&manifests))
        .await
        .unwrap();
    let applied = world.apply(&manifests).await;
    assert_eq!(
        world.log(&applied),
        [
            "CustomResourceDefinition/widgets.$NS.example.com created".to_string(),
            "Widget/$NS/w created".to_owned()
        ]
    );
    assert_eq!(inventory, applied.inventory());
    let applied = world.apply(&manifests).await;
    assert_eq!(applied.change_log(), "");
    world
        .cluster
        .kubectl(["delete", "crd", &format!("widgets.{group}"), "--wait=false"]);
}

#[tokio::test]
async fn a_namespace_and_an_object_in_it_are_applied_at_once() {
    let world = World::new("space").await;
    let manifests = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: $NS-inner}\n---\n\
                     apiVersion: v1\nkind: Namespace\nmetadata: {name: $NS-inner, namespace: ignored}\n";
    let applied = world.apply(manifests).await;
    assert_eq!(
        world.log(&applied),
        ["Namespace/$NS-inner created", "ConfigMap/$NS-inner/a created"]
    );
    let pruned = world.prune(applied.inventory().entries()).await;
    assert_eq!(pruned.survivors, []);
}

#[tokio::test]
async fn what_cannot_be_placed_is_told_in_the_words_of_flux() {
    let world = World::new("place").await;
    insta::assert_snapshot!(
        world.refusal("{apiVersion: nowhere.example.com/v1, kind: Gadget, metadata: {name: g, namespace: $NS}}").await,
        @r#"Gadget/$NS/g dry-run failed: no matches for kind "Gadget" in version "nowhere.example.com/v1" (apps.yaml:1)"#
    );
    insta::assert_snapshot!(
        world.refusal("{apiVersion: v1, kind: ConfigMap, metadata: {name: a}}").await,
        @"ConfigMap/a namespace not specified: the server could not find the requested resource (apps.yaml:1)"
    );
    insta::assert_snapshot!(
        world.refusal("{apiVersion: v1, kind: ConfigMap, metadata: {name: a, namespace: not-there}}").await,
        @r#"ConfigMap/not-there/a not found: namespaces "not-there" not found (apps.yaml:1)"#
    );
    insta::assert_snapshot!(
        world.refusal("{apiVersion: v1, kind: ConfigMap, metadata: {name: ../secrets/x, namespace: $NS}}").await,
        @"ConfigMap/$NS/../secrets/x dry-run failed: '../secrets/x' cannot be the name of an object (apps.yaml:1)"
    );
}

#[tokio::test]
async fn an_error_says_nothing_of_what_is_in_a_secret() {
    let world = World::new("secret").await;
    for data in [
        "data: {key: 'hunter22 is no base64'}",
        "data: {key: 77665544}",
        "stringData: {key: 77665544}",
        "type: {a: hunter22}\ndata: {key: aHVudGVyMjI=}",
    ] {
        let text = world
            .refusal(&format!(
                "apiVersion: v1\nkind: Secret\nmetadata: {{name: s, namespace: $NS}}\n{data}\n"
            ))
            .await;
        assert!(text.starts_with("Secret/$NS/s dry-run failed"), "{text}");
        for value in ["hunter22 is", "77665544", "aHVudGVyMjI"] {
            assert!(!text.contains(value), "{text}");
        }
    }
}

#[tokio::test]
async fn an_object_that_cannot_be_changed_is_replaced_only_with_force() {
    let world = World::new("force").await;
    let manifest = |value: &str| {
        format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: a, namespace: $NS}}\nimmutable: true\ndata: {{x: '{value}'}}\n"
        )
    };
    world.apply(&manifest("1")).await;
    let before = world.config_map("a").await;
    let text = world.refusal(&manifest("2")).await;
    assert!(text.contains("field is immutable"), "{text}");

    let force = ApplyOptions {
        force: true,
        ..ApplyOptions::default()
    };
    let applied = world.try_apply(&manifest("2"), &force).await.unwrap();
    assert_eq!(world.log(&applied), ["ConfigMap/$NS/a created"]);
    let after = world.config_map("a").await;
    assert_ne!(after["metadata"]["uid"], before["metadata"]["uid"]);
    assert_eq!(after["data"], json!({"x": "2"}));

    // What could not be created either is not deleted.
    let broken = manifest("3").replace("x:", "'no/key':");
    let error = world.try_apply(&broken, &force).await.unwrap_err();
    assert!(matches!(error.cause, ApplyCause::Objects(_)), "{error}");
    assert_eq!(
        world.config_map("a").await["metadata"]["uid"],
        after["metadata"]["uid"]
    );
}

#[tokio::test]
async fn nothing_is_written_after_cancellation() {
    let world = World::new("cancel").await;
    let cancel = CancellationToken::new();
    cancel.cancel();
    let prepared = world.prepared(&config_map("a", "x: '1'"));
    let result = world
        .applier
        .apply(&prepared, &ApplyOptions::default(), &cancel, &|_| ())
        .await;
    assert!(matches!(result.unwrap_err().cause, ApplyCause::Cancelled));
    assert!(world.find("configmaps/a").await.is_none());
}

#[tokio::test]
async fn a_service_account_may_do_what_its_roles_allow() {
    let world = World::new("identity").await;
    let name = world.namespace.name();
    world
        .cluster
        .kubectl(["create", "serviceaccount", "team", "--namespace", name]);
    let applier = identities(&world).for_identity(Some("team"), name);
    let prepared = world.prepared(&config_map("a", "x: '1'"));
    let apply = async || {
        let cancel = CancellationToken::new();
        applier
            .apply(&prepared, &ApplyOptions::default(), &cancel, &|_| ())
            .await
    };
    let text = apply().await.unwrap_err().to_string();
    let user = format!("User \"system:serviceaccount:{name}:team\" cannot");
    assert!(
        text.contains("dry-run failed (Forbidden)") && text.contains(&user),
        "{text}"
    );

    let account = format!("{name}:team");
    world.cluster.kubectl([
        "create",
        "rolebinding",
        "team",
        "--clusterrole=edit",
        "--serviceaccount",
        &account,
        "--namespace",
        name,
    ]);
    let applied =
        crate::support::eventually::eventually("the role is effective", async || apply().await).await;
    assert_eq!(applied.changes[0].action, Action::Created);
}
