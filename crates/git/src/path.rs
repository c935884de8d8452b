//! Paths of files in a repository, which can never leave it.

use std::fmt;
use std::str::FromStr;

/// Longest path that is accepted, in bytes (`PATH_MAX` of Linux).
const LONGEST_PATH: usize = 4096;

/// The path of a file or directory relative to the root of a repository, with `/` between its names.
///
/// Guarantees: not empty, not absolute, no empty name, no `.`, `..` or `.git` in any spelling that a file system
/// could take for it, no NUL. Git does not ask for UTF-8, so the bytes may be anything else.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RepoPath(Vec<u8>);

/// A text is not a path inside a repository.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("path {path:?} cannot be used in a repository: {problem}")]
pub struct InvalidPath {
    path: String,
    problem: &'static str,
}

impl RepoPath {
    /// Checks `path` and wraps it.
    pub fn new(path: impl AsRef<[u8]>) -> Result<Self, InvalidPath> {
        let path = path.as_ref();
        let invalid = |problem| InvalidPath {
            path: shorten(path),
            problem,
        };
        if path.len() > LONGEST_PATH {
            return Err(invalid("it is longer than 4096 bytes"));
        }
        for name in path.split(|byte| *byte == b'/') {
            check_name(name).map_err(invalid)?;
        }
        Ok(Self(path.to_vec()))
    }

    /// The bytes of the path.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The path as text, if it is UTF-8.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        std::str::from_utf8(&self.0).ok()
    }

    /// The names between the slashes, outermost first.
    pub fn names(&self) -> impl Iterator<Item = &[u8]> {
        self.0.split(|byte| *byte == b'/')
    }

    /// The last name.
    #[must_use]
    pub fn file_name(&self) -> &[u8] {
        self.0.rsplit(|byte| *byte == b'/').next().unwrap_or_default()
    }

    /// Whether this path is `directory` or lies below it.
    #[must_use]
    pub fn is_within(&self, directory: &Self) -> bool {
        self.0
            .strip_prefix(directory.as_bytes())
            .is_some_and(|rest| rest.first().is_none_or(|byte| *byte == b'/'))
    }

    /// `name` below `parent`, where the name was already checked.
    pub(crate) fn below(parent: Option<&Self>, name: &[u8]) -> Self {
        parent.map_or_else(
            || Self(name.to_vec()),
            |parent| Self([parent.as_bytes(), b"/", name].concat()),
        )
    }
}

impl FromStr for RepoPath {
    type Err = InvalidPath;

    fn from_str(text: &str) -> Result<Self, InvalidPath> {
        Self::new(text)
    }
}

impl fmt::Display for RepoPath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&String::from_utf8_lossy(&self.0))
    }
}

impl fmt::Debug for RepoPath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "RepoPath({:?})", String::from_utf8_lossy(&self.0))
    }
}

/// Says what is wrong with one name of a tree entry or path.
pub(crate) fn check_name(name: &[u8]) -> Result<(), &'static str> {
    match name {
        b"" => Err("a name is empty"),
        b"." | b".." => Err("`.` and `..` are not names"),
        _ if name.contains(&0) => Err("a name contains NUL"),
        _ if name.contains(&b'/') => Err("a name contains a slash"),
        _ if is_git_directory(name) => Err("a name stands for the `.git` directory"),
        _ => Ok(()),
    }
}

/// Whether some file system would open `.git` under this name.
///
/// NTFS drops trailing dots and spaces, cuts at `:` and knows `GIT~1`; HFS+ ignores some code points (CVE-2014-9390).
fn is_git_directory(name: &[u8]) -> bool {
    // Nearly all names end here.
    if !name.iter().any(|byte| matches!(byte, b'g' | b'G')) {
        return false;
    }
    let ignorable = |character: char| matches!(character, '\u{200c}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{206a}'..='\u{206f}' | '\u{feff}');
    let text: String = String::from_utf8_lossy(name)
        .chars()
        .filter(|character| !ignorable(*character))
        .collect();
    let stem = text
        .split([':', '\\'])
        .next()
        .unwrap_or_default()
        .trim_end_matches(['.', ' ']);
    stem.eq_ignore_ascii_case(".git") || stem.eq_ignore_ascii_case("git~1")
}

fn shorten(path: &[u8]) -> String {
    String::from_utf8_lossy(path).chars().take(120).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("", "a name is empty")]
    #[case("/etc/passwd", "a name is empty")]
    #[case("a//b", "a name is empty")]
    #[case("a/", "a name is empty")]
    #[case("./a", "`.` and `..` are not names")]
    #[case("a/../b", "`.` and `..` are not names")]
    #[case(".git/config", "a name stands for the `.git` directory")]
    #[case("a/.GIT/hooks", "a name stands for the `.git` directory")]
    #[case("a/.git./x", "a name stands for the `.git` directory")]
    #[case("a/.git /x", "a name stands for the `.git` directory")]
    #[case("git~1/x", "a name stands for the `.git` directory")]
    #[case("GIT~1", "a name stands for the `.git` directory")]
    #[case(".g\u{200c}it/x", "a name stands for the `.git` directory")]
    #[case(".git::$INDEX_ALLOCATION/x", "a name stands for the `.git` directory")]
    #[case("a\0b", "a name contains NUL")]
    fn a_path_that_could_leave_the_repository_is_refused_with_its_reason(
        #[case] path: &str,
        #[case] reason: &str,
    ) {
        let error = RepoPath::new(path).unwrap_err().to_string();
        assert!(error.ends_with(reason), "{path:?}: {error}");
        assert!(!error.chars().any(char::is_control), "{error:?}");
    }

    #[rstest]
    #[case("a")]
    #[case("clusters/beta/app.yaml")]
    #[case(".github/workflows/x.yml")]
    #[case(".gitignore")]
    #[case("..a/b..")]
    #[case("with space/and:colon")]
    #[case("gitlab/values.yaml")]
    fn an_ordinary_path_is_accepted(#[case] path: &str) {
        assert_eq!(RepoPath::new(path).unwrap().to_string(), path);
    }

    #[test]
    fn a_directory_contains_itself_and_what_is_below_but_not_its_namesakes() {
        let directory = RepoPath::new("a/b").unwrap();
        let within = |path: &str| RepoPath::new(path).unwrap().is_within(&directory);
        assert_eq!(
            [within("a/b"), within("a/b/c"), within("a/bc"), within("a")],
            [true, true, false, false]
        );
    }
}
