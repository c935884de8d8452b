//! One mirror for each repository and access, opened once and shared by all objects that use it.

use std::collections::HashMap;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use fluxbot_git::{InvalidRemoteUrl, Mirror, MirrorError, Remote, RemoteUrl, Ssh};
use sha2::{Digest as _, Sha256};
use tokio::runtime::Handle;

use super::github_app::AppCredentials;
use super::ssh::default_connections;
use super::{GitAccess, GitHttp, GitHubApps};
use crate::hexadecimal::hexadecimal;
use crate::http::HttpClients;

/// Bytes of the hash that names a mirror's folder.
const NAME_BYTES: usize = 16;

/// The mirrors of a process, in one folder that belongs to them. Clones share them.
///
/// # Guarantees
/// - Of all callers that open the same repository with the same access at the same time one opens it, the others wait; later
///   callers get the same mirror. A failure is not remembered.
/// - Two accesses never share a mirror: what a server shows to one credential, another one does not see.
/// - Mirrors last from one process to the next; a damaged one is replaced by an empty one when it is opened.
#[derive(Clone)]
pub struct Mirrors {
    shared: Arc<Shared>,
}

struct Shared {
    folder: PathBuf,
    clients: HttpClients,
    apps: GitHubApps,
    ssh: Ssh,
    runtime: Handle,
    slots: Mutex<HashMap<String, Arc<Slot>>>,
}

/// The place of one mirror. Whoever opens it holds the lock, so the others wait.
#[derive(Default)]
struct Slot {
    opened: Mutex<Option<Opened>>,
}

struct Opened {
    mirror: Arc<Mirror>,
    last_use: Instant,
}

/// A mirror cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The URL cannot be used.
    #[error(transparent)]
    Url(#[from] InvalidRemoteUrl),
    /// The mirror's folder cannot be used, or another process uses it.
    #[error(transparent)]
    Mirror(#[from] MirrorError),
}

impl Mirrors {
    /// Mirrors in `folder`, which is created when the first one is opened. Must be called within the runtime that later
    /// carries the requests.
    #[must_use]
    pub fn new(folder: impl Into<PathBuf>, clients: HttpClients) -> Self {
        Self::with_ssh(folder, clients, default_connections(Handle::current()))
    }

    /// As [`Mirrors::new`], with SSH connections made by `ssh`, see [`super::ssh_connections`].
    #[must_use]
    pub fn with_ssh(folder: impl Into<PathBuf>, clients: HttpClients, ssh: Ssh) -> Self {
        Self {
            shared: Arc::new(Shared {
                folder: folder.into(),
                apps: GitHubApps::new(clients.clone()),
                clients,
                ssh,
                runtime: Handle::current(),
                slots: Mutex::default(),
            }),
        }
    }

    /// The mirror of the repository at `url` for this access. Sends nothing.
    ///
    /// Blocks: call it, and use the mirror, from a thread that may.
    pub fn open(&self, url: &str, access: &GitAccess) -> Result<Arc<Mirror>, OpenError> {
        let url: RemoteUrl = url.parse()?;
        let name = folder_name(&url, access);
        let slot = {
            let mut slots = self.shared.slots.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(slots.entry(name.clone()).or_default())
        };
        let mut opened = slot.opened.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(opened) = opened.as_mut() {
            opened.last_use = Instant::now();
            return Ok(Arc::clone(&opened.mirror));
        }
        let remote = self.remote(url, access);
        let mirror = Arc::new(Mirror::open(&self.shared.folder.join(name), remote)?);
        if let Some(reason) = mirror.recreated_because() {
            tracing::warn!(url = %mirror.remote().url(), reason, "replaced a git mirror that could not be used");
        }
        *opened = Some(Opened {
            mirror: Arc::clone(&mirror),
            last_use: Instant::now(),
        });
        Ok(mirror)
    }

    fn remote(&self, url: RemoteUrl, access: &GitAccess) -> Remote {
        let shared = &self.shared;
        if let (Some(credential), true) = (&access.ssh, url.is_ssh()) {
            return Remote::over_ssh(url, credential.clone(), shared.ssh.clone());
        }
        let http = GitHttp::on(
            shared.runtime.clone(),
            shared.clients.clone(),
            access.settings.clone(),
        );
        let Some(app) = &access.app else {
            return Remote::new(url, access.credential.clone(), Arc::new(http));
        };
        let credentials = AppCredentials {
            apps: shared.apps.clone(),
            app: app.clone(),
            settings: access.settings.clone(),
            runtime: shared.runtime.clone(),
        };
        Remote::with_credentials(url, Arc::new(credentials), Arc::new(http))
    }

    /// Closes and deletes the mirrors that nobody has opened for `idle` and nobody holds, those of earlier processes
    /// included. Gives their number.
    ///
    /// A credential that is replaced leaves a mirror behind; without this they would fill the disk.
    ///
    /// Blocks.
    pub fn sweep(&self, idle: Duration) -> usize {
        let mut removed = 0;
        let mut slots = self.shared.slots.lock().unwrap_or_else(PoisonError::into_inner);
        slots.retain(|name, slot| {
            // Somebody is opening it right now.
            let Ok(mut opened) = slot.opened.try_lock() else {
                return true;
            };
            let unused = opened.as_ref().is_none_or(|opened| {
                Arc::strong_count(&opened.mirror) == 1 && opened.last_use.elapsed() >= idle
            });
            if !unused || Arc::strong_count(slot) > 1 {
                return true;
            }
            // Its directory lock goes with it, so the folder is removed after it.
            if opened.take().is_some() {
                removed += usize::from(fs::remove_dir_all(self.shared.folder.join(name)).is_ok());
            }
            false
        });
        // The lock on the slots is kept, so nobody opens a folder between the question and its removal.
        for folder in left_over(&self.shared.folder, idle) {
            let known = folder
                .file_name()
                .and_then(|name| name.to_str())
                .is_none_or(|name| slots.contains_key(name));
            // Another process that still uses it holds the lock.
            let lock = fs::File::open(folder.join("fluxbot.lock"));
            if !known && lock.is_ok_and(|lock| lock.try_lock().is_ok()) {
                removed += usize::from(fs::remove_dir_all(&folder).is_ok());
            }
        }
        removed
    }
}

impl fmt::Debug for Mirrors {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Mirrors")
            .field("folder", &self.shared.folder)
            .finish_non_exhaustive()
    }
}

/// The folder of a mirror: nothing of URL or credential can be read from it.
fn folder_name(url: &RemoteUrl, access: &GitAccess) -> String {
    let mut hash = Sha256::new();
    hash.update(access.identity().as_bytes());
    hash.update(url.to_string());
    hexadecimal(hash.finalize().get(..NAME_BYTES).unwrap_or_default())
}

/// Folders with a mirror's name that no process has opened for that long; opening writes the lock file anew.
fn left_over(folder: &Path, idle: Duration) -> Vec<PathBuf> {
    let is_old = |path: &Path| {
        let opened = fs::metadata(path.join("fluxbot.lock")).and_then(|lock| lock.modified());
        opened.is_ok_and(|opened| {
            SystemTime::now()
                .duration_since(opened)
                .is_ok_and(|age| age >= idle)
        })
    };
    let is_mirror = |path: &Path| {
        path.file_name()
            .and_then(|name| name.to_str())
            .is_some_and(|name| {
                name.len() == 2 * NAME_BYTES && name.bytes().all(|byte| byte.is_ascii_hexdigit())
            })
    };
    fs::read_dir(folder)
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| is_mirror(path) && is_old(path))
        .collect()
}
