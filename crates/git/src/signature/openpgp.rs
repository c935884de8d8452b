//! OpenPGP signatures (RFC 9580). The library checks single signatures; which keys count is decided here.

use super::{InvalidSigningKey, Mismatch};
use pgp::composed::{
    ArmorOptions, Deserializable, DetachedSignature, SignedPublicKey, SignedPublicSubKey, SignedSecretKey,
};
use pgp::crypto::hash::HashAlgorithm;
use pgp::packet::{KeyFlags, Signature, SignatureType};
use pgp::types::{KeyDetails, Password, S2kParams, SecretParams, SigningKey as _, StringToKey, Tag};
use std::io::Cursor;
use std::sync::Arc;

/// Most memory that the derivation of a key from its passphrase may take, as the exponent of a number of KiB: 64 MiB, what
/// RFC 9106 recommends where memory is short. The file says how much it is, and the format allows 2 TiB.
const MOST_ARGON2_MEMORY: u8 = 16;

/// Most passes over that memory; the same recommendation takes three.
const MOST_ARGON2_PASSES: u8 = 16;

/// An OpenPGP private key, with the part of it that signs. That part is decrypted.
#[derive(Clone)]
pub(super) struct SigningKey {
    key: Arc<SignedSecretKey>,
    /// The subkey that signs; without one it is the primary key.
    subkey: Option<usize>,
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
        let mut key = keys.pop().ok_or_else(|| malformed("it holds no key"))?;
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
        decrypt(&mut key, subkey, passphrase)?;
        let key = Self {
            key: Arc::new(key),
            subkey,
        };
        key.sign(b"")
            .map_err(|_| malformed("its secret part is damaged"))?;
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
                &Password::empty(),
                hash(subkey.key.hash_alg()),
                payload,
            ),
            None => DetachedSignature::sign_binary_data(
                random,
                &self.key.primary_key,
                &Password::empty(),
                hash(self.key.primary_key.hash_alg()),
                payload,
            ),
        };
        signature
            .and_then(|signature| signature.to_armored_string(ArmorOptions::default()))
            .map_err(|error| error.to_string())
    }
}

/// Decrypts the part that signs, once for all signatures: it is slow on purpose.
fn decrypt(
    key: &mut SignedSecretKey,
    subkey: Option<usize>,
    passphrase: Option<&str>,
) -> Result<(), InvalidSigningKey> {
    let subkey = subkey.and_then(|index| key.secret_subkeys.get_mut(index));
    let params = match &subkey {
        Some(subkey) => subkey.key.secret_params(),
        None => key.primary_key.secret_params(),
    };
    let SecretParams::Encrypted(encrypted) = params else {
        return Ok(());
    };
    check_derivation(encrypted.string_to_key_params())?;
    let passphrase = passphrase
        .filter(|passphrase| !passphrase.is_empty())
        .ok_or(InvalidSigningKey::PassphraseMissing)?;
    let passphrase = Password::from(passphrase);
    let decrypted = match subkey {
        Some(subkey) => subkey.key.remove_password(&passphrase),
        None => key.primary_key.remove_password(&passphrase),
    };
    decrypted.map_err(|_| InvalidSigningKey::PassphraseWrong)
}

/// Refuses a key whose passphrase costs more memory or time than this process can spare. Derivations by repeated hashing need no
/// check: the format itself ends at 62 MiB of hashing, which is also what `GnuPG` takes.
fn check_derivation(params: &S2kParams) -> Result<(), InvalidSigningKey> {
    let derivation = match params {
        S2kParams::Unprotected | S2kParams::LegacyCfb { .. } => return Ok(()),
        S2kParams::Aead { s2k, .. } | S2kParams::Cfb { s2k, .. } | S2kParams::MalleableCfb { s2k, .. } => s2k,
    };
    let problem = match derivation {
        StringToKey::Argon2 { m_enc, t, .. } if *m_enc > MOST_ARGON2_MEMORY || *t > MOST_ARGON2_PASSES => {
            "its passphrase takes more than 64 MiB of memory or 16 passes (Argon2); set the passphrase anew with less"
        }
        StringToKey::Reserved { .. } | StringToKey::Private { .. } | StringToKey::Other { .. } => {
            "its secret part is not in the file, or encrypted in an unknown way"
        }
        _ => return Ok(()),
    };
    Err(InvalidSigningKey::Malformed { problem })
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

#[cfg(test)]
mod tests {
    use super::*;
    use pgp::composed::{KeyType, SecretKeyParamsBuilder};
    use pgp::crypto::aead::AeadAlgorithm;
    use pgp::crypto::sym::SymmetricKeyAlgorithm;
    use pgp::types::EncryptedSecretParams;
    use rstest::rstest;

    fn generate() -> SignedSecretKey {
        let mut params = SecretKeyParamsBuilder::default();
        params
            .key_type(KeyType::Ed25519Legacy)
            .can_certify(true)
            .can_sign(true)
            .primary_user_id("Bot <bot@example.com>".to_owned());
        params.build().unwrap().generate(rand::thread_rng()).unwrap()
    }

    fn argon2(memory: u8, passes: u8) -> S2kParams {
        S2kParams::Aead {
            sym_alg: SymmetricKeyAlgorithm::AES256,
            aead_mode: AeadAlgorithm::Ocb,
            s2k: StringToKey::Argon2 {
                salt: [7; 16],
                t: passes,
                p: 1,
                m_enc: memory,
            },
            nonce: vec![7; AeadAlgorithm::Ocb.nonce_size()].into(),
        }
    }

    fn armored(key: &SignedSecretKey) -> String {
        key.to_armored_string(ArmorOptions::default()).unwrap()
    }

    #[test]
    fn a_key_whose_passphrase_takes_little_memory_is_decrypted_once_and_signs() {
        let mut key = generate();
        let password = Password::from("hunter2");
        key.primary_key
            .set_password_with_s2k(&password, argon2(10, 1))
            .unwrap();
        let text = armored(&key);
        let read = |passphrase| SigningKey::read(text.as_bytes(), passphrase);
        assert!(read(Some("hunter2")).unwrap().sign(b"x").is_ok());
        assert_eq!(
            read(Some("hunter3")).err(),
            Some(InvalidSigningKey::PassphraseWrong)
        );
        assert_eq!(read(None).err(), Some(InvalidSigningKey::PassphraseMissing));
        assert_eq!(read(Some("")).err(), Some(InvalidSigningKey::PassphraseMissing));
    }

    #[rstest]
    #[case::two_gibibytes(21, 1)]
    #[case::two_tebibytes(31, 1)]
    #[case::more_than_the_bound(17, 1)]
    #[case::many_passes(10, 17)]
    fn a_key_whose_passphrase_takes_too_much_is_refused_before_anything_is_derived(
        #[case] memory: u8,
        #[case] passes: u8,
    ) {
        let mut key = generate();
        // What is encrypted does not matter: it is never looked at.
        let secret = EncryptedSecretParams::new(vec![0; 48].into(), argon2(memory, passes));
        let public = key.primary_key.public_key().clone();
        key.primary_key = pgp::packet::SecretKey::new(public, SecretParams::Encrypted(secret)).unwrap();
        let error = SigningKey::read(armored(&key).as_bytes(), Some("hunter2")).err();
        assert_eq!(
            error.map(|error| error.to_string()).unwrap_or_default(),
            "the OpenPGP key cannot be read: its passphrase takes more than 64 MiB of memory or 16 passes (Argon2); set the \
             passphrase anew with less"
        );
    }

    /// A signature of the key about itself: one without a user, or the one of its user.
    fn self_signature(
        key: &SignedSecretKey,
        about_user: bool,
        created: u32,
        details: Vec<pgp::packet::SubpacketData>,
    ) -> Signature {
        use pgp::packet::{SignatureConfig, Subpacket, SubpacketData};
        let kind = if about_user {
            SignatureType::CertPositive
        } else {
            SignatureType::Key
        };
        let primary = &key.primary_key;
        let mut config = SignatureConfig::from_key(rand::thread_rng(), primary, kind).unwrap();
        let created = SubpacketData::SignatureCreationTime(pgp::types::Timestamp::from_secs(created));
        config.hashed_subpackets = [created, SubpacketData::IssuerFingerprint(primary.fingerprint())]
            .into_iter()
            .chain(details)
            .map(|data| Subpacket::regular(data).unwrap())
            .collect();
        let password = Password::empty();
        let signed = if about_user {
            let user = &key.details.users[0].id;
            config.sign_certification(primary, primary.public_key(), &password, Tag::UserId, user)
        } else {
            config.sign_key(primary, &password, primary.public_key())
        };
        signed.unwrap()
    }

    /// What is said of a key with a signature about its user, and another one about itself alone.
    fn judged(
        user: (u32, Vec<pgp::packet::SubpacketData>),
        direct: (u32, Vec<pgp::packet::SubpacketData>),
        now: u32,
    ) -> (Result<(), &'static str>, bool) {
        let mut key = generate();
        key.details.direct_signatures = vec![self_signature(&key, false, direct.0, direct.1)];
        key.details.users[0].signatures = vec![self_signature(&key, true, user.0, user.1)];
        let public = key.to_public_key();
        assert_eq!(self_signatures(&public).len(), 2, "both are valid");
        (check_primary(&public, now), primary_may_sign(&public))
    }

    #[test]
    fn of_two_signatures_of_a_key_about_itself_both_count() {
        use pgp::packet::SubpacketData;
        let now = pgp::types::Timestamp::now().as_secs();
        let later = now + 1000;
        let ends = || SubpacketData::KeyExpirationTime(pgp::types::Duration::from_secs(10));
        let signs = || {
            let mut flags = KeyFlags::default();
            flags.set_sign(true);
            SubpacketData::KeyFlags(flags)
        };
        let certifies = || {
            let mut flags = KeyFlags::default();
            flags.set_certify(true);
            SubpacketData::KeyFlags(flags)
        };
        // The newer one says nothing about the end; the older one still does, and the other way round.
        let expired = Err(" (the key is expired)");
        assert_eq!(judged((now, vec![ends()]), (now + 5, vec![]), later).0, expired);
        assert_eq!(judged((now + 5, vec![]), (now, vec![ends()]), later).0, expired);
        assert_eq!(judged((now, vec![]), (now, vec![]), later), (Ok(()), true));
        assert!(judged((now, vec![signs()]), (now + 5, vec![certifies()]), later).1);
        assert!(judged((now + 5, vec![certifies()]), (now, vec![signs()]), later).1);
        assert!(!judged((now, vec![certifies()]), (now + 5, vec![]), later).1);
    }
}
