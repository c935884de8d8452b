use rstest::rstest;
use serde_json::json;

use super::*;

fn object(field: &str, key: &str, value: &str) -> Value {
    json!({"metadata": {field: {format!("{GROUP}/{key}"): value}}})
}

#[rstest]
#[case("annotations", "reconcile", "disabled", true)]
#[case("labels", "reconcile", "Disabled", true)]
#[case("annotations", "ssa", "ignore", true)]
#[case("annotations", "ssa", "Merge", false)]
#[case("annotations", "prune", "disabled", false)]
fn an_object_can_be_excluded(
    #[case] field: &str,
    #[case] key: &str,
    #[case] value: &str,
    #[case] expected: bool,
) {
    assert_eq!(is_excluded(&object(field, key, value)), expected);
}

#[rstest]
#[case("prune", "disabled", true)]
#[case("reconcile", "DISABLED", true)]
#[case("ssa", "Ignore", true)]
#[case("ssa", "IfNotPresent", false)]
fn an_object_can_be_kept(#[case] key: &str, #[case] value: &str, #[case] expected: bool) {
    assert_eq!(is_kept(&object("annotations", key, value)), expected);
}

#[test]
fn the_other_switches_are_read_alike() {
    assert!(is_created_only(&object("labels", "ssa", "ifnotpresent")));
    assert!(is_merged(&object("annotations", "ssa", "merge")));
    assert!(is_forced(&object("annotations", "force", "Enabled")));
    assert!(!is_forced(&json!({"metadata": {"annotations": null}})));
    assert!(!is_forced(&json!({})));
}
