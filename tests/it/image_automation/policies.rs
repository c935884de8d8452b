//! `ImagePolicy`: selections, digests, and repositories of other namespaces.

use fluxbot_api::image::{ImagePolicy, ImageRepository};
use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use kube::api::{Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use super::fixture::{Fixture, holds, ready};
use crate::support::control::Fault;
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

/// A policy that cannot work: name, spec, reason, message, whether only a change of it can help.
type Wrong = (&'static str, Value, &'static str, &'static str, bool);

fn wrong_policies() -> Vec<Wrong> {
    let of = |repository: &str, policy: Value, pattern: Option<&str>| {
        json!({
            "imageRepositoryRef": { "name": repository },
            "policy": policy,
            "filterTags": pattern.map(|pattern| json!({ "pattern": pattern })),
        })
    };
    let range = |range: &str| json!({ "semver": { "range": range } });
    vec![
        (
            "choice",
            of("app", json!({}), None),
            "InvalidPolicy",
            "invalid policy: given ImagePolicyChoice object is invalid",
            true,
        ),
        (
            "range",
            of("app", range(">=1.0.0<2.0.0"), None),
            "InvalidPolicy",
            "invalid policy: improper constraint: \">=1.0.0<2.0.0\"",
            true,
        ),
        (
            "version",
            of("app", range("1x"), None),
            "InvalidPolicy",
            "invalid policy: constraint parser error",
            true,
        ),
        (
            "pattern",
            of("app", range("*"), Some("a**")),
            "InvalidPolicy",
            "failed to filter tags: invalid regular expression pattern 'a**': error parsing regexp: invalid nested \
             repetition operator: `**`",
            true,
        ),
        (
            "number",
            of("app", json!({ "numerical": {} }), None),
            "Failure",
            "failed to parse invalid numeric value 'latest'",
            false,
        ),
        (
            "filtered",
            of("app", range("*"), Some("^x")),
            "Failure",
            "version list argument cannot be empty",
            false,
        ),
        (
            "outside",
            of("app", range(">=9"), None),
            "Failure",
            "unable to determine latest version from provided list",
            false,
        ),
        (
            "no-tags",
            of("gone", range("*"), None),
            "DependencyNotReady",
            "retrying in 1s error: no tags in database",
            false,
        ),
        (
            "image",
            of("scheme", range("*"), None),
            "ImageURLInvalid",
            "image 'https://registry.example/app' should not include URL scheme; remove 'https://'",
            true,
        ),
        (
            "tagged",
            of("tagged", range("*"), None),
            "ImageURLInvalid",
            "image 'registry.example/app:1.0' should not include a tag; remove ':1.0'",
            true,
        ),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_one_policy_is_said_there_in_flux_words() {
    let fixture = Fixture::start("policy-wrong").await;
    let registry = Registry::shared();
    registry.push_tags("policy-wrong", &["1.0.0", "latest"]).await;
    for (name, image) in [
        ("app", registry.image("policy-wrong")),
        ("gone", registry.image("policy-wrong-gone")),
        ("scheme", "https://registry.example/app".to_owned()),
        ("tagged", "registry.example/app:1.0".to_owned()),
    ] {
        let spec = json!({ "image": image, "interval": "1h", "insecure": true });
        fixture.create::<ImageRepository>(name, spec).await;
    }
    let cases = wrong_policies();
    for (name, spec, ..) in &cases {
        fixture.create::<ImagePolicy>(name, spec.clone()).await;
    }
    for (name, _, reason, message, is_stalled) in &cases {
        let is_said = |policy: &ImagePolicy| {
            ready(policy).is_some_and(|ready| ready.status == "False" && ready.message == *message)
        };
        let policy = fixture.until(name, is_said).await;
        assert_eq!(ready(&policy).unwrap().reason, *reason, "{name}");
        assert_eq!(holds(&policy, "Stalled"), *is_stalled, "{name}");
        assert_eq!(holds(&policy, "Reconciling"), !is_stalled, "{name}");
        let observed = policy
            .status
            .as_ref()
            .and_then(|status| status.observed_generation);
        // As in Flux, what is tried again has not been observed yet; the schema's default is -1.
        assert_eq!(
            observed == policy.metadata.generation,
            *is_stalled,
            "{name}: {observed:?}"
        );
    }
    // One that is mended is reconciled at once.
    let mended = json!({ "spec": { "policy": { "semver": { "range": "1.x" } } } });
    fixture.patch::<ImagePolicy>("range", mended).await;
    fixture.ready::<ImagePolicy>("range", "True", "Succeeded").await;
    assert!(!holds(&fixture.get::<ImagePolicy>("range").await, "Stalled"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_digest_that_cannot_be_had_fails_the_policy_and_keeps_the_selection() {
    let fixture = Fixture::start("no-digest").await;
    let registry = Registry::shared();
    let image = registry.image("no-digest");
    registry.push_tags("no-digest", &["1.0.0"]).await;
    let spec = json!({ "image": image, "interval": "1h", "insecure": true });
    fixture.create::<ImageRepository>("app", spec).await;
    let mut spec = semver("app", "1.x");
    spec["digestReflectionPolicy"] = json!("IfNotPresent");
    fixture.create::<ImagePolicy>("app", spec).await;
    fixture.ready::<ImagePolicy>("app", "True", "Succeeded").await;
    let refused = Fault::status(403, "no-digest/manifests/").times(1_000);
    registry.control().order(&refused).await;
    fixture
        .patch::<ImagePolicy>("app", json!({ "spec": { "digestReflectionPolicy": "Never" } }))
        .await;
    let without = |policy: &ImagePolicy| {
        let latest = policy
            .status
            .as_ref()
            .and_then(|status| status.latest_ref.as_ref());
        latest.is_some_and(|latest| latest.digest.is_none())
    };
    fixture.until("app", without).await;
    fixture
        .patch::<ImagePolicy>(
            "app",
            json!({ "spec": { "digestReflectionPolicy": "IfNotPresent" } }),
        )
        .await;
    let message = fixture.ready::<ImagePolicy>("app", "False", "Failed").await;
    let expected = format!(
        "failed fetching digest of {image}:1.0.0: failed fetching descriptor for \"{image}:1.0.0\": "
    );
    assert!(message.contains(&expected), "{message}");
    let policy: ImagePolicy = fixture.get("app").await;
    assert_eq!(tag(&policy).as_deref(), Some("1.0.0"));
    registry.control().clear_faults("no-digest/manifests/").await;
    fixture.request::<ImagePolicy>("app", "again").await;
    let message = fixture.ready::<ImagePolicy>("app", "True", "Succeeded").await;
    assert!(message.contains(" with digest sha256:"), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_api_server_refuses_an_interval_where_it_means_nothing() {
    let fixture = Fixture::start("cel").await;
    for (mode, interval, message) in [
        (
            "Always",
            None,
            "spec.interval must be set when spec.digestReflectionPolicy is set to 'Always'",
        ),
        (
            "IfNotPresent",
            Some("1m"),
            "spec.interval is only accepted when spec.digestReflectionPolicy is set to 'Always'",
        ),
        (
            "Never",
            Some("1m"),
            "spec.interval is only accepted when spec.digestReflectionPolicy is set to 'Always'",
        ),
    ] {
        let mut spec = semver("app", "*");
        spec["digestReflectionPolicy"] = json!(mode);
        spec["interval"] = json!(interval);
        let policy = json!({
            "apiVersion": "image.toolkit.fluxcd.io/v1",
            "kind": "ImagePolicy",
            "metadata": { "name": "app" },
            "spec": spec,
        });
        let policy: ImagePolicy = serde_json::from_value(policy).unwrap();
        let api: Api<ImagePolicy> = Api::namespaced(fixture.client.clone(), fixture.namespace.name());
        let refused = api.create(&PostParams::default(), &policy).await.unwrap_err();
        assert!(refused.to_string().contains(message), "{mode}: {refused}");
    }
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
