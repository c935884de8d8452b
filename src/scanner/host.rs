//! What is known of a registry host, shared by all objects that reach it with the same connection settings.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Mutex as AsyncMutex, Semaphore};
use tokio::time::Instant;

use super::Credential;
use super::auth::Tokens;
use super::budget::Budget;
use crate::http::ClientSettings;

/// Hosts that are remembered; beyond that, those that nobody uses at the moment are forgotten.
const MAX_HOSTS: usize = 4096;

/// Requests that a host gets at the same time.
const CONCURRENT_OPERATIONS: usize = 16;

/// How many repositories with a complete list of a suspicious length show that a host does not cut there.
const ENOUGH_UNCUT: usize = 3;

/// Longest pause that a registry can impose.
const MAX_PAUSE: Duration = Duration::from_mins(15);

/// The pause after a registry limits the rate without saying for how long; it doubles until a request gets through.
const FIRST_PAUSE: Duration = Duration::from_secs(5);

/// Credentials of a host whose limits are remembered; beyond that, those that are over are forgotten.
const MAX_LIMITS: usize = 4096;

/// Knowledge is kept apart by everything that could let one object's answers speak for another's registry.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct HostKey {
    registry: String,
    client: ClientSettings,
    plain_http: bool,
}

impl HostKey {
    /// The host with the `registry`'s name, reached with `client`, where plain HTTP is acceptable or not.
    pub(super) fn new(registry: &str, client: &ClientSettings, plain_http: bool) -> Self {
        Self {
            registry: registry.to_owned(),
            client: client.clone(),
            plain_http,
        }
    }
}

/// All known hosts.
#[derive(Default)]
pub(super) struct Hosts {
    known: Mutex<HashMap<HostKey, Arc<Host>>>,
}

impl Hosts {
    /// The host with this key, a new one if it is not known.
    pub(super) fn get(&self, key: HostKey) -> Arc<Host> {
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
    /// Until when the host wants no request at all.
    closed_until: Option<Instant>,
    limits: HashMap<Option<Credential>, Limit>,
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
                closed_until: None,
                limits: HashMap::new(),
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

    /// Notes that a list was not there in time: large ones are asked for in pages from then on.
    pub(super) fn note_slow_list(&self) {
        let paging = &mut lock(&self.state).paging;
        if *paging == Paging::Whole {
            *paging = Paging::Sized;
        }
    }

    /// How long the host still wants no request with `credential`.
    pub(super) fn pause(&self, credential: Option<&Credential>) -> Option<Duration> {
        lock(&self.state).pause(credential, Instant::now())
    }

    /// Takes one request with `credential` from what the host still takes.
    ///
    /// # Errors
    /// How long to wait, when it takes none.
    pub(super) fn admit(&self, credential: Option<&Credential>) -> Result<(), Duration> {
        let mut state = lock(&self.state);
        let now = Instant::now();
        if let Some(wait) = state.pause(credential, now) {
            return Err(wait);
        }
        let budget = state
            .limits
            .get_mut(&credential.cloned())
            .and_then(|limit| limit.budget.as_mut())
            .filter(|(_, resets)| *resets > now);
        match budget {
            Some((0, resets)) => Err(resets.duration_since(now)),
            Some((remaining, _)) => {
                *remaining -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// Notes what an answer says of how many requests with `credential` the host still takes.
    pub(super) fn note_budget(&self, credential: Option<&Credential>, said: Option<Budget>) {
        let mut state = lock(&self.state);
        let known = state.limits.contains_key(&credential.cloned());
        if said.is_none() && !known {
            return;
        }
        let now = Instant::now();
        let limit = state.limit(credential, now);
        limit.strikes = 0;
        if let Some(said) = said {
            let resets = now + said.resets_in.min(MAX_PAUSE);
            // Requests that are under way are not in the answer's number yet; those of a time that is over do not count.
            // Times are whole seconds, so the same end can be said a little later each time.
            limit.budget = Some(match limit.budget {
                Some((own, known)) if known > now && resets <= known + Duration::from_secs(2) => {
                    (own.min(said.remaining), known)
                }
                _ => (said.remaining, resets),
            });
        }
    }

    /// Notes that the host wants no request with `credential` for a while; gives how long.
    pub(super) fn set_pause(&self, credential: Option<&Credential>, said: Option<Duration>) -> Duration {
        let mut state = lock(&self.state);
        let now = Instant::now();
        let limit = state.limit(credential, now);
        let wait = said
            .unwrap_or_else(|| FIRST_PAUSE * 2_u32.pow(limit.strikes))
            .min(MAX_PAUSE);
        limit.strikes = (limit.strikes + 1).min(8);
        limit.until = limit.until.max(Some(now + wait));
        wait
    }

    /// Notes that the host wants no request at all for a while; gives how long.
    pub(super) fn close(&self, wait: Duration) -> Duration {
        let wait = wait.min(MAX_PAUSE);
        let mut state = lock(&self.state);
        state.closed_until = state.closed_until.max(Some(Instant::now() + wait));
        wait
    }
}

/// What a host takes from one credential.
#[derive(Default)]
struct Limit {
    /// Until when it wants no request.
    until: Option<Instant>,
    /// How many requests it takes until when.
    budget: Option<(u64, Instant)>,
    /// How often in a row it refused without saying for how long.
    strikes: u32,
}

impl State {
    fn pause(&self, credential: Option<&Credential>, now: Instant) -> Option<Duration> {
        let own = self
            .limits
            .get(&credential.cloned())
            .and_then(|limit| limit.until);
        let until = own.max(self.closed_until).filter(|until| *until > now)?;
        Some(until.duration_since(now))
    }

    fn limit(&mut self, credential: Option<&Credential>, now: Instant) -> &mut Limit {
        if self.limits.len() >= MAX_LIMITS {
            self.limits.retain(|_, limit| {
                limit.until.is_some_and(|until| until > now)
                    || limit.budget.is_some_and(|(_, resets)| resets > now)
            });
        }
        self.limits.entry(credential.cloned()).or_default()
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
        let get =
            |name: &str, client: &ClientSettings, plain: bool| hosts.get(HostKey::new(name, client, plain));
        let plain = ClientSettings::default();
        let host = get("r.example", &plain, false);
        assert!(Arc::ptr_eq(&host, &get("r.example", &plain, false)));
        assert!(!Arc::ptr_eq(&host, &get("r.example", &proxied, false)));
        assert!(!Arc::ptr_eq(&host, &get("r.example", &plain, true)));
        assert!(!Arc::ptr_eq(&host, &get("other.example", &plain, false)));
    }

    fn somebody() -> Credential {
        Credential::RegistryToken("t".to_owned())
    }

    fn budget(remaining: u64, seconds: u64) -> Budget {
        Budget {
            remaining,
            resets_in: Duration::from_secs(seconds),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_budget_is_spent_by_all_and_filled_again() {
        let host = Host::new();
        host.note_budget(None, Some(budget(2, 30)));
        assert_eq!(host.admit(None), Ok(()));
        assert_eq!(host.admit(None), Ok(()));
        assert_eq!(host.admit(None), Err(Duration::from_secs(30)));
        // A request that was under way comes back with the number that it saw.
        host.note_budget(None, Some(budget(1, 30)));
        assert_eq!(host.admit(None), Err(Duration::from_secs(30)));
        assert_eq!(
            host.admit(Some(&somebody())),
            Ok(()),
            "who identifies has a budget of their own"
        );
        tokio::time::advance(Duration::from_secs(31)).await;
        assert_eq!(host.admit(None), Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_is_for_one_credential_and_a_closed_host_for_all() {
        let host = Host::new();
        assert_eq!(
            host.set_pause(None, Some(Duration::from_secs(7))),
            Duration::from_secs(7)
        );
        assert_eq!(host.pause(None), Some(Duration::from_secs(7)));
        assert_eq!(host.pause(Some(&somebody())), None);
        host.close(Duration::from_secs(3));
        assert_eq!(host.admit(Some(&somebody())), Err(Duration::from_secs(3)));
        tokio::time::advance(Duration::from_secs(8)).await;
        assert_eq!(host.admit(None), Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_without_a_length_doubles_until_a_request_gets_through() {
        let host = Host::new();
        let pause = || host.set_pause(None, None).as_secs();
        assert_eq!([pause(), pause(), pause()], [5, 10, 20]);
        assert!((0..20).all(|_| pause() <= 900));
        host.note_budget(None, None);
        assert_eq!(pause(), 5);
        assert_eq!(host.set_pause(None, Some(Duration::from_hours(24))), MAX_PAUSE);
    }
}
