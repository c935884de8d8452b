//! `ImageRepository`: scans, credentials, and what the status says.

use fluxbot_api::image::ImageRepository;
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::json;

use super::fixture::{Fixture, holds, ready};
use crate::support::git::PASSWORD;
use crate::support::registry::{Authentication, Registry, RegistryOptions};

fn private_registry() -> Registry {
    Registry::start(RegistryOptions {
        authentication: Authentication::Basic,
        ..RegistryOptions::default()
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_private_image_is_scanned_with_the_docker_configuration_of_a_secret() {
    let fixture = Fixture::start("scan-secret").await;
    let registry = private_registry();
    registry
        .push_tags("app", &["1.0.0", "1.1.0", "sha256-1.sig"])
        .await;
    let image = registry.image("app");
    let spec = json!({ "image": image, "interval": "1h", "insecure": true, "secretRef": { "name": "pull" } });
    fixture.create::<ImageRepository>("app", spec).await;
    let message = fixture
        .ready::<ImageRepository>("app", "False", "AuthenticationFailed")
        .await;
    let namespace = fixture.namespace.name();
    assert_eq!(
        message,
        format!(
            "failed to configure authentication options: secrets \"pull\" not found in namespace '{namespace}'"
        )
    );

    let config = registry.docker_config();
    let data = [(".dockerconfigjson", config.as_str())];
    fixture
        .secret("pull", "kubernetes.io/dockerconfigjson", &data)
        .await;
    let message = fixture.ready::<ImageRepository>("app", "True", "Succeeded").await;
    let repository: ImageRepository = fixture.get("app").await;
    let status = repository.status.clone().unwrap();
    let result = status.last_scan_result.clone().unwrap();
    assert_eq!(result.latest_tags, ["1.1.0", "1.0.0"]);
    assert_eq!(result.tag_count, 2);
    let revision = result.revision.unwrap();
    assert_eq!(
        message,
        format!("successful scan: found 2 tags with checksum {revision}")
    );
    assert_eq!(status.canonical_image_name, Some(image));
    assert_eq!(status.observed_exclusion_list, ["^.*\\.sig$"]);
    assert_eq!(status.observed_generation, Some(1));
    assert!(!holds(&repository, "Reconciling") && !holds(&repository, "Stalled"));
    assert!(repository.metadata.finalizers.is_none());
    let events = serde_json::to_string(&fixture.events("app").await).unwrap();
    assert!(!format!("{status:?}{events}").contains(PASSWORD), "{events}");

    // The pull Secrets of a service account do as well.
    let accounts: Api<ServiceAccount> = Api::namespaced(fixture.client.clone(), namespace);
    let pull = Patch::Merge(json!({ "imagePullSecrets": [{ "name": "pull" }] }));
    accounts
        .patch("default", &PatchParams::default(), &pull)
        .await
        .unwrap();
    let spec = json!({ "image": registry.image("app"), "interval": "1h", "insecure": true, "serviceAccountName": "default" });
    fixture.create::<ImageRepository>("by-account", spec).await;
    fixture
        .ready::<ImageRepository>("by-account", "True", "Succeeded")
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_one_repository_is_said_there_and_stops_no_other() {
    let fixture = Fixture::start("scan-wrong").await;
    let registry = private_registry();
    registry.push_tags("app", &["1.0.0"]).await;
    let image = registry.image("app");
    let specs = [
        (
            "scheme",
            json!({ "image": format!("https://{image}"), "interval": "1h" }),
        ),
        (
            "cloud",
            json!({ "image": image, "interval": "1h", "provider": "aws" }),
        ),
        (
            "pattern",
            json!({ "image": image, "interval": "1h", "exclusionList": ["a("] }),
        ),
        (
            "anonymous",
            json!({ "image": image, "interval": "1h", "insecure": true }),
        ),
        (
            "public",
            json!({ "image": Registry::shared().image("scan-wrong"), "interval": "1h", "insecure": true }),
        ),
    ];
    Registry::shared().push_tags("scan-wrong", &["1"]).await;
    for (name, spec) in specs {
        fixture.create::<ImageRepository>(name, spec).await;
    }
    fixture
        .ready::<ImageRepository>("public", "True", "Succeeded")
        .await;
    let expected = [
        (
            "scheme",
            "ImageURLInvalid",
            "should not include URL scheme; remove 'https://'",
            true,
        ),
        (
            "cloud",
            "ReadOperationFailed",
            "no credentials of provider aws for ",
            false,
        ),
        (
            "pattern",
            "ReadOperationFailed",
            "scan failed: failed to compile regex a(",
            true,
        ),
        (
            "anonymous",
            "ReadOperationFailed",
            "AuthorizationFailed: scan failed: ",
            false,
        ),
    ];
    for (name, reason, text, is_stalled) in expected {
        let message = fixture.ready::<ImageRepository>(name, "False", reason).await;
        assert!(message.contains(text), "{name}: {message}");
        let repository: ImageRepository = fixture.get(name).await;
        assert_eq!(
            holds(&repository, "Stalled"),
            is_stalled,
            "{name}: {:#?}",
            repository.status
        );
    }
    let message = fixture
        .ready::<ImageRepository>("anonymous", "False", "ReadOperationFailed")
        .await;
    assert!(message.ends_with("; spec.secretRef is not set"), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_scans_at_once_unless_the_repository_is_suspended() {
    let fixture = Fixture::start("scan-request").await;
    let registry = Registry::shared();
    registry.push_tags("scan-request", &["1.0.0"]).await;
    let spec = json!({ "image": registry.image("scan-request"), "interval": "1h", "insecure": true });
    fixture.create::<ImageRepository>("app", spec).await;
    fixture.ready::<ImageRepository>("app", "True", "Succeeded").await;
    registry.push_tags("scan-request", &["1.0.1"]).await;

    fixture
        .patch::<ImageRepository>("app", json!({ "spec": { "suspend": true } }))
        .await;
    fixture.request::<ImageRepository>("app", "one").await;
    let count = |repository: &ImageRepository| {
        let status = repository.status.as_ref()?;
        Some(status.last_scan_result.as_ref()?.tag_count)
    };
    // Another object's run shows that the request has long been seen.
    let spec = json!({ "image": registry.image("scan-request"), "interval": "1h", "exclusionList": ["0$"] });
    fixture.create::<ImageRepository>("other", spec).await;
    fixture
        .ready::<ImageRepository>("other", "True", "Succeeded")
        .await;
    assert_eq!(count(&fixture.get("other").await), Some(1));
    assert_eq!(count(&fixture.get("app").await), Some(1));

    fixture
        .patch::<ImageRepository>("app", json!({ "spec": { "suspend": null } }))
        .await;
    let handled = |repository: &ImageRepository| {
        let status = repository.status.as_ref();
        status.and_then(|status| status.last_handled_reconcile_at.as_deref()) == Some("one")
    };
    let repository = fixture.until("app", handled).await;
    assert_eq!(count(&repository), Some(2));

    // Another exclusion list is a reason to scan, too.
    fixture
        .patch::<ImageRepository>("app", json!({ "spec": { "exclusionList": ["^1"] } }))
        .await;
    let repository = fixture
        .until("app", |repository| count(repository) == Some(0))
        .await;
    assert_eq!(
        repository.status.as_ref().unwrap().observed_exclusion_list,
        ["^1"]
    );
    assert!(ready(&repository).is_some_and(|ready| ready.message.contains("found 0 tags")));
}
