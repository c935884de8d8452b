//! What the demo stands on: the registry, the Git server, the repository on it, and a person who also commits.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, ensure};
use axum::Router;
use axum::serve::ListenerExt as _;
use reqwest::Client;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, JoinSet};

use super::registry::{self, Pushed};
use super::scenario::{APPLICATIONS, Expected};
use super::{fleet, git_server, image};
use crate::http::{ClientSettings, HttpClients, Reach};

/// Who fluxbot is to the demo's Git server.
pub(super) const USERNAME: &str = "fluxbot";

/// The running parts. They end when this is dropped.
pub(super) struct Parts {
    pub registry: SocketAddr,
    pub git: SocketAddr,
    /// The bare repository behind the Git server.
    pub bare: PathBuf,
    /// The password of [`USERNAME`].
    pub password: String,
    /// Everything that the demo writes.
    pub folder: TempDir,
    client: Client,
    own: OwnTags,
    _tasks: JoinSet<()>,
}

/// The tags that the demo itself has pushed, each with its repository. Clones share them.
#[derive(Clone, Default)]
pub(super) struct OwnTags(Arc<Mutex<BTreeSet<(String, String)>>>);

impl OwnTags {
    fn add(&self, repository: &str, tag: &str) {
        let mut tags = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tags.insert((repository.to_owned(), tag.to_owned()));
    }

    pub(super) fn has(&self, repository: &str, tag: &str) -> bool {
        let tags = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tags.contains(&(repository.to_owned(), tag.to_owned()))
    }
}

impl Parts {
    /// Starts everything on free ports of the loopback address, with the images that the repository names. Also gives the
    /// tags that are set from then on.
    pub(super) async fn start() -> anyhow::Result<(Self, mpsc::UnboundedReceiver<Pushed>)> {
        let mut tasks = JoinSet::new();
        let folder = tempfile::Builder::new()
            .prefix("fluxbot-demo-")
            .tempdir()
            .context("creating a folder")?;
        let client = HttpClients::new().client(&ClientSettings::default(), Reach::Named)?;
        let (webhook, mut pushes) = mpsc::unbounded_channel();
        let registry = serve(registry::router(webhook), &mut tasks).await?;
        let root = folder.path().join("git");
        std::fs::create_dir_all(&root).context("creating a folder")?;
        let password = format!("{:016x}", jiff::Timestamp::now().as_nanosecond());
        let server = git_server::GitServer {
            root: root.clone(),
            username: USERNAME.to_owned(),
            password: password.clone(),
        };
        let git = serve(git_server::router(server), &mut tasks).await?;
        for application in APPLICATIONS {
            let (repository, tag) = (application.repository, application.initial);
            image::push(&client, &registry.to_string(), repository, tag).await?;
        }
        while pushes.try_recv().is_ok() {}
        let work = folder.path().join("person");
        let bare = fleet::create(&root, &work, &registry.to_string(), &format!("http://{git}")).await?;
        let parts = Self {
            registry,
            git,
            bare,
            password,
            folder,
            client,
            own: OwnTags::default(),
            _tasks: tasks,
        };
        Ok((parts, pushes))
    }

    /// Where the repository is cloned from and pushed to.
    pub(super) fn url(&self) -> String {
        format!("http://{}/fleet.git", self.git)
    }

    /// Pushes an image, as `docker push` would.
    pub(super) async fn push(&self, repository: &str, tag: &str) -> anyhow::Result<()> {
        // Before the registry tells of it.
        self.own.add(repository, tag);
        image::push(&self.client, &self.registry.to_string(), repository, tag).await
    }

    /// The tags that the demo itself has pushed and will push.
    pub(super) fn own_tags(&self) -> OwnTags {
        self.own.clone()
    }

    /// Lets a person push commits to the branch, if there are any. Gives how many arrived.
    pub(super) fn person(&self, commits: usize) -> Option<JoinHandle<anyhow::Result<usize>>> {
        let work = self.folder.path().join("person");
        (commits > 0).then(|| tokio::spawn(commit_as_a_person(work, commits)))
    }

    /// Reads the bare repository with Git itself: the expected values are there, each commit of fluxbot changes marked
    /// values alone, and the person's commits are all still there. Gives how many commits fluxbot made.
    pub(super) async fn verify(&self, expected: &[Expected], by_person: usize) -> anyhow::Result<usize> {
        let log = fleet::git(&self.bare, &["log", "--format=%an", "main"]).await?;
        let by_fluxbot = log.lines().filter(|author| *author == "fluxbot").count();
        let found = log.lines().filter(|author| *author == "a person").count();
        ensure!(
            found == by_person,
            "{found} of {by_person} commits of the person are there"
        );
        for expected in expected {
            let file = expected.file();
            let content = fleet::git(&self.bare, &["show", &format!("main:{file}")]).await?;
            let text = expected.text(&self.registry.to_string());
            ensure!(content.contains(&text), "{file} does not contain: {text}");
        }
        let arguments = [
            "log",
            "--author=fluxbot",
            "--format=",
            "--unified=0",
            "-p",
            "main",
        ];
        let lines = fleet::git(&self.bare, &arguments).await?;
        let changed = lines.lines().filter(|line| {
            line.starts_with(['+', '-']) && !line.starts_with("+++") && !line.starts_with("---")
        });
        let strangers = changed.filter(|line| !line.contains("$imagepolicy")).count();
        ensure!(strangers == 0, "{strangers} changed lines carry no marker");
        fleet::git(&self.bare, &["fsck", "--strict"]).await?;
        Ok(by_fluxbot)
    }
}

/// Serves `router` on a free port of the loopback address.
async fn serve(router: Router, tasks: &mut JoinSet<()>) -> anyhow::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0")
        .await
        .context("listening on the loopback address")?;
    let address = listener
        .local_addr()
        .context("listening on the loopback address")?;
    let listener = listener.tap_io(|stream| {
        // Small answers must not wait for the acknowledgement of the ones before.
        drop(stream.set_nodelay(true));
    });
    tasks.spawn(async move {
        if let Err(error) = axum::serve(listener, router).await {
            tracing::error!(%error, "a server of the demo ended");
        }
    });
    Ok(address)
}

/// Commits and pushes with Git itself, and rebases when the push is refused, as people do.
async fn commit_as_a_person(work: PathBuf, commits: usize) -> anyhow::Result<usize> {
    for number in 1..=commits {
        append(
            &work.join("README.md"),
            &format!("\nNote {number} of a person.\n"),
        )?;
        let message = format!("docs: note {number}");
        fleet::git(&work, &["commit", "--quiet", "--all", "--message", &message]).await?;
        let mut attempts = 0;
        while fleet::git(&work, &["push", "--quiet", "origin", "HEAD:main"])
            .await
            .is_err()
        {
            attempts += 1;
            ensure!(attempts < 50, "the person could not push");
            fleet::git(&work, &["pull", "--quiet", "--rebase", "origin", "main"]).await?;
        }
    }
    Ok(commits)
}

fn append(file: &Path, text: &str) -> anyhow::Result<()> {
    let mut content = std::fs::read_to_string(file).with_context(|| format!("reading {}", file.display()))?;
    content.push_str(text);
    std::fs::write(file, content).with_context(|| format!("writing {}", file.display()))
}
