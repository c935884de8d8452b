//! Guards that every file below this directory is compiled.

use std::fs;
use std::path::{Path, PathBuf};

#[test]
fn no_test_file_is_forgotten() {
    let forgotten = forgotten_files(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it")));
    assert!(
        forgotten.is_empty(),
        "not declared with `mod` where they belong, so never run: {forgotten:?}"
    );
}

#[test]
fn an_undeclared_file_is_noticed_at_every_depth() {
    let directory = tempfile::tempdir().unwrap();
    let write = |path: &str, content: &str| {
        let path = directory.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    };
    write("main.rs", "mod declared;\npub mod nested;\n// mod commented;\n");
    write("declared.rs", "");
    write("commented.rs", "");
    write("nested/mod.rs", "pub(crate) mod inner;\n");
    write("nested/inner.rs", "");
    write("nested/declared.rs", "");
    write("lost/mod.rs", "");
    let mut forgotten = forgotten_files(directory.path());
    forgotten.sort();
    let expected = ["commented.rs", "lost/mod.rs", "nested/declared.rs"];
    assert_eq!(forgotten, expected.map(|path| directory.path().join(path)));
}

/// The `.rs` files below `root` that neither `main.rs` nor the `mod.rs` of their directory declares.
fn forgotten_files(root: &Path) -> Vec<PathBuf> {
    let mut forgotten = Vec::new();
    let mut directories = vec![(root.to_path_buf(), root.join("main.rs"))];
    while let Some((directory, owner)) = directories.pop() {
        let declarations = fs::read_to_string(&owner).unwrap_or_default();
        let is_declared = |module: &str| {
            declarations.lines().any(|line| {
                line.trim().strip_suffix(';').is_some_and(|line| {
                    let mut words = line.split_whitespace().rev();
                    words.next() == Some(module)
                        && words.next() == Some("mod")
                        && words.all(|word| word.starts_with("pub"))
                })
            })
        };
        for entry in fs::read_dir(&directory).unwrap() {
            let path = entry.unwrap().path();
            if path == owner {
                continue;
            }
            let module = path.file_stem().unwrap().to_string_lossy().into_owned();
            if path.is_dir() {
                let child = path.join("mod.rs");
                if child.exists() && !is_declared(&module) {
                    forgotten.push(child.clone());
                }
                directories.push((path, child));
            } else if path.extension().is_some_and(|extension| extension == "rs") && !is_declared(&module) {
                forgotten.push(path);
            }
        }
    }
    forgotten
}
