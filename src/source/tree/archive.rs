//! The tree of a tar.gz, in memory and within limits.

use std::io::{self, BufReader, Read};
use std::sync::Arc;

use flate2::read::MultiGzDecoder;
use sha2::{Digest as _, Sha256};
use tar::EntryType;

use super::{Content, ContentId, Directory, Node, TreeError};

/// Deepest nesting of folders that is taken in.
const DEEPEST: usize = 512;

/// Bytes that an entry may take in the archive beside its content: header, padding and a long name.
const BYTES_PER_ENTRY: u64 = 8 * 1024;

/// What an archive may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnpackLimits {
    /// Most bytes of the compressed archive; 256 MiB by default.
    pub most_packed_bytes: u64,
    /// Most bytes of all contents; 512 MiB by default.
    pub most_bytes: u64,
    /// Most files and folders; 200,000 by default.
    pub most_entries: usize,
}

impl Default for UnpackLimits {
    fn default() -> Self {
        Self {
            most_packed_bytes: 256 << 20,
            most_bytes: 512 << 20,
            most_entries: 200_000,
        }
    }
}

pub(super) fn read(archive: impl Read, limits: &UnpackLimits) -> Result<Directory, TreeError> {
    let packed = Capped::new(archive, limits.most_packed_bytes);
    let overhead = BYTES_PER_ENTRY.saturating_mul(limits.most_entries as u64);
    // The reader of the archive takes long names into memory whole, so the stream itself has a limit, too.
    let unpacked = Capped::new(
        MultiGzDecoder::new(BufReader::new(packed)),
        limits.most_bytes.saturating_add(overhead),
    );
    let mut archive = tar::Archive::new(unpacked);
    let mut root = Directory::default();
    let mut entries = 0;
    let mut left = limits.most_bytes;
    let broken = |error: io::Error| broken(error, limits);
    for entry in archive.entries().map_err(broken)? {
        let mut entry = entry.map_err(broken)?;
        entries += 1;
        if entries > limits.most_entries {
            return Err(TreeError::TooLarge {
                limit: limits.most_entries as u64,
                unit: "entries",
            });
        }
        let kind = entry.header().entry_type();
        let node = match kind {
            EntryType::Directory => Node::Directory(Directory::default()),
            EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {
                let executable = entry.header().mode().is_ok_and(|mode| mode & 0o111 != 0);
                let mut content = Vec::new();
                (&mut entry)
                    .take(left.saturating_add(1))
                    .read_to_end(&mut content)
                    .map_err(broken)?;
                left = left
                    .checked_sub(content.len() as u64)
                    .ok_or(TreeError::TooLarge {
                        limit: limits.most_bytes,
                        unit: "bytes",
                    })?;
                let id = ContentId(Sha256::digest(&content).into());
                Node::File {
                    executable,
                    content: Content::Memory(Arc::from(content), id),
                }
            }
            // Links and devices are no part of an artifact.
            _ => continue,
        };
        insert(&mut root, &entry.path_bytes(), node)?;
    }
    // The checksum of the stream is behind the last entry.
    io::copy(&mut archive.into_inner(), &mut io::sink()).map_err(broken)?;
    Ok(root)
}

/// Puts a node into its folder, which is made where the archive does not have it. A later entry replaces an earlier one.
fn insert(root: &mut Directory, path: &[u8], node: Node) -> Result<(), TreeError> {
    let escape = || TreeError::Escape {
        path: String::from_utf8_lossy(path).chars().take(200).collect(),
    };
    if path.first() == Some(&b'/') || path.contains(&0) {
        return Err(escape());
    }
    let names: Vec<&[u8]> = path
        .split(|byte| *byte == b'/')
        .filter(|name| !name.is_empty() && *name != b".")
        .collect();
    if names.contains(&b"..".as_slice()) {
        return Err(escape());
    }
    if names.len() > DEEPEST {
        return Err(TreeError::TooLarge {
            limit: DEEPEST as u64,
            unit: "nested folders",
        });
    }
    // The root itself has no name.
    let Some((name, folders)) = names.split_last() else {
        return Ok(());
    };
    let mut directory = root;
    for folder in folders {
        let below = directory
            .entries
            .entry((*folder).into())
            .or_insert_with(|| Node::Directory(Directory::default()));
        if matches!(below, Node::File { .. }) {
            *below = Node::Directory(Directory::default());
        }
        let Node::Directory(below) = below else {
            return Ok(());
        };
        directory = below;
    }
    let is_known_folder = matches!(directory.entries.get(*name), Some(Node::Directory(_)));
    if !(is_known_folder && matches!(node, Node::Directory(_))) {
        directory.entries.insert((*name).into(), node);
    }
    Ok(())
}

/// Tells an archive that ended by a limit from one that is damaged.
fn broken(error: io::Error, limits: &UnpackLimits) -> TreeError {
    let over = error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<OverLimit>());
    match over {
        Some(OverLimit { limit }) if *limit == limits.most_packed_bytes => TreeError::TooLarge {
            limit: *limit,
            unit: "packed bytes",
        },
        Some(OverLimit { limit }) => TreeError::TooLarge {
            limit: *limit,
            unit: "bytes",
        },
        None => TreeError::Archive(error),
    }
}

/// A reader that fails behind a number of bytes.
struct Capped<R> {
    inner: R,
    limit: u64,
    left: u64,
}

#[derive(Debug, thiserror::Error)]
#[error("more than {limit} bytes")]
struct OverLimit {
    limit: u64,
}

impl<R> Capped<R> {
    fn new(inner: R, limit: u64) -> Self {
        Self {
            inner,
            limit,
            left: limit,
        }
    }
}

impl<R: Read> Read for Capped<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.inner.read(buffer)?;
        match self.left.checked_sub(length as u64) {
            Some(left) => self.left = left,
            None => return Err(io::Error::other(OverLimit { limit: self.limit })),
        }
        Ok(length)
    }
}
