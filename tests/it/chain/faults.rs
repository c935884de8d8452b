//! Faults at exact moments: the answer to a push is lost, the branch moves under us, a hook refuses, access is denied.

use super::fixture::{deployment, semver_repository, update};
use crate::support::control::{Action, Fault};
use crate::support::git::GitServer;

#[tokio::test]
async fn when_the_answer_to_a_push_is_lost_there_is_no_second_commit() {
    let (registry, repository) = semver_repository("lost-answer").await;
    registry.push_tags("lost-answer", &["1.0.1"]).await;
    let before = repository.revision("main");
    let fault = Fault::new(Action::DropResponse, "lost-answer.git/git-receive-pack").method("POST");
    GitServer::shared().control().order(&fault).await;

    let run = update(&repository, &["--push"]).run().await;

    run.success();
    assert_eq!(repository.revision("main^"), before, "exactly one commit");
    let image = registry.image("lost-answer");
    assert_eq!(
        repository.show("main", "apps/lost-answer.yaml"),
        deployment("lost-answer", &image, "1.0.1")
    );
}

#[tokio::test]
async fn a_push_that_never_arrived_is_sent_again() {
    let (registry, repository) = semver_repository("lost-push").await;
    registry.push_tags("lost-push", &["1.0.1"]).await;
    let before = repository.revision("main");
    let fault = Fault::new(Action::DropRequest, "lost-push.git/git-receive-pack").method("POST");
    GitServer::shared().control().order(&fault).await;
    update(&repository, &["--push"]).run().await.success();
    assert_eq!(repository.revision("main^"), before, "exactly one commit");
}

#[tokio::test]
async fn a_branch_that_moves_between_fetch_and_push_is_fetched_again() {
    let (registry, repository) = semver_repository("moved").await;
    registry.push_tags("moved", &["1.0.1"]).await;
    let control = GitServer::shared().control().clone();
    control
        .order(&Fault::new(Action::HoldRequest, "moved.git/git-receive-pack").method("POST"))
        .await;

    let running = update(&repository, &["--push"]).start();
    control.await_held("moved.git/git-receive-pack", 1).await;
    let by_person = repository.commit_files("main", "by a person", &[("notes.md", "first\n")]);
    control.clear_faults("moved.git/git-receive-pack").await;
    let run = running.finish().await;

    run.success();
    assert!(run.stderr.contains("after 1 lost race"), "{}", run.stderr);
    assert_eq!(
        repository.revision("main^"),
        Some(by_person),
        "on top of the person's commit"
    );
    assert_eq!(repository.show("main", "notes.md"), "first\n");
    assert!(repository.show("main", "apps/moved.yaml").contains(":1.0.1\""));
    repository.fsck();
}

#[tokio::test]
async fn the_text_of_a_hook_that_refuses_is_shown_without_its_control_characters() {
    let (registry, repository) = semver_repository("hook").await;
    registry.push_tags("hook", &["1.0.1"]).await;
    let hooks = repository.bare.join("hooks");
    std::fs::create_dir_all(&hooks).unwrap();
    let hook = hooks.join("pre-receive");
    std::fs::write(
        &hook,
        "#!/bin/sh\nprintf 'main is \\033[31mprotected\\033[0m\\n' >&2\nexit 1\n",
    )
    .unwrap();
    std::fs::set_permissions(&hook, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let before = repository.revision("main");

    let run = update(&repository, &["--push"]).run().await;

    let errors = run.failure(1);
    assert!(errors.contains("protected"), "{errors}");
    assert!(!errors.contains('\u{1b}'), "{errors:?}");
    assert_eq!(repository.revision("main"), before);
    let pushes = GitServer::shared()
        .control()
        .requests("hook.git/git-receive-pack")
        .await;
    assert_eq!(pushes.len(), 1, "a refusal is not tried again: {pushes:?}");
}

#[tokio::test]
async fn wrong_credentials_are_named_by_host_and_never_printed() {
    let (_, repository) = semver_repository("denied").await;
    let run = update(&repository, &["--push"])
        .env("FLUXBOT_GIT_PASSWORD", "not-the-password")
        .run()
        .await;
    let errors = run.failure(1);
    assert!(
        errors.contains("authentication rejected by 127.0.0.1"),
        "{errors}"
    );
    assert!(!errors.contains("not-the-password"), "{errors}");
}

#[tokio::test]
async fn a_server_that_answers_with_an_error_once_is_a_clear_failure_and_the_next_run_succeeds() {
    let (registry, repository) = semver_repository("unwell").await;
    registry.push_tags("unwell", &["1.0.1"]).await;
    GitServer::shared()
        .control()
        .order(&Fault::status(502, "unwell.git/info/refs").times(10))
        .await;
    let run = update(&repository, &["--push"]).run().await;
    assert!(run.failure(1).contains("502"), "{}", run.stderr);
    GitServer::shared()
        .control()
        .clear_faults("unwell.git/info/refs")
        .await;
    update(&repository, &["--push"]).run().await.success();
    assert!(repository.show("main", "apps/unwell.yaml").contains(":1.0.1\""));
}
