//! The demo with clusters: beta and production, each a control plane with a controller, from one repository.

mod board;
mod children;
mod cluster;
mod figures;
mod scene;
mod show;
mod watch;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow, bail, ensure};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::parts::{OwnTags, Parts};
use super::registry::Pushed;
use super::scenario::{self, CLUSTERS, Expected, Others, SCENES};
use super::screen::Screen;
use board::Board;
use children::{Children, Handle};
use cluster::Cluster;
use figures::{Figures, Memory, Update};
use scene::Play;
use show::Times;
use watch::{Event, What};

/// How long the demo waits for what is expected before it gives up. Generous: machines of CI are busy.
const PATIENCE: Duration = Duration::from_mins(2);

/// How the demo runs.
pub struct ClusterOptions {
    /// The program that runs a control plane.
    pub control_plane: PathBuf,
    /// Whether to end after the last scene.
    pub once: bool,
    /// Where to write what was measured, as JSON.
    pub figures: Option<PathBuf>,
    /// How many more updates to measure after the scenes.
    pub updates: u32,
}

/// Runs the demo. With [`ClusterOptions::once`] it ends after the last scene, and succeeds only when every expected object in
/// both clusters runs the expected image and is Ready; otherwise it goes on until it is interrupted. No process is left in
/// any case.
pub async fn run(options: ClusterOptions) -> anyhow::Result<()> {
    let stop = stop_signal()?;
    let children = Children::default();
    let (mut parts, pushes) = Parts::start().await?;
    let outcome = tokio::select! {
        biased;
        outcome = show(&options, &parts, pushes, &children, &stop) => outcome,
        () = stop.cancelled() => Err(anyhow!("interrupted")),
    };
    children.stop().await;
    if outcome.is_err() && !stop.is_cancelled() {
        parts.folder.disable_cleanup(true);
        return outcome.with_context(|| {
            format!(
                "the demo failed; its logs are in {}",
                parts.folder.path().display()
            )
        });
    }
    outcome
}

/// Is cancelled when the demo is to end.
fn stop_signal() -> anyhow::Result<CancellationToken> {
    let stop = CancellationToken::new();
    for kind in [
        SignalKind::interrupt(),
        SignalKind::terminate(),
        SignalKind::hangup(),
    ] {
        let mut signals = signal(kind).context("listening for signals")?;
        let stop = stop.clone();
        tokio::spawn(async move {
            signals.recv().await;
            stop.cancel();
        });
    }
    Ok(stop)
}

async fn show(
    options: &ClusterOptions,
    parts: &Parts,
    pushes: UnboundedReceiver<Pushed>,
    children: &Children,
    stop: &CancellationToken,
) -> anyhow::Result<()> {
    let mut demo = Demo::start(options, parts, pushes, children).await?;
    for (index, scene) in SCENES.iter().enumerate() {
        let play = Play {
            title: format!("{}. {}", index + 1, scene.title),
            pushes: scene.pushes.to_vec(),
            expected: scene.expected(),
            commits_by_a_person: scene.commits_by_a_person,
            is_measured: false,
        };
        demo.play(play).await?;
    }
    for number in 1..=options.updates {
        demo.play(scene::measured(number)).await?;
    }
    demo.end().await?;
    if options.once {
        return Ok(());
    }
    demo.screen
        .look_at_clusters(parts, &demo.clusters, &options.control_plane);
    tokio::select! {
        result = demo.follow() => result,
        () = stop.cancelled() => Ok(()),
    }
}

/// The running demo.
struct Demo<'a> {
    options: &'a ClusterOptions,
    parts: &'a Parts,
    screen: Screen,
    clusters: Arc<Vec<Cluster>>,
    controllers: Vec<(&'static str, Handle)>,
    events: UnboundedReceiver<Event>,
    board: Board,
    /// What the clusters must run.
    state: Vec<Expected>,
    /// Where the user has pushed tags.
    others: Others,
    bootstrap: Duration,
    updates: Vec<Update>,
    _tasks: JoinSet<()>,
}

impl<'a> Demo<'a> {
    /// Starts both clusters and returns when they run what the repository says.
    async fn start(
        options: &'a ClusterOptions,
        parts: &'a Parts,
        pushes: UnboundedReceiver<Pushed>,
        children: &Children,
    ) -> anyhow::Result<Self> {
        let screen = Screen::new();
        screen.title("fluxbot demo: a new tag in a registry becomes a commit, and runs in the clusters");
        Screen::parts(&parts.registry, &parts.git);
        let begin = Instant::now();
        let start = |name| {
            let folder = parts.folder.path().join(name);
            Cluster::start(name, &options.control_plane, folder, children.clone())
        };
        let clusters = futures::future::try_join_all(CLUSTERS.map(start)).await?;
        screen.clusters(&clusters, begin.elapsed());
        futures::future::try_join_all(clusters.iter().map(|cluster| cluster.install(parts))).await?;
        let (sender, events) = mpsc::unbounded_channel();
        let mut tasks = JoinSet::new();
        let mut controllers = Vec::new();
        let begin = Instant::now();
        for cluster in &clusters {
            watch::watch(cluster, &sender, &mut tasks);
            let controller = cluster.start_controller()?;
            tasks.spawn(report_end(cluster.name, controller.clone(), sender.clone()));
            controllers.push((cluster.name, controller));
            cluster.bootstrap(parts).await?;
        }
        let clusters = Arc::new(clusters);
        tasks.spawn(tell(
            parts.registry.to_string(),
            parts.own_tags(),
            Arc::clone(&clusters),
            pushes,
            sender,
        ));
        let mut demo = Self {
            options,
            parts,
            screen,
            clusters,
            controllers,
            events,
            board: Board::default(),
            state: scenario::initial_state(),
            others: Others::default(),
            bootstrap: Duration::ZERO,
            updates: Vec::new(),
            _tasks: tasks,
        };
        demo.settle(begin).await?;
        Ok(demo)
    }

    /// Waits until both clusters run what the repository says, and shows how they get there.
    async fn settle(&mut self, begin: Instant) -> anyhow::Result<()> {
        let registry = self.parts.registry.to_string();
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            let mut missing = self.board.differences(&self.others.leave(&self.state), &registry);
            for cluster in CLUSTERS {
                missing.extend(self.board.unsettled(cluster)?);
            }
            if missing.is_empty() {
                break;
            }
            let Some(event) = self.next(deadline).await? else {
                Screen::differs(&missing);
                bail!(
                    "after {} s the clusters do not run what the repository says",
                    PATIENCE.as_secs()
                );
            };
            let is_shown = match &event.what {
                What::Fetched { .. } | What::Failed { .. } => true,
                What::Settled { object, .. } | What::Waiting { object, .. } => {
                    object.starts_with("kustomization/")
                }
                _ => false,
            };
            if is_shown {
                let after = event.at.saturating_duration_since(begin);
                let times = Times { after, between: None };
                self.screen.cluster_event(self.parts, &event, Some(times)).await;
            }
        }
        self.bootstrap = begin.elapsed();
        Screen::settled(self.bootstrap);
        Ok(())
    }

    /// The next event, taken down; none when there is none until `deadline`.
    async fn next(&mut self, deadline: tokio::time::Instant) -> anyhow::Result<Option<Event>> {
        let Ok(event) = tokio::time::timeout_at(deadline, self.events.recv()).await else {
            return Ok(None);
        };
        let event = event.context("the watches ended")?;
        self.note(&event);
        if let What::Ended { process, status } = &event.what {
            let log = self.clusters.iter().find(|cluster| cluster.name == event.place);
            let log = log
                .map(|cluster| cluster::last_lines(&cluster.log))
                .unwrap_or_default();
            bail!("{process} ended: {status}\n{log}");
        }
        Ok(Some(event))
    }

    /// Takes down what an event tells.
    fn note(&mut self, event: &Event) {
        self.board.note(event);
        if let What::Pushed { image, is_own: false } = &event.what {
            let registry = format!("{}/", self.parts.registry);
            let image = image.strip_prefix(&registry).unwrap_or(image);
            self.others.pushed(image.split(':').next().unwrap_or(image));
        }
    }

    /// Compares both clusters and the repository with what is expected.
    async fn end(&mut self) -> anyhow::Result<()> {
        self.screen.update_table(&self.updates);
        let registry = self.parts.registry.to_string();
        let mut landed = Vec::new();
        for scene in SCENES {
            scenario::change(&mut landed, &scene.expected());
        }
        for number in 1..=self.options.updates {
            scenario::change(&mut landed, &scene::measured(number).expected);
        }
        let by_person = 1 + SCENES
            .iter()
            .map(|scene| scene.commits_by_a_person)
            .sum::<usize>();
        // The newest pushes of the user, too.
        while let Ok(event) = self.events.try_recv() {
            self.note(&event);
        }
        let by_fluxbot = self.parts.verify(&self.others.leave(&landed), by_person).await?;
        Screen::verified(by_fluxbot, by_person);
        let mut differences = Vec::new();
        let mut flux = 0;
        let state = self.others.leave(&self.state);
        for cluster in self.clusters.iter() {
            differences.extend(board::differences(cluster, &state, &registry).await?);
            flux += super::fleet::objects(cluster.name)?.len();
        }
        Screen::differs(&differences);
        ensure!(
            differences.is_empty(),
            "the clusters differ from what is expected"
        );
        Screen::checked(state.len(), flux);
        let memory = |(cluster, controller): &(&'static str, Handle)| {
            let (now, peak) = controller.memory()?;
            Some(Memory { cluster, now, peak })
        };
        let controllers: Vec<Memory> = self.controllers.iter().filter_map(memory).collect();
        if !controllers.is_empty() {
            Screen::memory(&controllers);
        }
        if let Some(path) = &self.options.figures {
            let bootstrap_ms = self.bootstrap.as_millis();
            let figures = Figures {
                bootstrap_ms,
                updates: self.updates.clone(),
                controllers,
            };
            let text = serde_json::to_string_pretty(&figures)? + "\n";
            std::fs::write(path, text).with_context(|| format!("writing {}", path.display()))?;
        }
        Ok(())
    }

    /// Shows what happens to tags that the user pushes.
    async fn follow(&mut self) -> anyhow::Result<()> {
        let mut begin = None;
        loop {
            let event = self.next(tokio::time::Instant::now() + PATIENCE).await?;
            let Some(event) = event else { continue };
            if matches!(event.what, What::Pushed { .. }) {
                begin = Some(event.at);
            }
            if matches!(event.what, What::Settled { .. }) {
                continue;
            }
            let after = begin.map(|begin| event.at.saturating_duration_since(begin));
            let times = after.map(|after| Times { after, between: None });
            self.screen.cluster_event(self.parts, &event, times).await;
        }
    }
}

/// Reports a controller that ends.
async fn report_end(place: &'static str, controller: Handle, events: UnboundedSender<Event>) {
    let status = controller.ended().await;
    let process = format!("the controller of {place}");
    drop(events.send(Event {
        place,
        at: Instant::now(),
        what: What::Ended { process, status },
    }));
}

/// Tells the clusters of each tag in the registry, as a webhook would.
async fn tell(
    registry: String,
    own: OwnTags,
    clusters: Arc<Vec<Cluster>>,
    mut pushes: UnboundedReceiver<Pushed>,
    events: UnboundedSender<Event>,
) {
    while let Some(push) = pushes.recv().await {
        let image = format!("{registry}/{}", push.repository);
        let what = What::Pushed {
            image: format!("{image}:{}", push.tag),
            is_own: own.has(&push.repository, &push.tag),
        };
        drop(events.send(Event {
            place: "registry",
            at: push.at,
            what,
        }));
        let requests = clusters.iter().map(|cluster| cluster.request_scan(&image));
        for result in futures::future::join_all(requests).await {
            if let Err(error) = result {
                tracing::warn!(%image, error = format!("{error:#}"), "could not ask for a scan");
            }
        }
    }
}
