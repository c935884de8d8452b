use std::path::PathBuf;

use fluxbot_api::image::ScanResult;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use tempfile::TempDir;

use super::*;

fn key(name: &str) -> ObjectKey {
    ObjectKey::new("ns", name)
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn stored(image: &str, tags: impl IntoIterator<Item = u32>, found: i64) -> StoredTags {
    let tags = TagSnapshot::new(tags.into_iter().map(|tag| format!("1.0.{tag}")).collect());
    StoredTags {
        image: image.to_owned(),
        exclusions: vec!["^.*\\.sig$".to_owned()],
        seen: Sightings::new(&tags, at(found)),
        tags: Arc::new(tags),
        held: Some(Arc::new(TagSnapshot::new(vec!["1.0.0".to_owned()]))),
        version: ListVersion::from_parts("https://r.example/v2/app/tags/list", b"W/\"1\""),
        found: at(found),
        is_restored: false,
    }
}

struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    fn file(&self) -> PathBuf {
        self.0.path().join("data/tags.redb")
    }

    fn aside(&self) -> PathBuf {
        self.0.path().join("data/tags.unusable")
    }

    async fn open(&self) -> Arc<TagStore> {
        Arc::new(TagStore::open(&self.file()).await)
    }
}

/// What a store has, as an earlier process would have left it.
fn contents(store: &TagStore) -> Vec<(String, StoredTags)> {
    let stored = store.stored.read().unwrap();
    let mut all: Vec<_> = stored
        .iter()
        .map(|(key, stored)| {
            let stored = StoredTags {
                is_restored: true,
                ..StoredTags::clone(stored)
            };
            (key.to_string(), stored)
        })
        .collect();
    all.sort_by(|(a, _), (b, _)| a.cmp(b));
    all
}

#[tokio::test]
async fn tags_survive_the_process() {
    let folder = Folder::new();
    let first = folder.open().await;
    first.put(&key("one"), stored("r.example/one", 0..1000, 1_800_000_000));
    first.put(&key("two"), stored("r.example/two", 0..10, 1_800_000_000));
    first.put(&key("three"), stored("r.example/three", 0..10, 1_800_000_000));
    assert!(Arc::clone(&first).flush().await);
    // Both an added and a lost tag, a digest, and an object that is gone.
    let mut changed = StoredTags::clone(&first.get(&key("one")).unwrap());
    let tags = TagSnapshot::new((5..1001).map(|tag| format!("1.0.{tag}")).collect());
    changed.seen = changed.seen.carried(&changed.tags, &tags, at(1_800_000_100));
    changed.tags = Arc::new(tags);
    changed.held = None;
    first.put(&key("one"), changed);
    first.note_digest(&key("two"), "1.0.3", "sha256:03", at(1_800_000_200));
    first.note_digest(&key("two"), "1.0.99", "sha256:99", at(1_800_000_200));
    first.remove(&key("three"));
    assert!(Arc::clone(&first).flush().await);
    let left = contents(&first);
    drop(first);

    let second = folder.open().await;
    assert_eq!(contents(&second), left);
    let one = second.get(&key("one")).unwrap();
    assert_eq!(one.first_seen("1.0.7"), Some(at(1_800_000_000)));
    assert_eq!(one.first_seen("1.0.1000"), Some(at(1_800_000_100)));
    assert_eq!(one.first_seen("1.0.1"), None);
    let two = second.get(&key("two")).unwrap();
    assert_eq!(two.seen.digest("1.0.3").unwrap().since, at(1_800_000_200));
    assert_eq!(two.seen.digest("1.0.99"), None);
    assert!(second.get(&key("three")).is_none());
}

#[tokio::test]
async fn what_is_not_written_is_not_there_and_the_rest_is() {
    let folder = Folder::new();
    let first = folder.open().await;
    first.put(&key("one"), stored("r.example/one", 0..10, 1));
    assert!(Arc::clone(&first).flush().await);
    first.put(&key("two"), stored("r.example/two", 0..10, 1));
    // A copy of the file as it is now is what a process finds whose predecessor was killed.
    let copy = Folder::new();
    std::fs::create_dir_all(copy.file().parent().unwrap()).unwrap();
    std::fs::copy(folder.file(), copy.file()).unwrap();
    let second = copy.open().await;
    assert!(second.get(&key("one")).is_some() && second.get(&key("two")).is_none());
    assert!(!copy.aside().exists());
}

#[tokio::test]
async fn an_unchanged_list_is_not_written_again() {
    let folder = Folder::new();
    let store = folder.open().await;
    store.put(&key("one"), stored("r.example/one", 0..10, 1));
    assert!(Arc::clone(&store).flush().await);
    store.put(&key("one"), stored("r.example/one", 0..10, 1));
    store.note_digest(&key("one"), "1.0.99", "sha256:99", at(2));
    store.retain(|_| true);
    assert!(store.changed.lock().unwrap().is_empty());
    store.retain(|_| false);
    assert_eq!(store.changed.lock().unwrap().len(), 1);
}

type Damage = fn(&mut Vec<u8>);

/// A file that was written twice, damaged; opened, and used.
async fn damaged(damage: Damage) -> (Folder, Vec<(String, StoredTags)>) {
    let folder = Folder::new();
    let first = folder.open().await;
    for number in 0..50 {
        first.put(&key(&number.to_string()), stored("r.example/one", 0..100, 1));
        if number == 25 {
            assert!(Arc::clone(&first).flush().await);
        }
    }
    assert!(Arc::clone(&first).flush().await);
    drop(first);
    let mut bytes = std::fs::read(folder.file()).unwrap();
    damage(&mut bytes);
    std::fs::write(folder.file(), &bytes).unwrap();

    let second = folder.open().await;
    let found = contents(&second);
    second.put(&key("new"), stored("r.example/one", 0..10, 1));
    assert!(Arc::clone(&second).flush().await);
    drop(second);
    assert_eq!(contents(&*folder.open().await).len(), found.len() + 1);
    (folder, found)
}

#[tokio::test]
async fn a_file_that_is_damaged_is_moved_aside_and_built_anew() {
    let cut_off: Damage = |bytes| bytes.truncate(100);
    let overwritten: Damage = |bytes| bytes.fill(0x5a);
    for damage in [cut_off, overwritten] {
        let (folder, found) = damaged(damage).await;
        assert_eq!(found, []);
        assert!(folder.aside().exists());
    }
}

#[tokio::test]
async fn of_a_file_with_damaged_pages_nothing_wrong_is_read() {
    for step in [7, 997, 40_009] {
        let (_folder, found) = match step {
            7 => damaged(|bytes| flip(bytes, 7)).await,
            997 => damaged(|bytes| flip(bytes, 997)).await,
            _ => damaged(|bytes| flip(bytes, 40_009)).await,
        };
        let whole = StoredTags {
            is_restored: true,
            ..stored("r.example/one", 0..100, 1)
        };
        assert!(
            found.iter().all(|(_, stored)| *stored == whole),
            "every {step} bytes"
        );
    }
}

/// Damages what lies behind the head of the file.
fn flip(bytes: &mut [u8], step: usize) {
    bytes
        .iter_mut()
        .skip(4096)
        .step_by(step)
        .for_each(|byte| *byte ^= 0xff);
}

#[tokio::test]
async fn a_file_of_another_format_is_moved_aside() {
    let folder = Folder::new();
    std::fs::create_dir_all(folder.file().parent().unwrap()).unwrap();
    let database = redb::Database::create(folder.file()).unwrap();
    let transaction = database.begin_write().unwrap();
    let format: redb::TableDefinition<'_, &str, u64> = redb::TableDefinition::new("format");
    transaction
        .open_table(format)
        .unwrap()
        .insert("format", 0)
        .unwrap();
    transaction.commit().unwrap();
    drop(database);
    assert_eq!(contents(&*folder.open().await), []);
    assert!(folder.aside().exists());
}

#[tokio::test]
async fn a_file_that_another_process_does_not_let_go_is_moved_aside() {
    let folder = Folder::new();
    let first = folder.open().await;
    first.put(&key("one"), stored("r.example/one", 0..10, 1));
    assert!(Arc::clone(&first).flush().await);
    let second = folder.open().await;
    second.put(&key("two"), stored("r.example/two", 0..10, 1));
    assert!(second.flush().await);
    assert!(folder.aside().exists());
}

#[tokio::test]
async fn without_a_folder_to_write_in_the_tags_are_in_memory() {
    let folder = Folder::new();
    std::fs::write(folder.0.path().join("data"), "a file").unwrap();
    let store = folder.open().await;
    store.put(&key("one"), stored("r.example/one", 0..10, 1));
    assert!(store.get(&key("one")).is_some());
    assert!(store.flush().await);
}

#[tokio::test]
async fn a_file_that_vanishes_is_written_again_after_a_failure() {
    let folder = Folder::new();
    let store = folder.open().await;
    store.put(&key("one"), stored("r.example/one", 0..10, 1));
    assert!(Arc::clone(&store).flush().await);
    store.keeper.as_ref().unwrap().fail();
    store.put(&key("two"), stored("r.example/two", 0..10, 1));
    assert!(Arc::clone(&store).flush().await);
    let left = contents(&store);
    drop(store);
    assert_eq!(contents(&*folder.open().await), left);
}

#[test]
fn equal_lists_are_in_memory_once() {
    let store = TagStore::default();
    store.put(&key("one"), stored("r.example/one", 0..10, 1));
    store.put(&key("two"), stored("r.example/two", 0..10, 2));
    store.put(&key("three"), stored("r.example/one", 0..11, 3));
    let tags = |name: &str| Arc::clone(&store.get(&key(name)).unwrap().tags);
    assert!(Arc::ptr_eq(&tags("one"), &tags("two")));
    assert!(!Arc::ptr_eq(&tags("one"), &tags("three")));
}

#[test]
fn what_an_earlier_process_left_counts_when_it_is_what_that_process_told_of() {
    let status = |stored: &StoredTags, time: i64| ImageRepositoryStatus {
        last_scan_result: Some(ScanResult {
            revision: Some(stored.tags.revision().to_owned()),
            scan_time: Some(Time(at(time))),
            ..ScanResult::default()
        }),
        ..ImageRepositoryStatus::default()
    };
    let mut kept = stored("r.example/one", 0..10, 100);
    let other = stored("r.example/one", 0..11, 100);
    assert!(kept.is_current("r.example/one", None), "this process found it");
    assert!(!kept.is_current("r.example/two", None), "another image");
    kept.is_restored = true;
    let is_current =
        |status: Option<ImageRepositoryStatus>| kept.is_current("r.example/one", status.as_ref());
    assert!(!is_current(None), "the object may be another one");
    assert!(
        is_current(Some(status(&kept, 200))),
        "the same list, scanned again since"
    );
    assert!(
        !is_current(Some(status(&other, 200))),
        "a later list was not written"
    );
    assert!(is_current(Some(status(&other, 99))), "the status was not written");
}

#[test]
fn a_first_list_that_is_much_shorter_than_that_of_an_earlier_process_waits_for_a_second_scan() {
    let tags = TagStore::default();
    let key = ObjectKey::new("ns", "app");
    assert!(!tags.must_wait(&key, 10, 0), "nothing was counted before");
    assert!(!tags.must_wait(&key, 5, 10), "half is no suspicion");
    assert!(tags.must_wait(&key, 4, 10));
    assert!(!tags.must_wait(&key, 4, 10), "the second scan is believed");
    assert!(tags.must_wait(&key, 4, 10));
    assert!(!tags.must_wait(&key, 9, 10), "the list is whole again");
    assert!(
        tags.must_wait(&key, 4, 10),
        "so the next short one is the first again"
    );
}
