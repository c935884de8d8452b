//! What is known of a registry host, shared by all objects that reach it with the same connection settings.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Mutex as AsyncMutex, Semaphore};
use tokio::time::Instant;

use super::Credential;
use super::auth::Tokens;
use crate::http::ClientSettings;

/// Hosts that are remembered; beyond that, those that nobody uses at the moment are forgotten.
const MAX_HOSTS: usize = 4096;

/// Requests that a host gets at the same time.
const CONCURRENT_OPERATIONS: usize = 16;

/// How many repositories with a complete list of a suspicious length show that a host does not cut there.
const ENOUGH_UNCUT: usize = 3;

/// Longest pause that a registry can impose with `Retry-After`.
const MAX_PAUSE: Duration = Duration::from_hours(1);

/// Knowledge is kept apart by everything that could let one object's answers speak for another's registry.
#[derive(PartialEq, Eq, Hash)]
struct HostKey {
    registry: String,
    client: ClientSettings,
    plain_http: bool,
}

/// All known hosts.
#[derive(Default)]
pub(super) struct Hosts {
    known: Mutex<HashMap<HostKey, Arc<Host>>>,
}

impl Hosts {
    /// The host with the `registry`'s name, reached with `client`, where plain HTTP is acceptable or not.
    pub(super) fn get(&self, registry: &str, client: &ClientSettings, plain_http: bool) -> Arc<Host> {
        let key = HostKey {
            registry: registry.to_owned(),
            client: client.clone(),
            plain_http,
        };
        let mut known = lock(&self.known);
        if known.len() >= MAX_HOSTS && !known.contains_key(&key) {
            known.retain(|_, host| Arc::strong_count(host) > 1);
        }
        Arc::clone(known.entry(key).or_insert_with(|| Arc::new(Host::new())))
    }
}

/// How a host asks for credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Scheme {
    Basic,
    Bearer { realm: String, service: Option<String> },
}

/// How a host wants to be asked for tags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Paging {
    /// Without a page size: most registries then give the whole list at once.
    Whole,
    /// With a large page size: this one gives small pages otherwise.
    Sized,
    /// Without a page size, for good: this one gives small pages and refuses large ones.
    Refused,
}

/// What is known of one host.
pub(super) struct Host {
    /// Permits for operations, so that one host gets a bounded number at a time.
    pub(super) permits: Arc<Semaphore>,
    /// `http` or `https`, once known; the lock makes the first contact happen once.
    pub(super) protocol: AsyncMutex<Option<&'static str>>,
    pub(super) tokens: Tokens,
    state: Mutex<State>,
}

struct State {
    scheme: Option<Scheme>,
    paging: Paging,
    /// Scopes that repositories need beyond the usual one.
    scopes: HashMap<String, String>,
    pauses: HashMap<Option<Credential>, Instant>,
    /// Repositories whose list has a length at which some registries cut, and is complete; by that length.
    uncut: HashMap<usize, HashSet<String>>,
}

impl Host {
    fn new() -> Self {
        Self {
            permits: Arc::new(Semaphore::new(CONCURRENT_OPERATIONS)),
            protocol: AsyncMutex::new(None),
            tokens: Tokens::default(),
            state: Mutex::new(State {
                scheme: None,
                paging: Paging::Whole,
                scopes: HashMap::new(),
                pauses: HashMap::new(),
                uncut: HashMap::new(),
            }),
        }
    }

    /// Makes the next operation find out the protocol again: the server may have been replaced.
    pub(super) fn forget_protocol(&self) {
        // While somebody holds the lock, it is being found out.
        if let Ok(mut protocol) = self.protocol.try_lock() {
            *protocol = None;
        }
    }

    pub(super) fn scheme(&self) -> Option<Scheme> {
        lock(&self.state).scheme.clone()
    }

    pub(super) fn set_scheme(&self, scheme: Scheme) {
        lock(&self.state).scheme = Some(scheme);
    }

    pub(super) fn paging(&self) -> Paging {
        lock(&self.state).paging
    }

    pub(super) fn set_paging(&self, paging: Paging) {
        lock(&self.state).paging = paging;
    }

    /// The token scope for pulling from `repository`.
    pub(super) fn scope(&self, repository: &str) -> String {
        lock(&self.state)
            .scopes
            .get(repository)
            .cloned()
            .unwrap_or_else(|| format!("repository:{repository}:pull"))
    }

    pub(super) fn set_scope(&self, repository: &str, scope: String) {
        let scopes = &mut lock(&self.state).scopes;
        if scopes.len() >= MAX_HOSTS {
            scopes.clear();
        }
        scopes.insert(repository.to_owned(), scope);
    }

    /// Whether the host may cut lists at `length` without saying so: until enough repositories with complete lists of
    /// that length were seen.
    pub(super) fn may_cut_at(&self, length: usize) -> bool {
        lock(&self.state)
            .uncut
            .get(&length)
            .is_none_or(|repositories| repositories.len() < ENOUGH_UNCUT)
    }

    /// Notes that the list of `repository` has `length` entries and is complete.
    pub(super) fn note_uncut(&self, repository: &str, length: usize) {
        let uncut = &mut lock(&self.state).uncut;
        let repositories = uncut.entry(length).or_default();
        if repositories.len() < ENOUGH_UNCUT {
            repositories.insert(repository.to_owned());
        }
    }

    /// How long the host still wants no request with `credential`.
    pub(super) fn pause(&self, credential: Option<&Credential>) -> Option<Duration> {
        let mut state = lock(&self.state);
        let now = Instant::now();
        state.pauses.retain(|_, until| *until > now);
        state
            .pauses
            .get(&credential.cloned())
            .map(|until| until.duration_since(now))
    }

    /// Notes that the host wants no request with `credential` for `wait`.
    pub(super) fn set_pause(&self, credential: Option<&Credential>, wait: Duration) {
        lock(&self.state)
            .pauses
            .insert(credential.cloned(), Instant::now() + wait.min(MAX_PAUSE));
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Every critical section leaves the value complete, so a panic elsewhere does not spoil it.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::ProxySettings;

    #[test]
    fn what_one_objects_proxy_says_does_not_count_for_another() {
        let hosts = Hosts::default();
        let proxied = ClientSettings {
            proxy: Some(ProxySettings::new("http://proxy.example:3128", None, None).unwrap()),
            ..ClientSettings::default()
        };
        let host = hosts.get("r.example", &ClientSettings::default(), false);
        assert!(Arc::ptr_eq(
            &host,
            &hosts.get("r.example", &ClientSettings::default(), false)
        ));
        assert!(!Arc::ptr_eq(&host, &hosts.get("r.example", &proxied, false)));
        assert!(!Arc::ptr_eq(
            &host,
            &hosts.get("r.example", &ClientSettings::default(), true)
        ));
        assert!(!Arc::ptr_eq(
            &host,
            &hosts.get("other.example", &ClientSettings::default(), false)
        ));
    }
}
