//! The names of algorithms in options, and which ones a connection offers.

use super::known_hosts::KnownHosts;
use super::{SshOptions, UnknownAlgorithm};
use russh::Preferred;
use russh::kex;
use ssh_key::Algorithm;
use std::borrow::Cow;

/// What an option may name although it is not offered by itself, as servers exist that know nothing better.
const ONLY_ON_REQUEST: [kex::Name; 6] = [
    kex::ECDH_SHA2_NISTP256,
    kex::ECDH_SHA2_NISTP384,
    kex::ECDH_SHA2_NISTP521,
    kex::DH_G14_SHA1,
    kex::DH_GEX_SHA1,
    kex::DH_G1_SHA1,
];

/// Names in the key exchange list that are no algorithms but announce extensions.
const EXTENSIONS: [kex::Name; 2] = [
    kex::EXTENSION_SUPPORT_AS_CLIENT,
    kex::EXTENSION_OPENSSH_STRICT_KEX_AS_CLIENT,
];

/// The algorithms of all connections, without options.
pub(super) fn built_in() -> Preferred {
    Preferred {
        key: Cow::Owned(default_host_keys()),
        ..Preferred::DEFAULT
    }
}

/// The algorithms of all connections.
pub(super) fn preferred(options: &SshOptions) -> Result<Preferred, UnknownAlgorithm> {
    let mut preferred = built_in();
    let known = known_exchanges();
    let mut exchanges = Vec::new();
    for name in options.key_exchanges.iter().map(|name| name.trim()) {
        let found = known.iter().find(|known| known.as_ref() == name);
        exchanges.push(*found.ok_or_else(|| unknown("key exchange", name, &known))?);
    }
    if !exchanges.is_empty() {
        exchanges.extend(EXTENSIONS);
        preferred.kex = Cow::Owned(exchanges);
    }
    let known = default_host_keys();
    let mut keys = Vec::new();
    for name in options.host_key_algorithms.iter().map(|name| name.trim()) {
        let found = known.iter().find(|known| known.as_str() == name);
        keys.push(
            found
                .cloned()
                .ok_or_else(|| unknown("host key", name, &names(&known)))?,
        );
    }
    if !keys.is_empty() {
        preferred.key = Cow::Owned(keys);
    }
    Ok(preferred)
}

/// The algorithms for one server: of the host keys, those that its known hosts can vouch for come alone.
///
/// With none of them the list stays as it is, so that the error can name the key that the server shows.
pub(super) fn for_host(base: &Preferred, known_hosts: &KnownHosts, host: &str, port: u16) -> Preferred {
    let known = known_hosts.algorithms(host, port);
    let mut preferred = base.clone();
    let same_key = |one: &Algorithm, other: &Algorithm| {
        matches!((one, other), (Algorithm::Rsa { .. }, Algorithm::Rsa { .. })) || one == other
    };
    let keys: Vec<Algorithm> = base
        .key
        .iter()
        .filter(|algorithm| known.iter().any(|key| same_key(key, algorithm)))
        .cloned()
        .collect();
    if !known_hosts.authorities(host, port).is_empty() {
        preferred.host_key_certificates.clone_from(&base.key);
    }
    if !keys.is_empty() {
        preferred.key = Cow::Owned(keys);
    }
    preferred
}

/// SHA-1 signatures (`ssh-rsa`) are not among them: OpenSSH stopped accepting them in version 8.8.
fn default_host_keys() -> Vec<Algorithm> {
    Preferred::DEFAULT
        .key
        .iter()
        .filter(|algorithm| !matches!(algorithm, Algorithm::Rsa { hash: None }))
        .cloned()
        .collect()
}

fn known_exchanges() -> Vec<kex::Name> {
    let announces = |name: &kex::Name| {
        let name: &str = name.as_ref();
        name.starts_with("ext-info-") || name.starts_with("kex-strict-")
    };
    Preferred::DEFAULT
        .kex
        .iter()
        .copied()
        .filter(|name| !announces(name))
        .chain(ONLY_ON_REQUEST)
        .collect()
}

fn names(algorithms: &[Algorithm]) -> Vec<String> {
    algorithms
        .iter()
        .map(|algorithm| algorithm.as_str().to_owned())
        .collect()
}

fn unknown(kind: &'static str, name: &str, known: &[impl AsRef<str>]) -> UnknownAlgorithm {
    UnknownAlgorithm {
        kind,
        name: crate::text::line(name.as_bytes()).chars().take(80).collect(),
        known: known.iter().map(AsRef::as_ref).collect::<Vec<_>>().join(", "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(exchanges: &[&str], keys: &[&str]) -> SshOptions {
        let own = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        SshOptions {
            key_exchanges: own(exchanges),
            host_key_algorithms: own(keys),
            ..SshOptions::default()
        }
    }

    #[test]
    fn options_set_the_algorithms_in_their_order() {
        let preferred = preferred(&options(
            &["ecdh-sha2-nistp256", "curve25519-sha256"],
            &["rsa-sha2-512", "ssh-ed25519"],
        ))
        .unwrap();
        let exchanges: Vec<&str> = preferred.kex.iter().map(AsRef::as_ref).take(2).collect();
        assert_eq!(exchanges, ["ecdh-sha2-nistp256", "curve25519-sha256"]);
        assert_eq!(names(&preferred.key), ["rsa-sha2-512", "ssh-ed25519"]);
    }

    #[test]
    fn an_unknown_name_is_refused_with_those_that_are_known() {
        let error = preferred(&options(&["rot13"], &[])).unwrap_err().to_string();
        assert!(error.starts_with("unknown SSH key exchange algorithm 'rot13': known are mlkem768x25519-sha256, curve25519-sha256,"), "{error}");
        let error = preferred(&options(&[], &["ssh-dss"])).unwrap_err().to_string();
        assert_eq!(
            error,
            "unknown SSH host key algorithm 'ssh-dss': known are ssh-ed25519, ecdsa-sha2-nistp256, ecdsa-sha2-nistp384, \
             ecdsa-sha2-nistp521, rsa-sha2-512, rsa-sha2-256"
        );
    }

    #[test]
    fn without_options_no_sha1_is_offered() {
        let preferred = preferred(&SshOptions::default()).unwrap();
        assert!(!names(&preferred.key).contains(&"ssh-rsa".to_owned()));
        assert!(!preferred.kex.iter().any(|name| name.as_ref().ends_with("-sha1")));
    }
}
