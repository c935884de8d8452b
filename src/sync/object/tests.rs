use proptest::prelude::*;
use rstest::rstest;
use serde_json::json;

use super::*;

fn id(namespace: &str, name: &str, group: &str, kind: &str) -> ObjectId {
    ObjectId {
        namespace: Some(namespace.to_owned()).filter(|namespace| !namespace.is_empty()),
        name: name.to_owned(),
        group: group.to_owned(),
        kind: kind.to_owned(),
    }
}

#[rstest]
#[case(id("web", "front", "apps", "Deployment"), "web_front_apps_Deployment")]
#[case(id("web", "settings", "", "ConfigMap"), "web_settings__ConfigMap")]
#[case(id("", "web", "", "Namespace"), "_web__Namespace")]
#[case(
    id("", "system:node", "rbac.authorization.k8s.io", "ClusterRole"),
    "_system__node_rbac.authorization.k8s.io_ClusterRole"
)]
#[case(
    id("", "widgets.example.com", "apiextensions.k8s.io", "CustomResourceDefinition"),
    "_widgets.example.com_apiextensions.k8s.io_CustomResourceDefinition"
)]
fn an_id_is_written_and_read_as_an_entry_of_flux_inventories(#[case] id: ObjectId, #[case] text: &str) {
    assert_eq!(id.to_string(), text);
    assert_eq!(text.parse::<ObjectId>().unwrap(), id);
}

#[rstest]
#[case("")]
#[case("a_b")]
#[case("a_b_c")]
fn a_text_without_four_parts_is_no_id(#[case] text: &str) {
    assert_eq!(text.parse::<ObjectId>(), Err(InvalidObjectId(text.to_owned())));
}

#[test]
fn the_parts_of_an_object_are_read_from_it() {
    let object = Object::new(json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "front", "namespace": "web", "labels": {"a": "1"}, "annotations": {"b": "2"}},
    }));
    assert_eq!(
        (object.group(), object.version(), object.kind()),
        ("apps", "v1", "Deployment")
    );
    assert_eq!(
        (object.label("a"), object.annotation("b"), object.label("b")),
        (Some("1"), Some("2"), None)
    );
    assert_eq!(object.to_string(), "Deployment/web/front");
    let core = Object::new(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "web"}}));
    assert_eq!(
        (core.group(), core.version(), core.to_string().as_str()),
        ("", "v1", "Namespace/web")
    );
}

#[test]
fn what_is_no_object_has_empty_parts() {
    let object = Object::new(json!([1]));
    assert_eq!(
        (
            object.api_version(),
            object.kind(),
            object.name(),
            object.namespace()
        ),
        ("", "", "", None)
    );
}

fn secret() -> Value {
    json!({
        "apiVersion": "v1", "kind": "Secret",
        "metadata": {"name": "s", "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "hunter22"}},
        "data": {"password": "aHVudGVyMjI="}, "stringData": {"token": "correct horse"},
    })
}

#[test]
fn a_secret_is_printed_without_its_values() {
    let printed = format!("{:?}", Object::new(secret()));
    for value in ["aHVudGVyMjI=", "hunter22", "correct horse"] {
        assert!(!printed.contains(value), "{printed}");
    }
    assert!(printed.contains("password") && printed.contains(MASK));
}

#[rstest]
#[case(
    "data.password: expected string, got &value.valueUnstructured{Value:12}",
    "data.password: expected string, got &value.valueUnstructured{Value:***}"
)]
#[case(
    "Invalid value: \"x\": must be base64",
    "Invalid value: \"***\": must be base64"
)]
#[case("cannot read aHVudGVyMjI= or hunter22", "cannot read *** or ***")]
#[case("secrets \"s\" is forbidden", "secrets \"s\" is forbidden")]
fn an_error_text_says_nothing_of_the_values_of_a_secret(#[case] text: &str, #[case] expected: &str) {
    assert_eq!(mask_text(&secret(), text), expected);
}

#[test]
fn an_error_text_of_another_kind_is_left_as_it_is() {
    let text = "spec.replicas: Invalid value: \"x\"";
    assert_eq!(
        mask_text(&json!({"apiVersion": "v1", "kind": "ConfigMap"}), text),
        text
    );
}

proptest! {
    #[test]
    fn every_id_of_valid_names_is_read_back_as_it_was(
        namespace in "([a-z0-9]([a-z0-9-]{0,8}[a-z0-9])?)?",
        name in "[a-z0-9]([a-z0-9.:-]{0,12}[a-z0-9])?",
        group in "([a-z]{1,5}(\\.[a-z]{1,5}){0,2})?",
        kind in "[A-Z][A-Za-z]{0,8}",
    ) {
        let is_rbac = group == "rbac.authorization.k8s.io";
        let name = if is_rbac { name } else { name.replace(':', "-") };
        let id = id(&namespace, &name, &group, &kind);
        prop_assert_eq!(id.to_string().parse::<ObjectId>().unwrap(), id);
    }

    #[test]
    fn the_values_of_a_secret_never_show_in_a_masked_text(value in "[a-zA-Z0-9]{4,20}", before in "[a-z ]{0,10}") {
        let secret = json!({"apiVersion": "v1", "kind": "Secret", "stringData": {"key": value}});
        let masked = mask_text(&secret, &format!("{before}|{value}|"));
        let end = format!("|{MASK}|");
        prop_assert!(masked.ends_with(&end), "{}", masked);
    }
}
