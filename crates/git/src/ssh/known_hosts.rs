//! The keys of servers that a `known_hosts` file vouches for (sshd(8), `SSH_KNOWN_HOSTS FILE FORMAT`).

use base64::Engine as _;
use ssh_key::public::KeyData;
use ssh_key::{Algorithm, HashAlg, PublicKey};

/// The lines of a `known_hosts` file that can be used.
#[derive(Debug, Clone, Default)]
pub(crate) struct KnownHosts {
    lines: Vec<Line>,
}

/// A `known_hosts` file cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidKnownHosts {
    /// There is no text, or it is not UTF-8.
    #[error("known_hosts {problem}")]
    Text {
        /// What is wrong.
        problem: &'static str,
    },
    /// A line cannot be read; the others are not used either, as a typing error in a key must not go unseen.
    #[error("known_hosts line {line}: {problem}")]
    Line {
        /// Its number, from one.
        line: usize,
        /// What is wrong with it.
        problem: &'static str,
    },
}

/// What the file says about a key that a server shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The file names the key for the server.
    Known,
    /// The file names the server with other keys only.
    Changed,
    /// The file does not name the server.
    Unknown,
    /// The file takes the key back.
    Revoked,
}

#[derive(Debug, Clone)]
struct Line {
    marker: Marker,
    hosts: Hosts,
    key: KeyData,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Marker {
    None,
    Authority,
    Revoked,
}

#[derive(Debug, Clone)]
enum Hosts {
    Patterns(Vec<Pattern>),
    Hashed { salt: Vec<u8>, hash: Vec<u8> },
}

#[derive(Debug, Clone)]
struct Pattern {
    negated: bool,
    glob: String,
}

impl KnownHosts {
    /// Reads a file. Lines with a kind of key that nobody here can check, such as `ssh-dss`, are left out.
    pub(crate) fn parse(text: &[u8]) -> Result<Self, InvalidKnownHosts> {
        let text = std::str::from_utf8(text).map_err(|_| InvalidKnownHosts::Text {
            problem: "is not UTF-8",
        })?;
        let mut lines = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let invalid = |problem| InvalidKnownHosts::Line {
                line: index + 1,
                problem,
            };
            lines.extend(parse_line(line).map_err(invalid)?);
        }
        if lines.is_empty() {
            return Err(InvalidKnownHosts::Text {
                problem: "holds no key",
            });
        }
        Ok(Self { lines })
    }

    /// Whether the file vouches for a key of a server.
    pub(crate) fn check(&self, host: &str, port: u16, key: &KeyData) -> Verdict {
        if self.is_revoked(host, port, key) {
            return Verdict::Revoked;
        }
        let name = normalized(host, port);
        let mut verdict = Verdict::Unknown;
        for line in &self.lines {
            if line.marker == Marker::None && line.hosts.name(&name) {
                if line.key == *key {
                    return Verdict::Known;
                }
                verdict = Verdict::Changed;
            }
        }
        verdict
    }

    /// Whether a line takes a key back, be it the key of the server or of an authority.
    pub(crate) fn is_revoked(&self, host: &str, port: u16, key: &KeyData) -> bool {
        let name = normalized(host, port);
        self.lines
            .iter()
            .any(|line| line.marker == Marker::Revoked && line.key == *key && line.hosts.name(&name))
    }

    /// The authorities whose certificates count for a server.
    pub(crate) fn authorities(&self, host: &str, port: u16) -> Vec<ssh_key::Fingerprint> {
        let name = normalized(host, port);
        self.lines
            .iter()
            .filter(|line| line.marker == Marker::Authority && line.hosts.name(&name))
            .filter(|line| !self.is_revoked(host, port, &line.key))
            .map(|line| line.key.fingerprint(HashAlg::Sha256))
            .collect()
    }

    /// The kinds of keys that the file has for a server: asking for another kind could only fail.
    pub(crate) fn algorithms(&self, host: &str, port: u16) -> Vec<Algorithm> {
        let name = normalized(host, port);
        self.lines
            .iter()
            .filter(|line| line.marker == Marker::None && line.hosts.name(&name))
            .map(|line| line.key.algorithm())
            .collect()
    }
}

impl Hosts {
    fn name(&self, name: &str) -> bool {
        match self {
            Self::Hashed { salt, hash } => {
                let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, salt);
                ring::hmac::verify(&key, name.as_bytes(), hash).is_ok()
            }
            Self::Patterns(patterns) => {
                let matching = || patterns.iter().filter(|pattern| matches(&pattern.glob, name));
                matching().next().is_some() && matching().all(|pattern| !pattern.negated)
            }
        }
    }
}

/// `host` for port 22, else `[host]:port`.
fn normalized(host: &str, port: u16) -> String {
    let host = host.to_ascii_lowercase();
    match port {
        22 => host,
        port => format!("[{host}]:{port}"),
    }
}

fn parse_line(line: &str) -> Result<Option<Line>, &'static str> {
    let mut words = line.split_ascii_whitespace();
    let mut next = || words.next().ok_or("it has fewer than three words");
    let mut hosts = next()?;
    let marker = match hosts {
        "@cert-authority" => Marker::Authority,
        "@revoked" => Marker::Revoked,
        other if other.starts_with('@') => return Err("its marker is not known"),
        _ => Marker::None,
    };
    if marker != Marker::None {
        hosts = next()?;
    }
    let hosts = parse_hosts(hosts)?;
    let (kind, key) = (next()?, next()?);
    if !matches!(
        kind,
        "ssh-ed25519" | "ssh-rsa" | "ecdsa-sha2-nistp256" | "ecdsa-sha2-nistp384" | "ecdsa-sha2-nistp521"
    ) {
        return if kind.bytes().all(|byte| byte.is_ascii_graphic()) && key.len() > 16 {
            Ok(None)
        } else {
            Err("its key cannot be read")
        };
    }
    let key = PublicKey::from_openssh(&format!("{kind} {key}")).map_err(|_| "its key cannot be read")?;
    Ok(Some(Line {
        marker,
        hosts,
        key: key.key_data().clone(),
    }))
}

fn parse_hosts(text: &str) -> Result<Hosts, &'static str> {
    if let Some(hashed) = text.strip_prefix("|1|") {
        let decode = |part| base64::engine::general_purpose::STANDARD.decode(part);
        let parts = hashed.split_once('|').ok_or("its hashed name is not complete")?;
        return match (decode(parts.0), decode(parts.1)) {
            (Ok(salt), Ok(hash)) => Ok(Hosts::Hashed { salt, hash }),
            _ => Err("its hashed name is not base64"),
        };
    }
    if text.starts_with('|') {
        return Err("its hashed name has an unknown version");
    }
    let patterns = text.split(',').filter(|part| !part.is_empty()).map(|part| {
        let (negated, glob) = part.strip_prefix('!').map_or((false, part), |rest| (true, rest));
        let glob = glob.to_ascii_lowercase();
        // The port that everybody leaves out.
        let plain = glob.strip_prefix('[').and_then(|rest| rest.strip_suffix("]:22"));
        let glob = plain.map_or_else(|| glob.clone(), str::to_owned);
        Pattern { negated, glob }
    });
    let patterns: Vec<Pattern> = patterns.collect();
    if patterns.is_empty() {
        return Err("it names no host");
    }
    Ok(Hosts::Patterns(patterns))
}

/// `*` stands for any text, `?` for one character.
fn matches(glob: &str, name: &str) -> bool {
    let (glob, name) = (glob.as_bytes(), name.as_bytes());
    // One row of the table of prefixes: which prefixes of the name the glob so far matches. Linear space, no backtracking.
    let mut row = vec![false; name.len() + 1];
    if let Some(first) = row.first_mut() {
        *first = true;
    }
    for wanted in glob {
        let mut next = vec![false; row.len()];
        for position in 0..row.len() {
            let here = row.get(position).copied().unwrap_or_default();
            let before = position.checked_sub(1);
            let byte = before.and_then(|before| name.get(before));
            let value = match wanted {
                b'*' => here || before.is_some_and(|before| next.get(before).copied().unwrap_or_default()),
                b'?' => before.is_some_and(|before| row.get(before).copied().unwrap_or_default()),
                other => {
                    byte == Some(other)
                        && before.is_some_and(|before| row.get(before).copied().unwrap_or_default())
                }
            };
            if let Some(slot) = next.get_mut(position) {
                *slot = value;
            }
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl";
    const OTHER: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAfuCHKVTjquxvt6CM6tdG4SLp1Btn/nOeHHE5UOzRdf";

    fn key(text: &str) -> KeyData {
        PublicKey::from_openssh(text).unwrap().key_data().clone()
    }

    #[rstest]
    #[case("git.example.org", "git.example.org", 22, true)]
    #[case("Git.Example.org", "git.example.org", 22, true)]
    #[case("git.example.org", "git.example.org", 2222, false)]
    #[case("[git.example.org]:2222", "git.example.org", 2222, true)]
    #[case("[git.example.org]:22", "git.example.org", 22, true)]
    #[case("[git.example.org]:2222", "git.example.org", 22, false)]
    #[case("*.example.org", "git.example.org", 22, true)]
    #[case("*.example.org", "example.org", 22, false)]
    #[case("*.example.org,!git.example.org", "git.example.org", 22, false)]
    #[case("!git.example.org,*.example.org", "www.example.org", 22, true)]
    #[case("g?t.example.org", "git.example.org", 22, true)]
    #[case("a.example.org,git.example.org,10.0.0.1", "10.0.0.1", 22, true)]
    #[case("::1", "::1", 22, true)]
    #[case("[::1]:2222", "::1", 2222, true)]
    // Written by `ssh-keygen -H` for `git.example.org` and `[git.example.org]:2222`.
    #[case(
        "|1|XfSfBZxtgvtXnoxUfv/ugpMzOG0=|XkTu5pVRxoUwzDZlx2/NW7kJMKE=",
        "other.example.org",
        22,
        false
    )]
    fn hosts_are_matched_as_openssh_matches_them(
        #[case] hosts: &str,
        #[case] host: &str,
        #[case] port: u16,
        #[case] expected: bool,
    ) {
        let known = KnownHosts::parse(format!("{hosts} {KEY} a comment").as_bytes()).unwrap();
        assert_eq!(known.check(host, port, &key(KEY)) == Verdict::Known, expected);
    }

    #[test]
    fn a_hashed_name_is_the_salted_hash_of_the_normalized_name() {
        let salt = b"twenty bytes of salt";
        let hmac = ring::hmac::Key::new(ring::hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, salt);
        let hash = ring::hmac::sign(&hmac, b"[git.example.org]:2222");
        let encode = |bytes: &[u8]| base64::engine::general_purpose::STANDARD.encode(bytes);
        let line = format!("|1|{}|{} {KEY}", encode(salt), encode(hash.as_ref()));
        let known = KnownHosts::parse(line.as_bytes()).unwrap();
        assert_eq!(known.check("git.example.org", 2222, &key(KEY)), Verdict::Known);
        assert_eq!(known.check("git.example.org", 22, &key(KEY)), Verdict::Unknown);
    }

    #[test]
    fn another_key_is_a_change_and_a_revoked_one_never_counts() {
        let text = format!("# keys\n\nhost {KEY}\n@revoked * {OTHER}\nhost {OTHER}\n");
        let known = KnownHosts::parse(text.as_bytes()).unwrap();
        assert_eq!(known.check("host", 22, &key(KEY)), Verdict::Known);
        assert_eq!(known.check("host", 22, &key(OTHER)), Verdict::Revoked);
        let known = KnownHosts::parse(format!("host {KEY}").as_bytes()).unwrap();
        assert_eq!(known.check("host", 22, &key(OTHER)), Verdict::Changed);
        assert_eq!(known.check("elsewhere", 22, &key(KEY)), Verdict::Unknown);
        assert_eq!(known.algorithms("host", 22), [Algorithm::Ed25519]);
    }

    #[test]
    fn an_authority_is_not_a_key_of_the_host() {
        let text = format!("@cert-authority *.example.org {KEY}");
        let known = KnownHosts::parse(text.as_bytes()).unwrap();
        assert_eq!(known.check("a.example.org", 22, &key(KEY)), Verdict::Unknown);
        assert_eq!(known.authorities("a.example.org", 22).len(), 1);
        assert!(known.authorities("b.example.com", 22).is_empty());
    }

    #[rstest]
    #[case("", "known_hosts holds no key")]
    #[case("# nothing\n", "known_hosts holds no key")]
    #[case("host", "known_hosts line 1: it has fewer than three words")]
    #[case("\nhost ssh-ed25519", "known_hosts line 2: it has fewer than three words")]
    #[case("host ssh-ed25519 AAAA", "known_hosts line 1: its key cannot be read")]
    #[case("@other host ssh-ed25519 AAAA", "known_hosts line 1: its marker is not known")]
    #[case("|1|x| ssh-ed25519 AAAA", "known_hosts line 1: its hashed name is not base64")]
    #[case(
        "|2|x|y ssh-ed25519 AAAA",
        "known_hosts line 1: its hashed name has an unknown version"
    )]
    #[case(
        "-----BEGIN OPENSSH PRIVATE KEY-----",
        "known_hosts line 1: its key cannot be read"
    )]
    fn a_file_that_cannot_be_used_is_refused_by_its_line(#[case] text: &str, #[case] expected: &str) {
        assert_eq!(
            KnownHosts::parse(text.as_bytes()).unwrap_err().to_string(),
            expected
        );
    }

    #[test]
    fn kinds_of_keys_that_nobody_checks_are_left_out() {
        let text = format!("host ssh-dss AAAAB3NzaC1kc3MAAACBAPc\nhost {KEY}");
        assert_eq!(KnownHosts::parse(text.as_bytes()).unwrap().lines.len(), 1);
    }
}
