use fluxbot_api::Fault;
use fluxbot_api::condition::ConditionType;
use fluxbot_api::image::ImageUpdateAutomationStatus;
use rstest::rstest;

use super::plan::UP_TO_DATE;
use super::*;
use crate::committer::CommitPlan;
use crate::controller::outcome::{Change, Status};

const HEAD: &str = "1111111111111111111111111111111111111111";

fn automation(push: Option<&str>) -> ImageUpdateAutomation {
    let mut automation: ImageUpdateAutomation = serde_json::from_value(serde_json::json!({
        "apiVersion": "image.toolkit.fluxcd.io/v1",
        "kind": "ImageUpdateAutomation",
        "metadata": { "name": "apps", "namespace": "team", "generation": 2 },
        "spec": {
            "interval": "1m",
            "sourceRef": { "kind": "GitRepository", "name": "fleet" },
            "git": {
                "checkout": { "ref": { "branch": "main" } },
                "commit": { "author": { "email": "bot@example.com" } },
                "push": push.map(|branch| serde_json::json!({ "branch": branch })),
            },
        },
    }))
    .unwrap();
    let mut status = ImageUpdateAutomationStatus {
        observed_generation: Some(2),
        observed_policies: policies("1"),
        observed_source_revision: Some(format!("main@sha1:{HEAD}")),
        ..ImageUpdateAutomationStatus::default()
    };
    let ready = Change::new(ConditionType::Ready, Status::True, Reason::Succeeded, UP_TO_DATE);
    outcome::set(&mut status.conditions, ready, 2, Timestamp::UNIX_EPOCH);
    automation.status = Some(status);
    automation
}

fn policies(tag: &str) -> BTreeMap<String, ApiImageRef> {
    let latest = ApiImageRef {
        name: "r.example/app".to_owned(),
        tag: tag.to_owned(),
        digest: None,
    };
    BTreeMap::from([("app".to_owned(), latest)])
}

fn plan_of(automation: &ImageUpdateAutomation) -> CommitPlan {
    committer::plan(automation, None, &PlanDefaults::default()).unwrap()
}

fn nothing(_: &mut ImageUpdateAutomation) {}

fn spec(automation: &mut ImageUpdateAutomation) {
    automation.metadata.generation = Some(3);
}

fn failed(automation: &mut ImageUpdateAutomation) {
    let status = automation.status.as_mut().unwrap();
    let ready = Change::new(
        ConditionType::Ready,
        Status::False,
        Reason::GitOperationFailed,
        "x",
    );
    outcome::set(&mut status.conditions, ready, 2, Timestamp::UNIX_EPOCH);
}

fn other_branch(automation: &mut ImageUpdateAutomation) {
    let status = automation.status.as_mut().unwrap();
    status.observed_source_revision = Some(format!("release@sha1:{HEAD}"));
}

fn first_run(automation: &mut ImageUpdateAutomation) {
    automation.status = None;
}

#[rstest]
#[case::nothing(nothing, None, "1", true)]
#[case::the_spec(spec, None, "1", false)]
#[case::a_selection(nothing, None, "2", false)]
#[case::the_last_run_failed(failed, None, "1", false)]
#[case::the_branch(other_branch, None, "1", false)]
#[case::it_never_ran(first_run, None, "1", false)]
#[case::it_pushes_elsewhere(nothing, Some("bot"), "1", false)]
fn a_run_is_spared_unless_something_changed(
    #[case] change: fn(&mut ImageUpdateAutomation),
    #[case] push: Option<&str>,
    #[case] tag: &str,
    #[case] expected: bool,
) {
    let mut automation = automation(push);
    change(&mut automation);
    let plan = plan_of(&automation);
    let settled = settled_at(&automation, &plan, &policies(tag));
    assert_eq!(settled, expected.then(|| ("main", HEAD.parse().unwrap())));
}

#[test]
fn a_selection_that_cannot_stand_in_a_file_is_left_out() {
    let mut policies = policies("1");
    let mut bad = policies["app"].clone();
    bad.tag = "1\nkey: value".to_owned();
    policies.insert("bad".to_owned(), bad);
    let selections = selections(&ObjectKey::new("team", "apps"), &policies);
    let names: Vec<String> = selections.keys().map(ToString::to_string).collect();
    assert_eq!(names, ["team:app"]);
}

#[test]
fn a_refused_credential_names_its_secret_and_nothing_else_does() {
    let mut source = GitRepository::new("fleet", fluxbot_api::source::GitRepositorySpec::default());
    source.metadata.namespace = Some("team".to_owned());
    let error = |fault: Fault| LandError {
        reason: Reason::GitOperationFailed,
        message: "failed to update source: no".to_owned(),
        diagnosis: Some(fault.into()),
    };
    let mut messages = vec![failure(&error(Fault::AuthorizationFailed), &source).message];
    source.spec.secret_ref = Some(fluxbot_api::meta::LocalObjectReference {
        name: "git".to_owned(),
    });
    messages.push(failure(&error(Fault::AuthorizationFailed), &source).message);
    messages.push(failure(&error(Fault::GitUnreachable), &source).message);
    insta::assert_snapshot!(messages.join("\n"), @r"
    AuthorizationFailed: failed to update source: no; GitRepository 'team/fleet' has no spec.secretRef
    AuthorizationFailed: failed to update source: no; see Secret 'team/git'
    GitUnreachable: failed to update source: no
    ");
}

#[test]
fn the_event_of_a_push_reads_as_in_flux() {
    let commit = Commit {
        id: HEAD.to_owned(),
        branch: "main".to_owned(),
        refspec: None,
        message: "Update images\n\n- r.example/app:1".to_owned(),
    };
    insta::assert_snapshot!(push_message(&commit), @r"
    pushed commit '1111111' to branch 'main'
    Update images

    - r.example/app:1
    ");
    let commit = Commit {
        refspec: Some("refs/heads/main:refs/for/main".to_owned()),
        ..commit
    };
    let first = push_message(&commit);
    assert_eq!(
        first.lines().next(),
        Some("pushed commit '1111111' to branch 'main' and refspecs 'refs/heads/main:refs/for/main'")
    );
}
