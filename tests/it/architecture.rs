//! The layout keeps its promises: who imports whom, and which files are pure.

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::project_root;

/// Each module of the library and the modules that it may name.
const ALLOWED: &[(&str, &[&str])] = &[
    ("hexadecimal", &[]),
    ("substitute", &[]),
    ("image", &["hexadecimal"]),
    ("policy", &["image"]),
    ("setters", &["image"]),
    ("http", &[]),
    ("telemetry", &[]),
    ("cloud", &["http", "hexadecimal"]),
    ("git", &["http", "hexadecimal"]),
    ("scanner", &["image", "policy", "http", "cloud", "hexadecimal"]),
    ("docker_config", &["scanner"]),
    ("committer", &["image", "setters", "objects"]),
    ("objects", &["image"]),
    ("sync", &["objects", "substitute"]),
    ("source", &["http", "git", "objects", "policy", "hexadecimal"]),
    (
        "update",
        &[
            "image",
            "policy",
            "setters",
            "scanner",
            "committer",
            "objects",
            "http",
            "git",
            "sync",
        ],
    ),
    (
        "controller",
        &[
            "image",
            "policy",
            "setters",
            "scanner",
            "committer",
            "objects",
            "http",
            "git",
            "sync",
            "source",
            "substitute",
            "update",
            "cloud",
            "hexadecimal",
        ],
    ),
];

/// Files and folders that do no input or output.
const PURE: &[&str] = &[
    "src/hexadecimal.rs",
    "src/image",
    "src/policy",
    "src/setters",
    "src/committer/plan.rs",
    "src/committer/message",
    "src/committer/reference.rs",
    "src/objects/manifest.rs",
    "src/objects/set.rs",
    "src/update/build/mod.rs",
    "src/sync/diff.rs",
    "src/sync/drift.rs",
    "src/sync/expression",
    "src/sync/health",
    "src/sync/ignored",
    "src/sync/inventory.rs",
    "src/sync/known.rs",
    "src/sync/managers.rs",
    "src/sync/normalize.rs",
    "src/sync/object.rs",
    "src/sync/order.rs",
    "src/sync/own_controllers.rs",
    "src/sync/prepare.rs",
    "src/sync/switches.rs",
    "src/substitute",
    "src/cloud/registry_host.rs",
    "src/cloud/signature.rs",
    "src/sync/unknown_fields.rs",
    "src/scanner/challenge.rs",
    "src/scanner/credentials.rs",
    "src/scanner/scan.rs",
    "src/update/select.rs",
    "src/objects/selector.rs",
    "src/controller/outcome.rs",
    "src/source/revision.rs",
    "src/source/ignore",
    "src/controller/tag_store/record.rs",
    "src/controller/tag_store/seen.rs",
    "src/controller/tag_store/settle.rs",
    "src/controller/wake.rs",
    "src/controller/git_repository/plan.rs",
    "src/controller/image_update_automation/skipped.rs",
    "src/controller/kustomization/plan.rs",
    "src/controller/kustomization/history.rs",
    "crates/api/src",
    "crates/yaml/src",
    "crates/kustomize/src",
    "crates/goregexp/src",
    "crates/gotemplate/src",
    "crates/semver/src",
];

/// What a pure file may not name.
const IMPURE: &[&str] = &[
    "tokio",
    "reqwest",
    "hyper",
    "std::fs",
    "std::net::Tcp",
    "std::env",
    "std::process",
    "thread::sleep",
    "thread::spawn",
    "SystemTime",
    "Instant::now",
    "Timestamp::now",
    "rand::",
    "fluxbot_git",
];

fn rust_files(path: &Path, found: &mut Vec<PathBuf>) {
    if path.is_file() {
        found.push(path.to_owned());
        return;
    }
    for entry in fs::read_dir(path).unwrap_or_else(|error| panic!("{}: {error}", path.display())) {
        let path = entry.unwrap().path();
        if path.is_dir() || path.extension().is_some_and(|extension| extension == "rs") {
            rust_files(&path, found);
        }
    }
}

/// The lines of a file that are part of the program: no comments, nothing from the tests at its end.
fn code_lines(path: &Path) -> Vec<(usize, String)> {
    let text = fs::read_to_string(path).unwrap();
    text.lines()
        .enumerate()
        .take_while(|(_, line)| line.trim() != "#[cfg(test)]")
        .filter(|(_, line)| !line.trim_start().starts_with("//"))
        .map(|(index, line)| (index + 1, line.to_owned()))
        .collect()
}

fn is_test_file(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name == "tests.rs")
        || path
            .components()
            .any(|component| component.as_os_str() == "tests")
}

#[test]
fn modules_import_only_what_lies_below_them() {
    let root = project_root();
    let mut faults = Vec::new();
    for (module, allowed) in ALLOWED {
        let mut files = Vec::new();
        let folder = root.join("src").join(module);
        let single = root.join("src").join(format!("{module}.rs"));
        rust_files(if folder.is_dir() { &folder } else { &single }, &mut files);
        for file in files.iter().filter(|file| !is_test_file(file)) {
            for (number, line) in code_lines(file) {
                for (start, _) in line.match_indices("crate::") {
                    let rest = &line[start + "crate::".len()..];
                    let name: String = rest
                        .chars()
                        .take_while(|c| c.is_alphanumeric() || *c == '_')
                        .collect();
                    if name != *module && !allowed.contains(&name.as_str()) {
                        faults.push(format!("{}:{number}: {module} names {name}", file.display()));
                    }
                }
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn every_module_of_the_library_has_a_rule() {
    let text = fs::read_to_string(project_root().join("src/lib.rs")).unwrap();
    let edges = ["cli", "demo", "run"];
    for module in text.lines().filter_map(|line| line.strip_prefix("pub mod ")) {
        let module = module.trim_end_matches(';');
        let known = edges.contains(&module) || ALLOWED.iter().any(|(name, _)| *name == module);
        assert!(
            known,
            "src/lib.rs declares {module}, for which there is no rule here"
        );
    }
}

#[test]
fn pure_files_do_no_input_or_output() {
    let root = project_root();
    let mut faults = Vec::new();
    for path in PURE {
        let mut files = Vec::new();
        rust_files(&root.join(path), &mut files);
        for file in files.iter().filter(|file| !is_test_file(file)) {
            for (number, line) in code_lines(file) {
                if let Some(word) = IMPURE.iter().find(|word| names(&line, word)) {
                    faults.push(format!("{}:{number}: {word}", file.display()));
                }
            }
        }
    }
    assert!(faults.is_empty(), "pure files name:\n{}", faults.join("\n"));
}

/// Whether the line has the word, and not as the end of a longer one.
fn names(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let before = line.get(..at).and_then(|text| text.chars().next_back());
        !before.is_some_and(|char| char.is_alphanumeric() || char == '_')
    })
}

#[test]
fn no_file_has_outgrown_its_place() {
    let root = project_root();
    let mut files = Vec::new();
    for folder in ["src", "crates", "tests/it"] {
        rust_files(&root.join(folder), &mut files);
    }
    let long: Vec<String> = files
        .iter()
        .map(|file| (file, fs::read_to_string(file).unwrap().lines().count()))
        .filter(|(_, lines)| *lines > 800)
        .map(|(file, lines)| format!("{}: {lines} lines", file.display()))
        .collect();
    assert!(long.is_empty(), "{}", long.join("\n"));
}
