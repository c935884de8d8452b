//! Golden answers of the library behind Flux, written by `hack/oracle/sourceignore`.

use std::collections::BTreeMap;

use rstest::rstest;
use serde::Deserialize;

use super::{IgnoreRules, InvalidIgnoreFile, LONGEST_LINE};

/// Ignore files and paths, and which of the paths the original leaves out. A path that ends with a slash is a folder.
#[derive(Debug, Deserialize)]
struct Case {
    #[serde(default)]
    files: BTreeMap<String, String>,
    #[serde(default)]
    spec: String,
    paths: Vec<String>,
    ignored: Vec<String>,
}

fn segments(path: &str) -> Vec<&[u8]> {
    path.split('/')
        .filter(|name| !name.is_empty())
        .map(str::as_bytes)
        .collect()
}

fn rules(files: &BTreeMap<String, String>, spec: &str) -> IgnoreRules {
    let mut found: Vec<(Vec<&[u8]>, &String)> = Vec::new();
    for (path, content) in files {
        let mut folders = segments(path);
        if folders.pop() == Some(b".sourceignore") {
            found.push((folders, content));
        }
    }
    found.sort();
    let mut rules = IgnoreRules::default();
    for (folders, content) in found {
        rules.add(content.as_bytes(), &folders).unwrap();
    }
    rules.add(spec.as_bytes(), &[]).unwrap();
    rules
}

#[test]
fn every_case_is_answered_as_the_original_answers_it() {
    let cases: Vec<Case> = serde_json::from_str(include_str!("golden/cases.json")).unwrap();
    assert!(cases.len() > 100);
    let mut faults = Vec::new();
    for case in &cases {
        let matcher = rules(&case.files, &case.spec).matcher();
        let ours: Vec<&String> = case
            .paths
            .iter()
            .filter(|path| matcher.ignores(&segments(path), path.ends_with('/')))
            .collect();
        if ours != case.ignored.iter().collect::<Vec<_>>() {
            faults.push(format!(
                "{:?} {:?}\n  ours   {ours:?}\n  theirs {:?}",
                case.files, case.spec, case.ignored
            ));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[rstest]
#[case::a_folder_can_be_ignored_but_for_one_file("a/\n!a/keep.yaml\n", "a/keep.yaml", false)]
#[case::the_last_match_wins("!a/keep.yaml\na/\n", "a/keep.yaml", true)]
#[case::an_exclamation_mark_does_not_negate_a_class("[!x].yaml\n", "y.yaml", false)]
#[case::a_caret_does("[^x].yaml\n", "y.yaml", true)]
#[case::own_rules_replace_the_defaults("nothing\n", "logo.png", false)]
#[case::but_not_those_for_version_control("nothing\n", ".gitignore", true)]
fn a_rule_decides(#[case] spec: &str, #[case] path: &str, #[case] ignored: bool) {
    let matcher = rules(&BTreeMap::new(), spec).matcher();
    assert_eq!(matcher.ignores(&segments(path), false), ignored);
}

#[test]
fn a_line_that_the_original_would_stop_at_is_refused() {
    let long = format!("a\n{}\n", "x".repeat(LONGEST_LINE));
    let outcome = IgnoreRules::default().add(long.as_bytes(), &[]);
    assert_eq!(outcome, Err(InvalidIgnoreFile { line: 2 }));
}

proptest::proptest! {
    #[test]
    fn no_pattern_and_no_path_makes_it_fail(
        pattern in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..30),
        path in proptest::collection::vec(proptest::collection::vec(proptest::prelude::any::<u8>(), 1..8), 1..4),
    ) {
        let mut rules = IgnoreRules::default();
        rules.add(&pattern, &[]).unwrap();
        let path: Vec<&[u8]> = path.iter().map(Vec::as_slice).collect();
        let (as_folder, as_file) = (rules.matcher().ignores(&path, true), rules.matcher().ignores(&path, false));
        // What a pattern says of folders it may leave unsaid of files, not the other way round.
        proptest::prop_assert!(as_folder || !as_file || pattern.starts_with(b"!") || pattern.contains(&b'\n'));
    }
}
