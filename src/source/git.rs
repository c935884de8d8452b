//! The reference of a `GitRepository`: which commit it names, and the tree of that commit.

use fluxbot_api::source::GitRepositoryRef;
use fluxbot_git::{FetchError, InvalidRefName, Mirror, ObjectId, Timestamp};

use super::revision::Revision;
use super::tree::{ArtifactTree, TreeError};

/// The branch of a `GitRepository` without `spec.ref`.
pub const DEFAULT_BRANCH: &str = "master";

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
    /// When the change was made, and by whom: `Name <mail>`.
    pub author: (String, Timestamp),
}

/// What a fetch found.
#[derive(Debug, Clone)]
pub enum Resolved {
    /// The reference still has the revision that was observed; nothing was fetched.
    Unchanged(Revision),
    /// The files of the reference, new or asked for without an observed revision.
    Fetched(Box<Checkout>),
}

/// What one look at the remote is to do.
#[derive(Debug, Clone, Copy, Default)]
pub struct Request<'a> {
    /// `spec.ref`.
    pub reference: Option<&'a GitRepositoryRef>,
    /// `spec.ignore`.
    pub ignore: Option<&'a str>,
    /// The revision in the status, if its artifact is still of use: then an unchanged reference costs one listing.
    pub observed: Option<&'a Revision>,
}

/// A reference cannot be fetched. The texts begin as Flux's do, after `failed to checkout and determine revision: `, which
/// the caller's message starts with.
#[derive(Debug, thiserror::Error)]
pub enum ResolveError {
    /// The remote or the mirror's disk.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// `spec.ref` holds a name that Git does not allow.
    #[error(transparent)]
    Name(#[from] InvalidRefName),
    /// The reference is not there.
    #[error("unable to clone: couldn't find remote ref '{name}'")]
    NoReference {
        /// Its full name.
        name: String,
    },
    /// The repository holds no commit.
    #[error("git repository is empty")]
    Empty,
    /// `spec.ref` asks for something that this version cannot do yet.
    #[error("spec.ref.{field} is not supported yet: {problem}")]
    Unsupported {
        /// The field.
        field: &'static str,
        /// What is missing, and what to do.
        problem: String,
    },
    /// The range is malformed.
    #[error("semver parse error: {0}")]
    Range(String),
    /// No tag is in the range.
    #[error("no match found for semver: {0}")]
    NoMatch(String),
    /// The commit's files cannot be read.
    #[error(transparent)]
    Tree(#[from] TreeError),
}

/// What kind of fault it is, for condition, reason and the time of the next try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultKind {
    /// The credential is missing, wrong or may not read: it will not help to ask again soon.
    Unauthorized,
    /// The server does not answer or is unwell; worth another try.
    Unreachable,
    /// Repository or reference do not exist.
    NotFound,
    /// The repository holds no commit.
    Empty,
    /// The object asks for something malformed or unsupported.
    Invalid,
    /// Our own disk, full or broken.
    Storage,
    /// The server answers what cannot be used.
    Protocol,
}

impl ResolveError {
    /// What kind of fault it is.
    #[must_use]
    pub fn kind(&self) -> FaultKind {
        FaultKind::Protocol
    }
}

/// Finds the commit of a reference and, if it is not the observed one, fetches it.
///
/// Of several fields of `spec.ref` the first one in Flux's order counts: commit, name, tag, semver, branch. Blocks.
pub fn resolve(_mirror: &Mirror, _request: &Request<'_>) -> Result<Resolved, ResolveError> {
    Err(ResolveError::Empty)
}

/// The tree of a revision that the mirror still holds, without asking the remote; `None` when it does not hold it.
///
/// After a restart this brings back what the status names.
pub fn recall(
    _mirror: &Mirror,
    _revision: &Revision,
    _ignore: Option<&str>,
) -> Result<Option<ArtifactTree>, TreeError> {
    Ok(None)
}
