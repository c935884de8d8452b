//! Reads, and where asked replaces, the files of a folder on several threads.
//!
//! Every folder and file is opened relative to the folder that holds it and never through a link, so nothing outside the
//! tree is read or written, whatever is exchanged meanwhile, and no path is looked up from its root again.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use rustix::fs::{
    AtFlags, Dir, FileType, Mode, OFlags, Stat, fchmod, fchown, fstat, openat, renameat, statat,
};
use rustix::fs::{Gid, Uid, open, unlinkat};
use rustix::io::Errno;

use super::files::{Directory, FilesError, MAX_FILE};

/// Files of one folder that a thread takes at once: few enough to share a large folder.
const BATCH: usize = 64;

/// More threads than this only wait for the disk.
const MAX_THREADS: usize = 8;

/// How often another name for a temporary file is tried.
const MAX_NAMES: u32 = 1_000;

/// Part of the names of temporary files, so that threads do not meet.
static NEXT_NAME: AtomicU64 = AtomicU64::new(0);

/// What a visit found.
#[derive(Debug)]
pub struct Visited<T> {
    /// What the visitor made of the files, by their paths from the root, in byte order.
    pub found: Vec<(String, T)>,
    /// Files and folders that could not be read or written, in the order of their texts. They stop nothing else.
    pub failures: Vec<FilesError>,
}

/// A file during a visit.
pub struct VisitedFile<'a> {
    /// Its path from the root of the tree.
    pub path: &'a str,
    /// Its content.
    pub content: &'a [u8],
    name: &'a str,
    folder: &'a OwnedFd,
    stat: &'a Stat,
    root: &'a Path,
}

impl VisitedFile<'_> {
    /// Replaces the file by atomic rename: a reader sees the old content or the new one and never a part. The file keeps its
    /// permissions and, where that is allowed, its owner. Nothing is forced to the disk: after a power failure a file may be
    /// the old or the new one.
    ///
    /// # Errors
    /// When the system refuses, or the file was changed since it was read.
    pub fn replace(&self, content: &[u8]) -> Result<(), FilesError> {
        self.write(content).map_err(|source| FilesError::Write {
            path: self.root.join(self.path).display().to_string(),
            source,
        })
    }

    fn write(&self, content: &[u8]) -> io::Result<()> {
        let (mut file, name) = create_beside(self.folder, Mode::from_raw_mode(self.stat.st_mode))?;
        let written = file
            .write_all(content)
            .and_then(|()| self.take_place(&file, &name));
        if written.is_err() {
            // The first error counts.
            let _ = unlinkat(self.folder, &name, AtFlags::empty());
        }
        written
    }

    fn take_place(&self, file: &File, name: &str) -> io::Result<()> {
        let old = self.stat;
        let new = fstat(file)?;
        if (old.st_uid, old.st_gid) != (new.st_uid, new.st_gid) {
            // Only root may give a file away. Without that, it is ours from now on, as with any editor.
            let owner = (Uid::from_raw(old.st_uid), Gid::from_raw(old.st_gid));
            let _ = fchown(file, Some(owner.0), Some(owner.1));
        }
        if old.st_mode != new.st_mode || old.st_uid != new.st_uid || old.st_gid != new.st_gid {
            // The process's mask has taken something away, or the change of the owner has.
            fchmod(file, Mode::from_raw_mode(old.st_mode))?;
        }
        let now = statat(self.folder, self.name, AtFlags::SYMLINK_NOFOLLOW)?;
        let version = |stat: &Stat| (stat.st_ino, stat.st_size, stat.st_mtime, stat.st_mtime_nsec);
        if version(&now) != version(old) {
            return Err(io::Error::other(
                "the file was changed meanwhile; run the command again",
            ));
        }
        Ok(renameat(self.folder, name, self.folder, self.name)?)
    }
}

impl Directory {
    /// Shows `visitor` the files at or below `path` (`""` is the root) whose names `wanted` accepts, on several threads and in
    /// any order, and collects what it makes of them. Symbolic links and `.git` are left out, as by [`super::Files::list`].
    ///
    /// # Errors
    /// When there is nothing at `path`. All later failures are those of single files and folders.
    pub fn visit<T, W, V>(&self, path: &str, wanted: W, visitor: V) -> Result<Visited<T>, FilesError>
    where
        T: Send,
        W: Fn(&str) -> bool + Sync,
        V: Fn(&VisitedFile<'_>) -> Result<Option<T>, FilesError> + Sync,
    {
        let first = self.first_job(path)?;
        let walk = Walk {
            root: self.root(),
            wanted,
            visitor,
            queue: Queue::new(first),
        };
        let threads = thread::available_parallelism().map_or(1, |count| count.get().min(MAX_THREADS));
        let mut found = Vec::new();
        let mut failures = Vec::new();
        thread::scope(|scope| {
            let others: Vec<_> = (1..threads).map(|_| scope.spawn(|| walk.work())).collect();
            let mut parts = vec![walk.work()];
            for other in others {
                match other.join() {
                    Ok(part) => parts.push(part),
                    Err(panic) => std::panic::resume_unwind(panic),
                }
            }
            for part in parts {
                found.extend(part.found);
                failures.extend(part.failures);
            }
        });
        found.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        failures.sort_by_cached_key(ToString::to_string);
        Ok(Visited { found, failures })
    }

    /// Opens what a visit begins with.
    fn first_job(&self, path: &str) -> Result<Job, FilesError> {
        let full = self.root().join(path);
        let error = |source: Errno| read_error(&full, source.into());
        let root = if self.root().as_os_str().is_empty() {
            Path::new(".")
        } else {
            self.root()
        };
        // The user names the root, and may name it by a link.
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let mut folder = open(root, flags, Mode::empty()).map_err(error)?;
        let mut names = path.split('/').filter(|name| !name.is_empty()).peekable();
        while let Some(name) = names.next() {
            if names.peek().is_none() {
                let stat = statat(&folder, name, AtFlags::SYMLINK_NOFOLLOW).map_err(error)?;
                if FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile {
                    let prefix = path.strip_suffix(name).unwrap_or_default().to_owned();
                    return Ok(Job::Files(
                        Arc::new(Folder { folder, prefix }),
                        vec![name.to_owned()],
                    ));
                }
            }
            folder = openat(&folder, name, flags | OFlags::NOFOLLOW, Mode::empty()).map_err(error)?;
        }
        let prefix = if path.is_empty() {
            String::new()
        } else {
            format!("{}/", path.trim_end_matches('/'))
        };
        Ok(Job::List(Arc::new(Folder { folder, prefix })))
    }
}

fn read_error(path: &Path, source: io::Error) -> FilesError {
    FilesError::Io {
        path: path.display().to_string(),
        source,
    }
}

/// Creates a file of a name that nobody has, with no more permissions than `mode`.
fn create_beside(folder: &OwnedFd, mode: Mode) -> io::Result<(File, String)> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut tries = 0;
    loop {
        let number = NEXT_NAME.fetch_add(1, Ordering::Relaxed);
        let name = format!(".fluxbot-{}-{number}", std::process::id());
        match openat(folder, &name, flags, mode) {
            Ok(file) => return Ok((File::from(file), name)),
            Err(Errno::EXIST) if tries < MAX_NAMES => tries += 1,
            Err(error) => return Err(error.into()),
        }
    }
}

/// An open folder.
struct Folder {
    folder: OwnedFd,
    /// What stands before the names of its entries in their paths: empty, or with a `/` at its end.
    prefix: String,
}

/// A piece of work for one thread.
enum Job {
    /// List a folder that is open.
    List(Arc<Folder>),
    /// Open and list a folder within another one.
    Enter(Arc<Folder>, String),
    /// Visit files of a folder.
    Files(Arc<Folder>, Vec<String>),
}

/// The work that is left. The newest is taken first, so that few folders are open at once.
struct Queue {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    jobs: Vec<Job>,
    /// Threads that have a job, which may bring others.
    busy: usize,
}

impl Queue {
    fn new(first: Job) -> Self {
        Self {
            state: Mutex::new(State {
                jobs: vec![first],
                busy: 0,
            }),
            changed: Condvar::new(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next job; nothing when all is done. It must be followed by [`Self::done`].
    fn take(&self) -> Option<Job> {
        let mut state = self.state();
        loop {
            if let Some(job) = state.jobs.pop() {
                state.busy += 1;
                return Some(job);
            }
            if state.busy == 0 {
                return None;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn done(&self, more: Vec<Job>) {
        let mut state = self.state();
        state.busy -= 1;
        state.jobs.extend(more);
        self.changed.notify_all();
    }
}

/// Gives a job back when its thread panics, so that the others end.
struct Busy<'a> {
    queue: &'a Queue,
    more: Vec<Job>,
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.queue.done(std::mem::take(&mut self.more));
    }
}

struct Walk<'a, W, V> {
    root: &'a Path,
    wanted: W,
    visitor: V,
    queue: Queue,
}

impl<W, V> Walk<'_, W, V> {
    fn full(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }

    /// Does jobs until none is left.
    fn work<T>(&self) -> Visited<T>
    where
        W: Fn(&str) -> bool,
        V: Fn(&VisitedFile<'_>) -> Result<Option<T>, FilesError>,
    {
        let mut part = Visited {
            found: Vec::new(),
            failures: Vec::new(),
        };
        let mut content = Vec::new();
        while let Some(job) = self.queue.take() {
            let mut busy = Busy {
                queue: &self.queue,
                more: Vec::new(),
            };
            match job {
                Job::List(folder) => self.list(&folder, &mut busy.more, &mut part.failures),
                Job::Enter(parent, name) => {
                    let path = format!("{}{name}", parent.prefix);
                    match self.enter(&parent, &name) {
                        Ok(Some(folder)) => {
                            let folder = Arc::new(Folder {
                                folder,
                                prefix: format!("{path}/"),
                            });
                            self.list(&folder, &mut busy.more, &mut part.failures);
                        }
                        Ok(None) => {}
                        Err(error) => part.failures.push(read_error(&self.full(&path), error)),
                    }
                }
                Job::Files(folder, names) => {
                    for name in names {
                        let path = format!("{}{name}", folder.prefix);
                        match self.file(&folder.folder, &name, &path, &mut content) {
                            Ok(Some(found)) => part.found.push((path, found)),
                            Ok(None) => {}
                            Err(failure) => part.failures.push(failure),
                        }
                    }
                }
            }
        }
        part
    }

    /// Opens a folder; nothing when it is none any more.
    fn enter(&self, parent: &Folder, name: &str) -> io::Result<Option<OwnedFd>> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        match openat(&parent.folder, name, flags, Mode::empty()) {
            Ok(folder) => Ok(Some(folder)),
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Turns the entries of a folder into jobs.
    fn list(&self, folder: &Arc<Folder>, more: &mut Vec<Job>, failures: &mut Vec<FilesError>)
    where
        W: Fn(&str) -> bool,
    {
        let error = |error: Errno| read_error(&self.full(&folder.prefix), error.into());
        let entries = match Dir::read_from(&folder.folder) {
            Ok(entries) => entries,
            Err(refused) => return failures.push(error(refused)),
        };
        let mut names = Vec::new();
        for entry in entries {
            let entry = match entry {
                Ok(entry) => entry,
                Err(refused) => {
                    failures.push(error(refused));
                    break;
                }
            };
            // A name that is not UTF-8 cannot be a candidate for a marker or a manifest.
            let Ok(name) = entry.file_name().to_str() else {
                continue;
            };
            let kind = match entry.file_type() {
                // Some file systems do not say it in the list.
                FileType::Unknown => match statat(&folder.folder, name, AtFlags::SYMLINK_NOFOLLOW) {
                    Ok(stat) => FileType::from_raw_mode(stat.st_mode),
                    Err(_) => continue,
                },
                known => known,
            };
            match kind {
                // The repository's own data is no part of its content.
                FileType::Directory if !matches!(name, "." | ".." | ".git") => {
                    more.push(Job::Enter(Arc::clone(folder), name.to_owned()));
                }
                FileType::RegularFile if (self.wanted)(name) => names.push(name.to_owned()),
                _ => {}
            }
        }
        while !names.is_empty() {
            let rest = names.split_off(names.len().min(BATCH));
            more.push(Job::Files(
                Arc::clone(folder),
                std::mem::replace(&mut names, rest),
            ));
        }
    }

    /// Reads a file and shows it to the visitor.
    fn file<T>(
        &self,
        folder: &OwnedFd,
        name: &str,
        path: &str,
        content: &mut Vec<u8>,
    ) -> Result<Option<T>, FilesError>
    where
        V: Fn(&VisitedFile<'_>) -> Result<Option<T>, FilesError>,
    {
        let error = |source: io::Error| read_error(&self.full(path), source);
        // Opening a pipe that took the file's place must not wait for its writer.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = match openat(folder, name, flags, Mode::empty()) {
            Ok(file) => File::from(file),
            Err(Errno::NOENT | Errno::LOOP | Errno::NXIO) => return Ok(None),
            Err(refused) => return Err(error(refused.into())),
        };
        let stat = fstat(&file).map_err(|refused| error(refused.into()))?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Ok(None);
        }
        let size = u64::try_from(stat.st_size).unwrap_or(u64::MAX);
        if size > MAX_FILE {
            return Err(FilesError::TooLarge {
                path: self.full(path).display().to_string(),
            });
        }
        content.clear();
        let room = usize::try_from(size).unwrap_or_default();
        content.reserve(room);
        // What is appended meanwhile belongs to the next run.
        file.take(size).read_to_end(content).map_err(error)?;
        (self.visitor)(&VisitedFile {
            path,
            content: content.as_slice(),
            name,
            folder,
            stat: &stat,
            root: self.root,
        })
    }
}
