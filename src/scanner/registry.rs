//! The registry client: tag lists, digests and creation times.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use reqwest::header::HeaderValue;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use super::exchange::{Operation, accepts_plain};
use super::flight::{FlightKey, Flights, Landed};
use super::host::{Host, HostKey, Hosts};
use super::{Credential, Keychain, ScanError, TokenHost};
use crate::cloud::{self, CloudAccess, CloudTokens};
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
    pub(super) token_hosts: Vec<TokenHost>,
    clouds: Option<CloudTokens>,
    hosts: Hosts,
    flights: Flights,
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
    /// The cloud that gives the credentials, instead of the keychain.
    pub cloud: Option<CloudAccess>,
}

impl Default for Access {
    /// Anonymous, `https`, one minute.
    fn default() -> Self {
        Self {
            keychain: Arc::default(),
            insecure: false,
            timeout: Duration::from_mins(1),
            client: ClientSettings::default(),
            cloud: None,
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
    pub snapshot: Arc<TagSnapshot>,
    /// When the registry was asked for it.
    pub asked_at: Timestamp,
    /// Requests that were sent, including the ones for tokens.
    pub requests: u32,
    /// Pages that the list came in.
    pub pages: u32,
    /// Entries that the registry listed and that are no tags by the distribution specification. They are left out:
    /// nothing can pull them.
    pub illegal: u32,
    /// The version of the list, where the registry gives one and the list came in one page.
    pub version: Option<ListVersion>,
    /// What the list itself says of tags, in the order of the tags; registries at Google say it of each, others of none.
    pub known: Vec<KnownTag>,
}

/// What a list says of one tag.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct KnownTag {
    /// The tag.
    pub tag: Box<str>,
    /// The digest that it points at.
    pub digest: Box<str>,
    /// When that was uploaded, by the registry's clock.
    pub uploaded: Option<Timestamp>,
}

/// What somebody wants who asks for a list.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ask<'a> {
    /// The version that is already here.
    pub known: Option<&'a ListVersion>,
    /// How long ago the registry may have been asked, for somebody else with the same credentials: at most ten seconds. With
    /// zero it is asked after the call.
    pub max_age: Duration,
}

/// The answer to an [`Ask`].
#[derive(Clone, Debug)]
pub enum Listed {
    /// The list still has the version that was named.
    Unchanged {
        /// When the registry was asked.
        asked_at: Timestamp,
    },
    /// The list.
    New(Arc<TagList>),
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
            token_hosts: Vec::new(),
            clouds: None,
            hosts: Hosts::default(),
            flights: Flights::default(),
        }
    }

    /// The same client, which lets these token servers see credentials.
    #[must_use]
    pub fn with_token_hosts(mut self, token_hosts: Vec<TokenHost>) -> Self {
        self.token_hosts = token_hosts;
        self
    }

    /// The same client, which gets credentials of clouds from there.
    #[must_use]
    pub fn with_clouds(mut self, clouds: CloudTokens) -> Self {
        self.clouds = Some(clouds);
        self
    }

    /// Lists all tags of `image`, asking the registry after the call.
    ///
    /// # Guarantees and errors
    /// As [`Self::list`].
    pub async fn tags(&self, image: &ImageName, access: &Access) -> Result<Arc<TagList>, ScanError> {
        match self.list(image, access, &Ask::default()).await? {
            Listed::New(list) => Ok(list),
            Listed::Unchanged { .. } => Err(ScanError::InvalidResponse {
                image: image.to_string(),
                host: image.registry().to_owned(),
                reason: "304 Not Modified, although no version was named".to_owned(),
            }),
        }
    }

    /// Lists all tags of `image`, unless the registry says that the list still has a known version, which costs no transfer.
    ///
    /// # Guarantees
    /// - The list is complete: when any page fails, the whole call fails.
    /// - A host is asked for the list without a page size at first, which most registries answer with the whole list in one
    ///   request; those that answer with small pages are asked for large ones from then on.
    /// - Those who ask for the same list with the same credentials and connection settings at the same time share one request
    ///   and its outcome, and so do those who came a moment later, within [`Ask::max_age`].
    ///
    /// # Errors
    /// [`ScanError`].
    pub async fn list(&self, image: &ImageName, access: &Access, ask: &Ask<'_>) -> Result<Listed, ScanError> {
        let arrival = Instant::now();
        let credential = within(image, access, self.credential(image, access)).await?;
        let flight = self.flights.get(FlightKey {
            host: HostKey::new(image.registry(), &access.client, accepts_plain(image, access)),
            repository: image.repository().to_owned(),
            credential: credential.clone(),
        });
        let mut landed = flight.lock().await;
        if let Some(outcome) = landed
            .as_ref()
            .and_then(|landed| landed.for_caller(arrival, (ask.max_age, access.timeout), ask.known))
        {
            return outcome;
        }
        let (host, _turn) = self.turn(image, access).await;
        let (began, asked_at) = (Instant::now(), Timestamp::now());
        let outcome = within(image, access, async {
            let operation =
                Operation::begin(self, image, access, Arc::clone(&host), credential.as_ref()).await?;
            operation.list_tags(ask.known, asked_at).await
        })
        .await;
        if matches!(outcome, Err(ScanError::Timeout { .. })) {
            host.note_slow_list();
        }
        if matches!(outcome, Err(ScanError::Unauthorized { .. })) {
            self.reject(access, credential.as_ref());
        }
        let outcome = outcome.map(|list| match list {
            Some(list) => Listed::New(Arc::new(list)),
            None => Listed::Unchanged { asked_at },
        });
        *landed = Some(Landed {
            outcome: outcome.clone(),
            unless: ask.known.cloned(),
            patience: access.timeout,
            began,
            ended: Instant::now(),
        });
        outcome
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
            let credential = self.credential(image, access).await?;
            let operation = Operation::begin(self, image, access, host, credential.as_ref()).await?;
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
            let credential = self.credential(image, access).await?;
            let operation = Operation::begin(self, image, access, host, credential.as_ref()).await?;
            operation.created(tag).await
        })
        .await
    }

    /// What to identify with: what the cloud gives, or what the keychain has.
    async fn credential(&self, image: &ImageName, access: &Access) -> Result<Option<Credential>, ScanError> {
        let Some(cloud) = &access.cloud else {
            return Ok(access.keychain.find(image).cloned());
        };
        let failed = |reason: String| ScanError::NoCredential {
            image: image.to_string(),
            provider: cloud.provider.as_str(),
            reason,
        };
        let Some(clouds) = &self.clouds else {
            return Err(failed("there is no workload identity here".to_owned()));
        };
        let found = clouds.credential(cloud, image.registry()).await;
        let found = found.map_err(|err| failed(err.to_string()))?;
        Ok(Some(Credential::Basic {
            username: found.username,
            password: found.password,
        }))
    }

    /// Forgets a credential of a cloud that the registry does not take: it may have been revoked.
    fn reject(&self, access: &Access, credential: Option<&Credential>) {
        if let (Some(_), Some(clouds), Some(Credential::Basic { username, password })) =
            (&access.cloud, &self.clouds, credential)
        {
            let rejected = cloud::Credential {
                username: username.clone(),
                password: password.clone(),
            };
            clouds.reject(&rejected);
        }
    }

    /// Waits until the image's host takes another operation.
    async fn turn(&self, image: &ImageName, access: &Access) -> (Arc<Host>, Option<OwnedSemaphorePermit>) {
        let is_plain = accepts_plain(image, access);
        let host = self
            .hosts
            .get(HostKey::new(image.registry(), &access.client, is_plain));
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
