//! Whose the commits on a push branch are, and what may be done with it.

use std::borrow::Cow;

use fluxbot_git::{Commit, CommitError, ObjectId, PreparedCommit};

use super::history::{Contained, History};
use super::writer::WriteError;
use super::{Author, Work};

/// The header of a commit on a push branch: the automation's identity, and the commit that the branch was built on.
///
/// Git, forges and signatures keep headers that they do not know, people's tools drop them when they change a commit: so a
/// commit with this header is one that nobody has touched since.
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
    commit.with_header(HEADER, &format!("{identity} {base}"))
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
            Some((identity, base)) => {
                is_ours &= works.iter().any(|work| marks(&work.identity, identity));
                known_base = known_base.or(base);
                match commit.parents.first() {
                    Some(parent) if base != Some(*parent) => current = *parent,
                    _ => return Ok(settled(is_ours, base)),
                }
            }
            None if is_by_one_of(&commit, works) => {
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

/// The identity and the base in a commit's header.
fn mark_of(commit: &Commit) -> Option<(&str, Option<ObjectId>)> {
    let mut headers = commit.extra_headers.iter();
    let (_, value) = headers.find(|(name, _)| name == HEADER)?;
    let (identity, base) = value.rsplit_once(' ')?;
    Some((identity, base.parse().ok()))
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
    let is = |author: &Author, person: &fluxbot_git::Person| {
        person.email == author.email.trim() && person.name == author.name.trim()
    };
    commit.parents.len() < 2
        && works.iter().any(|work| {
            let author = &work.plan.author;
            is(author, &commit.author.0) && is(author, &commit.committer.0)
        })
}
