use super::*;
use rstest::rstest;

fn read(text: &str, reading: Reading) -> serde_json::Value {
    let mut documents = parse(text, reading).unwrap();
    documents.remove(0).into_value().into()
}

#[rstest]
#[case("yes", "true", r#""yes""#)]
#[case("010", "8", "8")]
#[case("0o10", "8", "8")]
#[case("08", "8", "8")]
#[case("1_000", "1000", "1000")]
#[case("1e3", "1000", "1000")]
#[case("0b11", "3", "3")]
#[case(".5", "0.5", "0.5")]
#[case("2024-01-01", r#""2024-01-01""#, r#""2024-01-01T00:00:00Z""#)]
#[case("12345678901234567890", "12345678901234567890", "12345678901234567890")]
#[case("~", "null", "null")]
#[case("!!str 1", r#""1""#, r#""1""#)]
#[case("'1'", r#""1""#, r#""1""#)]
#[case("y: 1", r#"{"true":1}"#, r#"{"y":1}"#)]
#[case(
    "{a: &x {b: 1}, c: {<<: *x, d: 2}}",
    r#"{"a":{"b":1},"c":{"b":1,"d":2}}"#,
    r#"{"a":{"b":1},"c":{"b":1,"d":2}}"#
)]
fn scalars_are_read_as_go_yaml_reads_them(#[case] text: &str, #[case] api: &str, #[case] kustomize: &str) {
    assert_eq!(read(text, Reading::Api).to_string(), api);
    assert_eq!(read(text, Reading::Kustomize).to_string(), kustomize);
}

#[test]
fn a_repeated_key_is_an_error_for_kustomize_and_the_last_one_counts_for_the_api() {
    let text = "a: 1\nb: 2\na: 3\n";
    assert_eq!(read(text, Reading::Api).to_string(), r#"{"a":3,"b":2}"#);
    let error = parse(text, Reading::Kustomize).unwrap_err().to_string();
    assert_eq!(error, "line 3: mapping key \"a\" already defined at line 1");
}

#[test]
fn an_alias_bomb_is_stopped() {
    let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..12 {
        let alias = format!("*a{}, ", level - 1).repeat(10);
        text = format!("{text}a{level}: &a{level} [{alias}]\n");
    }
    let error = parse(&text, Reading::Api).unwrap_err();
    assert!(
        error.reason.starts_with("document contains excessive aliasing"),
        "{error}"
    );
}

#[test]
fn deep_nesting_is_stopped() {
    let error = parse(&"[".repeat(100_000), Reading::Api).unwrap_err();
    assert!(!error.reason.is_empty());
}

#[test]
fn nodes_know_their_place() {
    let documents = parse("# one\na:\n  b: c\n---\nx: y\n", Reading::Kustomize).unwrap();
    let item = documents[0].get("a").map(|node| (node.line, node.column));
    assert_eq!(item, Some((3, 3)));
    assert_eq!(documents[1].line, 5);
}

#[derive(serde::Deserialize)]
struct Written {
    value: serde_json::Value,
    yaml: String,
}

#[test]
fn values_are_written_as_go_yaml_writes_them() {
    let cases: Vec<Written> = serde_json::from_str(include_str!("golden.json")).unwrap();
    let faults: Vec<String> = cases
        .iter()
        .filter(|case| to_string(&case.value) != case.yaml)
        .map(|case| format!("{}\n{:?}\n{:?}", case.value, case.yaml, to_string(&case.value)))
        .collect();
    assert!(
        faults.is_empty(),
        "{} faults\n{}",
        faults.len(),
        faults.join("\n")
    );
}

#[test]
fn what_was_written_is_read_again() {
    let cases: Vec<Written> = serde_json::from_str(include_str!("golden.json")).unwrap();
    for case in cases {
        // Characters that YAML has as line breaks, and a key `<<`, do not survive go-yaml either.
        if !case.yaml.contains(['\u{85}', '\u{2028}', '\u{feff}']) && !case.yaml.contains("<<") {
            assert_eq!(read(&case.yaml, Reading::Api), case.value, "{}", case.yaml);
        }
    }
}
