//! What is checked out, what is pushed beside the branch, and with which message.

use super::fixture::{deployment, semver_repository, update};
use crate::support::command::stdout;
use crate::support::git::Repository;

/// Replaces a part of the objects on `main`.
fn change_objects(repository: &Repository, from: &str, to: &str) {
    let path = "clusters/beta/image.yaml";
    let objects = repository.show("main", path);
    assert!(objects.contains(from), "{objects}");
    let content = objects.replace(from, to);
    repository.commit_files("main", "objects", &[(path, &content)]);
}

const BRANCHES: (&str, &str) = ("checkout: {ref: {branch: main}}", "push: {branch: main}");

#[tokio::test]
async fn a_tag_a_range_a_name_and_a_commit_can_be_checked_out() {
    let (registry, repository) = semver_repository("references").await;
    registry.push_tags("references", &["1.0.1"]).await;
    let base = repository.commit_files("main", "release", &[("release.md", "1\n")]);
    stdout(repository.git().args(["tag", "v1.2.0", &base]));
    stdout(
        repository
            .git()
            .args(["tag", "--annotate", "--message", "x", "v1.2.1", &base]),
    );
    stdout(repository.git().args(["update-ref", "refs/pull/7/head", &base]));
    repository.commit_files("main", "later", &[("later.md", "x\n")]);
    let commit = format!("{{commit: {base}}}");
    let mut before = BRANCHES.0.to_owned();
    let mut push = BRANCHES.1.to_owned();
    for (index, reference) in [
        "{tag: v1.2.0}",
        "{semver: '>=1.2.0'}",
        "{name: refs/pull/7/head}",
        &commit,
    ]
    .into_iter()
    .enumerate()
    {
        let branch = format!("bot-{index}");
        let now = format!("checkout: {{ref: {reference}}}");
        let pushed = format!("push: {{branch: {branch}}}");
        change_objects(&repository, &before, &now);
        change_objects(&repository, &push, &pushed);
        (before, push) = (now, pushed);
        update(&repository, &["--push"]).run().await.success();
        assert_eq!(
            repository.revision(&format!("{branch}^")).as_ref(),
            Some(&base),
            "{reference}"
        );
        let image = registry.image("references");
        let content = repository.show(&branch, "apps/references.yaml");
        assert_eq!(content, deployment("references", &image, "1.0.1"));
    }
    repository.fsck();
}

#[tokio::test]
async fn a_reference_that_does_not_exist_is_named() {
    let (registry, repository) = semver_repository("no-reference").await;
    registry.push_tags("no-reference", &["1.0.1"]).await;
    change_objects(&repository, BRANCHES.1, "push: {branch: bot}");
    let mut before = BRANCHES.0.to_owned();
    for (reference, expected) in [
        (
            "{tag: v9}",
            "failed to checkout source: tag 'v9' does not exist on the remote",
        ),
        (
            "{semver: 9.x}",
            "failed to checkout source: no match found for semver: 9.x",
        ),
        (
            "{semver: '>> 1'}",
            "failed to checkout source: semver parse error: ",
        ),
        (
            "{name: refs/pull/9/head}",
            "failed to checkout source: reference 'refs/pull/9/head' does not exist on the remote",
        ),
        (
            "{commit: abc1234}",
            "failed to checkout source: unable to resolve commit object for 'abc1234': ",
        ),
        (
            "{branch: 'a..b'}",
            "invalid branch name: reference name \"refs/heads/a..b\" is not valid: it contains `..`",
        ),
    ] {
        let now = format!("checkout: {{ref: {reference}}}");
        change_objects(&repository, &before, &now);
        before = now;
        let run = update(&repository, &["--push"]).run().await;
        assert!(run.failure(1).contains(expected), "{reference}: {}", run.stderr);
    }
    assert_eq!(repository.revision("bot"), None);
}

#[tokio::test]
async fn a_tag_behind_the_branch_that_is_pushed_would_lose_commits() {
    let (registry, repository) = semver_repository("rewind").await;
    registry.push_tags("rewind", &["1.0.1"]).await;
    stdout(repository.git().args(["tag", "v1", "main"]));
    change_objects(
        &repository,
        BRANCHES.0,
        "checkout: {ref: {tag: v1, branch: main}}",
    );
    let main = repository.revision("main");
    let run = update(&repository, &["--push"]).run().await;
    let expected = "failed to push to remote: non-fast-forward update: refs/heads/main";
    assert!(run.failure(1).contains(expected), "{}", run.stderr);
    assert_eq!(repository.revision("main"), main);
}

#[tokio::test]
async fn a_refspec_gets_what_the_branch_gets() {
    let (registry, repository) = semver_repository("refspec").await;
    change_objects(
        &repository,
        BRANCHES.1,
        "push: {branch: main, refspec: 'refs/heads/main:refs/for/main'}",
    );
    for tag in ["1.0.1", "1.0.2"] {
        registry.push_tags("refspec", &[tag]).await;
        update(&repository, &["--push"]).run().await.success();
        assert!(
            repository
                .show("main", "apps/refspec.yaml")
                .contains(&format!(":{tag}\""))
        );
        assert_eq!(repository.revision("refs/for/main"), repository.revision("main"));
    }

    // Somebody else's commit is in the way: neither reference moves.
    let theirs = repository.commit_files("elsewhere", "theirs", &[("a", "b\n")]);
    stdout(repository.git().args(["update-ref", "refs/for/main", &theirs]));
    registry.push_tags("refspec", &["1.0.3"]).await;
    let main = repository.revision("main");
    let run = update(&repository, &["--push"]).run().await;
    let expected = "failed to push to remote: non-fast-forward update: refs/for/main";
    assert!(run.failure(1).contains(expected), "{}", run.stderr);
    assert_eq!(repository.revision("main"), main);
    change_objects(
        &repository,
        "refspec: 'refs/heads/main:refs/for/main'",
        "refspec: '+refs/heads/main:refs/for/main'",
    );
    update(&repository, &["--push"]).run().await.success();
    assert_eq!(repository.revision("refs/for/main"), repository.revision("main"));
    repository.fsck();
}

#[tokio::test]
async fn a_refspec_that_a_hook_refuses_leaves_the_branch_as_it_was() {
    let (registry, repository) = semver_repository("atomic").await;
    change_objects(
        &repository,
        BRANCHES.1,
        "push: {branch: main, refspec: 'HEAD:refs/heads/protected'}",
    );
    repository.install_hook("update", "case $1 in */protected) echo 'not here'; exit 1;; esac");
    registry.push_tags("atomic", &["1.0.1"]).await;
    let main = repository.revision("main");
    let run = update(&repository, &["--push"]).run().await;
    assert!(run.failure(1).contains("not here"), "{}", run.stderr);
    assert_eq!(repository.revision("main"), main);
    assert_eq!(repository.revision("protected"), None);
}

#[tokio::test]
async fn push_options_reach_the_hooks_of_the_server() {
    let (registry, repository) = semver_repository("options").await;
    stdout(
        repository
            .git()
            .args(["config", "receive.advertisePushOptions", "true"]),
    );
    repository.install_hook(
        "pre-receive",
        "echo \"$GIT_PUSH_OPTION_COUNT $GIT_PUSH_OPTION_0 $GIT_PUSH_OPTION_1\" > options",
    );
    change_objects(
        &repository,
        BRANCHES.1,
        "push: {branch: main, options: {merge_request.create: '', ci.skip: 'true'}}",
    );
    registry.push_tags("options", &["1.0.1"]).await;
    update(&repository, &["--push"]).run().await.success();
    let told = std::fs::read_to_string(repository.bare.join("options")).unwrap();
    assert_eq!(told.trim(), "2 ci.skip=true merge_request.create=");
}

#[tokio::test]
async fn the_message_is_what_the_template_or_the_preset_says() {
    let (registry, repository) = semver_repository("message").await;
    let image = registry.image("message");
    let template = "messageTemplate: '{{range .Updated.Images}}{{println .}}{{end}}'";
    registry.push_tags("message", &["1.0.1"]).await;
    let flux = "messageTemplate: \"{{ .AutomationObject }} {{ .Values.cluster | upper }}\\n{{ range .Changed.Changes }}\
                {{ .Setter }}: {{ .NewValue }}{{ end }}\"\n      messageTemplateValues: {cluster: beta}";
    change_objects(&repository, template, flux);
    update(&repository, &["--push"]).run().await.success();
    let body = |branch: &str| stdout(repository.git().args(["log", "-1", "--format=%B", branch]));
    assert_eq!(
        body("main").trim_end(),
        format!("flux-system/message BETA\nflux-system:message: {image}:1.0.1")
    );

    registry.push_tags("message", &["1.0.2"]).await;
    change_objects(&repository, flux, "messageTemplate: '{{ .Changed.Nothing }}'");
    let main = repository.revision("main");
    let run = update(&repository, &["--push"]).run().await;
    let expected = "flux-system/message: failed to update source: failed to run template from spec: template: commit \
                    message:1:11: executing \"commit message\" at <.Changed.Nothing>: can't evaluate field Nothing in type \
                    update.Result";
    assert!(run.failure(1).contains(expected), "{}", run.stderr);
    assert_eq!(repository.revision("main"), main);

    change_objects(
        &repository,
        "messageTemplate: '{{ .Changed.Nothing }}'",
        "messageTemplate: ''",
    );
    update(&repository, &["--push", "--commit-message", "conventional"])
        .run()
        .await
        .success();
    assert_eq!(
        body("main").trim_end(),
        format!(
            "chore(images): update message 1.0.1 -> 1.0.2\n\n- {image} 1.0.1 -> 1.0.2\n\nImage-Policy: flux-system/message"
        )
    );
    // Git itself reads the trailer.
    let trailers = stdout(repository.git().args([
        "log",
        "-1",
        "--format=%(trailers:key=Image-Policy,valueonly)",
        "main",
    ]));
    assert_eq!(trailers.trim(), "flux-system/message");

    registry.push_tags("message", &["1.0.3"]).await;
    update(&repository, &["--push"]).run().await.success();
    assert_eq!(body("main").trim_end(), "Update from image update automation");
}
