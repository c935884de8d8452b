use std::time::Duration;

use fluxbot::sync::{DeleteError, DeleteOptions, Inventory};
use fluxbot_api::kustomize::DeletionPolicy;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::{World, config_map, switched};
use crate::support::eventually::eventually;

#[tokio::test]
async fn only_what_is_ours_and_not_kept_is_deleted() {
    let world = World::new("prune").await;
    let manifests = config_map("a", "")
        + &switched("kept", "prune: Disabled", "")
        + &config_map("given-away", "")
        + &config_map("ignored", "");
    let applied = world.apply(&manifests).await;
    let owner = json!({"metadata": {"labels": {"kustomize.toolkit.fluxcd.io/name": "another"}}});
    world.patch("configmaps/given-away", &owner).await;
    let ignored = json!({"metadata": {"annotations": {"kustomize.toolkit.fluxcd.io/ssa": "Ignore"}}});
    world.patch("configmaps/ignored", &ignored).await;

    let mut stale = applied.inventory().entries().to_vec();
    stale.push(world.entry("$NS_never-was__ConfigMap"));
    stale.push(world.entry("$NS_gone_nowhere.example.com_Gadget"));
    let pruned = world.prune(&stale).await;
    insta::assert_snapshot!(pruned.change_log().replace(world.namespace.name(), "$NS"), @r"
    ConfigMap/$NS/a deleted
    ConfigMap/$NS/kept skipped
    ConfigMap/$NS/ignored skipped
    ConfigMap/$NS/given-away skipped
    ");
    assert_eq!(pruned.survivors, []);
    let gone: Vec<&str> = pruned.gone.iter().map(|entry| entry.id.name.as_str()).collect();
    assert_eq!(
        gone,
        ["gone", "never-was"],
        "nobody is told that they were deleted"
    );
    assert!(world.find("configmaps/a").await.is_none());
    for name in ["kept", "given-away", "ignored"] {
        world.config_map(name).await;
    }
}

#[tokio::test]
async fn an_object_whose_deletion_is_denied_survives_until_it_is_allowed() {
    let world = World::new("survivor").await;
    let name = world.namespace.name().to_owned();
    let applied = world.apply(&(config_map("a", "") + &config_map("b", ""))).await;
    let policy = format!(
        "apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {{name: {name}}}
spec:
  matchConstraints:
    namespaceSelector: {{matchLabels: {{kubernetes.io/metadata.name: {name}}}}}
    resourceRules: [{{apiGroups: [''], apiVersions: [v1], operations: [DELETE], resources: [configmaps], resourceNames: [a]}}]
  validations: [{{expression: 'false', message: 'stays where it is'}}]
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {{name: {name}}}
spec: {{policyName: {name}, validationActions: [Deny]}}
"
    );
    world.cluster.apply(&policy, None);
    eventually("the policy is effective", async || {
        let mut command = world.cluster.kubectl_command();
        command.args([
            "delete",
            "configmap",
            "a",
            "--dry-run=server",
            "--namespace",
            &name,
        ]);
        let output = command.output().unwrap();
        if output.status.success() {
            Err("not yet")
        } else {
            Ok(())
        }
    })
    .await;

    let pruned = world.prune(applied.inventory().entries()).await;
    assert_eq!(pruned.deleted, [world.entry("$NS_b__ConfigMap")]);
    let text = pruned.survivors[0].to_string();
    assert!(
        text.starts_with(&format!("ConfigMap/{name}/a delete failed: "))
            && text.contains("stays where it is"),
        "{text}"
    );
    let inventory = Inventory::default().union(&pruned.surviving());
    assert_eq!(inventory.entries(), [world.entry("$NS_a__ConfigMap")]);

    world
        .cluster
        .kubectl(["delete", "validatingadmissionpolicybinding", &name]);
    eventually("the object can be deleted", async || {
        let pruned = world.prune(inventory.entries()).await;
        if pruned.survivors.is_empty() {
            Ok(())
        } else {
            Err(pruned.survivors[0].to_string())
        }
    })
    .await;
    assert!(world.find("configmaps/a").await.is_none());
    world
        .cluster
        .kubectl(["delete", "validatingadmissionpolicy", &name]);
}

#[tokio::test]
async fn the_deletion_policy_says_what_becomes_of_objects() {
    let world = World::new("policy").await;
    let cancel = CancellationToken::new();
    let inventory = world.apply(&config_map("a", "")).await.inventory();
    let options = world.delete_options();
    for (policy, prune) in [
        (DeletionPolicy::Orphan, true),
        (DeletionPolicy::MirrorPrune, false),
    ] {
        let pruned = world
            .applier
            .delete_all(&inventory, policy, prune, &options, &cancel)
            .await
            .unwrap();
        assert!(pruned.deleted.is_empty());
        world.config_map("a").await;
    }
    for (policy, prune) in [
        (DeletionPolicy::MirrorPrune, true),
        (DeletionPolicy::Delete, false),
        (DeletionPolicy::WaitForTermination, false),
    ] {
        world.apply(&config_map("a", "")).await;
        let pruned = world
            .applier
            .delete_all(&inventory, policy, prune, &options, &cancel)
            .await
            .unwrap();
        assert_eq!(pruned.deleted.len(), 1);
        assert!(world.find("configmaps/a").await.is_none());
    }
}

#[tokio::test]
async fn the_end_of_an_object_is_awaited_no_longer_than_allowed() {
    let world = World::new("linger").await;
    let cancel = CancellationToken::new();
    let inventory = world.apply(&config_map("a", "")).await.inventory();
    world
        .patch(
            "configmaps/a",
            &json!({"metadata": {"finalizers": ["example.com/linger"]}}),
        )
        .await;
    let options = DeleteOptions {
        timeout: Duration::from_millis(300),
        ..world.delete_options()
    };
    let policy = DeletionPolicy::WaitForTermination;
    let error = world
        .applier
        .delete_all(&inventory, policy, true, &options, &cancel)
        .await
        .unwrap_err();
    let DeleteError::NotGone {
        pruned, terminating, ..
    } = error
    else {
        panic!("{error}");
    };
    assert_eq!((pruned.deleted.len(), terminating.len()), (1, 1));

    let long = world.delete_options();
    let released = json!({"metadata": {"finalizers": null}});
    let (result, ()) = tokio::join!(
        world.applier.delete_all(&inventory, policy, true, &long, &cancel),
        world.patch("configmaps/a", &released),
    );
    result.unwrap();
    assert!(world.find("configmaps/a").await.is_none());
}
