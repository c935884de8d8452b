//! Why a registry could not be asked, or its answer not used.

use std::time::Duration;

use jiff::Timestamp;

use crate::http::HttpError;

/// Why a scan failed. Each text names the image or host and what the registry said; none holds a credential or token.
///
/// A partial list is never a result: when any page fails, the whole scan fails.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScanError {
    /// The registry wants credentials, or other ones, or they lack the right to pull.
    #[error("{host} denied access to {image} ({identity}): {answer}")]
    Unauthorized {
        /// The image asked for.
        image: String,
        /// The host that refused: the registry or its token server.
        host: String,
        /// Whether and what kind of credentials were used.
        identity: &'static str,
        /// Status, code and message of the answer.
        answer: String,
    },
    /// The cloud that should give credentials gives none.
    #[error("no credentials of provider {provider} for {image}: {reason}")]
    NoCredential {
        /// The image asked for.
        image: String,
        /// The cloud.
        provider: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// The registry knows no such repository.
    #[error("{host} has no repository {repository}: {answer}")]
    NotFound {
        /// The registry asked.
        host: String,
        /// The repository's path.
        repository: String,
        /// Status, code and message of the answer.
        answer: String,
    },
    /// The repository has no such tag.
    #[error("{image} has no tag '{tag}': {answer}")]
    TagNotFound {
        /// The image asked for.
        image: String,
        /// The tag.
        tag: String,
        /// Status, code and message of the answer.
        answer: String,
    },
    /// The registry wants fewer requests.
    #[error("{host} limits the rate of requests until {until:.0}")]
    RateLimited {
        /// The registry asked.
        host: String,
        /// How long it is not asked again.
        retry_after: Duration,
        /// Until when.
        until: Timestamp,
    },
    /// The operation was not done within its timeout, or the server stalled.
    #[error("{host} did not answer for {image} in time ({limit:?})")]
    Timeout {
        /// The image asked for.
        image: String,
        /// The host that was asked last.
        host: String,
        /// The limit that was hit.
        limit: Duration,
    },
    /// No connection, an untrusted certificate, a refused address, or a connection that broke several times.
    #[error("cannot ask for {image}: {reason}")]
    Unreachable {
        /// The image asked for.
        image: String,
        /// What happened.
        reason: HttpError,
    },
    /// The registry has an internal error, several times in a row.
    #[error("{host} failed to answer for {image}: {answer}{}", retry_text(*.retry_after))]
    Unavailable {
        /// The image asked for.
        image: String,
        /// The registry asked.
        host: String,
        /// Status, code and message of the answer.
        answer: String,
        /// How long it is not asked again, when it says so.
        retry_after: Option<Duration>,
    },
    /// The registry answered with something that is no complete answer.
    #[error("{host} gave no valid answer for {image}: {reason}")]
    InvalidResponse {
        /// The image asked for.
        image: String,
        /// The host asked.
        host: String,
        /// What is wrong with the answer.
        reason: String,
    },
    /// The registry names a token server that must not see the credentials, or must not be asked at all.
    #[error("refused to ask the token server '{realm}' that {host} names for {image}: {reason}")]
    RealmRefused {
        /// The image asked for.
        image: String,
        /// The registry that names the server.
        host: String,
        /// Scheme and host of the server.
        realm: String,
        /// The rule that it breaks.
        reason: String,
    },
    /// The registry redirects to a place that must not be asked.
    #[error("refused to follow the redirect of {host} for {image}: {reason}")]
    RedirectRefused {
        /// The image asked for.
        image: String,
        /// The host that redirects.
        host: String,
        /// The rule that the redirect breaks.
        reason: String,
    },
    /// The list is longer than a scan takes.
    #[error(
        "{image} has more tags than a scan takes: {limit}; remove old tags from the registry or use another repository"
    )]
    TooManyTags {
        /// The image asked for.
        image: String,
        /// The limit that was hit, in words.
        limit: String,
    },
}

fn retry_text(retry_after: Option<Duration>) -> String {
    match retry_after {
        Some(wait) => format!("; it asks to wait for {}s", wait.as_secs()),
        None => String::new(),
    }
}
