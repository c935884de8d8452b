//! The docker config file of the user who runs a command.

use std::env;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::scanner::{InvalidDockerConfig, Keychain};

/// The file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DockerConfigError {
    /// The file system refuses.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// Where the file is.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The content is no docker config.
    #[error("{}: {source}", path.display())]
    Invalid {
        /// Where the file is.
        path: PathBuf,
        /// What is wrong with it.
        source: InvalidDockerConfig,
    },
}

/// Reads a docker config file.
pub fn load(path: &Path) -> Result<Keychain, DockerConfigError> {
    let content = fs::read(path).map_err(|source| DockerConfigError::Read {
        path: path.to_owned(),
        source,
    })?;
    Keychain::from_docker_config(&content).map_err(|source| DockerConfigError::Invalid {
        path: path.to_owned(),
        source,
    })
}

/// Reads the docker config that docker itself would use: `$DOCKER_CONFIG/config.json` or `~/.docker/config.json`. Gives
/// `None` when there is none.
pub fn load_default() -> Result<Option<Keychain>, DockerConfigError> {
    let folder = env::var_os("DOCKER_CONFIG")
        .filter(|folder| !folder.is_empty())
        .map(PathBuf::from)
        .or_else(|| env::var_os("HOME").map(|home| Path::new(&home).join(".docker")));
    match folder
        .map(|folder| folder.join("config.json"))
        .filter(|file| file.is_file())
    {
        Some(file) => load(&file).map(Some),
        None => Ok(None),
    }
}
