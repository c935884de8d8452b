//! Packing a tree as tar.gz, the same bytes for the same tree.

use std::io::{self, Write};
use std::path::PathBuf;

use flate2::{Compression, GzBuilder};
use sha2::{Digest as _, Sha256};
use tar::{EntryType, Header};

use super::tree::{ArtifactTree, Directory, Node};
use crate::hexadecimal::hexadecimal;

/// The operating system in a gzip header that names none (RFC 1952).
const UNKNOWN_SYSTEM: u8 = 255;

/// A finished archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packed {
    /// The digest of the compressed bytes: `sha256:` and 64 hexadecimal digits.
    pub digest: String,
    /// Their number.
    pub size: u64,
}

/// Writes a tree as Flux packs artifacts: folders and regular files only, names relative to the root, owner, group and time
/// zero, modes 0600, 0700 for what can be executed and 0750 for folders.
///
/// The same tree gives the same bytes, on every machine. Files are read one at a time.
pub fn pack(tree: &ArtifactTree, output: impl Write) -> io::Result<Packed> {
    let output = Hashing {
        output,
        hash: Sha256::new(),
        size: 0,
    };
    let compressed = GzBuilder::new()
        .mtime(0)
        .operating_system(UNKNOWN_SYSTEM)
        .write(output, Compression::new(6));
    let mut archive = tar::Builder::new(compressed);
    append(tree, tree.root(), &mut Vec::new(), &mut archive)?;
    let mut output = archive.into_inner()?.finish()?;
    output.flush()?;
    Ok(Packed {
        digest: format!("sha256:{}", hexadecimal(&output.hash.finalize())),
        size: output.size,
    })
}

/// Appends what a folder holds, a folder before its own entries.
fn append<W: Write>(
    tree: &ArtifactTree,
    directory: &Directory,
    path: &mut Vec<u8>,
    archive: &mut tar::Builder<W>,
) -> io::Result<()> {
    let length = path.len();
    for (name, node) in &directory.entries {
        if length > 0 {
            path.push(b'/');
        }
        path.extend_from_slice(name);
        match node {
            Node::Directory(below) => {
                if !below.is_ignored {
                    let mut header = header(EntryType::Directory, 0o750, 0);
                    archive.append_data(&mut header, to_path(path), io::empty())?;
                }
                append(tree, below, path, archive)?;
            }
            Node::File { executable, content } => {
                let content = tree.content(content).map_err(io::Error::other)?;
                let mode = if *executable { 0o700 } else { 0o600 };
                let mut header = header(EntryType::Regular, mode, content.len() as u64);
                archive.append_data(&mut header, to_path(path), &*content)?;
            }
        }
        path.truncate(length);
    }
    Ok(())
}

fn header(kind: EntryType, mode: u32, size: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_size(size);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header
}

#[cfg(unix)]
fn to_path(bytes: &[u8]) -> PathBuf {
    use std::os::unix::ffi::OsStrExt as _;
    PathBuf::from(std::ffi::OsStr::from_bytes(bytes))
}

#[cfg(not(unix))]
fn to_path(bytes: &[u8]) -> PathBuf {
    PathBuf::from(String::from_utf8_lossy(bytes).into_owned())
}

/// Counts and hashes what is written.
struct Hashing<W> {
    output: W,
    hash: Sha256,
    size: u64,
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let length = self.output.write(buffer)?;
        self.hash.update(buffer.get(..length).unwrap_or_default());
        self.size += length as u64;
        Ok(length)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.output.flush()
    }
}
