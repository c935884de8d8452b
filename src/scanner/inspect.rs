//! Looking at one tag: its digest, and when its image was made.

use jiff::Timestamp;
use reqwest::{Method, StatusCode};

use super::ScanError;
use super::exchange::{Answer, Operation, Want};
use super::manifest::{
    MANIFEST_TYPES, MAX_CONFIG, MAX_MANIFEST, Manifest, created, digest_of, has_digest, is_digest,
};

/// The header with which a registry names the digest of a manifest (distribution specification).
const DIGEST_HEADER: &str = "docker-content-digest";

impl Operation<'_> {
    /// The digest of `tag`.
    pub(super) async fn digest(&self, tag: &str) -> Result<String, ScanError> {
        let url = self.url(&format!("{}/manifests/{tag}", self.image.repository()))?;
        let want = Want {
            method: Method::HEAD,
            accept: MANIFEST_TYPES,
            limit: 0,
            unless: None,
        };
        let answer = self.ask(&url, &want).await?;
        if answer.status.is_success()
            && let Some(digest) = answer.header(DIGEST_HEADER).filter(|digest| is_digest(digest))
        {
            return Ok(digest.to_owned());
        }
        // Some registries do not answer HEAD, or leave the header out.
        let answer = self.manifest(tag).await?;
        Ok(digest_of(&answer.body))
    }

    /// When the image of `tag` was made.
    pub(super) async fn created(&self, tag: &str) -> Result<Option<Timestamp>, ScanError> {
        let mut answer = self.manifest(tag).await?;
        let mut manifest = self.parse(&answer)?;
        if let Manifest::Index(first) = manifest {
            let Some(digest) = first else {
                return Ok(None);
            };
            answer = self.content("manifests", &digest, MAX_MANIFEST).await?;
            manifest = self.parse(&answer)?;
        }
        match manifest {
            Manifest::Image(digest) => {
                let config = self.content("blobs", &digest, MAX_CONFIG).await?;
                Ok(created(&config.body))
            }
            Manifest::Index(_) | Manifest::Other => Ok(None),
        }
    }

    /// The manifest of `tag`, equal to the digest that the registry names for it.
    async fn manifest(&self, tag: &str) -> Result<Answer, ScanError> {
        let url = self.url(&format!("{}/manifests/{tag}", self.image.repository()))?;
        let want = Want {
            method: Method::GET,
            accept: MANIFEST_TYPES,
            limit: MAX_MANIFEST,
            unless: None,
        };
        let answer = self.ask(&url, &want).await?;
        if answer.status == StatusCode::NOT_FOUND {
            return Err(ScanError::TagNotFound {
                image: self.image.to_string(),
                tag: tag.to_owned(),
                answer: self.describe(&answer),
            });
        }
        self.check(
            &answer,
            answer.header(DIGEST_HEADER).filter(|digest| is_digest(digest)),
        )?;
        Ok(answer)
    }

    /// The manifest or blob with a digest.
    async fn content(&self, kind: &str, digest: &str, limit: u64) -> Result<Answer, ScanError> {
        if !is_digest(digest) {
            let url = self.url("")?;
            return Err(self.invalid(&url, "a manifest names something that is no digest".to_owned()));
        }
        let url = self.url(&format!("{}/{kind}/{digest}", self.image.repository()))?;
        let want = Want {
            method: Method::GET,
            accept: if kind == "blobs" { "*/*" } else { MANIFEST_TYPES },
            limit,
            unless: None,
        };
        let answer = self.ask(&url, &want).await?;
        self.check(&answer, Some(digest))?;
        Ok(answer)
    }

    fn check(&self, answer: &Answer, digest: Option<&str>) -> Result<(), ScanError> {
        if !answer.status.is_success() {
            return Err(self.refusal(answer));
        }
        if answer.is_oversized {
            return Err(self.invalid(&answer.url, "a manifest or configuration is too large".to_owned()));
        }
        if digest.is_some_and(|digest| !has_digest(&answer.body, digest)) {
            return Err(self.invalid(&answer.url, "the content does not have its digest".to_owned()));
        }
        Ok(())
    }

    fn parse(&self, answer: &Answer) -> Result<Manifest, ScanError> {
        Manifest::parse(&answer.body)
            .ok_or_else(|| self.invalid(&answer.url, "the answer is no manifest".to_owned()))
    }
}
