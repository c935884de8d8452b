//! The tree of an artifact: from this process, from its storage, or over HTTP from the controller that serves it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use fluxbot_api::source::Artifact;

use crate::http::HttpClients;
use crate::source::{
    ArtifactTree, CurrentSource, FetchArtifactError, Revision, SourceKey, SourceStore, Storage, StorageError,
    UnpackLimits, fetch_artifact,
};

/// Why an artifact's tree cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum ArtifactError {
    /// The status names no digest, so the content could not be checked.
    #[error("the artifact of revision '{0}' has no digest")]
    NoDigest(String),
    /// The controller that serves it.
    #[error(transparent)]
    Fetch(#[from] FetchArtifactError),
    /// Reading it was given up.
    #[error("internal error: {0}")]
    Stopped(String),
}

/// Finds the trees of artifacts. What had to be loaded is kept for the other Kustomizations of the source.
pub struct Artifacts {
    sources: SourceStore,
    storage: Option<Storage>,
    http: HttpClients,
    loading: Mutex<HashMap<SourceKey, Arc<tokio::sync::Mutex<()>>>>,
}

impl Artifacts {
    /// Trees of `sources`, else of `storage` where this process reconciles the sources, else over HTTP.
    #[must_use]
    pub fn new(sources: SourceStore, storage: Option<Storage>, http: HttpClients) -> Self {
        Self {
            sources,
            storage,
            http,
            loading: Mutex::default(),
        }
    }

    /// The tree of an artifact, its digest checked.
    pub async fn tree(&self, key: &SourceKey, artifact: &Artifact) -> Result<ArtifactTree, ArtifactError> {
        let digest = digest(artifact)?;
        if let Some(current) = self.sources.get_digest(key, &digest) {
            return Ok(current.tree);
        }
        // Of all that need it one loads it, the others wait.
        let place = {
            let mut loading = self.loading.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(loading.entry(key.clone()).or_default())
        };
        let _alone = place.lock().await;
        if let Some(current) = self.sources.get_digest(key, &digest) {
            return Ok(current.tree);
        }
        let tree = match self.stored(artifact).await? {
            Some(tree) => tree,
            None => fetch_artifact(&artifact.url, &digest, &self.http, &UnpackLimits::default()).await?,
        };
        // Where this process reconciles the source itself, what it has put there is newer.
        if self.storage.is_none() || self.sources.get(key).is_none() {
            let current = CurrentSource {
                revision: Revision::parse(&artifact.revision),
                digest,
                tree: tree.clone(),
            };
            self.sources.put(key.clone(), current);
        }
        Ok(tree)
    }

    /// The tree of an artifact, if this process holds it already.
    #[must_use]
    pub fn at_hand(&self, key: &SourceKey, artifact: &Artifact) -> Option<ArtifactTree> {
        let current = self.sources.get_digest(key, &digest(artifact).ok()?)?;
        Some(current.tree)
    }

    /// Forgets a source that is gone.
    pub fn forget(&self, key: &SourceKey) {
        if self.storage.is_none() {
            self.sources.remove(key);
        }
        let mut loading = self.loading.lock().unwrap_or_else(PoisonError::into_inner);
        loading.remove(key);
    }

    async fn stored(&self, artifact: &Artifact) -> Result<Option<ArtifactTree>, ArtifactError> {
        let Some(storage) = self.storage.clone() else {
            return Ok(None);
        };
        let artifact = artifact.clone();
        let loaded = tokio::task::spawn_blocking(move || storage.load(&artifact)).await;
        match loaded.map_err(|error| ArtifactError::Stopped(error.to_string()))? {
            Ok(tree) => Ok(Some(tree)),
            // The source's own run notices a damaged or missing file and makes it again.
            Err(StorageError::Missing { .. } | StorageError::Digest { .. }) => {
                Err(FetchArtifactError::NotFound.into())
            }
            Err(error) => Err(ArtifactError::Stopped(error.to_string())),
        }
    }
}

fn digest(artifact: &Artifact) -> Result<String, ArtifactError> {
    let old = artifact
        .checksum
        .as_ref()
        .map(|checksum| format!("sha256:{checksum}"));
    let digest = artifact.digest.clone().or(old);
    digest.ok_or_else(|| ArtifactError::NoDigest(artifact.revision.clone()))
}
