//! Why a build fails.

use crate::{FilesError, RemoteError};

/// A kustomization cannot be built. The text names the file, and the field, object and line where they are known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BuildError {
    /// The tree cannot be read.
    #[error(transparent)]
    Files(#[from] FilesError),
    /// No kustomization file is in a folder.
    #[error(
        "unable to find one of 'kustomization.yaml', 'kustomization.yml' or 'Kustomization' in directory '{path}'"
    )]
    NoKustomization {
        /// The folder.
        path: String,
    },
    /// A file is not what it must be.
    #[error("{file}:{line}: {reason}")]
    Invalid {
        /// The file.
        file: String,
        /// The line of the fault, from 1.
        line: usize,
        /// What is wrong.
        reason: String,
    },
    /// Something that this crate does not do.
    #[error("{what} in {file} is not supported yet")]
    Unsupported {
        /// The kustomization file.
        file: String,
        /// The field.
        what: String,
    },
    /// A remote resource cannot be had.
    #[error("{file}: {resource}: {source}")]
    Remote {
        /// The kustomization file.
        file: String,
        /// The entry as written.
        resource: String,
        /// Why.
        #[source]
        source: RemoteError,
    },
    /// Kustomizations refer to each other in a circle, or more often than is allowed.
    #[error("{file}: {reason}")]
    Budget {
        /// The kustomization file.
        file: String,
        /// Which bound is hit.
        reason: String,
    },
    /// A kustomization cannot be applied to its objects.
    #[error("{file}: {reason}")]
    Failed {
        /// The kustomization file.
        file: String,
        /// The field, the object, and what is wrong.
        reason: String,
    },
}

impl BuildError {
    pub(crate) fn at(file: &str, reason: impl Into<String>) -> Self {
        Self::Failed {
            file: file.to_owned(),
            reason: reason.into(),
        }
    }
}
