//! The folder of artifacts: atomic writes, verified reads, and old ones removed.

use std::fs::{self, File};
use std::io::{self, BufWriter, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use fluxbot_api::source::Artifact;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use sha2::{Digest as _, Sha256};

use super::artifact;
use super::revision::{DigestAlgorithm, Revision, RevisionDigest};
use super::store::SourceKey;
use super::tree::{ArtifactTree, TreeError, UnpackLimits};
use crate::hexadecimal::hexadecimal;

/// What the name of an unfinished file begins with; no artifact's name begins with a dot.
const UNFINISHED: &str = ".unfinished-";

/// Longest part of a path, as file systems have it.
const LONGEST_PART: usize = 255;

/// Which artifacts of an object are kept beside the current one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// Younger ones are kept; 60 s by default, Flux's `--artifact-retention-ttl`.
    pub ttl: Duration,
    /// So many are kept, the current one included; 2 by default, Flux's `--artifact-retention-records`.
    pub records: usize,
}

/// The artifacts on disk. Clones share nothing but the folder, which one process may use.
///
/// A file is `<kind>/<namespace>/<name>/<file>` below the folder, the kind in lower case. Whatever the parts are, nothing
/// outside the folder is read, written or removed.
#[derive(Debug, Clone)]
pub struct Storage {
    folder: PathBuf,
    address: String,
    retention: Retention,
}

/// The storage cannot do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// A part of the path could leave the folder.
    #[error("'{part}' cannot be part of an artifact's path")]
    Path {
        /// The kind, namespace, name or file.
        part: String,
    },
    /// The disk is full, or its quota is used up.
    #[error("no space is left in the artifact storage for {path}")]
    Full {
        /// The file.
        path: String,
    },
    /// The disk does not let us.
    #[error("cannot {action} {path} in the artifact storage: {source}")]
    Io {
        /// `write`, `read` or `remove`.
        action: &'static str,
        /// The file or folder.
        path: String,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// A file of the tree cannot be read while it is packed.
    #[error("unable to archive artifact to storage: {0}")]
    Pack(#[source] io::Error),
    /// The artifact is not in the storage.
    #[error("artifact {path} is not in the storage")]
    Missing {
        /// Its path.
        path: String,
    },
    /// The file is not what the status says.
    #[error("artifact {path} is damaged: computed digest doesn't match '{expected}'")]
    Digest {
        /// Its path.
        path: String,
        /// The digest in the status.
        expected: String,
    },
    /// The status holds a digest of another algorithm than SHA-256, or none.
    #[error("failed to parse artifact digest '{0}'")]
    Algorithm(String),
    /// The stored archive cannot be read back.
    #[error(transparent)]
    Tree(#[from] TreeError),
}

impl Storage {
    /// The storage in `folder`, which is created; left-overs of interrupted writes are removed. `address` is what the URLs
    /// begin with, with or without `http://`: `source-controller.flux-system.svc.cluster.local.` for example.
    pub fn new(
        folder: impl Into<PathBuf>,
        address: &str,
        retention: Retention,
    ) -> Result<Self, StorageError> {
        let folder = folder.into();
        fs::create_dir_all(&folder).map_err(|error| failed("write", &folder, error))?;
        remove_unfinished(&folder, 0).map_err(|error| failed("remove", &folder, error))?;
        let address = address.trim_end_matches('/');
        let has_scheme = address.starts_with("http://") || address.starts_with("https://");
        Ok(Self {
            folder,
            address: if has_scheme {
                address.to_owned()
            } else {
                format!("http://{address}")
            },
            retention,
        })
    }

    /// The folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Packs a tree as the artifact of a revision of an object, in a file of this name, and gives the value for its status.
    ///
    /// The file appears complete or not at all, and is on disk when this returns. One of that name is replaced.
    pub fn store(
        &self,
        key: &SourceKey,
        file: &str,
        revision: &Revision,
        tree: &ArtifactTree,
        now: Timestamp,
    ) -> Result<Artifact, StorageError> {
        let path = format!("{}/{}", object_path(key)?, part(file)?);
        let target = self.folder.join(&path);
        let folder = target.parent().unwrap_or(&self.folder);
        let write = |error| failed("write", &target, error);
        fs::create_dir_all(folder).map_err(write)?;
        let unfinished = tempfile::Builder::new()
            .prefix(UNFINISHED)
            .tempfile_in(folder)
            .map_err(write)?;
        let mut output = BufWriter::new(unfinished.as_file());
        let packed =
            artifact::pack(tree, &mut output).map_err(|error| match failed("write", &target, error) {
                StorageError::Io { source, .. } => StorageError::Pack(source),
                full => full,
            })?;
        output.flush().map_err(write)?;
        drop(output);
        unfinished.as_file().sync_all().map_err(write)?;
        unfinished
            .persist(&target)
            .map_err(|failure| write(failure.error))?;
        // Without this a crash of the machine could take the name back.
        File::open(folder)
            .and_then(|folder| folder.sync_all())
            .map_err(write)?;
        Ok(Artifact {
            checksum: None,
            digest: Some(packed.digest),
            last_update_time: Time(now),
            metadata: std::collections::BTreeMap::new(),
            url: format!("{}/{path}", self.address),
            path,
            revision: revision.to_string(),
            size: i64::try_from(packed.size).ok(),
        })
    }

    /// Checks that the file of an artifact is there, with the digest of the status.
    pub fn verify(&self, artifact: &Artifact) -> Result<(), StorageError> {
        let mut file = self.open(&artifact.path)?;
        let expected = expected_digest(artifact)?;
        let mut hash = Sha256::new();
        let mut buffer = vec![0; 64 * 1024];
        loop {
            let length = file
                .read(&mut buffer)
                .map_err(|error| failed("read", Path::new(&artifact.path), error))?;
            if length == 0 {
                break;
            }
            hash.update(buffer.get(..length).unwrap_or_default());
        }
        let actual = hexadecimal(&hash.finalize());
        if actual != expected {
            return Err(StorageError::Digest {
                path: artifact.path.clone(),
                expected: artifact.digest.clone().unwrap_or_default(),
            });
        }
        Ok(())
    }

    /// The tree of a stored artifact, its digest checked.
    pub fn load(&self, artifact: &Artifact) -> Result<ArtifactTree, StorageError> {
        self.verify(artifact)?;
        let file = self.open(&artifact.path)?;
        Ok(ArtifactTree::read_tar_gz(file, &UnpackLimits::default())?)
    }

    /// The URL of an artifact under the present address. A status that was written under another one is to be changed.
    #[must_use]
    pub fn url(&self, artifact: &Artifact) -> String {
        format!("{}/{}", self.address, artifact.path.trim_start_matches('/'))
    }

    /// Removes the artifacts of an object that are older than the retention allows, and those beyond its number, the oldest
    /// first; never the current one. Gives their paths.
    pub fn collect_garbage(
        &self,
        key: &SourceKey,
        current: &Artifact,
        now: Timestamp,
    ) -> Result<Vec<String>, StorageError> {
        let object = object_path(key)?;
        let folder = self.folder.join(&object);
        let now = SystemTime::from(now);
        let mut others: Vec<(Duration, String)> = Vec::new();
        for name in file_names(&folder)? {
            let path = format!("{object}/{name}");
            if path == current.path || name.starts_with(UNFINISHED) {
                continue;
            }
            // One that vanished in between is what was wanted.
            let Ok(stored) = fs::symlink_metadata(folder.join(&name)).and_then(|file| file.modified()) else {
                continue;
            };
            others.push((now.duration_since(stored).unwrap_or_default(), path));
        }
        others.sort();
        let mut removed = Vec::new();
        for (index, (age, path)) in others.into_iter().enumerate() {
            // The current one counts as a record.
            if age > self.retention.ttl || index + 1 >= self.retention.records {
                let file = self.folder.join(&path);
                match fs::remove_file(&file) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => {
                        return Err(failed("remove", &file, error));
                    }
                    _ => removed.push(path),
                }
            }
        }
        Ok(removed)
    }

    /// Removes everything of an object. Gives the number of files; none is no error.
    pub fn remove_all(&self, key: &SourceKey) -> Result<usize, StorageError> {
        let folder = self.folder.join(object_path(key)?);
        let count = file_names(&folder)?.len();
        match fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed("remove", &folder, error)),
            _ => Ok(count),
        }
    }

    /// Opens the file of an artifact by its path in the storage.
    pub(super) fn open(&self, path: &str) -> Result<File, StorageError> {
        let missing = || StorageError::Missing {
            path: path.chars().take(4 * LONGEST_PART).collect(),
        };
        let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
        if parts.len() != 4 || parts.iter().any(|name| part(name).is_err()) {
            return Err(missing());
        }
        let file = self.folder.join(parts.join("/"));
        let is_file = fs::symlink_metadata(&file).is_ok_and(|metadata| metadata.is_file());
        if !is_file {
            return Err(missing());
        }
        File::open(&file).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => missing(),
            _ => failed("read", &file, error),
        })
    }
}

/// The folder of an object's artifacts below the storage's.
fn object_path(key: &SourceKey) -> Result<String, StorageError> {
    let kind = key.kind.to_lowercase();
    Ok(format!(
        "{}/{}/{}",
        part(&kind)?,
        part(&key.namespace)?,
        part(&key.name)?
    ))
}

/// A name that stays where it is put: one segment, not hidden.
fn part(name: &str) -> Result<&str, StorageError> {
    let stays = !name.is_empty()
        && name.len() <= LONGEST_PART
        && !name.starts_with('.')
        && !name
            .chars()
            .any(|character| character.is_control() || matches!(character, '/' | '\\'));
    if stays {
        return Ok(name);
    }
    Err(StorageError::Path {
        part: name.escape_debug().take(LONGEST_PART).collect(),
    })
}

/// The hexadecimal digits of an artifact's digest.
fn expected_digest(artifact: &Artifact) -> Result<String, StorageError> {
    let text = artifact.digest.as_deref().unwrap_or_default();
    match RevisionDigest::parse(text) {
        Some(digest) if digest.algorithm == DigestAlgorithm::Sha256 => Ok(digest.hex),
        _ => Err(StorageError::Algorithm(text.to_owned())),
    }
}

/// The names of the files in a folder; none when there is no folder.
fn file_names(folder: &Path) -> Result<Vec<String>, StorageError> {
    let read = |error| failed("read", folder, error);
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(read)?,
    };
    let mut names = Vec::new();
    for entry in entries {
        if let Ok(name) = entry.map_err(read)?.file_name().into_string() {
            names.push(name);
        }
    }
    Ok(names)
}

/// Removes what interrupted writes left behind, in kinds, namespaces and names.
fn remove_unfinished(folder: &Path, depth: u32) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_dir() && depth < 3 {
            remove_unfinished(&entry.path(), depth + 1)?;
        } else if kind.is_file()
            && entry
                .file_name()
                .as_encoded_bytes()
                .starts_with(UNFINISHED.as_bytes())
        {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

fn failed(action: &'static str, path: &Path, source: io::Error) -> StorageError {
    let path = path.display().to_string();
    match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => StorageError::Full { path },
        _ => StorageError::Io { action, path, source },
    }
}

impl Default for Retention {
    fn default() -> Self {
        Self {
            ttl: Duration::from_mins(1),
            records: 2,
        }
    }
}

#[cfg(test)]
mod tests;
