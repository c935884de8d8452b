//! Trees in memory, and the archives that they come from and go to.

use std::collections::BTreeMap;

use proptest::prelude::*;
use rstest::rstest;

use super::super::{ArtifactTree, TreeError, TreeKind, UnpackLimits, pack};
use super::{tar_gz, tree};
use crate::objects::Files as _;

fn packed(tree: &ArtifactTree) -> Vec<u8> {
    let mut bytes = Vec::new();
    let result = pack(tree, &mut bytes).unwrap();
    assert_eq!(result.size, bytes.len() as u64);
    bytes
}

fn unpack(archive: &[u8], limits: UnpackLimits) -> Result<ArtifactTree, TreeError> {
    ArtifactTree::read_tar_gz(archive, &limits)
}

#[test]
fn a_tree_answers_what_is_at_a_path_and_nothing_outside_of_it() {
    let tree = tree(&[
        ("apps/a/x.yaml", "x"),
        ("apps/b.yaml", "b"),
        ("apps-old/c.yaml", "c"),
    ]);
    assert_eq!(tree.kind(""), Some(TreeKind::Directory));
    assert_eq!(tree.kind("apps"), Some(TreeKind::Directory));
    assert_eq!(
        tree.kind("apps/b.yaml"),
        Some(TreeKind::File { executable: false })
    );
    for strange in [
        "/apps",
        "apps/",
        "./apps",
        "apps/../apps",
        "..",
        "apps//b.yaml",
        "apps/b.yaml/",
        "apps/b.yaml/x",
    ] {
        assert_eq!(tree.kind(strange), None, "{strange}");
        assert!(tree.read_file(strange).unwrap().is_none(), "{strange}");
        assert!(tree.entries(strange).is_none(), "{strange}");
    }
    let names = |path: &str| -> Vec<String> {
        let entries = tree.entries(path).unwrap();
        entries.into_iter().map(|entry| entry.name).collect()
    };
    assert_eq!(names(""), ["apps", "apps-old"]);
    assert_eq!(names("apps"), ["a", "b.yaml"]);
    assert!(tree.entries("apps/b.yaml").is_none());
    assert_eq!(tree.list("apps").unwrap(), ["apps/a/x.yaml", "apps/b.yaml"]);
    assert_eq!(tree.list("apps/b.yaml").unwrap(), ["apps/b.yaml"]);
    assert!(tree.list("missing").is_err());
    assert_eq!(tree.read("apps/b.yaml").unwrap().unwrap(), b"b");
    assert_eq!(tree.read("apps").unwrap(), None);
}

#[test]
fn equal_contents_have_equal_ids_and_others_have_not() {
    let tree = tree(&[("a", "same"), ("b", "same"), ("c", "other")]);
    assert_eq!(tree.content_id("a"), tree.content_id("b"));
    assert_ne!(tree.content_id("a"), tree.content_id("c"));
    assert_eq!(tree.content_id(""), None);
}

#[rstest]
#[case("../x")]
#[case("a/../../x")]
#[case("a/..")]
#[case("/etc/passwd")]
fn a_path_that_leaves_the_archive_is_refused(#[case] path: &str) {
    let archive = tar_gz(&[(path, Some(b"x"), 0o600)]);
    let error = unpack(&archive, UnpackLimits::default()).unwrap_err();
    assert!(matches!(error, TreeError::Escape { .. }), "{error}");
}

#[test]
fn an_archive_with_dots_and_without_folders_is_read_and_its_later_entries_count() {
    let archive = tar_gz(&[
        ("./", None, 0o755),
        ("./a/b.yaml", Some(b"first"), 0o644),
        ("a//b.yaml", Some(b"second"), 0o755),
        ("a", None, 0o755),
    ]);
    let tree = unpack(&archive, UnpackLimits::default()).unwrap();
    assert_eq!(&*tree.read_file("a/b.yaml").unwrap().unwrap(), b"second");
    assert_eq!(tree.kind("a/b.yaml"), Some(TreeKind::File { executable: true }));
}

#[test]
fn links_in_an_archive_are_left_out() {
    let mut builder = tar::Builder::new(flate2::write::GzEncoder::new(
        Vec::new(),
        flate2::Compression::fast(),
    ));
    for kind in [tar::EntryType::Symlink, tar::EntryType::Link] {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_size(0);
        builder.append_link(&mut header, "link", "/etc/passwd").unwrap();
    }
    let archive = builder.into_inner().unwrap().finish().unwrap();
    let tree = unpack(&archive, UnpackLimits::default()).unwrap();
    assert_eq!(tree.entries("").unwrap(), []);
}

#[rstest]
#[case::bytes(UnpackLimits { most_bytes: 1000, ..UnpackLimits::default() }, "bytes")]
#[case::packed_bytes(UnpackLimits { most_packed_bytes: 100, ..UnpackLimits::default() }, "packed bytes")]
#[case::entries(UnpackLimits { most_entries: 1, ..UnpackLimits::default() }, "entries")]
fn an_archive_beyond_a_limit_is_refused(#[case] limits: UnpackLimits, #[case] expected: &str) {
    let bomb = vec![b'x'; 200_000];
    let archive = tar_gz(&[("a", Some(b"a"), 0o600), ("b", Some(&bomb), 0o600)]);
    match unpack(&archive, limits) {
        Err(TreeError::TooLarge { unit, .. }) => assert_eq!(unit, expected),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_damaged_archive_is_an_error_at_every_length() {
    let archive = tar_gz(&[("a", Some(b"content"), 0o600)]);
    for length in 1..archive.len() - 8 {
        let outcome = unpack(&archive[..length], UnpackLimits::default());
        assert!(
            matches!(outcome, Err(TreeError::Archive(_))),
            "{length}: {outcome:?}"
        );
    }
}

#[test]
fn an_archive_has_the_owner_times_and_modes_of_flux() {
    let archive = tar_gz(&[
        ("bin/run.sh", Some(b"#!/bin/sh\n"), 0o755),
        ("a.yaml", Some(b"a"), 0o644),
    ]);
    let tree = unpack(&archive, UnpackLimits::default()).unwrap();
    let bytes = packed(&tree);
    let mut reader = tar::Archive::new(flate2::read::GzDecoder::new(bytes.as_slice()));
    let mut lines = Vec::new();
    for entry in reader.entries().unwrap() {
        let entry = entry.unwrap();
        let header = entry.header();
        assert_eq!(
            (
                header.uid().unwrap(),
                header.gid().unwrap(),
                header.mtime().unwrap()
            ),
            (0, 0, 0)
        );
        assert!(header.username().unwrap().unwrap_or_default().is_empty());
        lines.push(format!(
            "{:o} {}",
            header.mode().unwrap(),
            entry.path().unwrap().display()
        ));
    }
    assert_eq!(lines, ["600 a.yaml", "750 bin", "700 bin/run.sh"]);
}

proptest! {
    #[test]
    fn a_packed_tree_is_read_as_the_same_tree_and_packed_to_the_same_bytes(
        files in proptest::collection::btree_map("[a-c]{1,2}(/[a-c.]{0,1}x[a-c]{1,120}){0,3}", proptest::collection::vec(any::<u8>(), 0..700), 0..12)
    ) {
        let files: BTreeMap<String, Vec<u8>> = files;
        // A path that is a folder of another one cannot be a file.
        let is_folder = |path: &String| files.keys().any(|other| other.starts_with(&format!("{path}/")));
        let files: BTreeMap<&String, &Vec<u8>> = files.iter().filter(|(path, _)| !is_folder(path)).collect();
        let mut builder = tar::Builder::new(flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast()));
        for (path, content) in &files {
            let mut header = tar::Header::new_gnu();
            header.set_size(content.len() as u64);
            builder.append_data(&mut header, path, content.as_slice()).unwrap();
        }
        let archive = builder.into_inner().unwrap().finish().unwrap();
        let first = unpack(&archive, UnpackLimits::default()).unwrap();
        let bytes = packed(&first);
        let second = unpack(&bytes, UnpackLimits::default()).unwrap();
        prop_assert_eq!(second.list("").unwrap(), files.keys().map(|path| (*path).clone()).collect::<Vec<_>>());
        for (path, content) in &files {
            prop_assert_eq!(&*second.read_file(path).unwrap().unwrap(), content.as_slice());
        }
        prop_assert_eq!(packed(&second), bytes);
    }
}
