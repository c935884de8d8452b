//! The tables in `tests/golden`, which `hack/oracle/yaml` has answered.

use std::path::Path;

use super::case::Case;

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
