//! Single requests to the API server: raw JSON, each with a deadline, as one identity.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, header};
use kube::core::Status;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use super::super::object::mask_text;

const MERGED: &str = "application/apply-patch+yaml";
const JSON_PATCH: &str = "application/json-patch+json";
const METADATA_ONLY: &str = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";

/// Why a request failed.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum CallError {
    /// The API server said no; the text is its own.
    #[error("{message}")]
    Rejected {
        /// HTTP status.
        code: u16,
        /// The API server's reason, such as `Invalid`; empty when it gives none.
        reason: String,
        /// The API server's message. Values of Secrets are masked.
        message: String,
    },
    /// The API server has not answered in time.
    #[error("no answer from the API server within {}s", .0.as_secs())]
    Timeout(Duration),
    /// The API server cannot be reached, or the connection broke.
    #[error("{0}")]
    Connection(String),
    /// The answer is not what it should be.
    #[error("answer of the API server cannot be read: {0}")]
    Unreadable(String),
    /// The cluster knows no such kind; Flux's words.
    #[error("no matches for kind \"{kind}\" in version \"{api_version}\"")]
    UnknownKind {
        /// The kind.
        kind: String,
        /// Group and version.
        api_version: String,
    },
    /// The request was not sent, because the operation was cancelled.
    #[error("operation was cancelled")]
    Cancelled,
    /// A name that cannot be part of a path.
    #[error("'{0}' cannot be the name of an object")]
    InvalidName(String),
}

impl CallError {
    /// The reason that the API server gave; empty when there is none.
    #[must_use]
    pub fn reason(&self) -> &str {
        match self {
            Self::Rejected { reason, .. } => reason,
            _ => "",
        }
    }

    /// The HTTP status, if there was one.
    #[must_use]
    pub fn code(&self) -> Option<u16> {
        match self {
            Self::Rejected { code, .. } => Some(*code),
            _ => None,
        }
    }

    /// Whether the object, its namespace or its path does not exist.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        self.code() == Some(404)
    }

    /// Whether the object has changed in between, or a field is another manager's.
    #[must_use]
    pub fn is_conflict(&self) -> bool {
        self.code() == Some(409)
    }

    /// Whether a field that cannot be changed was to be changed, in the sense of Flux: any conflict or invalid object, and
    /// any message that speaks of immutable fields.
    #[must_use]
    pub fn is_immutable(&self) -> bool {
        let Self::Rejected { code, message, .. } = self else {
            return false;
        };
        matches!(code, 409 | 422) || message.contains("is immutable") || message.contains("immutable field")
    }

    /// Whether the same request may succeed later, without a change of its object.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Rejected { code, .. } => matches!(code, 409 | 429 | 500..=599),
            Self::Timeout(_) | Self::Connection(_) | Self::Unreadable(_) | Self::Cancelled => true,
            Self::UnknownKind { .. } | Self::InvalidName(_) => false,
        }
    }

    /// Whether a write that failed so may have been carried out all the same.
    #[must_use]
    pub fn may_be_done(&self) -> bool {
        match self {
            Self::Rejected { code, .. } => *code >= 500,
            Self::Timeout(_) | Self::Connection(_) | Self::Unreadable(_) => true,
            Self::UnknownKind { .. } | Self::Cancelled | Self::InvalidName(_) => false,
        }
    }

    fn from_status(status: &Status) -> Self {
        let manager_conflict = "FieldManagerConflict";
        let causes = status.details.iter().flat_map(|details| &details.causes);
        let reason = if causes.into_iter().any(|cause| cause.reason == manager_conflict) {
            manager_conflict.to_owned()
        } else {
            status.reason.clone()
        };
        Self::Rejected {
            code: status.code,
            reason,
            message: status.message.clone(),
        }
    }

    /// Removes the values of a Secret from the text.
    pub(super) fn masked(mut self, object: &Value) -> Self {
        if let Self::Rejected { message, .. } = &mut self {
            *message = mask_text(object, message);
        }
        self
    }
}

/// What a deletion and a cheap look need to know of an object.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Identity {
    /// Unique for all time.
    #[serde(default)]
    pub uid: String,
    /// Changes with every write.
    #[serde(default)]
    pub resource_version: String,
}

/// Just the metadata, so that nothing else is parsed.
#[derive(Deserialize)]
struct Partial {
    metadata: Identity,
}

/// Requests as one identity.
pub(super) struct Api {
    client: kube::Client,
    user: Option<HeaderValue>,
    is_user_invalid: bool,
    deadline: Duration,
    slots: Arc<Semaphore>,
}

impl Api {
    pub(super) fn new(
        client: kube::Client,
        user: Option<&str>,
        deadline: Duration,
        slots: Arc<Semaphore>,
    ) -> Self {
        let header = user.map(HeaderValue::from_str).and_then(Result::ok);
        Self {
            client,
            is_user_invalid: user.is_some() && header.is_none(),
            user: header,
            deadline,
            slots,
        }
    }

    /// Reads an object; `None` if there is none.
    pub(super) async fn get(&self, path: &str) -> Result<Option<Value>, CallError> {
        let request = self.request(Method::GET, path, Bytes::new(), &[])?;
        match self.send(request).await {
            Ok(text) => parse(&text).map(Some),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Reads an object; `None` only if the API server says that this object does not exist. That nothing is served under its
    /// path is an error: its version may have been given up while the object lives on in another one.
    pub(super) async fn get_or_gone(&self, path: &str) -> Result<Option<Value>, CallError> {
        let request = self.request(Method::GET, path, Bytes::new(), &[])?;
        match self.send(request).await {
            Ok(text) => parse(&text).map(Some),
            // `configmaps "a" not found`, in contrast to "the server could not find the requested resource".
            Err(CallError::Rejected {
                code: 404, message, ..
            }) if message.ends_with("\" not found") => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Reads uid and resource version of an object; `None` if there is none.
    pub(super) async fn identity(&self, path: &str) -> Result<Option<Identity>, CallError> {
        let accept = (header::ACCEPT, METADATA_ONLY);
        let request = self.request(Method::GET, path, Bytes::new(), &[accept])?;
        match self.send(request).await {
            Ok(text) => parse::<Partial>(&text).map(|partial| Some(partial.metadata)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Applies an object server-side with force, or tries to; the answer is the object as it is or would be.
    pub(super) async fn apply(
        &self,
        path: &str,
        body: Bytes,
        manager: &str,
        is_dry_run: bool,
    ) -> Result<Value, CallError> {
        let dry_run = if is_dry_run { "&dryRun=All" } else { "" };
        let path = format!("{path}?fieldManager={}&force=true{dry_run}", encode(manager));
        let content = (header::CONTENT_TYPE, MERGED);
        parse(
            &self
                .send(self.request(Method::PATCH, &path, body, &[content])?)
                .await?,
        )
    }

    /// Sends a JSON patch.
    pub(super) async fn json_patch(
        &self,
        path: &str,
        patch: &Value,
        manager: &str,
    ) -> Result<Value, CallError> {
        let path = format!("{path}?fieldManager={}", encode(manager));
        let content = (header::CONTENT_TYPE, JSON_PATCH);
        let body = Bytes::from(patch.to_string());
        parse(
            &self
                .send(self.request(Method::PATCH, &path, body, &[content])?)
                .await?,
        )
    }

    /// Deletes an object in the background, provided that it is still the one that was judged.
    pub(super) async fn delete(
        &self,
        path: &str,
        uid: &str,
        resource_version: Option<&str>,
    ) -> Result<(), CallError> {
        let mut preconditions = json!({"uid": uid});
        if let Some(version) = resource_version {
            preconditions["resourceVersion"] = json!(version);
        }
        let options = json!({
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "propagationPolicy": "Background",
            "preconditions": preconditions,
        });
        let content = (header::CONTENT_TYPE, "application/json");
        let body = Bytes::from(options.to_string());
        match self
            .send(self.request(Method::DELETE, path, body, &[content])?)
            .await
        {
            Ok(_) => Ok(()),
            Err(error) if error.is_not_found() => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Reads any path as JSON, with an `Accept` header of its own if one is given.
    pub(super) async fn read<T: serde::de::DeserializeOwned>(
        &self,
        path: &str,
        accept: Option<&'static str>,
    ) -> Result<T, CallError> {
        let accept: Vec<_> = accept
            .map(|accept| (header::ACCEPT, accept))
            .into_iter()
            .collect();
        parse(
            &self
                .send(self.request(Method::GET, path, Bytes::new(), &accept)?)
                .await?,
        )
    }

    /// A request for a stream of events, which has no deadline of ours and takes no slot.
    pub(super) fn watch_request(&self, path: &str) -> Result<Request<Vec<u8>>, CallError> {
        Ok(self
            .request(Method::GET, path, Bytes::new(), &[])?
            .map(|body| body.to_vec()))
    }

    /// The same for the metadata of objects.
    pub(super) fn watch_metadata_request(&self, path: &str) -> Result<Request<Vec<u8>>, CallError> {
        let accept = (header::ACCEPT, METADATA_ONLY);
        Ok(self
            .request(Method::GET, path, Bytes::new(), &[accept])?
            .map(|body| body.to_vec()))
    }

    /// The client, for streams.
    pub(super) fn client(&self) -> &kube::Client {
        &self.client
    }

    fn request(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
        headers: &[(header::HeaderName, &'static str)],
    ) -> Result<Request<Bytes>, CallError> {
        if self.is_user_invalid {
            // Acting as ourselves instead would be an escalation.
            return Err(CallError::InvalidName("service account".to_owned()));
        }
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(name, *value);
        }
        if let Some(user) = &self.user {
            request = request.header("impersonate-user", user);
        }
        request
            .body(body)
            .map_err(|error| CallError::Connection(error.to_string()))
    }

    /// Sends a request and reads its answer, within the deadline; waiting for a free slot does not count.
    async fn send(&self, request: Request<Bytes>) -> Result<Bytes, CallError> {
        let slot = self.slots.acquire().await;
        let exchange = async {
            let response = self
                .client
                .send(request.map(kube::client::Body::from))
                .await
                .map_err(|error| from_kube(&error))?;
            let code = response.status();
            let bytes = response
                .into_body()
                .collect_bytes()
                .await
                .map_err(|error| CallError::Connection(chain(&error)))?;
            if code.is_success() {
                return Ok(bytes);
            }
            Err(rejection(code.as_u16(), &bytes))
        };
        let answer = tokio::time::timeout(self.deadline, exchange).await;
        drop(slot);
        answer.unwrap_or(Err(CallError::Timeout(self.deadline)))
    }
}

/// The answer that says no: a `Status`, or whatever a proxy says.
fn rejection(code: u16, bytes: &[u8]) -> CallError {
    match serde_json::from_slice::<Status>(bytes) {
        Ok(mut status) if !status.message.is_empty() => {
            if status.code == 0 {
                status.code = code;
            }
            CallError::from_status(&status)
        }
        _ => {
            let text: String = String::from_utf8_lossy(bytes).trim().chars().take(300).collect();
            let message = match (code, text.is_empty()) {
                // client-go's words for a path that nothing serves.
                (404, _) => "the server could not find the requested resource".to_owned(),
                (_, true) => format!("the server answered {code}"),
                (_, false) => text,
            };
            CallError::Rejected {
                code,
                reason: if code == 404 {
                    "NotFound".to_owned()
                } else {
                    String::new()
                },
                message,
            }
        }
    }
}

/// Never with the text of the answer, which may be that of a Secret.
fn parse<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> Result<T, CallError> {
    serde_json::from_slice(bytes).map_err(|error| {
        let place = format!("line {}, column {}", error.line(), error.column());
        CallError::Unreadable(format!("{:?} at {place}", error.classify()))
    })
}

/// An error of the client, with all that lies below it.
pub(super) fn from_kube(error: &kube::Error) -> CallError {
    match error {
        kube::Error::Api(status) => CallError::from_status(status),
        other => CallError::Connection(chain(other)),
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        let inner_text = inner.to_string();
        if !text.contains(&inner_text) {
            text.push_str(": ");
            text.push_str(&inner_text);
        }
        source = inner.source();
    }
    text
}

/// The digits of percent-encoding.
const HEXADECIMAL: [u8; 16] = *b"0123456789ABCDEF";

/// Percent-encodes all but what is never special in a path segment or a query. Colons are common in names of RBAC objects.
pub(super) fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b':') {
            encoded.push(char::from(byte));
        } else {
            encoded.push('%');
            encoded.push(char::from(HEXADECIMAL[usize::from(byte >> 4)]));
            encoded.push(char::from(HEXADECIMAL[usize::from(byte & 15)]));
        }
    }
    encoded
}

#[cfg(test)]
mod tests;
