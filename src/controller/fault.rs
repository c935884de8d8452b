//! From the errors of Git servers and registries to the word of the fault, and to what can help.

use std::time::Duration;

use fluxbot_api::Fault;
use fluxbot_api::annotation;
use fluxbot_git::{FetchError, MirrorError, PushError, RemoteFailure};

use super::outcome::{Failure, Recovery};
use crate::http::HttpError;
use crate::scanner::ScanError;

/// Longest time that a server may ask us to stay away.
const MAX_RETRY_AFTER: Duration = Duration::from_mins(15);

/// How long a push that was refused is not tried again, unless something changes.
const REFUSED_PAUSE: Duration = Duration::from_mins(5);

/// A fault, and how long the server wants to be left alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Diagnosis {
    /// The fault.
    pub fault: Fault,
    /// The pause that the server asked for.
    pub retry_after: Option<Duration>,
}

impl From<Fault> for Diagnosis {
    fn from(fault: Fault) -> Self {
        Self {
            fault,
            retry_after: None,
        }
    }
}

impl Diagnosis {
    /// What is wrong with a Git server.
    #[must_use]
    pub fn of_remote(failure: &RemoteFailure) -> Self {
        match failure {
            RemoteFailure::Unreachable { .. }
            | RemoteFailure::NoCredential {
                is_transient: true, ..
            } => Fault::GitUnreachable.into(),
            RemoteFailure::Unauthorized { .. }
            | RemoteFailure::Forbidden { .. }
            | RemoteFailure::NoCredential { .. }
            | RemoteFailure::KeyRejected { .. }
            | RemoteFailure::Denied { .. } => Fault::AuthorizationFailed.into(),
            RemoteFailure::HostKey { .. } => Fault::HostKeyMismatch.into(),
            RemoteFailure::NotFound { .. } => Fault::RepositoryNotFound.into(),
            RemoteFailure::RateLimited { retry_after, .. } => Self {
                fault: Fault::RateLimited,
                retry_after: retry_after.map(Duration::from_secs),
            },
            RemoteFailure::RedirectRefused { .. }
            | RemoteFailure::Protocol { .. }
            | RemoteFailure::Reported { .. }
            | RemoteFailure::Unsupported { .. }
            | RemoteFailure::TooLarge { .. } => Fault::InvalidResponse.into(),
            RemoteFailure::Local { .. } => Fault::StorageFailed.into(),
        }
    }

    /// Why a repository could not be read.
    #[must_use]
    pub fn of_fetch(error: &FetchError) -> Self {
        match error {
            FetchError::Remote(failure) => Self::of_remote(failure),
            FetchError::Pack { .. } => Fault::InvalidResponse.into(),
            FetchError::Storage { source, .. } => of_storage(source),
        }
    }

    /// Why a push did not arrive.
    #[must_use]
    pub fn of_push(error: &PushError) -> Self {
        match error {
            PushError::Remote(failure) => Self::of_remote(failure),
            PushError::AnswerLost { .. } => Fault::PushUnknown.into(),
            PushError::Stale { .. } => Fault::PushContended.into(),
            PushError::Encode(_) => Fault::StorageFailed.into(),
            PushError::Rejected { .. }
            | PushError::Partial { .. }
            | PushError::Unpack { .. }
            | PushError::Unsupported { .. }
            | PushError::Invalid { .. } => Fault::PushRejected.into(),
        }
    }

    /// Why a mirror cannot be used.
    #[must_use]
    pub fn of_mirror(error: &MirrorError) -> Self {
        match error {
            MirrorError::InUse { .. } => Fault::StorageFailed.into(),
            MirrorError::Storage { source, .. } => of_storage(source),
        }
    }

    /// Why a registry gave no list or digest. `None` where the answer is clear and no fault: there is no such tag.
    #[must_use]
    pub fn of_scan(error: &ScanError) -> Option<Self> {
        Some(match error {
            ScanError::Unauthorized { .. }
            | ScanError::RealmRefused { .. }
            | ScanError::NoCredential { .. } => Fault::AuthorizationFailed.into(),
            ScanError::NotFound { .. } => Fault::RepositoryNotFound.into(),
            ScanError::TagNotFound { .. } => return None,
            ScanError::RateLimited { retry_after, .. } => Self {
                fault: Fault::RateLimited,
                retry_after: Some(*retry_after),
            },
            ScanError::Timeout { .. } => Fault::Timeout.into(),
            ScanError::Unreachable { reason, .. } => match reason {
                HttpError::Certificate { .. } => Fault::TlsVerifyFailed.into(),
                HttpError::Timeout { .. } => Fault::Timeout.into(),
                HttpError::TooLarge { .. } => Fault::InvalidResponse.into(),
                _ => Fault::RegistryUnreachable.into(),
            },
            ScanError::Unavailable { retry_after, .. } => Self {
                fault: Fault::RegistryUnreachable,
                retry_after: *retry_after,
            },
            ScanError::InvalidResponse { .. } | ScanError::RedirectRefused { .. } => {
                Fault::InvalidResponse.into()
            }
            ScanError::TooManyTags { .. } => Fault::TooManyTags.into(),
        })
    }
}

impl Failure {
    /// The same failure with the word of its fault before the message and in the event, and tried again when that makes
    /// sense: after the pause that a server asked for, not soon after a push was refused, else with growing pauses.
    #[must_use]
    pub fn diagnosed(mut self, diagnosis: impl Into<Option<Diagnosis>>) -> Self {
        let Some(diagnosis) = diagnosis.into() else {
            return self;
        };
        self.message = format!("{}: {}", diagnosis.fault, self.message);
        if let Some(pause) = diagnosis.retry_after {
            self.recovery = Recovery::After(pause.clamp(Duration::from_secs(1), MAX_RETRY_AFTER));
        } else if diagnosis.fault == Fault::PushRejected {
            self.recovery = Recovery::Wait(REFUSED_PAUSE);
        }
        self.with(annotation::FAULT, diagnosis.fault.as_str())
    }
}

fn of_storage(error: &std::io::Error) -> Diagnosis {
    use std::io::ErrorKind::{QuotaExceeded, StorageFull};
    match error.kind() {
        StorageFull | QuotaExceeded => Fault::StorageFull.into(),
        _ => Fault::StorageFailed.into(),
    }
}

#[cfg(test)]
mod tests {
    use fluxbot_api::Reason;

    use super::*;

    #[test]
    fn the_word_begins_the_message_and_stands_in_the_event() {
        let failure = Failure::new(Reason::GitOperationFailed, "failed to update source: no")
            .diagnosed(Diagnosis::from(Fault::PushRejected));
        assert_eq!(failure.message, "PushRejected: failed to update source: no");
        assert_eq!(failure.reason, Reason::GitOperationFailed);
        assert_eq!(failure.recovery, Recovery::Wait(Duration::from_mins(5)));
        let fault = ("fluxbot.io/fault".to_owned(), "PushRejected".to_owned());
        assert_eq!(failure.metadata, [fault]);
    }

    #[test]
    fn a_server_that_asks_for_a_pause_gets_it_within_bounds() {
        let limited = |seconds| RemoteFailure::RateLimited {
            host: "git.example".to_owned(),
            retry_after: seconds,
        };
        let recovery = |seconds| {
            let failure = Failure::new(Reason::GitOperationFailed, "x");
            failure
                .diagnosed(Diagnosis::of_remote(&limited(seconds)))
                .recovery
        };
        assert_eq!(recovery(Some(30)), Recovery::After(Duration::from_secs(30)));
        assert_eq!(recovery(Some(0)), Recovery::After(Duration::from_secs(1)));
        assert_eq!(recovery(Some(86_400)), Recovery::After(Duration::from_mins(15)));
        assert_eq!(recovery(None), Recovery::Backoff);
    }

    #[test]
    fn a_missing_tag_is_no_fault() {
        let missing = ScanError::TagNotFound {
            image: "app".to_owned(),
            tag: "1".to_owned(),
            answer: "404".to_owned(),
        };
        assert_eq!(Diagnosis::of_scan(&missing), None);
        let failure = Failure::new(Reason::Failure, "x");
        assert_eq!(failure.clone().diagnosed(Diagnosis::of_scan(&missing)), failure);
    }
}
