//! The Git server over SSH, for the repositories of a [`GitServer`].

use std::path::Path;
use std::sync::{Arc, LazyLock};

use url::Url;

use super::control::Control;
use super::git::{GitServer, Repository};
use super::server::Server;

/// A running SSH server, with the key that it accepts.
#[derive(Debug, Clone)]
pub struct GitSshServer {
    server: Arc<Server>,
    control: Control,
}

impl GitSshServer {
    /// Serves the repositories of [`GitServer::shared`], once per test process.
    pub fn shared() -> Self {
        static SHARED: LazyLock<Arc<Server>> = LazyLock::new(|| start(&GitServer::shared()));
        Self::of(Arc::clone(&SHARED))
    }

    /// Serves the repositories of this server as well, with keys of its own.
    pub fn start(of: &GitServer) -> Self {
        Self::of(start(of))
    }

    fn of(server: Arc<Server>) -> Self {
        let control = Control::new(&server.ready().control);
        Self { server, control }
    }

    /// The URL of a repository over SSH.
    pub fn url(&self, repository: &Repository) -> Url {
        let addr = &self.server.ready().addr;
        Url::parse(&format!("ssh://git@{addr}/{}.git", repository.name)).unwrap()
    }

    /// The file with the private key that the server accepts, in OpenSSH format.
    pub fn key(&self) -> &Path {
        self.server.ready().client_key.as_ref().unwrap()
    }

    /// The `known_hosts` file that names the server's key, and no other.
    pub fn known_hosts(&self) -> &Path {
        self.server.ready().known_hosts.as_ref().unwrap()
    }

    /// The value of `GIT_SSH_COMMAND` with which the Git command line reaches the server. Needs `ssh`
    /// on the machine; the program under test does not.
    pub fn git_ssh_command(&self) -> String {
        format!(
            "ssh -F /dev/null -o BatchMode=yes -o IdentitiesOnly=yes -o StrictHostKeyChecking=yes \
             -o UserKnownHostsFile={} -i {}",
            self.known_hosts().display(),
            self.key().display()
        )
    }

    /// The request log and the faults.
    pub fn control(&self) -> &Control {
        &self.control
    }
}

fn start(of: &GitServer) -> Arc<Server> {
    Arc::new(Server::start(
        "git-ssh",
        &["--root", of.ready().root.to_str().unwrap()],
    ))
}
