use rstest::rstest;
use serde::Deserialize;
use serde_json::json;

use super::*;

/// An object and what kstatus says of it; written by `hack/oracle/kstatus`.
#[derive(Deserialize)]
struct Case {
    object: Value,
    #[serde(default)]
    status: String,
    #[serde(default)]
    message: String,
    #[serde(default)]
    error: String,
}

#[test]
fn the_answers_are_those_of_kstatus() {
    let cases: Vec<Case> = include_str!("golden/kstatus.jsonl")
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert!(cases.len() > 300, "{}", cases.len());
    let mut faults = Vec::new();
    for case in cases {
        let found = compute(&case.object);
        let answer = format!("{}: {}", found.status, found.message);
        let expected = if case.error.is_empty() {
            format!("{}: {}", case.status, case.message)
        } else {
            format!("Unknown: {}", case.error)
        };
        // A deviation, and Flux's own: a job that runs is not done.
        let expected = if expected.starts_with("Current: Job in progress.") {
            expected.replacen("Current", "InProgress", 1)
        } else {
            expected
        };
        if answer != expected {
            faults.push(format!(
                "{}\n  kstatus: {expected}\n  here:    {answer}",
                case.object
            ));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn a_pod_that_no_node_takes_is_on_its_way() {
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "status": {"phase": "Pending",
        "conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}]}});
    assert_eq!(compute(&pod), Health::in_progress("Pod has not been scheduled"));
}

fn crashing(metadata: &Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "status": {"phase": "Running",
        "containerStatuses": [{"name": "a", "state": {"waiting": {"reason": "CrashLoopBackOff"}}}]}})
}

#[rstest]
#[case(vec![], None)]
#[case(vec![json!({"apiVersion": "v1", "kind": "Pod", "status": {"phase": "Pending"}})], None)]
#[case(vec![crashing(&json!({}))], Some("1 pods have failed"))]
#[case(vec![crashing(&json!({"deletionTimestamp": "2026-01-01T00:00:00Z"}))], None)]
fn pods_that_have_failed_for_good_fail_their_deployment(
    #[case] pods: Vec<Value>,
    #[case] expected: Option<&str>,
) {
    assert_eq!(of_pods(&pods), expected.map(Health::failed));
}
