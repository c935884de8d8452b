use proptest::prelude::*;
use rstest::rstest;
use serde_json::json;

use super::*;

fn normalized(mut value: Value) -> Value {
    normalize(&mut value);
    value
}

#[test]
fn status_and_creation_time_are_dropped() {
    let value = json!({"apiVersion": "example.com/v1", "kind": "Widget",
        "metadata": {"name": "w", "creationTimestamp": null}, "spec": {"a": null}, "status": {"x": 1}});
    assert_eq!(
        normalized(value),
        json!({"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "w"}, "spec": {"a": null}})
    );
}

#[test]
fn the_status_of_a_definition_stays() {
    let value = json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "w"}, "status": {"x": 1}});
    assert_eq!(normalized(value.clone()), value);
}

#[rstest]
#[case("v1", "Pod", "/spec")]
#[case("apps/v1", "Deployment", "/spec/template/spec")]
#[case("apps/v1", "DaemonSet", "/spec/template/spec")]
#[case("batch/v1", "Job", "/spec/template/spec")]
#[case("batch/v1", "CronJob", "/spec/jobTemplate/spec/template/spec")]
fn ports_of_containers_get_their_protocol(
    #[case] api_version: &str,
    #[case] kind: &str,
    #[case] place: &str,
) {
    let pod = json!({
        "containers": [{"ports": [{"containerPort": 1}, {"containerPort": 2, "protocol": "UDP"}]}],
        "initContainers": [{"ports": [{"containerPort": 3}]}],
    });
    let mut spec = pod;
    for name in place.rsplit('/').filter(|name| !name.is_empty()) {
        spec = json!({name: spec});
    }
    spec["apiVersion"] = json!(api_version);
    spec["kind"] = json!(kind);
    let value = normalized(spec);
    let pod = value.pointer(place).unwrap();
    assert_eq!(pod["containers"][0]["ports"][0]["protocol"], "TCP");
    assert_eq!(pod["containers"][0]["ports"][1]["protocol"], "UDP");
    assert_eq!(pod["initContainers"][0]["ports"][0], json!({"containerPort": 3}));
}

#[test]
fn ports_of_a_service_get_their_protocol() {
    let value = json!({"apiVersion": "v1", "kind": "Service", "spec": {"ports": [{"port": 1}, {"port": 2, "protocol": ""}]}});
    assert_eq!(
        normalized(value)["spec"]["ports"],
        json!([{"port": 1, "protocol": "TCP"}, {"port": 2, "protocol": "TCP"}])
    );
}

#[test]
fn the_texts_of_a_secret_become_its_data_and_win() {
    let value = json!({"apiVersion": "v1", "kind": "Secret", "data": {"a": "eA==", "b": "eQ=="}, "stringData": {"a": "z"}});
    assert_eq!(
        normalized(value),
        json!({"apiVersion": "v1", "kind": "Secret", "data": {"a": "eg==", "b": "eQ=="}})
    );
    let broken = json!({"apiVersion": "v1", "kind": "Secret", "stringData": {"a": 1}});
    assert_eq!(normalized(broken.clone()), broken);
}

#[test]
fn nulls_vanish_from_built_in_kinds_and_are_empty_texts_in_maps_of_texts() {
    let value = json!({"apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "a", "labels": {"x": null}, "annotations": null}, "data": {"a": null}, "immutable": null});
    assert_eq!(
        normalized(value),
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "labels": {"x": ""}}, "data": {"a": ""}})
    );
    let role = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "rules": null});
    assert_eq!(normalized(role.clone()), role);
}

fn definition(bundle: &str) -> Value {
    json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "spec": {"conversion": {"webhook": {"clientConfig": {"caBundle": bundle}}}}})
}

#[test]
fn only_a_bundle_that_holds_no_certificate_is_dropped() {
    let bundle = |value: &Value| {
        value
            .pointer("/spec/conversion/webhook/clientConfig/caBundle")
            .cloned()
    };
    let certificate = rcgen::generate_simple_self_signed(vec!["a".to_owned()])
        .unwrap()
        .cert
        .pem();
    let encoded = base64::engine::general_purpose::STANDARD.encode(certificate);
    assert_eq!(bundle(&normalized(definition(&encoded))), Some(json!(encoded)));
    assert_eq!(bundle(&normalized(definition(""))), Some(json!("")));
    for broken in ["Cg==", "no base64", "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0t"] {
        assert_eq!(bundle(&normalized(definition(broken))), None, "{broken}");
    }
}

/// Any JSON, of the size of a small manifest.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "[a-z]{0,4}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        let key = prop_oneof![
            "[a-c]",
            Just("ports".to_owned()),
            Just("spec".to_owned()),
            Just("data".to_owned()),
            Just("template".to_owned()),
            Just("containers".to_owned()),
            Just("stringData".to_owned()),
            Just("metadata".to_owned())
        ];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(key, inner, 0..4)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn a_second_time_changes_nothing(mut value in any_json(), kind in 0..5usize) {
        let kinds = [("v1", "Secret"), ("v1", "Service"), ("apps/v1", "Deployment"), ("v1", "Pod"), ("example.com/v1", "Widget")];
        if let Value::Object(fields) = &mut value {
            fields.insert("apiVersion".to_owned(), kinds[kind].0.into());
            fields.insert("kind".to_owned(), kinds[kind].1.into());
        }
        let once = normalized(value);
        prop_assert_eq!(normalized(once.clone()), once);
    }
}
