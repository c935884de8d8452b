use kube::client::APIGroupDiscoveryList;
use rstest::rstest;
use serde_json::json;

use super::*;

fn kinds() -> Kinds {
    let list: APIGroupDiscoveryList = serde_json::from_value(json!({"items": [
        {"metadata": {"name": "apps"}, "versions": [
            {"version": "v1", "resources": [
                {"resource": "deployments", "responseKind": {"group": "apps", "version": "v1", "kind": "Deployment"},
                 "scope": "Namespaced", "verbs": ["get", "patch"]}]},
            {"version": "v1beta1", "resources": [
                {"resource": "deployments", "responseKind": {"group": "apps", "version": "v1beta1", "kind": "Deployment"},
                 "scope": "Namespaced", "verbs": ["get", "patch"]},
                {"resource": "reviews", "responseKind": {"group": "apps", "version": "v1beta1", "kind": "Review"},
                 "scope": "Cluster", "verbs": ["create"]}]}]},
        {"metadata": {"name": "metrics.k8s.io"}, "versions": [
            {"version": "v1beta1", "freshness": "Stale", "resources": []}]},
    ]}))
    .unwrap();
    let mut kinds = Kinds::default();
    kinds.add(list);
    kinds
}

#[test]
fn the_preferred_version_of_a_kind_comes_first() {
    let kinds = kinds();
    let versions: Vec<&str> = kinds
        .versions("apps", "Deployment")
        .iter()
        .map(|resource| resource.version.as_str())
        .collect();
    assert_eq!(versions, ["v1", "v1beta1"]);
}

#[test]
fn a_resource_that_cannot_be_read_is_no_kind_and_a_group_that_was_not_asked_is_stale() {
    let kinds = kinds();
    assert!(kinds.versions("apps", "Review").is_empty());
    assert!(kinds.stale_groups.contains("metrics.k8s.io"));
}

#[rstest]
#[case("apps", Some("web"), "front", "/apis/apps/v1/namespaces/web/things/front")]
#[case("", Some("web"), "front", "/api/v1/namespaces/web/things/front")]
#[case("", None, "system:node", "/api/v1/things/system:node")]
#[case("", None, "a?b#c d", "/api/v1/things/a%3Fb%23c%20d")]
fn the_path_of_an_object_holds_its_name_as_one_segment(
    #[case] group: &str,
    #[case] namespace: Option<&str>,
    #[case] name: &str,
    #[case] expected: &str,
) {
    assert_eq!(
        resource(group, namespace.is_some())
            .path(&id(namespace, name))
            .unwrap(),
        expected
    );
}

#[rstest]
#[case("../secrets/x")]
#[case("..")]
#[case("a%2fb")]
#[case("")]
fn a_name_that_would_lead_somewhere_else_is_refused(#[case] name: &str) {
    let error = resource("", true).path(&id(Some("web"), name)).unwrap_err();
    assert_eq!(error, CallError::InvalidName(name.to_owned()));
}

fn resource(group: &str, is_namespaced: bool) -> Resource {
    Resource {
        group: group.to_owned(),
        version: "v1".to_owned(),
        kind: "Thing".to_owned(),
        plural: "things".to_owned(),
        is_namespaced,
    }
}

fn id(namespace: Option<&str>, name: &str) -> ObjectId {
    ObjectId {
        namespace: namespace.map(str::to_owned),
        name: name.to_owned(),
        group: String::new(),
        kind: "Thing".to_owned(),
    }
}
