//! The keys of docker configurations: which part of the name space each is for.

/// The name under which Docker Hub's credentials are found, however they were written.
const DOCKER_HUB: &str = "index.docker.io";

/// Host, port and path of a key, without scheme, version suffix and other spellings of Docker Hub.
pub(super) fn normalise(key: &str) -> String {
    let key = key.trim();
    let key = key
        .strip_prefix("https://")
        .or_else(|| key.strip_prefix("http://"))
        .unwrap_or(key);
    let (host, path) = key.split_once('/').unwrap_or((key, ""));
    let path = match path.split_once('/') {
        Some(("v1" | "v2", rest)) => rest,
        _ => path,
    };
    let host = match host {
        "docker.io" | "registry-1.docker.io" | "www.docker.io" | "registry.hub.docker.com" => DOCKER_HUB,
        other => other,
    };
    if path.is_empty() {
        host.to_ascii_lowercase()
    } else {
        format!("{}/{path}", host.to_ascii_lowercase())
    }
}

/// Whether `key`, normalised, is for `repository` in `registry`, as the kubelet decides it.
pub(super) fn key_matches(key: &str, registry: &str, repository: &str) -> bool {
    let (host, path) = key.split_once('/').unwrap_or((key, ""));
    let (host, port) = split_port(host);
    let (target, target_port) = split_port(registry);
    let target = target.to_ascii_lowercase();
    port == target_port
        && repository.starts_with(path)
        && host.split('.').count() == target.split('.').count()
        && host
            .split('.')
            .zip(target.split('.'))
            // Equality first: the brackets of an IPv6 address are no character class.
            .all(|(pattern, label)| pattern == label || glob_matches(pattern.as_bytes(), label.as_bytes()))
}

fn split_port(host: &str) -> (&str, Option<&str>) {
    match host.rsplit_once(':') {
        Some((name, port)) if !port.contains(']') => (name, Some(port)),
        _ => (host, None),
    }
}

/// Shell patterns as Go's `path/filepath.Match` reads them; a malformed pattern matches nothing.
fn glob_matches(pattern: &[u8], text: &[u8]) -> bool {
    // The position after the last star, and where in the text that star ends at present: the usual linear backtracking.
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    loop {
        let step = match (pattern.get(p), text.get(t)) {
            (None, None) => return true,
            (Some(b'*'), _) => {
                star = Some((p + 1, t));
                p += 1;
                continue;
            }
            (Some(b'?'), Some(_)) => Some(p + 1),
            (Some(b'['), Some(&byte)) => match class_matches(pattern, p, byte) {
                Some((true, next)) => Some(next),
                Some((false, _)) => None,
                None => return false,
            },
            (Some(b'\\'), Some(byte)) if pattern.get(p + 1) == Some(byte) => Some(p + 2),
            (Some(expected), Some(byte)) if expected == byte && *expected != b'\\' => Some(p + 1),
            _ => None,
        };
        match (step, star) {
            (Some(next), _) => {
                p = next;
                t += 1;
            }
            (None, Some((after, end))) if end < text.len() => {
                p = after;
                t = end + 1;
                star = Some((after, end + 1));
            }
            (None, _) => return false,
        }
    }
}

/// Matches the class that opens at `open`; returns whether it matches and the position after it, `None` if it is malformed.
///
/// Go wants `-` and `]` escaped everywhere but where they mean a range or the end.
fn class_matches(pattern: &[u8], open: usize, byte: u8) -> Option<(bool, usize)> {
    let mut position = open + 1;
    let negated = pattern.get(position) == Some(&b'^');
    if negated {
        position += 1;
    }
    let mut matched = false;
    let mut is_first = true;
    loop {
        if pattern.get(position) == Some(&b']') && !is_first {
            return Some((matched != negated, position + 1));
        }
        is_first = false;
        let (low, mut next) = class_byte(pattern, position)?;
        let mut high = low;
        if pattern.get(next) == Some(&b'-') {
            (high, next) = class_byte(pattern, next + 1)?;
        }
        matched |= (low..=high).contains(&byte);
        position = next;
    }
}

/// A byte of a class, escaped or not, and the position after it.
fn class_byte(pattern: &[u8], position: usize) -> Option<(u8, usize)> {
    match pattern.get(position)? {
        b'-' | b']' => None,
        b'\\' => Some((*pattern.get(position + 1)?, position + 2)),
        byte => Some((*byte, position + 1)),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("*", "", true)]
    #[case("a*c*e", "abcde", true)]
    #[case("a*c*e", "abcdef", false)]
    #[case("a?c", "abc", true)]
    #[case("a?c", "ac", false)]
    #[case("[^a]b", "cb", true)]
    #[case("[^a]b", "ab", false)]
    #[case("[a", "a", false)]
    #[case("[]a]", "a", false)]
    #[case("[a-]", "a", false)]
    #[case("[-a]", "a", false)]
    #[case("[\\-a]", "-", true)]
    #[case("[a-c]x", "bx", true)]
    #[case("[c-a]", "b", false)]
    #[case("[^a-c]", "d", true)]
    #[case("x[a-c", "xa", false)]
    #[case("\\*a", "*a", true)]
    #[case("\\*a", "ba", false)]
    #[case("***********************a", "aaaaaaaaaaaaaaaaaaaaaaaaaaaab", false)]
    fn globs_match_as_in_go(#[case] pattern: &str, #[case] text: &str, #[case] expected: bool) {
        assert_eq!(glob_matches(pattern.as_bytes(), text.as_bytes()), expected);
    }
}
