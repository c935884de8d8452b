//! The marker index over trees in memory.

use std::collections::{BTreeMap, BTreeSet};

use super::super::{Entry, EntryKind, MarkerFile, MarkerIndex, TreeSource, WalkError};
use super::*;

/// Objects by id; every read is counted.
#[derive(Default)]
struct Objects {
    trees: BTreeMap<u32, Vec<Entry<u32>>>,
    blobs: BTreeMap<u32, String>,
    reads: Vec<u32>,
}

#[derive(Debug, PartialEq)]
struct Missing(u32);

impl TreeSource for Objects {
    type Id = u32;
    type Error = Missing;

    fn entries(&mut self, tree: &u32) -> Result<Vec<Entry<u32>>, Missing> {
        self.reads.push(*tree);
        self.trees.get(tree).cloned().ok_or(Missing(*tree))
    }

    fn blob(&mut self, id: &u32) -> Result<Vec<u8>, Missing> {
        self.reads.push(*id);
        self.blobs
            .get(id)
            .map(|text| text.clone().into_bytes())
            .ok_or(Missing(*id))
    }
}

impl Objects {
    fn tree(&mut self, id: u32, entries: &[(&str, EntryKind, u32)]) {
        let entries = entries.iter().map(|(name, kind, id)| Entry {
            name: (*name).to_owned(),
            id: *id,
            kind: *kind,
        });
        self.trees.insert(id, entries.collect());
    }

    fn marked(&mut self, id: u32, policy: &str) {
        self.blobs.insert(
            id,
            format!("a: b # {{\"$imagepolicy\": \"ns:{policy}\"}}\n# {id}"),
        );
    }

    fn take_reads(&mut self) -> Vec<u32> {
        std::mem::take(&mut self.reads)
    }
}

use EntryKind::{File, Other, Tree};

/// Root 1 has `apps` (2), which has `one.yaml` (11, marked), `two.yaml` (12, plain) and `deep` (3) with 13 (marked);
/// beside it stand `docs` (4) without markers and a file that is no candidate.
fn repository() -> Objects {
    let mut objects = Objects::default();
    objects.tree(
        1,
        &[
            ("apps", Tree, 2),
            ("docs", Tree, 4),
            ("link.yaml", Other, 99),
            ("README.md", File, 98),
        ],
    );
    objects.tree(
        2,
        &[("deep", Tree, 3), ("one.yaml", File, 11), ("two.yaml", File, 12)],
    );
    objects.tree(3, &[("Kustomization", File, 13)]);
    objects.tree(4, &[("three.yml", File, 14)]);
    objects.marked(11, "one");
    objects.marked(13, "three");
    objects.blobs.insert(12, "a: b".into());
    objects.blobs.insert(14, "a: b".into());
    objects
}

fn paths(files: &[MarkerFile<u32>]) -> Vec<&str> {
    files.iter().map(|file| file.path.as_str()).collect()
}

#[test]
fn a_walk_gives_the_marker_files_below_a_path_with_their_policies() {
    let (mut index, mut objects) = (MarkerIndex::default(), repository());
    let files = index.walk(&mut objects, &1, ".").unwrap();
    assert_eq!(paths(&files), ["apps/deep/Kustomization", "apps/one.yaml"]);
    assert_eq!(
        files[0].policies(),
        BTreeSet::from([&PolicyKey::new("ns", "three")])
    );
    for (path, expected) in [
        ("", &["apps/deep/Kustomization", "apps/one.yaml"][..]),
        ("./apps/deep/", &["apps/deep/Kustomization"]),
        ("/apps/one.yaml", &["apps/one.yaml"]),
        ("apps/two.yaml", &[]),
        ("docs", &[]),
        ("gone", &[]),
        ("apps/one.yaml/x", &[]),
        ("apps/../apps", &[]),
        ("link.yaml", &[]),
        ("README.md", &[]),
    ] {
        assert_eq!(
            paths(&index.walk(&mut objects, &1, path).unwrap()),
            expected,
            "{path}"
        );
    }
}

#[test]
fn each_object_is_read_once() {
    let (mut index, mut objects) = (MarkerIndex::default(), repository());
    index.walk(&mut objects, &1, "apps/deep").unwrap();
    assert_eq!(objects.take_reads(), [1, 2, 3, 13]);
    index.walk(&mut objects, &1, "").unwrap();
    assert_eq!(objects.take_reads(), [11, 12, 4, 14]);
    index.walk(&mut objects, &1, "").unwrap();
    assert!(objects.take_reads().is_empty());
}

#[test]
fn a_changed_file_costs_itself_and_the_trees_above_it() {
    let (mut index, mut objects) = (MarkerIndex::default(), repository());
    index.walk(&mut objects, &1, "").unwrap();
    objects.take_reads();
    objects.tree(21, &[("apps", Tree, 22), ("docs", Tree, 4)]);
    objects.tree(
        22,
        &[("deep", Tree, 3), ("one.yaml", File, 31), ("two.yaml", File, 12)],
    );
    objects.marked(31, "other");
    let files = index.walk(&mut objects, &21, "").unwrap();
    assert_eq!(objects.take_reads(), [21, 22, 31]);
    assert_eq!(
        files[1].policies(),
        BTreeSet::from([&PolicyKey::new("ns", "other")])
    );
}

#[test]
fn an_error_is_given_on_and_forgotten() {
    let (mut index, mut objects) = (MarkerIndex::default(), repository());
    let lost = objects.blobs.remove(&12).unwrap();
    assert_eq!(
        index.walk(&mut objects, &1, "").unwrap_err(),
        WalkError::Source(Missing(12))
    );
    objects.blobs.insert(12, lost);
    assert_eq!(index.walk(&mut objects, &1, "").unwrap().len(), 2);
}

#[test]
fn what_no_recent_walk_reaches_is_dropped() {
    let (mut index, mut objects) = (MarkerIndex::default(), Objects::default());
    for generation in 0..100 {
        let base = generation * 1_000;
        let files: Vec<_> = (1..400)
            .map(|file| (format!("{file}.yaml"), File, base + file))
            .collect();
        let mut entries: Vec<_> = files
            .iter()
            .map(|(name, kind, id)| (name.as_str(), *kind, *id))
            .collect();
        for (_, _, id) in &entries {
            objects.blobs.insert(*id, "a: b".into());
        }
        entries.push(("kept.yaml", File, 1_000_000));
        objects.marked(1_000_000, "kept");
        objects.tree(base, &entries);
        assert_eq!(
            paths(&index.walk(&mut objects, &base, "").unwrap()),
            ["kept.yaml"]
        );
        assert!(index.len() < 20_000, "{}", index.len());
    }
    let reads_of_kept = objects
        .take_reads()
        .into_iter()
        .filter(|id| *id == 1_000_000)
        .count();
    assert_eq!(reads_of_kept, 1);
}

#[test]
fn a_tree_with_more_paths_than_objects_ends() {
    let (mut index, mut objects) = (MarkerIndex::default(), Objects::default());
    objects.marked(1, "p");
    objects.tree(100, &[("a.yaml", File, 1)]);
    for level in 101..140 {
        objects.tree(level, &[("a", Tree, level - 1), ("b", Tree, level - 1)]);
    }
    assert_eq!(
        index.walk(&mut objects, &139, "").unwrap_err(),
        WalkError::TooManyFiles
    );
    assert_eq!(index.walk(&mut objects, &110, "").unwrap().len(), 1_024);
}
