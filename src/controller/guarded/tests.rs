use fluxbot_api::image::ImagePolicy;
use kube::Resource as _;
use serde_json::json;

use super::*;

#[test]
fn managed_fields_are_passed_over_and_all_else_is_read() {
    let object = json!({
        "apiVersion": "image.toolkit.fluxcd.io/v1",
        "kind": "ImagePolicy",
        "metadata": {
            "name": "app", "labels": { "managedFields": "a label of this name" },
            "managedFields": [{ "manager": "kubectl", "operation": "Update" }],
        },
        "spec": { "imageRepositoryRef": { "name": "app" }, "policy": { "semver": { "range": "1.x" } } },
    });
    let Guarded::<ImagePolicy>(read) = serde_json::from_str(&object.to_string()).unwrap();
    let read = read.unwrap();
    assert_eq!(read.metadata.managed_fields, None);
    assert_eq!(
        read.metadata.labels.unwrap()["managedFields"],
        "a label of this name"
    );
    assert_eq!(read.spec.image_repository_ref.name, "app");
}

#[test]
fn an_object_that_is_not_of_its_kind_has_a_name_and_stops_no_other() {
    let text = r#"[
        { "metadata": { "name": "bad", "resourceVersion": "7" }, "spec": { "policy": "semver" } },
        { "metadata": { "name": "good" }, "spec": { "imageRepositoryRef": { "name": "app" }, "policy": {} } },
        { "spec": 1 }
    ]"#;
    let all: Vec<Guarded<ImagePolicy>> = serde_json::from_str(text).unwrap();
    assert_eq!(all[0].meta().name.as_deref(), Some("bad"));
    assert_eq!(all[0].meta().resource_version.as_deref(), Some("7"));
    let error = all[0].0.as_ref().unwrap_err().to_string();
    insta::assert_snapshot!(error, @"invalid type: string \"semver\", expected struct ImagePolicyChoice");
    assert!(all[1].0.is_ok());
    assert_eq!(all[2].meta().name, None);
}
