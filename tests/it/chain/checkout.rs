//! `fluxbot update` in a checkout: dry run, commit, push.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::fixture::{deployment, semver_repository, update_in};
use crate::support::command::{git, stdout};
use crate::support::git::Repository;
use crate::support::registry::Registry;

/// A clone of a repository for which a new tag is there.
async fn checkout(name: &'static str) -> (Registry, Repository, TempDir, PathBuf) {
    let (registry, repository) = semver_repository(name).await;
    registry.push_tags(name, &["1.0.1"]).await;
    let folder = TempDir::new().unwrap();
    let clone = folder.path().join("clone");
    repository.clone_to(&clone);
    // The clone's remote holds no credentials: they come from the environment.
    stdout(git(&clone).args(["remote", "set-url", "origin", repository.url.as_str()]));
    (registry, repository, folder, clone)
}

fn status(clone: &Path) -> String {
    stdout(git(clone).args(["status", "--porcelain"]))
}

#[tokio::test]
async fn the_default_is_a_dry_run() {
    let (registry, _, _folder, clone) = checkout("checkout-dry").await;
    let run = update_in(&clone, &[]).run().await;
    let image = registry.image("checkout-dry");
    assert!(
        run.success()
            .contains(&format!("+                image: \"{image}:1.0.1\"")),
        "{}",
        run.stdout
    );
    assert_eq!(status(&clone), "");
}

#[tokio::test]
async fn commit_writes_the_branch_and_its_work_tree() {
    let (registry, repository, _folder, clone) = checkout("checkout-commit").await;
    let before = repository.revision("main").unwrap();
    std::fs::write(clone.join("unrelated.txt"), "mine\n").unwrap();
    let run = update_in(&clone, &["--commit"]).run().await;
    run.success();
    let image = registry.image("checkout-commit");
    let file = std::fs::read_to_string(clone.join("apps/checkout-commit.yaml")).unwrap();
    assert_eq!(file, deployment("checkout-commit", &image, "1.0.1"));
    assert_eq!(status(&clone), "?? unrelated.txt");
    assert_eq!(stdout(git(&clone).args(["rev-parse", "HEAD^"])), before);
    assert_eq!(
        stdout(git(&clone).args(["log", "-1", "--format=%an <%ae>"])),
        "fluxbot <fluxbot@example.org>"
    );
    stdout(git(&clone).args(["fsck", "--strict"]));
    assert_eq!(repository.revision("main"), Some(before), "nothing is pushed");
}

#[tokio::test]
async fn a_dirty_file_that_would_be_touched_is_refused_and_others_do_not_matter() {
    let (_, _, _folder, clone) = checkout("checkout-dirty").await;
    let file = clone.join("apps/checkout-dirty.yaml");
    let edited = std::fs::read_to_string(&file).unwrap() + "# mine\n";
    std::fs::write(&file, &edited).unwrap();
    let head = stdout(git(&clone).args(["rev-parse", "HEAD"]));
    for mode in ["--commit", "--push"] {
        let run = update_in(&clone, &[mode]).run().await;
        assert!(
            run.failure(1).contains("apps/checkout-dirty.yaml"),
            "{}",
            run.stderr
        );
        assert_eq!(std::fs::read_to_string(&file).unwrap(), edited);
        assert_eq!(stdout(git(&clone).args(["rev-parse", "HEAD"])), head);
    }
}

#[tokio::test]
async fn push_commits_pushes_and_leaves_the_checkout_at_the_pushed_commit() {
    let (_, repository, _folder, clone) = checkout("checkout-push").await;
    update_in(&clone, &["--push"]).run().await.success();
    let pushed = repository.revision("main").unwrap();
    assert_eq!(stdout(git(&clone).args(["rev-parse", "HEAD"])), pushed);
    assert_eq!(status(&clone), "");
    let tracked = stdout(git(&clone).args(["rev-parse", "origin/main"]));
    assert_eq!(tracked, pushed, "git status must not call it unpushed");
    assert!(
        repository
            .show("main", "apps/checkout-push.yaml")
            .contains(":1.0.1\"")
    );
    repository.fsck();
}

#[tokio::test]
async fn push_works_on_a_remote_that_has_moved_and_says_what_to_do() {
    let (_, repository, _folder, clone) = checkout("checkout-behind").await;
    let by_person = repository.commit_files("main", "by a person", &[("notes.md", "x\n")]);
    let head = stdout(git(&clone).args(["rev-parse", "HEAD"]));
    let run = update_in(&clone, &["--push"]).run().await;
    run.success();
    assert!(run.stderr.contains("git pull"), "{}", run.stderr);
    assert_eq!(repository.revision("main^"), Some(by_person));
    assert_eq!(
        stdout(git(&clone).args(["rev-parse", "HEAD"])),
        head,
        "the checkout is left as it was"
    );
    assert_eq!(status(&clone), "");
}
