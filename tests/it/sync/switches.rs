use serde_json::json;

use super::{World, config_map, switched};

#[tokio::test]
async fn an_object_that_is_switched_off_is_skipped_and_stays_in_the_inventory() {
    let world = World::new("off").await;
    world
        .apply(&(config_map("a", "x: '1'") + &config_map("b", "x: '1'")))
        .await;
    let manifests = switched("a", "reconcile: Disabled", "x: '2'") + &switched("b", "ssa: ignore", "x: '2'");
    let applied = world.apply(&manifests).await;
    assert_eq!(
        world.log(&applied),
        ["ConfigMap/$NS/a skipped", "ConfigMap/$NS/b skipped"]
    );
    assert_eq!(world.config_map("a").await["data"], json!({"x": "1"}));
    assert_eq!(applied.inventory().entries().len(), 2);
    assert!(applied.awaited().is_empty());
}

#[tokio::test]
async fn an_object_that_is_switched_off_in_the_cluster_is_skipped_too() {
    let world = World::new("off-live").await;
    world.apply(&config_map("a", "x: '1'")).await;
    world
        .patch(
            "configmaps/a",
            &json!({"metadata": {"annotations": {"kustomize.toolkit.fluxcd.io/reconcile": "disabled"}}}),
        )
        .await;
    let applied = world.apply(&config_map("a", "x: '2'")).await;
    assert_eq!(world.log(&applied), ["ConfigMap/$NS/a skipped"]);
}

#[tokio::test]
async fn an_object_that_is_only_created_is_never_changed() {
    let world = World::new("once").await;
    let applied = world.apply(&switched("a", "ssa: IfNotPresent", "x: '1'")).await;
    assert_eq!(world.log(&applied), ["ConfigMap/$NS/a created"]);
    let applied = world.apply(&switched("a", "ssa: IfNotPresent", "x: '2'")).await;
    assert_eq!(world.log(&applied), ["ConfigMap/$NS/a skipped"]);
    assert_eq!(world.config_map("a").await["data"], json!({"x": "1"}));
    let pruned = world.prune(applied.inventory().entries()).await;
    assert_eq!(pruned.deleted.len(), 1);
}

#[tokio::test]
async fn fields_of_kubectl_stay_in_an_object_that_is_merged() {
    let world = World::new("merge").await;
    let name = world.namespace.name();
    let edit = |object: &str| {
        let patch = r#"{"data":{"theirs":"1"}}"#;
        world.cluster.kubectl([
            "patch",
            "configmap",
            object,
            "--namespace",
            name,
            "--type=merge",
            "--patch",
            patch,
        ]);
    };
    let manifests = switched("a", "ssa: Merge", "x: '1'") + &config_map("b", "x: '1'");
    world.apply(&manifests).await;
    edit("a");
    edit("b");
    let applied = world.apply(&manifests).await;
    assert_eq!(
        world.log(&applied),
        ["ConfigMap/$NS/a unchanged", "ConfigMap/$NS/b configured"]
    );
    assert_eq!(
        world.config_map("a").await["data"],
        json!({"x": "1", "theirs": "1"})
    );
    assert_eq!(world.config_map("b").await["data"], json!({"x": "1"}));
}

#[tokio::test]
async fn an_object_can_be_forced_by_itself() {
    let world = World::new("forced").await;
    let manifest = |value: &str| {
        switched("a", "force: Enabled", &format!("x: '{value}'"))
            .replace("\ndata:", "\nimmutable: true\ndata:")
    };
    world.apply(&manifest("1")).await;
    let applied = world.apply(&manifest("2")).await;
    assert_eq!(world.log(&applied), ["ConfigMap/$NS/a created"]);
}
