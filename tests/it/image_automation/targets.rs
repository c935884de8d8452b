//! `ImageUpdateAutomation`: push branches of its own, refspecs, messages, and a server that refuses.

use fluxbot_api::image::{ImagePolicy, ImageRepository, ImageUpdateAutomation};
use serde_json::{Value, json};

use super::fixture::{Fixture, holds, ready};
use crate::support::control::Fault;
use crate::support::eventually::eventually;
use crate::support::git::{GitServer, Repository};
use crate::support::registry::Registry;

fn manifest(namespace: &str, policy: &str, image: &str, tag: &str) -> String {
    format!("image: {image}:{tag} # {{\"$imagepolicy\": \"{namespace}:{policy}\"}}\n")
}

/// An automation that writes the policy with its label.
fn automation(label: &str, git: &Value) -> Value {
    let mut all = json!({ "commit": { "author": { "name": "fluxbot", "email": "fluxbot@example.com" } } });
    for (key, value) in git.as_object().unwrap() {
        if key == "commit" {
            for (key, value) in value.as_object().unwrap() {
                all["commit"][key] = value.clone();
            }
        } else {
            all[key] = value.clone();
        }
    }
    json!({
        "interval": "1h",
        "sourceRef": { "kind": "GitRepository", "name": "fleet" },
        "git": all,
        "policySelector": { "matchLabels": { "app": label } },
    })
}

/// Scanned images with policies of the same names, and a repository that uses their tags 1.0.0.
async fn fleet(fixture: &Fixture, name: &str, apps: &[&str]) -> Repository {
    let registry = Registry::shared();
    let namespace = fixture.namespace.name();
    let mut files = Vec::new();
    for app in apps {
        let path = format!("{name}/{app}");
        registry.push_tags(&path, &["1.0.0", "1.0.1"]).await;
        let content = manifest(namespace, app, &registry.image(&path), "1.0.0");
        files.push((format!("apps/{app}.yaml"), content));
    }
    let files: Vec<(&str, &str)> = files
        .iter()
        .map(|(path, text)| (path.as_str(), text.as_str()))
        .collect();
    let repository = fixture.git(&format!("ctl-{name}"), &files).await;
    for app in apps {
        let image = registry.image(&format!("{name}/{app}"));
        let spec = json!({ "image": image, "interval": "1h", "insecure": true });
        fixture.create::<ImageRepository>(app, spec).await;
        let spec =
            json!({ "imageRepositoryRef": { "name": app }, "policy": { "semver": { "range": "1.0.x" } } });
        fixture
            .create_in::<ImagePolicy>(namespace, app, &[("app", app)], spec)
            .await;
        fixture.ready::<ImagePolicy>(app, "True", "Succeeded").await;
    }
    repository
}

/// A tag that is new in the registry, and known to the controller.
async fn release(fixture: &Fixture, name: &str, app: &str, tag: &str) {
    Registry::shared()
        .push_tags(&format!("{name}/{app}"), &[tag])
        .await;
    fixture.request::<ImageRepository>(app, tag).await;
}

async fn until_shown(repository: &Repository, branch: &str, path: &str, text: &str) {
    eventually(&format!("{path} of {branch} has {text}"), async || {
        if repository.revision(branch).is_none() {
            return Err("no such branch".to_owned());
        }
        let content = repository.show(branch, path);
        if content.contains(text) {
            Ok(())
        } else {
            Err(content)
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn automations_that_share_a_push_branch_make_it_anew_together() {
    let fixture = Fixture::start("branch-shared").await;
    let repository = fleet(&fixture, "branch-shared", &["a", "b"]).await;
    for app in ["a", "b"] {
        let spec = automation(app, &json!({ "push": { "branch": "bot" } }));
        fixture.create::<ImageUpdateAutomation>(app, spec).await;
        fixture
            .ready::<ImageUpdateAutomation>(app, "True", "Succeeded")
            .await;
    }
    let main = repository.revision("main").unwrap();
    for app in ["a", "b"] {
        until_shown(&repository, "bot", &format!("apps/{app}.yaml"), ":1.0.1").await;
    }
    assert_eq!(
        repository.revision("bot~2"),
        Some(main.clone()),
        "a commit for each"
    );
    let status = fixture.get::<ImageUpdateAutomation>("b").await.status.unwrap();
    assert_eq!(status.observed_source_revision, Some(format!("main@sha1:{main}")));
    // Its own commit comes first, and that of the other one again on top of it.
    assert_eq!(status.last_push_commit, repository.revision("bot^"));

    // Only one of them is due, and the branch is still made anew with the commits of both.
    let moved = repository.commit_files("main", "by a person", &[("notes.md", "first\n")]);
    release(&fixture, "branch-shared", "a", "1.0.2").await;
    until_shown(&repository, "bot", "apps/a.yaml", ":1.0.2").await;
    until_shown(&repository, "bot", "apps/b.yaml", ":1.0.1").await;
    assert_eq!(repository.revision("bot~2"), Some(moved));
    repository.fsck();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_branch_with_somebody_elses_commit_is_a_condition() {
    let fixture = Fixture::start("branch-theirs").await;
    let repository = fleet(&fixture, "branch-theirs", &["app"]).await;
    let spec = automation("app", &json!({ "push": { "branch": "bot" } }));
    fixture.create::<ImageUpdateAutomation>("apps", spec).await;
    fixture
        .ready::<ImageUpdateAutomation>("apps", "True", "Succeeded")
        .await;
    let theirs = repository.commit_files("bot", "a fix", &[("fix.md", "mine\n")]);
    release(&fixture, "branch-theirs", "app", "1.0.2").await;
    let message = fixture
        .ready::<ImageUpdateAutomation>("apps", "False", "GitOperationFailed")
        .await;
    assert_eq!(
        message,
        format!(
            "PushRejected: failed to update source: push branch 'bot' has the commit {} by Ada <ada@example.com>, which is not \
             fluxbot's, and is left as it is; merge the branch and delete it, or take the commit out",
            &theirs[..7]
        )
    );
    assert_eq!(repository.revision("bot"), Some(theirs));

    crate::support::command::stdout(repository.git().args(["branch", "-D", "bot"]));
    fixture.request::<ImageUpdateAutomation>("apps", "again").await;
    fixture
        .ready::<ImageUpdateAutomation>("apps", "True", "Succeeded")
        .await;
    until_shown(&repository, "bot", "apps/app.yaml", ":1.0.2").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refspec_and_a_template_with_values_are_in_the_event() {
    let fixture = Fixture::start("refspec").await;
    let repository = fleet(&fixture, "refspec", &["app"]).await;
    let git = json!({
        "commit": {
            "messageTemplate": "{{ .AutomationObject }} on {{ .Values.cluster }}{{ range .Changed.Changes }}\n{{ .NewValue }}{{ end }}",
            "messageTemplateValues": { "cluster": "beta" },
        },
        "push": { "refspec": "refs/heads/main:refs/for/main" },
    });
    fixture
        .create::<ImageUpdateAutomation>("apps", automation("app", &git))
        .await;
    fixture
        .ready::<ImageUpdateAutomation>("apps", "True", "Succeeded")
        .await;
    let head = repository.revision("main").unwrap();
    assert_eq!(repository.revision("refs/for/main"), Some(head.clone()));
    let status = fixture.get::<ImageUpdateAutomation>("apps").await.status.unwrap();
    assert_eq!(status.observed_source_revision, Some(format!("main@sha1:{head}")));
    let image = Registry::shared().image("refspec/app");
    let text = format!(
        "pushed commit '{}' to branch 'main' and refspecs 'refs/heads/main:refs/for/main'\n{}/apps on beta\n{image}:1.0.1",
        &head[..7],
        fixture.namespace.name()
    );
    eventually("the event of the push", async || {
        let events = fixture.events("apps").await;
        let told = events.iter().any(|event| {
            event
                .message
                .as_deref()
                .is_some_and(|message| message.trim_end() == text)
        });
        if told { Ok(()) } else { Err(format!("{events:#?}")) }
    })
    .await;
}

/// A specification, the status of `Ready`, its reason, part of its message, and whether only a change can help.
type Wrong = (&'static str, Value, &'static str, &'static str, bool);

fn wrong_automations() -> Vec<Wrong> {
    let template = |text: &str| json!({ "commit": { "messageTemplate": text } });
    vec![
        (
            "template",
            template("{{ range .Changed.Changes }}"),
            "GitOperationFailed",
            "failed to update source: unable to create commit message template from spec: template: commit message:1: unexpected EOF",
            true,
        ),
        (
            "field",
            template("{{ .Changed.Nothing }}"),
            "GitOperationFailed",
            "failed to update source: failed to run template from spec: template: commit message:1:11: executing \"commit message\" at \
             <.Changed.Nothing>: can't evaluate field Nothing in type update.Result",
            false,
        ),
        (
            "tag",
            json!({ "checkout": { "ref": { "tag": "v1" } } }),
            "SourceManagerFailed",
            "failed configuring source manager: push spec not provided, and cannot be inferred from .spec.git.checkout.ref or \
             GitRepository .spec.ref",
            false,
        ),
        (
            "refspec",
            json!({ "push": { "refspec": "refs/heads/*:refs/heads/*" } }),
            "InvalidSourceConfiguration",
            "spec.git.push.refspec 'refs/heads/*:refs/heads/*' cannot be pushed: patterns are not supported",
            true,
        ),
        (
            "range",
            json!({ "checkout": { "ref": { "semver": "9.x" } }, "push": { "branch": "bot" } }),
            "GitOperationFailed",
            "failed to checkout source: no match found for semver: 9.x",
            false,
        ),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_a_target_or_a_template_has_fluxs_reason() {
    let fixture = Fixture::start("target-wrong").await;
    let repository = fleet(&fixture, "target-wrong", &["app"]).await;
    let main = repository.revision("main");
    for (name, git, ..) in wrong_automations() {
        fixture
            .create::<ImageUpdateAutomation>(name, automation("app", &git))
            .await;
    }
    for (name, _, reason, text, is_stalled) in wrong_automations() {
        let message = fixture
            .ready::<ImageUpdateAutomation>(name, "False", reason)
            .await;
        assert!(message.contains(text), "{name}: {message}");
        let found: ImageUpdateAutomation = fixture.get(name).await;
        assert_eq!(
            holds(&found, "Stalled"),
            is_stalled,
            "{name}: {:#?}",
            found.status
        );
    }
    assert_eq!(repository.revision("main"), main);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_credential_that_may_only_read_is_named_by_its_secret() {
    let fixture = Fixture::start("read-only").await;
    let repository = fleet(&fixture, "read-only", &["app"]).await;
    let push = "ctl-read-only.git/git-receive-pack";
    let control = GitServer::shared().control().clone();
    control.order(&Fault::status(403, push).times(1000)).await;
    let spec = automation("app", &json!({}));
    fixture.create::<ImageUpdateAutomation>("apps", spec).await;
    let message = fixture
        .ready::<ImageUpdateAutomation>("apps", "False", "GitOperationFailed")
        .await;
    assert!(
        message.starts_with("AuthorizationFailed: failed to update source: "),
        "{message}"
    );
    assert!(message.contains("the credential may not write"), "{message}");
    let secret = format!("; see Secret '{}/git'", fixture.namespace.name());
    assert!(message.ends_with(&secret), "{message}");
    control.clear_faults(push).await;
    fixture.request::<ImageUpdateAutomation>("apps", "again").await;
    fixture
        .ready::<ImageUpdateAutomation>("apps", "True", "Succeeded")
        .await;
    until_shown(&repository, "main", "apps/app.yaml", ":1.0.1").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_of_another_namespace_is_used_and_a_suspended_automation_rests() {
    let fixture = Fixture::start("elsewhere").await;
    let repository = fleet(&fixture, "elsewhere", &["app"]).await;
    let other = fixture.cluster.namespace("elsewhere-source").await;
    let spec = json!({ "url": repository.url_with_credentials().as_str(), "interval": "1m", "ref": { "branch": "main" } });
    fixture
        .create_in::<fluxbot_api::source::GitRepository>(other.name(), "far", &[], spec)
        .await;
    let mut spec = automation("app", &json!({}));
    spec["sourceRef"] = json!({ "kind": "GitRepository", "name": "far", "namespace": other.name() });
    spec["suspend"] = json!(true);
    fixture.create::<ImageUpdateAutomation>("apps", spec).await;
    let rested: ImageUpdateAutomation = fixture.get("apps").await;
    assert!(ready(&rested).is_none(), "{:#?}", rested.status);
    assert!(repository.show("main", "apps/app.yaml").contains(":1.0.0"));
    fixture
        .patch::<ImageUpdateAutomation>("apps", json!({ "spec": { "suspend": false } }))
        .await;
    fixture
        .ready::<ImageUpdateAutomation>("apps", "True", "Succeeded")
        .await;
    assert!(repository.show("main", "apps/app.yaml").contains(":1.0.1"));
}
