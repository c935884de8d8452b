use fluxbot_api::image::ImageUpdateAutomation;
use fluxbot_api::source::GitRepository;
use rstest::rstest;

use super::*;

fn automation(git: &str, update: &str) -> ImageUpdateAutomation {
    let text = format!(
        "apiVersion: image.toolkit.fluxcd.io/v1\nkind: ImageUpdateAutomation\nmetadata: {{name: a, namespace: ns}}\n\
         spec:\n  interval: 1m\n  sourceRef: {{kind: GitRepository, name: fleet}}\n  git: {git}\n  update: {update}\n"
    );
    yaml_serde::from_str(&text).unwrap()
}

fn source(reference: &str) -> GitRepository {
    let text = format!(
        "apiVersion: source.toolkit.fluxcd.io/v1\nkind: GitRepository\nmetadata: {{name: fleet, namespace: ns}}\n\
         spec: {{interval: 1m, url: 'https://git.example/fleet', ref: {reference}}}\n"
    );
    yaml_serde::from_str(&text).unwrap()
}

const COMMIT: &str = "commit: {author: {email: bot@example.org, name: bot}}";

/// What is checked out, the push branch, and whether it is another one.
type Branches<'a> = (&'a str, &'a str, bool);

#[rstest]
#[case::named("checkout: {ref: {branch: dev}}", ("branch 'dev'", "dev", false))]
#[case::push_branch("checkout: {ref: {branch: dev}}, push: {branch: updates}", ("branch 'dev'", "updates", true))]
#[case::flux_default("push: {branch: updates}", ("branch 'master'", "updates", true))]
#[case::same_as_the_default("push: {branch: master}", ("branch 'master'", "master", false))]
#[case::tag("checkout: {ref: {tag: v1}}, push: {branch: updates}", ("tag 'v1'", "updates", true))]
#[case::tag_with_branch("checkout: {ref: {tag: v1, branch: dev}}", ("tag 'v1'", "dev", false))]
#[case::semver("checkout: {ref: {semver: 1.x}}, push: {branch: up}", ("a tag in the range '1.x'", "up", true))]
#[case::name("checkout: {ref: {name: refs/pull/1/head}}, push: {branch: up}", ("reference 'refs/pull/1/head'", "up", true))]
#[case::commit("checkout: {ref: {commit: abc, branch: dev}}, push: {branch: up}", ("commit 'abc'", "up", true))]
fn branches_are_chosen_as_in_flux(#[case] git: &str, #[case] expected: Branches<'_>) {
    let automation = automation(&format!("{{{COMMIT}, {git}}}"), "{}");
    let target = plan(&automation, None, &PlanDefaults::default()).unwrap().target;
    assert_eq!(
        (
            target.checkout.to_string().as_str(),
            target.push_branch.as_str(),
            target.switches
        ),
        expected
    );
}

#[rstest]
#[case::from_the_source("", Some("{branch: trunk}"), Ok(("branch 'trunk'", "trunk", false)))]
#[case::own_before_the_source("checkout: {ref: {branch: dev}}", Some("{branch: trunk}"), Ok(("branch 'dev'", "dev", false)))]
#[case::nothing_names_a_branch("", None, Err(()))]
#[case::a_tag_is_no_branch("checkout: {ref: {tag: v1}}", Some("{branch: trunk}"), Err(()))]
fn the_push_branch_must_be_named_somewhere(
    #[case] git: &str,
    #[case] reference: Option<&str>,
    #[case] expected: Result<Branches<'_>, ()>,
) {
    let automation = automation(&format!("{{{COMMIT}, {git}}}"), "{}");
    let source = reference.map(source);
    let planned = plan(&automation, source.as_ref(), &PlanDefaults::default());
    let planned = planned.map(|plan| plan.target).map_err(|error| {
        assert_eq!(
            error.to_string(),
            "failed configuring source manager: push spec not provided, and cannot be inferred from .spec.git.checkout.ref or \
             GitRepository .spec.ref"
        );
    });
    let planned = planned.map(|target| (target.checkout.to_string(), target.push_branch, target.switches));
    let expected =
        expected.map(|(checkout, push, switches)| (checkout.to_owned(), push.to_owned(), switches));
    assert_eq!(planned, expected);
}

#[rstest]
#[case::remote_default("", None, Some("trunk"), ("branch 'trunk'", "trunk", false))]
#[case::override_moves_both("checkout: {ref: {branch: dev}}, push: {branch: dev}", Some("x"), None, ("branch 'x'", "x", false))]
#[case::override_keeps_push("checkout: {ref: {branch: dev}}, push: {branch: up}", Some("x"), None, ("branch 'x'", "up", true))]
#[case::override_of_a_tag("checkout: {ref: {tag: v1}}, push: {branch: up}", Some("x"), None, ("branch 'x'", "up", true))]
fn the_command_line_moves_the_work_to_a_branch(
    #[case] git: &str,
    #[case] branch: Option<&str>,
    #[case] default_branch: Option<&str>,
    #[case] expected: Branches<'_>,
) {
    let defaults = PlanDefaults {
        branch: branch.map(Into::into),
        default_branch: default_branch.map(Into::into),
        ..PlanDefaults::default()
    };
    let automation = automation(&format!("{{{COMMIT}, {git}}}"), "{}");
    let target = plan(&automation, None, &defaults).unwrap().target;
    assert_eq!(
        (
            target.checkout.to_string().as_str(),
            target.push_branch.as_str(),
            target.switches
        ),
        expected
    );
}

#[test]
fn the_annotation_chooses_the_preset_and_a_template_goes_before_it() {
    let defaults = PlanDefaults {
        preset: MessagePreset::Conventional,
        ..PlanDefaults::default()
    };
    let message = |annotation: Option<&str>, git: &str, defaults: &PlanDefaults| {
        let mut automation = automation(git, "{}");
        let annotation = annotation.map(|value| ("fluxbot.io/commit-message".to_owned(), value.to_owned()));
        automation.metadata.annotations = Some(annotation.into_iter().collect());
        plan(&automation, None, defaults).map(|plan| plan.message)
    };
    let parse = |template, preset| MessageTemplate::parse(template, preset).unwrap();
    let main = format!("{{{COMMIT}, push: {{branch: main}}}}");
    let none = PlanDefaults::default();
    assert_eq!(
        message(None, &main, &none).unwrap(),
        parse(None, MessagePreset::Flux)
    );
    let conventional = parse(None, MessagePreset::Conventional);
    assert_eq!(message(Some("conventional"), &main, &none).unwrap(), conventional);
    assert_eq!(message(None, &main, &defaults).unwrap(), conventional);
    assert_eq!(
        message(Some("flux"), &main, &defaults).unwrap(),
        parse(None, MessagePreset::Flux)
    );
    let own = "{commit: {author: {email: b}, messageTemplate: mine}, push: {branch: main}}";
    let template = parse(Some("mine"), MessagePreset::Flux);
    assert_eq!(message(Some("conventional"), own, &defaults).unwrap(), template);
    assert_eq!(
        message(Some("angular"), &main, &none).unwrap_err().to_string(),
        "annotation fluxbot.io/commit-message: 'angular' is no preset for commit messages; there are 'flux' and 'conventional'"
    );
}

#[rstest]
#[case("{path: ./apps/}", "apps")]
#[case("{path: .}", "")]
#[case("{path: a/b/../c}", "a/c")]
#[case("{}", "")]
fn the_update_path_is_cleaned(#[case] update: &str, #[case] expected: &str) {
    let automation = automation(&format!("{{{COMMIT}, push: {{branch: main}}}}"), update);
    let plan = plan(&automation, None, &PlanDefaults::default()).unwrap();
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
    "{commit: {author: {email: b}}, push: {branch: x, refspec: 'a:b'}}",
    "{}",
    "spec.git.push.refspec 'a:b' cannot be pushed: its source must be HEAD, the push branch 'x', or what is checked out"
)]
#[case(
    "{commit: {author: {email: b}, messageTemplate: '{{ .Values.a'}, push: {branch: x}}",
    "{}",
    "unable to create commit message template from spec: template: commit message:1: unclosed action"
)]
#[case(
    "{commit: {author: {email: b}}, push: {branch: x}}",
    "{path: ../x}",
    "spec.update.path '../x' leaves the repository"
)]
fn what_cannot_be_done_is_refused(#[case] git: &str, #[case] update: &str, #[case] expected: &str) {
    let error = plan(&automation(git, update), None, &PlanDefaults::default()).unwrap_err();
    assert_eq!(error.to_string(), expected);
}
