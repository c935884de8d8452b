//! Leader election by a Lease, as Kubernetes' own components do it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::api::{ObjectMeta, PostParams};
use kube::{Api, Client};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use super::health::Heart;

/// How long a leader that gives no sign keeps others away.
const DURATION: Duration = Duration::from_secs(15);

/// A leader that could not renew for this long gives up, before others may take over.
const RENEW_DEADLINE: Duration = Duration::from_secs(10);

/// How often the lease is looked at and renewed.
const PERIOD: Duration = Duration::from_secs(1);

/// How often a leader renews: less often than others look, as each renewal is a write.
const RENEW_PERIOD: Duration = Duration::from_secs(3);

/// Whether this process may write. Cheap to clone.
///
/// It is asked before what no API server fences: a push, which would be set again on a head that another leader has pushed.
#[derive(Debug, Clone, Default)]
pub struct Leadership {
    /// When the lease was last renewed, by the time at which that was asked for; `None` without an election.
    renewed: Arc<Mutex<Option<Instant>>>,
}

impl Leadership {
    /// Whether nobody else can hold the lease yet. True where there is no election.
    #[must_use]
    pub fn holds(&self) -> bool {
        let renewed = *self.renewed.lock().unwrap_or_else(PoisonError::into_inner);
        renewed.is_none_or(|renewed| renewed.elapsed() < RENEW_DEADLINE)
    }

    fn renewed(&self, at: Instant) {
        *self.renewed.lock().unwrap_or_else(PoisonError::into_inner) = Some(at);
    }
}

/// The right to reconcile, held by one process at a time.
///
/// A Lease is no fence: a process that was frozen may believe for a moment that it still leads. Writes to Git carry the old
/// commit id and status writes the resource version, and [`Leadership`] is asked before each push.
pub struct Election {
    api: Api<Lease>,
    name: String,
    identity: String,
    leadership: Leadership,
}

/// A lease as last seen, and since when it has looked so on our own clock. Remote clocks are not trusted.
struct Seen {
    version: Option<String>,
    since: Instant,
}

impl Election {
    /// An election for the lease `name` in `namespace`. `identity` must differ between processes.
    #[must_use]
    pub fn new(client: Client, namespace: &str, name: &str, identity: &str) -> Self {
        Self {
            api: Api::namespaced(client, namespace),
            name: name.to_owned(),
            identity: identity.to_owned(),
            leadership: Leadership::default(),
        }
    }

    /// What tells whether this process leads.
    #[must_use]
    pub fn leadership(&self) -> Leadership {
        self.leadership.clone()
    }

    /// Waits until this process leads. `false` when `stop` came first.
    pub async fn acquire(&self, heart: &Heart, stop: &CancellationToken) -> bool {
        let mut seen: Option<Seen> = None;
        let mut told = None;
        loop {
            heart.beat();
            let asked = Instant::now();
            match self.try_acquire(&mut seen).await {
                Ok(None) => {
                    heart.reached();
                    self.leadership.renewed(asked);
                    info!(lease = %self.name, identity = %self.identity, "leading");
                    return true;
                }
                Ok(Some(holder)) => {
                    heart.reached();
                    if told.as_ref() != Some(&holder) {
                        info!(lease = %self.name, %holder, "waiting for the lease");
                        told = Some(holder);
                    }
                }
                Err(error) => {
                    heart.missed();
                    warn!(lease = %self.name, %error, "lease could not be read or taken and will be tried again");
                }
            }
            tokio::select! {
                () = stop.cancelled() => return false,
                () = tokio::time::sleep(PERIOD) => {}
            }
        }
    }

    /// Renews until `stop`, or until leadership is lost. Gives whether it was lost.
    pub async fn hold(&self, heart: &Heart, stop: &CancellationToken) -> bool {
        let mut renewed = Instant::now();
        loop {
            tokio::select! {
                () = stop.cancelled() => return false,
                () = tokio::time::sleep(RENEW_PERIOD) => {}
            }
            heart.beat();
            // After a pause of the whole process others may lead already: renewing then would take the lease back from them.
            if renewed.elapsed() > DURATION {
                return true;
            }
            let asked = Instant::now();
            match tokio::time::timeout_at(renewed + RENEW_DEADLINE, self.renew()).await {
                Ok(Ok(true)) => {
                    renewed = asked;
                    self.leadership.renewed(asked);
                    heart.reached();
                }
                Ok(Err(error)) => {
                    heart.missed();
                    warn!(lease = %self.name, %error, "lease could not be renewed");
                }
                // It is another's, or it could become so.
                Ok(Ok(false)) | Err(_) => return true,
            }
        }
    }

    /// Gives the lease back, so that another process can lead at once.
    pub async fn release(&self) {
        let given = async {
            let Some(mut lease) = self.api.get_opt(&self.name).await? else {
                return Ok(());
            };
            let spec = lease.spec.get_or_insert_default();
            if spec.holder_identity.as_deref() != Some(&self.identity) {
                return Ok(());
            }
            spec.holder_identity = Some(String::new());
            spec.lease_duration_seconds = Some(1);
            self.api
                .replace(&self.name, &PostParams::default(), &lease)
                .await
                .map(drop)
        };
        let given: Result<Result<(), kube::Error>, _> = tokio::time::timeout(RENEW_PERIOD, given).await;
        match given {
            Ok(Ok(())) => info!(lease = %self.name, "lease released"),
            Ok(Err(error)) => debug!(lease = %self.name, %error, "lease not released"),
            Err(_) => debug!(lease = %self.name, "lease not released in time"),
        }
    }

    /// Takes the lease when it is free. Gives who holds it otherwise.
    async fn try_acquire(&self, seen: &mut Option<Seen>) -> Result<Option<String>, kube::Error> {
        let Some(mut lease) = within(self.api.get_opt(&self.name)).await? else {
            let lease = Lease {
                metadata: ObjectMeta {
                    name: Some(self.name.clone()),
                    ..ObjectMeta::default()
                },
                spec: Some(self.held(None)),
            };
            return match within(self.api.create(&PostParams::default(), &lease)).await {
                Ok(_) => Ok(None),
                Err(kube::Error::Api(status)) if status.code == 409 => Ok(Some("another process".to_owned())),
                Err(error) => Err(error),
            };
        };
        let spec = lease.spec.clone().unwrap_or_default();
        let holder = spec.holder_identity.clone().unwrap_or_default();
        let version = lease.metadata.resource_version.clone();
        let last = match seen.take() {
            Some(last) if last.version == version => last,
            _ => Seen {
                version,
                since: Instant::now(),
            },
        };
        let duration = u64::try_from(spec.lease_duration_seconds.unwrap_or_default()).unwrap_or_default();
        let is_free = holder.is_empty() || last.since.elapsed() > Duration::from_secs(duration).max(PERIOD);
        *seen = Some(last);
        if !is_free {
            return Ok(Some(holder));
        }
        lease.spec = Some(self.held(Some(&spec)));
        match within(self.api.replace(&self.name, &PostParams::default(), &lease)).await {
            Ok(_) => Ok(None),
            Err(kube::Error::Api(status)) if status.code == 409 => Ok(Some("another process".to_owned())),
            Err(error) => Err(error),
        }
    }

    /// Whether the lease is still ours after renewing it.
    async fn renew(&self) -> Result<bool, kube::Error> {
        let Some(mut lease) = within(self.api.get_opt(&self.name)).await? else {
            return Ok(false);
        };
        let spec = lease.spec.get_or_insert_default();
        if spec.holder_identity.as_deref() != Some(&self.identity) {
            return Ok(false);
        }
        spec.renew_time = Some(MicroTime(Timestamp::now()));
        match within(self.api.replace(&self.name, &PostParams::default(), &lease)).await {
            Ok(_) => Ok(true),
            Err(error) => Err(error),
        }
    }

    fn held(&self, before: Option<&LeaseSpec>) -> LeaseSpec {
        let now = MicroTime(Timestamp::now());
        let transitions = before.map_or(0, |spec| spec.lease_transitions.unwrap_or_default() + 1);
        LeaseSpec {
            holder_identity: Some(self.identity.clone()),
            lease_duration_seconds: i32::try_from(DURATION.as_secs()).ok(),
            acquire_time: Some(now.clone()),
            renew_time: Some(now),
            lease_transitions: Some(transitions),
            ..LeaseSpec::default()
        }
    }
}

/// A request that must not take longer than the lease can wait.
async fn within<T>(answer: impl Future<Output = Result<T, kube::Error>>) -> Result<T, kube::Error> {
    match tokio::time::timeout(Duration::from_secs(5), answer).await {
        Ok(result) => result,
        Err(_) => Err(kube::Error::Service(
            "the API server did not answer in 5 s".into(),
        )),
    }
}
