//! What goes into an artifact beside the files of its commit, and what is left out.

use std::fmt;
use std::sync::Arc;

use fluxbot_git::{Mirror, ObjectId, Snapshot};

use super::error::ResolveError;
use super::modules;
use crate::source::tree::{ArtifactTree, Draft, TreeError};

/// How deep submodules may have submodules.
const MAX_DEPTH: usize = 10;

/// The fields of a `GitRepository` that shape the content of its artifact.
#[derive(Debug, Clone, Copy, Default)]
pub struct Content<'a> {
    /// `spec.ignore`.
    pub ignore: Option<&'a str>,
    /// `spec.sparseCheckout`: beginnings of paths, letter by letter, as Flux compares them. Empty: all files.
    pub sparse: &'a [String],
    /// Where submodules come from, if `spec.recurseSubmodules` asks for them.
    pub submodules: Option<&'a dyn Submodules>,
    /// `spec.include`, in its order.
    pub includes: &'a [Include],
}

/// The repositories of submodules.
pub trait Submodules: fmt::Debug {
    /// The mirror of the repository at `url`, opened with a credential only where it belongs to that server.
    ///
    /// # Errors
    /// Why it cannot be opened, without secrets.
    fn open(&self, url: &str) -> Result<Arc<Mirror>, String>;
}

/// Files of another source that are put into the tree.
#[derive(Debug, Clone)]
pub struct Include {
    /// The name of the other source.
    pub name: String,
    /// Its files.
    pub tree: ArtifactTree,
    /// What is taken from it; `""` is everything.
    pub from: String,
    /// Where it is put.
    pub to: String,
}

impl Content<'_> {
    /// Puts the tree of a commit together.
    pub(super) fn build(
        &self,
        mirror: &Mirror,
        snapshot: &Snapshot,
        commit: &ObjectId,
    ) -> Result<ArtifactTree, ResolveError> {
        let mut draft = Draft::of_commit(snapshot, commit, self.sparse)?;
        if let Some(path) = self.sparse.iter().find(|path| !exists(&draft, path)) {
            return Err(ResolveError::Sparse { path: path.clone() });
        }
        if let Some(repositories) = self.submodules {
            fill(&mut draft, &mirror.remote().url().to_string(), repositories, 1)?;
        }
        for include in self.includes {
            draft
                .include(&include.tree, &include.from, &include.to)
                .map_err(|source| ResolveError::Include {
                    name: include.name.clone(),
                    from: include.from.clone(),
                    to: include.to.clone(),
                    source,
                })?;
        }
        Ok(draft.finish(self.ignore)?)
    }
}

/// Whether a path of a sparse checkout is there; the root always is.
fn exists(draft: &Draft, path: &str) -> bool {
    path.split('/').all(|name| matches!(name, "" | ".")) || draft.has(path)
}

/// Fetches the submodules of a tree, and theirs.
fn fill(
    draft: &mut Draft,
    url: &str,
    repositories: &dyn Submodules,
    depth: usize,
) -> Result<(), ResolveError> {
    let links = draft.gitlinks().to_vec();
    if links.is_empty() {
        return Ok(());
    }
    let content = draft.modules().map_err(TreeError::from)?.unwrap_or_default();
    let modules = modules::parse(&String::from_utf8_lossy(&content));
    for (path, commit) in links {
        // What `.gitmodules` does not name stays empty, as with Git.
        let Some(named) = modules.get(path.to_string().as_str()) else {
            continue;
        };
        let failed = |reason: String| ResolveError::Submodule {
            path: path.to_string(),
            commit,
            reason,
        };
        if depth > MAX_DEPTH {
            return Err(failed(format!("submodules are nested deeper than {MAX_DEPTH}")));
        }
        let address = modules::address(url, named).map_err(&failed)?;
        let mirror = repositories.open(&address).map_err(&failed)?;
        let shown = mirror.remote().url().to_string();
        let snapshot = mirror
            .fetch_commit(commit)
            .map_err(|error| failed(format!("unable to clone '{shown}': {error}")))?;
        let mut inner = Draft::of_commit(&snapshot, &commit, &[])?;
        fill(&mut inner, &shown, repositories, depth + 1)?;
        draft
            .put(&path, &inner)
            .map_err(|error| failed(error.to_string()))?;
    }
    Ok(())
}
