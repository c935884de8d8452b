//! The artifact of a source that another controller serves.

use sha2::{Digest as _, Sha256};

use super::revision::{DigestAlgorithm, RevisionDigest};
use super::tree::{ArtifactTree, TreeError, UnpackLimits};
use crate::hexadecimal::hexadecimal;
use crate::http::{
    ClientSettings, HttpClients, HttpError, Method, Reach, Request, StatusCode, Url, read_body,
};

/// An artifact cannot be fetched.
#[derive(Debug, thiserror::Error)]
pub enum FetchArtifactError {
    /// The URL cannot be used.
    #[error("the artifact's URL cannot be used: {0}")]
    Url(String),
    /// No complete answer came; worth another try.
    #[error("failed to download artifact: {0}")]
    Http(#[from] HttpError),
    /// It is not there: the source's status is older than its server's storage. Flux's text.
    #[error("artifact not found")]
    NotFound,
    /// Another status than 200.
    #[error("failed to download artifact from {host}: status {status}")]
    Status {
        /// Who answered.
        host: String,
        /// The status.
        status: u16,
    },
    /// The content is not what the status names.
    #[error("computed digest doesn't match '{expected}'")]
    Digest {
        /// The digest in the status.
        expected: String,
    },
    /// The digest's algorithm is not supported.
    #[error("the artifact's digest '{0}' cannot be checked: only sha256 is supported")]
    Algorithm(String),
    /// The archive cannot be read.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// The process is about to end.
    #[error("the download was interrupted: the process is ending")]
    Stopping,
}

/// Downloads the artifact at `url`, checks `digest` (`status.artifact.digest`), and reads it into memory.
///
/// One request, without following redirects; when to ask again is the caller's decision.
pub async fn fetch_artifact(
    url: &str,
    digest: &str,
    clients: &HttpClients,
    limits: &UnpackLimits,
) -> Result<ArtifactTree, FetchArtifactError> {
    let expected = RevisionDigest::parse(digest)
        .filter(|digest| digest.algorithm == DigestAlgorithm::Sha256)
        .ok_or_else(|| FetchArtifactError::Algorithm(digest.chars().take(160).collect()))?;
    let url = Url::parse(url).map_err(|error| FetchArtifactError::Url(error.to_string()))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(FetchArtifactError::Url(
            "its scheme must be http or https".to_owned(),
        ));
    }
    let host = url.host_str().unwrap_or_default().to_owned();
    let settings = ClientSettings::default();
    let request = Request::new(Method::GET, url);
    let response = clients.send(&settings, Reach::Named, request).await?;
    match response.status() {
        StatusCode::OK => {}
        StatusCode::NOT_FOUND => return Err(FetchArtifactError::NotFound),
        status => {
            return Err(FetchArtifactError::Status {
                host,
                status: status.as_u16(),
            });
        }
    }
    let packed = read_body(response, limits.most_packed_bytes).await?;
    let limits = *limits;
    let read = tokio::task::spawn_blocking(move || {
        let actual = hexadecimal(&Sha256::digest(&packed));
        if actual != expected.hex {
            return Err(FetchArtifactError::Digest {
                expected: expected.to_string(),
            });
        }
        Ok(ArtifactTree::read_tar_gz(packed.as_slice(), &limits)?)
    });
    read.await.map_err(|_| FetchArtifactError::Stopping)?
}
