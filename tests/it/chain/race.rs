//! Many writers on one branch: no update is lost, nobody's commit is overwritten.

use futures::future::join_all;

use super::fixture::{App, deployment, objects, update};
use crate::support::command::stdout;
use crate::support::git::{GitServer, Repository};
use crate::support::registry::Registry;

const WRITERS: [&str; 5] = ["race-a", "race-b", "race-c", "race-d", "race-e"];

/// A repository in which each writer has a cluster folder and an app of its own.
async fn repository(name: &str, registry: &Registry) -> Repository {
    let mut files = Vec::new();
    for writer in WRITERS {
        let image = registry.image(&format!("{name}/{writer}"));
        registry.push_tags(&format!("{name}/{writer}"), &["1.0.0"]).await;
        let app = App {
            name: writer,
            policy: "{semver: {range: 1.0.x}}",
            path: "apps",
        };
        files.push((format!("clusters/{writer}/image.yaml"), objects(&app, &image, "")));
        files.push((format!("apps/{writer}.yaml"), deployment(writer, &image, "1.0.0")));
    }
    let files: Vec<(&str, &str)> = files
        .iter()
        .map(|(path, text)| (path.as_str(), text.as_str()))
        .collect();
    GitServer::shared().create_repository(name, &files)
}

#[tokio::test(flavor = "multi_thread")]
async fn five_writers_and_a_person_on_one_branch_lose_no_update() {
    let registry = Registry::shared();
    let repository = repository("race-five", &registry).await;
    for round in 1..=3 {
        for writer in WRITERS {
            registry
                .push_tags(&format!("race-five/{writer}"), &[format!("1.0.{round}")])
                .await;
        }
        let person = {
            let repository = repository.clone();
            tokio::task::spawn_blocking(move || {
                let content = format!("round {round}\n");
                repository.commit_files("main", &format!("person {round}"), &[("notes.md", &content)])
            })
        };
        let runs = WRITERS.map(|writer| {
            let objects = format!("clusters/{writer}");
            update(&repository, &["--push", "--objects", &objects]).run()
        });
        for run in join_all(runs).await {
            run.success();
        }
        // The person writes on the server's disk, and Git refuses when the branch moves meanwhile. What it took must stay.
        if let Ok(commit) = person.await {
            stdout(
                repository
                    .git()
                    .args(["merge-base", "--is-ancestor", &commit, "main"]),
            );
        }
        for writer in WRITERS {
            let content = repository.show("main", &format!("apps/{writer}.yaml"));
            assert!(content.contains(&format!(":1.0.{round}\"")), "{content}");
        }
    }
    let log = repository.log("main");
    for writer in WRITERS {
        let commits = log.iter().filter(|subject| subject.contains(writer)).count();
        assert_eq!(commits, 3, "one commit a round for {writer}: {log:#?}");
    }
    repository.fsck();
}
