//! Mirrors in a folder of their own, with the credential of the test servers.

use std::sync::Arc;

use fluxbot::git::{AccessSources, GitAccess, Mirrors};
use fluxbot::http::{HttpClients, SecretData};
use fluxbot::source::Revision;
use fluxbot::source::git::{Checkout, Request, ResolveError, Resolved, resolve};
use fluxbot_api::source::GitRepositoryRef;
use fluxbot_git::Mirror;
use tempfile::TempDir;

use crate::support::git::{PASSWORD, Repository, USER};

/// What a controller holds for its sources.
pub struct Lab {
    pub folder: TempDir,
    pub mirrors: Mirrors,
}

impl Lab {
    pub fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let mirrors = Mirrors::new(folder.path().join("mirrors"), HttpClients::new());
        Self { folder, mirrors }
    }

    /// The same folder as a new process finds it.
    pub fn restarted(self) -> Self {
        drop(self.mirrors);
        let mirrors = Mirrors::new(self.folder.path().join("mirrors"), HttpClients::new());
        Self {
            folder: self.folder,
            mirrors,
        }
    }

    pub fn mirror(&self, repository: &Repository) -> Arc<Mirror> {
        self.mirrors
            .open(repository.url.as_str(), &access(PASSWORD))
            .unwrap()
    }

    /// A reference as it is now.
    pub async fn checkout(&self, repository: &Repository, reference: &GitRepositoryRef) -> Checkout {
        match look(self.mirror(repository), Some(reference.clone()), None).await {
            Ok(Resolved::Fetched(checkout)) => *checkout,
            other => panic!("{other:?}"),
        }
    }
}

pub fn access(password: &str) -> GitAccess {
    let pairs = [("username", USER), ("password", password)];
    let secret: SecretData = pairs.map(|(key, value)| (key.to_owned(), value.into())).into();
    let sources = AccessSources {
        secret: Some(&secret),
        ..AccessSources::default()
    };
    GitAccess::new("https://example.org", &sources).unwrap()
}

/// Looks at a reference from a thread that may block.
pub async fn look(
    mirror: Arc<Mirror>,
    reference: Option<GitRepositoryRef>,
    observed: Option<Revision>,
) -> Result<Resolved, ResolveError> {
    tokio::task::spawn_blocking(move || {
        let request = Request {
            reference: reference.as_ref(),
            observed: observed.as_ref(),
            ..Request::default()
        };
        resolve(&mirror, &request)
    })
    .await
    .unwrap()
}

pub fn branch(name: &str) -> GitRepositoryRef {
    GitRepositoryRef {
        branch: Some(name.to_owned()),
        ..GitRepositoryRef::default()
    }
}
