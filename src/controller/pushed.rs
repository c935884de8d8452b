//! Our own pushes, so that the sources that follow the branch take the new commit at once and never an older one.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use fluxbot_api::source::GitRepository;
use fluxbot_git::{ObjectId, RefName, RemoteUrl};
use tokio::time::Instant;

/// How long after a push a server that still answers with an older commit counts as a stale replica.
pub const REMEMBERED: Duration = Duration::from_mins(1);

/// The branch of a source that names none, as in Flux.
const DEFAULT_BRANCH: &str = "master";

/// A branch that was pushed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Push {
    /// URL of the repository as the object has it.
    pub url: String,
    /// Short name of the branch.
    pub branch: String,
    /// The head before; `None` when the branch was created.
    pub old: Option<ObjectId>,
    /// The head that was pushed.
    pub new: ObjectId,
}

/// The pushes of this process in the last [`REMEMBERED`].
#[derive(Debug, Default)]
pub struct Pushes {
    branches: Mutex<HashMap<(String, String), Vec<Recent>>>,
}

#[derive(Debug)]
struct Recent {
    old: Option<ObjectId>,
    new: ObjectId,
    at: Instant,
}

impl Pushes {
    /// Remembers a push that the server has confirmed.
    pub fn record(&self, push: &Push) {
        self.record_at(push, Instant::now());
    }

    /// What the branch must have after our last push, when `answered` is a head that our pushes have replaced: a replica that
    /// lags behind answers so. The head is to be asked for again, and not applied. `None`: `answered` is fine, be it our own
    /// commit or one that somebody made since.
    #[must_use]
    pub fn replaced_by(&self, url: &str, branch: &str, answered: &ObjectId) -> Option<ObjectId> {
        self.replaced_by_at(url, branch, Some(answered), Instant::now())
    }

    /// As [`Self::replaced_by`], for a server that answers that there is no such branch.
    #[must_use]
    pub fn created_as(&self, url: &str, branch: &str) -> Option<ObjectId> {
        self.replaced_by_at(url, branch, None, Instant::now())
    }

    fn record_at(&self, push: &Push, now: Instant) {
        let mut branches = self.branches.lock().unwrap_or_else(PoisonError::into_inner);
        branches.retain(|_, recent| {
            recent.retain(|recent| is_recent(recent, now));
            !recent.is_empty()
        });
        let recent = branches.entry(key(&push.url, &push.branch)).or_default();
        recent.push(Recent {
            old: push.old,
            new: push.new,
            at: now,
        });
    }

    fn replaced_by_at(
        &self,
        url: &str,
        branch: &str,
        answered: Option<&ObjectId>,
        now: Instant,
    ) -> Option<ObjectId> {
        let branches = self.branches.lock().unwrap_or_else(PoisonError::into_inner);
        let recent = branches.get(&key(url, branch))?;
        let recent: Vec<&Recent> = recent.iter().filter(|recent| is_recent(recent, now)).collect();
        let newest = recent.last()?.new;
        let older: HashSet<Option<ObjectId>> = recent
            .iter()
            .flat_map(|recent| [recent.old, Some(recent.new)])
            .filter(|id| *id != Some(newest))
            .collect();
        older.contains(&answered.copied()).then_some(newest)
    }
}

fn is_recent(recent: &Recent, now: Instant) -> bool {
    now.saturating_duration_since(recent.at) < REMEMBERED
}

/// URLs that differ in how they are written, or in their user, name the same repository.
fn key(url: &str, branch: &str) -> (String, String) {
    let url = url
        .parse::<RemoteUrl>()
        .map_or_else(|_| url.to_owned(), |url| url.to_string());
    let url = url.trim_end_matches('/').trim_end_matches(".git").to_owned();
    (url, branch.to_owned())
}

/// Whether a source follows a branch of the repository at `url`.
#[must_use]
pub fn follows(source: &GitRepository, url: &str, branch: &str) -> bool {
    let followed = followed_branch(source);
    followed.is_some_and(|followed| key(&source.spec.url, &followed) == key(url, branch))
}

/// The branch that a source follows, by Flux's order: a commit before a name, a tag, a range and a branch. `None` when it
/// follows something that is no branch.
#[must_use]
pub fn followed_branch(source: &GitRepository) -> Option<String> {
    let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    let Some(reference) = &source.spec.reference else {
        return Some(DEFAULT_BRANCH.to_owned());
    };
    if given(&reference.commit).is_some() {
        // A commit is fixed, whatever becomes of the branch.
        return None;
    }
    if let Some(name) = given(&reference.name) {
        let name = name.parse::<RefName>().ok()?;
        return name.as_str().strip_prefix("refs/heads/").map(str::to_owned);
    }
    if given(&reference.tag).is_some() || given(&reference.semver).is_some() {
        return None;
    }
    Some(given(&reference.branch).unwrap_or_else(|| DEFAULT_BRANCH.to_owned()))
}

#[cfg(test)]
mod tests {
    use fluxbot_api::source::{GitRepositoryRef, GitRepositorySpec};
    use rstest::rstest;

    use super::*;

    const URL: &str = "https://git.example/team/fleet.git";

    fn id(digit: char) -> ObjectId {
        digit.to_string().repeat(40).parse().unwrap()
    }

    fn push(old: Option<char>, new: char) -> Push {
        Push {
            url: URL.to_owned(),
            branch: "main".to_owned(),
            old: old.map(id),
            new: id(new),
        }
    }

    #[rstest]
    #[case::the_head_before(URL, "main", '1', Some('3'))]
    #[case::the_head_between(URL, "main", '2', Some('3'))]
    #[case::our_own(URL, "main", '3', None)]
    #[case::somebody_elses(URL, "main", '4', None)]
    #[case::another_branch(URL, "release", '1', None)]
    #[case::another_repository("https://git.example/team/other.git", "main", '1', None)]
    #[case::the_same_repository_written_otherwise(
        "https://user:word@git.example/team/fleet",
        "main",
        '1',
        Some('3')
    )]
    fn a_head_that_our_pushes_replaced_is_stale(
        #[case] url: &str,
        #[case] branch: &str,
        #[case] answered: char,
        #[case] expected: Option<char>,
    ) {
        let pushes = Pushes::default();
        pushes.record(&push(Some('1'), '2'));
        pushes.record(&push(Some('2'), '3'));
        assert_eq!(pushes.replaced_by(url, branch, &id(answered)), expected.map(id));
    }

    #[test]
    fn after_a_minute_the_server_is_believed_again() {
        let pushes = Pushes::default();
        let now = Instant::now();
        pushes.record_at(&push(Some('1'), '2'), now);
        let ask = |at| pushes.replaced_by_at(URL, "main", Some(&id('1')), at);
        assert_eq!(ask(now + Duration::from_secs(59)), Some(id('2')));
        assert_eq!(ask(now + Duration::from_mins(1)), None);
        pushes.record_at(&push(Some('5'), '6'), now + Duration::from_mins(1));
        let branches = pushes.branches.lock().unwrap();
        assert_eq!(branches.values().map(Vec::len).sum::<usize>(), 1);
    }

    #[test]
    fn a_branch_that_we_created_cannot_be_missing() {
        let pushes = Pushes::default();
        assert_eq!(pushes.created_as(URL, "main"), None);
        pushes.record(&push(None, '2'));
        assert_eq!(pushes.created_as(URL, "main"), Some(id('2')));
        assert_eq!(pushes.replaced_by(URL, "main", &id('1')), None);
    }

    fn source(reference: Option<GitRepositoryRef>) -> GitRepository {
        GitRepository::new(
            "fleet",
            GitRepositorySpec {
                url: URL.to_owned(),
                reference,
                ..GitRepositorySpec::default()
            },
        )
    }

    #[rstest]
    #[case::nothing("", "", "", Some("master"))]
    #[case::a_branch("main", "", "", Some("main"))]
    #[case::a_tag("main", "v1", "", None)]
    #[case::the_name_of_a_branch("main", "v1", "refs/heads/other", Some("other"))]
    #[case::another_name("main", "", "refs/pull/1/head", None)]
    fn a_source_follows_a_branch(
        #[case] branch: &str,
        #[case] tag: &str,
        #[case] name: &str,
        #[case] expected: Option<&str>,
    ) {
        let source = source(Some(GitRepositoryRef {
            branch: Some(branch.to_owned()),
            tag: Some(tag.to_owned()),
            name: Some(name.to_owned()),
            ..GitRepositoryRef::default()
        }));
        assert_eq!(followed_branch(&source).as_deref(), expected);
    }

    #[test]
    fn a_source_without_a_reference_follows_master() {
        assert!(follows(&source(None), "https://git.example/team/fleet", "master"));
        assert!(!follows(&source(None), URL, "main"));
        let fixed = GitRepositoryRef {
            commit: Some("1".repeat(40)),
            branch: Some("master".to_owned()),
            ..GitRepositoryRef::default()
        };
        assert!(!follows(&source(Some(fixed)), URL, "master"));
    }
}
