//! One operation on a registry: authenticating, retrying, following redirects, and wording what went wrong.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use reqwest::header::{
    ACCEPT, AUTHORIZATION, HeaderMap, HeaderValue, IF_NONE_MATCH, LOCATION, RETRY_AFTER, WWW_AUTHENTICATE,
};
use reqwest::{Method, Request, StatusCode};
use url::Url;

use super::auth::{TokenRequest, basic_header, bearer_header, is_local_name, token_server};
use super::challenge::{Challenge, parse_challenges};
use super::host::{Host, Scheme};
use super::registry::{Access, Registry};
use super::{Credential, ScanError, TokenHost};
use crate::http::{HttpError, Reach, read_body};
use crate::image::ImageName;

/// How often a request is sent again after a transient failure.
const RETRIES: usize = 3;

/// How often an operation answers a challenge: once at first, once more when a token was revoked or lacked a scope.
const CHALLENGES: usize = 2;

/// Redirects that are followed in a row.
const REDIRECTS: usize = 5;

/// How long a request waits at most for the registry to take it. Whoever has to wait longer tells so, and makes room.
const PATIENCE: Duration = Duration::from_secs(2);

/// How often a request waits.
const WAITS: usize = 5;

/// How much of an unsuccessful answer is read.
const ERROR_BODY: u64 = 64 << 10;

/// How long the first contact over `https` may take where plain HTTP is an alternative.
const PROBE_TIMEOUT: Duration = Duration::from_secs(3);

/// A complete answer.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
    /// Where it came from in the end.
    pub(super) url: Url,
    /// Whether the body was larger than wanted, and was thrown away.
    pub(super) is_oversized: bool,
    /// The credentials of the request, which must not show in a message.
    pub(super) sent: Option<HeaderValue>,
}

impl Answer {
    /// The first value of a header, if it is text.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// What a request is for.
pub(super) struct Want {
    pub(super) method: Method,
    pub(super) accept: &'static str,
    /// Largest body in bytes.
    pub(super) limit: u64,
    /// The version that is already here; the answer is 304 when it still holds.
    pub(super) unless: Option<HeaderValue>,
}

/// One operation of one object on one image.
pub(super) struct Operation<'o> {
    pub(super) registry: &'o Registry,
    pub(super) image: &'o ImageName,
    pub(super) access: &'o Access,
    pub(super) host: Arc<Host>,
    pub(super) requests: AtomicU32,
    credential: Option<&'o Credential>,
    /// The registry's host without port.
    name: &'o str,
    protocol: &'static str,
}

impl<'o> Operation<'o> {
    /// Begins an operation on `host`: refuses to while the registry wants no requests, and finds out how it is
    /// reached.
    pub(super) async fn begin(
        registry: &'o Registry,
        image: &'o ImageName,
        access: &'o Access,
        host: Arc<Host>,
        credential: Option<&'o Credential>,
    ) -> Result<Self, ScanError> {
        let mut operation = Self {
            registry,
            image,
            access,
            host,
            requests: AtomicU32::new(0),
            credential,
            name: host_name(image),
            protocol: "https",
        };
        operation.connect().await?;
        Ok(operation)
    }

    pub(super) fn credential(&self) -> Option<&'o Credential> {
        self.credential
    }

    pub(super) fn registry_host(&self) -> &str {
        self.name
    }

    pub(super) fn is_plain(&self) -> bool {
        self.protocol == "http"
    }

    pub(super) fn token_hosts(&self) -> &[TokenHost] {
        &self.registry.token_hosts
    }

    pub(super) fn request_count(&self) -> u32 {
        self.requests.load(Ordering::Relaxed)
    }

    /// Chooses the protocol.
    ///
    /// Where plain HTTP is acceptable, `https` is tried first, and the outcome is remembered. A server with a bad
    /// certificate is an error and never asked over plain HTTP instead.
    async fn connect(&mut self) -> Result<(), ScanError> {
        if let Some(wait) = self.host.pause(self.credential).filter(|wait| *wait > PATIENCE) {
            return Err(self.held_back(wait));
        }
        if !accepts_plain(self.image, self.access) {
            return Ok(());
        }
        let host = Arc::clone(&self.host);
        let mut known = host.protocol.lock().await;
        self.protocol = match *known {
            Some(protocol) => protocol,
            None => self.probe().await?,
        };
        *known = Some(self.protocol);
        Ok(())
    }

    /// The address of `path` in the registry's API.
    pub(super) fn url(&self, path: &str) -> Result<Url, ScanError> {
        let text = format!("{}://{}/v2/{path}", self.protocol, self.image.registry());
        Url::parse(&text).map_err(|err| ScanError::Unreachable {
            image: self.image.to_string(),
            reason: HttpError::Settings {
                reason: format!("the registry's name makes no address: {err}"),
            },
        })
    }

    /// Sends a request, answering challenges on the way. Any status but 401, 429 and 5xx comes back as an answer.
    pub(super) async fn ask(&self, url: &Url, want: &Want) -> Result<Answer, ScanError> {
        let (mut challenges, mut waits) = (0, 0);
        let mut rejected = None;
        loop {
            let authorization = self.authorization(rejected.as_ref()).await?;
            self.admission().await?;
            let answer = self.follow(url.clone(), want, authorization.clone()).await?;
            if let Some(wait) = self.note_limits(&answer) {
                waits += 1;
                if wait > PATIENCE || waits > WAITS {
                    return Err(self.limited(&answer, wait));
                }
                continue;
            }
            if answer.status.is_server_error() || answer.status == StatusCode::REQUEST_TIMEOUT {
                return Err(self.unavailable(&answer, None));
            }
            if answer.status != StatusCode::UNAUTHORIZED {
                return Ok(answer);
            }
            challenges += 1;
            // A redirect's target has no business asking for credentials.
            let is_own = same_origin(&answer.url, &self.url("")?);
            if challenges > CHALLENGES || !is_own || !self.learn(&answer, authorization.as_ref())? {
                return Err(self.unauthorized(&answer));
            }
            rejected = authorization;
        }
    }

    /// Waits until the registry takes a request.
    async fn admission(&self) -> Result<(), ScanError> {
        for _ in 0..WAITS {
            match self.host.admit(self.credential) {
                Ok(()) => return Ok(()),
                Err(wait) if wait > PATIENCE => return Err(self.held_back(wait)),
                Err(wait) => tokio::time::sleep(wait).await,
            }
        }
        // Others were faster each time.
        self.host
            .admit(self.credential)
            .map_err(|wait| self.held_back(wait))
    }

    /// Sends a request as it is, again after transient failures; no credentials are added, no redirect is followed.
    pub(super) async fn persistently(
        &self,
        reach: Reach,
        request: &Request,
        limit: u64,
    ) -> Result<Answer, ScanError> {
        let mut delays = ExponentialBuilder::default()
            .with_min_delay(self.registry.limits.retry_delay)
            .with_jitter()
            .with_max_times(RETRIES)
            .build();
        loop {
            let outcome = self.once(reach, request, limit).await;
            let is_transient = match &outcome {
                // A server that says how long it is away is not asked before.
                Ok(answer) => {
                    answer.status.is_server_error()
                        && answer.status != StatusCode::NOT_IMPLEMENTED
                        && !answer.headers.contains_key(RETRY_AFTER)
                        || answer.status == StatusCode::REQUEST_TIMEOUT
                }
                Err(err) => err.is_transient(),
            };
            match is_transient.then(|| delays.next()).flatten() {
                Some(delay) => tokio::time::sleep(delay).await,
                None => {
                    return outcome.map_err(|err| {
                        self.host.forget_protocol();
                        self.http_error(err)
                    });
                }
            }
        }
    }

    /// Asks `/v2/` over `https`, then over `http`.
    async fn probe(&mut self) -> Result<&'static str, ScanError> {
        let secure = self.probe_with("https").await;
        let err = match secure {
            Ok(_) => return Ok("https"),
            Err(
                err @ (HttpError::Certificate { .. }
                | HttpError::Settings { .. }
                | HttpError::AddressRefused { .. }),
            ) => {
                return Err(self.http_error(err));
            }
            Err(err) => err,
        };
        match self.probe_with("http").await {
            // This is what servers say to plain HTTP on a TLS port.
            Ok(StatusCode::BAD_REQUEST) => Err(self.http_error(err)),
            Ok(_) => Ok("http"),
            Err(err) => Err(self.http_error(err)),
        }
    }

    async fn probe_with(&mut self, protocol: &'static str) -> Result<StatusCode, HttpError> {
        self.protocol = protocol;
        let timeout = || HttpError::Timeout {
            host: self.image.registry().to_owned(),
        };
        let url = self.url("").map_err(|_| timeout())?;
        let request = Request::new(Method::GET, url);
        let answer = tokio::time::timeout(PROBE_TIMEOUT, self.once(Reach::Named, &request, ERROR_BODY))
            .await
            .map_err(|_| timeout())??;
        if answer.status == StatusCode::UNAUTHORIZED {
            // Whoever asks for more than this meets the same challenge.
            drop(self.learn(&answer, None));
        }
        Ok(answer.status)
    }

    /// What to send as `Authorization`, by what is known of the registry.
    async fn authorization(&self, rejected: Option<&HeaderValue>) -> Result<Option<HeaderValue>, ScanError> {
        if let Some(Credential::RegistryToken(token)) = self.credential {
            return Ok(bearer_header(token));
        }
        match (self.host.scheme(), self.credential) {
            (Some(Scheme::Basic), Some(Credential::Basic { username, password })) => {
                Ok(basic_header(username, password))
            }
            (None | Some(Scheme::Basic), _) => Ok(None),
            (Some(Scheme::Bearer { realm, service }), _) => {
                let wanted = TokenRequest {
                    realm: &realm,
                    service: service.as_deref(),
                    scope: &self.host.scope(self.image.repository()),
                };
                self.host.tokens.get(self, &wanted, rejected).await.map(Some)
            }
        }
    }

    /// Takes note of a challenge; tells whether the request has a chance when it is sent again.
    ///
    /// A token server that must not be asked is none of the host's: the next answer may name another.
    fn learn(&self, answer: &Answer, sent: Option<&HeaderValue>) -> Result<bool, ScanError> {
        if matches!(self.credential, Some(Credential::RegistryToken(_))) {
            return Ok(false);
        }
        let challenges: Vec<Challenge> = answer
            .headers
            .get_all(WWW_AUTHENTICATE)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(parse_challenges)
            .collect();
        let bearer = challenges.iter().find_map(|challenge| match challenge {
            Challenge::Bearer {
                realm,
                service,
                scope,
            } => Some((realm, service, scope)),
            _ => None,
        });
        if let Some((realm, service, scope)) = bearer {
            token_server(self, realm)?;
            self.host.set_scheme(Scheme::Bearer {
                realm: realm.clone(),
                service: service.clone(),
            });
            let repository = self.image.repository();
            if let Some(scope) = scope
                && is_pull_scope(scope, repository)
                && *scope != self.host.scope(repository)
            {
                self.host.set_scope(repository, scope.clone());
            }
            return Ok(true);
        }
        if challenges.contains(&Challenge::Basic) {
            self.host.set_scheme(Scheme::Basic);
            return Ok(sent.is_none() && matches!(self.credential, Some(Credential::Basic { .. })));
        }
        Ok(false)
    }

    /// Sends a request and follows redirects. Credentials go to the registry's own origin alone; another host must be
    /// public and speak `https`, and no step may go from `https` to `http`.
    async fn follow(
        &self,
        mut url: Url,
        want: &Want,
        authorization: Option<HeaderValue>,
    ) -> Result<Answer, ScanError> {
        let origin = self.url("")?;
        for _ in 0..=REDIRECTS {
            let mut request = Request::new(want.method.clone(), url.clone());
            let headers = request.headers_mut();
            headers.insert(ACCEPT, HeaderValue::from_static(want.accept));
            if let Some(version) = &want.unless {
                headers.insert(IF_NONE_MATCH, version.clone());
            }
            if let Some(value) = authorization.as_ref().filter(|_| same_origin(&url, &origin)) {
                headers.insert(AUTHORIZATION, value.clone());
            }
            let is_own = url.host_str() == origin.host_str();
            let reach = if is_own { Reach::Named } else { Reach::Referred };
            let answer = match self.persistently(reach, &request, want.limit).await {
                Err(ScanError::Unreachable {
                    reason: HttpError::AddressRefused { host, .. },
                    ..
                }) if !is_own => {
                    return Err(self.redirect_refused(&origin, format!("{host} is not a public address")));
                }
                outcome => outcome?,
            };
            let Some(location) = answer
                .header(LOCATION.as_str())
                .filter(|_| is_redirect(answer.status))
            else {
                return Ok(answer);
            };
            let next = url
                .join(location)
                .map_err(|_| self.redirect_refused(&url, "the target is no URL"))?;
            check_redirect(&url, &next).map_err(|reason| self.redirect_refused(&url, reason))?;
            url = next;
        }
        Err(self.redirect_refused(&url, format!("more than {REDIRECTS} in a row")))
    }

    async fn once(&self, reach: Reach, request: &Request, limit: u64) -> Result<Answer, HttpError> {
        // Our bodies are in memory, so every request can be cloned.
        let request = request.try_clone().ok_or_else(|| HttpError::Settings {
            reason: "the request cannot be repeated".to_owned(),
        })?;
        self.requests.fetch_add(1, Ordering::Relaxed);
        let is_head = request.method() == Method::HEAD;
        let sent = request.headers().get(AUTHORIZATION).cloned();
        let response = self
            .registry
            .http
            .send(&self.access.client, reach, request)
            .await?;
        let (status, headers, url) = (
            response.status(),
            response.headers().clone(),
            response.url().clone(),
        );
        let body = match status.is_success() {
            _ if is_head => Ok(Vec::new()),
            true => read_body(response, limit).await,
            // The status says enough when the text cannot be had.
            false => Ok(read_body(response, ERROR_BODY).await.unwrap_or_default()),
        };
        let (body, is_oversized) = match body {
            Err(HttpError::TooLarge { .. }) => (Vec::new(), true),
            body => (body?, false),
        };
        Ok(Answer {
            status,
            headers,
            body,
            url,
            is_oversized,
            sent,
        })
    }
}

/// Whether plain HTTP is acceptable for `image`.
pub(super) fn accepts_plain(image: &ImageName, access: &Access) -> bool {
    access.insecure || is_local_name(host_name(image))
}

/// Host and port of a URL, for messages.
pub(super) fn authority(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port()
        .map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

fn host_name(image: &ImageName) -> &str {
    match image.registry().rsplit_once(':') {
        Some((name, port)) if !port.contains(']') => name,
        _ => image.registry(),
    }
}

fn same_origin(a: &Url, b: &Url) -> bool {
    a.scheme() == b.scheme()
        && a.host_str() == b.host_str()
        && a.port_or_known_default() == b.port_or_known_default()
}

fn is_redirect(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}

fn check_redirect(from: &Url, to: &Url) -> Result<(), String> {
    let target = format!("{}://{}", to.scheme(), authority(to));
    match to.scheme() {
        "https" => {}
        "http" if from.scheme() == "http" && from.host_str() == to.host_str() => {}
        "http" => return Err(format!("{target} is plain HTTP")),
        other => return Err(format!("{other} is no address of a registry")),
    }
    if to.username().is_empty() && to.password().is_none() {
        Ok(())
    } else {
        Err(format!("{target} has user information"))
    }
}

/// Whether a scope that a challenge names allows reading `repository` and nothing else.
fn is_pull_scope(scope: &str, repository: &str) -> bool {
    scope
        .strip_prefix("repository:")
        .and_then(|rest| rest.strip_prefix(repository))
        .and_then(|rest| rest.strip_prefix(':'))
        .is_some_and(|actions| {
            actions
                .split(',')
                .all(|action| matches!(action, "pull" | "metadata_read"))
        })
}

#[cfg(test)]
mod tests;
