//! Logging to standard error.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

/// The text is no log filter.
#[derive(Debug, thiserror::Error)]
#[error("invalid log level '{filter}': {reason}")]
pub struct InvalidFilter {
    filter: String,
    reason: String,
}

/// Starts logging for the whole process. A second call changes nothing.
pub fn init(filter: &str) -> Result<(), InvalidFilter> {
    // A word alone would be read as the name of a module, and then nothing is logged.
    let is_word = filter.chars().all(char::is_alphanumeric);
    if is_word && filter.parse::<LevelFilter>().is_err() {
        let reason = "must be off, error, warn, info, debug or trace".to_owned();
        return Err(InvalidFilter {
            filter: filter.to_owned(),
            reason,
        });
    }
    let parsed = EnvFilter::try_new(filter).map_err(|error| InvalidFilter {
        filter: filter.to_owned(),
        reason: error.to_string(),
    })?;
    let stderr = std::io::stderr();
    // Fails only when a subscriber exists already, as in tests.
    drop(
        tracing_subscriber::fmt()
            .with_env_filter(parsed)
            .with_ansi(stderr.is_terminal())
            .with_writer(std::io::stderr)
            .try_init(),
    );
    Ok(())
}
