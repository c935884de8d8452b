//! A folder of this machine as a source has it: regular files only, without what is ignored, in memory.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use super::super::ignore::IGNORE_FILE;
use super::{Content, ContentId, Directory, Node, TreeError, UnpackLimits};

/// Deepest nesting of folders.
const DEEPEST: usize = 512;

/// The names in a folder; of the files, ignore files alone are read.
pub(super) fn scan(path: &Path) -> Result<Directory, TreeError> {
    let mut entries = 0;
    scan_below(path, 0, &mut entries)
}

fn scan_below(path: &Path, depth: usize, entries: &mut usize) -> Result<Directory, TreeError> {
    let limits = UnpackLimits::default();
    if depth > DEEPEST {
        return Err(TreeError::TooLarge {
            limit: DEEPEST as u64,
            unit: "nested folders",
        });
    }
    let mut directory = Directory::default();
    for entry in fs::read_dir(path).map_err(|error| unreadable(path, error))? {
        let entry = entry.map_err(|error| unreadable(path, error))?;
        let child = entry.path();
        let kind = entry.file_type().map_err(|error| unreadable(&child, error))?;
        let name = entry.file_name();
        // What Git keeps for itself is in no checkout.
        if name == ".git" || !(kind.is_dir() || kind.is_file()) {
            continue;
        }
        *entries += 1;
        if *entries > limits.most_entries {
            return Err(TreeError::TooLarge {
                limit: limits.most_entries as u64,
                unit: "entries",
            });
        }
        let node = if kind.is_dir() {
            Node::Directory(scan_below(&child, depth + 1, entries)?)
        } else {
            let mode = entry
                .metadata()
                .map_err(|error| unreadable(&child, error))?
                .permissions()
                .mode();
            let content = if name == IGNORE_FILE {
                read(&child)?
            } else {
                Vec::new()
            };
            Node::File {
                executable: mode & 0o111 != 0,
                content: in_memory(content),
            }
        };
        directory.entries.insert(name.as_encoded_bytes().into(), node);
    }
    Ok(directory)
}

/// Reads the files that are left.
pub(super) fn fill(path: &Path, directory: &mut Directory, left: &mut u64) -> Result<(), TreeError> {
    for (name, node) in &mut directory.entries {
        let child = path.join(OsStr::from_bytes(name));
        match node {
            Node::Directory(below) => fill(&child, below, left)?,
            Node::File { content, .. } => {
                let bytes = read(&child)?;
                *left = left
                    .checked_sub(bytes.len() as u64)
                    .ok_or_else(|| TreeError::TooLarge {
                        limit: UnpackLimits::default().most_bytes,
                        unit: "bytes",
                    })?;
                *content = in_memory(bytes);
            }
        }
    }
    Ok(())
}

fn in_memory(content: Vec<u8>) -> Content {
    let id = ContentId(Sha256::digest(&content).into());
    Content::Memory(Arc::from(content), id)
}

fn read(path: &Path) -> Result<Vec<u8>, TreeError> {
    fs::read(path).map_err(|error| unreadable(path, error))
}

fn unreadable(path: &Path, source: io::Error) -> TreeError {
    TreeError::Disk {
        path: path.display().to_string(),
        source,
    }
}
