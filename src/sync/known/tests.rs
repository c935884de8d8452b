use super::*;

fn id(text: &str) -> ObjectId {
    text.parse().unwrap()
}

#[test]
fn an_object_is_known_for_the_same_wish_only() {
    let known = KnownEqual::default();
    let object = id("a_b__ConfigMap");
    known.record(&object, [1; 32], "7");
    assert_eq!(known.resource_version(&object, &[1; 32]).as_deref(), Some("7"));
    assert_eq!(known.resource_version(&object, &[2; 32]), None);
    known.record(&object, [2; 32], "");
    assert_eq!(known.resource_version(&object, &[1; 32]).as_deref(), Some("7"));
}

#[test]
fn objects_and_kinds_can_be_forgotten() {
    let known = KnownEqual::default();
    let objects = [
        "a_a_example.com_Widget",
        "a_b_example.com_Widget",
        "a_a__ConfigMap",
    ]
    .map(id);
    for object in &objects {
        known.record(object, [1; 32], "7");
    }
    let is_known = |index: usize| known.resource_version(&objects[index], &[1; 32]).is_some();
    known.forget(&objects[0]);
    assert!(!is_known(0) && is_known(1));
    known.forget_kind(&"example.com/Widget".parse().unwrap());
    assert!(!is_known(1) && is_known(2));
    known.forget_all();
    assert!(!is_known(2));
}
