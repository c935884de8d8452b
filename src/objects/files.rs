//! Where files come from: a folder on disk, or a tree in Git.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Largest file that is read as a manifest, in bytes. The API server's own limit for an object is 3 MiB.
pub(super) const MAX_FILE: u64 = 16 << 20;

/// A tree of files that can be listed and read.
///
/// Paths are relative to the root of the tree, with `/` between segments and no leading `/`.
pub trait Files: Sync {
    /// The paths of all regular files at or below `path` (`""` is the root), in byte order. A path that is itself a
    /// file gives that file. Symbolic links are left out, so nothing outside the tree is ever read.
    fn list(&self, path: &str) -> Result<Vec<String>, FilesError>;

    /// The content of a file, or `None` when there is no regular file of that name.
    fn read(&self, path: &str) -> Result<Option<Vec<u8>>, FilesError>;
}

/// A file or folder cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum FilesError {
    /// The file system refuses.
    #[error("cannot read {path}: {source}")]
    Io {
        /// The path as the user knows it.
        path: String,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// The file system refuses to write.
    #[error("cannot write {path}: {source}")]
    Write {
        /// The path as the user knows it.
        path: String,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// The Git repository cannot be read.
    #[error("cannot read {path} in the Git repository: {reason}")]
    Git {
        /// The path in the tree.
        path: String,
        /// What the Git engine says.
        reason: String,
    },
    /// A file that no manifest needs to be.
    #[error("{path} is larger than {} MiB", MAX_FILE >> 20)]
    TooLarge {
        /// The path as the user knows it.
        path: String,
    },
}

/// Cleans a path relative to the root of a tree: `./apps//x/` is `apps/x`, `.` is the root, `""`. Gives `None` for a path that
/// leaves the tree. A leading `/` counts as the root of the tree, as Flux has it.
#[must_use]
pub fn clean_path(path: &str) -> Option<String> {
    let mut segments = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => {
                segments.pop()?;
            }
            name => segments.push(name),
        }
    }
    Some(segments.join("/"))
}

/// A folder on disk.
#[derive(Debug, Clone)]
pub struct Directory {
    root: PathBuf,
}

impl Directory {
    /// The folder at `root`. Whether it exists is found out by the first access.
    #[must_use]
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// Where it is.
    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    fn walk(path: &Path, relative: &str, found: &mut Vec<String>) -> Result<(), FilesError> {
        let error = |source| FilesError::Io {
            path: path.display().to_string(),
            source,
        };
        for entry in fs::read_dir(path).map_err(error)? {
            let entry = entry.map_err(error)?;
            let Ok(name) = entry.file_name().into_string() else {
                // A name that is not UTF-8 cannot be a candidate for a marker or a manifest.
                continue;
            };
            let child = if relative.is_empty() {
                name.clone()
            } else {
                format!("{relative}/{name}")
            };
            let kind = entry.file_type().map_err(error)?;
            if kind.is_dir() {
                // The repository's own data is no part of its content.
                if name != ".git" {
                    Self::walk(&entry.path(), &child, found)?;
                }
            } else if kind.is_file() {
                found.push(child);
            }
        }
        Ok(())
    }
}

impl Files for Directory {
    fn list(&self, path: &str) -> Result<Vec<String>, FilesError> {
        let full = self.root.join(path);
        let error = |source| FilesError::Io {
            path: full.display().to_string(),
            source,
        };
        let kind = fs::symlink_metadata(&full).map_err(error)?.file_type();
        let mut found = Vec::new();
        if kind.is_file() {
            found.push(path.to_owned());
        } else {
            Self::walk(&full, path, &mut found)?;
        }
        found.sort_unstable();
        Ok(found)
    }

    fn read(&self, path: &str) -> Result<Option<Vec<u8>>, FilesError> {
        let full = self.root.join(path);
        let error = |source| FilesError::Io {
            path: full.display().to_string(),
            source,
        };
        let absent = |error: &io::Error| {
            matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            )
        };
        // A folder that is a link leads out of the tree, wherever it points.
        let mut component = self.root.clone();
        for name in folder_names(path) {
            component.push(name);
            match fs::symlink_metadata(&component) {
                Ok(metadata) if metadata.is_dir() => {}
                Ok(_) => return Ok(None),
                Err(reason) if absent(&reason) => return Ok(None),
                Err(reason) => return Err(error(reason)),
            }
        }
        let metadata = match fs::symlink_metadata(&full) {
            Err(reason) if absent(&reason) => return Ok(None),
            result => result.map_err(error)?,
        };
        if !metadata.is_file() {
            return Ok(None);
        }
        if metadata.len() > MAX_FILE {
            return Err(FilesError::TooLarge {
                path: full.display().to_string(),
            });
        }
        fs::read(&full).map(Some).map_err(error)
    }
}

/// The folders of a file's path.
fn folder_names(path: &str) -> impl Iterator<Item = &str> {
    path.rsplit_once('/')
        .map_or("", |(folders, _)| folders)
        .split('/')
        .filter(|name| !name.is_empty())
}
