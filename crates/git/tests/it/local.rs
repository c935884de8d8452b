//! Checkouts of the user.

use crate::support::{Lab, git, main_branch, request, write};
use fluxbot_git::{Edit, FileKind, RefName, RepoPath, WorkTree, WorkTreeError};
use rstest::rstest;
use std::path::{Path, PathBuf};

fn checkout(lab: &Lab) -> PathBuf {
    let work = lab.path("work");
    git(
        lab.directory.path(),
        &[
            "clone",
            "--quiet",
            lab.repo().to_str().unwrap(),
            work.to_str().unwrap(),
        ],
    );
    work
}

fn commit(tree: &WorkTree, edits: &[(&str, Edit)]) -> Result<(), WorkTreeError> {
    let request = request(tree.head(), "update images", edits);
    let commit = tree.snapshot().prepare(&request)?;
    tree.commit(&commit, &request.edits)
}

fn status(work: &Path) -> String {
    git(work, &["status", "--porcelain"])
}

const FILES: [(&str, &str); 3] = [
    ("a/one.yaml", "one\n"),
    ("a/two.yaml", "two\n"),
    ("b.yaml", "b\n"),
];

#[test]
fn a_commit_moves_branch_files_and_index_together() {
    let lab = Lab::with_files(&FILES);
    let work = checkout(&lab);
    let tree = WorkTree::open(&work).unwrap();
    assert_eq!((tree.branch(), tree.head()), (&main_branch(), lab.tip("main")));
    let executable = Edit::Write {
        content: b"#!/bin/sh\n".to_vec(),
        kind: Some(FileKind::Executable),
    };
    let edits = [
        ("a/one.yaml", write("ONE\n")),
        ("a/two.yaml", Edit::Remove),
        ("c/d/new.sh", executable),
        ("a/zzz", write("z\n")),
    ];
    commit(&tree, &edits).unwrap();
    assert_eq!(status(&work), "");
    assert_eq!(
        git(&work, &["log", "-1", "--format=%s by %an"]),
        "update images by fluxbot"
    );
    assert_eq!(
        git(&work, &["rev-parse", "HEAD~1"]),
        lab.tip("main").unwrap().to_string()
    );
    assert_eq!(std::fs::read_to_string(work.join("a/one.yaml")).unwrap(), "ONE\n");
    assert!(!work.join("a/two.yaml").exists());
    git(&work, &["fsck", "--strict", "--no-dangling"]);
    assert!(git(&work, &["reflog", "-1"]).contains("HEAD@{0}: commit: by fluxbot"));
    // The index is written so that git itself goes on from it.
    std::fs::write(work.join("b.yaml"), "B\n").unwrap();
    git(&work, &["commit", "--quiet", "-a", "-m", "by hand"]);
    git(&work, &["push", "--quiet", "origin", "main"]);
    assert_eq!(lab.show("main", "a/one.yaml"), "ONE");
    commit(&WorkTree::open(&work).unwrap(), &[("b.yaml", write("b again\n"))]).unwrap();
    assert_eq!(status(&work), "");
}

#[test]
fn other_changes_of_the_user_stay_as_they_are() {
    let lab = Lab::with_files(&FILES);
    let work = checkout(&lab);
    std::fs::write(work.join("a/two.yaml"), "not staged\n").unwrap();
    std::fs::write(work.join("b.yaml"), "staged\n").unwrap();
    std::fs::write(work.join("untracked"), "x\n").unwrap();
    git(&work, &["add", "b.yaml"]);
    let before = status(&work);
    commit(&WorkTree::open(&work).unwrap(), &[("a/one.yaml", write("ONE\n"))]).unwrap();
    assert_eq!(status(&work), before);
    assert_eq!(git(&work, &["show", "--name-only", "--format="]), "a/one.yaml");
}

#[rstest]
#[case::changed("one.yaml", &[])]
#[case::staged("one.yaml", &["add", "a/one.yaml"])]
#[case::hidden("one.yaml", &["update-index", "--assume-unchanged", "a/one.yaml"])]
#[case::in_the_way("new.yaml", &[])]
fn a_file_with_changes_is_not_touched(#[case] name: &str, #[case] prepare: &[&str]) {
    let lab = Lab::with_files(&FILES);
    let work = checkout(&lab);
    let file = work.join("a").join(name);
    std::fs::write(&file, "by hand\n").unwrap();
    if !prepare.is_empty() {
        git(&work, prepare);
    }
    let tree = WorkTree::open(&work).unwrap();
    let path = format!("a/{name}");
    let error = commit(&tree, &[(&path, write("by fluxbot\n")), ("b.yaml", write("B\n"))]).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("{path} has changes not committed: commit or stash it first")
    );
    assert_eq!(std::fs::read_to_string(file).unwrap(), "by hand\n");
    assert_eq!(std::fs::read_to_string(work.join("b.yaml")).unwrap(), "b\n");
    assert_eq!(
        git(&work, &["rev-parse", "HEAD"]),
        lab.tip("main").unwrap().to_string()
    );
    assert_eq!(tree.dirty(&[RepoPath::new("b.yaml").unwrap()]).unwrap(), []);
    assert!(!work.join(".git/index.lock").exists());
}

#[test]
fn a_change_that_is_staged_and_taken_back_in_the_file_counts_as_a_change() {
    let lab = Lab::with_files(&FILES);
    let work = checkout(&lab);
    std::fs::write(work.join("b.yaml"), "staged\n").unwrap();
    git(&work, &["add", "b.yaml"]);
    std::fs::write(work.join("b.yaml"), "b\n").unwrap();
    let error = commit(&WorkTree::open(&work).unwrap(), &[("b.yaml", write("B\n"))]).unwrap_err();
    assert!(matches!(error, WorkTreeError::Dirty { .. }), "{error:?}");
}

#[test]
fn a_directory_that_was_replaced_by_a_link_is_not_followed() {
    let lab = Lab::with_files(&FILES);
    let work = checkout(&lab);
    let outside = lab.path("outside");
    std::fs::create_dir(&outside).unwrap();
    std::fs::write(outside.join("one.yaml"), "one\n").unwrap();
    std::fs::remove_dir_all(work.join("a")).unwrap();
    std::os::unix::fs::symlink(&outside, work.join("a")).unwrap();
    let error = commit(&WorkTree::open(&work).unwrap(), &[("a/one.yaml", write("ONE\n"))]).unwrap_err();
    assert!(matches!(error, WorkTreeError::BehindSymlink { .. }), "{error:?}");
    assert_eq!(
        std::fs::read_to_string(outside.join("one.yaml")).unwrap(),
        "one\n"
    );
}

#[test]
fn a_branch_that_moved_meanwhile_is_left_alone() {
    let lab = Lab::with_files(&FILES);
    let work = checkout(&lab);
    let tree = WorkTree::open(&work).unwrap();
    std::fs::write(work.join("b.yaml"), "B\n").unwrap();
    git(&work, &["commit", "--quiet", "-a", "-m", "by hand"]);
    let error = commit(&tree, &[("a/one.yaml", write("ONE\n"))]).unwrap_err();
    assert!(matches!(error, WorkTreeError::Moved { .. }), "{error:?}");
    assert_eq!(status(&work), "");
}

#[test]
fn a_linked_worktree_gets_its_commit_on_its_own_branch() {
    let lab = Lab::with_files(&FILES);
    let work = checkout(&lab);
    let linked = lab.path("linked");
    git(
        &work,
        &[
            "worktree",
            "add",
            "--quiet",
            "-b",
            "side",
            linked.to_str().unwrap(),
        ],
    );
    let tree = WorkTree::open(&linked).unwrap();
    assert_eq!(tree.branch(), &RefName::branch("side").unwrap());
    commit(&tree, &[("b.yaml", write("B\n"))]).unwrap();
    assert_eq!((status(&linked), status(&work)), (String::new(), String::new()));
    assert_eq!(git(&work, &["log", "-1", "--format=%s", "side"]), "update images");
    assert_eq!(
        git(&work, &["rev-parse", "main"]),
        lab.tip("main").unwrap().to_string()
    );
}

#[test]
fn the_first_commit_of_a_repository_is_made() {
    let lab = Lab::empty();
    let work = lab.path("work");
    git(
        lab.directory.path(),
        &["init", "--quiet", "--initial-branch=main", work.to_str().unwrap()],
    );
    commit(&WorkTree::open(&work).unwrap(), &[("a/b", write("x\n"))]).unwrap();
    assert_eq!(
        (status(&work), git(&work, &["show", "HEAD:a/b"])),
        (String::new(), "x".to_owned())
    );
}

#[test]
fn the_remote_comes_from_the_configuration_of_the_repository_alone() {
    let lab = Lab::with_files(&FILES);
    let work = checkout(&lab);
    git(
        &work,
        &[
            "config",
            "url.https://evil.example.com/.insteadOf",
            "https://git.example.com/",
        ],
    );
    git(
        &work,
        &["config", "remote.origin.url", "https://git.example.com/x.git"],
    );
    let tree = WorkTree::open(&work).unwrap();
    assert_eq!(
        tree.remote_url().as_deref(),
        Some("https://git.example.com/x.git")
    );
    assert_eq!(tree.upstream(), Some(main_branch()));
}

#[test]
fn what_is_no_checkout_is_refused_with_the_reason() {
    let lab = Lab::with_files(&FILES);
    let work = checkout(&lab);
    let text = |path: &Path| WorkTree::open(path).unwrap_err().to_string();
    assert!(text(&lab.repo()).contains("bare"), "{}", text(&lab.repo()));
    assert!(text(&work.join("a")).contains("is not the root of a git checkout"));
    git(&work, &["checkout", "--quiet", "--detach"]);
    assert!(
        text(&work).contains("no branch is checked out"),
        "{}",
        text(&work)
    );
}

#[test]
fn an_unfinished_merge_is_refused() {
    let lab = Lab::with_files(&FILES);
    let work = checkout(&lab);
    git(&work, &["update-ref", "MERGE_HEAD", "HEAD"]);
    assert!(matches!(
        WorkTree::open(&work),
        Err(WorkTreeError::InProgress { .. })
    ));
}
