//! A manifest of every version goes through the API server without a loss, as that version and as the
//! newest.

use fluxbot_api::FluxResource;
use kube::api::{DynamicObject, Patch, PatchParams, PostParams};
use kube::core::NamespaceResourceScope;
use kube::{Api, Resource};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::fmt::Debug;

use super::manifests;
use crate::support::cluster::Cluster;

for_every_kind!(every_version_goes_through_without_a_loss);

async fn every_version_goes_through_without_a_loss<K>()
where
    K: FluxResource + Resource<Scope = NamespaceResourceScope>,
    K: Clone + Debug + Serialize + DeserializeOwned,
{
    let cluster = Cluster::shared();
    cluster.install_crds().await;
    let definition = K::DEFINITION;
    let namespace = cluster.namespace(&format!("version-{}", definition.plural)).await;
    let client = cluster.client().await;
    for (number, manifest) in manifests::of(definition).into_iter().enumerate() {
        let name = format!("object-{number}");
        let (_, version) = manifest["apiVersion"].as_str().unwrap().split_once('/').unwrap();
        let created = manifests::api(&client, definition, version, namespace.name());
        let object = manifests::object(definition, version, &name, &manifest["spec"]);
        created
            .create(&PostParams::default(), &object)
            .await
            .unwrap_or_else(|error| panic!("{manifest:#}: {error}"));
        let status = manifest.get("status").cloned().map(with_digests);
        if let Some(status) = &status {
            let status = Patch::Merge(json!({ "status": status }));
            let patched = created
                .patch_status(&name, &PatchParams::default(), &status)
                .await;
            patched.unwrap_or_else(|error| panic!("{manifest:#}: {error}"));
        }

        let before = created.get(&name).await.unwrap();
        assert_eq!(
            lost(&manifest["spec"], &before.data["spec"]),
            [""; 0],
            "{manifest:#}"
        );
        if let Some(status) = &status {
            assert_eq!(lost(status, &before.data["status"]), [""; 0], "{manifest:#}");
        }
        for other in definition.versions {
            let seen = manifests::api(&client, definition, other, namespace.name());
            let seen: DynamicObject = seen.get(&name).await.unwrap();
            assert_eq!(seen.data["spec"], before.data["spec"], "{version} as {other}");
            assert_eq!(
                seen.data.get("status"),
                before.data.get("status"),
                "{version} as {other}"
            );
        }

        // What a controller does: read, decode, encode, write. Nothing that it does not know is lost.
        let typed: Api<K> = Api::namespaced(client.clone(), namespace.name());
        let decoded = typed.get(&name).await.unwrap();
        typed
            .replace(&name, &PostParams::default(), &decoded)
            .await
            .unwrap();
        let after = created.get(&name).await.unwrap();
        assert_eq!(after.data["spec"], before.data["spec"], "{manifest:#}");
        assert_eq!(
            after.metadata.generation, before.metadata.generation,
            "{manifest:#}"
        );
    }
}

/// The status with a digest in each artifact, as whoever writes one today must have it; those that were
/// stored before are read without.
fn with_digests(mut value: Value) -> Value {
    match &mut value {
        Value::Object(members) => {
            if members.contains_key("revision") && members.contains_key("path") {
                members
                    .entry("digest")
                    .or_insert_with(|| json!(format!("sha256:{}", "0".repeat(64))));
            }
            for member in members.values_mut() {
                *member = with_digests(member.take());
            }
        }
        Value::Array(items) => {
            for item in items {
                *item = with_digests(item.take());
            }
        }
        _ => {}
    }
    value
}

/// The paths of what was sent and is not there, or not as it was sent. More may be there: defaults.
pub fn lost(sent: &Value, kept: &Value) -> Vec<String> {
    fn compare(sent: &Value, kept: &Value, path: &str, lost: &mut Vec<String>) {
        match (sent, kept) {
            (Value::Object(sent), Value::Object(kept)) => {
                for (name, sent) in sent {
                    let path = format!("{path}.{name}");
                    match kept.get(name) {
                        Some(kept) => compare(sent, kept, &path, lost),
                        None => lost.push(path),
                    }
                }
            }
            (Value::Array(sent), Value::Array(kept)) if sent.len() == kept.len() => {
                for (index, (sent, kept)) in sent.iter().zip(kept).enumerate() {
                    compare(sent, kept, &format!("{path}[{index}]"), lost);
                }
            }
            (sent, kept) if sent == kept => {}
            (sent, kept) => lost.push(format!("{path}: {sent} became {kept}")),
        }
    }
    let mut found = Vec::new();
    compare(sent, kept, "", &mut found);
    found
}
