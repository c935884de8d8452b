//! The files of a mirror: written whole and renamed, checked when opened.
//!
//! It is a bare repository that Git can read too. References are only in `packed-refs`, so that changing all of them is
//! one rename, and names that are files and directories in turn cause no trouble.

use super::{Limits, MirrorError, RemoteRef};
use crate::pack::{Pack, Packs};
use crate::remote::Remote;
use crate::{ObjectId, RefName};
use std::collections::{BTreeMap, HashSet};
use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

const LOCK: &str = "fluxbot.lock";

/// What is on disk.
pub(super) struct Loaded {
    pub packs: Packs,
    pub references: BTreeMap<RefName, RemoteRef>,
}

/// A directory that belongs to this value. The kernel gives it up when the process ends, however it ends.
#[derive(Debug)]
pub(super) struct DirectoryLock(File);

impl Drop for DirectoryLock {
    fn drop(&mut self) {
        // Closing is not enough while a child process that is just being started still has the file.
        self.0.unlock().ok();
    }
}

/// Takes the directory.
pub(super) fn lock(directory: &Path) -> Result<DirectoryLock, MirrorError> {
    let storage = |source| MirrorError::Storage {
        path: directory.to_owned(),
        source,
    };
    create_private(directory).map_err(storage)?;
    let file = File::create(directory.join(LOCK)).map_err(storage)?;
    match file.try_lock() {
        Ok(()) => Ok(DirectoryLock(file)),
        Err(TryLockError::WouldBlock) => Err(MirrorError::InUse {
            path: directory.to_owned(),
        }),
        Err(TryLockError::Error(source)) => Err(storage(source)),
    }
}

/// Reads what is there; `None` for an empty directory, an error text when it cannot be used.
pub(super) fn load(directory: &Path, remote: &Remote, limits: &Limits) -> Result<Option<Loaded>, String> {
    match fs::read_to_string(directory.join("config")) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let used = fs::read_dir(directory).is_ok_and(|mut entries| {
                entries.any(|entry| entry.is_ok_and(|entry| entry.file_name() != LOCK))
            });
            return if used {
                Err("its creation was interrupted".to_owned())
            } else {
                Ok(None)
            };
        }
        Ok(config) if config == expected_config(remote) => {}
        Ok(_) => return Err("it follows another remote, or another version wrote it".to_owned()),
        Err(error) => return Err(error.to_string()),
    }
    let packs = load_packs(&pack_directory(directory), limits)?;
    let references = read_references(directory)?;
    for reference in references.values() {
        check_tip(&packs, reference)?;
    }
    Ok(Some(Loaded { packs, references }))
}

pub(super) fn empty(limits: &Limits) -> Loaded {
    Loaded {
        packs: Packs::new(limits.largest_object),
        references: BTreeMap::new(),
    }
}

/// Makes an empty mirror of whatever is there; the lock stays.
pub(super) fn recreate(directory: &Path, remote: &Remote) -> io::Result<()> {
    // The configuration goes first and comes last: without it the directory counts as unfinished.
    remove(&directory.join("config"))?;
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_name() != LOCK {
            remove(&entry.path())?;
        }
    }
    fs::create_dir_all(pack_directory(directory))?;
    fs::create_dir_all(directory.join("objects/info"))?;
    fs::create_dir_all(directory.join("refs"))?;
    replace(&directory.join("HEAD"), b"ref: refs/heads/main\n")?;
    replace(&directory.join("config"), expected_config(remote).as_bytes())
}

pub(super) fn write_references<'a>(
    directory: &Path,
    references: impl Iterator<Item = &'a RemoteRef>,
) -> io::Result<()> {
    let mut lines = vec!["# pack-refs with: peeled fully-peeled sorted ".to_owned()];
    for RemoteRef { name, id, peeled } in references {
        lines.push(format!("{id} {name}"));
        lines.extend(peeled.map(|peeled| format!("^{peeled}")));
    }
    lines.push(String::new());
    replace(&directory.join("packed-refs"), lines.join("\n").as_bytes())
}

pub(super) fn write_shallow<'a>(
    directory: &Path,
    commits: impl Iterator<Item = &'a ObjectId>,
) -> io::Result<()> {
    let text = commits.map(|id| format!("{id}\n")).collect::<Vec<_>>().concat();
    let path = directory.join("shallow");
    if text.is_empty() {
        return remove(&path);
    }
    replace(&path, text.as_bytes())
}

pub(super) fn pack_directory(directory: &Path) -> PathBuf {
    directory.join("objects/pack")
}

/// Removes the files of a pack; one that stays is removed when the mirror is opened next.
pub(super) fn remove_pack(pack: &Path) {
    // Without its index a pack counts as a left-over, so the index goes first.
    remove(&pack.with_extension("idx")).ok();
    remove(pack).ok();
}

/// Maps the packs, after removing what an interrupted write left behind.
fn load_packs(directory: &Path, limits: &Limits) -> Result<Packs, String> {
    let read = |error: io::Error| format!("its packs cannot be listed: {error}");
    let mut files: Vec<PathBuf> = Vec::new();
    for entry in fs::read_dir(directory).map_err(read)? {
        files.push(entry.map_err(read)?.path());
    }
    let present: HashSet<&PathBuf> = files.iter().collect();
    let mut packs = Packs::new(limits.largest_object);
    for path in &files {
        let is_pack = path
            .file_name()
            .is_some_and(|name| name.as_encoded_bytes().starts_with(b"pack-"));
        let extension = path
            .extension()
            .and_then(|extension| extension.to_str())
            .unwrap_or_default();
        match extension {
            "idx" if is_pack && present.contains(&path.with_extension("pack")) => {
                let pack = Pack::open(path)
                    .map_err(|error| format!("pack {} is damaged: {error}", path.display()))?;
                packs = packs.with(pack);
            }
            "pack" if is_pack && present.contains(&path.with_extension("idx")) => {}
            _ => remove(path).map_err(read)?,
        }
    }
    Ok(packs)
}

fn read_references(directory: &Path) -> Result<BTreeMap<RefName, RemoteRef>, String> {
    let text = match fs::read_to_string(directory.join("packed-refs")) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(format!("its references cannot be read: {error}")),
    };
    let malformed = || "its references are malformed".to_owned();
    let mut references: Vec<RemoteRef> = Vec::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        if let Some(hex) = line.strip_prefix('^') {
            let last = references.last_mut().ok_or_else(malformed)?;
            last.peeled = Some(ObjectId::from_hex(hex.as_bytes()).ok_or_else(malformed)?);
        } else {
            let (hex, name) = line.split_once(' ').ok_or_else(malformed)?;
            let id = ObjectId::from_hex(hex.as_bytes()).ok_or_else(malformed)?;
            let name = RefName::new(name).map_err(|_| malformed())?;
            references.push(RemoteRef {
                name,
                id,
                peeled: None,
            });
        }
    }
    Ok(references
        .into_iter()
        .map(|reference| (reference.name.clone(), reference))
        .collect())
}

/// A tip that cannot be read, or whose root directory is missing, tells of a lost pack.
fn check_tip(packs: &Packs, reference: &RemoteRef) -> Result<(), String> {
    let missing = || format!("{} points at objects that are missing", reference.name);
    for id in [reference.id, reference.commit()] {
        let object = packs.read(id)?.ok_or_else(missing)?;
        if object.kind == crate::pack::ObjectKind::Commit {
            let tree = gix::objs::CommitRefIter::from_bytes(&object.data, gix::hash::Kind::Sha1).tree_id();
            let tree = tree.map_err(|error| error.to_string())?;
            packs.read(ObjectId::from_gix(&tree))?.ok_or_else(missing)?;
        }
    }
    Ok(())
}

/// The configuration of a mirror of this remote; another content means that the mirror is not ours to use.
fn expected_config(remote: &Remote) -> String {
    let url = remote
        .url()
        .to_string()
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n");
    format!("[core]\n\trepositoryformatversion = 0\n\tbare = true\n[remote \"origin\"]\n\turl = \"{url}\"\n")
}

/// Writes a file beside the old one and renames it, so that a reader sees one or the other.
fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".new");
    let temporary = PathBuf::from(temporary);
    let mut file = File::create(&temporary)?;
    file.write_all(content)?;
    drop(file);
    fs::rename(&temporary, path)
}

fn remove(path: &Path) -> io::Result<()> {
    let outcome = match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    match outcome {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        outcome => outcome,
    }
}

/// Creates a directory that other users of the machine cannot read, as a private repository will be in it.
fn create_private(directory: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.recursive(true).create(directory)
}
