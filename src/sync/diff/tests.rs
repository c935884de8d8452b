use rstest::rstest;
use serde_json::json;

use super::*;

#[rstest]
#[case::same(json!({"spec": {"a": 1}}), json!({"spec": {"a": 1}}), false)]
#[case::status_does_not_count(json!({"status": {"a": 1}}), json!({"status": {"a": 2}}), false)]
#[case::other_metadata_does_not_count(json!({"metadata": {"resourceVersion": "1"}}), json!({"metadata": {"resourceVersion": "2"}}), false)]
#[case::no_labels_are_empty_labels(json!({"metadata": {"labels": {}}}), json!({"metadata": {}}), false)]
#[case::label(json!({"metadata": {"labels": {"a": "1"}}}), json!({"metadata": {"labels": {"a": "2"}}}), true)]
#[case::annotation(json!({"metadata": {"annotations": {"a": "1"}}}), json!({"metadata": {}}), true)]
#[case::field(json!({"spec": {"a": 1}}), json!({"spec": {"a": 2}}), true)]
#[case::field_of_another_name(json!({"data": {"a": "1"}}), json!({}), true)]
fn drift_is_what_flux_calls_drift(#[case] live: Value, #[case] dry_run: Value, #[case] expected: bool) {
    assert_eq!(differs(&live, &dry_run), expected);
    assert_eq!(!changes(&live, &dry_run).is_empty(), expected);
}

fn texts(live: &Value, dry_run: &Value) -> Vec<String> {
    changes(live, dry_run)
        .into_iter()
        .map(|change| format!("{} {:?} {:?}", change.path, change.live, change.wanted))
        .collect()
}

#[test]
fn the_differing_fields_are_named() {
    let live = json!({"metadata": {"labels": {"app.kubernetes.io/name": "x"}},
        "spec": {"replicas": 3, "containers": [{"image": "a:1"}], "args": ["x"]}});
    let wanted = json!({"metadata": {"labels": {"app.kubernetes.io/name": "y"}},
        "spec": {"replicas": 2, "containers": [{"image": "a:2"}], "args": ["x", "y"]}});
    insta::assert_snapshot!(texts(&live, &wanted).join("\n"), @r#"
    .metadata.labels[app.kubernetes.io/name] Some("\"x\"") Some("\"y\"")
    .spec.args Some("[\"x\"]") Some("[\"x\",\"y\"]")
    .spec.containers[0].image Some("\"a:1\"") Some("\"a:2\"")
    .spec.replicas Some("3") Some("2")
    "#);
}

#[test]
fn the_values_of_a_secret_are_masked() {
    let secret = |value: &str| json!({"apiVersion": "v1", "kind": "Secret", "data": {"a": value}});
    assert_eq!(
        texts(&secret("eA=="), &secret("eQ==")),
        [r#".data.a Some("***") Some("***")"#]
    );
}

#[test]
fn no_more_than_twenty_fields_are_named() {
    let many =
        |value: i64| json!({"spec": (0..50).map(|n| (format!("f{n}"), value.into())).collect::<Map<_, _>>()});
    assert_eq!(changes(&many(1), &many(2)).len(), 20);
}
