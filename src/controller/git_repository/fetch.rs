//! One look at a Git server, from the mirror to the stored artifact. It blocks.

use std::sync::Arc;

use fluxbot_api::source::{Artifact, GitRepository};
use fluxbot_git::{Mirror, ObjectId};
use jiff::Timestamp;
use tracing::{debug, warn};

use super::plan;
use super::submodules::Repositories;
use crate::controller::kinds::Reconciled as _;
use crate::controller::pushed::{Pushes, followed_branch};
use crate::git::{GitAccess, Mirrors, OpenError};
use crate::source::git::{
    Content, Include, Request, ResolveError, Resolved, Submodules, Verification, recall, resolve,
};
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
    /// The artifacts of `spec.include`, in its order.
    pub(super) included: Vec<Artifact>,
}

/// What a look found, and what happened in the storage on the way.
#[derive(Debug)]
pub(super) struct Look {
    pub(super) found: Found,
    /// Why the artifact of the status was not used again, though it should have been.
    pub(super) damage: Option<String>,
    /// Old artifacts that were removed.
    pub(super) removed: usize,
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
    /// The artifact of an included source cannot be read.
    #[error("{text}")]
    Include { text: String },
    /// The artifact of this revision could not be stored.
    #[error("{error}")]
    Store { revision: String, error: StorageError },
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
    pub(super) fn run(&self, now: Timestamp) -> Result<Look, FetchFault> {
        let (artifact, damage) = self.usable();
        let repositories = Repositories::new(&self.mirrors, &self.object.spec.url, &self.access);
        let includes = self.includes()?;
        let content = self.content(&repositories, &includes);
        let found = self.find(artifact, &content, now)?;
        let current = match &found {
            Found::Stored(stored) => Some(&stored.artifact),
            Found::Current { artifact, .. } => Some(artifact),
            Found::Replica { artifact } => artifact.as_ref(),
        };
        Ok(Look {
            removed: current.map_or(0, |artifact| self.collect_garbage(artifact, now)),
            found,
            damage,
        })
    }

    fn find(
        &self,
        artifact: Option<Artifact>,
        content: &Content<'_>,
        now: Timestamp,
    ) -> Result<Found, FetchFault> {
        let mirror = self.mirrors.open(&self.object.spec.url, &self.access)?;
        // What we pushed ourselves is not signed by anybody else's key: with a check it goes the long way.
        if self.verification.is_none()
            && let Some(stored) = self.pushed(&mirror, content, now)?
        {
            return Ok(Found::Stored(Box::new(stored)));
        }
        let observed = artifact
            .as_ref()
            .map(|artifact| Revision::parse(&artifact.revision));
        let request = Request {
            reference: self.object.spec.reference.as_ref(),
            content: *content,
            observed: observed.as_ref(),
            verify: self.verification.as_ref(),
        };
        match resolve(&mirror, &request) {
            Ok(Resolved::Unchanged(revision)) => {
                if self.is_replaced(revision.git_commit()) {
                    return Ok(Found::Replica { artifact });
                }
                let Some(artifact) = artifact else {
                    return Ok(Found::Replica { artifact: None });
                };
                self.hand_over(&mirror, content, &artifact)?;
                Ok(Found::Current {
                    artifact,
                    verified: None,
                })
            }
            Ok(Resolved::Fetched(checkout)) => {
                if self.is_replaced(checkout.revision.git_commit()) {
                    return Ok(Found::Replica { artifact });
                }
                let verified = checkout.verified.clone();
                // The same content as before, whose signature was only checked once more.
                if let Some(artifact) = artifact.filter(|_| observed.as_ref() == Some(&checkout.revision)) {
                    self.hand_over(&mirror, content, &artifact)?;
                    return Ok(Found::Current { artifact, verified });
                }
                let mut stored =
                    self.store(&checkout.revision, checkout.tree, Some(checkout.subject), now)?;
                stored.verified = verified;
                Ok(Found::Stored(Box::new(stored)))
            }
            Err(ResolveError::NoReference { .. }) if self.is_missing_ours() => {
                Ok(Found::Replica { artifact })
            }
            Err(error) => Err(error.into()),
        }
    }

    /// What shapes the content of the artifact.
    fn content<'a>(&'a self, repositories: &'a dyn Submodules, includes: &'a [Include]) -> Content<'a> {
        let spec = &self.object.spec;
        Content {
            ignore: spec.ignore.as_deref(),
            sparse: &spec.sparse_checkout,
            submodules: (spec.recurse_submodules == Some(true)).then_some(repositories),
            includes,
        }
    }

    /// The trees of the included artifacts.
    fn includes(&self) -> Result<Vec<Include>, FetchFault> {
        let mut includes = Vec::new();
        for (include, artifact) in self.object.spec.include.iter().zip(&self.included) {
            let key = SourceKey::new(&self.key.kind, &self.key.namespace, &include.repository.name);
            let digest = artifact.digest.clone().unwrap_or_default();
            let (from, to) = plan::include_paths(include);
            let tree = match self.sources.get_digest(&key, &digest) {
                Some(source) => source.tree,
                None => self.storage.load(artifact).map_err(|error| FetchFault::Include {
                    text: format!(
                        "failed to copy '{}' include from {from} to {to}: {error}",
                        include.repository.name
                    ),
                })?,
            };
            includes.push(Include {
                name: include.repository.name.clone(),
                tree,
                from,
                to,
            });
        }
        Ok(includes)
    }

    /// What this process has pushed to the branch since the artifact was made, taken from the mirror that the push left it in.
    fn pushed(
        &self,
        mirror: &Mirror,
        content: &Content<'_>,
        now: Timestamp,
    ) -> Result<Option<Stored>, FetchFault> {
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
        let checkout = match recall(mirror, &revision, content) {
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

    /// The artifact of the status, when its file is in the storage as the status says; with its present URL. Else, why not.
    fn usable(&self) -> (Option<Artifact>, Option<String>) {
        let Some(mut artifact) = self.artifact.clone() else {
            return (None, None);
        };
        match self.storage.verify(&artifact) {
            Ok(()) => {
                artifact.url = self.storage.url(&artifact);
                (Some(artifact), None)
            }
            Err(error) => {
                warn!(object = %self.object.key(), %error, "artifact is made again");
                // One that is gone was taken with its disk, which is no fault.
                let is_gone = matches!(error, StorageError::Missing { .. });
                (None, (!is_gone).then(|| error.to_string()))
            }
        }
    }

    /// Sees that this process has the tree of an artifact that an earlier one has made.
    fn hand_over(
        &self,
        mirror: &Mirror,
        content: &Content<'_>,
        artifact: &Artifact,
    ) -> Result<(), FetchFault> {
        let digest = artifact.digest.clone().unwrap_or_default();
        if self.sources.get_digest(&self.key, &digest).is_some() {
            return Ok(());
        }
        let revision = Revision::parse(&artifact.revision);
        // What comes from elsewhere is in the artifact, and need not be asked for again.
        let is_own = content.submodules.is_none() && content.includes.is_empty();
        let recalled = if is_own {
            recall(mirror, &revision, content)
        } else {
            Ok(None)
        };
        let tree = match recalled {
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
        let stored = self.storage.store(&self.key, &file, revision, &tree, now);
        let artifact = stored.map_err(|error| FetchFault::Store {
            revision: revision.to_string(),
            error,
        })?;
        self.put(
            revision.clone(),
            artifact.digest.clone().unwrap_or_default(),
            tree,
        );
        Ok(Stored {
            artifact,
            subject,
            verified: None,
        })
    }

    /// Removes old artifacts. Gives their number.
    fn collect_garbage(&self, current: &Artifact, now: Timestamp) -> usize {
        match self.storage.collect_garbage(&self.key, current, now) {
            Ok(removed) => removed.len(),
            Err(error) => {
                warn!(object = %self.object.key(), %error, "old artifacts could not be removed");
                0
            }
        }
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
