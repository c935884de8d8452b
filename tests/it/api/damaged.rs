//! An object that no longer fits the schema under which it is read never stops the others of its kind.

use std::fmt::Debug;
use std::pin::pin;
use std::sync::LazyLock;

use fluxbot_api::FluxResource;
use futures::{Stream, TryStreamExt};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSONSchemaProps,
};
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::core::{DeserializeGuard, NamespaceResourceScope};
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Client, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use serde_json::json;

use super::manifests;
use crate::support::cluster::Cluster;
use crate::support::eventually::eventually;

/// A cluster whose definitions are changed and put back.
static CLUSTER: LazyLock<Cluster> = LazyLock::new(|| Cluster::start("damaged"));

for_every_kind!(a_damaged_object_never_stops_the_others);

async fn a_damaged_object_never_stops_the_others<K>()
where
    K: FluxResource + Resource<Scope = NamespaceResourceScope>,
    K: Clone + Debug + DeserializeOwned + Send + Sync + 'static,
{
    let cluster = &*CLUSTER;
    cluster.install_crds().await;
    let client = cluster.client().await;
    let namespace = cluster
        .namespace(&format!("damaged-{}", K::DEFINITION.plural))
        .await;
    store_objects::<K>(&client, namespace.name()).await;

    // Without the guard one object is the end of them all; otherwise this test would show nothing.
    let unguarded: Api<K> = Api::namespaced(client.clone(), namespace.name());
    assert!(unguarded.list(&ListParams::default()).await.is_err());

    let guarded: Api<DeserializeGuard<K>> = Api::namespaced(client.clone(), namespace.name());
    let listed = guarded.list(&ListParams::default()).await.unwrap().items;
    assert_eq!(listed.iter().map(described).collect::<Vec<_>>(), THREE);

    let mut events = pin!(watcher(guarded, watcher::Config::default()));
    let mut initial = Vec::new();
    loop {
        match next(&mut events).await {
            Event::Init => {}
            Event::InitApply(object) => initial.push(object),
            Event::InitDone => break,
            other => panic!("{other:?}"),
        }
    }
    initial.sort_by_key(ResourceExt::name_any);
    assert_eq!(initial.iter().map(described).collect::<Vec<_>>(), THREE);

    // The watch goes on, for the good ones and for the damaged one.
    let note = Patch::Merge(json!({ "metadata": { "annotations": { "note": "changed" } } }));
    unguarded
        .patch_metadata("c-good", &PatchParams::default(), &note)
        .await
        .unwrap();
    match next(&mut events).await {
        Event::Apply(object) => assert_eq!(described(&object), "c-good: good"),
        other => panic!("{other:?}"),
    }
    let objects = manifests::api(
        &client,
        K::DEFINITION,
        K::DEFINITION.storage_version(),
        namespace.name(),
    );
    objects
        .delete("b-damaged", &DeleteParams::default())
        .await
        .unwrap();
    match next(&mut events).await {
        Event::Delete(object) => assert_eq!(described(&object), "b-damaged: labelled kept"),
        other => panic!("{other:?}"),
    }
}

const THREE: [&str; 3] = ["a-good: good", "b-damaged: labelled kept", "c-good: good"];

/// Name, and whether it could be read; of a damaged one what its metadata says.
fn described<K: Resource<DynamicType = ()>>(object: &DeserializeGuard<K>) -> String {
    match &object.0 {
        Ok(object) => format!("{}: good", object.name_any()),
        Err(damaged) => {
            let label = &damaged.metadata.labels.as_ref().unwrap()["label"];
            format!("{}: labelled {label}", damaged.metadata.name.as_ref().unwrap())
        }
    }
}

async fn next<K, S>(events: &mut S) -> Event<DeserializeGuard<K>>
where
    S: Stream<Item = watcher::Result<Event<DeserializeGuard<K>>>> + Unpin,
{
    tokio::time::timeout(crate::support::eventually::DEADLINE, events.try_next())
        .await
        .expect("no event came")
        .unwrap()
        .expect("the watch ended")
}

/// Two good objects, and between them one that was stored while the definition took anything.
async fn store_objects<K: FluxResource>(client: &Client, namespace: &str) {
    let definition = K::DEFINITION;
    let version = definition.storage_version();
    let objects = manifests::api(client, definition, version, namespace);
    let spec = manifests::of(definition).swap_remove(0)["spec"].clone();
    for name in ["a-good", "c-good"] {
        let object = manifests::object(definition, version, name, &spec);
        objects.create(&PostParams::default(), &object).await.unwrap();
    }

    let original = set_schemas(client, &definition.name(), |schema| {
        *schema = JSONSchemaProps {
            type_: Some("object".to_owned()),
            x_kubernetes_preserve_unknown_fields: Some(true),
            ..JSONSchemaProps::default()
        };
    })
    .await;
    let mut damaged = manifests::object(definition, version, "b-damaged", &json!("no object at all"));
    damaged.labels_mut().insert("label".to_owned(), "kept".to_owned());
    eventually("the loosened definition takes a damaged object", async || {
        objects.create(&PostParams::default(), &damaged).await
    })
    .await;

    let mut schemas = original.into_iter();
    set_schemas(client, &definition.name(), |schema| {
        *schema = schemas.next().unwrap();
    })
    .await;
    damaged.metadata.name = Some("d-damaged".to_owned());
    eventually("the definition is strict again", async || {
        manifests::refusal(&objects, &damaged).await.ok_or("taken")
    })
    .await;
}

/// Changes the schemas of a definition and returns what they were.
async fn set_schemas(
    client: &Client,
    name: &str,
    mut change: impl FnMut(&mut JSONSchemaProps),
) -> Vec<JSONSchemaProps> {
    let definitions: Api<CustomResourceDefinition> = Api::all(client.clone());
    let mut crd = definitions.get(name).await.unwrap();
    let mut before = Vec::new();
    for version in &mut crd.spec.versions {
        let schema = version
            .schema
            .as_mut()
            .unwrap()
            .open_api_v3_schema
            .as_mut()
            .unwrap();
        before.push(schema.clone());
        change(schema);
    }
    definitions
        .replace(name, &PostParams::default(), &crd)
        .await
        .unwrap();
    before
}
