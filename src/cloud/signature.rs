//! AWS' signature of requests, version 4.

use std::fmt::Write as _;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use sha2::{Digest as _, Sha256};

use crate::hexadecimal::hexadecimal;

/// Keys of an identity at AWS.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Keys {
    pub(super) id: String,
    pub(super) secret: String,
    /// The token of keys that were lent.
    pub(super) session: Option<String>,
}

/// What is signed.
pub(super) struct Signable<'r> {
    pub(super) method: &'r str,
    pub(super) path: &'r str,
    /// Names in lower case and values, in the order of the names; without those that the signature adds.
    pub(super) headers: &'r [(&'r str, &'r str)],
    pub(super) body: &'r [u8],
    pub(super) region: &'r str,
    pub(super) service: &'r str,
}

/// The headers that make `request` a signed one: `x-amz-date`, `x-amz-security-token` for keys that were lent, `authorization`.
pub(super) fn sign(request: &Signable<'_>, keys: &Keys, now: Timestamp) -> Vec<(&'static str, String)> {
    let time = now.to_zoned(TimeZone::UTC).strftime("%Y%m%dT%H%M%SZ").to_string();
    let (day, _) = time.split_at(8);
    let mut added = vec![("x-amz-date", time.clone())];
    if let Some(session) = &keys.session {
        added.push(("x-amz-security-token", session.clone()));
    }
    let mut headers: Vec<(&str, &str)> = request.headers.to_vec();
    headers.extend(added.iter().map(|(name, value)| (*name, value.as_str())));
    headers.sort_unstable();
    let signed = headers
        .iter()
        .map(|(name, _)| *name)
        .collect::<Vec<_>>()
        .join(";");
    let lines = headers.iter().fold(String::new(), |mut lines, (name, value)| {
        // Writing to a String cannot fail.
        let _ = writeln!(lines, "{name}:{}", value.trim());
        lines
    });
    let canonical = format!(
        "{}\n{}\n\n{lines}\n{signed}\n{}",
        request.method,
        request.path,
        hexadecimal(&Sha256::digest(request.body))
    );
    let scope = format!("{day}/{}/{}/aws4_request", request.region, request.service);
    let text = format!(
        "AWS4-HMAC-SHA256\n{time}\n{scope}\n{}",
        hexadecimal(&Sha256::digest(canonical.as_bytes()))
    );
    let mut key = hmac(format!("AWS4{}", keys.secret).as_bytes(), day.as_bytes());
    for part in [request.region, request.service, "aws4_request"] {
        key = hmac(&key, part.as_bytes());
    }
    let signature = hexadecimal(&hmac(&key, text.as_bytes()));
    added.push((
        "authorization",
        format!(
            "AWS4-HMAC-SHA256 Credential={}/{scope}, SignedHeaders={signed}, Signature={signature}",
            keys.id
        ),
    ));
    added
}

/// HMAC with SHA-256 (RFC 2104).
fn hmac(key: &[u8], text: &[u8]) -> [u8; 32] {
    const BLOCK: usize = 64;
    let hashed;
    let key = if key.len() > BLOCK {
        hashed = Sha256::digest(key);
        hashed.as_slice()
    } else {
        key
    };
    let padded = |pad: u8| {
        let mut block = [pad; BLOCK];
        for (byte, key) in block.iter_mut().zip(key) {
            *byte ^= key;
        }
        block
    };
    let inner = Sha256::new()
        .chain_update(padded(0x36))
        .chain_update(text)
        .finalize();
    Sha256::new()
        .chain_update(padded(0x5c))
        .chain_update(inner)
        .finalize()
        .into()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    /// The vectors of AWS' own test suite for signatures.
    #[rstest]
    #[case("GET", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31")]
    #[case("POST", "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b")]
    fn requests_are_signed_as_aws_expects(#[case] method: &str, #[case] expected: &str) {
        let keys = Keys {
            id: "AKIDEXAMPLE".to_owned(),
            secret: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".to_owned(),
            session: None,
        };
        let request = Signable {
            method,
            path: "/",
            headers: &[("host", "example.amazonaws.com")],
            body: b"",
            region: "us-east-1",
            service: "service",
        };
        let headers = sign(&request, &keys, "2015-08-30T12:36:00Z".parse().unwrap());
        let (_, authorization) = headers.last().unwrap();
        assert_eq!(
            *authorization,
            format!(
                "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, \
                 SignedHeaders=host;x-amz-date, Signature={expected}"
            )
        );
    }

    /// RFC 4231, cases 2 and 6.
    #[rstest]
    #[case(b"Jefe".to_vec(), b"what do ya want for nothing?", "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843")]
    #[case(vec![0xaa; 131], b"Test Using Larger Than Block-Size Key - Hash Key First", "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54")]
    fn the_hash_is_keyed(#[case] key: Vec<u8>, #[case] text: &[u8], #[case] expected: &str) {
        assert_eq!(hexadecimal(&hmac(&key, text)), expected);
    }
}
