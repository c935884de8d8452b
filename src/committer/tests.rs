use fluxbot_api::image::ImageUpdateAutomation;
use rstest::rstest;

use super::*;
use crate::image::{ImageRef, PolicyKey, Selections};
use crate::setters::{self, ChangeSet};

fn selections() -> Selections {
    [("debug", "btoll/debug", "1.0.1"), ("web", "acme/web", "v2")]
        .into_iter()
        .map(|(policy, name, tag)| {
            (
                PolicyKey::new("ns", policy),
                ImageRef::new(name, tag, None).unwrap(),
            )
        })
        .collect()
}

/// The changes of a file in which both policies have markers, `web` a split one.
fn changes() -> ChangeSet {
    let text = "a: acme/web # {\"$imagepolicy\": \"ns:web:name\"}\n\
                b: v1 # {\"$imagepolicy\": \"ns:web:tag\"}\n\
                c: btoll/debug:1.0.0 # {\"$imagepolicy\": \"ns:debug\"}\n";
    let edited = setters::set(text.as_bytes(), &selections());
    let mut changes = ChangeSet::default();
    changes.record("values.yaml", edited.changes, edited.skipped);
    changes
}

#[rstest]
#[case::absent(None, "Update from image update automation")]
#[case::empty(Some(""), "Update from image update automation")]
#[case::text(Some("chore(flux): update image tags"), "chore(flux): update image tags")]
#[case::tutorial(
    Some("{{range .Updated.Images}}{{println .}}{{end}}"),
    "acme/web:v2\nbtoll/debug:1.0.1\n"
)]
#[case::spaced(
    Some("Images:\n{{ range .Updated.Images -}}\n- {{.}}\n{{ end -}}\n"),
    "Images:\n- acme/web:v2\n- btoll/debug:1.0.1\n"
)]
#[case::comment(Some("a{{/* not shown */}}b"), "ab")]
fn messages_are_rendered(#[case] template: Option<&str>, #[case] expected: &str) {
    assert_eq!(
        MessageTemplate::parse(template)
            .unwrap()
            .render(&changes(), &selections()),
        expected
    );
}

#[rstest]
#[case(
    "x\n{{ .Values.a }}",
    "line 2: the action '{{.Values.a}}' is not supported yet"
)]
#[case(
    "{{ range .Changed.Changes }}{{ end }}",
    "line 1: the action '{{range .Changed.Changes}}' is not supported yet"
)]
#[case("{{ println . }}", "the action '{{println .}}' is not supported yet")]
#[case("{{ range .Updated.Images }}", "'{{range}}' has no '{{end}}'")]
#[case("a\nb {{ end }}", "line 2: unexpected '{{end}}'")]
#[case("a {{ range", "line 1: unclosed action")]
fn what_cannot_be_rendered_is_refused(#[case] template: &str, #[case] expected: &str) {
    let error = MessageTemplate::parse(Some(template)).unwrap_err().to_string();
    let folded = error
        .split_ascii_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
        .replace("{{ ", "{{")
        .replace(" }}", "}}");
    assert!(folded.contains(expected), "{error}");
}

fn automation(git: &str, update: &str) -> ImageUpdateAutomation {
    let text = format!(
        "apiVersion: image.toolkit.fluxcd.io/v1\nkind: ImageUpdateAutomation\nmetadata: {{name: a, namespace: ns}}\n\
         spec:\n  interval: 1m\n  sourceRef: {{kind: GitRepository, name: fleet}}\n  git: {git}\n  update: {update}\n"
    );
    yaml_serde::from_str(&text).unwrap()
}

const COMMIT: &str = "commit: {author: {email: bot@example.org, name: bot}}";

#[rstest]
#[case::named("checkout: {ref: {branch: dev}}", None, None, ("dev", "dev"))]
#[case::push_branch("checkout: {ref: {branch: dev}}, push: {branch: updates}", None, None, ("dev", "updates"))]
#[case::flux_default("", None, None, ("master", "master"))]
#[case::remote_default("", None, Some("trunk"), ("trunk", "trunk"))]
#[case::override_moves_both("checkout: {ref: {branch: dev}}, push: {branch: dev}", Some("x"), None, ("x", "x"))]
#[case::override_keeps_push("checkout: {ref: {branch: dev}}, push: {branch: up}", Some("x"), None, ("x", "up"))]
fn branches_are_chosen(
    #[case] git: &str,
    #[case] branch: Option<&str>,
    #[case] default_branch: Option<&str>,
    #[case] expected: (&str, &str),
) {
    let defaults = PlanDefaults {
        branch: branch.map(Into::into),
        default_branch: default_branch.map(Into::into),
        signs: false,
    };
    let plan = plan(
        &automation(&format!("{{{COMMIT}, {git}}}"), "{}"),
        None,
        &defaults,
    )
    .unwrap();
    assert_eq!(
        (plan.checkout_branch.as_str(), plan.push_branch.as_str()),
        expected
    );
}

#[rstest]
#[case("{path: ./apps/}", "apps")]
#[case("{path: .}", "")]
#[case("{path: a/b/../c}", "a/c")]
#[case("{}", "")]
fn the_update_path_is_cleaned(#[case] update: &str, #[case] expected: &str) {
    let plan = plan(
        &automation(&format!("{{{COMMIT}}}"), update),
        None,
        &PlanDefaults::default(),
    )
    .unwrap();
    assert_eq!(plan.path, expected);
}

#[rstest]
#[case(
    "~",
    "{}",
    "source kind 'GitRepository' necessitates field .spec.git: invalid source configuration"
)]
#[case(
    "{commit: {author: {email: b}, signingKey: {secretRef: {name: k}}}}",
    "{}",
    "spec.git.commit.signingKey is not supported yet"
)]
#[case(
    "{commit: {author: {email: b}}, push: {refspec: 'a:b'}}",
    "{}",
    "spec.git.push.refspec is not supported yet"
)]
#[case(
    "{commit: {author: {email: b}}, checkout: {ref: {tag: v1}}}",
    "{}",
    "a checkout reference other than a branch is not supported yet"
)]
#[case(
    "{commit: {author: {email: b}}}",
    "{path: ../x}",
    "spec.update.path '../x' leaves the repository"
)]
fn what_is_not_supported_is_refused(#[case] git: &str, #[case] update: &str, #[case] expected: &str) {
    let error = plan(&automation(git, update), None, &PlanDefaults::default()).unwrap_err();
    assert_eq!(error.to_string(), expected);
}
