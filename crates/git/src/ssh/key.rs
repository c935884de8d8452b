//! Private keys as people keep them: OpenSSH's format and the PEM formats before it.

use ssh_key::PrivateKey;
use ssh_key::private::KeypairData;

/// Shortest RSA key; servers refuse shorter ones, and so does Flux for signing.
const SHORTEST_RSA_BITS: u32 = 2048;

/// A private key cannot be used. No text repeats the key or its passphrase.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidIdentity {
    /// It is encrypted, and there is no passphrase.
    #[error("the private key is encrypted and no passphrase is given")]
    PassphraseMissing,
    /// It is encrypted, and the passphrase does not fit.
    #[error("the private key cannot be decrypted: the passphrase is wrong, or the key is damaged")]
    PassphraseWrong,
    /// It is not a private key, or of a format that is not known.
    #[error("the private key cannot be read: {problem}")]
    Malformed {
        /// What is wrong.
        problem: &'static str,
    },
    /// It is a kind of key that servers do not accept any more, or that needs a device.
    #[error("private keys of the type {kind} are not supported: use ed25519, ecdsa or rsa")]
    Kind {
        /// The kind.
        kind: String,
    },
    /// It is an RSA key that servers refuse.
    #[error("the RSA key has {bits} bits: at least 2048 are needed")]
    TooShort {
        /// Its length.
        bits: u32,
    },
}

/// Reads a private key, and decrypts it if it is encrypted. A passphrase that is not needed is not looked at, as in Flux.
pub(crate) fn read(pem: &[u8], passphrase: Option<&str>) -> Result<PrivateKey, InvalidIdentity> {
    let malformed = |problem| InvalidIdentity::Malformed { problem };
    let text = std::str::from_utf8(pem).map_err(|_| malformed("it is not text"))?;
    let text = text.trim().replace("\r\n", "\n");
    if !text.starts_with("-----BEGIN ") {
        return Err(malformed(
            if text.starts_with("ssh-") || text.starts_with("ecdsa-") {
                "it is a public key"
            } else {
                "it is not in the OpenSSH or PEM format"
            },
        ));
    }
    let passphrase = passphrase.filter(|passphrase| !passphrase.is_empty());
    let key = if text.starts_with("-----BEGIN OPENSSH PRIVATE KEY-----") {
        read_openssh(&text, passphrase)?
    } else {
        read_pem(&text, passphrase)?
    };
    check(&key)?;
    Ok(key)
}

/// How many rounds of key derivation a file may ask for.
const MOST_ROUNDS: u32 = 256;

fn read_openssh(text: &str, passphrase: Option<&str>) -> Result<PrivateKey, InvalidIdentity> {
    let key = PrivateKey::from_openssh(text).map_err(|_| InvalidIdentity::Malformed {
        problem: "it is damaged or cut off",
    })?;
    if !key.is_encrypted() {
        return Ok(key);
    }
    let passphrase = passphrase.ok_or(InvalidIdentity::PassphraseMissing)?;
    // The file says how much work it is; ssh-keygen takes 24 rounds unless told otherwise.
    if matches!(key.kdf(), ssh_key::Kdf::Bcrypt { rounds, .. } if *rounds > MOST_ROUNDS) {
        return Err(InvalidIdentity::Malformed {
            problem: "its encryption takes more than 256 rounds; write it anew with `ssh-keygen -p -a 100`",
        });
    }
    key.decrypt(passphrase)
        .map_err(|_| InvalidIdentity::PassphraseWrong)
}

fn read_pem(text: &str, passphrase: Option<&str>) -> Result<PrivateKey, InvalidIdentity> {
    // The file says how much work and memory it is, without a bound that could be checked before.
    if text.contains("BEGIN ENCRYPTED PRIVATE KEY") {
        return Err(InvalidIdentity::Malformed {
            problem: "encrypted PKCS #8 is not supported; write it anew with `ssh-keygen -p`",
        });
    }
    let encrypted = text.contains("Proc-Type: 4,ENCRYPTED");
    if encrypted && passphrase.is_none() {
        return Err(InvalidIdentity::PassphraseMissing);
    }
    let is_old = text.contains("DEK-Info:");
    let is_known = text.starts_with("-----BEGIN RSA ") && text.contains("DEK-Info: AES-128-CBC,");
    if is_old && !is_known {
        return Err(InvalidIdentity::Malformed {
            problem: "its encryption is that of the old PEM format; write it anew with `ssh-keygen -p`",
        });
    }
    russh::keys::decode_secret_key(text, passphrase.filter(|_| encrypted)).map_err(|_| {
        if encrypted {
            InvalidIdentity::PassphraseWrong
        } else {
            InvalidIdentity::Malformed {
                problem: "it is damaged, cut off, or of an unknown kind",
            }
        }
    })
}

fn check(key: &PrivateKey) -> Result<(), InvalidIdentity> {
    match key.key_data() {
        KeypairData::Ed25519(_) | KeypairData::Ecdsa(_) => Ok(()),
        KeypairData::Rsa(pair) => {
            let bits = pair.key_size();
            if bits < SHORTEST_RSA_BITS {
                return Err(InvalidIdentity::TooShort { bits });
            }
            Ok(())
        }
        _ => Err(InvalidIdentity::Kind {
            kind: key.algorithm().as_str().to_owned(),
        }),
    }
}
