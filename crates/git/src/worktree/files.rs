//! Files of a checkout: symbolic links are never followed, and files are replaced whole.

use super::WorkTreeError;
use crate::{FileKind, ObjectId, RepoPath};
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// A file by its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OnDisk {
    Nothing,
    File {
        id: ObjectId,
        kind: FileKind,
    },
    /// A directory, symbolic link or something else; it equals nothing that we could write.
    Other,
}

/// A file with its content.
pub(super) enum Content {
    Nothing,
    File { data: Vec<u8>, kind: FileKind },
    Other,
}

#[cfg(unix)]
pub(super) fn to_path(path: &RepoPath) -> PathBuf {
    use std::os::unix::ffi::OsStrExt;
    PathBuf::from(std::ffi::OsStr::from_bytes(path.as_bytes()))
}

#[cfg(not(unix))]
pub(super) fn to_path(path: &RepoPath) -> PathBuf {
    PathBuf::from(path.to_string())
}

pub(super) fn read(root: &Path, path: &RepoPath) -> Result<Content, WorkTreeError> {
    check_directories(root, path)?;
    let file = root.join(to_path(path));
    let storage = |source| WorkTreeError::Storage {
        path: file.clone(),
        source,
    };
    match fs::symlink_metadata(&file) {
        Err(error) if is_absent(&error) => Ok(Content::Nothing),
        Err(error) => Err(storage(error)),
        Ok(metadata) if metadata.is_file() => {
            let kind = if is_executable(&metadata) {
                FileKind::Executable
            } else {
                FileKind::Plain
            };
            Ok(Content::File {
                data: fs::read(&file).map_err(storage)?,
                kind,
            })
        }
        Ok(_) => Ok(Content::Other),
    }
}

/// Replaces a file by a rename, so that a reader sees the old or the new content.
pub(super) fn write(
    root: &Path,
    path: &RepoPath,
    content: &[u8],
    executable: bool,
) -> Result<(), WorkTreeError> {
    check_directories(root, path)?;
    let file = root.join(to_path(path));
    let storage = |source| WorkTreeError::Storage {
        path: file.clone(),
        source,
    };
    let directory = file.parent().unwrap_or(root);
    fs::create_dir_all(directory).map_err(storage)?;
    let mut temporary = tempfile::Builder::new()
        .prefix(".fluxbot-")
        .tempfile_in(directory)
        .map_err(storage)?;
    temporary.write_all(content).map_err(storage)?;
    set_mode(temporary.as_file(), &file, executable).map_err(storage)?;
    temporary.persist(&file).map_err(|error| storage(error.error))?;
    Ok(())
}

/// Removes a file, and the directories that are empty then.
pub(super) fn remove(root: &Path, path: &RepoPath) -> Result<(), WorkTreeError> {
    check_directories(root, path)?;
    let file = root.join(to_path(path));
    match fs::remove_file(&file) {
        Err(error) if !is_absent(&error) => {
            return Err(WorkTreeError::Storage {
                path: file,
                source: error,
            });
        }
        _ => {}
    }
    let mut directory = file.parent();
    while let Some(path) = directory.filter(|path| *path != root && path.starts_with(root)) {
        // One that is not empty stays, and so do those above it.
        if fs::remove_dir(path).is_err() {
            break;
        }
        directory = path.parent();
    }
    Ok(())
}

/// Refuses a path whose directories are not all directories of their own.
fn check_directories(root: &Path, path: &RepoPath) -> Result<(), WorkTreeError> {
    let names: Vec<&[u8]> = path.names().collect();
    let mut parent = None;
    for name in names.iter().take(names.len().saturating_sub(1)) {
        let directory = RepoPath::below(parent.as_ref(), name);
        let on_disk = root.join(to_path(&directory));
        match fs::symlink_metadata(&on_disk) {
            Ok(metadata) if metadata.is_symlink() => {
                return Err(WorkTreeError::BehindSymlink {
                    path: path.clone(),
                    link: directory.to_string(),
                });
            }
            Ok(_) => {}
            Err(error) if is_absent(&error) => return Ok(()),
            Err(source) => {
                return Err(WorkTreeError::Storage {
                    path: on_disk,
                    source,
                });
            }
        }
        parent = Some(directory);
    }
    Ok(())
}

fn is_absent(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

#[cfg(unix)]
fn is_executable(metadata: &fs::Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt;
    metadata.permissions().mode() & 0o100 != 0
}

#[cfg(not(unix))]
fn is_executable(_: &fs::Metadata) -> bool {
    false
}

/// Gives a new file the permissions of the one that it replaces, else the usual ones.
#[cfg(unix)]
fn set_mode(file: &fs::File, replaced: &Path, executable: bool) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let usual = if executable { 0o755 } else { 0o644 };
    let mode = fs::symlink_metadata(replaced).map_or(usual, |metadata| metadata.permissions().mode() & 0o777);
    let mode = if executable {
        mode | (mode & 0o444) >> 2
    } else {
        mode & !0o111
    };
    file.set_permissions(fs::Permissions::from_mode(mode))
}

#[cfg(not(unix))]
fn set_mode(_: &fs::File, _: &Path, _: bool) -> io::Result<()> {
    Ok(())
}
