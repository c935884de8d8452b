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
    assert!(reusable(&spec(), &status(None), &[]).is_some());
    assert!(reusable(&spec(), &status(Some("*.md")), &[]).is_none());
    let mut ignoring = spec();
    ignoring.ignore = Some("*.md".to_owned());
    assert!(reusable(&ignoring, &status(Some("*.md")), &[]).is_some());
    assert!(reusable(&ignoring, &status(None), &[]).is_none());
    let mut with_submodules = status(None);
    with_submodules.observed_recurse_submodules = Some(true);
    assert!(reusable(&spec(), &with_submodules, &[]).is_none());
    let mut old = status(None);
    old.artifact.as_mut().unwrap().digest = None;
    assert!(reusable(&spec(), &old, &[]).is_none());
}

#[test]
fn what_is_included_is_part_of_the_content() {
    let mut including = spec();
    including.include = vec![include("other")];
    let mut with_other = status(None);
    with_other.observed_include.clone_from(&including.include);
    let other = with_other.artifact.clone().unwrap();
    assert!(reusable(&including, &with_other, std::slice::from_ref(&other)).is_none());
    with_other.included_artifacts = vec![other.clone()];
    assert!(reusable(&including, &with_other, std::slice::from_ref(&other)).is_some());
    let mut moved = other;
    moved.digest = Some("sha256:01".to_owned());
    assert!(reusable(&including, &with_other, &[moved]).is_none());
    let mut sparse = spec();
    sparse.sparse_checkout = vec!["apps".to_owned()];
    assert!(reusable(&sparse, &status(None), &[]).is_none());
}

fn include(name: &str) -> GitRepositoryInclude {
    GitRepositoryInclude {
        repository: LocalObjectReference {
            name: name.to_owned(),
        },
        ..GitRepositoryInclude::default()
    }
}

/// Sources by name: what each includes, and whether it has an artifact.
fn source(name: &str) -> Option<Arc<GitRepository>> {
    let (includes, is_fetched): (&[&str], bool) = match name {
        "plain" => (&[], true),
        "empty" => (&[], false),
        "one" => (&["two"], true),
        "two" => (&["one"], true),
        "over" => (&["plain", "missing"], true),
        _ => return None,
    };
    let mut object = GitRepository::new(name, spec());
    object.spec.include = includes.iter().map(|name| include(name)).collect();
    object.status = is_fetched.then(|| status(None));
    Some(Arc::new(object))
}

#[rstest]
#[case::missing(&["plain", "missing"], Reason::NotFound, "could not get resource for include 'missing': \
    gitrepositories.source.toolkit.fluxcd.io \"missing\" not found")]
#[case::without_artifact(&["empty"], Reason::NoArtifact, "no artifact available for include 'empty'")]
#[case::itself(&["app"], Reason::Failed, "include 'app' leads back to this repository: its artifact would grow without end")]
fn an_include_that_cannot_be_had_is_waited_for(
    #[case] includes: &[&str],
    #[case] reason: Reason,
    #[case] message: &str,
) {
    let mut object = GitRepository::new("app", spec());
    object.spec.include = includes.iter().map(|name| include(name)).collect();
    let fault = included(&object, source, Duration::from_secs(30)).unwrap_err();
    assert_eq!(fault.condition, ConditionType::IncludeUnavailable);
    assert_eq!(
        (fault.failure.reason, fault.failure.message.as_str()),
        (reason, message)
    );
    assert_eq!(fault.failure.recovery, Recovery::Wait(Duration::from_secs(30)));
}

#[test]
fn includes_come_in_order_and_a_circle_is_seen_from_within_only() {
    let mut object = GitRepository::new("one", spec());
    object.spec.include = vec![include("two")];
    assert!(included(&object, source, Duration::ZERO).is_err());
    object.metadata.name = Some("app".to_owned());
    assert_eq!(included(&object, source, Duration::ZERO).unwrap().len(), 1);
    object.spec.include = vec![include("plain"), include("over")];
    assert_eq!(included(&object, source, Duration::ZERO).unwrap().len(), 2);
}

#[rstest]
#[case(None, None, ("", "other"))]
#[case(Some("deploy"), Some("./base"), ("deploy", "./base"))]
#[case(Some(""), Some(""), ("", "other"))]
fn an_include_goes_to_a_folder_of_its_name(
    #[case] from: Option<&str>,
    #[case] to: Option<&str>,
    #[case] expected: (&str, &str),
) {
    let mut other = include("other");
    other.from_path = from.map(str::to_owned);
    other.to_path = to.map(str::to_owned);
    let (from, to) = include_paths(&other);
    assert_eq!((from.as_str(), to.as_str()), expected);
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

#[rstest]
#[case::a_branch(|reference: &mut GitRepositoryRef| reference.branch = Some("main".to_owned()), Reason::GitOperationSucceeded)]
#[case::a_commit(|reference: &mut GitRepositoryRef| reference.commit = Some("1".to_owned()), Reason::ArtifactUpToDate)]
#[case::a_range(|reference: &mut GitRepositoryRef| reference.semver = Some("1.x".to_owned()), Reason::ArtifactUpToDate)]
fn a_run_without_news_is_told_as_flux_tells_it(
    #[case] set: fn(&mut GitRepositoryRef),
    #[case] reason: Reason,
) {
    let mut reference = GitRepositoryRef::default();
    set(&mut reference);
    let mut spec = spec();
    spec.reference = Some(reference);
    let (told, text) = unchanged_text(&spec, "main@sha1:1");
    assert_eq!(told, reason);
    assert!(
        text.ends_with("revision: 'main@sha1:1'") || text.ends_with("observed revision 'main@sha1:1'"),
        "{text}"
    );
}
