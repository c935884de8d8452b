//! The plan of a Kustomization.

use fluxbot_api::kustomize::{
    Decryption, DecryptionProvider, Document, HealthCheckTarget, Image, KustomizationStatus, Patch,
    PostBuild, Selector,
};
use fluxbot_api::meta::DependencyReference;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use rstest::rstest;

use super::*;
use crate::sync::{Action, Change};

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

#[rstest]
#[case::post_build(|spec: &mut KustomizationSpec| spec.post_build = Some(PostBuild::default()), "spec.postBuild")]
#[case::decryption(
    |spec: &mut KustomizationSpec| spec.decryption = Some(Decryption {
        provider: DecryptionProvider::Sops,
        secret_ref: None,
        service_account_name: None,
    }),
    "spec.decryption"
)]
#[case::kube_config(
    |spec: &mut KustomizationSpec| spec.kube_config = Some(fluxbot_api::meta::KubeConfigReference::default()),
    "spec.kubeConfig"
)]
#[case::health_expressions(
    |spec: &mut KustomizationSpec| spec.health_check_exprs.push(fluxbot_api::meta::HealthCheckExpression::default()),
    "spec.healthCheckExprs"
)]
#[case::ignore(
    |spec: &mut KustomizationSpec| spec.ignore.push(fluxbot_api::kustomize::IgnoreRule::default()),
    "spec.ignore"
)]
#[case::ready_expression(
    |spec: &mut KustomizationSpec| spec.depends_on.push(DependencyReference {
        ready_expr: Some("true".to_owned()),
        ..DependencyReference::default()
    }),
    "spec.dependsOn[].readyExpr"
)]
fn a_field_that_cannot_be_honoured_is_refused_by_name(
    #[case] change: fn(&mut KustomizationSpec),
    #[case] field: &str,
) {
    let mut object = object();
    change(&mut object.spec);
    let failure = settings(&object, Rules::default()).unwrap_err();
    assert_eq!(
        (failure.reason, failure.recovery),
        (Reason::BuildFailed, Recovery::Stalled)
    );
    let text = format!("{field} is not supported yet: ");
    assert!(failure.message.starts_with(&text), "{failure}");
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
