//! `fluxbot demo`: the main job, end to end, on embedded parts that speak the real protocols.
//!
//! A registry in memory and Git's own HTTP backend are started on free ports of this machine, a repository shaped as real
//! ones are is created, and for each of its two clusters the whole chain of [`crate::update`] watches the registry. Then
//! tags are pushed, and every step of what follows is shown with its time.

mod cluster;
mod fleet;
mod git_server;
mod image;
mod registry;
mod scenario;
mod screen;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use axum::Router;
use axum::serve::ListenerExt as _;
use reqwest::Client;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::http::{ClientSettings, HttpClients, Reach};
use cluster::{Cluster, Event, What};
use scenario::{Expected, INITIAL, SCENES, Scene};
use screen::{Screen, SummaryRow};

/// How long the demo waits for an expected commit before it gives up.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long a scene is watched after everything expected has happened, for a commit that must not be.
const QUIET: Duration = Duration::from_millis(300);

/// Who fluxbot is to the demo's Git server.
const USERNAME: &str = "fluxbot";

/// The running demo.
struct Demo {
    registry: SocketAddr,
    git: SocketAddr,
    bare: PathBuf,
    client: Client,
    events: mpsc::UnboundedReceiver<Event>,
    screen: Screen,
    folder: TempDir,
}

/// Runs the demo. With `once` it ends after the last scene, and succeeds only when every expected commit is there; otherwise
/// it goes on until it is interrupted.
pub async fn run(once: bool) -> anyhow::Result<()> {
    let mut tasks = JoinSet::new();
    let mut demo = Demo::start(&mut tasks).await?;
    let mut rows = Vec::new();
    for (index, scene) in SCENES.iter().enumerate() {
        rows.push(demo.play(index + 1, scene).await?);
    }
    demo.screen.summary(&rows);
    demo.verify().await?;
    demo.screen
        .look_further(&demo.registry, &demo.git, demo.folder.path());
    if once {
        return Ok(());
    }
    demo.follow().await
}

impl Demo {
    async fn start(tasks: &mut JoinSet<()>) -> anyhow::Result<Self> {
        let screen = Screen::new();
        screen.title("fluxbot demo: a new tag in a registry becomes a commit in Git");
        let folder = tempfile::Builder::new()
            .prefix("fluxbot-demo-")
            .tempdir()
            .context("creating a folder")?;
        let client = HttpClients::new().client(&ClientSettings::default(), Reach::Named)?;
        let registry = serve(registry::router(), tasks).await?;
        let root = folder.path().join("git");
        let work = folder.path().join("person");
        std::fs::create_dir_all(&root).context("creating a folder")?;
        let password = format!("{:016x}", jiff::Timestamp::now().as_nanosecond());
        let server = git_server::GitServer {
            root: root.clone(),
            username: USERNAME.to_owned(),
            password: password.clone(),
        };
        let git = serve(git_server::router(server), tasks).await?;
        for push in INITIAL {
            image::push(&client, &registry.to_string(), push.repository, push.tag).await?;
        }
        let bare = fleet::create(&root, &work, &registry.to_string(), &format!("http://{git}")).await?;
        Screen::parts(&registry, &git);
        let (sender, events) = mpsc::unbounded_channel();
        for name in ["beta", "production"] {
            let url = format!("http://{git}/fleet.git");
            let mirror = folder.path().join("mirrors").join(name);
            let cluster = Cluster::open(name, &url, USERNAME, &password, &mirror).await?;
            Screen::cluster(name, &cluster);
            let sender = sender.clone();
            tasks.spawn(async move { cluster.watch(&sender).await });
        }
        Ok(Self {
            registry,
            git,
            bare,
            client,
            events,
            screen,
            folder,
        })
    }

    /// Pushes a scene's tags and shows what follows until every expected value is committed.
    async fn play(&mut self, number: usize, scene: &Scene) -> anyhow::Result<SummaryRow> {
        while self.events.try_recv().is_ok() {}
        self.screen.scene(number, scene.title);
        let person = (scene.commits_by_a_person > 0).then(|| {
            tokio::spawn(commit_as_a_person(
                self.folder.path().join("person"),
                scene.commits_by_a_person,
            ))
        });
        for push in scene.pushes {
            image::push(
                &self.client,
                &self.registry.to_string(),
                push.repository,
                push.tag,
            )
            .await?;
        }
        let start = Instant::now();
        for push in scene.pushes {
            self.screen
                .pushed(&format!("{}/{}:{}", self.registry, push.repository, push.tag));
        }
        let mut row = SummaryRow::new(scene);
        let mut missing: Vec<&Expected> = scene.expected.iter().collect();
        let mut seen_by: Vec<String> = Vec::new();
        loop {
            let done = missing.is_empty() && (!scene.expected.is_empty() || !seen_by.is_empty());
            let patience = if done { QUIET } else { PATIENCE };
            let event = match tokio::time::timeout(patience, self.events.recv()).await {
                Ok(Some(event)) => event,
                Err(_) if done => break,
                Ok(None) | Err(_) => {
                    anyhow::bail!("waited {PATIENCE:?} for {} expected commits", missing.len())
                }
            };
            let after = event.at.saturating_duration_since(start);
            self.screen.event(&event, after);
            match &event.what {
                What::Seen { .. } => {
                    seen_by.push(event.cluster.clone());
                    row.seen(after);
                }
                What::Selected { .. } | What::Kept { .. } => row.selected(after),
                What::Committed { commit, changes, .. } => {
                    row.committed(after, commit);
                    let stranger = changes.files.keys().find(|path| {
                        !scene
                            .expected
                            .iter()
                            .any(|expected| expected.cluster == event.cluster && expected.file == **path)
                    });
                    anyhow::ensure!(
                        stranger.is_none(),
                        "{} changed {stranger:?}, which nothing asked for",
                        event.cluster
                    );
                    missing.retain(|expected| {
                        let is_it = |(path, _): (&str, &crate::setters::Change)| path == expected.file;
                        expected.cluster != event.cluster || !changes.changes().any(is_it)
                    });
                }
                What::Failed { .. } => {}
            }
        }
        if let Some(person) = person {
            let commits = person.await.context("the person's commits")??;
            self.screen.person(commits);
        }
        Ok(row)
    }

    /// Reads the bare repository with Git itself: the expected values are there, each commit changes marked values
    /// alone, and the person's commits are all still there.
    async fn verify(&self) -> anyhow::Result<()> {
        let log = fleet::git(&self.bare, &["log", "--format=%an", "main"]).await?;
        let by_fluxbot = log.lines().filter(|author| *author == "fluxbot").count();
        let by_person = log.lines().filter(|author| *author == "a person").count();
        let expected_by_person = 1 + SCENES
            .iter()
            .map(|scene| scene.commits_by_a_person)
            .sum::<usize>();
        anyhow::ensure!(
            by_person == expected_by_person,
            "{by_person} of {expected_by_person} commits of the person are there"
        );
        for expected in last_values() {
            let content = fleet::git(&self.bare, &["show", &format!("main:{}", expected.file)]).await?;
            let text = expected.text.replace("{registry}", &self.registry.to_string());
            anyhow::ensure!(
                content.contains(&text),
                "{} does not contain: {text}",
                expected.file
            );
        }
        let lines = fleet::git(
            &self.bare,
            &[
                "log",
                "--author=fluxbot",
                "--format=",
                "--unified=0",
                "-p",
                "main",
            ],
        )
        .await?;
        let changed = lines.lines().filter(|line| {
            line.starts_with(['+', '-']) && !line.starts_with("+++") && !line.starts_with("---")
        });
        let strangers = changed.filter(|line| !line.contains("$imagepolicy")).count();
        anyhow::ensure!(strangers == 0, "{strangers} changed lines carry no marker");
        fleet::git(&self.bare, &["fsck", "--strict"]).await?;
        Screen::verified(by_fluxbot, by_person);
        Ok(())
    }

    /// Shows what happens to tags that the user pushes.
    async fn follow(&mut self) -> anyhow::Result<()> {
        let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
        loop {
            tokio::select! {
                event = self.events.recv() => match event {
                    Some(event) => self.screen.news(&event),
                    None => return Ok(()),
                },
                _ = tokio::signal::ctrl_c() => return Ok(()),
                _ = terminate.recv() => return Ok(()),
            }
        }
    }
}

/// The last expected value of each file and line.
fn last_values() -> Vec<&'static Expected> {
    let mut last: Vec<&Expected> = Vec::new();
    for expected in SCENES.iter().flat_map(|scene| scene.expected) {
        last.retain(|earlier| earlier.file != expected.file);
        last.push(expected);
    }
    last
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
        fleet::git(
            &work,
            &[
                "commit",
                "--quiet",
                "--all",
                "--message",
                &format!("docs: note {number}"),
            ],
        )
        .await?;
        let mut attempts = 0;
        while fleet::git(&work, &["push", "--quiet", "origin", "HEAD:main"])
            .await
            .is_err()
        {
            attempts += 1;
            anyhow::ensure!(attempts < 50, "the person could not push");
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
