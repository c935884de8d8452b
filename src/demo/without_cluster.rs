//! The demo without a cluster: for each of the two clusters the chain of [`crate::update`] watches the registry.

use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::chain::{Chain, Event, What};
use super::parts::{Parts, USERNAME};
use super::registry::Pushed;
use super::scenario::{self, CLUSTERS, Expected, Others, SCENES, Scene};
use super::screen::{Screen, SummaryRow};

/// How long the demo waits for an expected commit before it gives up.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long a scene is watched after everything expected has happened, for a commit that must not be.
const QUIET: Duration = Duration::from_millis(300);

/// The running demo.
struct Demo {
    parts: Parts,
    events: mpsc::UnboundedReceiver<Event>,
    /// The tags that are set in the registry.
    pushes: mpsc::UnboundedReceiver<Pushed>,
    /// Where the user has pushed some.
    others: Others,
    screen: Screen,
}

/// Runs the demo. With `once` it ends after the last scene, and succeeds only when every expected commit is there; otherwise
/// it goes on until it is interrupted.
pub(super) async fn run(once: bool) -> anyhow::Result<()> {
    let mut tasks = JoinSet::new();
    let mut demo = Demo::start(&mut tasks).await?;
    let mut rows = Vec::new();
    let mut last = Vec::new();
    for (index, scene) in SCENES.iter().enumerate() {
        rows.push(demo.play(index + 1, scene).await?);
        scenario::change(&mut last, &scene.expected());
    }
    demo.screen.summary(&rows);
    let by_person = 1 + SCENES
        .iter()
        .map(|scene| scene.commits_by_a_person)
        .sum::<usize>();
    demo.see_others();
    let by_fluxbot = demo.parts.verify(&demo.others.leave(&last), by_person).await?;
    Screen::verified(by_fluxbot, by_person);
    demo.screen
        .look_further(&demo.parts.registry, &demo.parts.git, demo.parts.folder.path());
    if once {
        return Ok(());
    }
    demo.follow().await
}

impl Demo {
    async fn start(tasks: &mut JoinSet<()>) -> anyhow::Result<Self> {
        let screen = Screen::new();
        screen.title("fluxbot demo: a new tag in a registry becomes a commit in Git");
        let (parts, pushes) = Parts::start().await?;
        Screen::parts(&parts.registry, &parts.git);
        let (sender, events) = mpsc::unbounded_channel();
        for name in CLUSTERS {
            let mirror = parts.folder.path().join("mirrors").join(name);
            let chain = Chain::open(name, &parts.url(), USERNAME, &parts.password, &mirror).await?;
            Screen::chain(name, &chain);
            let sender = sender.clone();
            tasks.spawn(async move { chain.watch(&sender).await });
        }
        Ok(Self {
            parts,
            events,
            pushes,
            others: Others::default(),
            screen,
        })
    }

    /// Takes down the tags that no scene has pushed.
    fn see_others(&mut self) {
        let own = self.parts.own_tags();
        while let Ok(push) = self.pushes.try_recv() {
            if !own.has(&push.repository, &push.tag) {
                self.others.pushed(&push.repository);
            }
        }
    }

    /// Pushes a scene's tags and shows what follows until every expected value is committed.
    async fn play(&mut self, number: usize, scene: &Scene) -> anyhow::Result<SummaryRow> {
        while self.events.try_recv().is_ok() {}
        self.screen.scene(number, scene.title);
        let person = self.parts.person(scene.commits_by_a_person);
        for push in scene.pushes {
            self.parts.push(push.repository, push.tag).await?;
        }
        let start = Instant::now();
        for push in scene.pushes {
            self.screen.pushed(&format!(
                "{}/{}:{}",
                self.parts.registry, push.repository, push.tag
            ));
        }
        let mut row = SummaryRow::new(scene.title);
        let expected = scene.expected();
        let mut missing: Vec<&Expected> = expected.iter().collect();
        let mut is_seen = false;
        loop {
            self.see_others();
            missing.retain(|expected| !self.others.has(expected.repository));
            let done = missing.is_empty() && (!expected.is_empty() || is_seen);
            let patience = if done { QUIET } else { PATIENCE };
            let event = match tokio::time::timeout(patience, self.events.recv()).await {
                Ok(Some(event)) => event,
                Err(_) if done => break,
                Ok(None) | Err(_) => bail!("waited {PATIENCE:?} for {} expected commits", missing.len()),
            };
            // An event may tell of a tag that was pushed after the last look.
            self.see_others();
            let after = event.at.saturating_duration_since(start);
            self.screen.event(&event, after);
            match &event.what {
                What::Seen { .. } => {
                    is_seen = true;
                    row.seen(after);
                }
                What::Selected { .. } | What::Kept { .. } => row.selected(after),
                What::Committed { commit, changes, .. } => {
                    row.committed(after, commit);
                    let is_asked_for = |path: &str| {
                        expected
                            .iter()
                            .any(|expected| expected.cluster == event.cluster && expected.file() == path)
                            || self.others.may_change(&event.cluster, path)
                    };
                    let stranger = changes.files.keys().find(|path| !is_asked_for(path));
                    ensure!(
                        stranger.is_none(),
                        "{} changed {stranger:?}, which nothing asked for",
                        event.cluster
                    );
                    missing.retain(|expected| {
                        let is_it = |(path, change): (&str, &crate::setters::Change)| {
                            path == expected.file() && change.new.contains(&expected.tag)
                        };
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
