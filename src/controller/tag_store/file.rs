//! The file with the tags: a database that a process opens while it holds the lease.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use redb::{Database, DatabaseError, ReadableDatabase as _, ReadableTable as _, TableDefinition};
use tracing::{error, warn};

use super::StoredTags;
use super::record::{self, BrokenRecord};
use crate::objects::ObjectKey;

const FORMAT: TableDefinition<'_, &str, u64> = TableDefinition::new("format");
const HEADS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("heads");
const PIECES: TableDefinition<'_, (&str, &str), &[u8]> = TableDefinition::new("pieces");

/// What is in the file is in memory too, so hardly anything is read twice.
const CACHE: usize = 1 << 20;

/// How long to wait for another process to let go of the file.
const LOCKED: Duration = Duration::from_secs(3);
const LOCK_CHECK: Duration = Duration::from_millis(100);

/// Why the file cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum FileError {
    /// It cannot be made, read or written.
    #[error("{0}")]
    Database(#[from] Box<redb::Error>),
    /// A folder or file cannot be made or moved.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// It was written in another format.
    #[error("it has format {found}, and this version reads {}", record::LAYOUT)]
    Format {
        /// The format in the file.
        found: u64,
    },
    /// The database gave up.
    #[error("the database failed: {0}")]
    Panic(String),
}

/// A change of what is stored for one repository.
#[derive(Debug)]
pub(super) struct Change {
    pub(super) key: ObjectKey,
    /// What the file has; `None` also where that is not known.
    pub(super) before: Option<Arc<StoredTags>>,
    /// What it shall have; `None` when the repository is forgotten.
    pub(super) after: Option<Arc<StoredTags>>,
}

/// The open file.
#[derive(Debug)]
pub(super) struct TagFile {
    database: Database,
}

/// What an earlier process left.
pub(super) type Restored = HashMap<ObjectKey, Arc<StoredTags>>;

impl TagFile {
    /// Opens the file, or makes one. One that cannot be used is moved aside, and a new one takes its place: what is lost is
    /// found again by scanning.
    pub(super) fn open(path: &Path) -> Result<(Self, Restored), FileError> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        match Self::open_as_it_is(path) {
            Ok(opened) => Ok(opened),
            Err(FileError::Io(error)) => Err(FileError::Io(error)),
            Err(reason) => {
                let aside = aside(path);
                error!(
                    file = %path.display(), moved_to = %aside.display(), %reason,
                    "the tags of the last process cannot be used, the file was moved aside and all images are scanned again"
                );
                std::fs::rename(path, &aside)?;
                Self::open_as_it_is(path)
            }
        }
    }

    fn open_as_it_is(path: &Path) -> Result<(Self, Restored), FileError> {
        guarded(|| {
            let file = Self {
                database: create(path)?,
            };
            file.check_format()?;
            let restored = file.read()?;
            Ok((file, restored))
        })
    }

    /// The format is written into a new file.
    fn check_format(&self) -> Result<(), FileError> {
        let transaction = self.database.begin_write().map_err(boxed)?;
        let found = {
            let mut format = transaction.open_table(FORMAT).map_err(boxed)?;
            let found = format.get("format").map_err(boxed)?.map(|value| value.value());
            if found.is_none() {
                format.insert("format", record::LAYOUT).map_err(boxed)?;
            }
            found
        };
        match found {
            None => {
                transaction.open_table(HEADS).map_err(boxed)?;
                transaction.open_table(PIECES).map_err(boxed)?;
                transaction.commit().map_err(boxed)?;
                Ok(())
            }
            Some(record::LAYOUT) => Ok(transaction.abort().map_err(boxed)?),
            Some(found) => Err(FileError::Format { found }),
        }
    }

    fn read(&self) -> Result<Restored, FileError> {
        let transaction = self.database.begin_read().map_err(boxed)?;
        let heads = transaction.open_table(HEADS).map_err(boxed)?;
        let pieces = transaction.open_table(PIECES).map_err(boxed)?;
        let mut restored = Restored::new();
        for entry in heads.iter().map_err(boxed)? {
            let (name, head) = entry.map_err(boxed)?;
            let name = name.value();
            let Some(key) = key_of(name) else { continue };
            let end = after(name);
            let range = pieces
                .range::<(&str, &str)>((name, "")..(end.as_str(), ""))
                .map_err(boxed)?;
            let pieces = range.rev().map(|entry| match entry {
                Ok((_, piece)) => Ok(piece.value().to_vec()),
                Err(_) => Err(BrokenRecord::CutOff),
            });
            match record::read(head.value(), pieces) {
                Ok(stored) => {
                    restored.insert(key, Arc::new(stored));
                }
                Err(error) => {
                    warn!(object = %key, %error, "kept tags cannot be used, and the image is scanned again");
                }
            }
        }
        Ok(restored)
    }

    /// Makes the changes, all or none, and returns when they would survive a loss of power.
    pub(super) fn write(&self, changes: &[Change]) -> Result<(), FileError> {
        guarded(|| {
            let transaction = self.database.begin_write().map_err(boxed)?;
            {
                let mut heads = transaction.open_table(HEADS).map_err(boxed)?;
                let mut pieces = transaction.open_table(PIECES).map_err(boxed)?;
                for change in changes {
                    let name = name_of(&change.key);
                    write_head(&mut heads, &name, change)?;
                    write_pieces(&mut pieces, &name, change)?;
                }
            }
            transaction.commit().map_err(boxed)?;
            Ok(())
        })
    }
}

fn write_head(
    heads: &mut redb::Table<'_, &'static str, &'static [u8]>,
    name: &str,
    change: &Change,
) -> Result<(), FileError> {
    match &change.after {
        None => drop(heads.remove(name).map_err(boxed)?),
        Some(after) => {
            let head = record::head(after);
            drop(heads.insert(name, head.as_slice()).map_err(boxed)?);
        }
    }
    Ok(())
}

fn write_pieces(
    table: &mut redb::Table<'_, (&'static str, &'static str), &'static [u8]>,
    name: &str,
    change: &Change,
) -> Result<(), FileError> {
    let pieces = |stored: &Option<Arc<StoredTags>>| -> Vec<(String, Vec<u8>)> {
        let stored = stored.as_deref();
        let pieces = stored.map(|stored| record::pieces(&stored.tags, &stored.seen));
        let pieces = pieces.into_iter().flatten();
        pieces.map(|(first, piece)| (first.to_owned(), piece)).collect()
    };
    if let (Some(before), Some(after)) = (&change.before, &change.after)
        && before.tags == after.tags
        && before.seen == after.seen
    {
        return Ok(());
    }
    let new: std::collections::BTreeMap<_, _> = pieces(&change.after).into_iter().collect();
    if change.before.is_none() || change.after.is_none() {
        // What the file has is not known, or all of it has to go.
        let end = after(name);
        table
            .retain_in::<(&str, &str), _>((name, "")..(end.as_str(), ""), |_, _| false)
            .map_err(boxed)?;
    }
    let old: std::collections::BTreeMap<_, _> = pieces(&change.before).into_iter().collect();
    for first in old.keys().filter(|first| !new.contains_key(*first)) {
        drop(table.remove((name, first.as_str())).map_err(boxed)?);
    }
    for (first, piece) in &new {
        if old.get(first) != Some(piece) {
            drop(
                table
                    .insert((name, first.as_str()), piece.as_slice())
                    .map_err(boxed)?,
            );
        }
    }
    Ok(())
}

fn create(path: &Path) -> Result<Database, FileError> {
    let started = std::time::Instant::now();
    loop {
        let opened = Database::builder()
            .set_cache_size(CACHE)
            .set_check_integrity_on_open(true)
            .create(path);
        match opened {
            Err(DatabaseError::DatabaseAlreadyOpen) if started.elapsed() < LOCKED => {
                std::thread::sleep(LOCK_CHECK);
            }
            // The other two say that the file is cut off or no database.
            Err(DatabaseError::Storage(redb::StorageError::Io(error)))
                if !matches!(
                    error.kind(),
                    std::io::ErrorKind::InvalidData | std::io::ErrorKind::UnexpectedEof
                ) =>
            {
                return Err(FileError::Io(error));
            }
            opened => return Ok(opened.map_err(boxed)?),
        }
    }
}

/// Where a file goes that cannot be used; one that went there before is lost.
fn aside(path: &Path) -> PathBuf {
    path.with_extension("unusable")
}

fn boxed(error: impl Into<redb::Error>) -> Box<redb::Error> {
    Box::new(error.into())
}

/// A damaged file makes the database panic in places.
fn guarded<T>(work: impl FnOnce() -> Result<T, FileError>) -> Result<T, FileError> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<&str>().copied();
        let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
        Err(FileError::Panic(text.unwrap_or("unknown").to_owned()))
    })
}

fn name_of(key: &ObjectKey) -> String {
    format!("{}/{}", key.namespace, key.name)
}

fn key_of(name: &str) -> Option<ObjectKey> {
    let (namespace, name) = name.split_once('/')?;
    Some(ObjectKey::new(namespace, name))
}

/// The smallest text that is greater than `name` and no beginning of a longer name.
fn after(name: &str) -> String {
    format!("{name}\0")
}
