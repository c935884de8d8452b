use rstest::rstest;

use super::*;

fn id(text: &str) -> ObjectId {
    text.parse().unwrap()
}

#[rstest]
#[case(
    "_w.example.com_apiextensions.k8s.io_CustomResourceDefinition",
    Stage::Definitions
)]
#[case("_web__Namespace", Stage::Definitions)]
#[case("_admin_rbac.authorization.k8s.io_ClusterRole", Stage::Definitions)]
#[case("_admin_example.com_ClusterRole", Stage::Rest)]
#[case("_fast_storage.k8s.io_StorageClass", Stage::Classes)]
#[case("_public_networking.k8s.io_IngressClass", Stage::Classes)]
#[case("a_b_example.com_Widget", Stage::Custom)]
#[case("a_b_example.org_Widget", Stage::Rest)]
#[case("a_b_apps_Deployment", Stage::Rest)]
fn an_object_has_its_stage(#[case] object: &str, #[case] expected: Stage) {
    let custom = BTreeSet::from(["example.com/Widget".parse().unwrap()]);
    assert_eq!(Stage::of(&id(object), &custom), expected);
}

#[test]
fn objects_are_ordered_by_rank_then_by_group_kind_namespace_and_name() {
    let expected = [
        "_a_apiextensions.k8s.io_CustomResourceDefinition",
        "_a__Namespace",
        "a_a__ServiceAccount",
        "a_a__ConfigMap",
        "a_b__ConfigMap",
        "b_a__ConfigMap",
        "a_a__Secret",
        "a_a_apps_Deployment",
        "a_a_policy_PodDisruptionBudget",
        "a_a__Pod",
        "a_a_apps_DaemonSet",
        "_a_admissionregistration.k8s.io_MutatingWebhookConfiguration",
        "_a_admissionregistration.k8s.io_ValidatingWebhookConfiguration",
    ];
    let mut ids: Vec<ObjectId> = expected.iter().rev().map(|text| id(text)).collect();
    ids.sort_by(compare);
    let sorted: Vec<String> = ids.iter().map(ToString::to_string).collect();
    assert_eq!(sorted, expected);
}

#[test]
fn the_ranks_of_first_kinds_are_below_all_others_and_those_of_webhooks_above() {
    assert!(FIRST.iter().all(|kind| rank(kind) < 0));
    assert_eq!(rank("Anything"), 0);
    assert!(LAST.iter().all(|kind| rank(kind) > 0));
}
