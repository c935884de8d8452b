//! `ImageUpdateAutomation`: commits, races, and what goes wrong on the way.

use fluxbot_api::image::{ImagePolicy, ImageRepository, ImageUpdateAutomation};
use serde_json::{Value, json};

use super::fixture::{Fixture, holds};
use crate::support::control::{Action, Fault};
use crate::support::eventually::eventually;
use crate::support::git::{GitServer, PASSWORD, Repository};
use crate::support::registry::Registry;

/// A manifest with a marked image; odd spacing shows that nothing else is touched.
fn manifest(namespace: &str, policy: &str, image: &str, tag: &str) -> String {
    format!(
        "# by hand\n\nkind: Deployment\nmetadata:\n    name: {policy}   # four spaces\nspec:\n    image: \"{image}:{tag}\"   \
         # {{\"$imagepolicy\": \"{namespace}:{policy}\"}}\n\n    env: [ {{name: A,   value: 'b'}} ]\n"
    )
}

fn automation(path: &str) -> Value {
    json!({
        "interval": "1h",
        "sourceRef": { "kind": "GitRepository", "name": "fleet" },
        "git": {
            "commit": {
                "author": { "name": "fluxbot", "email": "fluxbot@example.com" },
                "messageTemplate": "{{range .Updated.Images}}{{println .}}{{end}}",
            },
        },
        "update": { "path": path, "strategy": "Setters" },
    })
}

/// A scanned image with a policy of the same name.
async fn app(fixture: &Fixture, name: &str, repository: &str) {
    let image = Registry::shared().image(repository);
    let spec = json!({ "image": image, "interval": "1h", "insecure": true });
    fixture.create::<ImageRepository>(name, spec).await;
    let spec =
        json!({ "imageRepositoryRef": { "name": name }, "policy": { "semver": { "range": "1.0.x" } } });
    let labels = [("app", name)];
    fixture
        .create_in::<ImagePolicy>(fixture.namespace.name(), name, &labels, spec)
        .await;
}

/// Waits until a file on `main` has a text.
async fn until_written(repository: &Repository, path: &str, text: &str) {
    eventually(&format!("{path} has {text}"), async || {
        let content = repository.show("main", path);
        if content.contains(text) {
            Ok(())
        } else {
            Err(content)
        }
    })
    .await;
}

fn pushes(requests: &[crate::support::control::Request]) -> usize {
    let is_push = |path: &str| path.ends_with("/git-receive-pack");
    requests.iter().filter(|request| is_push(&request.path)).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_tag_is_committed_and_nothing_else_changes() {
    let fixture = Fixture::start("commit").await;
    let registry = Registry::shared();
    registry.push_tags("commit", &["1.0.0"]).await;
    let image = registry.image("commit");
    let namespace = fixture.namespace.name();
    let content = manifest(namespace, "app", &image, "1.0.0");
    let repository = fixture.git("ctl-commit", &[("apps/app.yaml", &content)]).await;
    app(&fixture, "app", "commit").await;
    fixture
        .create::<ImageUpdateAutomation>("apps", automation("./apps"))
        .await;
    let message = fixture
        .ready::<ImageUpdateAutomation>("apps", "True", "Succeeded")
        .await;
    assert_eq!(message, "repository up-to-date");

    let before = repository.revision("main").unwrap();
    registry.push_tags("commit", &["1.0.1"]).await;
    fixture.request::<ImageRepository>("app", "one").await;
    until_written(&repository, "apps/app.yaml", ":1.0.1").await;
    let head = repository.revision("main").unwrap();
    let diff = repository.diff(&before, &head);
    let changed: Vec<&str> = diff
        .lines()
        .filter(|line| line.starts_with(['+', '-']) && !line.starts_with("+++") && !line.starts_with("---"))
        .collect();
    let line = |sign: char, tag: &str| {
        format!("{sign}    image: \"{image}:{tag}\"   # {{\"$imagepolicy\": \"{namespace}:app\"}}")
    };
    assert_eq!(changed, [line('-', "1.0.0"), line('+', "1.0.1")]);

    let pushed = |automation: &ImageUpdateAutomation| {
        automation
            .status
            .as_ref()
            .and_then(|status| status.last_push_commit.as_ref())
            == Some(&head)
    };
    let automation = fixture.until("apps", pushed).await;
    let status = automation.status.clone().unwrap();
    assert_eq!(status.observed_source_revision, Some(format!("main@sha1:{head}")));
    assert_eq!(status.observed_policies["app"].tag, "1.0.1");
    assert!(status.last_push_time.is_some() && status.last_automation_run_time.is_some());
    assert!(!holds(&automation, "Reconciling"));
    let text = format!("pushed commit '{}' to branch 'main'\n{image}:1.0.1", &head[..7]);
    let event = eventually("the event of the push", async || {
        let events = fixture.events("apps").await;
        let told = events.iter().find(|event| {
            event
                .message
                .as_deref()
                .is_some_and(|message| message.starts_with(&text))
        });
        told.cloned().ok_or_else(|| format!("{events:#?}"))
    })
    .await;
    let metadata = event.metadata.annotations.clone().unwrap();
    assert_eq!(metadata["fluxbot.io/commit"], head);
    assert_eq!(metadata["fluxbot.io/branch"], "main");
    assert_eq!(metadata["fluxbot.io/images"], format!("{image}:1.0.1"));
    assert_eq!(
        metadata["fluxbot.io/changes"],
        format!("apps/app.yaml:7 {image}:1.0.0 -> {image}:1.0.1")
    );
    assert_eq!(
        event.source.unwrap().component.as_deref(),
        Some("image-automation-controller")
    );

    // Asked again, it finds nothing to do.
    fixture.request::<ImageUpdateAutomation>("apps", "again").await;
    let handled = |automation: &ImageUpdateAutomation| {
        let status = automation.status.as_ref();
        status.and_then(|status| status.last_handled_reconcile_at.as_deref()) == Some("again")
    };
    fixture.until("apps", handled).await;
    assert_eq!(repository.revision("main").unwrap(), head);
    let shown = format!("{status:?}{:?}", fixture.events("apps").await);
    assert!(!shown.contains(PASSWORD));
    repository.fsck();
}

#[tokio::test(flavor = "multi_thread")]
async fn five_automations_and_a_person_on_one_branch_lose_no_update() {
    const APPS: [&str; 5] = ["a", "b", "c", "d", "e"];
    let fixture = Fixture::start("five").await;
    let registry = Registry::shared();
    let namespace = fixture.namespace.name();
    let mut files = Vec::new();
    for name in APPS {
        let path = format!("five/{name}");
        registry.push_tags(&path, &["1.0.0"]).await;
        let content = manifest(namespace, name, &registry.image(&path), "1.0.0");
        files.push((format!("apps/{name}.yaml"), content));
    }
    let files: Vec<(&str, &str)> = files
        .iter()
        .map(|(path, text)| (path.as_str(), text.as_str()))
        .collect();
    let repository = fixture.git("ctl-five", &files).await;
    for name in APPS {
        app(&fixture, name, &format!("five/{name}")).await;
        let mut spec = automation("./apps");
        // Each writes the policy with its own label, so that there is one commit for each.
        spec["policySelector"] = json!({ "matchLabels": { "app": name } });
        fixture.create::<ImageUpdateAutomation>(name, spec).await;
    }
    for name in APPS {
        fixture
            .ready::<ImageUpdateAutomation>(name, "True", "Succeeded")
            .await;
    }
    for round in 1..=3 {
        let tag = format!("1.0.{round}");
        for name in APPS {
            registry.push_tags(&format!("five/{name}"), &[&tag]).await;
        }
        for name in APPS {
            fixture.request::<ImageRepository>(name, &tag).await;
        }
        let person = {
            let repository = repository.clone();
            let notes = format!("round {round}\n");
            tokio::task::spawn_blocking(move || {
                repository.commit_files("main", "person", &[("notes.md", &notes)])
            })
        };
        for name in APPS {
            until_written(&repository, &format!("apps/{name}.yaml"), &format!(":{tag}\"")).await;
        }
        // Git refuses the person when the branch moves meanwhile. What it took must stay.
        if let Ok(commit) = person.await {
            let ancestor = repository
                .git()
                .args(["merge-base", "--is-ancestor", &commit, "main"])
                .status();
            assert!(ancestor.unwrap().success(), "the person's commit was lost");
        }
    }
    let log = repository.log("main");
    for name in APPS {
        let commits = log
            .iter()
            .filter(|subject| subject.contains(&format!("five/{name}:")))
            .count();
        assert_eq!(commits, 3, "one commit a round for {name}: {log:#?}");
    }
    repository.fsck();
}

#[tokio::test(flavor = "multi_thread")]
async fn automations_that_wait_for_the_same_branch_are_pushed_at_once() {
    const APPS: [&str; 4] = ["a", "b", "c", "d"];
    let fixture = Fixture::start("batch").await;
    let registry = Registry::shared();
    let namespace = fixture.namespace.name();
    let mut files = Vec::new();
    for name in APPS {
        let path = format!("batch/{name}");
        registry.push_tags(&path, &["1.0.0", "1.0.1"]).await;
        let content = manifest(namespace, name, &registry.image(&path), "1.0.0");
        files.push((format!("apps/{name}.yaml"), content));
    }
    let files: Vec<(&str, &str)> = files
        .iter()
        .map(|(path, text)| (path.as_str(), text.as_str()))
        .collect();
    let repository = fixture.git("ctl-batch", &files).await;
    let control = GitServer::shared();
    let control = control.control();
    control
        .order(&Fault::new(Action::HoldRequest, "ctl-batch.git/git-receive-pack"))
        .await;
    for name in APPS {
        app(&fixture, name, &format!("batch/{name}")).await;
        fixture.ready::<ImagePolicy>(name, "True", "Succeeded").await;
    }
    for name in APPS {
        let mut spec = automation("./apps");
        spec["policySelector"] = json!({ "matchLabels": { "app": name } });
        fixture.create::<ImageUpdateAutomation>(name, spec).await;
        if name == APPS[0] {
            // While its push is held, the others come and wait for it.
            control.await_held("ctl-batch.git/git-receive-pack", 1).await;
        }
    }
    for name in &APPS[1..] {
        // Shown only by a run that waits.
        fixture
            .until::<ImageUpdateAutomation>(name, |automation| holds(automation, "Reconciling"))
            .await;
    }
    control.clear_faults("ctl-batch.git/git-receive-pack").await;
    for name in APPS {
        fixture
            .ready::<ImageUpdateAutomation>(name, "True", "Succeeded")
            .await;
        assert!(
            repository
                .show("main", &format!("apps/{name}.yaml"))
                .contains(":1.0.1")
        );
    }
    assert_eq!(repository.log("main").len(), 1 + APPS.len(), "a commit for each");
    let requests = control.requests("ctl-batch.git").await;
    assert_eq!(pushes(&requests), 2, "the first alone, the others together");
    repository.fsck();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_one_automation_is_said_there() {
    let fixture = Fixture::start_with("auto-wrong", |options| options.no_cross_namespace_refs = true).await;
    let registry = Registry::shared();
    registry.push_tags("auto-wrong", &["1.0.0", "1.0.1"]).await;
    let namespace = fixture.namespace.name();
    let content = manifest(namespace, "app", &registry.image("auto-wrong"), "1.0.0");
    let repository = fixture
        .git("ctl-auto-wrong", &[("apps/app.yaml", &content)])
        .await;
    repository.install_hook("pre-receive", "echo 'main is frozen'; exit 1");
    app(&fixture, "app", "auto-wrong").await;
    let with = |pointer: &str, value: Value| {
        let mut spec = automation("./apps");
        let (parent, key) = pointer.rsplit_once('/').unwrap();
        spec.pointer_mut(parent).unwrap()[key] = value;
        spec
    };
    let branch = json!({ "ref": { "branch": "nowhere" } });
    let operator = json!({ "matchExpressions": [{ "key": "app", "operator": "Like", "values": ["a"] }] });
    let cases = [
        (
            "frozen",
            automation("./apps"),
            "GitOperationFailed",
            "PushRejected: failed to update source: push to refs/heads/main rejected",
            false,
        ),
        (
            "branch",
            with("/git/checkout", branch),
            "GitOperationFailed",
            "failed to checkout source: branch 'nowhere' does not exist on the remote",
            false,
        ),
        (
            "source",
            with("/sourceRef/name", json!("nothing")),
            "SourceManagerFailed",
            "failed configuring source manager: referenced git repository does not exist: GitRepository.source.toolkit.fluxcd.io \"nothing\" not found",
            false,
        ),
        (
            "elsewhere",
            with("/sourceRef/namespace", json!("other")),
            "AccessDenied",
            "can't access 'GitRepository/other/fleet', cross-namespace references have been blocked",
            true,
        ),
        (
            "no-git",
            with("/git", Value::Null),
            "InvalidSourceConfiguration",
            "source kind 'GitRepository' necessitates field .spec.git: invalid source configuration",
            true,
        ),
        (
            "path",
            automation("./missing"),
            "UpdateFailed",
            "failed to apply policies: spec.update.path 'missing' does not exist on the branch",
            false,
        ),
        (
            "selector",
            with("/policySelector", operator),
            "InvalidPolicySelector",
            "\"Like\" is not a valid label selector operator",
            true,
        ),
    ];
    fixture.ready::<ImagePolicy>("app", "True", "Succeeded").await;
    for (name, spec, ..) in &cases {
        fixture.create::<ImageUpdateAutomation>(name, spec.clone()).await;
    }
    for (name, _, reason, text, is_stalled) in &cases {
        let message = fixture
            .ready::<ImageUpdateAutomation>(name, "False", reason)
            .await;
        assert!(message.contains(text), "{name}: {message}");
        let automation: ImageUpdateAutomation = fixture.get(name).await;
        assert_eq!(
            holds(&automation, "Stalled"),
            *is_stalled,
            "{name}: {:#?}",
            automation.status
        );
    }
    let event = eventually("the event of the refused push", async || {
        let events = fixture.events("frozen").await;
        events.first().cloned().ok_or("no event")
    })
    .await;
    assert_eq!(
        event.metadata.annotations.unwrap()["fluxbot.io/fault"],
        "PushRejected"
    );
    assert_eq!(event.type_.as_deref(), Some("Warning"));
    assert_eq!(repository.log("main").len(), 1);

    // The hook is gone, and somebody asks.
    repository.install_hook("pre-receive", "exit 0");
    fixture.request::<ImageUpdateAutomation>("frozen", "one").await;
    fixture
        .ready::<ImageUpdateAutomation>("frozen", "True", "Succeeded")
        .await;
    until_written(&repository, "apps/app.yaml", ":1.0.1").await;
}
