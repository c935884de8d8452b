//! The plan of a source.

use fluxbot_api::meta::LocalObjectReference;
use fluxbot_api::source::{GitRepositoryInclude, GitRepositoryRef};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use rstest::rstest;

use super::*;

fn spec() -> GitRepositorySpec {
    GitRepositorySpec {
        url: "https://git.example/fleet".to_owned(),
        interval: fluxbot_api::Duration::new("1m"),
        ..GitRepositorySpec::default()
    }
}

#[test]
fn a_plain_spec_is_taken() {
    assert_eq!(refused(&spec()), None);
    let times = Times {
        interval: Duration::from_mins(1),
        timeout: Duration::from_mins(1),
    };
    assert_eq!(Times::of(&spec()), Ok(times));
}

#[rstest]
#[case::provider(
    |spec: &mut GitRepositorySpec| spec.provider = Some(GitProvider::Azure),
    Reason::InvalidProviderConfiguration,
    "spec.provider 'azure' is not supported yet: use the provider generic with a token in spec.secretRef"
)]
#[case::include(
    |spec: &mut GitRepositorySpec| spec.include = vec![GitRepositoryInclude {
        repository: LocalObjectReference { name: "other".to_owned() },
        ..GitRepositoryInclude::default()
    }],
    Reason::GitOperationFailed,
    "spec.include is not supported yet: keep the files in one repository"
)]
#[case::submodules(
    |spec: &mut GitRepositorySpec| spec.recurse_submodules = Some(true),
    Reason::GitOperationFailed,
    "spec.recurseSubmodules is not supported yet: keep the files in the repository itself"
)]
#[case::sparse(
    |spec: &mut GitRepositorySpec| spec.sparse_checkout = vec!["apps".to_owned()],
    Reason::GitOperationFailed,
    "spec.sparseCheckout is not supported yet: leave files out with spec.ignore or .sourceignore"
)]
fn a_field_that_cannot_be_honoured_is_refused_by_name(
    #[case] change: fn(&mut GitRepositorySpec),
    #[case] reason: Reason,
    #[case] message: &str,
) {
    let mut spec = spec();
    change(&mut spec);
    assert_eq!(refused(&spec), Some(Failure::stalled(reason, message)));
}

#[test]
fn a_text_that_is_no_duration_is_named() {
    let mut spec = spec();
    spec.timeout = Some(fluxbot_api::Duration::new("soon"));
    let failure = Times::of(&spec).unwrap_err();
    assert!(failure.message.starts_with("spec.timeout: "), "{failure}");
    assert_eq!(failure.recovery, Recovery::Stalled);
}

fn status(ignore: Option<&str>) -> GitRepositoryStatus {
    GitRepositoryStatus {
        artifact: Some(Artifact {
            checksum: None,
            digest: Some("sha256:00".to_owned()),
            last_update_time: Time(Timestamp::UNIX_EPOCH),
            metadata: std::collections::BTreeMap::new(),
            path: "gitrepository/apps/fleet/1.tar.gz".to_owned(),
            revision: "main@sha1:1".to_owned(),
            size: None,
            url: "http://source/1.tar.gz".to_owned(),
        }),
        observed_ignore: ignore.map(str::to_owned),
        ..GitRepositoryStatus::default()
    }
}

#[test]
fn an_artifact_is_of_use_while_nothing_that_shapes_it_changes() {
    assert!(reusable(&spec(), &status(None)).is_some());
    assert!(reusable(&spec(), &status(Some("*.md"))).is_none());
    let mut ignoring = spec();
    ignoring.ignore = Some("*.md".to_owned());
    assert!(reusable(&ignoring, &status(Some("*.md"))).is_some());
    assert!(reusable(&ignoring, &status(None)).is_none());
    let mut with_submodules = status(None);
    with_submodules.observed_recurse_submodules = Some(true);
    assert!(reusable(&spec(), &with_submodules).is_none());
    let mut old = status(None);
    old.artifact.as_mut().unwrap().digest = None;
    assert!(reusable(&spec(), &old).is_none());
}

#[rstest]
#[case(Some("fix: typo"), "stored artifact for commit 'fix: typo'")]
#[case(
    Some("0123456789012345678901234567890123456789012345678901"),
    "stored artifact for commit '01234567890123456789012345678901234567890123456789...'"
)]
#[case(None, "stored artifact for commit 'main@sha1:1'")]
fn the_event_names_the_commit(#[case] subject: Option<&str>, #[case] text: &str) {
    assert_eq!(stored_text(subject, "main@sha1:1"), text);
}

#[rstest]
#[case(None, "main@sha1:1111111111111111111111111111111111111111")]
#[case(
    Some("refs/heads/main"),
    "refs/heads/main@sha1:1111111111111111111111111111111111111111"
)]
fn a_push_of_ours_has_the_revision_that_the_server_would_give(
    #[case] name: Option<&str>,
    #[case] revision: &str,
) {
    let mut object = GitRepository::new("fleet", spec());
    object.spec.reference = name.map(|name| GitRepositoryRef {
        name: Some(name.to_owned()),
        ..GitRepositoryRef::default()
    });
    let commit = "1".repeat(40);
    assert_eq!(pushed_revision(&object, "main", &commit).to_string(), revision);
}

#[test]
fn a_fault_before_is_remembered_by_its_condition() {
    assert!(!had_failed(&status(None)));
    let mut failed = status(None);
    failed.conditions.push(Condition {
        type_: "FetchFailed".to_owned(),
        status: "True".to_owned(),
        reason: "GitOperationFailed".to_owned(),
        message: String::new(),
        observed_generation: None,
        last_transition_time: Time(Timestamp::UNIX_EPOCH),
    });
    assert!(had_failed(&failed));
}

#[test]
fn a_full_disk_has_its_word_and_its_condition() {
    let error = StorageError::Full {
        path: "gitrepository/apps/fleet/1.tar.gz".to_owned(),
    };
    let fault = SourceFault::stored(&error);
    assert_eq!(fault.condition, ConditionType::StorageOperationFailed);
    assert_eq!(fault.failure.reason, Reason::ArchiveOperationFailed);
    let text = "StorageFull: failed to store artifact: no space is left";
    assert!(fault.failure.message.starts_with(text), "{}", fault.failure);
}

#[test]
fn an_empty_repository_is_told_from_a_missing_reference() {
    let empty = SourceFault::resolve(&ResolveError::Empty);
    let text = "failed to checkout and determine revision: git repository is empty";
    assert_eq!(empty.failure.message, text);
    assert_eq!(empty.condition, ConditionType::FetchFailed);
    let missing = SourceFault::resolve(&ResolveError::NoReference {
        url: "https://git.example/fleet".to_owned(),
        name: "refs/heads/main".to_owned(),
    });
    assert_eq!(missing.failure.reason, Reason::GitOperationFailed);
    assert_eq!(missing.failure.recovery, Recovery::Backoff);
}
