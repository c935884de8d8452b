//! Checksums. Functions that need random numbers or take long on purpose are known, and say so when they are called.

use std::fmt::Write as _;

use sha1::Sha1;
use sha2::{Digest, Sha256, Sha512};

use super::{Outcome, Table, fail};
use crate::value::Value;

macro_rules! refused {
    ($($name:literal : $signature:literal;)*) => {
        &[
            ("sha1sum", "s:s", |_, a| Ok(hex(&Sha1::digest(a.text(0).as_bytes())))),
            ("sha256sum", "s:s", |_, a| Ok(hex(&Sha256::digest(a.text(0).as_bytes())))),
            ("sha512sum", "s:s", |_, a| Ok(hex(&Sha512::digest(a.text(0).as_bytes())))),
            ("adler32sum", "s:s", |_, a| Ok(adler32(a.text(0).as_bytes()).to_string().into())),
            $(($name, $signature, |_, _| refuse($name)),)*
        ]
    };
}

pub(super) const TABLE: Table<'static> = refused! {
    "bcrypt": "s:s";
    "htpasswd": "ss:s";
    "genPrivateKey": "s:s";
    "derivePassword": "Ussss:s";
    "buildCustomCert": "ss:a";
    "genCA": "si:a";
    "genCAWithKey": "sis:a";
    "genSelfSignedCert": "sAAi:a";
    "genSelfSignedCertWithKey": "sAAis:a";
    "genSignedCert": "sAAia:a";
    "genSignedCertWithKey": "sAAias:a";
    "encryptAES": "ss:s";
    "decryptAES": "ss:s";
};

fn refuse(name: &str) -> Outcome {
    fail(format!(
        "{name} is not available: templates make no keys, certificates or passwords"
    ))
}

fn hex(bytes: &[u8]) -> Value {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text.into()
}

fn adler32(bytes: &[u8]) -> u32 {
    const MODULUS: u32 = 65521;
    let (mut low, mut high) = (1_u32, 0_u32);
    for byte in bytes {
        low = (low + u32::from(*byte)) % MODULUS;
        high = (high + low) % MODULUS;
    }
    high << 16 | low
}
