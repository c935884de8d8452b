//! A bare repository on disk that follows a remote one: fetched in steps, written by one at a time.

mod compact;
mod disk;
mod fetch;
pub(crate) mod local;
mod push;
mod walk;

pub use fetch::FetchError;
pub use push::{PushError, PushOptions, Pushed, RefUpdate};

use crate::pack::{Object, ObjectKind, Packs};
use crate::remote::Remote;
use crate::wire::receive::ReceiveService;
use crate::wire::upload::UploadService;
use crate::{ObjectId, RefName};
use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A bare mirror of one remote repository, for one credential. Share it by reference or in an `Arc`.
///
/// # Guarantees
/// - One writer: calls of [`Mirror::fetch`] and [`Mirror::push`] wait for each other, equal fetches that wait are made once for
///   all of their callers, and a second process that opens
///   the same directory gets [`MirrorError::InUse`].
/// - Ended at any moment, even by `kill -9`, it opens again, with what it had or empty; it holds nothing that the remote
///   does not have.
/// - It stays small: only tips are kept, without their history, and packs are merged when there are more than
///   [`Limits::most_packs`].
/// - No hook, filter, attribute, submodule, alternate or configuration of any repository or machine is honoured.
#[derive(Debug)]
pub struct Mirror {
    directory: PathBuf,
    remote: Remote,
    limits: Limits,
    recreated_because: Option<String>,
    damaged: Arc<AtomicBool>,
    state: Mutex<State>,
    /// The fetches that wait for their turn.
    flights: Mutex<Vec<Arc<fetch::Flight>>>,
    _lock: disk::DirectoryLock,
}

/// What a mirror accepts from a remote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Most bytes of one incoming pack; 4 GiB by default.
    pub most_pack_bytes: u64,
    /// Most objects in one incoming pack; 10 million by default.
    pub most_objects: u64,
    /// Most bytes of one object; 512 MiB by default.
    pub largest_object: usize,
    /// Number of packs above which they are merged; 24 by default.
    pub most_packs: usize,
}

/// A reference of the remote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteRef {
    /// Its full name.
    pub name: RefName,
    /// The object that it points at: a commit, or an annotated tag.
    pub id: ObjectId,
    /// The object behind an annotated tag.
    pub peeled: Option<ObjectId>,
}

/// A mirror cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum MirrorError {
    /// Another process, or another part of this one, has it open.
    #[error("git mirror {} is in use by another process", path.display())]
    InUse {
        /// Its directory.
        path: PathBuf,
    },
    /// The disk does not let us.
    #[error("git mirror {} cannot be opened", path.display())]
    Storage {
        /// The file or directory.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// What the mirror knows.
#[derive(Debug)]
struct State {
    packs: Packs,
    references: BTreeMap<RefName, RemoteRef>,
    upload: Option<UploadService>,
    receive: Option<ReceiveService>,
    /// Commits that were fetched by their names last, and are kept when packs are merged.
    pinned: VecDeque<ObjectId>,
}

/// Most commits that are kept although no reference leads to them.
const MOST_PINNED: usize = 64;

impl State {
    /// Ends what a server keeps running for us alone.
    fn release(&mut self) {
        self.upload.take_if(|service| !service.is_lasting());
        self.receive.take_if(|service| !service.is_lasting());
    }

    fn pin(&mut self, id: ObjectId) {
        self.pinned.retain(|pinned| *pinned != id);
        self.pinned.push_back(id);
        if self.pinned.len() > MOST_PINNED {
            self.pinned.pop_front();
        }
    }
}

impl RemoteRef {
    /// The commit at the tip, behind an annotated tag where there is one.
    #[must_use]
    pub fn commit(&self) -> ObjectId {
        self.peeled.unwrap_or(self.id)
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            most_pack_bytes: 4 << 30,
            most_objects: 10_000_000,
            largest_object: 512 << 20,
            most_packs: 24,
        }
    }
}

impl Mirror {
    /// Opens the mirror in `directory`, and creates it if it is not there.
    ///
    /// Left-overs of a process that ended in the middle are removed. A mirror that is damaged, or that followed another
    /// URL, is replaced by an empty one: see [`Mirror::recreated_because`]. The directory belongs to the mirror.
    pub fn open(directory: &Path, remote: Remote) -> Result<Self, MirrorError> {
        Self::open_with(directory, remote, Limits::default())
    }

    /// Opens the mirror with limits other than the usual ones.
    pub fn open_with(directory: &Path, remote: Remote, limits: Limits) -> Result<Self, MirrorError> {
        let lock = disk::lock(directory)?;
        let (loaded, recreated_because) = match disk::load(directory, &remote, &limits) {
            Ok(Some(loaded)) => (loaded, None),
            outcome => {
                disk::recreate(directory, &remote).map_err(|source| MirrorError::Storage {
                    path: directory.to_owned(),
                    source,
                })?;
                (disk::empty(&limits), outcome.err())
            }
        };
        let disk::Loaded { packs, references } = loaded;
        Ok(Self {
            directory: directory.to_owned(),
            remote,
            limits,
            recreated_because,
            damaged: Arc::default(),
            state: Mutex::new(State {
                packs,
                references,
                upload: None,
                receive: None,
                pinned: VecDeque::new(),
            }),
            flights: Mutex::default(),
            _lock: lock,
        })
    }

    /// Why what was in the directory could not be used, for the log; `None` when it was sound or there was nothing.
    #[must_use]
    pub fn recreated_because(&self) -> Option<&str> {
        self.recreated_because.as_deref()
    }

    /// The remote that it follows.
    #[must_use]
    pub fn remote(&self) -> &Remote {
        &self.remote
    }

    /// Waits for the writer before us. A writer that panicked changed nothing in memory that is not on disk.
    fn write(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_local(&self) -> bool {
        self.remote.url().path().is_some()
    }

    /// Replaces the objects by nothing when a reader found them damaged.
    fn heal(&self, state: &mut State) -> io::Result<()> {
        if self.damaged.swap(false, Ordering::Relaxed) {
            disk::recreate(&self.directory, &self.remote)?;
            let disk::Loaded { packs, references } = disk::empty(&self.limits);
            state.packs = packs;
            state.references = references;
        }
        Ok(())
    }

    /// Stores references, after the objects that they name; then merges packs if there are too many.
    fn store_references(
        &self,
        state: &mut State,
        references: BTreeMap<RefName, RemoteRef>,
    ) -> io::Result<()> {
        if references != state.references {
            // A crash between the three steps leaves only more shallow commits than needed.
            let old = shallow(&state.packs, state.references.values());
            let new = shallow(&state.packs, references.values());
            disk::write_shallow(&self.directory, old.union(&new))?;
            disk::write_references(&self.directory, references.values())?;
            disk::write_shallow(&self.directory, new.iter())?;
            state.references = references;
        }
        compact::run(&self.directory, state, &self.limits)
    }
}

/// The tips that have parents: there the history of the mirror ends.
fn shallow<'a>(
    packs: &Packs,
    references: impl Iterator<Item = &'a RemoteRef>,
) -> std::collections::BTreeSet<ObjectId> {
    references
        .map(RemoteRef::commit)
        .filter(|tip| has_parents(packs, *tip))
        .collect()
}

fn has_parents(packs: &Packs, commit: ObjectId) -> bool {
    matches!(
        packs.read(commit),
        Ok(Some(Object { kind: ObjectKind::Commit, data }))
            if gix::objs::CommitRefIter::from_bytes(&data, gix::hash::Kind::Sha1).parent_ids().next().is_some()
    )
}

impl std::fmt::Debug for Packs {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_list()
            .entries(self.packs().iter().map(|pack| pack.path()))
            .finish()
    }
}
