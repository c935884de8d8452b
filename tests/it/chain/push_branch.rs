//! A push branch of its own: made anew on what is checked out, and left alone when somebody else works on it.

use super::fixture::{App, deployment, objects, semver_repository, update};
use crate::support::command::stdout;
use crate::support::git::{GitServer, Repository};
use crate::support::registry::Registry;

/// A repository of one app whose automation pushes to `image-updates`.
async fn with_push_branch(name: &'static str) -> (Registry, Repository) {
    let (registry, repository) = semver_repository(name).await;
    let objects = repository
        .show("main", "clusters/beta/image.yaml")
        .replace("push: {branch: main}", "push: {branch: image-updates}");
    repository.commit_files("main", "push branch", &[("clusters/beta/image.yaml", &objects)]);
    (registry, repository)
}

#[tokio::test]
async fn a_push_branch_is_made_anew_on_the_head_of_the_other_branch() {
    let (registry, repository) = with_push_branch("rebuild").await;
    let main = repository.revision("main");
    let image = registry.image("rebuild");
    for tag in ["1.0.1", "1.0.2"] {
        registry.push_tags("rebuild", &[tag]).await;
        update(&repository, &["--push"]).run().await.success();
        assert_eq!(
            repository.revision("image-updates^"),
            main,
            "one commit on top of main"
        );
        assert_eq!(
            repository.show("image-updates", "apps/rebuild.yaml"),
            deployment("rebuild", &image, tag)
        );
    }
    let proposed = repository.revision("image-updates");
    let run = update(&repository, &["--push"]).run().await;
    assert!(run.success().contains("up to date"), "{}", run.stdout);
    assert_eq!(
        repository.revision("image-updates"),
        proposed,
        "the same files are not pushed again"
    );

    let moved = repository.commit_files("main", "by a person", &[("notes.md", "first\n")]);
    update(&repository, &["--push"]).run().await.success();
    assert_eq!(repository.revision("image-updates^"), Some(moved));
    assert_eq!(repository.show("image-updates", "notes.md"), "first\n");
    assert_eq!(
        repository.revision("main^"),
        main,
        "main is nobody's but the person's"
    );
    repository.fsck();
}

#[tokio::test]
async fn a_push_branch_with_a_commit_of_somebody_else_is_left_alone() {
    let (registry, repository) = with_push_branch("theirs").await;
    registry.push_tags("theirs", &["1.0.1"]).await;
    update(&repository, &["--push"]).run().await.success();
    let theirs = repository.commit_files("image-updates", "a fix", &[("fix.md", "mine\n")]);
    registry.push_tags("theirs", &["1.0.2"]).await;

    let run = update(&repository, &["--push"]).run().await;

    let expected = format!(
        "failed to update source: push branch 'image-updates' has the commit {} by Ada <ada@example.com>, which is not \
         fluxbot's, and is left as it is; merge the branch and delete it, or take the commit out",
        &theirs[..7]
    );
    assert!(run.failure(1).contains(&expected), "{}", run.stderr);
    assert_eq!(repository.revision("image-updates"), Some(theirs.clone()));

    // Merged and not deleted: what is on it is on main now, and it is ours again.
    stdout(repository.git().args(["update-ref", "refs/heads/main", &theirs]));
    update(&repository, &["--push"]).run().await.success();
    assert_eq!(repository.revision("image-updates^"), Some(theirs));
    assert!(
        repository
            .show("image-updates", "apps/theirs.yaml")
            .contains(":1.0.2\"")
    );
    repository.fsck();
}

#[tokio::test]
async fn a_commit_that_somebody_has_amended_is_left_alone() {
    let (registry, repository) = with_push_branch("amended").await;
    registry.push_tags("amended", &["1.0.1"]).await;
    update(&repository, &["--push"]).run().await.success();
    registry.push_tags("amended", &["1.0.2"]).await;
    let directory = tempfile::tempdir().unwrap();
    let clone = directory.path().join("clone");
    repository.clone_to(&clone);
    let git = |arguments: &[&str]| stdout(repository.client(&clone).args(arguments));
    git(&["fetch", "--quiet", "origin", "image-updates"]);
    git(&["checkout", "--quiet", "FETCH_HEAD"]);
    // First another message alone; then other files, too, with Ada as the author.
    for options in [["--message", "mine"], ["--no-edit", "--reset-author"]] {
        git(&["commit", "--quiet", "--all", "--amend", options[0], options[1]]);
        git(&[
            "push",
            "--quiet",
            "--force",
            "origin",
            "HEAD:refs/heads/image-updates",
        ]);
        let theirs = repository.revision("image-updates").unwrap();
        let raw = stdout(repository.git().args(["cat-file", "commit", &theirs]));
        assert!(
            raw.contains("\nfluxbot-automation "),
            "git keeps the header: {raw}"
        );

        let run = update(&repository, &["--push"]).run().await;

        let expected = format!(
            "push branch 'image-updates' has the commit {} by Ada <ada@example.com>, which is not fluxbot's",
            &theirs[..7]
        );
        assert!(run.failure(1).contains(&expected), "{}", run.stderr);
        assert_eq!(repository.revision("image-updates"), Some(theirs));
        std::fs::write(clone.join("apps/amended.yaml"), "mine: true\n").unwrap();
    }
    repository.fsck();
}

#[tokio::test]
async fn a_merged_push_branch_that_is_behind_is_made_anew() {
    let (registry, repository) = with_push_branch("behind").await;
    registry.push_tags("behind", &["1.0.1"]).await;
    // Somebody has made the branch from main, and main has moved since.
    let old = repository.revision("main").unwrap();
    stdout(repository.git().args(["branch", "image-updates", &old]));
    let main = repository.commit_files("main", "by a person", &[("notes.md", "first\n")]);
    update(&repository, &["--push"]).run().await.success();
    // Its old head is in the history of main: nothing is lost with it.
    let ancestor = ["merge-base", "--is-ancestor", &old, "image-updates"];
    stdout(repository.git().args(ancestor));
    assert_eq!(repository.revision("image-updates^"), Some(main));
}

#[tokio::test]
async fn what_is_no_longer_wanted_is_taken_back_from_the_push_branch() {
    let (registry, repository) = with_push_branch("unwanted").await;
    registry.push_tags("unwanted", &["1.0.1"]).await;
    update(&repository, &["--push"]).run().await.success();
    let objects = repository
        .show("main", "clusters/beta/image.yaml")
        .replace("range: 1.0.x", "range: 1.0.0");
    let main = repository.commit_files("main", "pin", &[("clusters/beta/image.yaml", &objects)]);
    update(&repository, &["--push"]).run().await.success();
    assert_eq!(repository.revision("image-updates"), Some(main));
}

#[tokio::test]
async fn two_clusters_on_one_push_branch_keep_each_others_commits() {
    let registry = Registry::shared();
    let mut files = Vec::new();
    for cluster in ["alpha", "beta"] {
        let path = format!("shared-branch/{cluster}");
        registry.push_tags(&path, &["1.0.0", "1.0.1"]).await;
        // The same names in both, as clusters have them.
        let app = App {
            name: "app",
            policy: "{semver: {range: 1.0.x}}",
            path: "apps",
        };
        let objects = objects(&app, &registry.image(&path), "");
        let objects = objects.replace("push: {branch: main}", "push: {branch: bot}");
        let objects = objects.replace("path: ./apps", &format!("path: ./{cluster}"));
        files.push((format!("clusters/{cluster}/image.yaml"), objects));
        let content = deployment("app", &registry.image(&path), "1.0.0");
        files.push((format!("{cluster}/app.yaml"), content));
    }
    let files: Vec<(&str, &str)> = files
        .iter()
        .map(|(path, text)| (path.as_str(), text.as_str()))
        .collect();
    let repository = GitServer::shared().create_repository("shared-branch", &files);
    for tag in ["1.0.1", "1.0.2"] {
        for cluster in ["alpha", "beta"] {
            registry
                .push_tags(&format!("shared-branch/{cluster}"), &[tag])
                .await;
            let objects = format!("clusters/{cluster}");
            update(&repository, &["--push", "--objects", &objects])
                .run()
                .await
                .success();
        }
        for cluster in ["alpha", "beta"] {
            let content = repository.show("bot", &format!("{cluster}/app.yaml"));
            assert!(content.contains(&format!(":{tag}\"")), "{cluster}: {content}");
        }
    }
    repository.fsck();
}

#[tokio::test]
async fn on_commits_that_flux_made_work_goes_on() {
    let (registry, repository) = with_push_branch("from-flux").await;
    let objects = repository.show("main", "clusters/beta/image.yaml").replace(
        "{name: fluxbot, email: fluxbot@example.org}",
        "{name: Ada, email: ada@example.com}",
    );
    repository.commit_files("main", "author", &[("clusters/beta/image.yaml", &objects)]);
    stdout(repository.git().args(["branch", "image-updates", "main"]));
    let by_flux = repository.commit_files(
        "image-updates",
        "Update from image update automation",
        &[("x", "y\n")],
    );
    repository.commit_files("main", "by a person", &[("notes.md", "first\n")]);
    registry.push_tags("from-flux", &["1.0.1"]).await;
    update(&repository, &["--push"]).run().await.success();
    assert_eq!(repository.revision("image-updates^"), Some(by_flux));
}

#[tokio::test]
async fn where_a_server_forbids_to_make_a_branch_anew_work_goes_on_on_top() {
    let (registry, repository) = with_push_branch("no-force").await;
    stdout(
        repository
            .git()
            .args(["config", "receive.denyNonFastForwards", "true"]),
    );
    for tag in ["1.0.1", "1.0.2"] {
        registry.push_tags("no-force", &[tag]).await;
        update(&repository, &["--push"]).run().await.success();
        let content = repository.show("image-updates", "apps/no-force.yaml");
        assert!(content.contains(&format!(":{tag}\"")), "{content}");
    }
    assert_eq!(
        repository.revision("image-updates~2"),
        repository.revision("main")
    );
    update(&repository, &["--push"]).run().await.success();
}

#[tokio::test]
async fn when_the_answer_to_a_push_is_lost_the_branch_is_not_made_anew() {
    use crate::support::control::{Action, Fault};
    let (registry, repository) = with_push_branch("lost-rebuild").await;
    registry.push_tags("lost-rebuild", &["1.0.1"]).await;
    let control = GitServer::shared().control().clone();
    let path = "lost-rebuild.git/git-receive-pack";
    control
        .order(&Fault::new(Action::DropResponse, path).method("POST"))
        .await;
    let run = update(&repository, &["--push", "--output", "json"]).run().await;
    let report: serde_json::Value = serde_json::from_str(run.success()).unwrap();
    assert_eq!(
        report["automations"][0]["commit"].as_str(),
        repository.revision("image-updates").as_deref(),
        "the commit that is told is the one that landed: {report:#}"
    );
    assert_eq!(repository.revision("image-updates^"), repository.revision("main"));
    let requests = control.requests(path).await;
    let pushes = requests.iter().filter(|request| request.method == "POST").count();
    assert_eq!(pushes, 1, "{requests:#?}");
}
