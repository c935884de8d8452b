//! One connection to a server: its key checked, ourselves proved.

use super::known_hosts::Verdict;
use super::{Ssh, SshCredential, algorithms};
use crate::remote::RemoteFailure;
use crate::remote::url::SshLocation;
use russh::client::{self, AuthResult, Handle};
use russh::keys::PrivateKeyWithHashAlg;
use ssh_key::certificate::CertType;
use ssh_key::public::KeyData;
use ssh_key::{Certificate, HashAlg};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;

/// A connection on which we are logged in.
pub(super) struct Connection {
    handle: Handle<HostKeyCheck>,
}

/// Checks the key of the server.
pub(super) struct HostKeyCheck {
    credential: SshCredential,
    location: SshLocation,
}

/// Why a connection ended; the host key's fault is ours to tell.
#[derive(Debug)]
pub(super) enum ConnectionError {
    Protocol(russh::Error),
    HostKey(String),
}

impl From<russh::Error> for ConnectionError {
    fn from(error: russh::Error) -> Self {
        Self::Protocol(error)
    }
}

impl client::Handler for HostKeyCheck {
    type Error = ConnectionError;

    async fn check_server_key(
        &mut self,
        shown: &russh::keys::PublicKeyOrCertificate,
    ) -> Result<bool, ConnectionError> {
        let outcome = match shown.certificate() {
            Some(certificate) => self.check_certificate(certificate),
            None => self.check_key(shown.public_key().key_data()),
        };
        outcome.map(|()| true).map_err(ConnectionError::HostKey)
    }
}

impl HostKeyCheck {
    fn check_key(&self, key: &KeyData) -> Result<(), String> {
        let SshLocation { host, port, .. } = &self.location;
        let known = &self.credential.inner.known_hosts;
        let shown = format!(
            "{} {}",
            key.algorithm().as_str(),
            key.fingerprint(HashAlg::Sha256)
        );
        match known.check(host, *port, key) {
            Verdict::Known => Ok(()),
            Verdict::Changed => Err(format!(
                "the server shows the key {shown}, and known_hosts has another one for it: the key was changed, or someone is in between"
            )),
            Verdict::Unknown => Err(format!("the key {shown} of the server is not in known_hosts")),
            Verdict::Revoked => Err(format!(
                "the key {shown} of the server is marked as revoked in known_hosts"
            )),
        }
    }

    fn check_certificate(&self, certificate: &Certificate) -> Result<(), String> {
        let SshLocation { host, port, .. } = &self.location;
        let known = &self.credential.inner.known_hosts;
        let revoked = |key| known.is_revoked(host, *port, key);
        if revoked(certificate.public_key()) || revoked(certificate.signature_key()) {
            return Err("the certificate of the server is marked as revoked in known_hosts".to_owned());
        }
        certificate
            .validate(known.authorities(host, *port).iter())
            .map_err(|_| {
                "the certificate of the server is not valid now, or of an authority that known_hosts does not name".to_owned()
            })?;
        // A certificate without principals counts for every host to OpenSSH's file format, but sshd never makes one for
        // hosts; refusing it keeps a user's certificate from passing for a server's.
        let named = certificate
            .valid_principals()
            .iter()
            .any(|principal| principal.eq_ignore_ascii_case(host));
        if certificate.cert_type() != CertType::Host || !named {
            return Err(format!(
                "the certificate of the server is not for the host {host}"
            ));
        }
        if !certificate.critical_options().is_empty() {
            return Err("the certificate of the server has critical options that are not known".to_owned());
        }
        Ok(())
    }
}

impl Connection {
    pub(super) fn is_closed(&self) -> bool {
        self.handle.is_closed()
    }

    pub(super) async fn channel(&self) -> Result<russh::Channel<client::Msg>, russh::Error> {
        self.handle.channel_open_session().await
    }
}

/// Connects, checks the server, and logs in.
pub(super) async fn open(
    ssh: &Ssh,
    credential: &SshCredential,
    location: &SshLocation,
) -> Result<Connection, RemoteFailure> {
    let SshLocation { host, port, .. } = location;
    let unreachable = |detail: String| RemoteFailure::Unreachable {
        host: location.address(),
        detail,
    };
    let stream = match &credential.proxy {
        None => TcpStream::connect((host.as_str(), *port)).await,
        Some(proxy) => proxy
            .connect(host, *port)
            .await
            .map_err(|error| std::io::Error::other(format!("through the proxy {}: {error}", proxy.host))),
    };
    let stream = stream.map_err(|error| unreachable(error.to_string()))?;
    stream
        .set_nodelay(true)
        .map_err(|error| unreachable(error.to_string()))?;
    let config = client::Config {
        preferred: algorithms::for_host(&ssh.preferred, &credential.inner.known_hosts, host, *port),
        // A connection that nobody uses goes by itself.
        inactivity_timeout: Some(ssh.idle_timeout + Duration::from_secs(5)),
        nodelay: true,
        ..client::Config::default()
    };
    let check = HostKeyCheck {
        credential: credential.clone(),
        location: location.clone(),
    };
    let mut handle = client::connect_stream(Arc::new(config), stream, check)
        .await
        .map_err(|error| handshake_failure(location, error))?;
    if authenticate(&mut handle, credential, location).await? {
        return Ok(Connection { handle });
    }
    Err(RemoteFailure::KeyRejected {
        host: location.address(),
        user: location.user.clone(),
        key: credential.fingerprint().to_owned(),
    })
}

async fn authenticate(
    handle: &mut Handle<HostKeyCheck>,
    credential: &SshCredential,
    location: &SshLocation,
) -> Result<bool, RemoteFailure> {
    let failure = |error| handshake_failure(location, ConnectionError::Protocol(error));
    let key = &credential.inner.key;
    let hashes = if key.algorithm().is_rsa() {
        match handle.best_supported_rsa_hash().await.map_err(failure)? {
            Some(Some(hash)) => vec![Some(hash)],
            // The server only knows SHA-1.
            Some(None) => Vec::new(),
            None => vec![Some(HashAlg::Sha512), Some(HashAlg::Sha256)],
        }
    } else {
        vec![None]
    };
    for hash in hashes {
        let key = PrivateKeyWithHashAlg::new(Arc::clone(key), hash);
        match handle.authenticate_publickey(&location.user, key).await {
            Ok(AuthResult::Success) => return Ok(true),
            Ok(AuthResult::Failure { .. }) => {}
            // Servers that count attempts hang up instead of saying no.
            Err(
                russh::Error::Disconnect
                | russh::Error::HUP
                | russh::Error::SendError
                | russh::Error::RecvError,
            ) => {
                return Ok(false);
            }
            Err(error) => return Err(failure(error)),
        }
    }
    Ok(false)
}

fn handshake_failure(location: &SshLocation, error: ConnectionError) -> RemoteFailure {
    let host = location.address();
    match error {
        ConnectionError::HostKey(problem) => RemoteFailure::HostKey { host, problem },
        ConnectionError::Protocol(russh::Error::NoCommonAlgo { kind, ours, theirs }) => {
            let theirs = crate::text::line(theirs.join(", ").as_bytes());
            RemoteFailure::Protocol {
                host,
                detail: format!(
                    "no SSH {kind:?} algorithm in common: it offers {theirs}, and we {}",
                    ours.join(", ")
                ),
            }
        }
        ConnectionError::Protocol(
            error @ (russh::Error::IO(_) | russh::Error::Disconnect | russh::Error::HUP),
        ) => RemoteFailure::Unreachable {
            host,
            detail: format!(
                "the SSH handshake ended early: {}",
                crate::text::line(error.to_string().as_bytes())
            ),
        },
        ConnectionError::Protocol(error) => RemoteFailure::Protocol {
            host,
            detail: format!(
                "SSH handshake: {}",
                crate::text::line(error.to_string().as_bytes())
            ),
        },
    }
}
