use rstest::rstest;
use serde_json::json;

use super::*;

fn variables() -> Map<String, Value> {
    let object = json!({
        "apiVersion": "example.org/v1",
        "metadata": {"name": "web", "generation": 2, "labels": {"app.kubernetes.io/version": "1.2"}},
        "spec": {"replicas": 3, "share": 0.5},
        "status": {"observedGeneration": 2, "phase": "Running", "ready": 3, "tags": ["a", "b"],
            "conditions": [{"type": "Ready", "status": "True", "observedGeneration": 2}]},
    });
    match object {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}

#[rstest]
#[case::of_a_condition(
    "status.conditions.filter(e, e.type == 'Ready').all(e, e.status == 'True' && e.observedGeneration == metadata.generation)",
    true
)]
#[case::of_a_condition_that_is_not_there(
    "status.conditions.exists(e, e.type == 'Stalled' && e.status == 'True')",
    false
)]
#[case::of_a_field("has(status.phase) && status.phase == 'Running'", true)]
#[case::of_a_missing_field("has(status.missing)", false)]
#[case::of_numbers("status.ready >= spec.replicas && spec.share < 1.0", true)]
#[case::of_numbers_of_two_types("spec.share < 1 && spec.replicas == 3.0", true)]
#[case::of_a_key_with_dots("metadata.labels['app.kubernetes.io/version'].startsWith('1.')", true)]
#[case::of_optional_fields(
    "status.?missing.orValue('none') == 'none' && status.?phase.orValue('') == 'Running'",
    true
)]
#[case::of_lists(
    "size(status.tags) == 2 && 'a' in status.tags && status.tags.join('-') == 'a-b'",
    true
)]
#[case::of_sets(
    "sets.contains(status.tags, ['b']) && !sets.intersects(status.tags, ['c'])",
    true
)]
#[case::of_texts(
    "'A,b'.lowerAscii().split(',') == ['a', 'b'] && 'tacocat'.substring(4) == 'cat'",
    true
)]
#[case::of_places(
    "'tacocat'.indexOf('c') == 2 && 'tacocat'.lastIndexOf('c') == 4 && 'abc'.replace('b', '-') == 'a-c'",
    true
)]
#[case::of_a_condition_and_two_values("status.ready == 3 ? true : false", true)]
#[case::of_a_pattern("status.phase.matches('^Run')", true)]
fn an_expression_is_true_or_false(#[case] text: &str, #[case] expected: bool) {
    let expression = Expression::parse(text).unwrap();
    assert_eq!(expression.is_true(&variables()), Ok(expected), "{text}");
}

#[rstest]
#[case::that_names_what_is_not_there(
    "status.missing == 'x'",
    "failed to evaluate the CEL expression 'status.missing == 'x'': no such key: missing"
)]
#[case::that_names_no_variable(
    "missing == 1",
    "undeclared reference to 'missing' in the CEL expression 'missing == 1'"
)]
#[case::that_is_no_boolean(
    "status.phase",
    "failed to evaluate CEL expression as boolean: 'status.phase'"
)]
fn an_expression_fails(#[case] text: &str, #[case] expected: &str) {
    let error = Expression::parse(text)
        .unwrap()
        .is_true(&variables())
        .unwrap_err();
    assert_eq!(error.to_string(), expected);
}

#[test]
fn what_is_no_expression_is_refused_with_its_place() {
    let error = Expression::parse("status.phase ==").unwrap_err().to_string();
    assert!(
        error.starts_with("failed to parse the CEL expression 'status.phase ==': "),
        "{error}"
    );
    assert!(!error.contains('\n'), "{error}");
}

#[rstest]
#[case("!".repeat(4000) + "true")]
#[case("(".repeat(300))]
#[case(vec!["1"; 300].join("+"))]
#[case("a".repeat(5000))]
#[case(format!("1 // '\n{}", "+1".repeat(300)))]
#[case(vec!["1"; 300].join(" in "))]
fn what_would_need_too_deep_a_descent_is_refused(#[case] text: String) {
    assert!(matches!(
        Expression::parse(&text),
        Err(ExpressionError::Syntax { .. })
    ));
}

#[rstest]
#[case::of_a_comment("a // '\n + b // '", 1)]
#[case::of_raw_strings(r#"r'\' + (br"\" + [R'''a'b''']) // ("#, 4)]
#[case::of_triple_quotes("\"\"\"a\" + (\n'\"\"\" - '''(''\\'['''", 1)]
#[case::of_strings_with_escapes(r#"'a-b' + "(\"[\x41\u00e9\101""#, 1)]
#[case::of_words("1 in [1] in 1in inner.main", 5)]
#[case::of_a_name_in_backticks("a.`b//c` + (d)", 3)]
#[case::of_pairs("a == b && !(c)", 6)]
#[case::of_an_open_string("'a\n + '''(' + '''", 3)]
#[case::of_an_escape_that_is_none(r#""\q ((( ""#, 3)]
#[case::of_half_a_pair("='((('", 4)]
#[case::of_a_string_at_a_number(r#"1ur"\" ((( "\n""#, 3)]
#[case::of_what_is_no_token("\u{e9}'''((('''", 3)]
fn operators_are_counted(#[case] text: &str, #[case] expected: usize) {
    assert_eq!(operators(text), expected, "{text}");
}

#[test]
fn long_strings_are_no_operators() {
    let text = format!(
        "status.phase != '{}'",
        "https://example.org/a-b.c (d) in ".repeat(50)
    );
    assert!(Expression::parse(&text).is_ok());
}

#[rstest]
#[case::in_each_other("[1].all(a, [1].exists(b, [1].all(c, true)))")]
#[case::in_a_list("[1].map(a, [[1].filter(b, [1].map(c, c) == [1])]) == []")]
#[case::in_a_map("[1].all(a, {'k': [1].map(b, {[1].exists_one(c, true): 1})} != {})")]
#[case::in_a_call("[1].all(a, size([1].filter(b, !has([{'k': [1].map(c, c)}][0].k))) == 0)")]
fn loops_in_loops_in_loops_are_refused(#[case] text: &str) {
    let error = Expression::parse(text).unwrap_err().to_string();
    assert_eq!(
        error,
        format!(
            "failed to parse the CEL expression '{text}': its comprehensions are nested more than 2 deep"
        )
    );
}

#[rstest]
#[case::in_each_other("[1, 2].all(a, [1, 2].exists(b, a == b))")]
#[case::beside_each_other("[1].filter(a, true).map(b, b).filter(c, true).all(d, d == 1)")]
fn two_loops_are_enough(#[case] text: &str) {
    let expression = Expression::parse(text).unwrap();
    assert_eq!(expression.is_true(&Map::new()), Ok(true));
}
