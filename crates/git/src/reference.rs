//! Names of references, and what a fetch asks for.

use std::fmt;
use std::str::FromStr;

/// Longest reference name that is accepted, in bytes.
const LONGEST_NAME: usize = 1024;

/// The full name of a reference, such as `refs/heads/main`.
///
/// Guarantees: it starts with `refs/`, follows `git check-ref-format`, and its part after `refs/heads/` or
/// `refs/tags/` does not start with `-`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RefName(String);

/// A text is not the name of a reference.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("reference name {name:?} is not valid: {problem}")]
pub struct InvalidRefName {
    name: String,
    problem: &'static str,
}

/// What a fetch asks the remote for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RefQuery {
    /// The branch that `HEAD` of the remote names.
    DefaultBranch,
    /// One reference by its full name.
    Name(RefName),
    /// Every reference below a prefix such as `refs/tags/`.
    Below(RefPrefix),
}

/// A directory of references, such as `refs/tags/`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefPrefix(String);

impl RefName {
    /// Checks a full name that starts with `refs/`.
    pub fn new(name: impl Into<String>) -> Result<Self, InvalidRefName> {
        let name = name.into();
        check(&name).map_err(|problem| InvalidRefName {
            name: name.escape_debug().take(120).collect(),
            problem,
        })?;
        Ok(Self(name))
    }

    /// The reference of a branch: `main` becomes `refs/heads/main`.
    pub fn branch(name: &str) -> Result<Self, InvalidRefName> {
        Self::new(format!("refs/heads/{name}"))
    }

    /// The reference of a tag: `v1` becomes `refs/tags/v1`.
    pub fn tag(name: &str) -> Result<Self, InvalidRefName> {
        Self::new(format!("refs/tags/{name}"))
    }

    /// The full name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name that people use: without `refs/heads/` or `refs/tags/`.
    #[must_use]
    pub fn short(&self) -> &str {
        let full = self.as_str();
        full.strip_prefix("refs/heads/")
            .or_else(|| full.strip_prefix("refs/tags/"))
            .unwrap_or(full)
    }

    /// Whether this names a branch.
    #[must_use]
    pub fn is_branch(&self) -> bool {
        self.0.starts_with("refs/heads/")
    }
}

impl RefQuery {
    /// Asks for one branch.
    pub fn branch(name: &str) -> Result<Self, InvalidRefName> {
        RefName::branch(name).map(Self::Name)
    }

    /// Asks for one tag.
    pub fn tag(name: &str) -> Result<Self, InvalidRefName> {
        RefName::tag(name).map(Self::Name)
    }

    /// Asks for all tags.
    #[must_use]
    pub fn all_tags() -> Self {
        Self::Below(RefPrefix("refs/tags/".to_owned()))
    }

    /// Asks for all branches.
    #[must_use]
    pub fn all_branches() -> Self {
        Self::Below(RefPrefix("refs/heads/".to_owned()))
    }

    /// The `ref-prefix` that limits the answer of the server.
    pub(crate) fn prefix(&self) -> &str {
        match self {
            Self::DefaultBranch => "HEAD",
            Self::Name(name) => name.as_str(),
            Self::Below(prefix) => &prefix.0,
        }
    }

    /// Whether a reference of the remote answers this query; a prefix on the wire also matches longer names.
    pub(crate) fn matches(&self, name: &RefName) -> bool {
        match self {
            Self::DefaultBranch => false,
            Self::Name(wanted) => wanted == name,
            Self::Below(prefix) => name.as_str().starts_with(&prefix.0),
        }
    }
}

impl From<RefName> for RefQuery {
    fn from(name: RefName) -> Self {
        Self::Name(name)
    }
}

impl FromStr for RefName {
    type Err = InvalidRefName;

    fn from_str(text: &str) -> Result<Self, InvalidRefName> {
        Self::new(text)
    }
}

impl fmt::Display for RefName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl fmt::Debug for RefName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "RefName({:?})", self.0)
    }
}

/// The rules of `git check-ref-format`, and the leading `-` that could pass for an option.
fn check(name: &str) -> Result<(), &'static str> {
    let Some(rest) = name.strip_prefix("refs/") else {
        return Err("it must start with `refs/`");
    };
    if name.len() > LONGEST_NAME {
        return Err("it is longer than 1024 bytes");
    }
    if name.contains("..") {
        return Err("it contains `..`");
    }
    if name.contains("@{") {
        return Err("it contains `@{`");
    }
    if name.ends_with('.') {
        return Err("it ends with a dot");
    }
    if name
        .chars()
        .any(|character| character.is_control() || " ~^:?*[\\".contains(character))
    {
        return Err("it contains a control character, a space, or one of `~^:?*[\\`");
    }
    for part in rest.split('/') {
        if part.is_empty() {
            return Err("a part between slashes is empty");
        }
        if part.starts_with('.') {
            return Err("a part starts with a dot");
        }
        // File systems that ignore case would take `.LOCK` for Git's own lock files.
        if part.to_ascii_lowercase().ends_with(".lock") {
            return Err("a part ends with `.lock`");
        }
    }
    let short = rest
        .strip_prefix("heads/")
        .or_else(|| rest.strip_prefix("tags/"))
        .unwrap_or(rest);
    if short.starts_with('-') {
        return Err("the name starts with a dash");
    }
    if short == "@" || short == "HEAD" {
        return Err("the name is reserved");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("", "a part between slashes is empty")]
    #[case(
        "--upload-pack=touch /tmp/x",
        "it contains a control character, a space, or one of `~^:?*[\\`"
    )]
    #[case("-oProxyCommand=x", "the name starts with a dash")]
    #[case("a..b", "it contains `..`")]
    #[case("../../x", "it contains `..`")]
    #[case("main@{1}", "it contains `@{`")]
    #[case("@", "the name is reserved")]
    #[case("HEAD", "the name is reserved")]
    #[case("+HEAD:x", "it contains a control character, a space, or one of `~^:?*[\\`")]
    #[case(":main", "it contains a control character, a space, or one of `~^:?*[\\`")]
    #[case("a*", "it contains a control character, a space, or one of `~^:?*[\\`")]
    #[case("a b", "it contains a control character, a space, or one of `~^:?*[\\`")]
    #[case("a\nb", "it contains a control character, a space, or one of `~^:?*[\\`")]
    #[case(
        "a\u{1b}[31m",
        "it contains a control character, a space, or one of `~^:?*[\\`"
    )]
    #[case("a\0b", "it contains a control character, a space, or one of `~^:?*[\\`")]
    #[case("a.lock", "a part ends with `.lock`")]
    #[case("a.lock/b", "a part ends with `.lock`")]
    #[case("a/.b", "a part starts with a dot")]
    #[case("a//b", "a part between slashes is empty")]
    #[case("a/", "a part between slashes is empty")]
    #[case("a.", "it ends with a dot")]
    #[case("a\\b", "it contains a control character, a space, or one of `~^:?*[\\`")]
    #[case("a~1", "it contains a control character, a space, or one of `~^:?*[\\`")]
    #[case("a^", "it contains a control character, a space, or one of `~^:?*[\\`")]
    #[case("a?", "it contains a control character, a space, or one of `~^:?*[\\`")]
    #[case("a[b", "it contains a control character, a space, or one of `~^:?*[\\`")]
    fn a_hostile_branch_name_is_refused_with_its_reason(#[case] name: &str, #[case] reason: &str) {
        let error = RefName::branch(name).unwrap_err().to_string();
        assert!(
            error.ends_with(&format!("is not valid: {reason}")),
            "{name:?}: {error}"
        );
        assert!(!error.chars().any(char::is_control), "{error:?}");
    }

    #[rstest]
    #[case("main")]
    #[case("release/1.0.x")]
    #[case("feature/größe")]
    #[case("a@b")]
    #[case("user-1_x")]
    fn an_ordinary_branch_name_is_accepted(#[case] name: &str) {
        let reference = RefName::branch(name).unwrap();
        assert_eq!((reference.short(), reference.is_branch()), (name, true));
    }

    #[test]
    fn a_query_by_name_does_not_take_longer_names_that_share_the_prefix() {
        let query = RefQuery::branch("main").unwrap();
        assert!(query.matches(&RefName::branch("main").unwrap()));
        assert!(!query.matches(&RefName::branch("main2").unwrap()));
    }
}
