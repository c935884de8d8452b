//! Why a cloud gave no credentials.

use crate::http::HttpError;

/// Why a cloud gave no credentials for a registry. No variant holds a token or a key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CloudError {
    /// The registry is none of the provider's; its credentials must not go there. The words are Flux's.
    #[error("invalid {cloud} registry: '{registry}'. must match {pattern}")]
    Registry {
        /// The cloud.
        cloud: &'static str,
        /// The registry's host.
        registry: String,
        /// What its registries look like.
        pattern: String,
    },
    /// The process has no identity at this cloud.
    #[error("this process has no identity at {cloud}: {tried}")]
    NoIdentity {
        /// The cloud.
        cloud: &'static str,
        /// Where an identity was looked for.
        tried: String,
    },
    /// The service account lacks an annotation, or has one that makes no sense.
    #[error("failed to get provider identity from service account '{account}' annotations: {reason}")]
    Annotation {
        /// Namespace and name of the service account.
        account: String,
        /// What is wrong.
        reason: String,
    },
    /// The service account, or a token of it, cannot be had from the API server.
    #[error("{reason}")]
    Account {
        /// What is wrong.
        reason: String,
    },
    /// A setting of the process cannot be used.
    #[error("{variable}: {reason}")]
    Setting {
        /// The environment variable.
        variable: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// The service answered with a refusal.
    #[error("{service} refused: {answer}")]
    Refused {
        /// The service that was asked.
        service: String,
        /// Status, and code and message where there are any.
        answer: String,
    },
    /// The service answered with something that holds no token.
    #[error("{service} gave no usable answer: {reason}")]
    Answer {
        /// The service that was asked.
        service: String,
        /// What is wrong with the answer.
        reason: String,
    },
    /// The service cannot be reached.
    #[error("cannot ask {service}: {reason}")]
    Unreachable {
        /// The service that was asked.
        service: String,
        /// What happened.
        reason: HttpError,
    },
}
