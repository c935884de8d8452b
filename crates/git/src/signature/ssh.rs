//! SSHSIG, the format of `ssh-keygen -Y` (OpenSSH, PROTOCOL.sshsig), as Git uses it.

use super::Mismatch;
use ssh_key::authorized_keys::Entry;
use ssh_key::{HashAlg, LineEnding, PrivateKey, PublicKey, SshSig};

/// What keeps a signature of Git from counting elsewhere.
const NAMESPACE: &str = "git";

pub(super) fn sign(key: &PrivateKey, payload: &[u8]) -> Result<String, String> {
    key.sign(NAMESPACE, HashAlg::Sha512, payload)
        .and_then(|signature| signature.to_pem(LineEnding::LF))
        .map_err(|error| error.to_string())
}

/// Gives the fingerprint of the key that signed.
pub(super) fn verify(signature: &str, payload: &[u8], files: &[String]) -> Result<String, Mismatch> {
    let signature = SshSig::from_pem(signature).map_err(|_| Mismatch::NoKey {
        reason: " (the signature cannot be read)",
    })?;
    let mut unreadable = None;
    let mut reason = "";
    let mut any = false;
    for file in files {
        let keys = match read(file) {
            Ok(keys) => keys,
            Err(line) => {
                unreadable = unreadable.or(Some(line));
                continue;
            }
        };
        any = true;
        for key in keys.iter().filter(|key| key.key_data() == signature.public_key()) {
            if signature.namespace() != NAMESPACE {
                reason = " (the signature is not made for Git)";
            } else if key.verify(NAMESPACE, payload, &signature).is_ok() {
                return Ok(key.fingerprint(HashAlg::Sha256).to_string());
            } else {
                reason = " (the signature is not of this content)";
            }
        }
    }
    match unreadable {
        Some(line) if !any => Err(Mismatch::Unreadable { line }),
        _ => Err(Mismatch::NoKey { reason }),
    }
}

/// The keys of a file; one that cannot be read spoils the file, as in Flux. The error is the number of its line.
fn read(file: &str) -> Result<Vec<PublicKey>, usize> {
    let lines = file.lines().enumerate().filter(|(_, line)| {
        let line = line.trim();
        !line.is_empty() && !line.starts_with('#')
    });
    lines
        .map(|(index, line)| {
            line.trim()
                .parse::<Entry>()
                .map(|entry| entry.public_key().clone())
                .map_err(|_| index + 1)
        })
        .collect()
}
