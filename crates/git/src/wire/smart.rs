//! Smart HTTP: discovery with its redirects, and posts without any (gitprotocol-http).

use crate::remote::http::{HttpFailure, HttpMethod, HttpRequest, HttpResponse};
use crate::remote::{Credential, Remote, RemoteFailure};
use std::io::BufReader;

/// Redirects that a discovery may take, as in curl's default for Git over several hops.
const MOST_REDIRECTS: usize = 3;

/// The two services of a Git server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Service {
    UploadPack,
    ReceivePack,
}

/// The body of an answer.
pub(crate) type Body = BufReader<Box<dyn std::io::Read + Send>>;

/// Why a post got no usable answer, and whether the server may have acted on it.
pub(crate) struct PostFailure {
    pub failure: RemoteFailure,
    pub maybe_processed: bool,
}

impl Service {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::UploadPack => "git-upload-pack",
            Self::ReceivePack => "git-receive-pack",
        }
    }

    pub(crate) fn action(self) -> &'static str {
        match self {
            Self::UploadPack => "read",
            Self::ReceivePack => "write",
        }
    }
}

/// Asks for the capabilities of a service. Returns the base URL for what follows, and the advertisement.
pub(crate) fn discover(
    remote: &Remote,
    base: &str,
    service: Service,
) -> Result<(String, Body), RemoteFailure> {
    let suffix = format!("/info/refs?service={}", service.name());
    let mut base = base.to_owned();
    for _ in 0..=MOST_REDIRECTS {
        let url = format!("{base}{suffix}");
        let mut headers = vec![("accept", "*/*".to_owned())];
        if service == Service::UploadPack {
            headers.push(("git-protocol", "version=2".to_owned()));
        }
        let request = Unsigned {
            method: HttpMethod::Get,
            url: &url,
            headers,
            body: Vec::new(),
        };
        let response = send(remote, &base, request).map_err(|post| post.failure)?;
        if (300..400).contains(&response.status) {
            base = redirected(remote, &url, &suffix, response.header("location"))?;
            continue;
        }
        check_status(&base, service, &response)?;
        let expected = format!("application/x-{}-advertisement", service.name());
        if !has_content_type(&response, &expected) {
            let detail = "it does not speak the smart HTTP protocol of Git".to_owned();
            return Err(RemoteFailure::Protocol {
                host: host(&base),
                detail,
            });
        }
        return Ok((base, BufReader::new(response.body)));
    }
    Err(RemoteFailure::RedirectRefused {
        from: base.clone(),
        to: host(&base),
        problem: "there are more than three",
    })
}

/// Posts a request of a service.
pub(crate) fn post(
    remote: &Remote,
    base: &str,
    service: Service,
    body: Vec<u8>,
) -> Result<Body, PostFailure> {
    let url = format!("{base}/{}", service.name());
    let mut headers = vec![
        (
            "content-type",
            format!("application/x-{}-request", service.name()),
        ),
        ("accept", format!("application/x-{}-result", service.name())),
    ];
    if service == Service::UploadPack {
        headers.push(("git-protocol", "version=2".to_owned()));
    }
    let request = Unsigned {
        method: HttpMethod::Post,
        url: &url,
        headers,
        body,
    };
    let response = send(remote, base, request)?;
    if (300..400).contains(&response.status) {
        let failure = RemoteFailure::RedirectRefused {
            from: url,
            to: response.header("location").map(origin).unwrap_or_default(),
            problem: "only the first request may be redirected",
        };
        return Err(PostFailure {
            failure,
            maybe_processed: false,
        });
    }
    check_status(base, service, &response)
        // A gateway that gave up says nothing about the server behind it.
        .map_err(|failure| PostFailure {
            failure,
            maybe_processed: response.status >= 500,
        })?;
    if !has_content_type(&response, &format!("application/x-{}-result", service.name())) {
        let detail = "its answer is not of the Git protocol".to_owned();
        let failure = RemoteFailure::Protocol {
            host: host(base),
            detail,
        };
        return Err(PostFailure {
            failure,
            maybe_processed: true,
        });
    }
    Ok(BufReader::new(response.body))
}

/// Host, and port where it is not the default, of a base URL.
pub(crate) fn host(base: &str) -> String {
    url::Url::parse(base).ok().map_or_else(String::new, |url| {
        let host = url.host_str().unwrap_or_default();
        url.port()
            .map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
    })
}

/// A request without its credential.
#[derive(Clone)]
struct Unsigned<'a> {
    method: HttpMethod,
    url: &'a str,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
}

/// Sends a request with the credential of the remote, and once more with another one when there is one and the server refused
/// the first: a token may end, or be taken back, at any time.
fn send(remote: &Remote, base: &str, mut request: Unsigned<'_>) -> Result<HttpResponse, PostFailure> {
    // Some forges answer only to clients whose name starts with `git/`.
    request.headers.push((
        "user-agent",
        concat!("git/2.0 (fluxbot/", env!("CARGO_PKG_VERSION"), ")").to_owned(),
    ));
    let credential = credential(remote, base, None)?.unwrap_or_default();
    if !remote.renews_credentials() {
        return send_as(remote, base, &credential, request);
    }
    let response = send_as(remote, base, &credential, request.clone())?;
    if response.status != 401 {
        return Ok(response);
    }
    match self::credential(remote, base, Some(&credential))? {
        Some(other) if other != credential => send_as(remote, base, &other, request),
        _ => Ok(response),
    }
}

fn credential(
    remote: &Remote,
    base: &str,
    rejected: Option<&Credential>,
) -> Result<Option<Credential>, PostFailure> {
    remote.credential(rejected).map_err(|failure| PostFailure {
        failure: RemoteFailure::NoCredential {
            host: host(base),
            detail: failure.detail,
            is_transient: failure.is_transient,
        },
        maybe_processed: false,
    })
}

fn send_as(
    remote: &Remote,
    base: &str,
    credential: &Credential,
    request: Unsigned<'_>,
) -> Result<HttpResponse, PostFailure> {
    let Unsigned {
        method,
        url,
        mut headers,
        body,
    } = request;
    headers.extend(
        credential
            .authorization()
            .map(|authorization| ("authorization", authorization)),
    );
    let request = HttpRequest {
        method,
        url,
        headers,
        body,
    };
    let sent = match remote.http() {
        Some(client) => client.send(request),
        None => Err(HttpFailure {
            detail: "there is no HTTP client for it".to_owned(),
            maybe_sent: false,
        }),
    };
    sent.map_err(|failure| PostFailure {
        maybe_processed: failure.maybe_sent,
        failure: unreachable_host(base, failure.detail),
    })
}

fn unreachable_host(base: &str, detail: String) -> RemoteFailure {
    RemoteFailure::Unreachable {
        host: host(base),
        detail,
    }
}

fn check_status(base: &str, service: Service, response: &HttpResponse) -> Result<(), RemoteFailure> {
    let host = host(base);
    match response.status {
        200 => Ok(()),
        401 => Err(RemoteFailure::Unauthorized { host }),
        403 => Err(RemoteFailure::Forbidden {
            url: base.to_owned(),
            action: service.action(),
        }),
        404 | 410 => Err(RemoteFailure::NotFound { url: base.to_owned() }),
        429 => {
            let retry_after = response
                .header("retry-after")
                .and_then(|value| value.trim().parse().ok());
            Err(RemoteFailure::RateLimited { host, retry_after })
        }
        status @ 500.. => Err(RemoteFailure::Unreachable {
            host,
            detail: format!("HTTP status {status}"),
        }),
        status => Err(RemoteFailure::Protocol {
            host,
            detail: format!("HTTP status {status}"),
        }),
    }
}

fn has_content_type(response: &HttpResponse, expected: &str) -> bool {
    let value = response.header("content-type").unwrap_or_default();
    value
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .eq_ignore_ascii_case(expected)
}

/// The base URL behind a redirect of the discovery, if it may be followed.
fn redirected(
    remote: &Remote,
    from: &str,
    suffix: &str,
    location: Option<&str>,
) -> Result<String, RemoteFailure> {
    let refused = |to: &str, problem| RemoteFailure::RedirectRefused {
        from: from.to_owned(),
        to: origin(to),
        problem,
    };
    let location = location.ok_or_else(|| refused("", "it names no target"))?;
    let old = url::Url::parse(from).map_err(|_| refused(location, "the base is not a URL"))?;
    let new = old
        .join(location)
        .map_err(|_| refused(location, "its target is not a URL"))?;
    let target = new.as_str();
    if !matches!(new.scheme(), "http" | "https") {
        return Err(refused(target, "its target is not HTTP"));
    }
    if old.scheme() == "https" && new.scheme() == "http" {
        return Err(refused(target, "it leaves HTTPS"));
    }
    if !new.username().is_empty() || new.password().is_some() {
        return Err(refused(target, "its target carries a credential"));
    }
    // From port 80 to port 443 of one host is the usual step to HTTPS.
    let same_port = old.port_or_known_default() == new.port_or_known_default()
        || (old.port().is_none() && new.port().is_none() && new.scheme() == "https");
    let elsewhere = old.host_str() != new.host_str() || !same_port;
    if elsewhere && remote.has_credential() {
        return Err(refused(target, "the credential is not sent to another host"));
    }
    let base = target
        .strip_suffix(suffix)
        .ok_or_else(|| refused(target, "its target is not a Git service"))?;
    Ok(base.to_owned())
}

/// Scheme, host and port of a URL, which can be shown.
fn origin(location: &str) -> String {
    url::Url::parse(location).map_or_else(
        |_| "an unknown place".to_owned(),
        |url| url.origin().ascii_serialization(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{HttpClient, HttpRequest};
    use rstest::rstest;
    use std::sync::Arc;

    struct Nobody;

    impl HttpClient for Nobody {
        fn send(&self, _: HttpRequest<'_>) -> Result<HttpResponse, HttpFailure> {
            Err(HttpFailure {
                detail: "nobody is there".to_owned(),
                maybe_sent: false,
            })
        }
    }

    fn follow(from: &str, location: &str, credential: Credential) -> Result<String, String> {
        let suffix = "/info/refs?service=git-upload-pack";
        let url = format!("{from}{suffix}");
        let remote = Remote::new(from.parse().unwrap(), credential, Arc::new(Nobody));
        let location = location.replace("SUFFIX", suffix);
        redirected(&remote, &url, suffix, Some(&location)).map_err(|failure| match failure {
            RemoteFailure::RedirectRefused { problem, .. } => problem.to_owned(),
            other => panic!("{other:?}"),
        })
    }

    const ELSEWHERE: &str = "the credential is not sent to another host";

    #[rstest]
    #[case::another_path(
        "https://a.example/x",
        "https://a.example/y.gitSUFFIX",
        Ok("https://a.example/y.git")
    )]
    #[case::relative("https://a.example/x", "/y.gitSUFFIX", Ok("https://a.example/y.git"))]
    #[case::to_https("http://a.example/x", "https://a.example/xSUFFIX", Ok("https://a.example/x"))]
    #[case::another_host("https://a.example/x", "https://b.example/xSUFFIX", Err(ELSEWHERE))]
    #[case::a_subdomain("https://a.example/x", "https://b.a.example/xSUFFIX", Err(ELSEWHERE))]
    #[case::another_port("https://a.example/x", "https://a.example:8443/xSUFFIX", Err(ELSEWHERE))]
    #[case::a_host_without_scheme("https://a.example/x", "//b.example/xSUFFIX", Err(ELSEWHERE))]
    #[case::a_backslash("https://a.example/x", "\\\\\\\\b.example/xSUFFIX", Err(ELSEWHERE))]
    #[case::plain_http("https://a.example/x", "http://a.example/xSUFFIX", Err("it leaves HTTPS"))]
    #[case::a_file("https://a.example/x", "file:///etc/xSUFFIX", Err("its target is not HTTP"))]
    #[case::user_information(
        "https://a.example/x",
        "https://a.example@b.example/xSUFFIX",
        Err("its target carries a credential")
    )]
    #[case::a_log_in_page(
        "https://a.example/x",
        "https://a.example/login",
        Err("its target is not a Git service")
    )]
    fn a_redirect_is_followed_on_the_same_host_alone(
        #[case] from: &str,
        #[case] location: &str,
        #[case] expected: Result<&str, &str>,
    ) {
        let bearer = Credential::Bearer("hunter2".to_owned());
        let found = follow(from, location, bearer);
        assert_eq!(found.as_deref().map_err(String::as_str), expected);
        // Without a credential another host is no danger; everything else still is.
        let anonymous = follow(from, location, Credential::None);
        let is_free = expected == Err(ELSEWHERE) || expected.is_ok();
        assert_eq!(anonymous.is_ok(), is_free, "{anonymous:?}");
    }
}
