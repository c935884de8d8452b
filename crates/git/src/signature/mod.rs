//! Signatures of commits and tags: made with a key, and checked against the keys that somebody trusts.

mod openpgp;
mod ssh;

use crate::{ObjectId, PreparedCommit, ReadError, Snapshot};
use std::fmt;

pub use crate::ssh::InvalidIdentity;

/// A private key that signs commits. `Debug` shows no secret.
#[derive(Clone)]
pub struct SigningKey {
    kind: SigningKeyKind,
}

#[derive(Clone)]
enum SigningKeyKind {
    OpenPgp(openpgp::SigningKey),
    Ssh(std::sync::Arc<ssh_key::PrivateKey>),
}

/// A key cannot sign. No text repeats the key or its passphrase.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSigningKey {
    /// It is not an armored OpenPGP private key.
    #[error("the OpenPGP key cannot be read: {problem}")]
    Malformed {
        /// What is wrong.
        problem: &'static str,
    },
    /// Several keys, of which nobody can say which one is meant.
    #[error("multiple entities read, could not determine which signing key to use")]
    Several,
    /// It is encrypted, and there is no passphrase.
    #[error("the key is protected by a passphrase, and none is given")]
    PassphraseMissing,
    /// It is encrypted, and the passphrase does not fit.
    #[error("the key cannot be decrypted: the passphrase is wrong")]
    PassphraseWrong,
    /// No part of it may sign, or all such parts are expired or revoked.
    #[error("no part of the OpenPGP key can sign now: it is expired, revoked, or not made for signing")]
    CannotSign,
    /// The SSH key cannot be used.
    #[error(transparent)]
    Ssh(#[from] InvalidIdentity),
}

/// A commit cannot be signed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the commit cannot be signed: {detail}")]
pub struct SignError {
    detail: String,
}

/// A commit or tag, taken apart into what is signed and the signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedObject {
    payload: Vec<u8>,
    signature: String,
}

/// The public keys that somebody trusts, as text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrustedKeys {
    /// Armored OpenPGP key rings.
    pub key_rings: Vec<String>,
    /// SSH keys in the format of `authorized_keys`.
    pub authorized_keys: Vec<String>,
}

/// A signature does not count. Texts are Flux's (fluxcd/pkg/git/signature).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// There is an OpenPGP signature, and no key ring.
    #[error("PGP signature detected but no PGP public keys found in secret (keys with .asc suffix)")]
    NoKeyRing,
    /// There is an SSH signature, and no SSH key.
    #[error("SSH signature detected but no SSH public keys found in secret (keys with .sshpub suffix)")]
    NoAuthorizedKeys,
    /// There is no signature, or one that is not known.
    #[error("unsupported signature type: {kind}")]
    Unsupported {
        /// `empty`, `x509` or `unknown`.
        kind: &'static str,
    },
    /// None of the key rings can be read.
    #[error("unable to verify Git {object}: unable to read armored key ring")]
    KeyRing {
        /// `commit` or `tag`.
        object: &'static str,
    },
    /// None of the SSH keys can be read.
    #[error(
        "unable to verify Git {object} SSH signature: unable to parse authorized keys: line {line} cannot be read"
    )]
    AuthorizedKeys {
        /// `commit` or `tag`.
        object: &'static str,
        /// The line in its file, from one.
        line: usize,
    },
    /// The signature is not made by a trusted key, or not over this object, or its key is expired or revoked.
    #[error("unable to verify Git {object}{}: unable to verify payload with any of the given {}: no matching key{reason}", ssh_words(*ssh), key_words(*ssh))]
    NoMatchingKey {
        /// `commit` or `tag`.
        object: &'static str,
        /// Whether it is an SSH signature.
        ssh: bool,
        /// What more there is to say, such as that the key is expired.
        reason: &'static str,
    },
}

/// Why one check failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mismatch {
    Unreadable { line: usize },
    NoKey { reason: &'static str },
}

impl SigningKey {
    /// Reads an armored OpenPGP private key (Flux's `git.asc`). A signing subkey is taken before the primary key, as
    /// Flux's library does.
    pub fn openpgp(armored: &[u8], passphrase: Option<&str>) -> Result<Self, InvalidSigningKey> {
        openpgp::SigningKey::read(armored, passphrase).map(|key| Self {
            kind: SigningKeyKind::OpenPgp(key),
        })
    }

    /// Reads an SSH private key: ed25519, ecdsa, or RSA of at least 2048 bits.
    pub fn ssh(identity: &[u8], passphrase: Option<&str>) -> Result<Self, InvalidSigningKey> {
        let key = crate::ssh::read_key(identity, passphrase)?;
        Ok(Self {
            kind: SigningKeyKind::Ssh(std::sync::Arc::new(key)),
        })
    }

    fn sign(&self, payload: &[u8]) -> Result<String, SignError> {
        match &self.kind {
            SigningKeyKind::OpenPgp(key) => key.sign(payload),
            SigningKeyKind::Ssh(key) => ssh::sign(key, payload),
        }
        .map_err(|detail| SignError { detail })
    }
}

impl PreparedCommit {
    /// The same commit with a signature by `key`, as `git commit -S` makes it.
    pub fn signed(&self, key: &SigningKey) -> Result<Self, SignError> {
        let signature = key.sign(self.payload())?;
        self.with_header("gpgsig", &signature).map_err(|error| SignError {
            detail: error.to_string(),
        })
    }
}

impl Snapshot {
    /// A commit, taken apart for the check of its signature.
    ///
    /// # Errors
    /// [`ReadError`]; a commit with two signatures is malformed, as readers differ in which one they take.
    pub fn signed_commit(&self, id: &ObjectId) -> Result<SignedObject, ReadError> {
        self.commit(id)?;
        split_commit(&self.raw(id)?).map_err(|problem| ReadError::Malformed {
            id: *id,
            problem: problem.to_owned(),
        })
    }

    /// An annotated tag, taken apart for the check of its signature.
    pub fn signed_tag(&self, id: &ObjectId) -> Result<SignedObject, ReadError> {
        let data = self.raw(id)?;
        if !data.starts_with(b"object ") {
            return Err(ReadError::WrongKind {
                id: *id,
                expected: "tag",
            });
        }
        Ok(split_tag(&data))
    }
}

impl SignedObject {
    /// Whether there is a signature at all.
    #[must_use]
    pub fn is_signed(&self) -> bool {
        !self.signature.trim().is_empty()
    }

    /// Checks the signature against some keys.
    ///
    /// `object` is `commit` or `tag` for the error text; `now` are seconds since 1970: a key or signature that is expired
    /// then does not count, as in Flux. Gives the ID of the OpenPGP primary key in upper case, or the SHA-256 fingerprint of
    /// the SSH key.
    pub fn verify(&self, object: &'static str, keys: &TrustedKeys, now: i64) -> Result<String, VerifyError> {
        let signature = self.signature.trim();
        if signature.starts_with("-----BEGIN PGP SIGNATURE-----") {
            if keys.key_rings.is_empty() {
                return Err(VerifyError::NoKeyRing);
            }
            return openpgp::verify(signature, &self.payload, &keys.key_rings, now).map_err(|mismatch| {
                match mismatch {
                    Mismatch::Unreadable { .. } => VerifyError::KeyRing { object },
                    Mismatch::NoKey { reason } => VerifyError::NoMatchingKey {
                        object,
                        ssh: false,
                        reason,
                    },
                }
            });
        }
        if signature.starts_with("-----BEGIN SSH SIGNATURE-----") {
            if keys.authorized_keys.is_empty() {
                return Err(VerifyError::NoAuthorizedKeys);
            }
            return ssh::verify(signature, &self.payload, &keys.authorized_keys).map_err(|mismatch| {
                match mismatch {
                    Mismatch::Unreadable { line } => VerifyError::AuthorizedKeys { object, line },
                    Mismatch::NoKey { reason } => VerifyError::NoMatchingKey {
                        object,
                        ssh: true,
                        reason,
                    },
                }
            });
        }
        Err(VerifyError::Unsupported {
            kind: match signature {
                "" => "empty",
                other if other.starts_with("-----BEGIN SIGNED MESSAGE-----") => "x509",
                _ => "unknown",
            },
        })
    }
}

fn ssh_words(ssh: bool) -> &'static str {
    if ssh { " SSH signature" } else { "" }
}

fn key_words(ssh: bool) -> &'static str {
    if ssh { "authorized keys" } else { "key rings" }
}

/// Takes the `gpgsig` header out. That of another hash function goes as well: it is not covered either.
fn split_commit(data: &[u8]) -> Result<SignedObject, &'static str> {
    let (mut payload, mut signature) = (Vec::with_capacity(data.len()), Vec::new());
    let (mut in_signature, mut keeps) = (false, false);
    let mut lines = data.split_inclusive(|byte| *byte == b'\n');
    for line in lines.by_ref() {
        if line == b"\n" {
            payload.extend_from_slice(line);
            break;
        }
        if let Some(rest) = line.strip_prefix(b" ").filter(|_| in_signature) {
            if keeps {
                signature.extend_from_slice(rest);
            }
            continue;
        }
        in_signature = true;
        if let Some(first) = line.strip_prefix(b"gpgsig ") {
            if !signature.is_empty() {
                return Err("it has two signatures");
            }
            keeps = true;
            signature.extend_from_slice(first);
        } else if line.starts_with(b"gpgsig-sha256 ") {
            keeps = false;
        } else {
            in_signature = false;
            payload.extend_from_slice(line);
        }
    }
    for line in lines {
        payload.extend_from_slice(line);
    }
    Ok(SignedObject {
        payload,
        signature: String::from_utf8(signature).map_err(|_| "its signature is not text")?,
    })
}

/// The signature of a tag stands at its end; Git takes the last line that begins one.
fn split_tag(data: &[u8]) -> SignedObject {
    let begins = [
        &b"-----BEGIN PGP SIGNATURE-----"[..],
        b"-----BEGIN PGP MESSAGE-----",
        b"-----BEGIN SSH SIGNATURE-----",
        b"-----BEGIN SIGNED MESSAGE-----",
    ];
    let mut position = 0;
    let mut start = data.len();
    for line in data.split_inclusive(|byte| *byte == b'\n') {
        if begins.iter().any(|begin| line.starts_with(begin)) {
            start = position;
        }
        position += line.len();
    }
    let (payload, signature) = data.split_at(start);
    SignedObject {
        payload: payload.to_vec(),
        signature: String::from_utf8_lossy(signature).into_owned(),
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self.kind {
            SigningKeyKind::OpenPgp(_) => "SigningKey(openpgp, redacted)",
            SigningKeyKind::Ssh(_) => "SigningKey(ssh, redacted)",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_is_split_at_its_signature_and_nowhere_else() {
        let data = b"tree x\nauthor a\ngpgsig -----BEGIN\n line\n \n -----END\nencoding y\n\ngpgsig in the message\n";
        let split = split_commit(data).unwrap();
        assert_eq!(
            split.payload,
            b"tree x\nauthor a\nencoding y\n\ngpgsig in the message\n"
        );
        assert_eq!(split.signature, "-----BEGIN\nline\n\n-----END\n");
        let data = b"tree x\ngpgsig-sha256 one\n two\ngpgsig three\n\nmessage\n";
        let split = split_commit(data).unwrap();
        assert_eq!(
            (split.payload.as_slice(), split.signature.as_str()),
            (&b"tree x\n\nmessage\n"[..], "three\n")
        );
    }

    #[test]
    fn two_signatures_are_refused_and_none_is_none() {
        assert!(split_commit(b"tree x\ngpgsig one\ngpgsig two\n\nm").is_err());
        assert!(
            !split_commit(b"tree x\n\n-----BEGIN PGP SIGNATURE-----")
                .unwrap()
                .is_signed()
        );
    }

    #[test]
    fn a_tag_is_split_at_the_last_beginning_of_a_signature() {
        let data =
            b"object x\n\nquote:\n-----BEGIN SSH SIGNATURE-----\nmore\n-----BEGIN PGP SIGNATURE-----\nend\n";
        let split = split_tag(data);
        assert!(split.payload.ends_with(b"more\n"));
        assert_eq!(split.signature, "-----BEGIN PGP SIGNATURE-----\nend\n");
        assert!(!split_tag(b"object x\n\nmessage\n").is_signed());
    }

    #[test]
    fn kinds_of_signatures_without_keys_are_told_apart() {
        let verify = |signature: &str| {
            let object = SignedObject {
                payload: b"x".to_vec(),
                signature: signature.to_owned(),
            };
            object
                .verify("commit", &TrustedKeys::default(), 0)
                .unwrap_err()
                .to_string()
        };
        assert_eq!(verify(""), "unsupported signature type: empty");
        assert_eq!(
            verify("-----BEGIN SIGNED MESSAGE-----\n"),
            "unsupported signature type: x509"
        );
        assert_eq!(verify("hello"), "unsupported signature type: unknown");
        assert_eq!(
            verify("-----BEGIN PGP SIGNATURE-----\n"),
            "PGP signature detected but no PGP public keys found in secret (keys with .asc suffix)"
        );
    }
}
