use fluxbot_api::image::ImagePolicy;
use kube::runtime::watcher::Event;
use serde_json::json;

use crate::controller::{Cache, Cached, Guarded};
use crate::objects::ObjectKey;

fn object(name: &str, version: u64, range: &str) -> Guarded<ImagePolicy> {
    serde_json::from_value(json!({
        "apiVersion": "image.toolkit.fluxcd.io/v1",
        "kind": "ImagePolicy",
        "metadata": { "name": name, "namespace": "ns", "resourceVersion": version.to_string() },
        "spec": { "imageRepositoryRef": { "name": "app" }, "policy": { "semver": { "range": range } } },
    }))
    .unwrap()
}

fn bad(name: &str, version: u64) -> Guarded<ImagePolicy> {
    serde_json::from_value(json!({
        "apiVersion": "image.toolkit.fluxcd.io/v1",
        "kind": "ImagePolicy",
        "metadata": { "name": name, "namespace": "ns", "resourceVersion": version.to_string() },
        "spec": { "policy": "latest" },
    }))
    .unwrap()
}

fn key(name: &str) -> ObjectKey {
    ObjectKey::new("ns", name)
}

fn range(cache: &Cache<ImagePolicy>, name: &str) -> Option<String> {
    Some(cache.good(&key(name))?.spec.policy.semver.as_ref()?.range.clone())
}

#[test]
fn an_answer_to_our_own_write_is_not_replaced_by_an_older_state() {
    let cache = Cache::default();
    cache.observe(Event::Apply(object("a", 1, "1.x")));
    cache.answered(object("a", 5, "5.x").0.unwrap());
    assert!(cache.observe(Event::Apply(object("a", 3, "3.x"))).is_empty());
    assert_eq!(range(&cache, "a").unwrap(), "5.x");
    assert_eq!(cache.observe(Event::Apply(object("a", 6, "6.x"))).len(), 1);
    assert_eq!(range(&cache, "a").unwrap(), "6.x");
}

#[test]
fn an_answer_that_comes_after_the_deletion_brings_nothing_back() {
    let cache = Cache::default();
    cache.observe(Event::Apply(object("a", 1, "1.x")));
    cache.observe(Event::Delete(object("a", 4, "1.x")));
    assert!(cache.answered(object("a", 3, "1.x").0.unwrap()).is_none());
    assert!(cache.get(&key("a")).is_none());
    assert!(
        cache.answered(object("a", 9, "1.x").0.unwrap()).is_some(),
        "a new object of the name is another one"
    );
}

#[test]
fn what_a_new_list_does_not_name_is_gone() {
    let cache = Cache::default();
    for (name, version) in [("a", 1), ("b", 2)] {
        cache.observe(Event::Apply(object(name, version, "1.x")));
    }
    cache.observe(Event::Init);
    cache.observe(Event::InitApply(object("a", 1, "1.x")));
    let gone = cache.observe(Event::InitDone);
    assert_eq!(gone.len(), 1);
    assert_eq!(gone[0].key, key("b"));
    assert!(gone[0].new.is_none());
    assert!(cache.is_synced() && cache.good(&key("a")).is_some());
}

#[test]
fn a_bad_object_stands_beside_the_good_ones() {
    let cache = Cache::default();
    cache.observe(Event::Init);
    cache.observe(Event::InitApply(bad("odd", 1)));
    cache.observe(Event::InitApply(object("fine", 2, "1.x")));
    cache.observe(Event::InitDone);
    assert_eq!(cache.counts(), (2, 1));
    assert!(
        matches!(cache.get(&key("odd")), Some(Cached::Bad { error, .. }) if error.contains("imageRepositoryRef") || !error.is_empty())
    );
    assert_eq!(cache.select(|_| true).len(), 1);
}
