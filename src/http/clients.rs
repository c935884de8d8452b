//! Pooled clients by settings and reach, and the resolver that checks addresses.

use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::{Client, Request, Response, Url};

use super::error::AddressRefused;
use super::{ClientSettings, HttpError, Reach, tls};

/// How long a connection, including TLS, may take to come about.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a server may stay silent, before its answer and within it.
pub const READ_TIMEOUT: Duration = Duration::from_secs(30);

/// How many clients are kept; beyond that, those that nobody asked for the longest are dropped.
const MAX_CLIENTS: usize = 512;

/// Idle connections that are kept per client and host.
const MAX_IDLE_PER_HOST: usize = 16;

/// A body that brings fewer bytes than this in [`STALL_WINDOW`] counts as stalled.
const STALL_BYTES: usize = 1024;

/// See [`STALL_BYTES`].
const STALL_WINDOW: Duration = Duration::from_secs(20);

/// All HTTP clients of the program. Clones share them.
///
/// A client is built when settings are first seen and kept for all objects with equal settings; its connections are
/// pooled. The Git engine's blocking transport uses the same clients through the runtime's handle.
#[derive(Clone, Debug)]
pub struct HttpClients {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    clients: Mutex<ClientCache>,
    environment_proxies: HashSet<String>,
}

#[derive(Debug, Default)]
struct ClientCache {
    by_settings: HashMap<(ClientSettings, Reach), (Client, u64)>,
    uses: u64,
}

impl Default for HttpClients {
    fn default() -> Self {
        Self::new()
    }
}

impl HttpClients {
    /// Starts without any client; each is built on first use.
    #[must_use]
    pub fn new() -> Self {
        Self {
            shared: Arc::new(Shared {
                clients: Mutex::default(),
                environment_proxies: environment_proxy_hosts(),
            }),
        }
    }

    /// The client for `settings` and `reach`, for callers that build requests themselves. Such a caller must check
    /// literal addresses with [`Reach::allows`], which no resolver sees; [`HttpClients::send`] does.
    ///
    /// # Errors
    /// [`HttpError::Settings`] when a certificate, key or proxy address is wrong.
    pub fn client(&self, settings: &ClientSettings, reach: Reach) -> Result<Client, HttpError> {
        let mut cache = self.shared.clients.lock().unwrap_or_else(PoisonError::into_inner);
        cache.uses += 1;
        let now = cache.uses;
        let key = (settings.clone(), reach);
        if let Some((client, last_use)) = cache.by_settings.get_mut(&key) {
            *last_use = now;
            return Ok(client.clone());
        }
        let client = self.build(settings, reach)?;
        if cache.by_settings.len() >= MAX_CLIENTS {
            let mut uses: Vec<u64> = cache
                .by_settings
                .values()
                .map(|(_, last_use)| *last_use)
                .collect();
            uses.sort_unstable();
            let oldest_kept = uses.get(MAX_CLIENTS / 4).copied().unwrap_or(0);
            cache
                .by_settings
                .retain(|_, (_, last_use)| *last_use >= oldest_kept);
        }
        cache.by_settings.insert(key, (client.clone(), now));
        Ok(client)
    }

    /// Sends `request` and returns the answer's head; the body follows when it is read (see [`read_body`]).
    ///
    /// Redirects come back as answers. A status of any kind is no error here.
    ///
    /// # Errors
    /// [`HttpError`] when no answer comes.
    pub async fn send(
        &self,
        settings: &ClientSettings,
        reach: Reach,
        request: Request,
    ) -> Result<Response, HttpError> {
        let host = host_and_port(request.url());
        if let Some(address) = literal_address(request.url()).filter(|address| !reach.allows(*address)) {
            return Err(HttpError::AddressRefused { host, address });
        }
        let client = self.client(settings, reach)?;
        client
            .execute(request)
            .await
            .map_err(|err| HttpError::from_reqwest(&host, &err))
    }

    fn build(&self, settings: &ClientSettings, reach: Reach) -> Result<Client, HttpError> {
        let invalid = |err: &reqwest::Error| HttpError::Settings {
            reason: super::error::bounded(&err.to_string()),
        };
        let mut unchecked = HashSet::new();
        let mut builder = Client::builder()
            .user_agent(concat!("fluxbot/", env!("CARGO_PKG_VERSION")))
            .tls_backend_preconfigured(tls::client_config(settings)?)
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(READ_TIMEOUT)
            .tcp_nodelay(true)
            .pool_max_idle_per_host(MAX_IDLE_PER_HOST)
            .gzip(true);
        match &settings.proxy {
            _ if reach == Reach::Metadata => builder = builder.no_proxy(),
            Some(settings) => {
                let mut proxy =
                    reqwest::Proxy::all(settings.address().clone()).map_err(|err| invalid(&err))?;
                if let Some((username, password)) = settings.credentials() {
                    proxy = proxy.basic_auth(username, password);
                }
                unchecked.extend(settings.address().host_str().map(str::to_owned));
                builder = builder.no_proxy().proxy(proxy);
            }
            None => unchecked.clone_from(&self.shared.environment_proxies),
        }
        builder
            .dns_resolver(Arc::new(CheckedResolver { reach, unchecked }))
            .build()
            .map_err(|err| invalid(&err))
    }
}

/// Reads a body of at most `limit` bytes (after decompression).
///
/// # Errors
/// [`HttpError::TooLarge`] beyond the limit, [`HttpError::Interrupted`] when the connection ends before the body,
/// [`HttpError::Timeout`] when the server sends nothing for [`READ_TIMEOUT`] or less than 1 KiB in 20 s.
pub async fn read_body(mut response: Response, limit: u64) -> Result<Vec<u8>, HttpError> {
    let host = host_and_port(response.url());
    let too_large = || HttpError::TooLarge {
        host: host.clone(),
        limit,
    };
    let announced = response.content_length().unwrap_or(0);
    if announced > limit {
        return Err(too_large());
    }
    // An announced length is a claim, not a reason to reserve the memory for it.
    let mut body = Vec::with_capacity(usize::try_from(announced.min(1 << 20)).unwrap_or(0));
    let start = tokio::time::Instant::now();
    let mut pace = Pace::default();
    while let Some(chunk) = response
        .chunk()
        .await
        .map_err(|err| HttpError::from_reqwest(&host, &err))?
    {
        if (body.len() + chunk.len()) as u64 > limit {
            return Err(too_large());
        }
        body.extend_from_slice(&chunk);
        if pace.is_stalled(start.elapsed(), body.len()) {
            return Err(HttpError::Timeout { host });
        }
    }
    Ok(body)
}

/// A body that is read as a stream, by a reader that may be slower than the server.
#[derive(Debug)]
pub struct PacedBody {
    response: Response,
    host: String,
    /// How long the server was waited for. The reader's own time does not count.
    waited: Duration,
    bytes: usize,
    pace: Pace,
}

impl PacedBody {
    /// The body of an answer.
    #[must_use]
    pub fn new(response: Response) -> Self {
        Self {
            host: host_and_port(response.url()),
            response,
            waited: Duration::ZERO,
            bytes: 0,
            pace: Pace::default(),
        }
    }

    /// The next bytes; `None` at the end.
    ///
    /// # Errors
    /// [`HttpError::Timeout`] when the server sends nothing for [`READ_TIMEOUT`], or, once its answer has brought 1 KiB, less
    /// than 1 KiB in 20 s of waiting. Before that, signs of life are enough: a Git server sends a few bytes now and then while
    /// it collects a large pack. [`HttpError::Interrupted`] when the connection ends before the body.
    pub async fn chunk(&mut self) -> Result<Option<bytes::Bytes>, HttpError> {
        let start = tokio::time::Instant::now();
        let chunk = self.response.chunk().await;
        let chunk = chunk.map_err(|error| HttpError::from_reqwest(&self.host, &error))?;
        if self.bytes >= STALL_BYTES {
            self.waited += start.elapsed();
        }
        self.bytes += chunk.as_ref().map_or(0, bytes::Bytes::len);
        if chunk.is_some() && self.pace.is_stalled(self.waited, self.bytes) {
            return Err(HttpError::Timeout {
                host: self.host.clone(),
            });
        }
        Ok(chunk)
    }
}

/// Tells a slow body from one that is only kept open, a few bytes at a time.
#[derive(Debug, Default)]
pub(super) struct Pace {
    window_start: Duration,
    bytes_before: usize,
}

impl Pace {
    /// Whether the last whole window brought too little, with `bytes` after `elapsed`.
    pub(super) fn is_stalled(&mut self, elapsed: Duration, bytes: usize) -> bool {
        if elapsed.saturating_sub(self.window_start) < STALL_WINDOW {
            return false;
        }
        let is_stalled = bytes.saturating_sub(self.bytes_before) < STALL_BYTES;
        self.window_start = elapsed;
        self.bytes_before = bytes;
        is_stalled
    }
}

/// Resolves names with the system's resolver and refuses the ones with an address that is out of reach.
///
/// The check is on the addresses that the connection then uses, so a name that changes its address between two
/// questions gains nothing.
struct CheckedResolver {
    reach: Reach,
    /// Names of proxies, which an administrator set and which may have any address.
    unchecked: HashSet<String>,
}

impl Resolve for CheckedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let reach = (!self.unchecked.contains(name.as_str())).then_some(self.reach);
        Box::pin(async move {
            let host = name.as_str();
            let addresses: Vec<SocketAddr> = tokio::net::lookup_host((host, 0)).await?.collect();
            let refused = addresses
                .iter()
                .find(|address| reach.is_some_and(|reach| !reach.allows(address.ip())));
            match refused {
                None => Ok(Box::new(addresses.into_iter()) as Addrs),
                Some(address) => Err(AddressRefused {
                    host: host.to_owned(),
                    address: address.ip(),
                }
                .into()),
            }
        })
    }
}

/// The host and port of a URL, for messages.
fn host_and_port(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}

fn literal_address(url: &Url) -> Option<IpAddr> {
    match url.host()? {
        url::Host::Ipv4(address) => Some(address.into()),
        url::Host::Ipv6(address) => Some(address.into()),
        url::Host::Domain(_) => None,
    }
}

/// Hosts of the proxies that the environment names.
fn environment_proxy_hosts() -> HashSet<String> {
    ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"]
        .iter()
        .flat_map(|name| [(*name).to_owned(), name.to_ascii_lowercase()])
        .filter_map(|name| std::env::var(name).ok())
        .filter_map(|value| {
            let url = Url::parse(&value)
                .ok()
                .filter(Url::has_host)
                .or_else(|| Url::parse(&format!("http://{value}")).ok())?;
            url.host_str().map(str::to_owned)
        })
        .collect()
}
