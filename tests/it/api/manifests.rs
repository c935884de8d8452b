//! The manifests of every kind and every served version, as values.

use fluxbot_api::Definition;
use kube::api::{ApiResource, DynamicObject, GroupVersionKind, PostParams};
use kube::core::Status;
use kube::{Api, Client};
use serde::Deserialize;
use serde_json::Value;

use crate::support::project_root;

/// The manifests of this kind, in the order of their file.
pub fn of(definition: &Definition) -> Vec<Value> {
    let name = format!("{}.yaml", definition.kind.to_lowercase());
    let path = project_root().join("crates/api/tests/manifests").join(name);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    yaml_serde::Deserializer::from_str(&text)
        .map(|document| Value::deserialize(document).unwrap())
        .collect()
}

/// The objects of a kind in a namespace, as this version.
pub fn api(client: &Client, definition: &Definition, version: &str, namespace: &str) -> Api<DynamicObject> {
    let kind = GroupVersionKind::gvk(definition.group, version, definition.kind);
    let resource = ApiResource::from_gvk_with_plural(&kind, definition.plural);
    Api::namespaced_with(client.clone(), namespace, &resource)
}

/// An object of this kind with this name and content.
pub fn object(definition: &Definition, version: &str, name: &str, spec: &Value) -> DynamicObject {
    serde_json::from_value(serde_json::json!({
        "apiVersion": format!("{}/{version}", definition.group),
        "kind": definition.kind,
        "metadata": { "name": name },
        "spec": spec,
    }))
    .unwrap()
}

/// Has the API server check an object without storing it, and returns its refusal.
pub async fn refusal(objects: &Api<DynamicObject>, object: &DynamicObject) -> Option<Status> {
    let parameters = PostParams {
        dry_run: true,
        ..PostParams::default()
    };
    match objects.create(&parameters, object).await {
        Ok(_) => None,
        Err(kube::Error::Api(status)) => Some(*status),
        Err(error) => panic!("{}: {error}", serde_json::to_string(object).unwrap()),
    }
}
