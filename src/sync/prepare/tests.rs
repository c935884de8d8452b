use serde_json::json;

use super::super::object::text;
use super::*;

fn owner() -> Owner {
    Owner {
        name: "apps".to_owned(),
        namespace: "flux-system".to_owned(),
    }
}

fn prepared(value: Value) -> Result<Vec<Value>, String> {
    let objects = vec![Object::new(value).with_origin("apps/web.yaml:3")];
    prepare(objects, &owner(), &CommonMetadata::default())
        .map(|prepared| {
            let values = prepared.objects().iter().map(|one| one.object().value.clone());
            values.collect()
        })
        .map_err(|error| error.to_string())
}

fn config_map(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}})
}

#[test]
fn an_object_gets_the_labels_of_its_owner_and_is_then_his() {
    let values = prepared(config_map("a")).unwrap();
    assert_eq!(
        values[0]["metadata"]["labels"],
        json!({
            "kustomize.toolkit.fluxcd.io/name": "apps",
            "kustomize.toolkit.fluxcd.io/namespace": "flux-system",
        })
    );
    assert!(owner().owns(&values[0]));
    assert!(!owner().owns(&config_map("a")));
}

#[test]
fn a_list_is_taken_apart_and_kustomize_configuration_is_left_out() {
    let values = prepared(json!({"apiVersion": "v1", "kind": "List", "items": [
        config_map("a"),
        {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization", "metadata": {"name": "x"}},
        config_map("b"),
    ]}))
    .unwrap();
    let names: Vec<&str> = values.iter().map(|value| text(value, "/metadata/name")).collect();
    assert_eq!(names, ["a", "b"]);
}

#[test]
fn common_metadata_wins_over_what_an_object_carries() {
    let mut value = config_map("a");
    value["metadata"]["annotations"] = json!({"team": "x", "other": "y"});
    let common = CommonMetadata {
        labels: [("l".to_owned(), "1".to_owned())].into(),
        annotations: [("team".to_owned(), "z".to_owned())].into(),
    };
    let prepared = prepare(vec![Object::new(value)], &owner(), &common).unwrap();
    let object = prepared.objects()[0].object();
    assert_eq!(object.annotation("team"), Some("z"));
    assert_eq!(object.annotation("other"), Some("y"));
    assert_eq!(object.label("l"), Some("1"));
}

#[test]
fn what_cannot_be_applied_is_named_with_its_place() {
    assert_eq!(
        prepared(json!({"apiVersion": "v1", "kind": "ConfigMap"})).unwrap_err(),
        "apps/web.yaml:3: object has no metadata.name"
    );
    let mut value = config_map("a");
    value["metadata"]["labels"] = json!([1]);
    assert_eq!(
        prepared(value).unwrap_err(),
        "ConfigMap/a (apps/web.yaml:3): metadata.labels is not a map of strings"
    );
}

#[test]
fn an_encrypted_secret_is_refused_unless_its_decryption_is_switched_off() {
    let mut value =
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "sops": {"mac": "x"}});
    assert_eq!(
        prepared(value.clone()).unwrap_err(),
        "Secret/s is SOPS encrypted, configuring decryption is required for this secret to be reconciled (apps/web.yaml:3)"
    );
    value["metadata"]["annotations"] = json!({"kustomize.toolkit.fluxcd.io/decrypt": "Disabled"});
    assert!(prepared(value).is_ok());
}

#[test]
fn the_digest_tells_two_wishes_apart_and_knows_the_same_one_again() {
    let digest = |name: &str| {
        let objects = vec![Object::new(config_map(name))];
        *prepare(objects, &owner(), &CommonMetadata::default())
            .unwrap()
            .objects()[0]
            .digest()
    };
    assert_eq!(digest("a"), digest("a"));
    assert_ne!(digest("a"), digest("b"));
}

#[test]
fn jobs_that_are_removed_when_they_are_done_are_known() {
    let job = |name: &str, spec: Value| {
        Object::new(
            json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name}, "spec": spec}),
        )
    };
    let objects = vec![
        job("a", json!({"ttlSecondsAfterFinished": 0})),
        job("b", json!({})),
    ];
    let jobs = prepare(objects, &owner(), &CommonMetadata::default())
        .unwrap()
        .jobs_with_ttl();
    let names: Vec<&str> = jobs.iter().map(|id| id.name.as_str()).collect();
    assert_eq!(names, ["a"]);
}
