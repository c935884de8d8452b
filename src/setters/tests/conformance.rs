//! The cases that Flux's own setter was run on.

use std::path::Path;

use super::super::{Edited, is_candidate, locate};
use super::*;

/// Cases that Flux skips or gets wrong, with the values that are to be set all the same.
const READ_BY_US_ALONE: [(&str, &str); 3] = [
    ("14-bareseq", "old:v1 -> index.repo.fake/updated:v1.0.1 ns:policy"),
    ("15-helmtpl", "old:v1 -> index.repo.fake/updated:v1.0.1 ns:policy"),
    ("b", "old:v1 -> index.repo.fake/updated:v1.0.1 ns:policy"),
];

/// `old -> new setter` for each change that a line of `upstream-changes.txt` records.
fn recorded(line: &str) -> Vec<String> {
    let json = line.get(line.find('[').unwrap()..).unwrap();
    let changes: Vec<serde_json::Map<String, serde_json::Value>> = serde_json::from_str(json).unwrap();
    let text =
        |change: &serde_json::Map<_, serde_json::Value>, key: &str| change[key].as_str().unwrap().to_owned();
    changes
        .iter()
        .map(|change| {
            let (old, new) = (text(change, "OldValue"), text(change, "NewValue"));
            format!("{old} -> {new} {}", text(change, "Setter"))
        })
        .collect()
}

fn of_edit(edited: &Edited) -> Vec<String> {
    let changes = edited.changes.iter();
    changes
        .map(|change| format!("{} -> {} {}", change.old, change.new, change.marker))
        .collect()
}

/// Asserts that all bytes outside the changed scalars are the same.
fn assert_only_scalars_differ(before: &[u8], edited: &Edited) {
    let Some(after) = &edited.content else { return };
    let changed = |content: &[u8]| {
        let mut spans: Vec<_> = locate(content).scalars;
        spans.retain(|scalar| edited.changes.iter().any(|change| change.line == scalar.line));
        let mut outside = Vec::new();
        let mut offset = 0;
        for scalar in spans {
            outside.push(content[offset..scalar.span.start].to_vec());
            offset = scalar.span.end;
        }
        outside.push(content[offset..].to_vec());
        outside
    };
    assert_eq!(changed(before), changed(after));
}

#[test]
fn every_field_that_flux_updates_is_updated_and_no_byte_around_it() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/conformance/setters");
    let Ok(cases) = std::fs::read_dir(&root) else {
        eprintln!("skipped: ../shared/conformance/setters does not exist");
        return;
    };
    let mut checked = 0;
    for case in cases {
        let case = case.unwrap();
        let name = case.file_name().into_string().unwrap();
        let recorded_changes = std::fs::read_to_string(case.path().join("upstream-changes.txt")).unwrap();
        let mut expected: Vec<String> = recorded_changes.lines().flat_map(recorded).collect();
        let alone = READ_BY_US_ALONE.iter().filter(|(case, _)| *case == name);
        expected.extend(alone.map(|(_, change)| (*change).to_owned()));
        let mut found = Vec::new();
        for file in std::fs::read_dir(case.path().join("in")).unwrap() {
            let path = file.unwrap().path();
            assert!(is_candidate(path.to_str().unwrap()));
            let before = std::fs::read(&path).unwrap();
            let edited = crate::setters::set(&before, &selections());
            assert_only_scalars_differ(&before, &edited);
            found.extend(of_edit(&edited));
        }
        assert_eq!(found, expected, "{name}");
        checked += 1;
    }
    assert!(checked > 0);
}
