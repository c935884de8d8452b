//! A new tag becomes a commit with exactly the marked scalars changed.

use super::fixture::{App, deployment, objects, semver_repository, update};
use crate::support::cli::Fluxbot;
use crate::support::git::GitServer;
use crate::support::registry::Registry;

#[tokio::test]
async fn a_new_tag_becomes_a_commit_that_changes_the_marked_scalar_alone() {
    let (registry, repository) = semver_repository("push-one").await;
    let before = repository.revision("main").unwrap();
    registry
        .push_tags("push-one", &["1.0.1", "1.0.2-rc.1", "1.1.0", "latest"])
        .await;

    let run = update(&repository, &["--push"]).run().await;

    let image = registry.image("push-one");
    let changes = run.success().lines().next().unwrap().to_owned();
    assert_eq!(
        changes,
        format!("apps/push-one.yaml:12  flux-system:push-one  {image}:1.0.0 -> {image}:1.0.1")
    );
    assert_eq!(
        repository.show("main", "apps/push-one.yaml"),
        deployment("push-one", &image, "1.0.1")
    );
    assert_eq!(repository.revision("main^"), Some(before), "one commit");
    assert_eq!(repository.log("main")[0], format!("{image}:1.0.1"));
    repository.fsck();
}

#[tokio::test]
async fn when_nothing_has_to_change_there_is_no_commit_and_no_push() {
    let (_, repository) = semver_repository("push-none").await;
    let before = repository.revision("main");
    let run = update(&repository, &["--push"]).run().await;
    assert!(run.success().contains("up to date"), "{}", run.stdout);
    assert_eq!(repository.revision("main"), before);
    let pushes = GitServer::shared().control().requests("push-none").await;
    assert!(
        pushes
            .iter()
            .all(|request| !request.path.contains("receive-pack")),
        "{pushes:?}"
    );
}

#[tokio::test]
async fn a_dry_run_prints_the_diff_and_writes_nothing() {
    let (registry, repository) = semver_repository("push-dry").await;
    registry.push_tags("push-dry", &["1.0.1"]).await;
    let before = repository.revision("main");
    let run = update(&repository, &[]).run().await;
    let image = registry.image("push-dry");
    let stdout = run.success();
    assert!(
        stdout.contains(&format!("-                image: \"{image}:1.0.0\"   # {{")),
        "{stdout}"
    );
    assert!(
        stdout.contains(&format!("+                image: \"{image}:1.0.1\"   # {{")),
        "{stdout}"
    );
    assert!(stdout.contains("would change"), "{stdout}");
    assert_eq!(repository.revision("main"), before);
}

#[tokio::test]
async fn every_kind_of_policy_and_marker_in_one_run() {
    let registry = Registry::shared();
    registry
        .push_tags("kinds/web", &["main-1-a", "main-3-c", "main-2-b", "other-9"])
        .await;
    registry.push_tags("kinds/build", &["9", "10", "8"]).await;
    registry
        .push_tags("kinds/gateway", &["v2.0.0", "v2.1.3", "v3.0.0"])
        .await;
    let (web, build, gateway) = (
        registry.image("kinds/web"),
        registry.image("kinds/build"),
        registry.image("kinds/gateway"),
    );
    let filtered =
        "{alphabetical: {order: asc}}\n  filterTags: {pattern: '^main-(?P<n>[0-9]+)-', extract: '$n'}";
    let values = format!(
        "gateway:\r\n  repository: old # {{\"$imagepolicy\": \"flux-system:gateway:name\"}}\r\n  tag: 'v2.0.0' # \
         {{\"$imagepolicy\": \"flux-system:gateway:tag\"}}\r\nbuild: {build}:8 # {{\"$imagepolicy\": \
         \"flux-system:build\"}}\r\nweb: {{tag: main-1-a, # {{\"$imagepolicy\": \"flux-system:web:tag\"}}\r\n  x: 1}}\r\n"
    );
    let repository = GitServer::shared().create_repository(
        "kinds",
        &[
            (
                "objects/web.yaml",
                &objects(
                    &App {
                        name: "web",
                        policy: filtered,
                        path: "apps",
                    },
                    &web,
                    "",
                ),
            ),
            (
                "objects/build.yaml",
                &objects(
                    &App {
                        name: "build",
                        policy: "{numerical: {order: asc}}",
                        path: "apps",
                    },
                    &build,
                    "",
                ),
            ),
            (
                "objects/gateway.yaml",
                &objects(
                    &App {
                        name: "gateway",
                        policy: "{semver: {range: '>=2.0.0 <3'}}",
                        path: "apps",
                    },
                    &gateway,
                    "",
                ),
            ),
            ("apps/values.yaml", &values),
        ],
    );

    let run = update(&repository, &["--push", "--output", "json"]).run().await;

    let report: serde_json::Value = serde_json::from_str(run.success()).unwrap();
    let expected = values
        .replace("repository: old", &format!("repository: {gateway}"))
        .replace("'v2.0.0'", "'v2.1.3'")
        .replace(&format!("{build}:8"), &format!("{build}:10"))
        .replace("main-1-a", "main-3-c");
    assert_eq!(repository.show("main", "apps/values.yaml"), expected);
    assert_eq!(report["changes"].as_array().unwrap().len(), 4, "{report:#}");
    let tags: Vec<&str> = report["policies"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["tag"].as_str().unwrap())
        .collect();
    assert_eq!(tags, ["10", "v2.1.3", "main-3-c"]);
    repository.fsck();
}

#[tokio::test]
async fn a_failing_object_does_not_stop_the_others() {
    let (registry, repository) = semver_repository("push-partial").await;
    registry.push_tags("push-partial", &["1.0.1"]).await;
    let missing = App {
        name: "missing",
        policy: "{semver: {range: 1.x}}",
        path: "apps",
    };
    let invalid = App {
        name: "invalid",
        policy: "{semver: {range: 'not a range'}}",
        path: "apps",
    };
    repository.commit_files(
        "main",
        "more",
        &[
            (
                "clusters/beta/missing.yaml",
                &objects(&missing, &registry.image("no/such/repository"), ""),
            ),
            (
                "clusters/beta/invalid.yaml",
                &objects(&invalid, &registry.image("push-partial"), ""),
            ),
            (
                "clusters/beta/broken.yaml",
                "apiVersion: image.toolkit.fluxcd.io/v1\nkind: [\n",
            ),
        ],
    );

    let run = update(&repository, &["--push"]).run().await;

    let errors = run.failure(1);
    assert!(errors.contains("clusters/beta/broken.yaml:"), "{errors}");
    assert!(
        errors.contains("clusters/beta/invalid.yaml:6: ImagePolicy flux-system/invalid: invalid policy"),
        "{errors}"
    );
    assert!(
        errors.contains("ImagePolicy flux-system/missing: scan failed"),
        "{errors}"
    );
    let image = registry.image("push-partial");
    assert_eq!(
        repository.show("main", "apps/push-partial.yaml"),
        deployment("push-partial", &image, "1.0.1")
    );
}

#[tokio::test]
async fn the_objects_of_two_clusters_are_told_apart_by_their_folder() {
    let (registry, repository) = semver_repository("two-clusters").await;
    registry.push_tags("two-clusters", &["1.0.1"]).await;
    let app = App {
        name: "two-clusters",
        policy: "{semver: {range: 1.0.0}}",
        path: "apps",
    };
    let objects = objects(&app, &registry.image("two-clusters"), "");
    repository.commit_files(
        "main",
        "production",
        &[("clusters/production/image.yaml", &objects)],
    );

    let both = update(&repository, &["--push"]).run().await;
    let error = both.failure(2);
    assert!(
        error.contains("clusters/beta/image.yaml:1 and in clusters/production/image.yaml:1"),
        "{error}"
    );
    assert!(error.contains("--objects clusters/beta"), "{error}");

    update(&repository, &["--push", "--objects", "clusters/production"])
        .run()
        .await
        .success();
    assert!(
        repository
            .show("main", "apps/two-clusters.yaml")
            .contains(":1.0.0\"")
    );
    update(&repository, &["--push", "--objects", "./clusters/beta/"])
        .run()
        .await
        .success();
    assert!(
        repository
            .show("main", "apps/two-clusters.yaml")
            .contains(":1.0.1\"")
    );
}

#[tokio::test]
async fn what_is_not_supported_yet_is_refused_by_name_and_the_others_go_on() {
    let (registry, repository) = semver_repository("refused").await;
    registry.push_tags("refused", &["1.0.1"]).await;
    let app = App {
        name: "signed",
        policy: "{semver: {range: 1.0.x}}",
        path: "apps",
    };
    let signed = objects(&app, &registry.image("refused"), "").replace(
        "    push: {",
        "      signingKey: {secretRef: {name: key}}\n    push: {",
    );
    repository.commit_files("main", "signed", &[("clusters/beta/signed.yaml", &signed)]);
    let run = update(&repository, &["--push"]).run().await;
    let errors = run.failure(1);
    assert!(
        errors.contains(
            "ImageUpdateAutomation flux-system/signed: spec.git.commit.signingKey is not supported yet"
        ),
        "{errors}"
    );
    assert!(repository.show("main", "apps/refused.yaml").contains(":1.0.1\""));
}

#[tokio::test]
async fn a_local_bare_repository_is_pushed_to_by_path_and_by_file_url() {
    let (registry, repository) = semver_repository("local-bare").await;
    // The server's own folder is used as a repository on this machine.
    let path = repository.bare.to_str().unwrap().to_owned();
    for (tag, repo) in [("1.0.1", path.clone()), ("1.0.2", format!("file://{path}"))] {
        registry.push_tags("local-bare", &[tag]).await;
        let run = Fluxbot::new(["update", "--push", "--repo", &repo]).run().await;
        run.success();
        assert!(
            repository
                .show("main", "apps/local-bare.yaml")
                .contains(&format!(":{tag}\"")),
            "{repo}"
        );
    }
    assert_eq!(repository.log("main").len(), 3);
    repository.fsck();
}

#[tokio::test]
async fn an_update_path_that_does_not_exist_fails_its_automation_alone() {
    let (registry, repository) = semver_repository("no-path").await;
    registry.push_tags("no-path", &["1.0.1"]).await;
    let app = App {
        name: "lost",
        policy: "{semver: {range: 1.0.x}}",
        path: "gone/away",
    };
    let lost = objects(&app, &registry.image("no-path"), "");
    repository.commit_files("main", "lost", &[("clusters/beta/lost.yaml", &lost)]);
    let run = update(&repository, &["--push"]).run().await;
    let errors = run.failure(1);
    assert!(
        errors.contains(
            "flux-system/lost: failed to apply policies: spec.update.path 'gone/away' does not exist"
        ),
        "{errors}"
    );
    assert!(repository.show("main", "apps/no-path.yaml").contains(":1.0.1\""));
}
