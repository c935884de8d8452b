//! Errors and verdicts as users read them.

use std::fmt::Write as _;

use insta::assert_snapshot;
use rstest::rstest;

use super::super::{InvalidPolicy, Order, Policy, TagFilter, explain, select};
use super::snapshot;
use crate::image::TagSnapshot;

fn explained(tags: &TagSnapshot, policy: &Policy, filter: Option<&TagFilter>) -> String {
    let mut lines = String::new();
    for verdict in explain(tags, policy, filter) {
        let value = verdict
            .value
            .map(|value| format!(" ({value})"))
            .unwrap_or_default();
        writeln!(lines, "{}{value} {}", verdict.tag, verdict.outcome).unwrap();
    }
    lines
}

#[test]
fn a_semver_policy_explains_each_tag() {
    let tags = snapshot(&["1.0.0", "v1.0.0", "1.0.3", "1.1.0", "1.0.4-rc.1", "latest", "1.0"]);
    assert_snapshot!(explained(&tags, &Policy::semver("1.0.x").unwrap(), None), @r"
    1.0.3 is selected
    v1.0.0 is eligible, in place 2
    1.0.0 is eligible, in place 3
    latest is not a semantic version
    1.1.0 is outside the range '1.0.x'
    1.0.4-rc.1 is a pre-release, and the range '1.0.x' admits none
    1.0 is not a semantic version
    ");
}

#[test]
fn a_range_that_names_a_prerelease_does_not_blame_the_prerelease() {
    let tags = snapshot(&["1.0.0-rc.1", "0.9.0-rc.1"]);
    assert_snapshot!(explained(&tags, &Policy::semver(">=1.0.0-0").unwrap(), None), @r"
    1.0.0-rc.1 is selected
    0.9.0-rc.1 is outside the range '>=1.0.0-0'
    ");
}

#[test]
fn a_filter_explains_what_it_drops_and_what_it_extracts() {
    let tags = snapshot(&["main-aa-10", "main-bb-9", "main-cc-9", "dev-aa-11"]);
    let filter = TagFilter::compile("^main-[a-f0-9]+-(?P<n>[0-9]+)$", Some("$n")).unwrap();
    assert_snapshot!(explained(&tags, &Policy::numerical("").unwrap(), Some(&filter)), @r"
    main-aa-10 (10) is selected
    main-bb-9 (9) is eligible, in place 2
    main-cc-9 (9) has the same extracted value as 'main-bb-9', which is kept
    dev-aa-11 does not match filterTags pattern '^main-[a-f0-9]+-(?P<n>[0-9]+)$'
    ");
}

#[test]
fn a_numerical_policy_that_fails_selects_none_and_names_the_culprit() {
    let tags = snapshot(&["1", "2", "latest"]);
    let policy = Policy::numerical("asc").unwrap();
    assert_snapshot!(explained(&tags, &policy, None), @r"
    2 is eligible, in place 1
    1 is eligible, in place 2
    latest is not a number, which fails the whole policy
    ");
    assert_snapshot!(select(&tags, &policy, None).unwrap_err(), @"failed to parse invalid numeric value 'latest'");
}

#[test]
fn an_alphabetical_policy_prefers_the_last_or_the_first() {
    let tags = snapshot(&["a", "B", "b"]);
    assert_snapshot!(explained(&tags, &Policy::Alphabetical(Order::Descending), None), @r"
    B is selected
    a is eligible, in place 2
    b is eligible, in place 3
    ");
}

#[rstest]
#[case(&[], "1.x", "version list argument cannot be empty")]
#[case(&["2.0.0"], "1.x", "unable to determine latest version from provided list")]
#[case(&["latest"], "*", "unable to determine latest version from provided list")]
fn a_selection_fails_in_the_words_of_flux(#[case] tags: &[&str], #[case] range: &str, #[case] message: &str) {
    let error = select(&snapshot(tags), &Policy::semver(range).unwrap(), None).unwrap_err();
    assert_eq!(error.to_string(), message);
}

#[test]
fn a_filter_that_matches_nothing_leaves_an_empty_list() {
    let filter = TagFilter::compile("^x", None).unwrap();
    let error = select(
        &snapshot(&["1.0.0"]),
        &Policy::semver("*").unwrap(),
        Some(&filter),
    )
    .unwrap_err();
    assert_eq!(error.to_string(), "version list argument cannot be empty");
}

#[rstest]
#[case(Policy::semver("bad").unwrap_err(), "invalid policy: improper constraint: \"bad\"")]
#[case(Policy::semver("").unwrap_err(), "invalid policy: improper constraint: \"\"")]
#[case(Policy::semver("1x").unwrap_err(), "invalid policy: constraint parser error")]
#[case(
    Policy::numerical("up").unwrap_err(),
    "invalid policy: invalid order argument provided: 'UP', must be one of: ASC, DESC"
)]
#[case(
    Policy::alphabetical("up").unwrap_err(),
    "invalid policy: invalid order argument provided: 'UP', must be one of: ASC, DESC"
)]
#[case(
    InvalidPolicy::Choice,
    "invalid policy: given ImagePolicyChoice object is invalid"
)]
#[case(
    TagFilter::compile("(", None).unwrap_err(),
    "failed to filter tags: invalid regular expression pattern '(': error parsing regexp: missing closing ): `(`"
)]
fn an_invalid_policy_is_named_in_the_words_of_flux(#[case] error: InvalidPolicy, #[case] message: &str) {
    assert_eq!(error.to_string(), message);
}

#[rstest]
#[case("", Order::Ascending)]
#[case("asc", Order::Ascending)]
#[case("Asc", Order::Ascending)]
#[case("DESC", Order::Descending)]
fn an_order_is_read_in_any_case(#[case] text: &str, #[case] order: Order) {
    assert_eq!(text.parse(), Ok(order));
}

/// Equal values: without a filter as Flux decides, with one always alike.
#[rstest]
#[case(Policy::semver("*").unwrap(), None, &["1.0.0", "v1.0.0", "1.0.0+b"], "v1.0.0")]
#[case(Policy::numerical("asc").unwrap(), None, &["1.0", "1.00", "1"], "1")]
#[case(Policy::numerical("desc").unwrap(), None, &["1.0", "1.00", "1"], "1")]
#[case(Policy::semver("*").unwrap(), Some(("-(.*)", "$1")), &["a-1.0.0", "b-v1.0.0", "c-01.0.0"], "c-01.0.0")]
#[case(Policy::numerical("asc").unwrap(), Some(("-(.*)", "$1")), &["a-1", "b-1.0", "c-01"], "a-1")]
#[case(Policy::semver("*").unwrap(), Some(("-(.*)", "$1")), &["a-1.0.0", "b-1.0.0", "c-1.0.0"], "a-1.0.0")]
#[case(Policy::alphabetical("asc").unwrap(), Some(("-(.*)", "$1")), &["a-x", "b-x", "c-a"], "a-x")]
fn ties_are_decided_by_the_order_of_the_tags(
    #[case] policy: Policy,
    #[case] filter: Option<(&str, &str)>,
    #[case] tags: &[&str],
    #[case] selected: &str,
) {
    let filter = filter.map(|(pattern, extract)| TagFilter::compile(pattern, Some(extract)).unwrap());
    assert_eq!(select(&snapshot(tags), &policy, filter.as_ref()), Ok(selected));
}

#[rstest]
#[case::long("a".repeat(8 * 1024 + 1), "expression too large")]
#[case::deep(format!("{}a{}", "(".repeat(51), ")".repeat(51)), "expression nests too deeply")]
#[case::stacked(format!("a{}", "*(?i)".repeat(60)), "expression nests too deeply")]
#[case::both(format!("{}a{}{}", "(".repeat(30), "*(?i)".repeat(30), ")".repeat(30)), "expression nests too deeply")]
#[case::big(r"\pL{1000}".repeat(9), "expression too large")]
#[case::folded(r"(?i)\pL".repeat(300), "expression too large")]
fn a_hostile_pattern_is_refused(#[case] pattern: String, #[case] reason: &str) {
    let message = TagFilter::compile(&pattern, None).unwrap_err().to_string();
    assert!(
        message.contains(&format!("error parsing regexp: {reason}: `")),
        "{message:.300}"
    );
}

#[test]
fn the_deepest_pattern_that_is_read_compiles_on_a_small_stack() {
    let pattern = format!("{}a|b{}", "(".repeat(50), "|c)*d".repeat(50));
    assert!(TagFilter::compile(&pattern, Some("$50")).is_ok());
}
