//! `spec.ref.semver`: the newest tag in a range.

use fluxbot_git::{Mirror, RefName, RefQuery};

use super::{Found, Request, ResolveError, Resolved, Revision, fetch, list};
use crate::policy::semver::{Range, Version};

pub(super) fn resolve(mirror: &Mirror, request: &Request<'_>, range: &str) -> Result<Resolved, ResolveError> {
    let parsed: Range = range
        .parse()
        .map_err(|error: crate::policy::semver::InvalidRange| ResolveError::Range(error.to_string()))?;
    let tags: Vec<RefName> = list(mirror, &[RefQuery::all_tags()])?
        .into_iter()
        .map(|tag| tag.name)
        .collect();
    let best = newest(&parsed, &tags);
    if best.is_empty() {
        return Err(ResolveError::NoMatch(range.to_owned()));
    }
    let queries: Vec<RefQuery> = best.iter().map(|name| RefQuery::Name((*name).clone())).collect();
    let snapshot = fetch(mirror, &queries)?;
    let mut newest: Option<(i64, &RefName, Found)> = None;
    for name in best {
        // One that was deleted between the two questions is left out.
        let Some(commit) = snapshot.head(name) else {
            continue;
        };
        let made = if queries.len() == 1 {
            0
        } else {
            let commit = snapshot.commit(&commit).map_err(super::TreeError::from)?;
            commit.committer.1.seconds
        };
        if newest.as_ref().is_none_or(|(other, ..)| made >= *other) {
            let snapshot = snapshot.clone();
            let tag = Some(name.clone());
            newest = Some((
                made,
                name,
                Found {
                    snapshot,
                    commit,
                    tag,
                },
            ));
        }
    }
    let (_, name, found) = newest.ok_or_else(|| ResolveError::NoMatch(range.to_owned()))?;
    found.resolved(mirror, request, Revision::git(name.short(), &found.commit))
}

/// The tags of the newest version in the range, several where they differ in build metadata only, by name.
fn newest<'t>(range: &Range, tags: &'t [RefName]) -> Vec<&'t RefName> {
    let mut best: Vec<(Version<'t>, &'t RefName)> = Vec::new();
    for name in tags {
        let Ok(version) = Version::parse_tag(name.short()) else {
            continue;
        };
        if !range.admits(&version) {
            continue;
        }
        match best.first().map(|(other, _)| version.cmp(other)) {
            Some(std::cmp::Ordering::Less) => {}
            Some(std::cmp::Ordering::Equal) => best.push((version, name)),
            Some(std::cmp::Ordering::Greater) | None => best = vec![(version, name)],
        }
    }
    best.into_iter().map(|(_, name)| name).collect()
}
