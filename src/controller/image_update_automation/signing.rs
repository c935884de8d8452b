//! `spec.git.commit.signingKey`: from the values of a Secret to a key.

use fluxbot_api::image::{ImageUpdateAutomation, SigningKeyType};
use fluxbot_git::{InvalidIdentity, InvalidSigningKey, SigningKey};

use crate::controller::kinds::Reconciled as _;
use crate::http::SecretData;
use crate::objects::ObjectKey;

/// A Secret gives no key that signs. Texts are Flux's where Flux has the same fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum SigningKeyError {
    #[error("signing key secret '{secret}' does not contain a '{key}' key")]
    Missing { secret: String, key: &'static str },
    #[error("can not use passphrase protected signing key without '{key}' field present in secret {secret}")]
    PassphraseMissing { secret: String, key: &'static str },
    #[error("multiple entities read from secret '{secret}', could not determine which signing key to use")]
    Several { secret: String },
    #[error("could not read signing key from secret '{secret}': {source}")]
    Invalid {
        secret: String,
        source: InvalidSigningKey,
    },
}

/// The Secret that an automation names.
pub(super) fn secret_of(automation: &ImageUpdateAutomation) -> Option<ObjectKey> {
    let key = automation.spec.git.as_ref()?.commit.signing_key.as_ref()?;
    Some(ObjectKey::new(automation.key().namespace, &key.secret_ref.name))
}

/// Reads the key from the values of the Secret `name`.
pub(super) fn read(
    automation: &ImageUpdateAutomation,
    name: &str,
    data: &SecretData,
) -> Result<SigningKey, SigningKeyError> {
    let git = automation.spec.git.as_ref();
    let spec = git.and_then(|git| git.commit.signing_key.as_ref());
    let kind = spec.and_then(|spec| spec.type_).unwrap_or_default();
    let (key, passphrase) = match kind {
        SigningKeyType::Gpg => ("git.asc", "passphrase"),
        SigningKeyType::Ssh => ("identity", "password"),
    };
    let secret = name.to_owned();
    let Some(value) = data.get(key) else {
        return Err(SigningKeyError::Missing { secret, key });
    };
    let word = data
        .get(passphrase)
        .and_then(|value| std::str::from_utf8(value).ok());
    let read = if key == "git.asc" {
        SigningKey::openpgp(value, word)
    } else {
        SigningKey::ssh(value, word)
    };
    read.map_err(|source| match source {
        InvalidSigningKey::PassphraseMissing | InvalidSigningKey::Ssh(InvalidIdentity::PassphraseMissing) => {
            SigningKeyError::PassphraseMissing {
                secret,
                key: passphrase,
            }
        }
        InvalidSigningKey::Several => SigningKeyError::Several { secret },
        source => SigningKeyError::Invalid { secret, source },
    })
}
