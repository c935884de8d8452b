//! The API server accepts the definitions.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{Api, ResourceExt};

use crate::support::cluster::Cluster;

#[tokio::test]
async fn the_api_server_accepts_and_serves_every_definition() {
    let cluster = Cluster::shared();
    cluster.install_crds().await;
    let stored: Api<CustomResourceDefinition> = Api::all(cluster.client().await);
    for definition in fluxbot_api::definitions() {
        let crd = stored.get(&definition.name()).await.unwrap();
        let status = crd.status.clone().unwrap();
        let mut conditions: Vec<(String, String)> = status
            .conditions
            .unwrap_or_default()
            .into_iter()
            .map(|condition| (condition.type_, condition.status))
            .collect();
        conditions.sort();
        // NonStructuralSchema would stand here, too, and means that nothing is pruned or defaulted.
        let expected = [("Established", "True"), ("NamesAccepted", "True")];
        assert_eq!(
            conditions,
            expected.map(|(kind, status)| (kind.to_owned(), status.to_owned())),
            "{}",
            crd.name_any()
        );
        assert_eq!(
            status.stored_versions,
            Some(vec![definition.storage_version().to_owned()])
        );
    }
}

/// What the API server drops or changes of a definition would be missed later, and silently.
#[tokio::test]
async fn the_api_server_keeps_every_part_of_a_definition() {
    let cluster = Cluster::shared();
    cluster.install_crds().await;
    let stored: Api<CustomResourceDefinition> = Api::all(cluster.client().await);
    for crd in fluxbot_api::crds() {
        let sent = serde_json::to_value(&crd.spec).unwrap();
        let kept = serde_json::to_value(&stored.get(&crd.name_any()).await.unwrap().spec).unwrap();
        let lost = super::versions::lost(&sent, &kept);
        assert!(lost.is_empty(), "{}: {lost:#?}", crd.name_any());
    }
}
