//! Markers that an automation leaves alone: its status names them, and an event tells when they change.

use fluxbot_api::image::{ImagePolicy, ImageRepository, ImageUpdateAutomation};
use k8s_openapi::api::core::v1::Event;
use serde_json::{Value, json};

use super::fixture::Fixture;
use crate::support::eventually::eventually;
use crate::support::registry::Registry;

/// A file with markers that work, that can never work, and that belong to others. `@` stands for the namespace.
const FILE: &str = r#"image: IMAGE:1.0.0 # {"$imagepolicy": "@:app"}
# {"$imagepolicy": "@:app"}
above: x
gone: x # {"$imagepolicy": "@:gone"}
pinned: x # {"$imagepolicy": "@:app"} pinned by hand
waiting: x # {"$imagepolicy": "@:waiting"}
foreign: x # {"$imagepolicy": "@:foreign"}
elsewhere: x # {"$imagepolicy": "elsewhere:app"}
"#;

/// The condition's message.
fn skipped(automation: &ImageUpdateAutomation) -> Option<String> {
    let conditions = &automation.status.as_ref()?.conditions;
    let found = conditions
        .iter()
        .find(|condition| condition.type_ == "MarkersSkipped")?;
    assert_eq!(
        (found.status.as_str(), found.reason.as_str()),
        ("True", "MarkersSkipped")
    );
    Some(found.message.clone())
}

async fn until_told(fixture: &Fixture, start: &str) -> Event {
    eventually("the event of the skipped markers", async || {
        let events = fixture.events("apps").await;
        let told = events.iter().find(|event| {
            event.reason.as_deref() == Some("MarkersSkipped")
                && event
                    .message
                    .as_deref()
                    .is_some_and(|message| message.starts_with(start))
        });
        told.cloned().ok_or_else(|| format!("{events:#?}"))
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn skipped_markers_are_named_until_they_are_mended() {
    let fixture = Fixture::start("skipped").await;
    let registry = Registry::shared();
    registry.push_tags("skipped", &["1.0.0", "1.0.1"]).await;
    let (image, namespace) = (registry.image("skipped"), fixture.namespace.name());
    let written = |text: &str| text.replace("IMAGE", &image).replace('@', namespace);
    let repository = fixture
        .git("ctl-skipped", &[("apps/app.yaml", &written(FILE))])
        .await;
    let spec = json!({ "image": image, "interval": "1h", "insecure": true });
    fixture.create::<ImageRepository>("app", spec).await;
    for (name, repository, label) in [
        ("app", "app", "mine"),
        ("waiting", "nothing", "mine"),
        ("foreign", "app", "theirs"),
    ] {
        let spec = json!({ "imageRepositoryRef": { "name": repository }, "policy": { "semver": { "range": "1.x" } } });
        fixture
            .create_in::<ImagePolicy>(namespace, name, &[("team", label)], spec)
            .await;
    }
    // Once they have a status, the controller knows of all of them.
    fixture.ready::<ImagePolicy>("app", "True", "Succeeded").await;
    fixture.ready::<ImagePolicy>("foreign", "True", "Succeeded").await;
    fixture
        .ready::<ImagePolicy>("waiting", "False", "DependencyNotReady")
        .await;
    let spec: Value = json!({
        "interval": "1h",
        "sourceRef": { "kind": "GitRepository", "name": "fleet" },
        "policySelector": { "matchLabels": { "team": "mine" } },
        "git": { "commit": { "author": { "email": "fluxbot@example.com" } } },
        "update": { "path": "./apps" },
    });
    fixture.create::<ImageUpdateAutomation>("apps", spec).await;
    fixture
        .ready::<ImageUpdateAutomation>("apps", "True", "Succeeded")
        .await;
    assert!(repository.show("main", "apps/app.yaml").contains(":1.0.1"));
    let named = |automation: &ImageUpdateAutomation| skipped(automation).is_some();
    let automation = fixture.until("apps", named).await;
    let message = skipped(&automation).unwrap().replace(namespace, "@");
    insta::assert_snapshot!(message, @r#"
    apps/app.yaml:2: @:app: the marker stands above a mapping key; it must stand behind the value, on the same line
    apps/app.yaml:4: @:gone: the policy '@:gone' has no selected image
    apps/app.yaml:5: # {"$imagepolicy": "@:app"} pinned by hand: the comment has text behind the marker; the marker must be all of the comment
    waiting for a first selection: @:waiting
    "#);
    let event = until_told(&fixture, "skipped markers:\napps/app.yaml:2: ").await;
    assert_eq!(event.type_.as_deref(), Some("Normal"));
    assert!(!event.message.unwrap().contains("waiting"));

    // Nothing new: the same condition, and no other event.
    fixture.request::<ImageUpdateAutomation>("apps", "again").await;
    let handled = |automation: &ImageUpdateAutomation| {
        let status = automation.status.as_ref();
        status.and_then(|status| status.last_handled_reconcile_at.as_deref()) == Some("again")
    };
    let again = fixture.until("apps", handled).await;
    assert_eq!(skipped(&again), skipped(&automation));
    let events = fixture.events("apps").await;
    let told = events
        .iter()
        .filter(|event| event.reason.as_deref() == Some("MarkersSkipped"))
        .count();
    assert_eq!(told, 1, "{events:#?}");

    let mended = written("image: IMAGE:1.0.1 # {\"$imagepolicy\": \"@:app\"}\n");
    repository.commit_files("main", "mend the markers", &[("apps/app.yaml", &mended)]);
    fixture.request::<ImageUpdateAutomation>("apps", "mended").await;
    fixture
        .until::<ImageUpdateAutomation>("apps", |automation| skipped(automation).is_none())
        .await;
    until_told(&fixture, "no marker is skipped any more").await;
}
