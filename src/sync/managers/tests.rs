use proptest::prelude::*;
use rstest::rstest;
use serde_json::json;

use super::*;

const OWN: &str = "kustomize-controller";

fn entry(manager: &str, operation: &str, subresource: &str, fields: &Value) -> Value {
    let mut entry = json!({"manager": manager, "operation": operation, "apiVersion": "v1", "fieldsType": "FieldsV1", "fieldsV1": fields});
    if !subresource.is_empty() {
        entry["subresource"] = json!(subresource);
    }
    entry
}

fn live(entries: &[Value]) -> Value {
    json!({"metadata": {"resourceVersion": "7", "managedFields": entries}})
}

fn managed(entries: &[Value]) -> Option<Value> {
    let patch = take_over(&live(entries), OWN, &["helm".to_owned()])?;
    Some(patch[1]["value"].clone())
}

#[rstest]
#[case("kubectl-client-side-apply", "Update")]
#[case("kubectl", "Apply")]
#[case("kubectl-edit", "Update")]
#[case("before-first-apply", "Update")]
#[case(OWN, "Update")]
#[case("helm", "Update")]
#[case("helm", "Apply")]
fn the_first_manager_that_is_taken_over_becomes_our_entry(#[case] manager: &str, #[case] operation: &str) {
    let fields = json!({"f:data": {"f:a": {}}});
    let managed = managed(&[entry(manager, operation, "", &fields)]).unwrap();
    assert_eq!(managed, json!([entry(OWN, "Apply", "", &fields)]));
}

#[rstest]
#[case("kube-controller-manager", "Update", "")]
#[case("kubectl", "Update", "status")]
#[case("before-first-apply", "Apply", "")]
#[case(OWN, "Apply", "")]
fn other_managers_and_subresources_stay(
    #[case] manager: &str,
    #[case] operation: &str,
    #[case] subresource: &str,
) {
    assert_eq!(
        take_over(
            &live(&[entry(manager, operation, subresource, &json!({}))]),
            OWN,
            &[]
        ),
        None
    );
}

#[test]
fn fields_are_united_with_ours_and_other_entries_keep_their_place() {
    let managed = managed(&[
        entry(OWN, "Apply", "", &json!({"f:data": {"f:a": {}}})),
        entry("scaler", "Update", "", &json!({"f:spec": {}})),
        entry("kubectl-edit", "Update", "", &json!({"f:data": {"f:b": {}}})),
        entry("kubectl", "Update", "", &json!({"f:data": {".": {}}})),
    ])
    .unwrap();
    assert_eq!(
        managed,
        json!([
            entry("scaler", "Update", "", &json!({"f:spec": {}})),
            entry(
                OWN,
                "Apply",
                "",
                &json!({"f:data": {".": {}, "f:a": {}, "f:b": {}}})
            ),
        ])
    );
}

#[test]
fn a_path_that_is_a_member_and_has_members_below_is_both_after_a_union() {
    let united = unite_fields(Some(&json!({"f:a": {}})), Some(&json!({"f:a": {"f:b": {}}})));
    assert_eq!(united, json!({"f:a": {".": {}, "f:b": {}}}));
}

#[test]
fn what_old_tools_left_in_annotations_and_labels_is_removed() {
    let object = json!({"metadata": {
        "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{}", "kustomize.toolkit.fluxcd.io/checksum": "x", "mine": "y"},
        "labels": {"fluxcd.io/sync-gc-mark": "z"},
    }});
    assert_eq!(
        take_over(&object, OWN, &[]),
        Some(json!([
            {"op": "remove", "path": "/metadata/annotations/kubectl.kubernetes.io~1last-applied-configuration"},
            {"op": "remove", "path": "/metadata/annotations/kustomize.toolkit.fluxcd.io~1checksum"},
            {"op": "remove", "path": "/metadata/labels/fluxcd.io~1sync-gc-mark"},
        ]))
    );
}

#[test]
fn the_patch_fails_when_the_object_has_changed_in_between() {
    let patch = take_over(&live(&[entry("kubectl", "Apply", "", &json!({}))]), OWN, &[]).unwrap();
    assert_eq!(
        patch[0],
        json!({"op": "test", "path": "/metadata/resourceVersion", "value": "7"})
    );
}

#[test]
fn our_entry_is_the_one_of_an_apply_to_the_object_itself() {
    assert!(has_entry(&live(&[entry(OWN, "Apply", "", &json!({}))]), OWN));
    assert!(!has_entry(
        &live(&[
            entry(OWN, "Update", "", &json!({})),
            entry(OWN, "Apply", "status", &json!({}))
        ]),
        OWN
    ));
    assert!(!has_entry(&json!({}), OWN));
}

/// The paths of a field set: of each node that is a member.
fn paths(fields: &Map<String, Value>, prefix: &str, found: &mut std::collections::BTreeSet<String>) {
    for (key, children) in fields {
        let children = children.as_object().unwrap();
        let path = if key == "." {
            prefix.to_owned()
        } else {
            format!("{prefix}/{key}")
        };
        if children.is_empty() {
            found.insert(path);
        } else {
            paths(children, &path, found);
        }
    }
}

fn field_set() -> impl Strategy<Value = Map<String, Value>> {
    let leaf = Just(Map::new());
    leaf.prop_recursive(3, 16, 3, |inner| {
        (prop::collection::btree_map("f:[a-c]", inner, 1..4), any::<bool>()).prop_map(
            |(children, is_member)| {
                let mut fields: Map<String, Value> = children
                    .into_iter()
                    .map(|(key, fields)| (key, Value::Object(fields)))
                    .collect();
                if is_member {
                    fields.insert(".".to_owned(), json!({}));
                }
                fields
            },
        )
    })
}

proptest! {
    #[test]
    fn a_union_has_the_members_of_both(one in field_set(), two in field_set()) {
        // The root is no member.
        let root = |mut fields: Map<String, Value>| { fields.remove("."); fields };
        let (one, two) = (root(one), root(two));
        let mut expected = std::collections::BTreeSet::new();
        paths(&one, "", &mut expected);
        paths(&two, "", &mut expected);
        let mut found = std::collections::BTreeSet::new();
        paths(&unite_children(&one, &two), "", &mut found);
        prop_assert_eq!(found, expected);
    }
}
