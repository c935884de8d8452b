//! The plan of a Kustomization.

use std::sync::Arc;

use fluxbot_api::kustomize::{
    Decryption, DecryptionProvider, Document, HealthCheckTarget, Image, KustomizationStatus, Patch, Selector,
};
use fluxbot_api::meta::DependencyReference;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use rstest::rstest;

use super::*;
use crate::sync::{ApplyError, Change, Inventory};

const REVISION: &str = "main@sha1:1";

fn key() -> ObjectKey {
    ObjectKey::new("apps", "web")
}

fn object() -> Kustomization {
    let value = json!({
        "apiVersion": "kustomize.toolkit.fluxcd.io/v1",
        "kind": "Kustomization",
        "metadata": { "name": "web", "namespace": "apps", "generation": 2 },
        "spec": {
            "interval": "10m",
            "prune": true,
            "sourceRef": { "kind": "GitRepository", "name": "fleet" },
        },
    });
    serde_json::from_value(value).unwrap()
}

fn settings(object: &Kustomization, rules: Rules<'_>) -> Result<Settings, Failure> {
    Settings::of(&key(), &object.spec, rules)
}

#[test]
fn defaults_are_those_of_flux() {
    let settings = settings(&object(), Rules::default()).unwrap();
    assert_eq!(
        settings,
        Settings {
            interval: Duration::from_mins(10),
            retry_interval: Duration::from_mins(10),
            timeout: Duration::from_secs(570),
            source: SourceKey::new("GitRepository", "apps", "fleet"),
            service_account: None,
        }
    );
}

#[rstest]
#[case::less_than_the_interval("10m", None, 570)]
#[case::never_less_than_half_a_minute("40s", None, 30)]
#[case::as_given("10m", Some("2m"), 120)]
#[case::a_short_one_is_lengthened("10m", Some("5s"), 30)]
fn the_timeout_is(#[case] interval: &str, #[case] timeout: Option<&str>, #[case] seconds: u64) {
    let mut object = object();
    object.spec.interval = fluxbot_api::Duration::new(interval);
    object.spec.timeout = timeout.map(fluxbot_api::Duration::new);
    let times = Times::of(&object.spec).unwrap();
    assert_eq!(times.timeout, Duration::from_secs(seconds));
}

#[rstest]
#[case::none(None, None, None)]
#[case::the_default(None, Some("default"), Some("default"))]
#[case::its_own(Some("deployer"), Some("default"), Some("deployer"))]
fn the_service_account_is(
    #[case] own: Option<&str>,
    #[case] default: Option<&str>,
    #[case] expected: Option<&str>,
) {
    let mut object = object();
    object.spec.service_account_name = own.map(str::to_owned);
    assert_eq!(service_account(&object.spec, default).as_deref(), expected);
}

#[test]
fn a_source_in_another_namespace_is_refused_where_that_is_not_allowed() {
    let mut object = object();
    object.spec.source_ref.namespace = Some("flux-system".to_owned());
    assert!(settings(&object, Rules::default()).is_ok());
    let rules = Rules {
        no_cross_namespace_refs: true,
        ..Rules::default()
    };
    let text = "can't access 'GitRepository/flux-system/fleet', cross-namespace references have been blocked";
    let refused = Failure::stalled(Reason::AccessDenied, text);
    assert_eq!(settings(&object, rules), Err(refused));
    object.spec.source_ref.namespace = Some("apps".to_owned());
    assert!(settings(&object, rules).is_ok());
}

#[test]
fn decryption_is_refused_by_name() {
    let mut object = object();
    object.spec.decryption = Some(Decryption {
        provider: DecryptionProvider::Sops,
        secret_ref: None,
        service_account_name: None,
    });
    let failure = settings(&object, Rules::default()).unwrap_err();
    assert_eq!(
        (failure.reason, failure.recovery),
        (Reason::BuildFailed, Recovery::Stalled)
    );
    assert!(
        failure
            .message
            .starts_with("spec.decryption is not supported yet: "),
        "{failure}"
    );
}

fn reference(expression: &str) -> DependencyReference {
    DependencyReference {
        name: "base".to_owned(),
        ready_expr: Some(expression.to_owned()),
        ..DependencyReference::default()
    }
}

#[rstest]
#[case::that_holds(
    "dep.status.lastAppliedRevision == 'main@sha1:1' && self.metadata.name == 'web'",
    Ok(None)
)]
#[case::that_does_not(
    "dep.metadata.labels.version == self.metadata.labels.version",
    Ok(Some(
        "failed to evaluate the CEL expression 'dep.metadata.labels.version == self.metadata.labels.version': no such key: labels"
    ))
)]
#[case::that_is_false(
    "dep.status.lastAppliedRevision == 'other'",
    Ok(Some("dependency 'apps/base' is not ready according to readyExpr eval"))
)]
#[case::that_names_nothing(
    "other.status.ready",
    Err(
        "Reconciliation failed terminally due to configuration error: failed to evaluate dependency base: undeclared reference to \
         'other' in the CEL expression 'other.status.ready'"
    )
)]
fn an_expression_about_a_dependency(#[case] expression: &str, #[case] expected: Result<Option<&str>, &str>) {
    let (mut object, mut found) = (object(), object());
    object.metadata.name = Some("web".to_owned());
    found.status = Some(KustomizationStatus {
        last_applied_revision: Some("main@sha1:1".to_owned()),
        ..KustomizationStatus::default()
    });
    let key = ObjectKey::new("apps", "base");
    let found = unready_by_expression(&reference(expression), &key, &object, &found);
    let found = found.map_err(|failure| {
        assert_eq!(
            (failure.reason, failure.recovery),
            (Reason::InvalidCelExpression, Recovery::Stalled)
        );
        failure.message
    });
    assert_eq!(
        found,
        expected
            .map(|text| text.map(str::to_owned))
            .map_err(str::to_owned)
    );
}

fn change(name: &str, action: Action, from: Option<&str>) -> Change {
    Change {
        entry: Entry {
            id: format!("apps_{name}__ConfigMap").parse().unwrap(),
            version: "v1".to_owned(),
        },
        action,
        fields: vec![crate::sync::diff::FieldChange {
            path: ".data.value".to_owned(),
            live: None,
            wanted: None,
        }],
        dropped: Vec::new(),
        taken_from: from.map(|name| Owner {
            name: name.to_owned(),
            namespace: "apps".to_owned(),
        }),
        origin: None,
    }
}

#[test]
fn drift_names_the_objects_and_their_fields() {
    let applied = Applied {
        changes: vec![
            change("one", Action::Configured, None),
            change("two", Action::Created, None),
            change("three", Action::Unchanged, None),
        ],
    };
    assert_eq!(
        drift(&applied),
        "ConfigMap/apps/one differed in .data.value\nConfigMap/apps/two was missing"
    );
}

#[rstest]
#[case::of_an_object_that_moves(&[], "other", "")]
#[case::of_an_object_that_was_here_before(&["one"], "other", "also applied by Kustomization/apps/left")]
#[case::of_an_object_of_the_same_revision(&[], "new", "also applied by Kustomization/apps/left")]
fn a_claim(#[case] before: &[&str], #[case] revision: &str, #[case] expected: &str) {
    let applied = Applied {
        changes: vec![change("one", Action::Configured, Some("left"))],
    };
    let entry = |name: &str| change(name, Action::Created, None).entry;
    let mut other = object();
    other.metadata.generation = Some(1);
    other.status = Some(KustomizationStatus {
        conditions: vec![Condition {
            type_: "Ready".to_owned(),
            status: "True".to_owned(),
            reason: "ReconciliationSucceeded".to_owned(),
            message: String::new(),
            observed_generation: Some(1),
            last_transition_time: Time(jiff::Timestamp::UNIX_EPOCH),
        }],
        observed_generation: Some(1),
        last_applied_revision: Some(revision.to_owned()),
        inventory: Some([entry("one")].into_iter().collect::<Inventory>().to_stored()),
        ..KustomizationStatus::default()
    });
    let source = source_key(&ObjectKey::new("apps", "left"), &other.spec.source_ref);
    let before = before.iter().map(|name| entry(name)).collect();
    let other = Arc::new(other);
    let text = claims(&applied, &before, (&source, "new"), |_| Some(Arc::clone(&other)));
    assert!(
        text.contains(expected) && text.is_empty() == expected.is_empty(),
        "{text}"
    );
    assert_eq!(claims(&applied, &before, (&source, "new"), |_| None), "");
}

#[rstest]
#[case(None, "")]
#[case(Some("./"), "")]
#[case(Some("./clusters/beta"), "clusters/beta")]
#[case(Some("/clusters//beta/"), "clusters/beta")]
#[case(Some("../../etc"), "etc")]
#[case(Some("a/../../b"), "b")]
fn a_path_never_leads_out_of_the_tree(#[case] path: Option<&str>, #[case] expected: &str) {
    assert_eq!(folder(path), expected);
}

#[test]
fn what_the_spec_changes_goes_into_the_build() {
    let mut object = object();
    let spec = &mut object.spec;
    spec.target_namespace = Some("beta".to_owned());
    spec.name_prefix = Some("a-".to_owned());
    spec.images = vec![Image {
        name: "web".to_owned(),
        new_tag: Some("2".to_owned()),
        ..Image::default()
    }];
    spec.patches = vec![Patch {
        patch: "- op: remove".to_owned(),
        target: Some(Selector {
            kind: Some("Deployment".to_owned()),
            ..Selector::default()
        }),
    }];
    spec.patches_strategic_merge = vec![Document(json!({ "kind": "Service" }))];
    spec.components = vec!["../component".to_owned()];
    let overrides = overrides(spec).unwrap();
    let expected = Overrides {
        target_namespace: Some("beta".to_owned()),
        name_prefix: Some("a-".to_owned()),
        patches: vec![
            json!({ "patch": "- op: remove", "target": { "kind": "Deployment" } }),
            json!({ "patch": "{\"kind\":\"Service\"}" }),
        ],
        images: vec![json!({ "name": "web", "newTag": "2" })],
        components: vec!["../component".to_owned()],
        ..Overrides::default()
    };
    assert_eq!(overrides, expected);
}

fn dependency(ready: &str, observed: i64, applied: Option<&str>, source: &str) -> Kustomization {
    let mut object = object();
    object.spec.source_ref.name = source.to_owned();
    object.status = Some(KustomizationStatus {
        conditions: vec![Condition {
            type_: "Ready".to_owned(),
            status: ready.to_owned(),
            reason: String::new(),
            message: String::new(),
            observed_generation: None,
            last_transition_time: Time(jiff::Timestamp::UNIX_EPOCH),
        }],
        observed_generation: Some(observed),
        last_applied_revision: applied.map(str::to_owned),
        ..KustomizationStatus::default()
    });
    object
}

#[rstest]
#[case::ready(dependency("True", 2, Some(REVISION), "fleet"), None)]
#[case::of_another_source(dependency("True", 2, Some("v1"), "other"), None)]
#[case::not_ready(
    dependency("False", 2, Some(REVISION), "fleet"),
    Some("dependency 'apps/base' is not ready")
)]
#[case::of_an_older_generation(
    dependency("True", 1, Some(REVISION), "fleet"),
    Some("dependency 'apps/base' is not ready")
)]
#[case::never_reconciled(object(), Some("dependency 'apps/base' is not ready"))]
#[case::of_an_older_revision(
    dependency("True", 2, Some("main@sha1:0"), "fleet"),
    Some("dependency 'apps/base' revision is not up to date")
)]
fn a_dependency_lets_its_dependents_go_on(#[case] found: Kustomization, #[case] expected: Option<&str>) {
    let source = SourceKey::new("GitRepository", "apps", "fleet");
    let base = ObjectKey::new("apps", "base");
    let text = unready(&base, Some(&found), &source, REVISION);
    assert_eq!(text.as_deref(), expected);
}

#[test]
fn a_dependency_that_does_not_exist_is_named() {
    let source = SourceKey::new("GitRepository", "apps", "fleet");
    let text = unready(&ObjectKey::new("apps", "base"), None, &source, REVISION);
    let expected =
        "dependency 'apps/base' not found: kustomizations.kustomize.toolkit.fluxcd.io \"base\" not found";
    assert_eq!(text.as_deref(), Some(expected));
}

fn entry(id: &str) -> Entry {
    Entry {
        id: id.parse().unwrap(),
        version: "v1".to_owned(),
    }
}

fn created(id: &str) -> Change {
    Change {
        entry: entry(id),
        action: Action::Created,
        fields: Vec::new(),
        dropped: Vec::new(),
        taken_from: None,
        origin: None,
    }
}

fn inventory_of(ids: &[&str]) -> Inventory {
    ids.iter().map(|id| entry(id)).collect()
}

const ONE: &str = "apps_one__ConfigMap";
const TWO: &str = "apps_two__ConfigMap";
const THREE: &str = "apps_three__ConfigMap";

fn ids(inventory: &Inventory) -> Vec<String> {
    let mut ids: Vec<String> = inventory
        .entries()
        .iter()
        .map(|entry| entry.id.to_string())
        .collect();
    ids.sort();
    ids
}

#[test]
fn old_and_new_objects_are_noted_before_an_apply_that_brings_new_ones() {
    let before = inventory_of(&[ONE, TWO]);
    let all = write_ahead(&before, &inventory_of(&[TWO, THREE])).unwrap();
    assert_eq!(ids(&all), [ONE, THREE, TWO]);
    assert_eq!(write_ahead(&before, &inventory_of(&[TWO])), None);
}

#[test]
fn after_a_failure_only_what_is_or_may_be_there_is_kept() {
    let before = inventory_of(&[ONE]);
    let failed = |applied: &[&str], uncertain: &[&str]| ApplyError {
        cause: crate::sync::ApplyCause::Cancelled,
        applied: Applied {
            changes: applied.iter().map(|id| created(id)).collect(),
        },
        uncertain: uncertain.iter().map(|id| entry(id)).collect(),
    };
    assert_eq!(after_failure(&before, &failed(&[], &[])), None);
    assert_eq!(after_failure(&before, &failed(&[ONE], &[])), None);
    let kept = |error: ApplyError| {
        let kept = after_failure(&before, &error).unwrap();
        kept.entries().to_vec()
    };
    assert_eq!(kept(failed(&[TWO], &[])), [entry(TWO), entry(ONE)]);
    assert_eq!(kept(failed(&[ONE], &[THREE])), [entry(ONE), entry(THREE)]);
}

#[test]
fn only_what_left_the_source_is_stale_and_only_when_pruning_is_wanted() {
    let before = inventory_of(&[ONE, TWO]);
    let after = inventory_of(&[TWO]);
    assert_eq!(stale(&before, &after, true), [entry(ONE)]);
    assert_eq!(stale(&before, &after, false), []);
}

#[test]
fn an_object_without_namespace_is_not_stale_under_a_namespace_that_was_noted_by_mistake() {
    let before = inventory_of(&["apps_crew_example.com_Team", ONE]);
    let after = inventory_of(&["_crew_example.com_Team"]);
    assert_eq!(stale(&before, &after, true), [entry(ONE)]);
}

#[test]
fn what_could_not_be_deleted_or_read_stays_in_the_inventory() {
    let stored = fluxbot_api::meta::Inventory {
        entries: vec![fluxbot_api::meta::InventoryEntry {
            id: "broken".to_owned(),
            version: "v1".to_owned(),
        }],
    };
    let before = Inventory::from_stored(&stored).union(&inventory_of(&[ONE, TWO]));
    let next = next_inventory(&before, &inventory_of(&[TWO]), &inventory_of(&[ONE]));
    assert_eq!(ids(&next), [ONE, TWO]);
    assert_eq!(next.unreadable(), stored.entries);
}

#[rstest]
#[case::an_empty_folder_would_delete(0, false, &[ONE], true)]
#[case::the_folder_says_so(0, true, &[ONE], false)]
#[case::nothing_to_lose(0, false, &[], false)]
#[case::objects(1, false, &[ONE], false)]
fn a_build_without_objects_is_not_believed_when(
    #[case] objects: usize,
    #[case] has_file: bool,
    #[case] before: &[&str],
    #[case] expected: bool,
) {
    assert_eq!(
        is_emptied_by_mistake(objects, has_file, &inventory_of(before)),
        expected
    );
}

fn applied() -> Applied {
    let change = |id: &str, action| Change {
        entry: entry(id),
        action,
        fields: Vec::new(),
        dropped: Vec::new(),
        taken_from: None,
        origin: None,
    };
    Applied {
        changes: vec![
            change(ONE, Action::Unchanged),
            change(TWO, Action::Skipped),
            change(
                "apps_web_kustomize.toolkit.fluxcd.io_Kustomization",
                Action::Unchanged,
            ),
        ],
    }
}

#[test]
fn health_is_awaited_for_all_objects_but_skipped_ones_and_itself() {
    let mut object = object();
    assert_eq!(health_targets(&key(), &object.spec, &applied()), None);
    object.spec.wait = Some(true);
    let targets = health_targets(&key(), &object.spec, &applied());
    assert_eq!(targets, Some(vec![entry(ONE)]));
}

#[test]
fn health_checks_name_deployments_in_the_own_namespace_unless_they_say_otherwise() {
    let mut object = object();
    object.spec.health_checks = vec![
        HealthCheckTarget {
            kind: "Deployment".to_owned(),
            name: "web".to_owned(),
            ..HealthCheckTarget::default()
        },
        HealthCheckTarget {
            api_version: Some("v1".to_owned()),
            kind: "Service".to_owned(),
            name: "web".to_owned(),
            namespace: Some("other".to_owned()),
        },
    ];
    let targets = health_targets(&key(), &object.spec, &applied()).unwrap();
    let targets: Vec<String> = targets.iter().map(|entry| entry.id.to_string()).collect();
    assert_eq!(targets, ["apps_web_apps_Deployment", "other_web__Service"]);
}
