//! `ImagePolicy`: selections, digests, and repositories of other namespaces.

use fluxbot_api::image::{ImagePolicy, ImageRepository};
use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use super::fixture::{Fixture, holds};
use crate::support::image::ImageSpec;
use crate::support::registry::Registry;

fn semver(repository: &str, range: &str) -> Value {
    json!({ "imageRepositoryRef": { "name": repository }, "policy": { "semver": { "range": range } } })
}

fn tag(policy: &ImagePolicy) -> Option<String> {
    Some(policy.status.as_ref()?.latest_ref.as_ref()?.tag.clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn policies_select_and_follow_new_tags() {
    let fixture = Fixture::start("select").await;
    let registry = Registry::shared();
    let image = registry.image("select");
    registry
        .push_tags("select", &["1.0.0", "1.0.1", "2.0.0", "main-7-a", "main-10-b"])
        .await;
    let filtered = json!({
        "imageRepositoryRef": { "name": "app" },
        "filterTags": { "pattern": "^main-(?P<n>[0-9]+)-", "extract": "$n" },
        "policy": { "numerical": { "order": "asc" } },
    });
    let broken = json!({
        "imageRepositoryRef": { "name": "app" },
        "filterTags": { "pattern": "(" },
        "policy": { "alphabetical": {} },
    });
    fixture
        .create::<ImagePolicy>("patch", semver("app", "1.0.x"))
        .await;
    fixture.create::<ImagePolicy>("build", filtered).await;
    fixture.create::<ImagePolicy>("broken", broken).await;
    fixture
        .create::<ImagePolicy>("none", semver("app", ">=9.0.0"))
        .await;
    let message = fixture
        .ready::<ImagePolicy>("patch", "False", "DependencyNotReady")
        .await;
    insta::assert_snapshot!(message, @r#"failed to get the referred ImageRepository: referenced ImageRepository does not exist: ImageRepository.image.toolkit.fluxcd.io "app" not found"#);

    let spec = json!({ "image": image, "interval": "1h", "insecure": true });
    fixture.create::<ImageRepository>("app", spec).await;
    let message = fixture.ready::<ImagePolicy>("patch", "True", "Succeeded").await;
    assert_eq!(message, format!("Latest image tag for {image} resolved to 1.0.1"));
    fixture.ready::<ImagePolicy>("build", "True", "Succeeded").await;
    assert_eq!(tag(&fixture.get("build").await).as_deref(), Some("main-10-b"));
    let message = fixture.ready::<ImagePolicy>("none", "False", "Failure").await;
    assert_eq!(message, "unable to determine latest version from provided list");
    let message = fixture
        .ready::<ImagePolicy>("broken", "False", "InvalidPolicy")
        .await;
    assert_eq!(
        message,
        "failed to filter tags: invalid regular expression pattern '(': error parsing regexp: missing closing ): `(`"
    );
    assert!(holds(&fixture.get::<ImagePolicy>("broken").await, "Stalled"));

    let unchanged: ImagePolicy = fixture.get("build").await;
    registry.push_tags("select", &["1.0.2"]).await;
    fixture.request::<ImageRepository>("app", "one").await;
    let policy = fixture
        .until("patch", |policy| tag(policy).as_deref() == Some("1.0.2"))
        .await;
    let previous = policy.status.unwrap().observed_previous_ref.unwrap();
    assert_eq!(previous.tag, "1.0.1");
    let message = fixture.ready::<ImagePolicy>("patch", "True", "Succeeded").await;
    assert_eq!(
        message,
        format!("Latest image tag for {image} resolved to 1.0.2 (previously {image}:1.0.1)")
    );
    // A policy that the new tag does not concern was not written.
    fixture.request::<ImagePolicy>("none", "seen").await;
    let handled = |policy: &ImagePolicy| {
        policy
            .status
            .as_ref()
            .is_some_and(|status| status.last_handled_reconcile_at.is_some())
    };
    fixture.until("none", handled).await;
    let now: ImagePolicy = fixture.get("build").await;
    assert_eq!(now.metadata.resource_version, unchanged.metadata.resource_version);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_digest_is_looked_up_once_or_at_every_interval() {
    let fixture = Fixture::start("digest").await;
    let registry = Registry::shared();
    let image = registry.image("digest");
    let first = registry
        .push_image("digest", "1.0.0", &ImageSpec::created("2026-01-01T00:00:00Z"))
        .await;
    let spec = json!({ "image": image, "interval": "1h", "insecure": true });
    fixture.create::<ImageRepository>("app", spec).await;
    for (name, mode, interval) in [("once", "IfNotPresent", None), ("always", "Always", Some("1s"))] {
        let mut spec = semver("app", "1.0.x");
        spec["digestReflectionPolicy"] = json!(mode);
        spec["interval"] = json!(interval);
        fixture.create::<ImagePolicy>(name, spec).await;
    }
    let message = fixture.ready::<ImagePolicy>("once", "True", "Succeeded").await;
    assert_eq!(
        message,
        format!(
            "Latest image tag for {image} resolved to 1.0.0 with digest {}",
            first.digest
        )
    );
    fixture.ready::<ImagePolicy>("always", "True", "Succeeded").await;

    let second = registry
        .push_image("digest", "1.0.0", &ImageSpec::created("2026-02-02T00:00:00Z"))
        .await;
    let digest = |policy: &ImagePolicy| {
        let latest = policy.status.as_ref()?.latest_ref.as_ref()?;
        latest.digest.clone()
    };
    fixture
        .until("always", |policy| digest(policy).as_ref() == Some(&second.digest))
        .await;
    fixture.request::<ImagePolicy>("once", "one").await;
    let handled = |policy: &ImagePolicy| {
        policy
            .status
            .as_ref()
            .is_some_and(|status| status.last_handled_reconcile_at.is_some())
    };
    let once = fixture.until("once", handled).await;
    assert_eq!(digest(&once), Some(first.digest));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_of_another_namespace_is_used_only_where_it_allows_it() {
    let fixture = Fixture::start("cross").await;
    let other = fixture.cluster.namespace("cross-other").await;
    let registry = Registry::shared();
    registry.push_tags("cross", &["1.0.0"]).await;
    let spec = |access: Value| json!({ "image": registry.image("cross"), "interval": "1h", "insecure": true, "accessFrom": access });
    let selector = json!({ "namespaceSelectors": [{ "matchLabels": { "team": "a" } }] });
    for (name, access) in [("closed", Value::Null), ("open", selector)] {
        fixture
            .create_in::<ImageRepository>(other.name(), name, &[], spec(access))
            .await;
        let mut policy = semver(name, "1.x");
        policy["imageRepositoryRef"]["namespace"] = json!(other.name());
        fixture.create::<ImagePolicy>(name, policy).await;
    }
    let (here, there) = (fixture.namespace.name(), other.name());
    let message = fixture
        .ready::<ImagePolicy>("closed", "False", "AccessDenied")
        .await;
    assert_eq!(
        message,
        format!(
            "failed to get the referred ImageRepository: access denied: '{there}/closed' can't be accessed due to missing \
             ACL labels on 'accessFrom'"
        )
    );
    let message = fixture
        .ready::<ImagePolicy>("open", "False", "AccessDenied")
        .await;
    assert_eq!(
        message,
        format!(
            "failed to get the referred ImageRepository: access denied: '{there}/open' can't be accessed due to ACL labels \
             mismatch on namespace '{here}'"
        )
    );
    let namespaces: Api<Namespace> = Api::all(fixture.client.clone());
    let label = Patch::Merge(json!({ "metadata": { "labels": { "team": "a" } } }));
    namespaces
        .patch(here, &PatchParams::default(), &label)
        .await
        .unwrap();
    fixture.ready::<ImagePolicy>("open", "True", "Succeeded").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn references_to_other_namespaces_can_be_blocked() {
    let fixture = Fixture::start_with("blocked", |options| options.no_cross_namespace_refs = true).await;
    let mut policy = semver("app", "1.x");
    policy["imageRepositoryRef"]["namespace"] = json!("elsewhere");
    fixture.create::<ImagePolicy>("app", policy).await;
    let message = fixture.ready::<ImagePolicy>("app", "False", "AccessDenied").await;
    insta::assert_snapshot!(message, @"failed to get the referred ImageRepository: cannot access 'ImageRepository/elsewhere/app', cross-namespace references have been blocked");
}
