//! The reference of a `GitRepository`: which commit it names, and the tree of that commit.

mod content;
mod error;
mod modules;
mod semver;
mod verify;

pub use content::{Content, Include, Submodules};
pub use error::{FaultKind, ResolveError};
pub use verify::{Unverified, Verification};

use fluxbot_api::source::GitRepositoryRef;
use fluxbot_git::{
    FetchError, Mirror, ObjectId, Person, ReadError, RefName, RefQuery, RemoteFailure, Snapshot, Timestamp,
};

use super::revision::Revision;
use super::tree::{ArtifactTree, TreeError};

/// The branch of a `GitRepository` without `spec.ref`, as in Flux.
pub const DEFAULT_BRANCH: &str = "master";

/// Characters of a commit's subject that Flux shows.
const SHOWN_SUBJECT: usize = 50;

/// What a fetch gave.
#[derive(Debug, Clone)]
pub struct Checkout {
    /// The revision for the status.
    pub revision: Revision,
    /// The commit.
    pub commit: ObjectId,
    /// Its files, without those that are ignored.
    pub tree: ArtifactTree,
    /// The first line of the commit's message.
    pub subject: String,
    /// Who made the change, and when.
    pub author: (Person, Timestamp),
    /// What was verified, where that was asked for.
    pub verified: Option<String>,
}

/// What a look at the remote found.
#[derive(Debug, Clone)]
pub enum Resolved {
    /// The reference still has the revision that was observed; nothing was fetched.
    Unchanged(Revision),
    /// The files of the reference.
    Fetched(Box<Checkout>),
}

/// What a look at the remote is to find.
#[derive(Debug, Clone, Copy, Default)]
pub struct Request<'a> {
    /// `spec.ref`.
    pub reference: Option<&'a GitRepositoryRef>,
    /// What shapes the content of the artifact.
    pub content: Content<'a>,
    /// The revision in the status, if its artifact is still of use: then a reference that did not move costs one listing,
    /// and a pinned commit nothing.
    pub observed: Option<&'a Revision>,
    /// `spec.verify`. With it nothing passes as unchanged: keys may be taken back at any time.
    pub verify: Option<&'a Verification>,
}

/// Finds the commit of a reference and, if it is not the observed one, its tree.
///
/// Of several fields of `spec.ref` the first one in Flux's order counts: commit, name, tag, semver, branch. The remote is asked for
/// its references first, and for objects only when the mirror lacks them: a commit that this process pushed through the same
/// mirror is not downloaded.
///
/// Blocks.
pub fn resolve(mirror: &Mirror, request: &Request<'_>) -> Result<Resolved, ResolveError> {
    match resolve_once(mirror, request) {
        // The mirror is damaged, which the next fetch heals.
        Err(ResolveError::Tree(TreeError::Git(ReadError::Missing { .. } | ReadError::Damaged { .. }))) => {
            resolve_once(mirror, request)
        }
        outcome => outcome,
    }
}

fn resolve_once(mirror: &Mirror, request: &Request<'_>) -> Result<Resolved, ResolveError> {
    let nothing = GitRepositoryRef::default();
    let reference = request.reference.unwrap_or(&nothing);
    let set = |field: &'static str, value: &'_ Option<String>| {
        let value = value.as_deref().filter(|value| !value.is_empty());
        value.map(|value| (field, value.to_owned()))
    };
    let chosen = [
        set("commit", &reference.commit),
        set("name", &reference.name),
        set("tag", &reference.tag),
        set("semver", &reference.semver),
        set("branch", &reference.branch),
    ];
    let chosen = chosen.into_iter().flatten().next();
    let (field, value) = chosen.unwrap_or_else(|| ("branch", DEFAULT_BRANCH.to_owned()));
    match field {
        "commit" => pinned(mirror, request, &value, reference.branch.as_deref()),
        "name" => {
            let name = RefName::new(value.as_str())?;
            let found =
                single(mirror, &name)?.ok_or_else(|| ResolveError::NoCommit { name: value.clone() })?;
            found.resolved(mirror, request, Revision::git(&value, &found.commit))
        }
        "tag" => named(mirror, request, &RefName::tag(&value)?),
        "semver" => semver::resolve(mirror, request, &value),
        _ => named(mirror, request, &RefName::branch(&value)?),
    }
}

/// The commit of a revision, if it is one that the mirror follows, without asking the remote.
///
/// After a restart this brings back what the status names, and after a push of our own what was pushed.
///
/// Blocks.
pub fn recall(
    mirror: &Mirror,
    revision: &Revision,
    content: &Content<'_>,
) -> Result<Option<Checkout>, ResolveError> {
    let Some(commit) = revision.git_commit().and_then(|hex| hex.parse::<ObjectId>().ok()) else {
        return Ok(None);
    };
    let snapshot = mirror.known();
    // Only of the tips is it certain that all objects are there.
    if !snapshot
        .references()
        .any(|reference| reference.commit() == commit)
    {
        return Ok(None);
    }
    Found {
        snapshot,
        commit,
        tag: None,
    }
    .checkout(mirror, revision.clone(), content)
    .map(Some)
}

impl Checkout {
    /// The subject as Flux shows it: at most 50 characters, and three dots where there are more.
    #[must_use]
    pub fn short_subject(&self) -> String {
        let mut characters = self.subject.chars();
        let mut shown: String = characters.by_ref().take(SHOWN_SUBJECT).collect();
        if characters.next().is_some() {
            shown.push_str("...");
        }
        shown
    }
}

/// A commit, and the snapshot that has its objects.
struct Found {
    snapshot: Snapshot,
    commit: ObjectId,
    /// The tag that led to it.
    tag: Option<RefName>,
}

impl Found {
    fn resolved(
        &self,
        mirror: &Mirror,
        request: &Request<'_>,
        revision: Revision,
    ) -> Result<Resolved, ResolveError> {
        let verified = request
            .verify
            .map(|verification| verification.check(self))
            .transpose()?;
        if verified.is_none() && request.observed == Some(&revision) {
            return Ok(Resolved::Unchanged(revision));
        }
        let mut checkout = self.checkout(mirror, revision, &request.content)?;
        checkout.verified = verified;
        Ok(Resolved::Fetched(Box::new(checkout)))
    }

    fn checkout(
        &self,
        mirror: &Mirror,
        revision: Revision,
        content: &Content<'_>,
    ) -> Result<Checkout, ResolveError> {
        let commit = self.snapshot.commit(&self.commit).map_err(TreeError::from)?;
        Ok(Checkout {
            revision,
            commit: self.commit,
            tree: content.build(mirror, &self.snapshot, &self.commit)?,
            subject: commit.message.lines().next().unwrap_or_default().to_owned(),
            author: commit.author,
            verified: None,
        })
    }
}

/// A branch or tag, which must exist.
fn named(mirror: &Mirror, request: &Request<'_>, name: &RefName) -> Result<Resolved, ResolveError> {
    let Some(found) = single(mirror, name)? else {
        return Err(absent(mirror, name)?);
    };
    found.resolved(mirror, request, Revision::git(name.short(), &found.commit))
}

fn single(mirror: &Mirror, name: &RefName) -> Result<Option<Found>, ResolveError> {
    let snapshot = fetch(mirror, &[RefQuery::Name(name.clone())])?;
    let head = snapshot.head(name);
    Ok(head.map(|commit| Found {
        snapshot,
        commit,
        tag: name.as_str().starts_with("refs/tags/").then(|| name.clone()),
    }))
}

/// A commit, wherever it is in the history. Of a branch beside it only the name counts, for the revision.
fn pinned(
    mirror: &Mirror,
    request: &Request<'_>,
    text: &str,
    branch: Option<&str>,
) -> Result<Resolved, ResolveError> {
    let commit: ObjectId = text.parse().map_err(|error| ResolveError::Unsupported {
        field: "spec.ref.commit",
        remedy: format!("{error}; give the full id"),
    })?;
    let revision = match branch.filter(|name| !name.is_empty()) {
        Some(branch) => Revision::git(RefName::branch(branch)?.short(), &commit),
        None => Revision::commit(&commit),
    };
    // What a commit holds never changes.
    if request.verify.is_none() && request.observed == Some(&revision) {
        return Ok(Resolved::Unchanged(revision));
    }
    let snapshot = mirror.fetch_commit(commit).map_err(|source| match source {
        // The server's words for a commit that it does not have, or does not give out.
        FetchError::Remote(RemoteFailure::Reported { .. }) => ResolveError::NoCommitObject { commit, source },
        source => ResolveError::Fetch {
            url: mirror.remote().url().to_string(),
            source,
        },
    })?;
    Found {
        snapshot,
        commit,
        tag: None,
    }
    .resolved(mirror, request, revision)
}

/// Why a reference is not there: it is missing, or the repository is empty.
fn absent(mirror: &Mirror, name: &RefName) -> Result<ResolveError, ResolveError> {
    let anything = list(mirror, &[RefQuery::all_branches(), RefQuery::all_tags()])?;
    Ok(if anything.is_empty() {
        ResolveError::Empty
    } else {
        ResolveError::NoReference {
            url: mirror.remote().url().to_string(),
            name: name.to_string(),
        }
    })
}

fn fetch(mirror: &Mirror, queries: &[RefQuery]) -> Result<Snapshot, ResolveError> {
    mirror.fetch(queries).map_err(|source| ResolveError::Fetch {
        url: mirror.remote().url().to_string(),
        source,
    })
}

fn list(mirror: &Mirror, queries: &[RefQuery]) -> Result<Vec<fluxbot_git::RemoteRef>, ResolveError> {
    mirror.list(queries).map_err(|source| ResolveError::List {
        url: mirror.remote().url().to_string(),
        source,
    })
}
