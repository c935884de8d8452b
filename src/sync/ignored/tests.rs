use serde_json::json;

use super::*;

fn deployment(replicas: i64, image: &str) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": {"replicas": replicas,
        "template": {"spec": {"containers": [{"name": "web", "image": image}]}}}})
}

fn applied_by(mut object: Value, manager: &str, fields: &Value) -> Value {
    object["metadata"]["managedFields"] = json!([
        {"manager": "kustomize-controller", "operation": "Apply", "fieldsV1": {"f:spec": {"f:replicas": {}}}},
        {"manager": manager, "operation": "Apply", "fieldsV1": fields},
    ]);
    object
}

#[test]
fn ignored_fields_do_not_count() {
    let paths = ["/spec/replicas".to_owned(), "/spec/missing/deep".to_owned()];
    assert_eq!(
        without(&deployment(1, "a"), &paths),
        without(&deployment(5, "a"), &paths)
    );
    assert_ne!(
        without(&deployment(1, "a"), &paths),
        without(&deployment(1, "b"), &paths)
    );
}

#[test]
fn a_field_keeps_the_value_of_the_cluster_unless_another_manager_has_applied_it() {
    let (wish, live) = (deployment(1, "a"), deployment(5, "b"));
    let paths = ["/spec/replicas".to_owned()];
    let yielded = |live: &Value| yielded(&wish, live, &wish, &paths, "kustomize-controller").unwrap();
    assert_eq!(yielded(&live), deployment(5, "a"), "adopted");
    let scaled = applied_by(live.clone(), "scaler", &json!({"f:spec": {"f:replicas": {}}}));
    assert_eq!(yielded(&scaled)["spec"].get("replicas"), None, "left out");
    let other = applied_by(live, "scaler", &json!({"f:spec": {"f:paused": {}}}));
    assert_eq!(
        yielded(&other),
        deployment(5, "a"),
        "another field of that manager"
    );
    assert_eq!(
        super::yielded(&wish, &deployment(1, "b"), &wish, &paths, "kustomize-controller"),
        None
    );
}

#[test]
fn items_of_lists_are_found_by_their_keys() {
    let (wish, live) = (deployment(1, "a"), deployment(1, "b"));
    let paths = ["/spec/template/spec/containers/0/image".to_owned()];
    let fields = json!({"f:spec": {"f:template": {"f:spec": {"f:containers": {"k:{\"name\":\"web\"}": {"f:image": {}}}}}}});
    let live = applied_by(live, "updater", &fields);
    let sent = yielded(&wish, &live, &wish, &paths, "kustomize-controller").unwrap();
    assert_eq!(
        sent.pointer("/spec/template/spec/containers/0"),
        Some(&json!({"name": "web"}))
    );
}

#[test]
fn rules_are_for_the_objects_of_their_target() {
    let rule = |kind: &str, path: &str| IgnoreRule {
        paths: vec![path.to_owned()],
        target: Some(fluxbot_api::kustomize::Selector {
            kind: Some(kind.to_owned()),
            ..fluxbot_api::kustomize::Selector::default()
        }),
    };
    let rules = IgnoreRules::new(&[
        rule("Deployment", "/spec/replicas"),
        rule("Service", "/spec/clusterIP"),
    ])
    .unwrap();
    assert_eq!(rules.paths(&Object::new(deployment(1, "a"))), ["/spec/replicas"]);
    let error = IgnoreRules::new(&[rule("Service", "spec.clusterIP")]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "spec.ignore[0]: 'spec.clusterIP' is no JSON pointer, which begins with a slash"
    );
}
