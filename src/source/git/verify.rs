//! `spec.verify`: whose signature a commit or tag must have.

use fluxbot_api::Reason;
use fluxbot_api::source::GitVerificationMode;
use fluxbot_git::{ReadError, RefName, TrustedKeys, VerifyError};

use super::Found;
use crate::http::SecretData;

/// The end of the names of keys that hold SSH keys.
const SSH_SUFFIX: &str = ".sshpub";

/// What has to be signed, and whose keys count.
#[derive(Debug, Clone)]
pub struct Verification {
    mode: GitVerificationMode,
    keys: TrustedKeys,
    now: i64,
}

/// A commit or tag has not the signature that it must have. Texts are Flux's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unverified {
    /// `spec.ref` names no tag.
    #[error("cannot verify tag object's signature if a tag reference is not specified")]
    NoTag,
    /// The tag has no signature.
    #[error("cannot verify signature of tag '{tag}' since it is not signed")]
    TagNotSigned {
        /// Its name, and its id if it has one of its own.
        tag: String,
    },
    /// The tag's signature does not count.
    #[error("signature verification of tag '{tag}' failed: {source}")]
    Tag {
        /// Its name and id.
        tag: String,
        /// Why.
        #[source]
        source: VerifyError,
    },
    /// The commit's signature does not count.
    #[error("signature verification of commit '{commit}' failed: {source}")]
    Commit {
        /// Its id.
        commit: String,
        /// Why.
        #[source]
        source: VerifyError,
    },
    /// The object cannot be read.
    #[error("signature cannot be verified: {0}")]
    Read(#[from] ReadError),
}

impl Verification {
    /// What an object asks for, with the values of the Secret that it names, at a moment in seconds since 1970.
    ///
    /// Values under a name that ends with `.sshpub` are SSH keys, all others OpenPGP key rings, as in Flux.
    #[must_use]
    pub fn new(mode: GitVerificationMode, secret: &SecretData, now: i64) -> Self {
        let mut keys = TrustedKeys::default();
        for (name, value) in secret {
            let text = String::from_utf8_lossy(value).into_owned();
            if name.ends_with(SSH_SUFFIX) {
                keys.authorized_keys.push(text);
            } else {
                keys.key_rings.push(text);
            }
        }
        Self { mode, keys, now }
    }

    /// Checks what was found; gives the text of the condition.
    pub(super) fn check(&self, found: &Found) -> Result<String, Unverified> {
        let (tag, head) = match self.mode {
            GitVerificationMode::Head | GitVerificationMode::LegacyHead => (false, true),
            GitVerificationMode::Tag => (true, false),
            GitVerificationMode::TagAndHead => (true, true),
        };
        let mut lines = Vec::new();
        if tag {
            let name = found.tag.as_ref().ok_or(Unverified::NoTag)?;
            lines.push(self.check_tag(found, name)?);
        }
        if head {
            let commit = found.commit.to_string();
            let signed = found.snapshot.signed_commit(&found.commit)?;
            let key = signed.verify("commit", &self.keys, self.now);
            let key = key.map_err(|source| Unverified::Commit {
                commit: commit.clone(),
                source,
            })?;
            lines.push(format!("\n\t- commit '{commit}' with key '{key}'"));
        }
        Ok(format!("verified signature of{}", lines.concat()))
    }

    fn check_tag(&self, found: &Found, name: &RefName) -> Result<String, Unverified> {
        let snapshot = &found.snapshot;
        let short = name.short();
        let reference = snapshot.references().find(|reference| reference.name == *name);
        // A tag without an object of its own is only a name.
        let annotated = reference.filter(|reference| reference.peeled.is_some());
        let Some(reference) = annotated else {
            return Err(Unverified::TagNotSigned {
                tag: short.to_owned(),
            });
        };
        let tag = format!("{short}@{}", reference.id);
        let signed = snapshot.signed_tag(&reference.id)?;
        // The server says which commit a tag leads to; only what is signed counts.
        if snapshot.peel(&reference.id)?.id != found.commit {
            let problem = format!("it does not lead to commit {}, as the server says", found.commit);
            let id = reference.id;
            return Err(ReadError::Malformed { id, problem }.into());
        }
        if !signed.is_signed() {
            return Err(Unverified::TagNotSigned { tag });
        }
        match signed.verify("tag", &self.keys, self.now) {
            Ok(key) => Ok(format!("\n\t- tag '{tag}' with key '{key}'")),
            Err(source) => Err(Unverified::Tag { tag, source }),
        }
    }
}

impl Unverified {
    /// The reason of the condition.
    #[must_use]
    pub fn reason(&self) -> Reason {
        match self {
            Self::NoTag => Reason::InvalidVerificationMode,
            Self::TagNotSigned { .. } => Reason::InvalidGitObject,
            Self::Tag { .. } => Reason::InvalidTagSignature,
            Self::Commit { .. } => Reason::InvalidCommitSignature,
            Self::Read(_) => Reason::VerificationError,
        }
    }

    /// Whether only a change of the object can help.
    #[must_use]
    pub fn is_stalled(&self) -> bool {
        matches!(self, Self::NoTag)
    }
}
