//! kill -9 at any moment: the end state is the same as without, and no commit is made twice.

use std::time::Duration;

use super::fixture::{deployment, semver_repository, update};
use crate::support::cli::Fluxbot;
use crate::support::control::{Action, Fault};
use crate::support::git::GitServer;

/// Ten moments from the start of the process to after its usual end, in milliseconds. They are fixed, so that a failure
/// can be repeated; what the process is doing then differs from machine to machine.
const MOMENTS: [u64; 10] = [1, 5, 12, 20, 30, 45, 60, 80, 120, 200];

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_at_any_moment_leaves_a_state_that_the_next_run_completes() {
    let (registry, repository) = semver_repository("kill").await;
    let image = registry.image("kill");
    // The mirror outlives the processes, as it does for a user.
    let cache = tempfile::tempdir().unwrap();
    let with_cache = |run: Fluxbot| run.env("FLUXBOT_CACHE", cache.path());
    for (round, moment) in MOMENTS.into_iter().enumerate() {
        let tag = format!("1.0.{}", round + 1);
        registry.push_tags("kill", &[&tag]).await;
        let running = with_cache(update(&repository, &["--push"])).start();
        tokio::time::sleep(Duration::from_millis(moment)).await;
        running.kill().await;
        with_cache(update(&repository, &["--push"])).run().await.success();
        assert_eq!(
            repository.show("main", "apps/kill.yaml"),
            deployment("kill", &image, &tag)
        );
        assert_eq!(
            repository.log("main").len(),
            2 + round,
            "one commit for each tag, after {moment} ms"
        );
    }
    repository.fsck();
}

#[tokio::test]
async fn a_kill_before_and_after_the_server_takes_the_push_makes_one_commit() {
    for (name, action) in [
        ("kill-before", Action::HoldRequest),
        ("kill-after", Action::HoldResponse),
    ] {
        let (registry, repository) = semver_repository(name).await;
        registry.push_tags(name, &["1.0.1"]).await;
        let before = repository.revision("main");
        let cache = tempfile::tempdir().unwrap();
        let path = format!("{name}.git/git-receive-pack");
        let control = GitServer::shared().control().clone();
        control.order(&Fault::new(action, &path).method("POST")).await;
        let running = update(&repository, &["--push"])
            .env("FLUXBOT_CACHE", cache.path())
            .start();
        control.await_held(&path, 1).await;
        running.kill().await;
        control.clear_faults(&path).await;
        let run = update(&repository, &["--push"])
            .env("FLUXBOT_CACHE", cache.path())
            .run()
            .await;
        run.success();
        assert_eq!(repository.revision("main^"), before, "exactly one commit");
        repository.fsck();
    }
}
