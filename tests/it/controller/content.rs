//! What shapes the artifact of a `GitRepository` beside its commit: includes, sparse checkouts, submodules, ignore rules.

use std::fmt::Write as _;

use fluxbot::objects::Files as _;
use fluxbot::source::{ArtifactTree, UnpackLimits};
use fluxbot_api::source::{GitRepository, GitRepositoryStatus};

use super::fixture::{Fleet, condition, config_map};
use crate::support::command::stdout_with_input;
use crate::support::eventually::eventually;
use crate::support::git::{GitServer, GitServerOptions, Repository};
use crate::support::registry::http_client;

/// The files of the artifact as others get them.
async fn served(object: &GitRepository) -> Vec<String> {
    let artifact = object.status.as_ref().unwrap().artifact.as_ref().unwrap();
    let response = http_client(None, None).get(&artifact.url).send().await.unwrap();
    let body = response.error_for_status().unwrap().bytes().await.unwrap();
    let tree = ArtifactTree::read_tar_gz(&*body, &UnpackLimits::default()).unwrap();
    tree.list("").unwrap()
}

/// Waits until `Ready` is `False` for this reason.
async fn failed(fleet: &Fleet, name: &str, reason: &str) -> (String, GitRepositoryStatus) {
    eventually(&format!("{name} fails with {reason}"), async || {
        let status = fleet.git_repository(name).await.status.unwrap_or_default();
        match condition(&status.conditions, "Ready") {
            Some(ready) if ready.status == "False" && ready.reason == reason => {
                Ok((ready.message.clone(), status))
            }
            _ => Err(format!("{:?}", status.conditions)),
        }
    })
    .await
}

/// Waits until a source is ready in its present generation, and its artifact is another one.
async fn renewed(fleet: &Fleet, name: &str, before: Option<&str>) -> GitRepository {
    eventually(&format!("{name} has a new artifact"), async || {
        let object = fleet.git_repository(name).await;
        let status = object.status.clone().unwrap_or_default();
        let is_ready = condition(&status.conditions, "Ready").is_some_and(|ready| ready.status == "True")
            && status.observed_generation == object.metadata.generation;
        let digest = status.artifact.and_then(|artifact| artifact.digest);
        if is_ready && digest.is_some() && digest.as_deref() != before {
            Ok(object)
        } else {
            Err(format!("{:?}", status.conditions))
        }
    })
    .await
}

fn digest(object: &GitRepository) -> String {
    let artifact = object.status.as_ref().unwrap().artifact.as_ref().unwrap();
    artifact.digest.clone().unwrap()
}

/// Commits files, and submodules at commits.
fn commit_with_links(repository: &Repository, files: &[(&str, &str)], links: &[(&str, &str)]) {
    let mut stream =
        "commit refs/heads/main\ncommitter Ada <ada@example.com> 1767323046 +0000\ndata 5\nlinks\n\
                      from refs/heads/main^0\n"
            .to_owned();
    for (path, content) in files {
        writeln!(
            stream,
            "M 100644 inline {path}\ndata {}\n{content}",
            content.len()
        )
        .unwrap();
    }
    for (path, commit) in links {
        writeln!(stream, "M 160000 {commit} {path}").unwrap();
    }
    stdout_with_input(
        repository.git().args(["fast-import", "--quiet"]),
        stream.as_bytes(),
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_included_source_is_waited_for_copied_and_followed() {
    let one = config_map("one", "1");
    let fleet = Fleet::start("include", &[("apps/one.yaml", one.as_str())]).await;
    let other = GitServer::shared().create_repository(
        "controller/include-other",
        &[
            ("deploy/a.yaml", one.as_str()),
            ("deploy/notes.md", "x"),
            ("README.md", "x"),
            (".sourceignore", "*.md\n"),
        ],
    );
    let include = "  include: [{repository: {name: other}, fromPath: ./deploy, toPath: vendor/other}]\n";
    fleet.apply(&fleet.source("fleet", include));
    let (message, status) = failed(&fleet, "fleet", "NotFound").await;
    assert_eq!(
        message,
        "could not get resource for include 'other': gitrepositories.source.toolkit.fluxcd.io \"other\" not found"
    );
    let unavailable = condition(&status.conditions, "IncludeUnavailable").unwrap();
    assert_eq!(
        (unavailable.status.as_str(), unavailable.reason.as_str()),
        ("True", "NotFound")
    );

    let manifest = fleet
        .source("other", "")
        .replace(fleet.repository.url.as_str(), other.url.as_str());
    fleet.apply(&manifest);
    let object = renewed(&fleet, "fleet", None).await;
    let object = if served(&object).await.contains(&"vendor/other/a.yaml".to_owned()) {
        object
    } else {
        renewed(&fleet, "fleet", Some(&digest(&object))).await
    };
    assert_eq!(served(&object).await, ["apps/one.yaml", "vendor/other/a.yaml"]);
    let status = object.status.clone().unwrap();
    assert!(condition(&status.conditions, "IncludeUnavailable").is_none());
    assert_eq!(status.observed_include, object.spec.include);
    let included = fleet
        .git_repository("other")
        .await
        .status
        .unwrap()
        .artifact
        .unwrap();
    assert_eq!(status.included_artifacts, [included]);

    // The other source moves on: the content is another one at the same revision.
    other.commit_files("main", "more", &[("deploy/b.yaml", one.as_str())]);
    fleet.request("gitrepository", "other");
    let again = renewed(&fleet, "fleet", Some(&digest(&object))).await;
    assert_eq!(
        served(&again).await,
        ["apps/one.yaml", "vendor/other/a.yaml", "vendor/other/b.yaml"]
    );
    let revision = |object: &GitRepository| object.status.clone().unwrap().artifact.unwrap().revision;
    assert_eq!(revision(&again), revision(&object));

    fleet.apply(&fleet.source(
        "fleet",
        "  include: [{repository: {name: other}, fromPath: missing}]\n",
    ));
    let (message, status) = failed(&fleet, "fleet", "CopyFailure").await;
    assert_eq!(
        message,
        "failed to copy 'other' include from missing to other: cannot stat missing: no such file or directory"
    );
    assert_eq!(
        condition(&status.conditions, "StorageOperationFailed")
            .unwrap()
            .status,
        "True"
    );
    assert!(status.artifact.is_some(), "the artifact before stays");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sparse_checkout_takes_what_begins_with_its_paths() {
    let one = config_map("one", "1");
    let files = [
        "apps/one.yaml",
        "apps-old/two.yaml",
        "infra/three.yaml",
        "four.yaml",
    ];
    let files: Vec<(&str, &str)> = files.iter().map(|path| (*path, one.as_str())).collect();
    let fleet = Fleet::start("sparse", &files).await;
    let whole = fleet.fetched("fleet", &fleet.head()).await;
    assert_eq!(served(&whole).await.len(), 4);

    fleet.apply(&fleet.source("fleet", "  sparseCheckout: [./apps/, infra]\n"));
    let sparse = renewed(&fleet, "fleet", Some(&digest(&whole))).await;
    assert_eq!(served(&sparse).await, ["apps/one.yaml", "infra/three.yaml"]);
    assert_eq!(
        sparse.status.as_ref().unwrap().observed_sparse_checkout,
        ["./apps/", "infra"]
    );

    fleet.apply(&fleet.source("fleet", "  sparseCheckout: [apps, missing]\n"));
    let (message, status) = failed(&fleet, "fleet", "GitOperationFailed").await;
    assert_eq!(
        message,
        "failed to sparse checkout directories : sparse checkout dir 'missing' does not exist in repository: lstat missing: \
         no such file or directory"
    );
    assert_eq!(
        condition(&status.conditions, "FetchFailed").unwrap().status,
        "True"
    );

    fleet.apply(&fleet.source("fleet", ""));
    let whole = renewed(&fleet, "fleet", Some(&digest(&sparse))).await;
    assert_eq!(served(&whole).await.len(), 4);
    assert!(whole.status.unwrap().observed_sparse_checkout.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn submodules_are_fetched_where_they_are_asked_for() {
    let one = config_map("one", "1");
    let fleet = Fleet::start("submodules", &[("apps/one.yaml", one.as_str())]).await;
    let server = GitServer::shared();
    let inner = server.create_repository("controller/submodules-inner", &[("inner.yaml", one.as_str())]);
    let middle = server.create_repository("controller/submodules-middle", &[("middle.yaml", one.as_str())]);
    let old = inner.revision("main").unwrap();
    inner.commit_files("main", "later", &[("later.yaml", one.as_str())]);
    let modules = "[submodule \"inner\"]\n\tpath = deep/inner\n\turl = ../submodules-inner.git\n";
    commit_with_links(
        &middle,
        &[(".gitmodules", modules)],
        &[("deep/inner", old.as_str())],
    );
    let modules = "[submodule \"middle\"]\n\tpath = libs/middle\n\turl = ../submodules-middle.git\n";
    let commit = middle.revision("main").unwrap();
    commit_with_links(
        &fleet.repository,
        &[(".gitmodules", modules)],
        &[("libs/middle", commit.as_str())],
    );
    fleet.request("gitrepository", "fleet");
    let without = fleet.fetched("fleet", &fleet.head()).await;
    assert_eq!(served(&without).await, ["apps/one.yaml"]);

    fleet.apply(&fleet.source("fleet", "  recurseSubmodules: true\n"));
    let with = renewed(&fleet, "fleet", Some(&digest(&without))).await;
    assert_eq!(
        served(&with).await,
        [
            "apps/one.yaml",
            "libs/middle/deep/inner/inner.yaml",
            "libs/middle/middle.yaml"
        ],
        "the commits that the repositories name, not the newest ones"
    );
    assert_eq!(
        with.status.as_ref().unwrap().observed_recurse_submodules,
        Some(true)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_submodule_on_another_server_gets_no_credential() {
    let one = config_map("one", "1");
    let fleet = Fleet::start("foreign", &[("apps/one.yaml", one.as_str())]).await;
    let foreign = GitServer::start(GitServerOptions::default());
    let library = foreign.create_repository("library", &[("library.yaml", one.as_str())]);
    let commit = library.revision("main").unwrap();
    let modules = format!(
        "[submodule \"library\"]\n\tpath = library\n\turl = {}\n",
        library.url
    );
    commit_with_links(
        &fleet.repository,
        &[(".gitmodules", &modules)],
        &[("library", commit.as_str())],
    );
    fleet.apply(&fleet.source("fleet", "  recurseSubmodules: true\n"));
    // Both servers know the same user: with the credential of the source it would have worked.
    let (message, _) = failed(&fleet, "fleet", "GitOperationFailed").await;
    let expected = format!("unable to fetch submodule 'library' at {commit}: ");
    assert!(message.contains(&expected), "{message}");
}
