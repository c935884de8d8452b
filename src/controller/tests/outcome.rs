use std::time::Duration;

use fluxbot_api::Reason;
use fluxbot_api::condition::{ConditionType, EventSeverity};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use rstest::rstest;

use crate::controller::outcome::{self, Before, backoff, progressing, settle};
use crate::controller::{Announce, Done, Failure, Recovery, Requeue};

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn before(conditions: &[Condition]) -> Before<'_> {
    Before {
        generation: 3,
        conditions,
        progress: None,
        failures: 0,
    }
}

fn success(message: &str) -> Done {
    Done {
        reason: Reason::Succeeded,
        message: message.to_owned(),
        requeue: Requeue::After(Duration::from_mins(1)),
        announce: Announce::Change,
    }
}

fn shown(conditions: &[Condition]) -> Vec<String> {
    let line = |c: &Condition| {
        let since = c.last_transition_time.0.as_second();
        format!(
            "{}={} {} {:?} since {since}",
            c.type_, c.status, c.reason, c.message
        )
    };
    conditions.iter().map(line).collect()
}

#[test]
fn a_success_is_ready_at_the_generation_that_was_reconciled() {
    let settled = settle(&before(&[]), &Ok(success("stored")), at(100));
    insta::assert_debug_snapshot!(shown(&settled.conditions), @r#"
    [
        "Ready=True Succeeded \"stored\" since 100",
    ]
    "#);
    assert_eq!(settled.observed_generation, Some(3));
    assert_eq!(settled.requeue, Requeue::After(Duration::from_mins(1)));
    assert_eq!(settled.event.unwrap().severity, EventSeverity::Info);
}

#[test]
fn the_same_success_again_changes_nothing_and_says_nothing() {
    let first = settle(&before(&[]), &Ok(success("stored")), at(100));
    let second = settle(&before(&first.conditions), &Ok(success("stored")), at(200));
    assert_eq!(first.conditions, second.conditions);
    assert_eq!(second.event, None);
}

#[test]
fn a_new_message_is_told_but_is_no_transition() {
    let first = settle(&before(&[]), &Ok(success("one")), at(100));
    let second = settle(&before(&first.conditions), &Ok(success("two")), at(200));
    assert_eq!(
        shown(&second.conditions),
        ["Ready=True Succeeded \"two\" since 100"]
    );
    assert_eq!(second.event.unwrap().message, "two");
}

#[test]
fn a_failure_is_retried_and_does_not_observe_the_generation() {
    let ready = settle(&before(&[]), &Ok(success("one")), at(100)).conditions;
    let failure = Failure::new(Reason::ReadOperationFailed, "scan failed: no route").with("a/b", "c");
    let context = Before {
        progress: Some("scanning"),
        ..before(&ready)
    };
    let settled = settle(&context, &Err(failure), at(200));
    insta::assert_debug_snapshot!(shown(&settled.conditions), @r#"
    [
        "Reconciling=True ProgressingWithRetry \"scanning\" since 200",
        "Ready=False ReadOperationFailed \"scan failed: no route\" since 200",
    ]
    "#);
    assert_eq!(settled.observed_generation, None);
    assert_eq!(settled.requeue, Requeue::After(Duration::from_millis(750)));
    let event = settled.event.unwrap();
    assert_eq!(event.severity, EventSeverity::Error);
    assert_eq!(event.metadata, [("a/b".to_owned(), "c".to_owned())]);
}

#[test]
fn the_same_failure_again_is_no_news_but_waits_longer() {
    let failure = || Err(Failure::new(Reason::Failed, "no"));
    let first = settle(&before(&[]), &failure(), at(100));
    let again = Before {
        failures: first.failures,
        ..before(&first.conditions)
    };
    let second = settle(&again, &failure(), at(200));
    assert_eq!(second.event, None);
    assert_eq!(second.failures, 2);
    assert_eq!(second.requeue, Requeue::After(Duration::from_millis(1500)));
}

#[test]
fn stalled_observes_the_generation_and_waits_for_a_change() {
    let failure = Failure::stalled(Reason::InvalidPolicy, "invalid policy: x");
    let settled = settle(&before(&[]), &Err(failure), at(100));
    insta::assert_debug_snapshot!(shown(&settled.conditions), @r#"
    [
        "Stalled=True InvalidPolicy \"invalid policy: x\" since 100",
        "Ready=False InvalidPolicy \"invalid policy: x\" since 100",
    ]
    "#);
    assert_eq!(settled.observed_generation, Some(3));
    assert_eq!(settled.requeue, Requeue::OnChange);
}

#[test]
fn success_after_a_stall_leaves_no_trace_of_it() {
    let stalled = settle(
        &before(&[]),
        &Err(Failure::stalled(Reason::Failed, "no")),
        at(100),
    )
    .conditions;
    let settled = settle(&before(&stalled), &Ok(success("yes")), at(200));
    assert_eq!(
        shown(&settled.conditions),
        ["Ready=True Succeeded \"yes\" since 200"]
    );
}

#[test]
fn conditions_of_the_kind_are_kept() {
    let mut conditions = Vec::new();
    let healthy = outcome::Change::new(
        ConditionType::Healthy,
        outcome::Status::True,
        Reason::Succeeded,
        "all",
    );
    outcome::set(&mut conditions, healthy, 2, at(50));
    let settled = settle(&before(&conditions), &Ok(success("yes")), at(200));
    assert_eq!(shown(&settled.conditions).len(), 2);
}

#[rstest]
#[case(
    Recovery::After(Duration::from_secs(7)),
    Requeue::After(Duration::from_secs(7))
)]
#[case(
    Recovery::Wait(Duration::from_secs(30)),
    Requeue::After(Duration::from_secs(30))
)]
fn a_failure_can_say_when_to_try_again(#[case] recovery: Recovery, #[case] requeue: Requeue) {
    let failure = Failure::new(Reason::DependencyNotReady, "waiting").recovery(recovery);
    assert_eq!(settle(&before(&[]), &Err(failure), at(1)).requeue, requeue);
}

#[rstest]
#[case(1, 750)]
#[case(2, 1_500)]
#[case(5, 12_000)]
#[case(9, 192_000)]
#[case(10, 300_000)]
#[case(u32::MAX, 300_000)]
fn pauses_double_up_to_five_minutes(#[case] failures: u32, #[case] milliseconds: u64) {
    assert_eq!(backoff(failures), Duration::from_millis(milliseconds));
}

#[test]
fn a_message_that_is_too_long_for_the_api_is_cut_between_characters() {
    let failure = Failure::new(Reason::Failed, "ä".repeat(40_000));
    let settled = settle(&before(&[]), &Err(failure.clone()), at(1));
    let ready = outcome::find(&settled.conditions, ConditionType::Ready).unwrap();
    assert!(ready.message.len() <= 32_768 && ready.message.ends_with("ä..."));
    let again = settle(&before(&settled.conditions), &Err(failure), at(2));
    assert_eq!(again.event, None, "the cut message is recognised as the same");
}

#[test]
fn progress_shows_ready_as_unknown_only_where_the_kind_wants_it() {
    let ready = settle(&before(&[]), &Ok(success("one")), at(100)).conditions;
    let quiet = progressing(&ready, 3, "fetching", false, at(200));
    let loud = progressing(&ready, 3, "fetching", true, at(200));
    insta::assert_debug_snapshot!((shown(&quiet), shown(&loud)), @r#"
    (
        [
            "Reconciling=True Progressing \"fetching\" since 200",
            "Ready=True Succeeded \"one\" since 100",
        ],
        [
            "Reconciling=True Progressing \"fetching\" since 200",
            "Ready=Unknown Progressing \"Reconciliation in progress\" since 200",
        ],
    )
    "#);
}

#[test]
fn an_event_can_tell_a_failure_in_other_words_than_ready() {
    let failure = Failure::new(Reason::DependencyNotReady, "dependency 'apps/base' is not ready")
        .telling("Dependencies do not meet ready condition, retrying in 30s");
    let settled = settle(&before(&[]), &Err(failure), at(100));
    let ready = outcome::find(&settled.conditions, ConditionType::Ready).unwrap();
    assert_eq!(ready.message, "dependency 'apps/base' is not ready");
    let text = "Dependencies do not meet ready condition, retrying in 30s";
    assert_eq!(settled.event.unwrap().message, text);
}

#[test]
fn a_save_during_a_run_keeps_what_is_shown_of_the_run() {
    let old = settle(&before(&[]), &Ok(success("stored")), at(100)).conditions;
    let shown_now = progressing(&old, 3, "Running health checks", true, at(101));
    let mut own = old.clone();
    let healthy = outcome::Change::new(
        ConditionType::Healthy,
        outcome::Status::Unknown,
        Reason::Progressing,
        "Running health checks",
    );
    outcome::set(&mut own, healthy, 3, at(102));
    outcome::keep_shown(&mut own, &shown_now);
    let kinds: Vec<(&str, &str)> = own
        .iter()
        .map(|condition| (condition.type_.as_str(), condition.status.as_str()))
        .collect();
    let expected = [
        ("Reconciling", "True"),
        ("Ready", "Unknown"),
        ("Healthy", "Unknown"),
    ];
    assert_eq!(kinds, expected);
}
