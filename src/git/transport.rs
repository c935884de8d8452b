//! The Git engine's HTTP port over the program's pooled clients.

use std::io::{self, Read};

use fluxbot_git::{HttpClient, HttpFailure, HttpMethod, HttpRequest, HttpResponse};
use tokio::runtime::Handle;

use super::bound::{Bound, Expired};
use crate::http::{ClientSettings, HttpClients, HttpError, Method, PacedBody, Reach, Url};

/// Sends the Git engine's requests.
///
/// It blocks, so it must be used from a blocking thread of the runtime that it was made on. Requests end with the [`Bound`] of
/// their thread, if it has one; an answer that has begun and then brings next to nothing is given up in any case.
#[derive(Debug, Clone)]
pub struct GitHttp {
    clients: HttpClients,
    settings: ClientSettings,
    runtime: Handle,
}

impl GitHttp {
    /// A port over `clients` with the settings of one remote. Must be called within a runtime.
    #[must_use]
    pub fn new(clients: HttpClients, settings: ClientSettings) -> Self {
        Self::on(Handle::current(), clients, settings)
    }

    /// As [`GitHttp::new`], for a caller that is not within the runtime.
    #[must_use]
    pub fn on(runtime: Handle, clients: HttpClients, settings: ClientSettings) -> Self {
        Self {
            clients,
            settings,
            runtime,
        }
    }
}

impl HttpClient for GitHttp {
    fn send(&self, request: HttpRequest<'_>) -> Result<HttpResponse, HttpFailure> {
        let unsent = |detail: String| HttpFailure {
            detail,
            maybe_sent: false,
        };
        let url = Url::parse(request.url).map_err(|error| unsent(format!("invalid URL: {error}")))?;
        let method = match request.method {
            HttpMethod::Get => Method::GET,
            HttpMethod::Post => Method::POST,
        };
        let client = self
            .clients
            .client(&self.settings, Reach::Named)
            .map_err(|error| unsent(error.to_string()))?;
        let mut builder = client.request(method, url).body(request.body);
        for (name, value) in request.headers {
            builder = builder.header(name, value);
        }
        let request = builder
            .build()
            .map_err(|_| unsent("invalid request header".to_owned()))?;
        let bound = Bound::current();
        let sending = self.clients.send(&self.settings, Reach::Named, request);
        let response = self
            .runtime
            .block_on(bounded(bound.as_ref(), sending))
            .map_err(|expired| HttpFailure {
                maybe_sent: true,
                detail: expired.to_string(),
            })?
            .map_err(|error| HttpFailure {
                maybe_sent: may_have_sent(&error),
                detail: error.to_string(),
            })?;
        let headers = response
            .headers()
            .iter()
            .filter_map(|(name, value)| Some((name.to_string(), value.to_str().ok()?.to_owned())))
            .collect();
        Ok(HttpResponse {
            status: response.status().as_u16(),
            headers,
            body: Box::new(Body {
                response: PacedBody::new(response),
                chunk: bytes::Bytes::new(),
                bound,
                runtime: self.runtime.clone(),
            }),
        })
    }

    fn caller_gave_up(&self) -> bool {
        Bound::current().is_some_and(|bound| bound.is_over())
    }
}

/// Whether a byte of the request can have reached the server.
fn may_have_sent(error: &HttpError) -> bool {
    !matches!(
        error,
        HttpError::Settings { .. }
            | HttpError::AddressRefused { .. }
            | HttpError::Certificate { .. }
            | HttpError::Unreachable { .. }
    )
}

/// Waits within a bound, if there is one.
async fn bounded<T>(bound: Option<&Bound>, work: impl Future<Output = T>) -> Result<T, Expired> {
    match bound {
        Some(bound) => bound.keep(work).await,
        None => Ok(work.await),
    }
}

/// A response's body as a blocking reader.
struct Body {
    response: PacedBody,
    chunk: bytes::Bytes,
    bound: Option<Bound>,
    runtime: Handle,
}

impl Read for Body {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.chunk.is_empty() {
            let reading = bounded(self.bound.as_ref(), self.response.chunk());
            match self.runtime.block_on(reading).map_err(io::Error::other)? {
                Ok(Some(chunk)) => self.chunk = chunk,
                Ok(None) => return Ok(0),
                Err(error) => return Err(io::Error::other(error)),
            }
        }
        let length = self.chunk.len().min(buffer.len());
        let part = self.chunk.split_to(length);
        if let Some(target) = buffer.get_mut(..length) {
            target.copy_from_slice(&part);
        }
        Ok(length)
    }
}
