//! Asking a cloud's services: bounded, without redirects, and with errors that hold no token.

use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, Request, StatusCode};
use serde::de::DeserializeOwned;
use url::Url;

use super::CloudError;
use crate::http::{ClientSettings, HttpClients, HttpError, Reach, bounded, read_body};

/// An answer of these services has no business being larger.
const MAX_ANSWER: u64 = 1 << 20;

/// How often a request is sent again after a transient failure, and the pause before.
const RETRIES: u32 = 2;
const PAUSE: Duration = Duration::from_millis(200);

/// How long the metadata service of the machine may take: it is next door, or not there at all.
const METADATA_TIMEOUT: Duration = Duration::from_secs(2);

/// Which way a service is reached.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// Over the network, through the object's proxy.
    Network,
    /// The metadata service of the machine or of the pod, never through a proxy.
    Metadata,
}

/// Sends requests to a cloud's services.
pub(super) struct Caller<'c> {
    pub(super) http: &'c HttpClients,
    /// The object's proxy, and no authority of the object's: tokens go to whom the system trusts.
    pub(super) settings: &'c ClientSettings,
}

/// A request to a service.
pub(super) struct Call<'c> {
    /// The name for messages.
    pub(super) service: &'c str,
    pub(super) way: Way,
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: Vec<u8>,
}

impl<'c> Call<'c> {
    /// A request without body to a metadata service.
    pub(super) fn metadata(service: &'c str, url: Url, header: (&'static str, String)) -> Self {
        Self {
            service,
            way: Way::Metadata,
            method: Method::GET,
            url,
            headers: vec![header],
            body: Vec::new(),
        }
    }

    /// A form.
    pub(super) fn form(service: &'c str, url: Url, fields: &[(&str, &str)]) -> Self {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.extend_pairs(fields);
        Self {
            service,
            way: Way::Network,
            method: Method::POST,
            url,
            headers: vec![("content-type", "application/x-www-form-urlencoded".to_owned())],
            body: form.finish().into_bytes(),
        }
    }

    /// That the answer makes no sense.
    pub(super) fn senseless(&self, reason: impl Into<String>) -> CloudError {
        CloudError::Answer {
            service: self.service.to_owned(),
            reason: reason.into(),
        }
    }
}

impl Caller<'_> {
    /// Sends a request; the body of a successful answer.
    pub(super) async fn send(&self, call: &Call<'_>) -> Result<Vec<u8>, CloudError> {
        let mut attempt = 0;
        loop {
            let outcome = match call.way {
                Way::Network => self.once(call).await,
                Way::Metadata => tokio::time::timeout(METADATA_TIMEOUT, self.once(call))
                    .await
                    .unwrap_or_else(|_| {
                        let host = call.url.host_str().unwrap_or_default().to_owned();
                        Err(HttpError::Timeout { host })
                    }),
            };
            let is_transient = match &outcome {
                Ok((status, _)) => status.is_server_error() || *status == StatusCode::TOO_MANY_REQUESTS,
                Err(err) => err.is_transient() && call.way == Way::Network,
            };
            if is_transient && attempt < RETRIES {
                attempt += 1;
                tokio::time::sleep(PAUSE * attempt).await;
                continue;
            }
            let (status, body) = outcome.map_err(|reason| CloudError::Unreachable {
                service: call.service.to_owned(),
                reason,
            })?;
            if status.is_success() {
                return Ok(body);
            }
            return Err(CloudError::Refused {
                service: call.service.to_owned(),
                answer: describe(status, &body, call),
            });
        }
    }

    /// Sends a request; the successful answer, read as JSON.
    pub(super) async fn json<T: DeserializeOwned>(&self, call: &Call<'_>) -> Result<T, CloudError> {
        let body = self.send(call).await?;
        // serde's own message may quote a value, and the values are tokens.
        serde_json::from_slice(&body).map_err(|_| call.senseless("it is not JSON of the expected form"))
    }

    async fn once(&self, call: &Call<'_>) -> Result<(StatusCode, Vec<u8>), HttpError> {
        let mut request = Request::new(call.method.clone(), call.url.clone());
        *request.headers_mut() = headers(&call.headers)?;
        if !call.body.is_empty() {
            *request.body_mut() = Some(call.body.clone().into());
        }
        let direct = ClientSettings::default();
        let (reach, settings) = match call.way {
            Way::Network => (Reach::Named, self.settings),
            Way::Metadata => (Reach::Metadata, &direct),
        };
        let response = self.http.send(settings, reach, request).await?;
        let status = response.status();
        let body = read_body(response, MAX_ANSWER).await;
        // The status of a refusal says enough when its text cannot be had.
        let body = if status.is_success() {
            body?
        } else {
            body.unwrap_or_default()
        };
        Ok((status, body))
    }
}

fn headers(given: &[(&'static str, String)]) -> Result<HeaderMap, HttpError> {
    let mut headers = HeaderMap::new();
    for (name, value) in given {
        // The value may be a token: it must not be repeated.
        let mut value = HeaderValue::from_str(value).map_err(|_| HttpError::Settings {
            reason: format!("the value of the header {name} has characters that no header may have"),
        })?;
        value.set_sensitive(*name != CONTENT_TYPE.as_str());
        headers.insert(HeaderName::from_static(name), value);
    }
    Ok(headers)
}

/// The header with a token.
pub(super) fn bearer(token: &str) -> (&'static str, String) {
    ("authorization", format!("Bearer {token}"))
}

/// Status, code and message of a refusal.
fn describe(status: StatusCode, body: &[u8], call: &Call<'_>) -> String {
    let text = message_of_json(body).or_else(|| {
        let text = std::str::from_utf8(body).ok()?;
        Some(format!(
            "{}: {}",
            element(text, "Code")?,
            element(text, "Message")?
        ))
    });
    // A service can repeat what it was sent.
    let sent = String::from_utf8_lossy(&call.body);
    let is_echo = |text: &str| {
        text.split(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | ',' | '=' | '&'))
            .any(|word| {
                word.len() > 40
                    && (sent.contains(word) || call.headers.iter().any(|(_, value)| value.contains(word)))
            })
    };
    match text.filter(|text| !is_echo(text)) {
        Some(text) => format!("{status}, {}", bounded(&text)),
        None => status.to_string(),
    }
}

fn message_of_json(body: &[u8]) -> Option<String> {
    let value: serde_json::Value = serde_json::from_slice(body).ok()?;
    let inner = value
        .get("error")
        .filter(|inner| inner.is_object())
        .unwrap_or(&value);
    let first = value
        .get("errors")
        .and_then(|errors| errors.get(0))
        .unwrap_or(inner);
    let parts: Vec<&str> = [
        "__type",
        "code",
        "status",
        "error",
        "message",
        "Message",
        "error_description",
    ]
    .iter()
    .filter_map(|name| first.get(name)?.as_str())
    .collect();
    (!parts.is_empty()).then(|| parts.join(": "))
}

/// The text of the first element with this name. The elements that are asked for hold no markup.
pub(super) fn element<'t>(xml: &'t str, name: &str) -> Option<&'t str> {
    let (_, rest) = xml.split_once(&format!("<{name}>"))?;
    let (text, _) = rest.split_once(&format!("</{name}>"))?;
    Some(text.trim())
}
