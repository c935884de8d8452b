//! `/healthz`, `/readyz` and `/metrics`.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;
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

async fn text(State(metrics): State<Arc<Metrics>>) -> Response {
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    match metrics.text() {
        Ok(text) => ([(CONTENT_TYPE, kind)], text).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

fn answer(result: Result<(), String>) -> Response {
    match result {
        Ok(()) => (StatusCode::OK, "ok\n").into_response(),
        Err(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")).into_response(),
    }
}
