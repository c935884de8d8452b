//! `fluxbot markers`.

use std::fs;

use tempfile::TempDir;

use crate::support::cli::Fluxbot;
use crate::support::command::{git, stdout};

const POLICY: &str = "\
apiVersion: image.toolkit.fluxcd.io/v1
kind: ImagePolicy
metadata: {name: app, namespace: ns}
spec: {imageRepositoryRef: {name: app}, policy: {semver: {range: '*'}}}
";

fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = TempDir::new().unwrap();
    for (path, content) in files {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    folder
}

#[tokio::test]
async fn every_marker_is_listed_with_its_place_and_value() {
    let folder = folder(&[
        (
            "apps/a.yaml",
            "a: x:1 # {\"$imagepolicy\": \"ns:app\"}\nb:\n- '2' # {\"$imagepolicy\": \"ns:app:tag\"}\n",
        ),
        ("policy.yaml", POLICY),
    ]);
    let run = Fluxbot::new(["markers"]).current_dir(folder.path()).run().await;
    insta::assert_snapshot!(run.success(), @r"
    apps/a.yaml:1  ns:app  x:1
    apps/a.yaml:3  ns:app:tag  2
    ");
    let run = Fluxbot::new(["markers", "-o", "json", folder.path().to_str().unwrap()])
        .run()
        .await;
    let rows: serde_json::Value = serde_json::from_str(run.success()).unwrap();
    assert_eq!(rows[1]["field"], "tag");
    assert_eq!(rows[1]["policy"], "ns:app");
}

#[tokio::test]
async fn lint_is_silent_when_every_marker_works() {
    let folder = folder(&[
        ("a.yaml", "a: x:1 # {\"$imagepolicy\": \"ns:app\"}\n"),
        ("policy.yaml", POLICY),
    ]);
    let run = Fluxbot::new(["markers", "--lint"])
        .current_dir(folder.path())
        .run()
        .await;
    assert_eq!(run.success(), "");
}

#[tokio::test]
async fn lint_names_what_can_never_work() {
    let folder = folder(&[
        ("unknown.yaml", "a: x:1 # {\"$imagepolicy\": \"ns:gone\"}\n"),
        ("mapping.yaml", "a: # {\"$imagepolicy\": \"ns:app\"}\n  b: c\n"),
        ("suffix.yaml", "a: x:1 # {\"$imagepolicy\": \"ns:app:version\"}\n"),
        ("broken.yaml", "a: [\nb: x:1 # {\"$imagepolicy\": \"ns:app\"}\n"),
        ("policy.yaml", POLICY),
    ]);
    let run = Fluxbot::new(["markers", "--lint"])
        .current_dir(folder.path())
        .run()
        .await;
    run.failure(1);
    for expected in [
        "unknown.yaml:1  error: ns:gone",
        "mapping.yaml:1  error: ns:app",
        "suffix.yaml:1  error:",
        "broken.yaml:",
    ] {
        assert!(
            run.stdout.contains(expected),
            "{expected} is missing in\n{}",
            run.stdout
        );
    }
}

#[tokio::test]
async fn lint_finds_policies_in_the_whole_repository() {
    let folder = folder(&[
        ("apps/a.yaml", "a: x:1 # {\"$imagepolicy\": \"ns:app\"}\n"),
        ("clusters/policy.yaml", POLICY),
        (
            "clusters/other.yaml",
            &POLICY
                .replace(", namespace: ns", "")
                .replace("name: app}", "name: bare}"),
        ),
        ("apps/b.yaml", "a: x:1 # {\"$imagepolicy\": \"any:bare\"}\n"),
    ]);
    let lint = || {
        Fluxbot::new(["markers", "--lint", "apps"])
            .current_dir(folder.path())
            .run()
    };
    lint().await.failure(1);
    stdout(git(folder.path()).args(["init", "--quiet"]));
    lint().await.success();
}

#[tokio::test]
async fn lint_fails_on_files_that_do_not_parse() {
    let broken_markers = folder(&[
        ("a.yaml", "a: [\nb: 1 # {\"$imagepolicy\": \"ns:app\"}\n"),
        ("policy.yaml", POLICY),
    ]);
    let run = Fluxbot::new(["markers", "--lint"])
        .current_dir(broken_markers.path())
        .run()
        .await;
    run.failure(1);
    assert!(run.stdout.starts_with("a.yaml:"), "{}", run.stdout);
    let broken_policy = folder(&[("policy.yaml", &POLICY.replace("range: '*'", "range: >>"))]);
    let run = Fluxbot::new(["markers", "--lint"])
        .current_dir(broken_policy.path())
        .run()
        .await;
    run.failure(1);
    assert!(run.stdout.starts_with("policy.yaml:"), "{}", run.stdout);
}

#[tokio::test]
async fn one_file_can_be_listed() {
    let folder = folder(&[
        ("a.yaml", "a: x:1 # {\"$imagepolicy\": \"ns:app\"}\n"),
        ("b.yaml", "b: 1 # {\"$imagepolicy\": \"ns:app\"}\n"),
    ]);
    let run = Fluxbot::new(["markers", "a.yaml"])
        .current_dir(folder.path())
        .run()
        .await;
    assert_eq!(run.success(), "a.yaml:1  ns:app  x:1\n");
}
