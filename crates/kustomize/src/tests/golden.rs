//! Cases of our own with the answers of the original, written by `hack/oracle/kustomize`.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::case;
use crate::{MemoryFiles, Options, build};

#[derive(Deserialize)]
struct Case {
    name: String,
    /// Names of files that several cases have.
    #[serde(default, rename = "use")]
    common: Vec<String>,
    #[serde(flatten)]
    given: case::Case,
    #[serde(default)]
    expected: String,
    #[serde(default)]
    error: String,
}

#[derive(Deserialize)]
struct Golden {
    common: BTreeMap<String, String>,
    cases: Vec<Case>,
}

fn cases() -> Vec<Case> {
    let golden: Golden = serde_json::from_str(include_str!("golden.json")).unwrap();
    let mut cases = golden.cases;
    for case in &mut cases {
        for name in std::mem::take(&mut case.common) {
            let text = golden.common[&name].clone();
            case.given.files.entry(name).or_insert(text);
        }
    }
    cases
}

#[test]
fn builds_give_what_the_original_gives() {
    let mut faults = Vec::new();
    for case in cases() {
        match (case.given.outcome(), case.error.as_str()) {
            (Ok(text), "") if text == case.expected => {}
            (Err(_), error) if !error.is_empty() => {}
            (Ok(text), "") => {
                let difference = super::conformance::difference(&case.expected, &text);
                faults.push(format!("{}:\n{difference}", case.name));
            }
            (Ok(_), error) => faults.push(format!("{} must fail: {error}", case.name)),
            (Err(error), _) => faults.push(format!("{} fails: {error}", case.name)),
        }
    }
    assert!(
        faults.is_empty(),
        "{} faults\n{}",
        faults.len(),
        faults.join("\n")
    );
}

#[test]
fn errors_name_the_file_the_field_and_the_object() {
    let failing = cases().into_iter().filter(|case| !case.error.is_empty());
    let lines: Vec<String> = failing
        .map(|case| format!("{}: {}", case.name, case.given.outcome().unwrap_err()))
        .collect();
    insta::assert_snapshot!(lines.join("\n"));
}

mod hostile {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_bytes_make_a_build_panic(kustomization in any::<Vec<u8>>(), object in any::<Vec<u8>>()) {
            let files = MemoryFiles::new([("kustomization.yaml", kustomization), ("a.yaml", object)]);
            drop(build(&files, "", &Options::default()));
        }

        #[test]
        fn no_object_makes_a_build_panic(object in "[a-z:{}\\[\\]\n\" &*-]{0,80}", patch in "[a-z:{}\\[\\]\n$ -]{0,60}") {
            let kustomization =
                "resources: [a.yaml]\nnamespace: n\nnamePrefix: p\ncommonLabels: {a: b}\nimages: [{name: x, newTag: y}]\n\
                 patches: [{path: p.yaml, target: {kind: .*}}]\n";
            let head = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a}\n";
            let files = MemoryFiles::new([
                ("kustomization.yaml", kustomization.as_bytes().to_vec()),
                ("a.yaml", format!("{head}spec:\n  {object}\n").into_bytes()),
                ("p.yaml", format!("{head}spec:\n  {patch}\n").into_bytes()),
            ]);
            drop(build(&files, "", &Options::default()));
        }
    }
}
