//! The original's own cases, where they are beside the checkout.

use std::path::Path;

use serde::Deserialize;

use super::case;

#[derive(Deserialize)]
struct Case {
    name: String,
    #[serde(flatten)]
    given: case::Case,
    expected: String,
}

#[test]
fn the_cases_of_the_original_give_its_output() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/conformance/kustomize.json");
    let Ok(text) = std::fs::read_to_string(&path) else {
        eprintln!("skipped: ../shared/conformance is not beside the checkout");
        return;
    };
    let cases: Vec<Case> = serde_json::from_str(&text).unwrap();
    let mut faults = Vec::new();
    let mut passed = 0;
    for case in &cases {
        let result = case.given.outcome();
        let expected = case.expected.strip_prefix('\n').unwrap_or(&case.expected);
        let is_right = result.as_deref() == Ok(expected);
        passed += usize::from(is_right);
        if !is_right {
            let got = result.unwrap_or_else(|error| format!("error: {error}"));
            faults.push(format!("{}:\n{}", case.name, difference(expected, &got)));
        }
    }
    assert!(
        faults.is_empty(),
        "{passed} of {} cases pass\n{}",
        cases.len(),
        faults.join("\n")
    );
}

/// The lines that differ, for people.
pub(super) fn difference(expected: &str, got: &str) -> String {
    let mut text = String::new();
    let (mut left, mut right) = (expected.lines(), got.lines());
    loop {
        match (left.next(), right.next()) {
            (None, None) => return text,
            (one, other) if one == other => {}
            (one, other) => {
                let (one, end) = (one.unwrap_or("<end>"), other.unwrap_or("<end>"));
                text = format!(
                    "{text}  - {one}
  + {end}
"
                );
                if other.is_none_or(|line| line.starts_with("error")) {
                    return text;
                }
            }
        }
        if text.len() > 600 {
            return text;
        }
    }
}
