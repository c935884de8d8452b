//! Revision strings.

use proptest::prelude::*;
use rstest::rstest;

use super::super::{CurrentSource, Revision, SourceKey, SourceStore};

const COMMIT: &str = "5394cb7f48332b2de7c17dd8b8384bbc84b7e738";
const SHA256: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

#[rstest]
#[case::branch("main@sha1:C", Some("main"), Some("C"), "main@sha1:C")]
#[case::branch_with_slashes_and_at("feat/a@b@sha1:C", Some("feat/a@b"), Some("C"), "feat/a@b@sha1:C")]
#[case::reference(
    "refs/heads/main@sha1:C",
    Some("refs/heads/main"),
    Some("C"),
    "refs/heads/main@sha1:C"
)]
#[case::commit("sha1:C", None, Some("C"), "sha1:C")]
#[case::old_branch("main/C", Some("main"), Some("C"), "main@sha1:C")]
#[case::old_branch_with_slash("feat/x/C", Some("feat/x"), Some("C"), "feat/x@sha1:C")]
#[case::old_head("HEAD/C", None, Some("C"), "sha1:C")]
#[case::old_commit("C", None, Some("C"), "sha1:C")]
#[case::chart("6.5.4+2", Some("6.5.4+2"), None, "6.5.4+2")]
#[case::short("main@sha1:abc", Some("main@sha1:abc"), None, "main@sha1:abc")]
#[case::upper_case(
    "sha1:5394CB7F48332B2DE7C17DD8B8384BBC84B7E738",
    Some("sha1:5394CB7F48332B2DE7C17DD8B8384BBC84B7E738"),
    None,
    "sha1:5394CB7F48332B2DE7C17DD8B8384BBC84B7E738"
)]
#[case::unknown_algorithm("main@md5:abc", Some("main@md5:abc"), None, "main@md5:abc")]
#[case::empty("", Some(""), None, "")]
fn a_revision_is_read(
    #[case] text: &str,
    #[case] name: Option<&str>,
    #[case] commit: Option<&str>,
    #[case] written: &str,
) {
    let fill = |text: &str| text.replace('C', COMMIT);
    // The digits of the upper-case form are no placeholder.
    let fill = |text: &str| {
        if text.contains("CB7F") {
            text.to_owned()
        } else {
            fill(text)
        }
    };
    let revision = Revision::parse(&fill(text));
    assert_eq!(revision.name().map(str::to_owned), name.map(fill));
    assert_eq!(revision.git_commit(), commit.map(|_| COMMIT));
    assert_eq!(revision.to_string(), fill(written));
}

#[test]
fn digests_of_other_sources_are_no_git_commits() {
    for text in [format!("v1.0@sha256:{SHA256}"), format!("sha256:{SHA256}")] {
        let revision = Revision::parse(&text);
        assert_eq!(revision.git_commit(), None);
        assert_eq!(revision.digest().unwrap().hex, SHA256);
        assert_eq!(revision.to_string(), text);
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read_as_the_same(text in "[a-z/@:.]{0,12}(@?sha1:|/)?[0-9a-f]{0,44}") {
        let revision = Revision::parse(&text);
        prop_assert_eq!(Revision::parse(&revision.to_string()), revision);
    }
}

#[test]
fn a_consumer_gets_the_tree_that_the_status_names_or_none() {
    let store = SourceStore::default();
    let key = SourceKey::new("GitRepository", "flux-system", "fleet");
    let source = |digest: &str| CurrentSource {
        revision: Revision::git("main", &COMMIT),
        digest: digest.to_owned(),
        tree: super::tree(&[("a.yaml", digest)]),
    };
    assert!(store.get(&key).is_none());
    assert!(store.put(key.clone(), source("sha256:1")).is_none());
    let held = store.get_digest(&key, "sha256:1").unwrap();
    assert_eq!(
        store.put(key.clone(), source("sha256:2")).unwrap().digest,
        "sha256:1"
    );
    assert!(store.get_digest(&key, "sha256:1").is_none());
    assert_eq!(&*held.tree.read_file("a.yaml").unwrap().unwrap(), b"sha256:1");
    assert!(store.remove(&key).is_some());
    assert!(store.get(&key).is_none());
}
