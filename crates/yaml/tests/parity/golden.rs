//! The tables in `tests/golden`, which `hack/oracle/yaml` has answered.

use std::path::Path;

use super::case::Case;

/// How many of the texts that both refuse are refused in other words.
const OTHER_MESSAGES: usize = 41;

/// Texts that are read in another way, with the reading; docs/deviations.md says why. All else must be equal.
const DIFFERENT: &[(&str, &str)] = &[
    // Tags of keys are not looked at.
    ("kustomize", "!!int x: v"),
    ("kustomize", "!!int 1.5: v"),
    ("kustomize", "!!float x: v"),
    ("kustomize", "!!float 18446744073709551615: v"),
    ("kustomize", "!!bool yes: v"),
    ("kustomize", "!!bool x: v"),
    ("kustomize", "!!null '': v"),
    ("kustomize", "!!null x: v"),
    ("kustomize", "!!timestamp x: v"),
    ("kustomize", "y: {!!merge x: {a: 1}}"),
    // Equal keys of two types: there the outcome changes from run to run, or the strict reading takes them.
    ("api", "1: a\n'1': b\n"),
    ("strict", "1: a\n'1': b\n"),
    // A quoted merge key is a key.
    ("kustomize", "y: {'<<': {a: 1}}"),
    // An anchor ends with its document, as YAML has it.
    ("kustomize", "a: &a x\n---\nb: *a\n"),
    // A tab before a comment is white space.
    ("kustomize", "a: b # c\n\t# d\nc: d\n"),
    ("places", "a: b # c\n\t# d\nc: d\n"),
    // An anchor on nothing.
    ("kustomize", "[&x , *x]\n"),
];

fn check(name: &str, different: &[(&str, &str)]) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(name);
    let table = std::fs::read_to_string(path).unwrap();
    let cases: Vec<Case> = table
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert!(
        cases
            .iter()
            .all(|case| case.answer.is_some() || case.error.is_some())
    );
    let is_named = |case: &Case| different.contains(&(case.kind.as_str(), case.text.as_str()));
    let equal_by_now: Vec<&str> = cases
        .iter()
        .filter(|case| is_named(case) && case.difference().is_none())
        .map(|case| case.text.as_str())
        .collect();
    assert!(
        equal_by_now.is_empty(),
        "no difference any more: {equal_by_now:?}"
    );
    let faults: Vec<String> = cases
        .iter()
        .filter(|case| !is_named(case))
        .filter_map(Case::difference)
        .collect();
    assert!(
        faults.is_empty(),
        "{} faults of {}\n{}",
        faults.len(),
        cases.len(),
        faults.join("\n")
    );
}

#[test]
fn texts_are_read_as_the_originals_read_them() {
    check("read.jsonl", DIFFERENT);
}

#[test]
fn values_are_written_as_the_originals_write_them() {
    check("write.jsonl", &[]);
}

#[test]
fn faults_are_reported_in_the_words_of_the_originals() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/read.jsonl");
    let table = std::fs::read_to_string(path).unwrap();
    let cases = table
        .lines()
        .map(|line| serde_json::from_str::<Case>(line).unwrap());
    let others: Vec<String> = cases.filter_map(|case| case.other_message()).collect();
    // What go-yaml says after it has read a text, in kinds that have no place, is not all said here.
    assert_eq!(others.len(), OTHER_MESSAGES, "{}", others.join("\n"));
}
