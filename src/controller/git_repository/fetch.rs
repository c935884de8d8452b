//! One look at a Git server, from the mirror to the stored artifact. It blocks.

use std::sync::Arc;

use fluxbot_api::source::{Artifact, GitRepository};
use fluxbot_git::{Mirror, ObjectId};
use jiff::Timestamp;
use tracing::{debug, warn};

use super::plan;
use crate::controller::kinds::Reconciled as _;
use crate::controller::pushed::{Pushes, followed_branch};
use crate::git::{GitAccess, Mirrors, OpenError};
use crate::source::git::{Request, ResolveError, Resolved, Verification, recall, resolve};
use crate::source::{ArtifactTree, CurrentSource, Revision, SourceKey, SourceStore, Storage, StorageError};

/// Everything that one look takes.
pub(super) struct Fetch {
    /// The object.
    pub(super) object: Arc<GitRepository>,
    /// The artifact of the status, if its content would be the same again.
    pub(super) artifact: Option<Artifact>,
    /// The artifact of the status.
    pub(super) known: Option<Artifact>,
    /// Its name among sources.
    pub(super) key: SourceKey,
    pub(super) access: GitAccess,
    pub(super) mirrors: Mirrors,
    pub(super) storage: Storage,
    pub(super) sources: SourceStore,
    pub(super) pushes: Arc<Pushes>,
    /// Whose signature is asked for.
    pub(super) verification: Option<Verification>,
}

/// What a look found.
#[derive(Debug)]
pub(super) enum Found {
    /// The artifact of the status is still right; its URL may be another one.
    Current {
        artifact: Artifact,
        /// What was verified.
        verified: Option<String>,
    },
    /// A new artifact is stored, and its tree handed over.
    Stored(Box<Stored>),
    /// The server answered with what our own push has replaced. The artifact is the one before.
    Replica { artifact: Option<Artifact> },
}

/// A new artifact.
#[derive(Debug)]
pub(super) struct Stored {
    pub(super) artifact: Artifact,
    /// The first line of the commit's message, where it is known.
    pub(super) subject: Option<String>,
    /// What was verified.
    pub(super) verified: Option<String>,
}

/// Why a look failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum FetchFault {
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Resolve(#[from] ResolveError),
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl Found {
    /// What was verified.
    pub(super) fn verified(&self) -> Option<String> {
        match self {
            Self::Current { verified, .. } => verified.clone(),
            Self::Stored(stored) => stored.verified.clone(),
            Self::Replica { .. } => None,
        }
    }
}

impl Fetch {
    pub(super) fn run(&self, now: Timestamp) -> Result<Found, FetchFault> {
        let mirror = self.mirrors.open(&self.object.spec.url, &self.access)?;
        // What we pushed ourselves is not signed by anybody else's key: with a check it goes the long way.
        if self.verification.is_none()
            && let Some(stored) = self.pushed(&mirror, now)?
        {
            return Ok(Found::Stored(Box::new(stored)));
        }
        let artifact = self.usable();
        let observed = artifact
            .as_ref()
            .map(|artifact| Revision::parse(&artifact.revision));
        let request = Request {
            reference: self.object.spec.reference.as_ref(),
            ignore: self.object.spec.ignore.as_deref(),
            observed: observed.as_ref(),
            verify: self.verification.as_ref(),
        };
        match resolve(&mirror, &request) {
            Ok(Resolved::Unchanged(revision)) => {
                let Some(artifact) = artifact.filter(|_| !self.is_replaced(revision.git_commit())) else {
                    return Ok(self.replica());
                };
                self.hand_over(&mirror, &artifact)?;
                Ok(Found::Current {
                    artifact,
                    verified: None,
                })
            }
            Ok(Resolved::Fetched(checkout)) => {
                if self.is_replaced(checkout.revision.git_commit()) {
                    return Ok(self.replica());
                }
                let verified = checkout.verified.clone();
                // The same content as before, whose signature was only checked once more.
                if let Some(artifact) = artifact.filter(|_| observed.as_ref() == Some(&checkout.revision)) {
                    self.hand_over(&mirror, &artifact)?;
                    return Ok(Found::Current { artifact, verified });
                }
                let mut stored =
                    self.store(&checkout.revision, checkout.tree, Some(checkout.subject), now)?;
                stored.verified = verified;
                Ok(Found::Stored(Box::new(stored)))
            }
            Err(ResolveError::NoReference { .. }) if self.is_missing_ours() => Ok(self.replica()),
            Err(error) => Err(error.into()),
        }
    }

    /// What this process has pushed to the branch since the artifact was made, taken from the mirror that the push left it in.
    fn pushed(&self, mirror: &Mirror, now: Timestamp) -> Result<Option<Stored>, FetchFault> {
        let commit = self.known.as_ref().and_then(|artifact| {
            let commit = Revision::parse(&artifact.revision)
                .git_commit()?
                .parse::<ObjectId>();
            commit.ok()
        });
        let (Some(branch), Some(commit)) = (followed_branch(&self.object), commit) else {
            return Ok(None);
        };
        let Some(newest) = self.pushes.replaced_by(&self.object.spec.url, &branch, &commit) else {
            return Ok(None);
        };
        let revision = plan::pushed_revision(&self.object, &branch, &newest);
        let checkout = match recall(mirror, &revision, self.object.spec.ignore.as_deref()) {
            Ok(Some(checkout)) => checkout,
            Ok(None) => return Ok(None),
            Err(error) => {
                debug!(object = %self.object.key(), %error, "pushed commit could not be recalled and is fetched");
                return Ok(None);
            }
        };
        self.store(&revision, checkout.tree, Some(checkout.subject), now)
            .map(Some)
    }

    /// Whether a commit is one that our own push has replaced.
    fn is_replaced(&self, commit: Option<&str>) -> bool {
        let Some(branch) = followed_branch(&self.object) else {
            return false;
        };
        let Some(Ok(commit)) = commit.map(str::parse::<ObjectId>) else {
            return false;
        };
        let url = &self.object.spec.url;
        self.pushes.replaced_by(url, &branch, &commit).is_some()
    }

    fn is_missing_ours(&self) -> bool {
        let branch = followed_branch(&self.object);
        branch.is_some_and(|branch| self.pushes.created_as(&self.object.spec.url, &branch).is_some())
    }

    fn replica(&self) -> Found {
        Found::Replica {
            artifact: self.usable(),
        }
    }

    /// The artifact of the status, when its file is in the storage as the status says; with its present URL.
    fn usable(&self) -> Option<Artifact> {
        let mut artifact = self.artifact.clone()?;
        if let Err(error) = self.storage.verify(&artifact) {
            warn!(object = %self.object.key(), %error, "artifact is made again");
            return None;
        }
        artifact.url = self.storage.url(&artifact);
        Some(artifact)
    }

    /// Sees that this process has the tree of an artifact that an earlier one has made.
    fn hand_over(&self, mirror: &Mirror, artifact: &Artifact) -> Result<(), FetchFault> {
        let digest = artifact.digest.clone().unwrap_or_default();
        if self.sources.get_digest(&self.key, &digest).is_some() {
            return Ok(());
        }
        let revision = Revision::parse(&artifact.revision);
        let tree = match recall(mirror, &revision, self.object.spec.ignore.as_deref()) {
            Ok(Some(checkout)) => checkout.tree,
            _ => self.storage.load(artifact)?,
        };
        self.put(revision, digest, tree);
        Ok(())
    }

    fn store(
        &self,
        revision: &Revision,
        tree: ArtifactTree,
        subject: Option<String>,
        now: Timestamp,
    ) -> Result<Stored, FetchFault> {
        let commit = revision.git_commit().unwrap_or_default();
        let file = format!("{commit}.tar.gz");
        let artifact = self.storage.store(&self.key, &file, revision, &tree, now)?;
        self.put(
            revision.clone(),
            artifact.digest.clone().unwrap_or_default(),
            tree,
        );
        match self.storage.collect_garbage(&self.key, &artifact, now) {
            Ok(removed) if removed.is_empty() => {}
            Ok(removed) => {
                debug!(object = %self.object.key(), count = removed.len(), "removed old artifacts");
            }
            Err(error) => warn!(object = %self.object.key(), %error, "old artifacts could not be removed"),
        }
        Ok(Stored {
            artifact,
            subject,
            verified: None,
        })
    }

    fn put(&self, revision: Revision, digest: String, tree: ArtifactTree) {
        let source = CurrentSource {
            revision,
            digest,
            tree,
        };
        self.sources.put(self.key.clone(), source);
    }
}
