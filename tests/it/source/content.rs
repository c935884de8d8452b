//! What is put together before an artifact is stored: includes and ignore rules, on trees of a real server.

use fluxbot::objects::Files as _;
use fluxbot::source::ArtifactTree;
use fluxbot::source::git::{Content, Include, Request, ResolveError, Resolved, resolve};
use rstest::rstest;
use tempfile::TempDir;

use super::fixture::{Lab, branch};
use crate::support::git::GitServer;

/// A folder of this machine as a source.
fn folder(files: &[(&str, &str)]) -> ArtifactTree {
    let folder = TempDir::new().unwrap();
    for (path, content) in files {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }
    ArtifactTree::of_directory(folder.path(), None).unwrap()
}

/// The tree of a repository with what another source has put into it.
async fn including(
    name: &str,
    from: &str,
    to: &str,
    ignore: Option<&str>,
) -> Result<ArtifactTree, ResolveError> {
    let files = [
        ("apps/a.yaml", "own\n"),
        ("apps/notes.md", "own\n"),
        (".sourceignore", "*.md\n"),
    ];
    let repository = GitServer::shared().create_repository(&format!("content-{name}"), &files);
    let lab = Lab::new();
    let mirror = lab.mirror(&repository);
    let (from, to, ignore) = (from.to_owned(), to.to_owned(), ignore.map(str::to_owned));
    let work = move || {
        let other = folder(&[
            ("deploy/a.yaml", "other\n"),
            ("deploy/b.yaml", "other\n"),
            ("deploy/notes.md", "other\n"),
            ("deploy/deep/.sourceignore", "!keep.md\n"),
            ("deploy/deep/keep.md", "other\n"),
            ("deploy/deep/lose.md", "other\n"),
        ]);
        let reference = branch("main");
        let includes = [Include {
            name: "other".to_owned(),
            tree: other,
            from,
            to,
        }];
        let request = Request {
            reference: Some(&reference),
            content: Content {
                ignore: ignore.as_deref(),
                includes: &includes,
                ..Content::default()
            },
            ..Request::default()
        };
        match resolve(&mirror, &request)? {
            Resolved::Fetched(checkout) => Ok(checkout.tree),
            Resolved::Unchanged(revision) => panic!("{revision}"),
        }
    };
    tokio::task::spawn_blocking(work).await.unwrap()
}

#[tokio::test]
async fn the_ignore_rules_of_both_count_for_what_is_included() {
    let tree = including("rules", "./deploy/", "../../vendor", Some("b.yaml"))
        .await
        .unwrap();
    assert_eq!(
        tree.list("").unwrap(),
        [
            ".sourceignore",
            "apps/a.yaml",
            "vendor/a.yaml",
            "vendor/deep/.sourceignore",
            "vendor/deep/keep.md"
        ]
    );
    assert_eq!(tree.read("vendor/a.yaml").unwrap().unwrap(), b"other\n");
}

#[tokio::test]
async fn a_file_takes_the_place_of_a_file() {
    let tree = including("file", "deploy/a.yaml", "apps/a.yaml", None)
        .await
        .unwrap();
    assert_eq!(tree.read("apps/a.yaml").unwrap().unwrap(), b"other\n");
}

#[rstest]
#[case::a_folder_with_files("1", "deploy", "apps", "apps exists already and is not empty")]
#[case::the_root("2", "deploy", ".", ". exists already and is not empty")]
#[case::a_file("3", "deploy", "apps/a.yaml", "apps/a.yaml is not a directory")]
#[case::below_a_file("4", "deploy", "apps/a.yaml/x", "apps/a.yaml is not a directory")]
#[case::a_file_over_a_folder("5", "deploy/a.yaml", "apps", "apps exists already and is not empty")]
#[case::what_is_not_there(
    "6",
    "deploy/none",
    "vendor",
    "cannot stat deploy/none: no such file or directory"
)]
#[tokio::test]
async fn what_cannot_be_copied_is_named(
    #[case] name: &str,
    #[case] from: &str,
    #[case] to: &str,
    #[case] reason: &str,
) {
    let error = including(&format!("fault-{name}"), from, to, None)
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("failed to copy 'other' include from {from} to {to}: {reason}")
    );
}

#[test]
fn a_folder_gives_its_files_without_links_and_what_is_ignored() {
    let folder = TempDir::new().unwrap();
    for (path, content) in [
        ("a/b.yaml", "b"),
        ("logo.png", "x"),
        (".git/config", "x"),
        ("c.sh", "c"),
    ] {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }
    std::os::unix::fs::symlink("c.sh", folder.path().join("link.sh")).unwrap();
    let tree = ArtifactTree::of_directory(folder.path(), None).unwrap();
    assert_eq!(tree.list("").unwrap(), ["a/b.yaml", "c.sh"]);
    assert_eq!(tree.read("a/b.yaml").unwrap().unwrap(), b"b");
    let error = ArtifactTree::of_directory(&folder.path().join("none"), None).unwrap_err();
    assert!(error.to_string().starts_with("cannot read "), "{error}");
}
