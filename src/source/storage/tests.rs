//! Artifacts on disk.

use std::fs;
use std::time::Duration;

use fluxbot_api::source::Artifact;
use jiff::Timestamp;
use rstest::rstest;
use tempfile::TempDir;

use super::super::tests::tree;
use super::super::{Revision, SourceKey};
use super::{Retention, Storage, StorageError};
use crate::objects::Files as _;

const ADDRESS: &str = "source-controller.flux-system.svc.cluster.local.";

fn key() -> SourceKey {
    SourceKey::new("GitRepository", "flux-system", "fleet")
}

fn storage(records: usize) -> (TempDir, Storage) {
    let folder = TempDir::new().unwrap();
    let retention = Retention {
        records,
        ..Retention::default()
    };
    let storage = Storage::new(folder.path().join("artifacts"), ADDRESS, retention).unwrap();
    (folder, storage)
}

fn store(storage: &Storage, file: &str, content: &str) -> Artifact {
    let tree = tree(&[("a.yaml", content)]);
    storage
        .store(
            &key(),
            file,
            &Revision::parse("main@sha1:x"),
            &tree,
            Timestamp::UNIX_EPOCH,
        )
        .unwrap()
}

#[test]
fn a_stored_artifact_has_the_path_and_url_of_flux_and_is_read_back() {
    let (_folder, storage) = storage(2);
    let artifact = store(&storage, "abc.tar.gz", "hello");
    assert_eq!(artifact.path, "gitrepository/flux-system/fleet/abc.tar.gz");
    assert_eq!(artifact.url, format!("http://{ADDRESS}/{}", artifact.path));
    assert_eq!(storage.url(&artifact), artifact.url);
    storage.verify(&artifact).unwrap();
    let file = storage.folder().join(&artifact.path);
    assert_eq!(
        fs::metadata(&file).unwrap().len(),
        u64::try_from(artifact.size.unwrap()).unwrap()
    );
    assert_eq!(
        storage.load(&artifact).unwrap().read("a.yaml").unwrap().unwrap(),
        b"hello"
    );
    assert_eq!(
        fs::read_dir(file.parent().unwrap()).unwrap().count(),
        1,
        "nothing else is left"
    );
}

#[test]
fn a_missing_or_changed_file_is_told_apart_from_a_sound_one() {
    let (_folder, storage) = storage(2);
    let artifact = store(&storage, "abc.tar.gz", "hello");
    let file = storage.folder().join(&artifact.path);
    fs::write(&file, b"something else").unwrap();
    let damaged = storage.verify(&artifact).unwrap_err();
    assert!(matches!(damaged, StorageError::Digest { .. }), "{damaged}");
    fs::remove_file(&file).unwrap();
    let missing = storage.verify(&artifact).unwrap_err();
    assert!(matches!(missing, StorageError::Missing { .. }), "{missing}");
    let unnamed = Artifact {
        digest: None,
        ..store(&storage, "abc.tar.gz", "hello")
    };
    assert!(matches!(
        storage.verify(&unnamed),
        Err(StorageError::Algorithm(_))
    ));
}

#[rstest]
#[case("../../etc/passwd")]
#[case("gitrepository/flux-system/fleet/../abc.tar.gz")]
#[case("gitrepository/flux-system/fleet/abc.tar.gz/..")]
#[case("gitrepository/flux-system/fleet")]
#[case("gitrepository/flux-system/fleet/")]
#[case("gitrepository/flux-system/fleet/.unfinished-x")]
#[case("gitrepository/flux-system/fleet/abc.tar.gz\0")]
#[case("")]
fn a_path_in_a_status_cannot_lead_out_of_the_storage(#[case] path: &str) {
    let (_folder, storage) = storage(2);
    let artifact = store(&storage, "abc.tar.gz", "hello");
    let hostile = Artifact {
        path: path.to_owned(),
        ..artifact
    };
    assert!(matches!(
        storage.verify(&hostile),
        Err(StorageError::Missing { .. })
    ));
}

#[rstest]
#[case("..", "a", "b", "c")]
#[case("GitRepository", "..", "b", "c")]
#[case("GitRepository", "a", "../../b", "c")]
#[case("GitRepository", "a", "", "c")]
#[case("GitRepository", "a", "b", "../c")]
#[case("GitRepository", "a", "b", ".hidden")]
#[case("GitRepository", "a", "b", "c\0")]
fn a_name_that_could_lead_out_of_the_storage_is_refused(
    #[case] kind: &str,
    #[case] namespace: &str,
    #[case] name: &str,
    #[case] file: &str,
) {
    let (folder, storage) = storage(2);
    let key = SourceKey::new(kind, namespace, name);
    let tree = tree(&[("a.yaml", "x")]);
    let outcome = storage.store(&key, file, &Revision::parse("x"), &tree, Timestamp::UNIX_EPOCH);
    assert!(matches!(outcome, Err(StorageError::Path { .. })), "{outcome:?}");
    if file == "c" {
        assert!(storage.remove_all(&key).is_err());
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    assert_eq!(fs::read_dir(storage.folder()).unwrap().count(), 0);
}

#[rstest]
#[case::young_ones_within_the_number_stay(3, 1, &[])]
#[case::young_ones_beyond_the_number_go(2, 1, &["1"])]
#[case::old_ones_go_whatever_the_number_is(9, 3600, &["1", "2"])]
fn garbage_is_what_is_old_or_too_much(#[case] records: usize, #[case] age: u64, #[case] expected: &[&str]) {
    let (_folder, storage) = storage(records);
    let start = Timestamp::UNIX_EPOCH;
    let mut artifacts = Vec::new();
    for (index, file) in ["1", "2", "3"].iter().enumerate() {
        let artifact = store(&storage, file, file);
        let opened = fs::File::open(storage.folder().join(&artifact.path)).unwrap();
        let written = std::time::SystemTime::from(start) + Duration::from_secs(index as u64);
        opened.set_modified(written).unwrap();
        artifacts.push(artifact);
    }
    let now = start + Duration::from_secs(2 + age);
    let current = artifacts.last().unwrap();
    let mut removed = storage.collect_garbage(&key(), current, now).unwrap();
    removed.sort();
    let expected: Vec<String> = expected
        .iter()
        .map(|file| format!("gitrepository/flux-system/fleet/{file}"))
        .collect();
    assert_eq!(removed, expected);
    storage.verify(current).unwrap();
    assert_eq!(
        storage.collect_garbage(&key(), current, now).unwrap(),
        Vec::<String>::new()
    );
}

#[test]
fn everything_of_an_object_can_be_removed_and_nothing_of_another() {
    let (_folder, storage) = storage(2);
    let artifact = store(&storage, "abc.tar.gz", "hello");
    let other = SourceKey::new("GitRepository", "flux-system", "fleet-two");
    assert_eq!(storage.remove_all(&other).unwrap(), 0);
    storage.verify(&artifact).unwrap();
    assert_eq!(storage.remove_all(&key()).unwrap(), 1);
    assert!(storage.verify(&artifact).is_err());
    assert_eq!(storage.remove_all(&key()).unwrap(), 0);
}

#[test]
fn left_overs_of_an_interrupted_write_are_removed_when_the_storage_is_opened() {
    let (_folder, storage) = storage(2);
    let artifact = store(&storage, "abc.tar.gz", "hello");
    let object = storage.folder().join("gitrepository/flux-system/fleet");
    fs::write(object.join(".unfinished-x"), "half").unwrap();
    let again = Storage::new(storage.folder(), "https://example.org/", Retention::default()).unwrap();
    assert_eq!(fs::read_dir(&object).unwrap().count(), 1);
    again.verify(&artifact).unwrap();
    assert_eq!(
        again.url(&artifact),
        format!("https://example.org/{}", artifact.path)
    );
}
