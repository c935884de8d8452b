//! `/healthz`, `/readyz` and `/metrics`.

use std::convert::Infallible;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::RunError;
use super::config::Address;
use crate::controller::{Health, Metrics};

/// Listens, and logs the port that a port of 0 became.
pub(super) async fn listen(server: &'static str, address: &Address) -> Result<TcpListener, RunError> {
    let failed = |source| RunError::Listen {
        server,
        address: address.to_string(),
        source,
    };
    let listener = TcpListener::bind(address.to_bind()).await.map_err(failed)?;
    let bound: SocketAddr = listener.local_addr().map_err(failed)?;
    tracing::info!(server, address = %bound, "listening");
    Ok(listener)
}

/// Serves until `stop`.
pub(super) async fn serve(listener: TcpListener, router: Router, stop: CancellationToken) {
    let server = axum::serve(listener, router).with_graceful_shutdown(stop.cancelled_owned());
    if let Err(error) = server.await {
        tracing::error!(%error, "server stopped");
    }
}

/// What a kubelet asks.
pub(super) fn health(health: Health) -> Router {
    Router::new()
        .route(
            "/healthz",
            get(|State(health): State<Health>| async move { answer(health.alive()) }),
        )
        .route(
            "/readyz",
            get(|State(health): State<Health>| async move { answer(health.ready()) }),
        )
        .with_state(health)
}

/// What Prometheus asks.
pub(super) fn metrics(metrics: Arc<Metrics>) -> Router {
    Router::new().route("/metrics", get(text)).with_state(metrics)
}

/// The figures, sent while they are written: those of some thousand objects are megabytes.
async fn text(State(metrics): State<Arc<Metrics>>) -> Response {
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    // Without a bound: the figures are locked while they are written, and a slow reader must not keep runs from counting.
    let (sender, receiver) = mpsc::unbounded_channel();
    tokio::task::spawn_blocking(move || {
        let mut pieces = Pieces {
            piece: String::with_capacity(PIECE),
            sender,
        };
        // Fails when the reader has gone; a text that ends early has no end mark.
        if metrics.write(&mut pieces).is_ok() {
            let _ = pieces.send();
        }
    });
    let pieces = futures::stream::unfold(receiver, async |mut receiver| {
        let piece: String = receiver.recv().await?;
        Some((Ok::<_, Infallible>(piece), receiver))
    });
    ([(CONTENT_TYPE, kind)], Body::from_stream(pieces)).into_response()
}

/// How much of a text is sent at once.
const PIECE: usize = 32 * 1024;

/// Sends a text in pieces.
struct Pieces {
    piece: String,
    sender: mpsc::UnboundedSender<String>,
}

impl Pieces {
    fn send(&mut self) -> fmt::Result {
        let piece = std::mem::replace(&mut self.piece, String::with_capacity(PIECE));
        self.sender.send(piece).map_err(|_| fmt::Error)
    }
}

impl fmt::Write for Pieces {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if self.piece.len() + text.len() > PIECE && !self.piece.is_empty() {
            self.send()?;
        }
        self.piece.push_str(text);
        Ok(())
    }
}

fn answer(result: Result<(), String>) -> Response {
    match result {
        Ok(()) => (StatusCode::OK, "ok\n").into_response(),
        Err(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")).into_response(),
    }
}
