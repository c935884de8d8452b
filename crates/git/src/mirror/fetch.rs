//! Fetching: the references first, and objects only when a reference moved.

use super::local::LocalRepository;
use super::{Mirror, RemoteRef, State, compact, disk, walk};
use crate::pack::{self, IndexFailure};
use crate::remote::RemoteFailure;
use crate::wire::{Advertised, upload};
use crate::{ObjectId, RefName, RefQuery, Snapshot, text};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, MutexGuard, OnceLock, PoisonError};

/// Most tips that are named to a server as known; more would only lengthen the request.
const MOST_HAVES: usize = 32;

/// Most references that are remembered; above it, only those that were asked for last.
const MOST_REFERENCES: usize = 10_000;

/// A fetch failed; the mirror is as it was.
#[derive(Debug, Clone, thiserror::Error)]
pub enum FetchError {
    /// The remote did not serve it.
    #[error(transparent)]
    Remote(#[from] RemoteFailure),
    /// The remote sent a pack that cannot be used.
    #[error("git repository {url} sent a pack that cannot be used: {detail}")]
    Pack {
        /// The repository.
        url: String,
        /// What is wrong.
        detail: String,
    },
    /// The disk does not let us.
    #[error("git mirror {} cannot be written", path.display())]
    Storage {
        /// Its directory.
        path: PathBuf,
        /// Why.
        #[source]
        source: Arc<io::Error>,
    },
}

/// A fetch that some callers wait for together.
#[derive(Debug)]
pub(super) struct Flight {
    queries: Vec<RefQuery>,
    outcome: OnceLock<Result<Snapshot, FetchError>>,
}

/// What a listing of the remote found.
pub(super) struct Listing {
    pub references: BTreeMap<RefName, RemoteRef>,
    pub default_branch: Option<RefName>,
}

impl Mirror {
    /// Lists references of the remote, without fetching their objects.
    pub fn list(&self, queries: &[RefQuery]) -> Result<Vec<RemoteRef>, FetchError> {
        let mut state = self.write();
        let listing = self.listing(&mut state, queries);
        state.release();
        Ok(listing?.references.into_values().collect())
    }

    /// Brings one commit into the mirror by its name, whether or not a reference leads to it, and returns what it holds.
    /// The snapshot names no reference. A commit that is there already is not asked for.
    ///
    /// # Errors
    /// [`FetchError`]. Of a commit that it does not have, or does not give away without a reference, a server says so in
    /// its own words ([`RemoteFailure::Reported`]).
    pub fn fetch_commit(&self, id: ObjectId) -> Result<Snapshot, FetchError> {
        let mut state = self.write();
        let outcome = self.fetch_commit_now(&mut state, id);
        state.release();
        outcome
    }

    fn fetch_commit_now(&self, state: &mut State, id: ObjectId) -> Result<Snapshot, FetchError> {
        self.heal(state).map_err(|source| self.storage_error(source))?;
        let is_there = state.packs.contains(id) && walk::reachable(&state.packs, [id]).is_ok();
        if !is_there {
            self.fetch_objects(state, BTreeSet::from([id]), &[])?;
        }
        let snapshot = Snapshot::new(BTreeMap::new(), None, state.packs.clone(), self.damaged.clone());
        if let Err(error) = snapshot.commit(&id) {
            return Err(FetchError::Pack {
                url: self.remote.url().to_string(),
                detail: error.to_string(),
            });
        }
        state.pin(id);
        if !is_there {
            compact::run(&self.directory, state, &self.limits)
                .map_err(|source| self.storage_error(source))?;
        }
        Ok(snapshot)
    }

    /// Brings the mirror up to date with some references of the remote, and returns what they hold.
    ///
    /// A reference that the remote does not have is not in the snapshot; that is no error. When no reference moved, the
    /// remote is asked once, for those references alone, and nothing is written. Otherwise only objects that the mirror
    /// lacks are fetched, without history.
    ///
    /// Callers that ask for the same while the mirror is busy share one fetch, which begins after all of them called, so
    /// nobody gets an answer that is older than the question. They share its error, too: a server that is down is not asked
    /// once for each of them. Only that the time of the one who asked was over is nobody else's answer: the next one asks.
    ///
    /// # Errors
    /// [`FetchError`]; the mirror is then as it was before.
    pub fn fetch(&self, queries: &[RefQuery]) -> Result<Snapshot, FetchError> {
        let flight = self.board(queries);
        self.fly(&flight, queries)
    }

    /// Waits for the turn of a fetch; the first of those who share it makes it.
    fn fly(&self, flight: &Arc<Flight>, queries: &[RefQuery]) -> Result<Snapshot, FetchError> {
        let mut state = self.write();
        if let Some(outcome) = flight.outcome.get() {
            return outcome.clone();
        }
        // From here on it is under way, and what it finds may be too old for later callers.
        self.flights().retain(|waiting| !Arc::ptr_eq(waiting, flight));
        let outcome = self.fetch_now(&mut state, queries);
        state.release();
        if outcome.is_ok() || !self.remote.caller_gave_up() {
            flight.outcome.set(outcome.clone()).ok();
        }
        outcome
    }

    /// What the mirror holds, without asking the remote: the references of the last fetches that still exist, and all objects
    /// of their commits.
    #[must_use]
    pub fn known(&self) -> Snapshot {
        let state = self.write();
        Snapshot::new(
            state.references.clone(),
            None,
            state.packs.clone(),
            self.damaged.clone(),
        )
    }

    /// The fetch of these references that has not begun yet.
    fn board(&self, queries: &[RefQuery]) -> Arc<Flight> {
        let mut flights = self.flights();
        if let Some(flight) = flights.iter().find(|flight| flight.queries == queries) {
            return Arc::clone(flight);
        }
        let flight = Arc::new(Flight {
            queries: queries.to_vec(),
            outcome: OnceLock::new(),
        });
        flights.push(Arc::clone(&flight));
        flight
    }

    fn flights(&self) -> MutexGuard<'_, Vec<Arc<Flight>>> {
        self.flights.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fetch_now(&self, state: &mut State, queries: &[RefQuery]) -> Result<Snapshot, FetchError> {
        let storage = |source| self.storage_error(source);
        self.heal(state).map_err(storage)?;
        let Listing {
            references: found,
            default_branch,
        } = self.listing(state, queries)?;
        let missing: BTreeSet<ObjectId> = found
            .values()
            .filter(|reference| !holds(state, reference))
            .map(|reference| reference.id)
            .collect();
        if !missing.is_empty() {
            self.fetch_objects(state, missing, queries)?;
            if let Some(reference) = found
                .values()
                .find(|reference| !state.packs.contains(reference.commit()))
            {
                let detail = format!("the commit of {} is not in it", reference.name);
                return Err(FetchError::Pack {
                    url: self.remote.url().to_string(),
                    detail,
                });
            }
        }
        let asked = |name: &RefName| queries.iter().any(|query| query.matches(name));
        let mut references: BTreeMap<RefName, RemoteRef> = state
            .references
            .iter()
            .filter(|(name, _)| !asked(name))
            .map(|(n, r)| (n.clone(), r.clone()))
            .collect();
        if references.len() > MOST_REFERENCES {
            references.clear();
        }
        references.extend(found.clone());
        self.store_references(state, references).map_err(storage)?;
        Ok(Snapshot::new(
            found,
            default_branch,
            state.packs.clone(),
            self.damaged.clone(),
        ))
    }

    pub(super) fn listing(&self, state: &mut State, queries: &[RefQuery]) -> Result<Listing, RemoteFailure> {
        let advertised = if self.is_local() {
            self.open_local()?.list()?
        } else {
            self.list_over_network(state, queries)?
        };
        let mut listing = Listing {
            references: BTreeMap::new(),
            default_branch: None,
        };
        let wants_head = queries.contains(&RefQuery::DefaultBranch);
        for Advertised {
            name,
            id,
            peeled,
            target,
        } in advertised
        {
            if name == "HEAD" {
                let branch = target.and_then(|target| RefName::new(target).ok());
                if let (true, Some(branch)) = (wants_head, branch) {
                    if let Some(id) = id {
                        let reference = RemoteRef {
                            name: branch.clone(),
                            id,
                            peeled,
                        };
                        listing.references.insert(branch.clone(), reference);
                    }
                    listing.default_branch = Some(branch);
                }
                continue;
            }
            // A server may hold names that are hostile here; nobody can ask for them, so they are not seen.
            if let (Ok(name), Some(id)) = (RefName::new(name), id)
                && queries.iter().any(|query| query.matches(&name))
            {
                listing
                    .references
                    .insert(name.clone(), RemoteRef { name, id, peeled });
            }
        }
        Ok(listing)
    }

    pub(super) fn open_local(&self) -> Result<LocalRepository, RemoteFailure> {
        LocalRepository::open(self.remote.url())
    }

    fn list_over_network(
        &self,
        state: &mut State,
        queries: &[RefQuery],
    ) -> Result<Vec<Advertised>, RemoteFailure> {
        let prefixes: Vec<&str> = queries.iter().map(RefQuery::prefix).collect();
        if let Some(service) = state.upload.as_ref().filter(|service| service.is_lasting()) {
            match upload::list(&self.remote, service, &prefixes) {
                // The server may have moved or changed; the long way tells.
                Err(
                    RemoteFailure::NotFound { .. }
                    | RemoteFailure::Protocol { .. }
                    | RemoteFailure::Reported { .. }
                    | RemoteFailure::RedirectRefused { .. },
                ) => {}
                outcome => return outcome,
            }
        }
        state.upload = None;
        let service = upload::discover(&self.remote)?;
        let references = upload::list(&self.remote, &service, &prefixes)?;
        state.upload = Some(service);
        Ok(references)
    }

    fn fetch_objects(
        &self,
        state: &mut State,
        wants: BTreeSet<ObjectId>,
        queries: &[RefQuery],
    ) -> Result<(), FetchError> {
        let directory = disk::pack_directory(&self.directory);
        if self.is_local() {
            let mut pack = self.open_local()?.pack(&wants, &state.packs)?;
            return self.take_in(state, &mut pack, &directory, None);
        }
        let haves = known_tips(state, queries);
        let shallow = haves
            .iter()
            .copied()
            .filter(|tip| super::has_parents(&state.packs, *tip))
            .collect();
        let request = upload::FetchRequest {
            wants: wants.into_iter().collect(),
            haves,
            shallow,
        };
        let service = match state.upload.clone() {
            Some(service) => service,
            None => upload::discover(&self.remote)?,
        };
        let mut band = upload::fetch(&self.remote, &service, &request)?;
        let outcome = self.take_in(state, &mut band, &directory, Some(service.host()));
        if let Some(fatal) = band.fatal() {
            let failure = RemoteFailure::Reported {
                host: service.host(),
                message: text::line(fatal),
            };
            return Err(failure.into());
        }
        outcome?;
        // What follows the pack is only the end of the stream; reading it lets the connection be used again.
        io::copy(&mut io::Read::take(band, 1 << 16), &mut io::sink()).ok();
        Ok(())
    }

    fn storage_error(&self, source: io::Error) -> FetchError {
        FetchError::Storage {
            path: self.directory.clone(),
            source: Arc::new(source),
        }
    }

    fn take_in(
        &self,
        state: &mut State,
        pack: &mut dyn io::Read,
        directory: &std::path::Path,
        host: Option<String>,
    ) -> Result<(), FetchError> {
        let (bytes, objects) = (self.limits.most_pack_bytes, self.limits.most_objects);
        let url = || self.remote.url().to_string();
        match pack::index(pack, directory, &state.packs, bytes, objects) {
            Ok(Some(pack)) => {
                state.packs = state.packs.with(pack);
                Ok(())
            }
            Ok(None) => Ok(()),
            Err(IndexFailure::Read(error)) => match host {
                Some(host) => Err(upload::Answer::new(host).broken(&error).into()),
                None => Err(self.storage_error(error)),
            },
            Err(IndexFailure::Write(error)) => Err(self.storage_error(error)),
            Err(IndexFailure::TooLarge { limit, unit }) => {
                let host = host.unwrap_or_else(url);
                Err(RemoteFailure::TooLarge { host, limit, unit }.into())
            }
            Err(IndexFailure::Malformed(detail)) => Err(FetchError::Pack { url: url(), detail }),
        }
    }
}

/// Whether the mirror has everything that a reference leads to.
///
/// For a tip that it follows this is known. Of an earlier tip that comes back, or of a fetch that was interrupted, some
/// objects may be gone.
fn holds(state: &State, reference: &RemoteRef) -> bool {
    let commit = reference.commit();
    state.packs.contains(reference.id)
        && state.packs.contains(commit)
        && (state.references.values().any(|known| known.commit() == commit)
            || walk::reachable(&state.packs, [commit]).is_ok())
}

/// Tips that the server may build on: first those of the references that are asked for.
///
/// Each one is also named as shallow, if it is: a server that took its history for known would leave out objects that we
/// lack, such as those of a change that is taken back.
fn known_tips(state: &State, queries: &[RefQuery]) -> Vec<ObjectId> {
    let asked = |reference: &&RemoteRef| queries.iter().any(|query| query.matches(&reference.name));
    let (first, others): (Vec<&RemoteRef>, Vec<&RemoteRef>) = state.references.values().partition(asked);
    let mut tips: Vec<ObjectId> = Vec::new();
    for tip in first.into_iter().chain(others).map(RemoteRef::commit) {
        if tips.len() < MOST_HAVES && !tips.contains(&tip) && state.packs.contains(tip) {
            tips.push(tip);
        }
    }
    tips
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Credential, HttpClient, HttpFailure, HttpRequest, HttpResponse, Remote};
    use std::cell::Cell;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;
    use std::time::{Duration, Instant};

    thread_local! {
        /// Whether the caller of this thread has no time left.
        static GAVE_UP: Cell<bool> = const { Cell::new(false) };
    }

    /// A server that nobody can reach.
    #[derive(Default)]
    struct Down(AtomicUsize);

    impl HttpClient for Down {
        fn send(&self, _: HttpRequest<'_>) -> Result<HttpResponse, HttpFailure> {
            self.0.fetch_add(1, Ordering::Relaxed);
            let detail = if GAVE_UP.get() {
                "the time is over"
            } else {
                "connection refused"
            };
            Err(HttpFailure {
                detail: detail.to_owned(),
                maybe_sent: false,
            })
        }

        fn caller_gave_up(&self) -> bool {
            GAVE_UP.get()
        }
    }

    #[test]
    fn who_has_no_time_left_does_not_answer_for_the_others() {
        let folder = tempfile::tempdir().unwrap();
        let server = Arc::new(Down::default());
        let url = "http://git.example.org/x".parse().unwrap();
        let mirror = Mirror::open(folder.path(), Remote::new(url, Credential::None, server.clone())).unwrap();
        let main = [RefQuery::branch("main").unwrap()];
        // Three who wait for the same fetch; the first two of them for no longer.
        let flights = [(); 3].map(|()| mirror.board(&main));
        assert!(Arc::ptr_eq(&flights[0], &flights[2]));
        let fly = |flight: &Arc<Flight>, gave_up: bool| {
            GAVE_UP.set(gave_up);
            let error = mirror.fly(flight, &main).unwrap_err().to_string();
            GAVE_UP.set(false);
            error
        };
        for flight in &flights[..2] {
            assert!(fly(flight, true).ends_with("the time is over"));
        }
        assert!(fly(&flights[2], false).ends_with("connection refused"));
        let requests = server.0.load(Ordering::Relaxed);
        // What the third one found holds for whoever came aboard with it, in time or not.
        assert!(fly(&flights[0], true).ends_with("connection refused"));
        assert_eq!(server.0.load(Ordering::Relaxed), requests);
        assert!(mirror.flights().is_empty());
    }

    #[test]
    fn callers_that_wait_for_the_same_share_one_fetch_and_later_ones_do_not() {
        let folder = tempfile::tempdir().unwrap();
        let server = Arc::new(Down::default());
        let url = "http://git.example.org/x".parse().unwrap();
        let remote = Remote::new(url, Credential::None, server.clone());
        let mirror = Mirror::open(folder.path(), remote).unwrap();
        let [main, other] = ["main", "other"].map(|name| [RefQuery::branch(name).unwrap()]);
        let alone = mirror.fetch(&main).unwrap_err().to_string();
        let requests = server.0.swap(0, Ordering::Relaxed);

        let busy = mirror.write();
        thread::scope(|scope| {
            let waiting: Vec<_> = [&main, &main, &main, &other]
                .map(|queries| scope.spawn(|| mirror.fetch(queries).unwrap_err().to_string()))
                .into();
            let deadline = Instant::now() + Duration::from_secs(30);
            let aboard = || -> usize {
                mirror
                    .flights()
                    .iter()
                    .map(|flight| Arc::strong_count(flight) - 1)
                    .sum()
            };
            while aboard() < waiting.len() {
                assert!(Instant::now() < deadline, "{} of them wait", aboard());
                thread::yield_now();
            }
            drop(busy);
            for outcome in waiting {
                assert_eq!(outcome.join().unwrap(), alone);
            }
        });
        assert_eq!(
            server.0.load(Ordering::Relaxed),
            2 * requests,
            "one fetch for each question"
        );
        assert!(mirror.flights().is_empty());
        mirror.fetch(&main).unwrap_err();
        assert_eq!(server.0.load(Ordering::Relaxed), 3 * requests);
    }
}
