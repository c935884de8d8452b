//! The registry client: tag lists, digests and creation times.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use reqwest::header::HeaderValue;
use tokio::sync::OwnedSemaphorePermit;

use super::exchange::{Operation, accepts_plain};
use super::host::{Host, Hosts};
use super::{Keychain, ScanError};
use crate::http::{ClientSettings, HttpClients};
use crate::image::{ImageName, TagSnapshot};

/// Asks registries. One instance serves all objects: it shares connections, tokens, rate limits, and what it learned
/// of each host.
///
/// What is learned with one [`ClientSettings`] or `insecure` flag is never used with another, and tokens belong to
/// the credential that they were given for.
pub struct Registry {
    pub(super) http: HttpClients,
    pub(super) limits: Limits,
    hosts: Hosts,
}

/// How one object reaches its registry.
#[derive(Clone, Debug)]
pub struct Access {
    /// The credentials to choose from.
    pub keychain: Arc<Keychain>,
    /// Whether plain HTTP is acceptable (`spec.insecure`). It always is for loopback, `*.local` and private IPv4
    /// addresses, as in Flux; `https` is tried first. A certificate is verified in any case.
    pub insecure: bool,
    /// How long one operation may take, with all its requests (`spec.timeout`). Waiting for a turn does not count.
    pub timeout: Duration,
    /// TLS and proxy.
    pub client: ClientSettings,
    /// Hosts of token servers that may get the credentials, beside the registry's own.
    pub token_hosts: Vec<String>,
}

impl Default for Access {
    /// Anonymous, `https`, one minute.
    fn default() -> Self {
        Self {
            keychain: Arc::default(),
            insecure: false,
            timeout: Duration::from_mins(1),
            client: ClientSettings::default(),
            token_hosts: Vec::new(),
        }
    }
}

/// Bounds for what a registry may send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Tags in one list.
    pub tags: usize,
    /// Bytes of all pages of one list together, after decompression.
    pub bytes: u64,
    /// Pages of one list.
    pub pages: u32,
    /// The pause before a request is sent again after a transient failure; it doubles each time.
    pub retry_delay: Duration,
}

impl Default for Limits {
    /// 1,000,000 tags, 256 MiB, 10,000 pages, 200 ms.
    fn default() -> Self {
        Self {
            tags: 1_000_000,
            bytes: 256 << 20,
            pages: 10_000,
            retry_delay: Duration::from_millis(200),
        }
    }
}

/// A complete list of tags, and what it took to get it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TagList {
    /// All tags.
    pub snapshot: TagSnapshot,
    /// Requests that were sent, including the ones for tokens.
    pub requests: u32,
    /// Pages that the list came in.
    pub pages: u32,
    /// Entries that the registry listed and that are no tags by the distribution specification. They are left out:
    /// nothing can pull them.
    pub illegal: u32,
    /// The version of the list, where the registry gives one and the list came in one page.
    pub version: Option<ListVersion>,
}

/// A version of a list, by which a registry can tell that nothing changed (an `ETag`, RFC 9110 section 8.8.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListVersion {
    /// Where the list came from.
    pub(super) url: String,
    pub(super) tag: HeaderValue,
}

impl ListVersion {
    /// Where the list came from, and the version: what [`Self::from_parts`] takes.
    #[must_use]
    pub fn parts(&self) -> (&str, &[u8]) {
        (&self.url, self.tag.as_bytes())
    }

    /// A version that was kept; `None` for what no registry can have given.
    #[must_use]
    pub fn from_parts(url: &str, tag: &[u8]) -> Option<Self> {
        Some(Self {
            url: url.to_owned(),
            tag: HeaderValue::from_bytes(tag).ok()?,
        })
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry")
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

impl Default for Registry {
    fn default() -> Self {
        Self::new(HttpClients::new())
    }
}

impl Registry {
    /// A client that knows no host yet, with the default [`Limits`].
    #[must_use]
    pub fn new(http: HttpClients) -> Self {
        Self::with_limits(http, Limits::default())
    }

    /// A client with other limits.
    #[must_use]
    pub fn with_limits(http: HttpClients, limits: Limits) -> Self {
        Self {
            http,
            limits,
            hosts: Hosts::default(),
        }
    }

    /// Lists all tags of `image`.
    ///
    /// # Guarantees
    /// The list is complete: when any page fails, the whole call fails. A host is asked for the list without a page
    /// size at first, which most registries answer with the whole list in one request; those that answer with small
    /// pages are asked for large ones from then on.
    ///
    /// # Errors
    /// [`ScanError`].
    pub async fn tags(&self, image: &ImageName, access: &Access) -> Result<TagList, ScanError> {
        let (host, _turn) = self.turn(image, access).await;
        within(image, access, async {
            let operation = Operation::begin(self, image, access, host).await?;
            let list = operation.list_tags(None).await?;
            list.ok_or_else(|| operation.unasked_not_modified())
        })
        .await
    }

    /// Lists all tags of `image`, unless the registry says that the list still has the version `known`, which costs
    /// no transfer: then `None`.
    ///
    /// # Errors
    /// [`ScanError`].
    pub async fn tags_unless(
        &self,
        image: &ImageName,
        access: &Access,
        known: &ListVersion,
    ) -> Result<Option<TagList>, ScanError> {
        let (host, _turn) = self.turn(image, access).await;
        within(image, access, async {
            let operation = Operation::begin(self, image, access, host).await?;
            operation.list_tags(Some(known)).await
        })
        .await
    }

    /// The digest that `tag` of `image` points at: of the index for an image of several platforms.
    ///
    /// It comes from the registry's header where there is one (a HEAD request, which counts against no pull limit),
    /// else from the manifest itself.
    ///
    /// # Errors
    /// [`ScanError`], among them [`ScanError::TagNotFound`].
    pub async fn digest(&self, image: &ImageName, tag: &str, access: &Access) -> Result<String, ScanError> {
        let (host, _turn) = self.turn(image, access).await;
        within(image, access, async {
            let operation = Operation::begin(self, image, access, host).await?;
            operation.digest(tag).await
        })
        .await
    }

    /// When the image that `tag` points at was made, by its configuration (of the first platform, when it has
    /// several). `None` for artifacts that are no images and for builds that leave the time out.
    ///
    /// Manifest and configuration are checked against the digests that lead to them.
    ///
    /// # Errors
    /// [`ScanError`], among them [`ScanError::TagNotFound`].
    pub async fn created(
        &self,
        image: &ImageName,
        tag: &str,
        access: &Access,
    ) -> Result<Option<Timestamp>, ScanError> {
        let (host, _turn) = self.turn(image, access).await;
        within(image, access, async {
            let operation = Operation::begin(self, image, access, host).await?;
            operation.created(tag).await
        })
        .await
    }

    /// Waits until the image's host takes another operation.
    async fn turn(&self, image: &ImageName, access: &Access) -> (Arc<Host>, Option<OwnedSemaphorePermit>) {
        let is_plain = accepts_plain(image, access);
        let host = self.hosts.get(image.registry(), &access.client, is_plain);
        // The semaphore is never closed, so there is always a permit in the end.
        let permit = Arc::clone(&host.permits).acquire_owned().await.ok();
        (host, permit)
    }
}

/// Bounds an operation by the object's timeout.
async fn within<T>(
    image: &ImageName,
    access: &Access,
    operation: impl Future<Output = Result<T, ScanError>>,
) -> Result<T, ScanError> {
    tokio::time::timeout(access.timeout, operation)
        .await
        .unwrap_or_else(|_| {
            Err(ScanError::Timeout {
                image: image.to_string(),
                host: image.registry().to_owned(),
                limit: access.timeout,
            })
        })
}
