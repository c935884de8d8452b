//! Fetches what an automation checks out, together with the branches that it pushes.

use std::cmp::Ordering;

use fluxbot_git::{Mirror, ObjectId, RefName, RefQuery, Snapshot};
use fluxbot_semver::{Range, Version};

use super::reference::CheckoutRef;
use super::writer::WriteError;

/// What was checked out.
pub(super) struct Start {
    /// Has its objects, and those of the further references.
    pub(super) snapshot: Snapshot,
    /// Its commit.
    pub(super) commit: ObjectId,
    /// Flux's revision of it: `main@sha1:…`.
    pub(super) revision: String,
}

/// Fetches `checkout`, and beside it the references of `further` that exist.
pub(super) fn fetch(
    mirror: &Mirror,
    checkout: &CheckoutRef,
    further: &[RefName],
) -> Result<Start, WriteError> {
    let beside = |name: &RefName| {
        let mut queries = vec![RefQuery::Name(name.clone())];
        queries.extend(
            further
                .iter()
                .filter(|other| *other != name)
                .cloned()
                .map(RefQuery::Name),
        );
        queries
    };
    let named = |name: RefName, label: &str| {
        let snapshot = mirror.fetch(&beside(&name))?;
        let commit = snapshot.head(&name);
        let commit = commit.ok_or_else(|| WriteError::NoReference(checkout.clone()))?;
        Ok(Start {
            snapshot,
            revision: revision(Some(label), commit),
            commit,
        })
    };
    match checkout {
        CheckoutRef::Branch(branch) => named(RefName::branch(branch)?, branch),
        CheckoutRef::Tag(tag) => named(RefName::tag(tag)?, tag),
        CheckoutRef::Name(name) => {
            // `refs/pull/1/head` is `1/head`.
            let label = name.splitn(3, '/').nth(2).unwrap_or(name);
            named(RefName::new(name.as_str())?, label)
        }
        CheckoutRef::Semver(range) => {
            let tag = newest(mirror, range)?;
            let label = tag.short().to_owned();
            named(tag, &label)
        }
        CheckoutRef::Commit { id, branch } => {
            let commit: ObjectId = id.parse().map_err(|source| WriteError::CommitId {
                id: id.clone(),
                source,
            })?;
            let alone = mirror.fetch_commit(commit)?;
            let queries: Vec<RefQuery> = further.iter().cloned().map(RefQuery::Name).collect();
            let snapshot = if queries.is_empty() {
                alone
            } else {
                mirror.fetch(&queries)?
            };
            Ok(Start {
                snapshot,
                revision: revision(branch.as_deref(), commit),
                commit,
            })
        }
    }
}

fn revision(label: Option<&str>, commit: ObjectId) -> String {
    match label {
        Some(label) => format!("{label}@sha1:{commit}"),
        None => format!("sha1:{commit}"),
    }
}

/// The tag of the newest version in a range; of equal versions the one whose commit is the youngest, as in Flux.
fn newest(mirror: &Mirror, range: &str) -> Result<RefName, WriteError> {
    let parsed: Range = range.parse().map_err(WriteError::Range)?;
    let tags: Vec<RefName> = mirror
        .list(&[RefQuery::all_tags()])?
        .into_iter()
        .map(|tag| tag.name)
        .collect();
    let mut best: Vec<(Version<'_>, &RefName)> = Vec::new();
    for name in &tags {
        let Ok(version) = Version::parse_tag(name.short()) else {
            continue;
        };
        if !parsed.admits(&version) {
            continue;
        }
        match best.first().map(|(other, _)| version.cmp(other)) {
            Some(Ordering::Less) => {}
            Some(Ordering::Equal) => best.push((version, name)),
            Some(Ordering::Greater) | None => best = vec![(version, name)],
        }
    }
    let mut names: Vec<RefName> = best.into_iter().map(|(_, name)| name.clone()).collect();
    if names.len() > 1 {
        let queries: Vec<RefQuery> = names.iter().cloned().map(RefQuery::Name).collect();
        let snapshot = mirror.fetch(&queries)?;
        let made = |name: &RefName| {
            let commit = snapshot.commit(&snapshot.head(name)?).ok()?;
            Some(commit.committer.1.seconds)
        };
        names.sort_by_key(made);
    }
    names.pop().ok_or_else(|| WriteError::NoMatch(range.to_owned()))
}
