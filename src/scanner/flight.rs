//! One request for a list, however many objects ask for it at the same time.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use tokio::sync::Mutex as AsyncMutex;
use tokio::time::Instant;

use super::host::{HostKey, lock};
use super::{Credential, ListVersion, Listed, ScanError};

/// How long a list is kept for others; nobody may ask for an older one.
pub(super) const LONGEST_REUSE: Duration = Duration::from_secs(10);

/// What makes two requests for a list the same one.
#[derive(PartialEq, Eq, Hash)]
pub(super) struct FlightKey {
    pub(super) host: HostKey,
    pub(super) repository: String,
    pub(super) credential: Option<Credential>,
}

/// The requests that are under way, and the lists that came back a moment ago.
#[derive(Default)]
pub(super) struct Flights {
    known: Arc<Mutex<Known>>,
}

#[derive(Default)]
struct Known {
    flights: HashMap<FlightKey, Flight>,
    /// Whether somebody looks for lists that are too old.
    is_swept: bool,
}

/// Whoever holds the lock asks; the others wait for it and find the outcome.
pub(super) type Flight = Arc<AsyncMutex<Option<Landed>>>;

/// The outcome of a request.
pub(super) struct Landed {
    pub(super) outcome: Result<Listed, ScanError>,
    /// The version that the request named, and that the list still has when the outcome says so.
    pub(super) unless: Option<ListVersion>,
    /// How long it was waited for.
    pub(super) patience: Duration,
    pub(super) began: Instant,
    pub(super) ended: Instant,
}

impl Landed {
    /// The outcome for somebody who came at `arrival`, takes a list that was asked for `max_age` before that, waits
    /// as long as `patience`, and has the version `known`; `None` if it is no answer for them.
    ///
    /// A failure is for those who waited for it: each of them asking again would take as long as it took once.
    pub(super) fn for_caller(
        &self,
        arrival: Instant,
        (max_age, patience): (Duration, Duration),
        known: Option<&ListVersion>,
    ) -> Option<Result<Listed, ScanError>> {
        let is_fresh = self.began + max_age.min(LONGEST_REUSE) >= arrival;
        match &self.outcome {
            // Somebody with more patience may get an answer.
            Err(ScanError::Timeout { .. }) if self.patience < patience => None,
            Err(err) => (self.ended >= arrival).then(|| Err(err.clone())),
            Ok(_) if !is_fresh => None,
            // They did not change for those who have the same version; the list itself is not here.
            Ok(Listed::Unchanged { .. }) if known.is_none() || known != self.unless.as_ref() => None,
            Ok(Listed::New(list)) if known.is_some() && known == list.version.as_ref() => {
                Some(Ok(Listed::Unchanged {
                    asked_at: list.asked_at,
                }))
            }
            Ok(listed) => Some(Ok(listed.clone())),
        }
    }
}

impl Flights {
    /// The flight with this key, a new one if there is none.
    pub(super) fn get(&self, key: FlightKey) -> Flight {
        let mut known = lock(&self.known);
        if !known.is_swept {
            known.is_swept = true;
            drop(tokio::spawn(sweep(Arc::downgrade(&self.known))));
        }
        Arc::clone(known.flights.entry(key).or_default())
    }
}

/// Drops the lists that nobody may use any more, until there are none: they are large, and the next request may be far away.
async fn sweep(known: Weak<Mutex<Known>>) {
    loop {
        tokio::time::sleep(LONGEST_REUSE).await;
        let Some(known) = known.upgrade() else { return };
        let mut known = lock(&known);
        let now = Instant::now();
        known.flights.retain(|_, flight| {
            Arc::strong_count(flight) > 1
                || flight.try_lock().is_ok_and(|landed| {
                    landed
                        .as_ref()
                        .is_some_and(|landed| landed.ended + LONGEST_REUSE > now)
                })
        });
        known.flights.shrink_to_fit();
        if known.flights.is_empty() {
            known.is_swept = false;
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    /// A request that began at ten seconds and took one.
    fn landed(start: Instant, outcome: Result<Listed, ScanError>) -> Landed {
        Landed {
            outcome,
            unless: None,
            patience: Duration::from_secs(5),
            began: start + Duration::from_secs(10),
            ended: start + Duration::from_secs(11),
        }
    }

    #[test]
    fn a_list_serves_those_who_take_one_of_its_age() {
        let start = Instant::now();
        let asked_at = Timestamp::UNIX_EPOCH;
        let listed = Landed {
            unless: None,
            ..landed(start, Ok(Listed::Unchanged { asked_at }))
        };
        // It is no list, so it serves nobody without the version.
        assert!(
            listed
                .for_caller(start, (Duration::ZERO, Duration::ZERO), None)
                .is_none()
        );
        let error = ScanError::InvalidResponse {
            image: "i".to_owned(),
            host: "h".to_owned(),
            reason: "r".to_owned(),
        };
        let failed = landed(start, Err(error));
        let serves = |landed: &Landed, at: u64, max_age: u64| {
            let arrival = start + Duration::from_secs(at);
            landed
                .for_caller(arrival, (Duration::from_secs(max_age), Duration::ZERO), None)
                .is_some()
        };
        assert!(serves(&failed, 11, 0), "who waited for it");
        assert!(!serves(&failed, 12, 3600), "who came later");
    }

    #[tokio::test(start_paused = true)]
    async fn old_lists_are_dropped_by_themselves() {
        let flights = Flights::default();
        let key = || FlightKey {
            host: HostKey::new("r.example", &crate::http::ClientSettings::default(), false),
            repository: "app".to_owned(),
            credential: None,
        };
        let asked_at = Timestamp::UNIX_EPOCH;
        *flights.get(key()).lock().await = Some(landed(Instant::now(), Ok(Listed::Unchanged { asked_at })));
        assert_eq!(lock(&flights.known).flights.len(), 1);
        tokio::time::sleep(LONGEST_REUSE * 4).await;
        assert_eq!(lock(&flights.known).flights.len(), 0);
        assert!(!lock(&flights.known).is_swept);
    }
}
