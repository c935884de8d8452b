//! Addresses of things outside of the tree, as the original tells them from paths.

use crate::tree::Tree;
use crate::{BuildError, RemoteContent};

/// A Git repository and a folder in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Repository {
    /// The address to clone from.
    pub(crate) url: String,
    /// The folder of the kustomization.
    pub(crate) path: String,
    pub(crate) reference: String,
}

/// Whether an entry is the address of something that a web server has.
pub(crate) fn is_web_address(entry: &str) -> bool {
    let lower = entry.get(..8).unwrap_or(entry).to_ascii_lowercase();
    lower.starts_with("http://") || lower.starts_with("https://")
}

/// Whether an entry names something outside of the tree.
pub(crate) fn is_remote(entry: &str) -> bool {
    is_web_address(entry) || Repository::parse(entry).is_some()
}

impl Repository {
    /// Reads an address as the original does: `https://host/org/repo//path?ref=v1`, `git@host:org/repo.git/path`,
    /// `github.com/org/repo/path`.
    pub(crate) fn parse(entry: &str) -> Option<Self> {
        if entry.starts_with('/') {
            return None;
        }
        let (address, query) = entry.split_once('?').unwrap_or((entry, ""));
        let (host, rest) = host(address)?;
        let (repository, path) = split(rest, host.starts_with("file://"))?;
        let path = path.trim_start_matches('/');
        let leaves = crate::tree::clean(path);
        if repository.is_empty() || leaves == ".." || leaves.starts_with("../") {
            return None;
        }
        Some(Self {
            url: format!("{host}{repository}"),
            path: path.to_owned(),
            reference: reference(query),
        })
    }
}

fn strip_ignoring_case<'t>(text: &'t str, prefix: &str) -> Option<&'t str> {
    let head = text.get(..prefix.len())?;
    head.eq_ignore_ascii_case(prefix)
        .then(|| text.get(prefix.len()..))
        .flatten()
}

/// The host with what stands before it, and the rest.
fn host(address: &str) -> Option<(String, &str)> {
    const SCHEMES: [&str; 4] = ["ssh://", "https://", "http://", "file://"];
    let address = strip_ignoring_case(address, "git::").unwrap_or(address);
    let (scheme, rest) = SCHEMES
        .iter()
        .find_map(|scheme| strip_ignoring_case(address, scheme).map(|rest| (*scheme, rest)))
        .unwrap_or(("", address));
    let (user, rest) = match rest.split_once('@') {
        Some((user, behind)) if is_user(user) => (format!("{user}@"), behind),
        _ => (String::new(), rest),
    };
    let lower = rest.to_ascii_lowercase();
    let github = lower.starts_with("github.com/") || lower.starts_with("github.com:");
    let copies = scheme.is_empty() && (!user.is_empty() || github);
    if scheme.is_empty() && !copies {
        return None;
    }
    if scheme == "file://" {
        let rest = address.get(scheme.len()..).unwrap_or_default();
        return Some((scheme.to_owned(), rest));
    }
    let slash = rest.find('/');
    let separator = match (slash, rest.find(':').filter(|_| copies)) {
        (None, colon) => colon,
        (Some(slash), Some(colon)) if colon > 0 && colon < slash => Some(colon),
        (slash, _) => slash,
    };
    let (host, path) = match separator {
        Some(place) => rest.split_at(place + 1),
        None => (rest, ""),
    };
    if github {
        let host = if scheme == "ssh://" || !user.is_empty() {
            format!("{user}github.com:")
        } else {
            "https://github.com/".to_owned()
        };
        return Some((host, path));
    }
    (!host.is_empty()).then(|| (format!("{scheme}{user}{host}"), path))
}

fn is_user(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
}

/// Splits into the repository and the folder in it.
fn split(path: &str, is_file: bool) -> Option<(String, &str)> {
    if let Some(place) = path.find("_git/") {
        let (before, after) = path.split_at(place + 5);
        let (name, folder) = after.split_once('/').unwrap_or((after, ""));
        return Some((format!("{before}{name}"), folder));
    }
    if let Some((repository, folder)) = path.split_once("//") {
        return Some((repository.to_owned(), folder));
    }
    if let Some(place) = path.find(".git") {
        let (repository, folder) = path.split_at(place + 4);
        return Some((repository.to_owned(), folder));
    }
    if is_file {
        return Some((path.to_owned(), ""));
    }
    let mut parts = path.splitn(3, '/');
    let (owner, name) = (parts.next()?, parts.next()?);
    Some((format!("{owner}/{name}"), parts.next().unwrap_or_default()))
}

/// The branch, tag or commit of a query.
fn reference(query: &str) -> String {
    let value = |wanted: &str| {
        query.split('&').find_map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (key == wanted && !value.is_empty()).then(|| value.to_owned())
        })
    };
    value("ref").or_else(|| value("version")).unwrap_or_default()
}

/// Fetches what an entry of a kustomization names, by the caller's means.
pub(crate) fn fetch(tree: &Tree<'_>, file: &str, entry: &str) -> Result<RemoteContent, BuildError> {
    tree.fetch(entry).map_err(|source| BuildError::Remote {
        file: file.to_owned(),
        resource: entry.to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::Repository;

    #[rstest]
    #[case(
        "https://github.com/org/repo//some/path?ref=v1",
        "https://github.com/org/repo",
        "some/path",
        "v1"
    )]
    #[case(
        "github.com/org/repo/some/path",
        "https://github.com/org/repo",
        "some/path",
        ""
    )]
    #[case(
        "git@github.com:org/repo.git/path?version=v2",
        "git@github.com:org/repo.git",
        "/path",
        "v2"
    )]
    #[case(
        "ssh://git@host.example/org/repo//x",
        "ssh://git@host.example/org/repo",
        "x",
        ""
    )]
    #[case(
        "https://dev.azure.com/o/p/_git/repo/x/y",
        "https://dev.azure.com/o/p/_git/repo",
        "x/y",
        ""
    )]
    #[case("file:///var/repo", "file:///var/repo", "", "")]
    fn addresses_of_repositories_are_told_from_paths(
        #[case] entry: &str,
        #[case] url: &str,
        #[case] path: &str,
        #[case] reference: &str,
    ) {
        let found = Repository::parse(entry).unwrap();
        assert_eq!(found.url, url);
        assert_eq!(found.path, path.trim_start_matches('/'));
        assert_eq!(found.reference, reference);
    }

    #[rstest]
    #[case("base")]
    #[case("../base/x.yaml")]
    #[case("/absolute/path")]
    #[case("github.com")]
    #[case("host.example/org/repo")]
    #[case("https://github.com/org/repo//../out")]
    fn everything_else_is_a_path(#[case] entry: &str) {
        assert_eq!(Repository::parse(entry), None);
    }
}
