//! Why a reference cannot be fetched.

use fluxbot_git::{FetchError, InvalidRefName, ObjectId, RemoteFailure};

use super::Unverified;
use crate::source::tree::{IncludeError, TreeError};

/// A reference cannot be fetched. In conditions Flux puts `failed to checkout and determine revision: ` before the text.
#[derive(Debug, thiserror::Error)]
pub enum ResolveError {
    /// The remote did not serve the fetch, or our disk did not take it.
    #[error("unable to clone '{url}': {source}")]
    Fetch {
        /// The repository.
        url: String,
        /// What went wrong.
        #[source]
        source: FetchError,
    },
    /// The remote did not list its references.
    #[error("unable to list remote for '{url}': {source}")]
    List {
        /// The repository.
        url: String,
        /// What went wrong.
        #[source]
        source: FetchError,
    },
    /// `spec.ref` holds a name that Git does not allow.
    #[error(transparent)]
    Name(#[from] InvalidRefName),
    /// The branch or tag is not there.
    #[error("unable to clone '{url}': couldn't find remote ref \"{name}\"")]
    NoReference {
        /// The repository.
        url: String,
        /// The full name.
        name: String,
    },
    /// The reference of `spec.ref.name` is not there.
    #[error("unable to resolve ref '{name}' to a specific commit")]
    NoCommit {
        /// The full name.
        name: String,
    },
    /// The server does not have the commit of `spec.ref.commit`, or gives out no commit by its id.
    #[error("unable to resolve commit object for '{commit}': {source}")]
    NoCommitObject {
        /// The commit.
        commit: ObjectId,
        /// What the server said.
        #[source]
        source: FetchError,
    },
    /// The repository holds no commit.
    #[error("git repository is empty")]
    Empty,
    /// A path of `spec.sparseCheckout` is not there.
    #[error(
        "failed to sparse checkout directories : sparse checkout dir '{path}' does not exist in repository: lstat {path}: \
         no such file or directory"
    )]
    Sparse {
        /// The path.
        path: String,
    },
    /// A submodule cannot be fetched.
    #[error("unable to fetch submodule '{path}' at {commit}: {reason}")]
    Submodule {
        /// Where it stands.
        path: String,
        /// Its commit.
        commit: ObjectId,
        /// Why.
        reason: String,
    },
    /// The files of another source cannot be put into the tree.
    #[error("failed to copy '{name}' include from {from} to {to}: {source}")]
    Include {
        /// The other source.
        name: String,
        /// What was to be taken.
        from: String,
        /// Where it was to be put.
        to: String,
        /// Why.
        #[source]
        source: IncludeError,
    },
    /// A field asks for something that this version cannot do yet.
    #[error("{field} is not supported yet: {remedy}")]
    Unsupported {
        /// The field.
        field: &'static str,
        /// What is missing, and what to do.
        remedy: String,
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
    /// The signature that `spec.verify` asks for is not there.
    #[error(transparent)]
    Unverified(#[from] Unverified),
}

/// What kind of fault it is, for condition, reason and the time of the next try.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FaultKind {
    /// The credential is missing, wrong or may not read.
    Unauthorized,
    /// The server does not answer or is unwell; worth another try soon.
    Unreachable,
    /// The server asks for more time between requests.
    RateLimited,
    /// Repository or reference do not exist, or no tag fits.
    NotFound,
    /// The repository holds no commit.
    Empty,
    /// The object or a file in the repository asks for something malformed or unsupported: a change must come first.
    Invalid,
    /// The ignore rules cannot be used (reason `SourceIgnoreError`).
    Ignore,
    /// Our own disk is full or broken, or the mirror is damaged; the next fetch heals a damaged one.
    Storage,
    /// The server answers what cannot be used.
    Protocol,
    /// The signature that is asked for is not there.
    Unverified,
    /// What another source has cannot be put into the tree.
    Include,
    /// A submodule cannot be fetched: it may be any of the others.
    Submodule,
}

impl ResolveError {
    /// What kind of fault it is.
    #[must_use]
    pub fn kind(&self) -> FaultKind {
        match self {
            Self::Fetch { source, .. } | Self::List { source, .. } => match source {
                FetchError::Remote(failure) => failure_kind(failure),
                FetchError::Pack { .. } => FaultKind::Protocol,
                FetchError::Storage { .. } => FaultKind::Storage,
            },
            Self::NoReference { .. }
            | Self::NoCommit { .. }
            | Self::NoCommitObject { .. }
            | Self::Sparse { .. }
            | Self::NoMatch(_) => FaultKind::NotFound,
            Self::Submodule { .. } => FaultKind::Submodule,
            Self::Include { .. } => FaultKind::Include,
            Self::Empty => FaultKind::Empty,
            Self::Name(_)
            | Self::Unsupported { .. }
            | Self::Range(_)
            | Self::Tree(TreeError::TooLarge { .. }) => FaultKind::Invalid,
            Self::Tree(TreeError::Ignore { .. } | TreeError::LinkedIgnore { .. }) => FaultKind::Ignore,
            Self::Tree(_) => FaultKind::Storage,
            Self::Unverified(_) => FaultKind::Unverified,
        }
    }

    /// How long the server asked to wait, if it said so.
    #[must_use]
    pub fn retry_after(&self) -> Option<std::time::Duration> {
        match self {
            Self::Fetch { source, .. } | Self::List { source, .. } => match source {
                FetchError::Remote(RemoteFailure::RateLimited { retry_after, .. }) => {
                    retry_after.map(std::time::Duration::from_secs)
                }
                _ => None,
            },
            _ => None,
        }
    }
}

fn failure_kind(failure: &RemoteFailure) -> FaultKind {
    match failure {
        RemoteFailure::Unreachable { .. }
        | RemoteFailure::NoCredential {
            is_transient: true, ..
        } => FaultKind::Unreachable,
        RemoteFailure::Unauthorized { .. }
        | RemoteFailure::Forbidden { .. }
        | RemoteFailure::NoCredential { .. }
        | RemoteFailure::KeyRejected { .. }
        | RemoteFailure::Denied { .. } => FaultKind::Unauthorized,
        RemoteFailure::NotFound { .. } | RemoteFailure::Local { .. } => FaultKind::NotFound,
        RemoteFailure::RateLimited { .. } => FaultKind::RateLimited,
        RemoteFailure::RedirectRefused { .. }
        | RemoteFailure::HostKey { .. }
        | RemoteFailure::Protocol { .. }
        | RemoteFailure::Reported { .. }
        | RemoteFailure::Unsupported { .. }
        | RemoteFailure::TooLarge { .. } => FaultKind::Protocol,
    }
}
