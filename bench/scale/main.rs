//! Measures the image controllers on many objects: a real API server, a real registry, and beside them a plain client that
//! sends the same writes. `bench/scan.sh` builds and runs it.

mod cluster;
mod figures;
mod peer;
mod process;
mod registry;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use clap::Parser;

use cluster::Cluster;
use figures::{Figures, Usage};
use process::{Controller, Server};
use registry::Registry;

/// How long anything may take. Generous: machines of CI are busy.
const PATIENCE: Duration = Duration::from_mins(10);

/// The namespace of the objects that the plain client writes, and of those that fluxbot reconciles.
const PEER: &str = "peer";
const WORK: &str = "work";

/// Measure the image controllers on many objects.
#[derive(Debug, Parser)]
struct Arguments {
    /// The program that runs a control plane.
    #[arg(long)]
    control_plane: PathBuf,
    /// The program that runs a registry.
    #[arg(long)]
    registry: PathBuf,
    /// The program to measure.
    #[arg(long)]
    fluxbot: PathBuf,
    /// Image repositories, with a policy each.
    #[arg(long, default_value_t = 1000)]
    repositories: usize,
    /// Tags of each.
    #[arg(long, default_value_t = 100)]
    tags: usize,
    /// Single tags that are added in the end.
    #[arg(long, default_value_t = 30)]
    updates: usize,
    /// Requests that the plain client has under way at once.
    #[arg(long, default_value_t = 16)]
    peer_concurrency: usize,
    /// Keeps the controller's logs in this folder.
    #[arg(long)]
    logs: Option<PathBuf>,
    /// More arguments for the controller.
    #[arg(last = true)]
    controller: Vec<String>,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let folder = tempfile::tempdir()?;
    let content = folder.path().join("registry");
    registry::fill(&content, arguments.repositories, arguments.tags)?;
    let storage = content.to_string_lossy().into_owned();
    let registry = Server::start(&arguments.registry, &["--storage", &storage]).await?;
    let registry = Registry::new(&registry, content)?;
    let state = folder.path().join("control-plane").to_string_lossy().into_owned();
    let plane = Server::start(&arguments.control_plane, &["--name", "bench", "--dir", &state]).await?;
    let cluster = Cluster::connect(&plane).await?;
    cluster.install().await?;
    let mut figures = Figures::new(arguments.repositories, arguments.tags);

    for namespace in [PEER, WORK] {
        cluster.namespace(namespace).await?;
    }
    let created = cluster
        .create(PEER, &registry.address, arguments.repositories)
        .await?;
    Figures::created(created);
    figures.peer("before", peer::write(&cluster, PEER, &arguments).await?);
    cluster
        .create(WORK, &registry.address, arguments.repositories)
        .await?;

    let kubeconfig = plane.kubeconfig()?;
    let start = |name: &str| {
        let logs = arguments.logs.as_deref().unwrap_or_else(|| folder.path());
        let storage = folder.path().join("storage");
        let log = logs.join(format!("{name}.log"));
        Controller::start(
            &arguments.fluxbot,
            kubeconfig,
            WORK,
            &storage,
            &log,
            &arguments.controller,
        )
    };
    let controller = start("cold")?;
    cold(&cluster, &registry, &controller, &mut figures).await?;
    controller.stop().await?;

    registry.forget_requests().await?;
    let controller = start("restarted")?;
    restarted(&registry, &controller, &mut figures).await?;
    for number in 0..arguments.updates {
        figures.update(update(&cluster, &registry, number, arguments.repositories).await?);
    }
    figures.usage("after the updates", controller.usage()?);
    controller.stop().await?;

    figures.peer("after", peer::write(&cluster, PEER, &arguments).await?);
    figures.print();
    Ok(())
}

/// From the start of the process until all selections are there, then until all events are.
async fn cold(
    cluster: &Cluster,
    registry: &Registry,
    controller: &Controller,
    figures: &mut Figures,
) -> anyhow::Result<()> {
    cluster
        .until_selected(WORK, figures.repositories, PATIENCE)
        .await?;
    let selected = controller.started.elapsed();
    let usage = controller.usage()?;
    cluster
        .until_events(WORK, 2 * figures.repositories, PATIENCE)
        .await?;
    let told = controller.started.elapsed();
    cluster
        .until_scanned(WORK, figures.repositories, PATIENCE)
        .await?;
    figures.cold(selected, told, usage, registry.list_requests().await?);
    figures.usage("after the events", controller.usage()?);
    let finalizers = cluster.finalizers(WORK).await?;
    ensure!(finalizers == 0, "{finalizers} objects have a finalizer");
    Ok(())
}

/// From the start of the process until each object was looked at.
async fn restarted(
    registry: &Registry,
    controller: &Controller,
    figures: &mut Figures,
) -> anyhow::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while controller.reconciled().await < 2 * figures.repositories {
        ensure!(
            Instant::now() < deadline,
            "the restarted controller does not settle"
        );
        // Each look at the figures is work for the controller.
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let settled = controller.started.elapsed();
    let usage = controller.usage()?;
    figures.restart(settled, usage, registry.list_requests().await?);
    Ok(())
}

/// From the request for a scan until the new tag is selected.
async fn update(
    cluster: &Cluster,
    registry: &Registry,
    number: usize,
    repositories: usize,
) -> anyhow::Result<Duration> {
    let repository = number * 7 % repositories;
    let tag = format!("2.0.{number}");
    registry.add(repository, &tag)?;
    let watched = cluster.watch_policy(WORK, repository, &tag);
    let mut watched = std::pin::pin!(watched);
    // The watch is open before the clock starts.
    let opened = tokio::time::timeout(Duration::from_millis(300), &mut watched).await;
    ensure!(opened.is_err(), "{tag} was selected before it was asked for");
    let begin = Instant::now();
    cluster.request_scan(WORK, repository).await?;
    tokio::time::timeout(PATIENCE, watched)
        .await
        .with_context(|| format!("{tag} was not selected"))??;
    Ok(begin.elapsed())
}

impl Usage {
    fn text(&self) -> String {
        format!(
            "{:.1} MiB (at most {:.1}, {:.1} anonymous), {:.2} CPU s",
            self.resident / 1024.0,
            self.peak / 1024.0,
            self.anonymous / 1024.0,
            self.cpu.as_secs_f64()
        )
    }
}
