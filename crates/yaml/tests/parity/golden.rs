//! The tables in `tests/golden`, which `hack/oracle/yaml` has answered.

use std::path::Path;

use super::case::Case;

/// How many faults may be reported in other words.
const MAX_OTHER_MESSAGES: usize = 1000;

fn check(name: &str) {
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
    let faults: Vec<String> = cases.iter().filter_map(Case::difference).collect();
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
    check("read.jsonl");
}

#[test]
fn values_are_written_as_the_originals_write_them() {
    check("write.jsonl");
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
    assert!(
        others.len() <= MAX_OTHER_MESSAGES,
        "{}\n{}",
        others.len(),
        others.join("\n")
    );
}
