//! What an automation checks out, and what it pushes beside its branch.

use std::fmt;

use fluxbot_api::source::GitRepositoryRef;

/// The branch that Flux checks out when neither the automation nor its source names one.
pub(super) const FLUX_DEFAULT_BRANCH: &str = "master";

/// A Git reference to start from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CheckoutRef {
    /// The head of a branch.
    Branch(String),
    /// A tag.
    Tag(String),
    /// The newest tag in a range of versions.
    Semver(String),
    /// A reference by its full name.
    Name(String),
    /// A commit, and the branch that the revision names.
    Commit {
        /// Its full id.
        id: String,
        /// The branch that stands beside it; it is not asked for.
        branch: Option<String>,
    },
}

impl CheckoutRef {
    /// Reads a reference. Of several fields the first in Flux's order counts: commit, name, tag, semver, branch. `None` when it
    /// names nothing.
    #[must_use]
    pub fn of(reference: &GitRepositoryRef) -> Option<Self> {
        let set = |value: &Option<String>| value.clone().filter(|value| !value.is_empty());
        let branch = set(&reference.branch);
        if let Some(id) = set(&reference.commit) {
            return Some(Self::Commit { id, branch });
        }
        set(&reference.name)
            .map(Self::Name)
            .or_else(|| set(&reference.tag).map(Self::Tag))
            .or_else(|| set(&reference.semver).map(Self::Semver))
            .or_else(|| branch.map(Self::Branch))
    }

    /// The branch, where it is one.
    #[must_use]
    pub fn branch(&self) -> Option<&str> {
        match self {
            Self::Branch(branch) => Some(branch),
            Self::Name(name) => name.strip_prefix("refs/heads/"),
            _ => None,
        }
    }
}

impl fmt::Display for CheckoutRef {
    /// As errors name it: `branch 'main'`, `tag 'v1'`, `commit '…'`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Branch(name) => write!(f, "branch '{name}'"),
            Self::Tag(name) => write!(f, "tag '{name}'"),
            Self::Semver(range) => write!(f, "a tag in the range '{range}'"),
            Self::Name(name) => write!(f, "reference '{name}'"),
            Self::Commit { id, .. } => write!(f, "commit '{id}'"),
        }
    }
}

/// What a [`Refspec`] pushes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RefspecSource {
    /// The commits that the push branch gets.
    PushBranch,
    /// What was checked out.
    Checkout,
}

/// `spec.git.push.refspec`: a further reference that gets what is pushed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Refspec {
    /// The text.
    pub text: String,
    /// What is pushed.
    pub source: RefspecSource,
    /// The full name of the reference that gets it.
    pub destination: String,
    /// Whether it may lose commits (`+`).
    pub is_forced: bool,
}

/// A refspec cannot be pushed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("spec.git.push.refspec '{text}' cannot be pushed: {problem}")]
pub struct InvalidRefspec {
    text: String,
    problem: String,
}

impl Refspec {
    /// Reads `[+]source:destination`. The source is the push branch, what is checked out, or `HEAD`, because nothing else is at
    /// hand; short names are branches.
    pub fn parse(text: &str, checkout: &CheckoutRef, push_branch: &str) -> Result<Self, InvalidRefspec> {
        let invalid = |problem: String| InvalidRefspec {
            text: text.to_owned(),
            problem,
        };
        let (is_forced, pair) = match text.strip_prefix('+') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (from, to) = pair.split_once(':').unwrap_or((pair, pair));
        if from.is_empty() || to.is_empty() {
            return Err(invalid(
                "it must be of the form 'source:destination', and nothing is deleted".to_owned(),
            ));
        }
        if pair.contains('*') {
            return Err(invalid(
                "patterns are not supported, name one reference".to_owned(),
            ));
        }
        let source = if from == "HEAD" || full_name(from) == full_name(push_branch) {
            RefspecSource::PushBranch
        } else if checkout
            .branch()
            .is_some_and(|branch| full_name(branch) == full_name(from))
            || matches!(checkout, CheckoutRef::Tag(tag) if from == format!("refs/tags/{tag}"))
            || matches!(checkout, CheckoutRef::Name(name) if from == name)
        {
            RefspecSource::Checkout
        } else {
            let what =
                format!("its source must be HEAD, the push branch '{push_branch}', or what is checked out");
            return Err(invalid(what));
        };
        let destination = if to == "HEAD" { push_branch } else { to };
        Ok(Self {
            text: text.to_owned(),
            source,
            destination: full_name(destination),
            is_forced,
        })
    }
}

fn full_name(name: &str) -> String {
    if name.starts_with("refs/") {
        name.to_owned()
    } else {
        format!("refs/heads/{name}")
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(
        "refs/heads/bot:refs/for/main",
        RefspecSource::PushBranch,
        "refs/for/main",
        false
    )]
    #[case(
        "HEAD:refs/for/main%topic=x",
        RefspecSource::PushBranch,
        "refs/for/main%topic=x",
        false
    )]
    #[case("+bot:copy", RefspecSource::PushBranch, "refs/heads/copy", true)]
    #[case(
        "refs/heads/main:refs/heads/base",
        RefspecSource::Checkout,
        "refs/heads/base",
        false
    )]
    #[case("bot", RefspecSource::PushBranch, "refs/heads/bot", false)]
    fn a_refspec_names_what_is_pushed_and_who_gets_it(
        #[case] text: &str,
        #[case] source: RefspecSource,
        #[case] destination: &str,
        #[case] is_forced: bool,
    ) {
        let refspec = Refspec::parse(text, &CheckoutRef::Branch("main".into()), "bot").unwrap();
        assert_eq!(
            (refspec.source, refspec.destination.as_str(), refspec.is_forced),
            (source, destination, is_forced)
        );
    }

    #[rstest]
    #[case(":main", "nothing is deleted")]
    #[case("main:", "nothing is deleted")]
    #[case("refs/heads/*:refs/heads/*", "patterns are not supported")]
    #[case(
        "other:x",
        "its source must be HEAD, the push branch 'bot', or what is checked out"
    )]
    fn a_refspec_that_cannot_be_pushed_says_why(#[case] text: &str, #[case] expected: &str) {
        let error = Refspec::parse(text, &CheckoutRef::Branch("main".into()), "bot").unwrap_err();
        let error = error.to_string();
        assert!(
            error.starts_with(&format!("spec.git.push.refspec '{text}' cannot be pushed: ")),
            "{error}"
        );
        assert!(error.contains(expected), "{error}");
    }

    #[test]
    fn of_several_fields_the_first_in_fluxs_order_counts() {
        let all = || GitRepositoryRef {
            commit: Some("c".into()),
            name: Some("refs/heads/n".into()),
            tag: Some("t".into()),
            semver: Some("1.x".into()),
            branch: Some("b".into()),
        };
        let mut reference = all();
        let mut seen = Vec::new();
        seen.push(CheckoutRef::of(&reference).unwrap().to_string());
        reference.commit = Some(String::new());
        seen.push(CheckoutRef::of(&reference).unwrap().to_string());
        reference.name = None;
        seen.push(CheckoutRef::of(&reference).unwrap().to_string());
        reference.tag = None;
        seen.push(CheckoutRef::of(&reference).unwrap().to_string());
        reference.semver = None;
        seen.push(CheckoutRef::of(&reference).unwrap().to_string());
        reference.branch = None;
        assert_eq!(CheckoutRef::of(&reference), None);
        let expected = [
            "commit 'c'",
            "reference 'refs/heads/n'",
            "tag 't'",
            "a tag in the range '1.x'",
            "branch 'b'",
        ];
        assert_eq!(seen, expected);
    }
}
