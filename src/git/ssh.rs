//! SSH connections of the Git engine, within the bounds of those who wait for them.

use std::pin::Pin;
use std::sync::Arc;

use fluxbot_git::{Ssh, SshOptions, UnknownAlgorithm, WaitLimit};
use tokio::runtime::Handle;

use super::Bound;

/// SSH connections on `runtime` with the algorithms of `options`; what waits for a server ends with the [`Bound`] of its thread.
///
/// # Errors
/// [`UnknownAlgorithm`] for a name that is not known; it lists those that are.
pub fn ssh_connections(runtime: Handle, options: &SshOptions) -> Result<Ssh, UnknownAlgorithm> {
    Ssh::new(runtime, options).map(|ssh| ssh.with_limit(limit()))
}

/// SSH connections with the built-in algorithms.
pub(super) fn default_connections(runtime: Handle) -> Ssh {
    Ssh::with_defaults(runtime).with_limit(limit())
}

fn limit() -> WaitLimit {
    Arc::new(|| -> Pin<Box<dyn Future<Output = String> + Send>> {
        let bound = Bound::current();
        Box::pin(async move {
            match bound {
                Some(bound) => match bound.keep(std::future::pending::<()>()).await {
                    Err(expired) => expired.to_string(),
                    Ok(()) => String::new(),
                },
                None => std::future::pending().await,
            }
        })
    })
}
