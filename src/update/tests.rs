use std::collections::BTreeMap;
use std::time::Duration;

use super::*;
use crate::committer::PlanDefaults;
use crate::image::TagSnapshot;
use crate::objects::{Files, FilesError};

/// One file of objects.
struct Objects(String);

impl Files for Objects {
    fn list(&self, _: &str) -> Result<Vec<String>, FilesError> {
        Ok(vec!["objects.yaml".to_owned()])
    }

    fn read(&self, path: &str) -> Result<Option<Vec<u8>>, FilesError> {
        Ok((path == "objects.yaml").then(|| self.0.clone().into_bytes()))
    }
}

fn object(kind: &str, namespace: &str, name: &str, rest: &str) -> String {
    format!(
        "---\napiVersion: image.toolkit.fluxcd.io/v1\nkind: {kind}\nmetadata: {{name: {name}, namespace: {namespace}}}\n{rest}\n"
    )
}

fn policy(namespace: &str, name: &str, repository: &str, rule: &str) -> String {
    object(
        "ImagePolicy",
        namespace,
        name,
        &format!("spec: {{imageRepositoryRef: {repository}, policy: {rule}}}"),
    )
}

fn load(parts: &[String]) -> ObjectSet {
    load_objects(&[(&Objects(parts.concat()), "")]).unwrap()
}

fn scans(of: &[(&str, &str, &[&str])]) -> BTreeMap<ObjectKey, Scan> {
    of.iter()
        .map(|(namespace, name, tags)| {
            let tags = TagSnapshot::new(tags.iter().map(ToString::to_string).collect());
            let scan = Scan {
                image: (*name).to_owned(),
                result: Ok(tags),
                elapsed: Duration::ZERO,
                requests: 1,
            };
            (ObjectKey::new(*namespace, *name), scan)
        })
        .collect()
}

fn text(outcome: &PolicyOutcome) -> String {
    outcome
        .result
        .as_ref()
        .map_or_else(Clone::clone, ToString::to_string)
}

#[test]
fn every_policy_selects_on_the_tags_of_its_own_repository() {
    let objects = load(&[
        object(
            "ImageRepository",
            "a",
            "app",
            "spec: {image: acme/app, interval: 1m}",
        ),
        policy("a", "one", "{name: app}", "{semver: {range: 1.x}}"),
        policy("a", "two", "{name: app}", "{alphabetical: {order: desc}}"),
        policy("a", "none", "{name: app}", "{semver: {range: 9.x}}"),
        policy("a", "gone", "{name: other}", "{semver: {range: 1.x}}"),
        policy("a", "wrong", "{name: app}", "{}"),
    ]);
    let outcomes = select(&objects, &scans(&[("a", "app", &["1.0.0", "1.2.0", "2.0.0"])]));
    let texts: Vec<(String, String)> = outcomes
        .iter()
        .map(|o| (o.policy.name.clone(), text(o)))
        .collect();
    insta::assert_debug_snapshot!(texts, @r#"
    [
        (
            "gone",
            "referenced ImageRepository does not exist: a/other",
        ),
        (
            "none",
            "unable to determine latest version from provided list",
        ),
        (
            "one",
            "acme/app:1.2.0",
        ),
        (
            "two",
            "acme/app:1.0.0",
        ),
        (
            "wrong",
            "invalid policy: given ImagePolicyChoice object is invalid",
        ),
    ]
    "#);
}

#[test]
fn a_repository_of_another_namespace_must_admit_the_policy() {
    let repository = |access: &str| {
        object(
            "ImageRepository",
            "images",
            "app",
            &format!("spec: {{image: acme/app, interval: 1m{access}}}"),
        )
    };
    let namespace =
        "---\napiVersion: v1\nkind: Namespace\nmetadata: {name: team, labels: {tier: gold}}\n".to_owned();
    let policy = policy(
        "team",
        "app",
        "{name: app, namespace: images}",
        "{semver: {range: '*'}}",
    );
    let scans = scans(&[("images", "app", &["1.0.0"])]);
    let outcome = |access: &str| {
        text(
            &select(
                &load(&[repository(access), namespace.clone(), policy.clone()]),
                &scans,
            )[0],
        )
    };
    assert_eq!(
        outcome(""),
        "access denied: 'images/app' can't be accessed due to missing ACL labels on 'accessFrom'"
    );
    assert_eq!(
        outcome(", accessFrom: {namespaceSelectors: [{matchLabels: {tier: silver}}]}"),
        "access denied: 'images/app' can't be accessed due to ACL labels mismatch on namespace 'team'"
    );
    assert_eq!(
        outcome(", accessFrom: {namespaceSelectors: [{matchLabels: {tier: gold}}]}"),
        "acme/app:1.0.0"
    );
    assert_eq!(
        outcome(", accessFrom: {namespaceSelectors: [{}]}"),
        "acme/app:1.0.0"
    );
}

#[test]
fn an_automation_writes_the_policies_of_its_namespace_that_its_selector_admits() {
    let labelled = policy("a", "gold", "{name: app}", "{semver: {range: '*'}}")
        .replace("namespace: a}", "namespace: a, labels: {tier: gold}}");
    let automation = |selector: &str| {
        object(
            "ImageUpdateAutomation",
            "a",
            "auto",
            &format!(
                "spec: {{interval: 1m, sourceRef: {{kind: GitRepository, name: x}}, git: {{commit: {{author: {{email: b}}}}, push: {{branch: main}}}}{selector}}}"
            ),
        )
    };
    let names = |selector: &str| {
        let objects = load(&[
            object(
                "ImageRepository",
                "a",
                "app",
                "spec: {image: acme/app, interval: 1m}",
            ),
            object(
                "ImageRepository",
                "b",
                "app",
                "spec: {image: acme/app, interval: 1m}",
            ),
            labelled.clone(),
            policy("a", "plain", "{name: app}", "{semver: {range: '*'}}"),
            policy("b", "other", "{name: app}", "{semver: {range: '*'}}"),
            automation(selector),
        ]);
        let outcomes = select(
            &objects,
            &scans(&[("a", "app", &["1.0.0"]), ("b", "app", &["1.0.0"])]),
        );
        let works = plan_works(&objects, &outcomes, &PlanDefaults::default());
        let work = works.into_iter().next().unwrap().1.unwrap();
        work.selections
            .keys()
            .map(|key| key.name.clone())
            .collect::<Vec<_>>()
            .join(" ")
    };
    assert_eq!(names(""), "gold plain");
    assert_eq!(names(", policySelector: {matchLabels: {tier: gold}}"), "gold");
    assert_eq!(
        names(", policySelector: {matchExpressions: [{key: tier, operator: DoesNotExist}]}"),
        "plain"
    );
    assert_eq!(
        names(", policySelector: {matchExpressions: [{key: tier, operator: NotIn, values: [silver]}]}"),
        "gold plain"
    );
    assert_eq!(
        names(", policySelector: {matchExpressions: [{key: tier, operator: In, values: [gold]}]}"),
        "gold"
    );
    assert_eq!(
        names(", policySelector: {matchExpressions: [{key: tier, operator: Exists}]}"),
        "gold"
    );
}

#[test]
fn what_is_suspended_is_left_alone() {
    let objects = load(&[
        object(
            "ImageRepository",
            "a",
            "app",
            "spec: {image: acme/app, interval: 1m, suspend: true}",
        ),
        policy("a", "waiting", "{name: app}", "{semver: {range: '*'}}"),
        policy("a", "suspended", "{name: app}", "{semver: {range: '*'}}")
            .replace("policy: {", "suspend: true, policy: {"),
    ]);
    let outcomes = select(&objects, &BTreeMap::new());
    assert_eq!(outcomes, []);
}

#[test]
fn automations_of_other_repositories_are_told_apart_only_where_there_are_several() {
    let source = |name: &str, url: &str| {
        format!(
            "---\napiVersion: source.toolkit.fluxcd.io/v1\nkind: GitRepository\nmetadata: {{name: {name}, namespace: a}}\n\
             spec: {{interval: 1m, url: '{url}'}}\n"
        )
    };
    let automation = |name: &str, of: &str| {
        object(
            "ImageUpdateAutomation",
            "a",
            name,
            &format!("spec: {{interval: 1m, sourceRef: {{kind: GitRepository, name: {of}}}}}"),
        )
    };
    let fleet = source("fleet", "ssh://git@forge.example/Acme/fleet");
    let one = load(&[fleet.clone(), automation("one", "fleet")]);
    assert!(foreign_automations(&one, "https://mirror.example/copy.git").is_empty());
    let two = load(&[
        fleet,
        source("tools", "https://forge.example/acme/tools.git"),
        automation("one", "fleet"),
        automation("two", "tools"),
    ]);
    for url in [
        "https://forge.example/acme/fleet.git",
        "git@forge.example:acme/fleet.git",
        "file:///srv/acme/fleet/",
    ] {
        let foreign: Vec<String> = foreign_automations(&two, url)
            .keys()
            .map(ToString::to_string)
            .collect();
        assert_eq!(foreign, ["a/two"], "{url}");
    }
}
