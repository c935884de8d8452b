//! Who `fluxbot update` is to an SSH server: files as OpenSSH keeps them. No agent is asked, no configuration file is read.

use std::env;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use clap::Args;
use fluxbot_git::SshCredential;

use crate::cli::Failure;

/// The variable with the passphrase: a command line is seen by everybody on the machine.
const PASSPHRASE: &str = "FLUXBOT_SSH_PASSPHRASE";

/// The keys that are looked for in `~/.ssh`, in this order.
const IDENTITIES: [&str; 3] = ["id_ed25519", "id_ecdsa", "id_rsa"];

/// The known hosts of the machine, beside those of the user.
const SYSTEM_KNOWN_HOSTS: &str = "/etc/ssh/ssh_known_hosts";

#[derive(Debug, Clone, Default, Args)]
pub(super) struct SshArgs {
    /// The private key for an SSH URL [default: the first of `~/.ssh/id_ed25519`, `id_ecdsa` and `id_rsa`].
    #[arg(long, value_name = "FILE")]
    private_key_file: Option<PathBuf>,
    /// The keys of the SSH servers to trust [default: `~/.ssh/known_hosts` and `/etc/ssh/ssh_known_hosts`].
    #[arg(long, value_name = "FILE")]
    known_hosts_file: Option<PathBuf>,
}

impl SshArgs {
    /// Reads key and known hosts. Blocks for as long as it takes to decrypt the key.
    pub(super) fn credential(&self) -> Result<SshCredential, Failure> {
        self.credential_from(
            env::var_os("HOME")
                .map(|home| PathBuf::from(home).join(".ssh"))
                .as_deref(),
            env::var(PASSPHRASE).ok().as_deref(),
        )
    }

    fn credential_from(
        &self,
        folder: Option<&Path>,
        passphrase: Option<&str>,
    ) -> Result<SshCredential, Failure> {
        let (path, identity) = self.identity(folder)?;
        let (sources, known_hosts) = self.known_hosts(folder)?;
        SshCredential::new(&identity, passphrase, &known_hosts).map_err(|error| {
            use fluxbot_git::{InvalidIdentity, InvalidSshCredential};
            let (place, hint) = match &error {
                InvalidSshCredential::Identity(InvalidIdentity::PassphraseMissing) => {
                    (path.display().to_string(), Some(format!("set {PASSPHRASE}")))
                }
                InvalidSshCredential::Identity(_) => (path.display().to_string(), None),
                InvalidSshCredential::KnownHosts(_) => (sources, None),
            };
            let failure = Failure::invalid(format!("{place}: {error}"));
            match hint {
                Some(hint) => failure.hint(hint),
                None => failure,
            }
        })
    }

    fn identity(&self, folder: Option<&Path>) -> Result<(PathBuf, Vec<u8>), Failure> {
        if let Some(path) = &self.private_key_file {
            return Ok((path.clone(), read(path)?));
        }
        for name in IDENTITIES {
            let path = folder.map(|folder| folder.join(name));
            if let Some(path) = path.filter(|path| path.is_file()) {
                let key = read(&path)?;
                return Ok((path, key));
            }
        }
        let failure = Failure::invalid(format!(
            "no private key for SSH: ~/.ssh has none of {}",
            IDENTITIES.join(", ")
        ));
        Err(failure.hint("name one with --private-key-file, or use the https URL of the repository"))
    }

    /// The files' names and their content.
    fn known_hosts(&self, folder: Option<&Path>) -> Result<(String, Vec<u8>), Failure> {
        if let Some(path) = &self.known_hosts_file {
            return Ok((path.display().to_string(), read(path)?));
        }
        let own = folder.map(|folder| folder.join("known_hosts"));
        let mut names = Vec::new();
        let mut text = Vec::new();
        for path in own.into_iter().chain([PathBuf::from(SYSTEM_KNOWN_HOSTS)]) {
            match fs::read(&path) {
                Ok(content) => {
                    text.extend_from_slice(&content);
                    // A file whose last line has no end must not swallow the first one of the next.
                    text.push(b'\n');
                    names.push(path.display().to_string());
                }
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(unreadable(&path, &error)),
            }
        }
        if names.is_empty() {
            let failure = Failure::invalid(format!(
                "no known hosts for SSH: neither ~/.ssh/known_hosts nor {SYSTEM_KNOWN_HOSTS} is there, and no server is \
                 trusted on first sight"
            ));
            return Err(failure.hint("name a file with --known-hosts-file, as `ssh-keyscan HOST` writes it, once you have compared its keys"));
        }
        Ok((names.join(", "), text))
    }
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    fs::read(path).map_err(|error| unreadable(path, &error))
}

fn unreadable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::invalid(format!("cannot read {}: {error}", path.display()))
}
