//! SSH in the process: who we are, which servers we trust, and a channel for one Git command at a time.
//!
//! The `ssh` program is not used. A connection is kept for the next commands of the same remote, and goes when it is idle.

mod algorithms;
mod connection;
mod key;
mod known_hosts;
mod session;
mod socks;

pub use self::key::InvalidIdentity;
pub(crate) use self::key::read as read_key;
pub use self::known_hosts::InvalidKnownHosts;
pub(crate) use self::session::SshSession;
pub use self::socks::SshProxy;

use crate::remote::RemoteFailure;
use crate::remote::url::SshLocation;
use known_hosts::KnownHosts;
use ssh_key::PrivateKey;
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::watch;

/// Who we are to an SSH server, and which keys of servers we trust. Cheap to clone; `Debug` shows no secret.
#[derive(Clone)]
pub struct SshCredential {
    inner: Arc<Credential>,
    proxy: Option<Arc<SshProxy>>,
}

struct Credential {
    key: Arc<PrivateKey>,
    known_hosts: KnownHosts,
    fingerprint: String,
    identity: [u8; 32],
}

/// How connections are made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SshOptions {
    /// Key exchange algorithms in the order of preference (Flux's `--ssh-kex-algos`); empty for the built-in list.
    pub key_exchanges: Vec<String>,
    /// Host key algorithms in the order of preference (Flux's `--ssh-hostkey-algos`); empty for the built-in list.
    pub host_key_algorithms: Vec<String>,
    /// Most time for connecting, key exchange and authentication together; 30 s by default.
    pub connect_timeout: Duration,
    /// Most time without a byte in either direction while we wait; 60 s by default.
    pub idle_timeout: Duration,
}

/// Makes SSH connections. Clones share the configuration, and the switch that ends all of them.
///
/// Its connections live on the runtime that it was made on; whoever waits for them must be on a thread that may block.
#[derive(Clone)]
pub struct Ssh {
    runtime: Handle,
    preferred: russh::Preferred,
    connect_timeout: Duration,
    idle_timeout: Duration,
    closing: watch::Sender<bool>,
    limit: Option<WaitLimit>,
}

/// Asked on the thread that is about to wait: gives what ends when its caller does not want to wait any longer, with the
/// reason.
pub type WaitLimit = Arc<dyn Fn() -> Pin<Box<dyn Future<Output = String> + Send>> + Send + Sync>;

/// An option of [`SshOptions`] names an algorithm that is not there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown SSH {kind} algorithm '{name}': known are {known}")]
pub struct UnknownAlgorithm {
    /// `key exchange` or `host key`.
    kind: &'static str,
    name: String,
    known: String,
}

/// The values of a Secret do not make a credential.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSshCredential {
    /// The private key.
    #[error(transparent)]
    Identity(#[from] InvalidIdentity),
    /// The known hosts.
    #[error(transparent)]
    KnownHosts(#[from] InvalidKnownHosts),
}

/// The connection of one remote, made when it is first used.
#[derive(Clone)]
pub(crate) struct SshClient {
    ssh: Ssh,
    credential: SshCredential,
    location: SshLocation,
    connection: Arc<Mutex<Option<Arc<connection::Connection>>>>,
}

impl SshCredential {
    /// Reads a private key (OpenSSH, PKCS #1, PKCS #8 or SEC 1; ed25519, ecdsa or RSA of at least 2048 bits), decrypts it with
    /// the passphrase if it is encrypted, and reads the known hosts.
    ///
    /// Without known hosts there is no credential: no server is trusted on first sight.
    pub fn new(
        identity: &[u8],
        passphrase: Option<&str>,
        known_hosts_text: &[u8],
    ) -> Result<Self, InvalidSshCredential> {
        let key = key::read(identity, passphrase)?;
        let known_hosts = KnownHosts::parse(known_hosts_text)?;
        let fingerprint = format!(
            "{} {}",
            key.algorithm().as_str(),
            key.fingerprint(ssh_key::HashAlg::Sha256)
        );
        let mut hash = ring::digest::Context::new(&ring::digest::SHA256);
        // The length keeps two pairs from giving the same bytes.
        hash.update(&(identity.len() as u64).to_le_bytes());
        hash.update(identity);
        hash.update(known_hosts_text);
        let mut identity = [0; 32];
        identity.copy_from_slice(hash.finish().as_ref());
        Ok(Self {
            inner: Arc::new(Credential {
                key: Arc::new(key),
                known_hosts,
                fingerprint,
                identity,
            }),
            proxy: None,
        })
    }

    /// The same credential for connections through a proxy.
    #[must_use]
    pub fn through(mut self, proxy: SshProxy) -> Self {
        self.proxy = Some(Arc::new(proxy));
        self
    }

    /// A hash of key and known hosts: equal for equal credentials, in this process and the next, and without a way back.
    #[must_use]
    pub fn identity(&self) -> &[u8; 32] {
        &self.inner.identity
    }

    /// The kind and the SHA-256 fingerprint of the key, which can be shown: `ssh-ed25519 SHA256:…`.
    #[must_use]
    pub fn fingerprint(&self) -> &str {
        &self.inner.fingerprint
    }
}

impl Default for SshOptions {
    fn default() -> Self {
        Self {
            key_exchanges: Vec::new(),
            host_key_algorithms: Vec::new(),
            connect_timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_mins(1),
        }
    }
}

impl Ssh {
    /// Connections on `runtime`.
    ///
    /// # Errors
    /// [`UnknownAlgorithm`] for a name that this version cannot do; it lists those that it can.
    pub fn new(runtime: Handle, options: &SshOptions) -> Result<Self, UnknownAlgorithm> {
        let preferred = algorithms::preferred(options)?;
        Ok(Self::of(runtime, preferred, options))
    }

    /// Connections on `runtime` with the built-in algorithms.
    #[must_use]
    pub fn with_defaults(runtime: Handle) -> Self {
        Self::of(runtime, algorithms::built_in(), &SshOptions::default())
    }

    fn of(runtime: Handle, preferred: russh::Preferred, options: &SshOptions) -> Self {
        Self {
            runtime,
            preferred,
            connect_timeout: options.connect_timeout,
            idle_timeout: options.idle_timeout,
            closing: watch::Sender::new(false),
            limit: None,
        }
    }

    /// The same connections, with a limit that depends on who waits.
    #[must_use]
    pub fn with_limit(mut self, limit: WaitLimit) -> Self {
        self.limit = Some(limit);
        self
    }

    /// Waits on this thread, at most for a time, and not after the limit of its caller or the end of everything.
    fn wait<T>(&self, most: Duration, work: impl Future<Output = T>) -> Result<T, String> {
        let mut closing = self.closing.subscribe();
        let limit = self.limit.as_ref().map(|limit| limit());
        let limit = async {
            match limit {
                Some(limit) => limit.await,
                None => std::future::pending().await,
            }
        };
        self.runtime.block_on(async {
            tokio::select! {
                outcome = tokio::time::timeout(most, work) => {
                    outcome.map_err(|_| format!("nothing happened within {} s", most.as_secs_f32()))
                }
                reason = limit => Err(reason),
                _ = closing.wait_for(|closing| *closing) => Err("it was cancelled".to_owned()),
            }
        })
    }

    /// Whether the caller on this thread does not want to wait any longer.
    fn caller_gave_up(&self) -> bool {
        let Some(limit) = &self.limit else {
            return false;
        };
        let limit = limit();
        // A timer that is over says so with the next turn of the clock.
        let turn = Duration::from_millis(1);
        self.runtime
            .block_on(async { tokio::time::timeout(turn, limit).await.is_ok() })
    }

    /// Ends everything that waits for a server, now and later; it fails as if the server could not be reached.
    pub fn close(&self) {
        self.closing.send_replace(true);
    }
}

impl SshClient {
    pub(crate) fn new(ssh: Ssh, credential: SshCredential, location: SshLocation) -> Self {
        Self {
            ssh,
            credential,
            location,
            connection: Arc::default(),
        }
    }

    pub(crate) fn credential(&self) -> &SshCredential {
        &self.credential
    }

    /// Whether the caller on this thread does not want to wait any longer.
    pub(crate) fn caller_gave_up(&self) -> bool {
        self.ssh.caller_gave_up()
    }

    /// Runs a Git command on the server, on the connection of earlier ones if it still stands.
    pub(crate) fn run(&self, command: &str, version_2: bool) -> Result<SshSession, RemoteFailure> {
        let known = self.slot().clone().filter(|connection| !connection.is_closed());
        if let Some(connection) = known {
            // Servers may close a connection at any time; nothing is lost by asking anew.
            if let Ok(session) = self.run_on(&connection, command, version_2) {
                return Ok(session);
            }
        }
        self.run_anew(command, version_2)
    }

    /// Runs a Git command on a new connection.
    pub(crate) fn run_anew(&self, command: &str, version_2: bool) -> Result<SshSession, RemoteFailure> {
        *self.slot() = None;
        let opening = connection::open(&self.ssh, &self.credential, &self.location);
        let connection = self
            .ssh
            .wait(self.ssh.connect_timeout, opening)
            .unwrap_or_else(|detail| {
                Err(RemoteFailure::Unreachable {
                    host: self.location.address(),
                    detail: format!("no SSH connection: {detail}"),
                })
            })?;
        let connection = Arc::new(connection);
        *self.slot() = Some(Arc::clone(&connection));
        let mut session = self.run_on(&connection, command, version_2)?;
        session.is_first = true;
        Ok(session)
    }

    fn run_on(
        &self,
        connection: &Arc<connection::Connection>,
        command: &str,
        version_2: bool,
    ) -> Result<SshSession, RemoteFailure> {
        SshSession::open(&self.ssh, connection, &self.location, command, version_2)
    }

    fn slot(&self) -> MutexGuard<'_, Option<Arc<connection::Connection>>> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl PartialEq for SshCredential {
    fn eq(&self, other: &Self) -> bool {
        self.inner.identity == other.inner.identity && self.proxy == other.proxy
    }
}

impl Eq for SshCredential {}

impl fmt::Debug for SshCredential {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "SshCredential({})", self.fingerprint())
    }
}

impl fmt::Debug for Ssh {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Ssh").finish_non_exhaustive()
    }
}
