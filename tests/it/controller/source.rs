//! `GitRepository` in a cluster.

use sha2::{Digest as _, Sha256};

use super::fixture::{Fleet, condition, config_map};
use crate::support::eventually::eventually;
use crate::support::github::{APP, GitHub, INSTALLATION};
use crate::support::registry::http_client;

#[tokio::test(flavor = "multi_thread")]
async fn an_artifact_is_stored_and_served_with_the_digest_of_its_status() {
    let one = config_map("one", "1");
    let fleet = Fleet::start("artifact", &[("apps/one.yaml", one.as_str())]).await;
    let object = fleet.fetched("fleet", &fleet.head()).await;
    assert_eq!(
        object.metadata.finalizers.as_deref(),
        Some(&["finalizers.fluxcd.io".to_owned()][..])
    );
    let status = object.status.unwrap();
    assert_eq!(status.observed_generation, Some(1));
    let text = format!("stored artifact for revision '{}'", fleet.head());
    for kind in ["Ready", "ArtifactInStorage"] {
        let condition = condition(&status.conditions, kind).unwrap();
        assert_eq!(
            (condition.status.as_str(), condition.reason.as_str()),
            ("True", "Succeeded")
        );
        assert_eq!(condition.message, text);
    }
    let artifact = status.artifact.unwrap();
    let body = http_client(None, None).get(&artifact.url).send().await.unwrap();
    let body = body.error_for_status().unwrap().bytes().await.unwrap();
    let digest = crate::support::image::hexadecimal(&Sha256::digest(&body));
    assert_eq!(
        artifact.digest.as_deref(),
        Some(format!("sha256:{digest}").as_str())
    );
    assert_eq!(artifact.size, i64::try_from(body.len()).ok());

    let event = fleet
        .event("fleet", "NewArtifact", |text| {
            text == "stored artifact for commit 'initial'"
        })
        .await;
    let annotations = event.metadata.annotations.unwrap();
    assert_eq!(annotations["source.toolkit.fluxcd.io/revision"], fleet.head());
    assert_eq!(
        annotations["source.toolkit.fluxcd.io/digest"],
        artifact.digest.unwrap()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_commit_gives_a_new_artifact_and_an_unchanged_branch_keeps_it() {
    let one = config_map("one", "1");
    let fleet = Fleet::start("commits", &[("apps/one.yaml", one.as_str())]).await;
    let first = fleet.fetched("fleet", &fleet.head()).await.status.unwrap();
    let request = fleet.request("gitrepository", "fleet");
    let again = eventually("the request is handled", async || {
        let status = fleet.git_repository("fleet").await.status.unwrap();
        if status.last_handled_reconcile_at.as_deref() == Some(&request) {
            Ok(status)
        } else {
            Err("not yet")
        }
    })
    .await;
    assert_eq!(again.artifact, first.artifact);
    assert_eq!(again.conditions, first.conditions);

    let revision = fleet.commit("second", &[("apps/two.yaml", Some(&config_map("two", "2")))]);
    let second = fleet.fetched("fleet", &revision).await.status.unwrap();
    assert_ne!(second.artifact.unwrap().digest, first.artifact.unwrap().digest);
    fleet
        .event("fleet", "NewArtifact", |text| {
            text == "stored artifact for commit 'second'"
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_is_said_and_its_end_noticed() {
    let one = config_map("one", "1");
    let fleet = Fleet::start("faults", &[("apps/one.yaml", one.as_str())]).await;
    fleet.fetched("fleet", &fleet.head()).await;
    let ready = async |name: &str, reason: &str| {
        eventually(&format!("{name} fails with {reason}"), async || {
            let status = fleet.git_repository(name).await.status.unwrap_or_default();
            let ready = condition(&status.conditions, "Ready").cloned();
            match ready {
                Some(ready) if ready.status == "False" && ready.reason == reason => {
                    Ok((ready.message, status))
                }
                _ => Err(format!("{:?}", status.conditions)),
            }
        })
        .await
    };

    fleet.apply(&fleet.source("fleet", "  verify: {secretRef: {name: keys}}\n"));
    let (message, status) = ready("fleet", "VerificationError").await;
    assert!(
        message.starts_with("public keys secret error: secrets \"keys\" not found"),
        "{message}"
    );
    assert!(status.artifact.is_some(), "the artifact before stays");

    fleet.apply(&fleet.source("fleet", "  provider: azure\n"));
    let (message, status) = ready("fleet", "InvalidProviderConfiguration").await;
    assert!(
        message.starts_with("spec.provider 'azure' is not supported yet"),
        "{message}"
    );
    assert_eq!(condition(&status.conditions, "Stalled").unwrap().status, "True");
    assert!(status.artifact.is_some(), "the artifact before stays");

    fleet.apply(
        &fleet
            .source("missing", "")
            .replace("name: git}", "name: nothing}"),
    );
    let (message, status) = ready("missing", "AuthenticationFailed").await;
    let name = fleet.namespace.name();
    assert!(
        message.starts_with(&format!("failed to get secret '{name}/nothing': ")),
        "{message}"
    );
    assert_eq!(
        condition(&status.conditions, "FetchFailed").unwrap().status,
        "True"
    );

    fleet.apply(
        &fleet
            .source("branch", "")
            .replace("branch: main", "branch: other"),
    );
    let (message, _) = ready("branch", "GitOperationFailed").await;
    assert!(
        message.contains("failed to checkout and determine revision: "),
        "{message}"
    );

    fleet.apply(&fleet.source("fleet", ""));
    let status = eventually("the source recovers", async || {
        let status = fleet.git_repository("fleet").await.status.unwrap();
        let is_ready = condition(&status.conditions, "Ready").is_some_and(|ready| ready.status == "True");
        if is_ready { Ok(status) } else { Err("not yet") }
    })
    .await;
    assert!(condition(&status.conditions, "FetchFailed").is_none());
    assert!(condition(&status.conditions, "Stalled").is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suspended_source_rests_and_a_deleted_one_leaves_no_artifact() {
    let one = config_map("one", "1");
    let fleet = Fleet::start("rest", &[("apps/one.yaml", one.as_str())]).await;
    let first = fleet.head();
    fleet.fetched("fleet", &first).await;
    fleet.apply(&fleet.source("fleet", "  suspend: true\n"));
    let second = fleet.commit("second", &[("apps/one.yaml", Some(&config_map("one", "2")))]);
    // Another source shows that the request of the suspended one had its chance.
    fleet.apply(&fleet.source("other", ""));
    fleet.fetched("other", &second).await;
    let artifact = fleet
        .git_repository("fleet")
        .await
        .status
        .unwrap()
        .artifact
        .unwrap();
    assert_eq!(artifact.revision, first);
    fleet.apply(&fleet.source("fleet", "  suspend: false\n"));
    let artifact = fleet
        .fetched("fleet", &second)
        .await
        .status
        .unwrap()
        .artifact
        .unwrap();

    let file = fleet.storage.path().join("artifacts").join(&artifact.path);
    assert!(file.exists(), "{}", file.display());
    fleet.kubectl(&["delete", "gitrepository", "fleet", "--wait=true"]);
    assert!(!file.exists(), "{}", file.display());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_behind_a_github_app_is_fetched_and_its_secret_is_named_when_it_is_wrong() {
    let github = GitHub::start();
    let fleet = Fleet::start(
        "github-app",
        &[("apps/one.yaml", config_map("one", "1").as_str())],
    )
    .await;
    let key = github.key.replace('\n', "\n      ");
    let secret = format!(
        "apiVersion: v1\nkind: Secret\nmetadata: {{name: app}}\nstringData:\n  githubAppID: \"{APP}\"\n  \
         githubAppInstallationID: \"{INSTALLATION}\"\n  githubAppBaseURL: {}\n",
        github.api()
    );
    fleet.apply(&secret);
    fleet.apply(&format!(
        "apiVersion: source.toolkit.fluxcd.io/v1\nkind: GitRepository\nmetadata: {{name: app}}\nspec:\n  url: {}\n  \
         interval: 1h\n  ref: {{branch: main}}\n  provider: github\n  secretRef: {{name: app}}\n",
        github.url(&fleet.repository)
    ));
    let namespace = fleet.namespace.name();
    let expected = format!(
        "failed to configure authentication options: secret '{namespace}/app': key 'githubAppPrivateKey' not found"
    );
    eventually("the missing key is told", async || {
        let status = fleet.git_repository("app").await.status.unwrap_or_default();
        match condition(&status.conditions, "FetchFailed") {
            Some(failed) if failed.message == expected && failed.reason == "AuthenticationFailed" => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    // The corrected Secret is seen by itself.
    fleet.apply(&format!(
        "{secret}  githubAppPrivateKey: |\n      {}\n",
        key.trim_end()
    ));
    fleet.fetched("app", &fleet.head()).await;
    assert_eq!(github.issued(), 1);
    let revision = fleet.commit("second", &[("apps/two.yaml", Some(&config_map("two", "2")))]);
    fleet.request("gitrepository", "app");
    fleet.fetched("app", &revision).await;
    assert_eq!(github.issued(), 1, "the token is kept");
    let log = fleet.controller.as_ref().unwrap().log().concat();
    assert!(
        !log.contains("ghs_t0ken") && !log.contains("PRIVATE KEY"),
        "{log}"
    );
}
