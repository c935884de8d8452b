//! The files of a commit in a mirror.

use fluxbot_git::{EntryKind, ObjectId, ReadError, RepoPath, Snapshot};
use std::ops::ControlFlow;

use super::{Files, FilesError};

/// A tree of a Git repository, read from a mirror without a checkout.
#[derive(Clone)]
pub struct GitTree {
    snapshot: Snapshot,
    tree: ObjectId,
}

impl GitTree {
    /// The files of a commit.
    pub fn of_commit(snapshot: Snapshot, commit: &ObjectId) -> Result<Self, FilesError> {
        let tree = snapshot
            .commit(commit)
            .map_err(|error| git_error("", &error))?
            .tree;
        Ok(Self { snapshot, tree })
    }
}

fn git_error(path: &str, error: &ReadError) -> FilesError {
    FilesError::Git {
        path: path.to_owned(),
        reason: error.to_string(),
    }
}

impl Files for GitTree {
    fn list(&self, path: &str) -> Result<Vec<String>, FilesError> {
        let failed = |error: ReadError| git_error(path, &error);
        let missing = || FilesError::Git {
            path: path.to_owned(),
            reason: "no such file or folder".to_owned(),
        };
        let mut root = self.tree;
        if !path.is_empty() {
            let Ok(parsed) = path.parse::<RepoPath>() else {
                return Err(missing());
            };
            match self.snapshot.lookup(&self.tree, &parsed).map_err(failed)? {
                Some(entry) if entry.kind == EntryKind::Tree => root = entry.id,
                Some(entry) if entry.kind.is_file() => return Ok(vec![path.to_owned()]),
                _ => return Err(missing()),
            }
        }
        let mut found = Vec::new();
        self.snapshot
            .walk(&root, &mut |file, entry| {
                if entry.kind.is_file()
                    && let Some(file) = file.as_str()
                {
                    found.push(if path.is_empty() {
                        file.to_owned()
                    } else {
                        format!("{path}/{file}")
                    });
                }
                ControlFlow::Continue(())
            })
            .map_err(failed)?;
        found.sort_unstable();
        Ok(found)
    }

    fn read(&self, path: &str) -> Result<Option<Vec<u8>>, FilesError> {
        let failed = |error: ReadError| git_error(path, &error);
        let Ok(parsed) = path.parse::<RepoPath>() else {
            return Ok(None);
        };
        match self.snapshot.lookup(&self.tree, &parsed).map_err(failed)? {
            Some(entry) if entry.kind.is_file() => self.snapshot.blob(&entry.id).map(Some).map_err(failed),
            _ => Ok(None),
        }
    }
}
