//! `spec.ref` on a real server.

use fluxbot::objects::Files as _;
use fluxbot::source::Revision;
use fluxbot::source::git::{FaultKind, Resolved};
use fluxbot_api::source::GitRepositoryRef;

use super::fixture::{Lab, access, branch, look};
use crate::support::command::stdout;
use crate::support::control::Fault;
use crate::support::git::{GitServer, PASSWORD, Repository};

fn repository(name: &str) -> Repository {
    GitServer::shared().create_repository(name, &[("apps/a.yaml", "one\n")])
}

#[tokio::test]
async fn a_reference_that_did_not_move_costs_one_request_and_a_moved_one_brings_only_its_changes() {
    let lab = Lab::new();
    let repository = repository("source-branch");
    let commit = repository.revision("main").unwrap();
    let first = lab.checkout(&repository, &branch("main")).await;
    assert_eq!(first.revision.to_string(), format!("main@sha1:{commit}"));
    assert_eq!(first.commit.to_string(), commit);
    assert_eq!(
        (first.subject.as_str(), first.author.0.name.as_str()),
        ("initial", "Ada")
    );
    assert_eq!(first.tree.read("apps/a.yaml").unwrap().unwrap(), b"one\n");

    let control = GitServer::shared().control().clone();
    let before = control.requests("source-branch").await.len();
    let observed = Some(first.revision.clone());
    let outcome = look(lab.mirror(&repository), Some(branch("main")), observed.clone()).await;
    assert!(matches!(outcome, Ok(Resolved::Unchanged(revision)) if revision == first.revision));
    assert_eq!(control.requests("source-branch").await.len(), before + 1);

    repository.commit_files("main", "two", &[("apps/b.yaml", "two\n")]);
    let Ok(Resolved::Fetched(second)) = look(lab.mirror(&repository), Some(branch("main")), observed).await
    else {
        panic!("the branch moved");
    };
    assert_eq!(second.tree.list("").unwrap(), ["apps/a.yaml", "apps/b.yaml"]);
    assert_eq!(
        first.tree.list("").unwrap(),
        ["apps/a.yaml"],
        "a tree never changes"
    );
}

#[tokio::test]
async fn every_kind_of_reference_gives_the_revision_of_flux() {
    let lab = Lab::new();
    let repository = repository("source-kinds");
    let first = repository.revision("main").unwrap();
    stdout(
        repository
            .git()
            .args(["tag", "--annotate", "--message", "a tag", "v1.0.0", "main"]),
    );
    stdout(repository.git().args(["tag", "1.2", "main"]));
    repository.commit_files("main", "newer", &[("apps/a.yaml", "two\n")]);
    stdout(repository.git().args(["tag", "v1.0.1", "main"]));
    stdout(repository.git().args(["update-ref", "refs/pull/1/head", "main"]));
    repository.commit_files("feature/x", "other", &[("x", "x\n")]);
    let head = repository.revision("main").unwrap();
    let feature = repository.revision("feature/x").unwrap();
    let some = |text: &str| Some(text.to_owned());
    let none = GitRepositoryRef::default;
    let cases = [
        (branch("feature/x"), format!("feature/x@sha1:{feature}")),
        (
            GitRepositoryRef {
                tag: some("v1.0.0"),
                branch: some("main"),
                ..none()
            },
            format!("v1.0.0@sha1:{first}"),
        ),
        (
            GitRepositoryRef {
                semver: some(">=1.0.0"),
                branch: some("x"),
                ..none()
            },
            format!("v1.0.1@sha1:{head}"),
        ),
        (
            GitRepositoryRef {
                semver: some("1.0.0"),
                ..none()
            },
            format!("v1.0.0@sha1:{first}"),
        ),
        (
            GitRepositoryRef {
                tag: some("v1.0.0"),
                semver: some("*"),
                ..none()
            },
            format!("v1.0.0@sha1:{first}"),
        ),
        (
            GitRepositoryRef {
                name: some("refs/pull/1/head"),
                tag: some("x"),
                ..none()
            },
            format!("refs/pull/1/head@sha1:{head}"),
        ),
        (
            GitRepositoryRef {
                name: some("refs/heads/main"),
                ..none()
            },
            format!("refs/heads/main@sha1:{head}"),
        ),
        (
            GitRepositoryRef {
                name: some("refs/tags/v1.0.0"),
                ..none()
            },
            format!("refs/tags/v1.0.0@sha1:{first}"),
        ),
        (
            GitRepositoryRef {
                commit: some(&head),
                branch: some("main"),
                ..none()
            },
            format!("main@sha1:{head}"),
        ),
        (
            GitRepositoryRef {
                commit: some(&first),
                name: some("x"),
                ..none()
            },
            format!("sha1:{first}"),
        ),
    ];
    for (reference, expected) in cases {
        let checkout = lab.checkout(&repository, &reference).await;
        assert_eq!(checkout.revision.to_string(), expected);
        assert!(expected.ends_with(&checkout.commit.to_string()));
    }
}

#[tokio::test]
async fn a_commit_that_is_no_head_any_more_is_fetched_by_its_id() {
    let lab = Lab::new();
    let repository = repository("source-pinned");
    let pinned = repository.revision("main").unwrap();
    for number in 1..=3 {
        let content = format!("{number}\n");
        repository.commit_files("main", "newer", &[("apps/a.yaml", content.as_str())]);
    }
    let reference = GitRepositoryRef {
        commit: Some(pinned.clone()),
        branch: Some("main".to_owned()),
        ..GitRepositoryRef::default()
    };
    // The mirror has the newest commit, and so some of the objects.
    lab.checkout(&repository, &branch("main")).await;
    let control = GitServer::shared().control().clone();
    for expected_requests in [1, 0] {
        let before = control.requests("source-pinned").await.len();
        let checkout = lab.checkout(&repository, &reference).await;
        assert_eq!(checkout.revision.to_string(), format!("main@sha1:{pinned}"));
        assert_eq!(checkout.tree.read("apps/a.yaml").unwrap().unwrap(), b"one\n");
        let after = control.requests("source-pinned").await.len();
        assert_eq!(after - before, expected_requests);
    }
}

#[tokio::test]
async fn of_tags_that_differ_in_build_metadata_the_one_with_the_youngest_commit_is_taken() {
    let lab = Lab::new();
    let repository = repository("source-ties");
    let tag = |name: &str, date: &str| {
        let tree = stdout(repository.git().args(["rev-parse", "main^{tree}"]));
        let mut command = repository.git();
        command.env("GIT_COMMITTER_DATE", date);
        let commit = stdout(command.args(["commit-tree", "-m", name, &tree]));
        stdout(repository.git().args(["tag", name, &commit]));
        commit
    };
    tag("v1.0.0+a", "2026-01-01T00:00:00Z");
    let youngest = tag("v1.0.0+b", "2026-01-03T00:00:00Z");
    tag("v1.0.0+c", "2026-01-02T00:00:00Z");
    let reference = GitRepositoryRef {
        semver: Some("1.x".to_owned()),
        ..GitRepositoryRef::default()
    };
    let checkout = lab.checkout(&repository, &reference).await;
    assert_eq!(checkout.revision, Revision::git("v1.0.0+b", &youngest));
}

#[tokio::test]
async fn faults_have_the_texts_of_flux_and_a_kind() {
    let lab = Lab::new();
    let repository = repository("source-faults");
    let url = repository.url.to_string();
    let some = |text: &str| Some(text.to_owned());
    let none = GitRepositoryRef::default;
    let cases = [
        (
            None,
            FaultKind::NotFound,
            format!("unable to clone '{url}': couldn't find remote ref \"refs/heads/master\""),
        ),
        (
            Some(branch("a..b")),
            FaultKind::Invalid,
            "reference name \"refs/heads/a..b\" is not valid: it contains `..`".to_owned(),
        ),
        (
            Some(GitRepositoryRef {
                tag: some("v9"),
                ..none()
            }),
            FaultKind::NotFound,
            format!("unable to clone '{url}': couldn't find remote ref \"refs/tags/v9\""),
        ),
        (
            Some(GitRepositoryRef {
                name: some("refs/pull/9/head"),
                ..none()
            }),
            FaultKind::NotFound,
            "unable to resolve ref 'refs/pull/9/head' to a specific commit".to_owned(),
        ),
        (
            Some(GitRepositoryRef {
                semver: some(">=9"),
                ..none()
            }),
            FaultKind::NotFound,
            "no match found for semver: >=9".to_owned(),
        ),
        (
            Some(GitRepositoryRef {
                semver: some("nonsense"),
                ..none()
            }),
            FaultKind::Invalid,
            "semver parse error: improper constraint: \"nonsense\"".to_owned(),
        ),
        (
            Some(GitRepositoryRef {
                commit: some("0123456789012345678901234567890123456789"),
                branch: some("main"),
                ..none()
            }),
            FaultKind::NotFound,
            format!(
                "unable to resolve commit object for '0123456789012345678901234567890123456789': git server {} reports: \
                 upload-pack: not our ref 0123456789012345678901234567890123456789",
                repository.url.authority()
            ),
        ),
    ];
    for (reference, kind, text) in cases {
        let error = look(lab.mirror(&repository), reference, None).await.unwrap_err();
        assert_eq!((error.kind(), error.to_string()), (kind, text));
    }
}

#[tokio::test]
async fn a_server_that_refuses_or_does_not_answer_is_told_apart() {
    let lab = Lab::new();
    let server = GitServer::shared();
    let repository = repository("source-refused");
    let open = |url: &str, password: &str| lab.mirrors.open(url, &access(password)).unwrap();
    let url = repository.url.as_str();
    let kind = async |mirror| look(mirror, Some(branch("main")), None).await.unwrap_err().kind();
    assert_eq!(kind(open(url, "wrong")).await, FaultKind::Unauthorized);
    assert_eq!(
        kind(open(&url.replace("refused", "missing"), PASSWORD)).await,
        FaultKind::NotFound
    );
    assert_eq!(
        kind(open("http://127.0.0.1:1/x", PASSWORD)).await,
        FaultKind::Unreachable
    );
    let empty = server.create_repository("source-empty", &[]);
    assert_eq!(kind(lab.mirror(&empty)).await, FaultKind::Empty);
    let slow = Fault::status(429, "source-refused").header("Retry-After", "7");
    server.control().order(&slow).await;
    let error = look(open(url, PASSWORD), Some(branch("main")), None)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), FaultKind::RateLimited);
    assert_eq!(error.retry_after().unwrap().as_secs(), 7);
}
