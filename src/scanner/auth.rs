//! Tokens: which token server may be asked, asking it, and keeping what it gave until it expires.

use std::collections::HashMap;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use reqwest::{Method, Request};
use serde::Deserialize;
use tokio::sync::Mutex as AsyncMutex;
use tokio::time::Instant;
use url::Url;

use super::credentials::basic_value;
use super::exchange::{Answer, Operation};
use super::host::lock;
use super::{Credential, ScanError, TokenHost};
use crate::http::Reach;

/// Lifetime of a token whose server names none (distribution specification, token authentication).
const DEFAULT_LIFETIME: Duration = Duration::from_mins(1);

/// Longest lifetime that is believed.
const MAX_LIFETIME: Duration = Duration::from_hours(24);

/// A token server's answer has no business being larger.
const MAX_ANSWER: u64 = 1 << 20;

/// Tokens that are kept per host; beyond that, expired and unused ones are dropped.
const MAX_TOKENS: usize = 16_384;

/// Token servers that are run by the registry's operator under another name.
const KNOWN_TOKEN_SERVERS: [(&str, &str); 4] = [
    ("index.docker.io", "auth.docker.io"),
    ("registry.gitlab.com", "gitlab.com"),
    ("docker.elastic.co", "docker-auth.elastic.co"),
    ("registry.digitalocean.com", "api.digitalocean.com"),
];

/// The tokens of one host. One request is made for a token however many operations wait for it.
#[derive(Default)]
pub(super) struct Tokens {
    slots: Mutex<HashMap<TokenKey, Slot>>,
}

type Slot = Arc<AsyncMutex<Option<Token>>>;

#[derive(Clone, PartialEq, Eq, Hash)]
struct TokenKey {
    realm: String,
    service: Option<String>,
    scope: String,
    credential: Option<Credential>,
}

#[derive(Clone)]
struct Token {
    value: HeaderValue,
    expires: Instant,
}

/// What to ask a token server for.
pub(super) struct TokenRequest<'r> {
    pub(super) realm: &'r str,
    pub(super) service: Option<&'r str>,
    pub(super) scope: &'r str,
}

impl Tokens {
    /// The `Authorization` value for `wanted`: the kept one while it is valid and not `rejected`, else a new one.
    pub(super) async fn get(
        &self,
        operation: &Operation<'_>,
        wanted: &TokenRequest<'_>,
        rejected: Option<&HeaderValue>,
    ) -> Result<HeaderValue, ScanError> {
        let slot = self.slot(TokenKey {
            realm: wanted.realm.to_owned(),
            service: wanted.service.map(str::to_owned),
            scope: wanted.scope.to_owned(),
            credential: operation.credential().cloned(),
        });
        let mut kept = slot.lock().await;
        if let Some(token) = kept.as_ref()
            && token.expires > Instant::now()
            && Some(&token.value) != rejected
        {
            return Ok(token.value.clone());
        }
        let token = fetch(operation, wanted).await?;
        let value = token.value.clone();
        *kept = Some(token);
        Ok(value)
    }

    fn slot(&self, key: TokenKey) -> Slot {
        let mut slots = lock(&self.slots);
        if slots.len() >= MAX_TOKENS && !slots.contains_key(&key) {
            let now = Instant::now();
            slots.retain(|_, slot| {
                Arc::strong_count(slot) > 1
                    || slot
                        .try_lock()
                        .is_ok_and(|token| token.as_ref().is_some_and(|token| token.expires > now))
            });
        }
        Arc::clone(slots.entry(key).or_default())
    }
}

/// The token server that `realm` names, if it may be asked.
pub(super) fn token_server(operation: &Operation<'_>, realm: &str) -> Result<TokenServer, ScanError> {
    check_realm(&RealmRules {
        realm,
        registry: operation.registry_host(),
        registry_with_port: operation.image.registry(),
        is_plain: operation.is_plain(),
        has_credential: operation.credential().is_some(),
        allowed: operation.token_hosts(),
    })
    .map_err(|refused| operation.realm_refused(refused))
}

/// Asks the token server.
async fn fetch(operation: &Operation<'_>, wanted: &TokenRequest<'_>) -> Result<Token, ScanError> {
    let server = token_server(operation, wanted.realm)?;
    let asked = Instant::now();
    let answer = operation
        .persistently(
            server.reach,
            &token_request(server.url, wanted, operation.credential()),
            MAX_ANSWER,
        )
        .await?;
    if let Some(wait) = operation.note_limits(&answer) {
        return Err(operation.limited(&answer, wait));
    }
    if answer.status.is_redirection() {
        return Err(operation.redirect_refused(&answer.url, "token servers must not redirect"));
    }
    if answer.status.is_server_error() {
        return Err(operation.unavailable(&answer, None));
    }
    if !answer.status.is_success() {
        return Err(operation.unauthorized(&answer));
    }
    let (value, lifetime) = read_token(&answer)
        .ok_or_else(|| operation.invalid(&answer.url, "the token server gave no token".to_owned()))?;
    Ok(Token {
        value,
        expires: asked + usable(lifetime),
    })
}

/// Most of a lifetime: a token is replaced before it can expire on the way.
fn usable(lifetime: Duration) -> Duration {
    lifetime.min(MAX_LIFETIME) * 4 / 5
}

fn token_request(mut url: Url, wanted: &TokenRequest<'_>, credential: Option<&Credential>) -> Request {
    if let Some(Credential::IdentityToken(refresh)) = credential {
        // OAuth2 with a refresh token (distribution specification, "oauth2 token authentication").
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.append_pair("grant_type", "refresh_token")
            .append_pair("client_id", "fluxbot")
            .append_pair("refresh_token", refresh)
            .append_pair("service", wanted.service.unwrap_or_default())
            .append_pair("scope", wanted.scope);
        let mut request = Request::new(Method::POST, url);
        *request.body_mut() = Some(form.finish().into());
        request.headers_mut().insert(
            CONTENT_TYPE,
            HeaderValue::from_static("application/x-www-form-urlencoded"),
        );
        return request;
    }
    let basic = match credential {
        Some(Credential::Basic { username, password }) => Some((username, password)),
        _ => None,
    };
    {
        let mut query = url.query_pairs_mut();
        if let Some(service) = wanted.service {
            query.append_pair("service", service);
        }
        query.append_pair("scope", wanted.scope);
        if let Some((username, _)) = basic {
            query.append_pair("account", username);
        }
    }
    let mut request = Request::new(Method::GET, url);
    let headers = request.headers_mut();
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    if let Some((username, password)) = basic
        && let Some(value) = basic_header(username, password)
    {
        headers.insert(AUTHORIZATION, value);
    }
    request
}

/// The `Authorization` value for a user name and password.
pub(super) fn basic_header(username: &str, password: &str) -> Option<HeaderValue> {
    sensitive(&format!("Basic {}", basic_value(username, password)))
}

/// The `Authorization` value for a token; `None` when it has characters that no header may have.
pub(super) fn bearer_header(token: &str) -> Option<HeaderValue> {
    sensitive(&format!("Bearer {token}"))
}

fn sensitive(value: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(value).ok()?;
    value.set_sensitive(true);
    Some(value)
}

#[derive(Deserialize)]
struct TokenAnswer {
    token: Option<String>,
    access_token: Option<String>,
    expires_in: Option<f64>,
}

fn read_token(answer: &Answer) -> Option<(HeaderValue, Duration)> {
    let read: TokenAnswer = serde_json::from_slice(&answer.body).ok()?;
    let token = read
        .token
        .filter(|token| !token.is_empty())
        .or(read.access_token)
        .filter(|token| !token.is_empty())?;
    let lifetime = read
        .expires_in
        .filter(|seconds| *seconds > 0.0)
        .and_then(|seconds| Duration::try_from_secs_f64(seconds.min(MAX_LIFETIME.as_secs_f64())).ok())
        .unwrap_or(DEFAULT_LIFETIME);
    Some((bearer_header(&token)?, lifetime))
}

/// What decides whether a token server may be asked.
struct RealmRules<'r> {
    realm: &'r str,
    /// The registry's host, without port.
    registry: &'r str,
    registry_with_port: &'r str,
    /// Whether the registry itself is asked over plain HTTP.
    is_plain: bool,
    has_credential: bool,
    allowed: &'r [TokenHost],
}

/// A token server that may be asked.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TokenServer {
    url: Url,
    reach: Reach,
}

/// A token server that must not be asked.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct RefusedRealm {
    /// Scheme and host.
    pub(super) shown: String,
    pub(super) reason: String,
}

/// Decides whether the token server that a challenge names may be asked.
///
/// Credentials go to an `https` server on the registry's own host, on a host below it, on a known partner of it, or on
/// one that the administrator allows. Without credentials any public `https` server will do. Plain HTTP is for a
/// registry that is itself asked over plain HTTP, on its own host.
fn check_realm(rules: &RealmRules<'_>) -> Result<TokenServer, RefusedRealm> {
    let url = Url::parse(rules.realm).map_err(|_| RefusedRealm {
        shown: "?".to_owned(),
        reason: "the realm is no URL".to_owned(),
    })?;
    let host = url.host_str().unwrap_or_default().to_owned();
    let refused = |reason: &str| {
        Err(RefusedRealm {
            shown: format!("{}://{host}", url.scheme()),
            reason: reason.to_owned(),
        })
    };
    if !matches!(url.scheme(), "http" | "https") {
        return refused("the realm is not an https address");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return refused("the realm has user information");
    }
    let is_own = host.eq_ignore_ascii_case(rules.registry);
    if url.scheme() == "http" && !(rules.is_plain && is_own) {
        return refused(
            "plain HTTP is only for a registry that is itself asked over plain HTTP, on its own host",
        );
    }
    let is_allowed = rules
        .allowed
        .iter()
        .any(|allowed| allowed.allows(rules.registry_with_port, &host));
    let is_below = host
        .strip_suffix(rules.registry)
        .is_some_and(|rest| rest.ends_with('.'));
    let is_partner = KNOWN_TOKEN_SERVERS.contains(&(rules.registry, host.as_str()));
    if rules.has_credential && !(is_own || is_allowed || is_below || is_partner) {
        let registry = rules.registry_with_port;
        return refused(&format!(
            "credentials go to the registry's own host, hosts below it and known partners alone; if this is its token server, \
             allow it with --registry-token-host {registry}={host}"
        ));
    }
    let reach = if is_own || is_allowed {
        Reach::Named
    } else {
        Reach::Referred
    };
    Ok(TokenServer { url, reach })
}

/// Whether a registry may be asked over plain HTTP without `insecure: true`, as go-containerregistry (and so Flux)
/// decides it: loopback, `localhost`, `*.local`, `*.localhost` and private IPv4 addresses.
pub(super) fn is_local_name(host: &str) -> bool {
    if let Ok(address) = host.parse::<Ipv4Addr>() {
        return address.is_loopback() || address.is_private();
    }
    let unbracketed = host.trim_start_matches('[').trim_end_matches(']');
    if let Ok(address) = unbracketed.parse::<Ipv6Addr>() {
        return address.is_loopback();
    }
    let host = host.to_ascii_lowercase();
    host == "localhost" || matches!(host.rsplit_once('.'), Some((_, "local" | "localhost")))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const REGISTRY: &str = "registry.example";

    fn check(realm: &str, is_plain: bool, has_credential: bool) -> Result<Reach, String> {
        check_realm(&RealmRules {
            realm,
            registry: REGISTRY,
            registry_with_port: REGISTRY,
            is_plain,
            has_credential,
            allowed: &["registry.example=sso.example".parse().unwrap()],
        })
        .map(|server| server.reach)
        .map_err(|refused| refused.reason)
    }

    #[rstest]
    #[case::own_host("https://registry.example/token", Reach::Named)]
    #[case::own_host_other_port("https://registry.example:5001/token", Reach::Named)]
    #[case::own_host_other_case("https://REGISTRY.example/token", Reach::Named)]
    #[case::below_it("https://auth.registry.example/token", Reach::Referred)]
    #[case::allowed_by_the_administrator("https://sso.example/token", Reach::Named)]
    fn credentials_go_to_trusted_token_servers(#[case] realm: &str, #[case] reach: Reach) {
        assert_eq!(check(realm, false, true), Ok(reach));
    }

    #[rstest]
    #[case::other_host("https://evil.example/token")]
    #[case::look_alike("https://evilregistry.example/token")]
    #[case::parent("https://example/token")]
    #[case::suffix("https://registry.example.evil/token")]
    #[case::downgrade("http://registry.example/token")]
    #[case::metadata("http://169.254.169.254/latest")]
    #[case::loopback("http://127.0.0.1/token")]
    #[case::file("file:///etc/passwd")]
    #[case::user_information("https://a:b@registry.example/token")]
    #[case::no_url("token")]
    fn credentials_go_nowhere_else(#[case] realm: &str) {
        assert!(check(realm, false, true).is_err());
    }

    #[rstest]
    #[case::http_on_http("http://registry.example/token", true, true, true)]
    #[case::other_host_on_http("http://evil.example/token", true, true, false)]
    #[case::other_host_on_http_anonymously("http://evil.example/token", true, false, false)]
    #[case::downgrade_anonymously("http://registry.example/token", false, false, false)]
    #[case::other_host_anonymously("https://other.example/token", false, false, true)]
    fn plain_http_and_anonymous_access_have_their_own_rules(
        #[case] realm: &str,
        #[case] is_plain: bool,
        #[case] has_credential: bool,
        #[case] is_fine: bool,
    ) {
        assert_eq!(check(realm, is_plain, has_credential).is_ok(), is_fine);
    }

    #[rstest]
    #[case("localhost", true)]
    #[case("127.0.0.1", true)]
    #[case("[::1]", true)]
    #[case("10.0.0.5", true)]
    #[case("registry.local", true)]
    #[case("kind.localhost", true)]
    #[case("8.8.8.8", false)]
    #[case("localhost.evil.example", false)]
    #[case("ghcr.io", false)]
    fn local_names_may_speak_plain_http(#[case] host: &str, #[case] expected: bool) {
        assert_eq!(is_local_name(host), expected);
    }

    #[test]
    fn service_and_scope_cannot_add_parameters() {
        let wanted = TokenRequest {
            realm: "https://registry.example/token",
            service: Some("a&scope=repository:other:push"),
            scope: "repository:x:pull&account=root",
        };
        let request = token_request(
            Url::parse("https://registry.example/token?a=b").unwrap(),
            &wanted,
            None,
        );
        insta::assert_snapshot!(request.url(), @"https://registry.example/token?a=b&service=a%26scope%3Drepository%3Aother%3Apush&scope=repository%3Ax%3Apull%26account%3Droot");
    }
}
