//! The port through which this crate speaks HTTP; the caller implements it over its own client.

use std::io::Read;

/// Sends one HTTP request and waits for the head of the answer.
///
/// # Guarantees that an implementation must give
/// It follows no redirect, adds no credentials of its own (no `.netrc`, no cookie), and puts a deadline on connecting,
/// on the wait for the head and on every read of the body: this crate waits as long as the client lets it.
/// It may ask for and decode compressed answers.
pub trait HttpClient: Send + Sync {
    /// Sends `request`; any status is an answer, not a failure.
    fn send(&self, request: HttpRequest<'_>) -> Result<HttpResponse, HttpFailure>;

    /// Whether the caller on this thread does not want to wait any longer, so that a failure says nothing about the server.
    fn caller_gave_up(&self) -> bool {
        false
    }
}

/// The methods that smart HTTP uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HttpMethod {
    /// `GET`
    Get,
    /// `POST`
    Post,
}

/// A request of the Git protocol.
///
/// It has no `Debug`, as a header carries the credential.
pub struct HttpRequest<'a> {
    /// The method.
    pub method: HttpMethod,
    /// An absolute `http` or `https` URL without credentials.
    pub url: &'a str,
    /// Names in lower case, and values. `authorization` is a secret: it must not be logged.
    pub headers: Vec<(&'static str, String)>,
    /// The body, empty for `GET`. It is complete, so `Content-Length` can be sent.
    pub body: Vec<u8>,
}

/// The head of an answer, and its body as a stream.
pub struct HttpResponse {
    /// The status code.
    pub status: u16,
    /// Names in any case, and values.
    pub headers: Vec<(String, String)>,
    /// The body; its read errors mean that the answer is incomplete.
    pub body: Box<dyn Read + Send>,
}

/// No answer came.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct HttpFailure {
    /// What happened, without credentials and without the URL's userinfo.
    pub detail: String,
    /// Whether the request may have reached the server; `false` only when no byte of it was sent.
    pub maybe_sent: bool,
}

impl HttpResponse {
    /// The first value of a header, whatever the case of its name.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }
}
