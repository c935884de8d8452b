//! Whose the commits on a push branch are, and what may be done with it.

use std::borrow::Cow;

use fluxbot_git::{Commit, CommitError, ObjectId, Person, PreparedCommit};

use super::history::{Contained, History};
use super::writer::WriteError;
use super::{Author, Work};

/// The header of a commit on a push branch: the automation's identity, the commit that the branch was built on, and the commit's
/// own tree.
///
/// Git, forges and signatures keep headers that they do not know. `git commit --amend` keeps them, too, on a commit that is
/// somebody else's by then: the tree tells of changed files, and author and committer, who are the same in a commit that was
/// just written, of a changed message.
const HEADER: &str = "fluxbot-automation";

/// Stands for a base that is not known.
const NO_BASE: &str = "-";

/// Most commits of ours that are read behind a tip.
const MOST_COMMITS: usize = 100;

/// What may be done with a push branch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Every commit on it is of an automation that is at work now: it is made anew on what was checked out.
    Rebuild {
        /// The commit that the branch was built on, where it is known.
        base: Option<ObjectId>,
    },
    /// Commits of other automations, or of Flux, are on it, which would be lost: work goes on on top of them.
    Continue {
        /// The commit that the branch was built on, where it is known.
        base: Option<ObjectId>,
    },
    /// Somebody else's commit is on it: it is left alone.
    Foreign(Box<Commit>),
}

/// Marks a commit as an automation's.
pub(super) fn marked(
    commit: &PreparedCommit,
    identity: &str,
    base: Option<ObjectId>,
) -> Result<PreparedCommit, CommitError> {
    let base = base.map_or(Cow::Borrowed(NO_BASE), |base| Cow::Owned(base.to_string()));
    let identity: String = identity
        .chars()
        .map(|c| {
            if c.is_whitespace() || c.is_control() {
                '_'
            } else {
                c
            }
        })
        .collect();
    commit.with_header(HEADER, &format!("{identity} {base} {}", commit.tree()))
}

/// Judges the branch at `head`, when `checkout` was checked out for `works`.
pub(super) fn judge(
    history: &History<'_>,
    head: ObjectId,
    checkout: ObjectId,
    works: &[Work],
) -> Result<Verdict, WriteError> {
    let mut is_ours = true;
    let mut known_base = None;
    let mut current = head;
    let settled = |is_ours, base| {
        if is_ours {
            Verdict::Rebuild { base }
        } else {
            Verdict::Continue { base }
        }
    };
    for _ in 0..MOST_COMMITS {
        if current == checkout {
            return Ok(settled(is_ours, Some(checkout)));
        }
        let Some(commit) = history.commit(current)? else {
            break;
        };
        match mark_of(&commit) {
            Some(Mark {
                identity,
                base,
                is_proven,
            }) => {
                // By another person it may have been amended with `--reset-author`, to say something else of the same files.
                is_ours &= is_proven
                    && works.iter().any(|work| marks(&work.identity, identity))
                    && is_by_one_of(&commit, works);
                known_base = known_base.or(base);
                match commit.parents.first() {
                    Some(parent) if base != Some(*parent) => current = *parent,
                    _ => return Ok(settled(is_ours, base)),
                }
            }
            None if header_of(&commit).is_none() && is_by_one_of(&commit, works) => {
                is_ours = false;
                match commit.parents.first() {
                    Some(parent) => current = *parent,
                    None => return Ok(settled(is_ours, known_base)),
                }
            }
            None => {
                return Ok(match history.contains(checkout, current)? {
                    Contained::Yes => settled(is_ours, Some(current)),
                    Contained::No => Verdict::Foreign(Box::new(commit)),
                    Contained::Unknown => Verdict::Continue { base: known_base },
                });
            }
        }
    }
    Ok(Verdict::Continue { base: known_base })
}

/// Who a commit is told to be of. The author of one that somebody has amended is still the automation.
pub(super) fn person(commit: &Commit) -> &Person {
    let (person, _) = if header_of(commit).is_some() {
        &commit.committer
    } else {
        &commit.author
    };
    person
}

/// What the header of a commit says.
#[derive(Debug, PartialEq, Eq)]
struct Mark<'a> {
    identity: &'a str,
    base: Option<ObjectId>,
    /// Whether the header tells that the files are those that were written. Those of early versions did not.
    is_proven: bool,
}

/// The mark of a commit that is as it was written; `None` when somebody has changed it.
fn mark_of(commit: &Commit) -> Option<Mark<'_>> {
    let mut words = header_of(commit)?.split(' ');
    let (identity, base, tree) = (words.next()?, words.next()?, words.next());
    let has_its_files =
        tree.is_none_or(|tree| tree.parse::<ObjectId>().is_ok_and(|tree| tree == commit.tree));
    let is_as_written = has_its_files
        && words.next().is_none()
        && commit.author == commit.committer
        && commit.parents.len() < 2;
    is_as_written.then(|| Mark {
        identity,
        base: base.parse().ok(),
        is_proven: tree.is_some(),
    })
}

fn header_of(commit: &Commit) -> Option<&str> {
    let mut headers = commit.extra_headers.iter();
    let (_, value) = headers.find(|(name, _)| name == HEADER)?;
    Some(value.as_str())
}

fn marks(identity: &str, written: &str) -> bool {
    let mut characters = identity.chars().map(|c| {
        if c.is_whitespace() || c.is_control() {
            '_'
        } else {
            c
        }
    });
    written.chars().all(|c| characters.next() == Some(c)) && characters.next().is_none()
}

/// Whether the commit has an automation as its author and committer. Of Flux's commits that is all that can be said.
fn is_by_one_of(commit: &Commit, works: &[Work]) -> bool {
    let is = |author: &Author, person: &Person| {
        person.email == author.email.trim() && person.name == author.name.trim()
    };
    commit.parents.len() < 2
        && works.iter().any(|work| {
            let author = &work.plan.author;
            is(author, &commit.author.0) && is(author, &commit.committer.0)
        })
}

#[cfg(test)]
mod tests {
    use fluxbot_git::Timestamp;
    use rstest::rstest;

    use super::*;

    const BASE: &str = "1111111111111111111111111111111111111111";
    const TREE: &str = "2222222222222222222222222222222222222222";

    /// A commit with a header, of somebody at some time, committed later by so many seconds.
    fn commit(header: &str, later: i64) -> Commit {
        let person = Person {
            name: "bot".to_owned(),
            email: "bot@example.org".to_owned(),
        };
        let time = |seconds| Timestamp {
            seconds,
            offset_minutes: 0,
        };
        Commit {
            id: BASE.parse().unwrap(),
            tree: TREE.parse().unwrap(),
            parents: vec![BASE.parse().unwrap()],
            author: (person.clone(), time(1)),
            committer: (person, time(1 + later)),
            message: String::new(),
            extra_headers: vec![(HEADER.to_owned(), header.to_owned())],
        }
    }

    #[rstest]
    #[case::as_written("uid BASE TREE", 0, Some((true, true)))]
    #[case::without_a_base("uid - TREE", 0, Some((false, true)))]
    #[case::of_an_early_version("uid BASE", 0, Some((true, false)))]
    #[case::other_files("uid BASE BASE", 0, None)]
    #[case::amended_later("uid BASE TREE", 1, None)]
    #[case::early_and_amended("uid BASE", 1, None)]
    #[case::no_tree("uid BASE tree", 0, None)]
    #[case::a_word_too_many("uid BASE TREE x", 0, None)]
    #[case::a_word_too_few("uid", 0, None)]
    fn a_mark_counts_on_the_commit_that_it_was_written_for(
        #[case] header: &str,
        #[case] later: i64,
        #[case] expected: Option<(bool, bool)>,
    ) {
        let commit = commit(&header.replace("BASE", BASE).replace("TREE", TREE), later);
        let expected = expected.map(|(has_base, is_proven)| Mark {
            identity: "uid",
            base: has_base.then(|| BASE.parse().unwrap()),
            is_proven,
        });
        assert_eq!(mark_of(&commit), expected);
    }
}
