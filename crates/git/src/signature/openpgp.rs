//! OpenPGP signatures (RFC 9580). The library checks single signatures; which keys count is decided here.

use super::{InvalidSigningKey, Mismatch};
use pgp::composed::{
    ArmorOptions, Deserializable, DetachedSignature, SignedPublicKey, SignedPublicSubKey, SignedSecretKey,
};
use pgp::crypto::hash::HashAlgorithm;
use pgp::packet::{KeyFlags, Signature, SignatureType};
use pgp::types::{KeyDetails, Password, SigningKey as _, Tag};
use std::io::Cursor;
use std::sync::Arc;

/// An OpenPGP private key, with the part of it that signs.
#[derive(Clone)]
pub(super) struct SigningKey {
    key: Arc<SignedSecretKey>,
    /// The subkey that signs; without one it is the primary key.
    subkey: Option<usize>,
    passphrase: Arc<Password>,
}

impl SigningKey {
    pub(super) fn read(armored: &[u8], passphrase: Option<&str>) -> Result<Self, InvalidSigningKey> {
        let malformed = |problem| InvalidSigningKey::Malformed { problem };
        let text = std::str::from_utf8(armored).map_err(|_| malformed("it is not text"))?;
        if text.contains("BEGIN PGP PUBLIC KEY BLOCK") && !text.contains("BEGIN PGP PRIVATE KEY BLOCK") {
            return Err(malformed("it is a public key"));
        }
        let (keys, _) = SignedSecretKey::from_armor_many(Cursor::new(text.trim_start().as_bytes()))
            .map_err(|_| malformed("it is not in the armored format"))?;
        let mut keys = keys
            .collect::<Result<Vec<_>, _>>()
            .map_err(|_| malformed("it is damaged"))?;
        let key = keys.pop().ok_or_else(|| malformed("it holds no key"))?;
        if !keys.is_empty() {
            return Err(InvalidSigningKey::Several);
        }
        let now = pgp::types::Timestamp::now().as_secs();
        let public = key.to_public_key();
        check_primary(&public, now).map_err(|_| InvalidSigningKey::CannotSign)?;
        let subkey = key
            .secret_subkeys
            .iter()
            .enumerate()
            .filter(|(_, subkey)| may_sign(&public, &subkey.signed_public_key(), now).is_ok())
            .max_by_key(|(_, subkey)| subkey.key.created_at().as_secs())
            .map(|(index, _)| index);
        if subkey.is_none() && !primary_may_sign(&public) {
            return Err(InvalidSigningKey::CannotSign);
        }
        let key = Self {
            key: Arc::new(key),
            subkey,
            passphrase: Arc::new(passphrase.map_or_else(Password::empty, Password::from)),
        };
        if key.sign(b"").is_err() {
            return Err(match passphrase {
                Some(passphrase) if !passphrase.is_empty() => InvalidSigningKey::PassphraseWrong,
                _ => InvalidSigningKey::PassphraseMissing,
            });
        }
        Ok(key)
    }

    pub(super) fn sign(&self, payload: &[u8]) -> Result<String, String> {
        let hash = |hash: HashAlgorithm| match hash {
            HashAlgorithm::Sha384 | HashAlgorithm::Sha512 => hash,
            _ => HashAlgorithm::Sha256,
        };
        let random = rand::thread_rng();
        let subkey = self.subkey.and_then(|index| self.key.secret_subkeys.get(index));
        let signature = match subkey {
            Some(subkey) => DetachedSignature::sign_binary_data(
                random,
                &subkey.key,
                &self.passphrase,
                hash(subkey.key.hash_alg()),
                payload,
            ),
            None => DetachedSignature::sign_binary_data(
                random,
                &self.key.primary_key,
                &self.passphrase,
                hash(self.key.primary_key.hash_alg()),
                payload,
            ),
        };
        signature
            .and_then(|signature| signature.to_armored_string(ArmorOptions::default()))
            .map_err(|error| error.to_string())
    }
}

/// Gives the ID of the primary key whose part signed.
pub(super) fn verify(
    signature: &str,
    payload: &[u8],
    rings: &[String],
    now: i64,
) -> Result<String, Mismatch> {
    let now = u32::try_from(now).unwrap_or(u32::MAX);
    let unreadable = Mismatch::NoKey {
        reason: " (the signature cannot be read)",
    };
    let (signature, _) =
        DetachedSignature::from_armor_single(Cursor::new(signature.as_bytes())).map_err(|_| unreadable)?;
    let signature = signature.signature;
    if !matches!(signature.typ(), Some(SignatureType::Binary | SignatureType::Text)) {
        return Err(unreadable);
    }
    // RFC 9580, 9.5: the others can be forged.
    if !matches!(
        signature.hash_alg(),
        Some(
            HashAlgorithm::Sha224
                | HashAlgorithm::Sha256
                | HashAlgorithm::Sha384
                | HashAlgorithm::Sha512
                | HashAlgorithm::Sha3_256
                | HashAlgorithm::Sha3_512
        )
    ) {
        return Err(Mismatch::NoKey {
            reason: " (the signature uses an unsafe hash function)",
        });
    }
    let mut reason = "";
    let mut any = false;
    for ring in rings {
        let keys = read_ring(ring);
        any |= !keys.is_empty();
        for key in &keys {
            match check(&signature, payload, key, now) {
                Ok(()) => {
                    let id = key.primary_key.legacy_key_id();
                    let digits = id.as_ref().iter().map(|byte| format!("{byte:02X}"));
                    return Ok(digits.collect());
                }
                Err("") => {}
                Err(problem) => reason = problem,
            }
        }
    }
    Err(if any {
        Mismatch::NoKey { reason }
    } else {
        Mismatch::Unreadable { line: 1 }
    })
}

/// All keys of all armored blocks of a text that can be read.
fn read_ring(text: &str) -> Vec<SignedPublicKey> {
    const BEGIN: &str = "-----BEGIN PGP ";
    let blocks = text.match_indices(BEGIN).map(|(start, _)| {
        let block = text.get(start..).unwrap_or_default();
        let end = block.get(BEGIN.len()..).and_then(|rest| rest.find(BEGIN));
        end.and_then(|end| block.get(..end + BEGIN.len()))
            .unwrap_or(block)
    });
    let mut keys = Vec::new();
    for block in blocks {
        if block.starts_with("-----BEGIN PGP PRIVATE") {
            let found = SignedSecretKey::from_armor_many(Cursor::new(block.as_bytes()));
            keys.extend(
                found
                    .into_iter()
                    .flat_map(|(keys, _)| keys.flatten().map(|key| key.to_public_key()).collect::<Vec<_>>()),
            );
        } else {
            let found = SignedPublicKey::from_armor_many(Cursor::new(block.as_bytes()));
            keys.extend(
                found
                    .into_iter()
                    .flat_map(|(keys, _)| keys.flatten().collect::<Vec<_>>()),
            );
        }
    }
    keys
}

/// Whether a key made a signature and may have; the error is empty when it is another key's.
fn check(signature: &Signature, payload: &[u8], key: &SignedPublicKey, now: u32) -> Result<(), &'static str> {
    let primary = signature.verify(&key.primary_key, payload).is_ok();
    let subkey = key
        .public_subkeys
        .iter()
        .find(|subkey| !primary && signature.verify(&subkey.key, payload).is_ok());
    if !primary && subkey.is_none() {
        return Err("");
    }
    check_primary(key, now)?;
    match subkey {
        Some(subkey) => may_sign(key, subkey, now)?,
        None if !primary_may_sign(key) => return Err(" (the key is not made for signing)"),
        None => {}
    }
    if is_over(signature.created(), signature.signature_expiration_time(), now) {
        return Err(" (the signature is expired)");
    }
    Ok(())
}

/// Whether a primary key still counts.
fn check_primary(key: &SignedPublicKey, now: u32) -> Result<(), &'static str> {
    let primary = &key.primary_key;
    let mut revocations = key.details.revocation_signatures.iter();
    if revocations.any(|revocation| revocation.verify_key(primary).is_ok()) {
        return Err(" (the key is revoked)");
    }
    let own = self_signatures(key);
    if own.is_empty() {
        return Err(" (the key has no valid signature by itself)");
    }
    let is_expired = |own: &&Signature| is_over(Some(primary.created_at()), own.key_expiration_time(), now);
    if own.iter().any(is_expired) {
        return Err(" (the key is expired)");
    }
    Ok(())
}

/// The newest signatures with which the primary key speaks about itself: of its users, and of the key alone. One kind may
/// say what the other leaves out, so both count.
fn self_signatures(key: &SignedPublicKey) -> Vec<&Signature> {
    let primary = &key.primary_key;
    let direct = key
        .details
        .direct_signatures
        .iter()
        .filter(|signature| signature.verify_key(primary).is_ok());
    let users = key.details.users.iter().flat_map(|user| {
        let revoked = user.signatures.iter().any(|signature| {
            signature.typ() == Some(SignatureType::CertRevocation)
                && signature
                    .verify_certification(primary, Tag::UserId, &user.id)
                    .is_ok()
        });
        user.signatures.iter().filter(move |signature| {
            !revoked
                && signature.is_certification()
                && signature
                    .verify_certification(primary, Tag::UserId, &user.id)
                    .is_ok()
        })
    });
    let newest = |signature: &&Signature| seconds(signature.created());
    let newest_of_both = [users.max_by_key(newest), direct.max_by_key(newest)];
    newest_of_both.into_iter().flatten().collect()
}

fn primary_may_sign(key: &SignedPublicKey) -> bool {
    // A key that says nothing about its use may do everything, as those of old programs do.
    let own = self_signatures(key);
    let says_nothing = !own.is_empty() && own.iter().all(|own| own.key_flags() == KeyFlags::default());
    says_nothing || own.iter().any(|own| own.key_flags().sign())
}

/// Whether a subkey belongs to a key, is made for signing, and still counts.
fn may_sign(key: &SignedPublicKey, subkey: &SignedPublicSubKey, now: u32) -> Result<(), &'static str> {
    let primary = &key.primary_key;
    let valid = |signature: &&Signature| signature.verify_subkey_binding(primary, &subkey.key).is_ok();
    let of = |kind: SignatureType| {
        subkey
            .signatures
            .iter()
            .filter(move |signature| signature.typ() == Some(kind))
            .filter(valid)
    };
    if of(SignatureType::SubkeyRevocation).next().is_some() {
        return Err(" (the key is revoked)");
    }
    let binding = of(SignatureType::SubkeyBinding)
        .max_by_key(|binding| seconds(binding.created()))
        .ok_or(" (the key does not own the subkey)")?;
    // The subkey must say itself that it belongs to the key: otherwise someone could adopt a stranger's.
    let is_mutual = binding
        .embedded_signature()
        .is_some_and(|back| back.verify_primary_key_binding(&subkey.key, primary).is_ok());
    if !binding.key_flags().sign() || !is_mutual {
        return Err(" (the key is not made for signing)");
    }
    if is_over(Some(subkey.key.created_at()), binding.key_expiration_time(), now) {
        return Err(" (the key is expired)");
    }
    Ok(())
}

fn is_over(created: Option<pgp::types::Timestamp>, lifetime: Option<pgp::types::Duration>, now: u32) -> bool {
    let lifetime = lifetime.map_or(0, pgp::types::Duration::as_secs);
    lifetime != 0 && seconds(created).saturating_add(lifetime) <= now
}

fn seconds(time: Option<pgp::types::Timestamp>) -> u32 {
    time.map_or(0, pgp::types::Timestamp::as_secs)
}
