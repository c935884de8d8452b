//! Keeps the file up to date: what changed within a short time is one write, behind the reconcilers' backs.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::file::{Change, FileError, TagFile};
use super::{StoredTags, TagStore};
use crate::objects::ObjectKey;

/// Changes within this time are one write.
const WINDOW: Duration = Duration::from_millis(500);

/// How long to wait after a write that failed.
const PAUSE: Duration = Duration::from_secs(30);

/// The file, and what it has.
#[derive(Debug)]
pub(super) struct Keeper {
    path: PathBuf,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    /// `None` after a write that failed: what it left behind is not known.
    file: Option<TagFile>,
    written: HashMap<ObjectKey, Arc<StoredTags>>,
}

impl TagStore {
    /// A store with the tags of an earlier process, which keeps its own for the next one in the file `path`. Where that cannot
    /// be, the log says so and the tags are kept in memory only.
    ///
    /// # Guarantees
    /// A process that is killed leaves a file that the next one reads: each write is whole or not there. The file may lack
    /// what was found within the last half second; see [`StoredTags::is_current`] for why that does no harm. A file that is
    /// damaged, locked or written in another format is moved aside (`.unusable`) and built anew.
    pub async fn open(path: &Path) -> Self {
        let owned = path.to_owned();
        let opened = tokio::task::spawn_blocking(move || TagFile::open(&owned)).await;
        let opened = opened.unwrap_or_else(|error| Err(FileError::Panic(error.to_string())));
        match opened {
            Ok((file, restored)) => {
                info!(file = %path.display(), repositories = restored.len(), "tags are kept between restarts");
                let inner = Inner {
                    file: Some(file),
                    written: restored.clone(),
                };
                let keeper = Keeper {
                    path: path.to_owned(),
                    inner: Mutex::new(inner),
                };
                let store = Self::new(HashMap::new(), Some(keeper));
                store.restore(restored);
                store
            }
            Err(error) => {
                warn!(
                    file = %path.display(), %error,
                    "tags are not kept: after a restart all images are scanned again"
                );
                Self::default()
            }
        }
    }

    fn restore(&self, restored: HashMap<ObjectKey, Arc<StoredTags>>) {
        let mut stored = self.stored.write().unwrap_or_else(PoisonError::into_inner);
        for (key, tags) in restored {
            let list = self.share(Arc::clone(&tags.tags));
            let tags = if Arc::ptr_eq(&list, &tags.tags) {
                tags
            } else {
                let shared = StoredTags {
                    tags: list,
                    ..StoredTags::clone(&tags)
                };
                Arc::new(shared)
            };
            stored.insert(key, tags);
        }
    }

    /// Writes what changes until `stop`; what changes after that is for [`Self::flush`].
    pub async fn keep(self: Arc<Self>, stop: CancellationToken) {
        if self.keeper.is_none() {
            stop.cancelled().await;
            return;
        }
        let mut pause = WINDOW;
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.wake.notified() => {}
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
            }
            let is_written = Arc::clone(&self).flush().await;
            pause = if is_written { WINDOW } else { PAUSE };
        }
    }

    /// Writes what changed. Gives whether the file has everything now.
    pub async fn flush(self: Arc<Self>) -> bool {
        let written = tokio::task::spawn_blocking(move || {
            let Some(keeper) = &self.keeper else { return true };
            match keeper.write(&self) {
                Ok(()) => true,
                Err(error) => {
                    warn!(file = %keeper.path.display(), %error, "tags could not be written and will be again");
                    self.wake.notify_one();
                    false
                }
            }
        });
        written.await.unwrap_or_default()
    }
}

impl Keeper {
    /// As after a write that failed.
    #[cfg(test)]
    pub(super) fn fail(&self) {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).file = None;
    }

    fn write(&self, store: &TagStore) -> Result<(), FileError> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let Inner { file, written } = &mut *inner;
        if file.is_none() {
            // What the file has now is read again; one that is broken is moved aside. It is never removed before another is
            // there: on a full disk that would lose what was kept well.
            let (opened, restored) = TagFile::open(&self.path)?;
            let shared = restored.into_iter().map(|(key, read)| {
                let own = store.get(&key).filter(|own| own.keeps_what(&read));
                (key, own.unwrap_or(read))
            });
            *written = shared.collect();
            *file = Some(opened);
            let stored = store.stored.read().unwrap_or_else(PoisonError::into_inner);
            let all: Vec<ObjectKey> = stored.keys().cloned().collect();
            drop(stored);
            let mut changed = store.changed.lock().unwrap_or_else(PoisonError::into_inner);
            changed.extend(all);
            changed.extend(written.keys().cloned());
        }
        let keys = std::mem::take(&mut *store.changed.lock().unwrap_or_else(PoisonError::into_inner));
        let changes: Vec<Change> = keys
            .into_iter()
            .filter_map(|key| {
                let (before, after) = (written.get(&key).cloned(), store.get(&key));
                let is_same = before.as_ref().zip(after.as_ref());
                let is_same = is_same.is_some_and(|(before, after)| before.keeps_what(after));
                (!is_same).then_some(Change { key, before, after })
            })
            .collect();
        if changes.is_empty() {
            return Ok(());
        }
        let result = file.as_ref().map_or(Ok(()), |file| file.write(&changes));
        if let Err(error) = result {
            *file = None;
            let mut changed = store.changed.lock().unwrap_or_else(PoisonError::into_inner);
            changed.extend(changes.into_iter().map(|change| change.key));
            return Err(error);
        }
        for change in changes {
            match change.after {
                Some(after) => written.insert(change.key, after),
                None => written.remove(&change.key),
            };
        }
        Ok(())
    }
}
