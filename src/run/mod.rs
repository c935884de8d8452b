//! The controller process: clients, stores, reconcilers, servers, lease and shutdown, wired in one place.

mod config;
mod servers;

pub use config::{Address, Config, InvalidAddress, Part};

use std::sync::Arc;
use std::time::Duration;

use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::runtime::watcher;
use kube::{Api, Client};
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::cloud::CloudTokens;
use crate::controller::git_repository::{self, GitRepositoryReconciler};
use crate::controller::kustomization::{self, Artifacts, KustomizationReconciler, Waits};
use crate::controller::{
    Cache, Caches, Context, Destinations, Drive, Election, Events, Guarded, Health, Heart, Landings, Lists,
    Metrics, Observer, OnChange, Options, Queue, Queues, Reconciled, Reconciler, TagStore, drive,
    image_policy, image_repository, image_update_automation, watch, watch_secrets,
};
use crate::git::{Mirrors, ssh_connections};
use crate::http::HttpClients;
use crate::scanner::Registry;
use crate::source::{Retention, SourceStore, Storage, serve};

/// How long the API server may be silent on a connection: longer than it keeps a watch open.
const READ_TIMEOUT: Duration = Duration::from_mins(3);

/// How long the parts may take to end: the runs' grace and a little.
const STOP_LIMIT: Duration = Duration::from_secs(22);

/// How long the last write of tags may take.
const WRITE_LIMIT: Duration = Duration::from_secs(2);

/// How long events may take to go out after everything else has ended.
const EVENTS_GRACE: Duration = Duration::from_secs(3);

/// How often mirrors that nobody uses are looked for, and how long nobody must have used them.
const SWEEP_EVERY: Duration = Duration::from_hours(1);
const UNUSED: Duration = Duration::from_hours(24);

/// Why the controller ended.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// There is no usable kubeconfig, and this is no pod.
    #[error("cannot find a cluster: {0}")]
    NoCluster(String),
    /// The client cannot be made.
    #[error("cannot connect to the cluster: {0}")]
    Client(#[source] Box<kube::Error>),
    /// An address is taken or not ours.
    #[error("cannot serve {server} on {address}: {source}")]
    Listen {
        /// What is served.
        server: &'static str,
        /// Where.
        address: String,
        /// Why not.
        source: std::io::Error,
    },
    /// The storage folder cannot be used.
    #[error("cannot use the storage folder: {0}")]
    Storage(String),
    /// An option of SSH names what is not there.
    #[error(transparent)]
    Ssh(#[from] fluxbot_git::UnknownAlgorithm),
    /// Signals cannot be received.
    #[error("cannot listen for signals: {0}")]
    Signal(#[source] std::io::Error),
    /// Another process leads now.
    #[error("the lease was lost")]
    LeaseLost,
    /// A part of the process ended although it should not.
    #[error("{0} ended unexpectedly")]
    Ended(String),
}

/// Runs until the process is asked to stop.
pub async fn until_signal(config: Config) -> Result<(), RunError> {
    let stop = CancellationToken::new();
    let mut terminate = signal(SignalKind::terminate()).map_err(RunError::Signal)?;
    let asked = stop.clone();
    let signals = tokio::spawn(async move {
        tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            _ = terminate.recv() => {}
        }
        info!("stopping");
        asked.cancel();
    });
    let result = run(config, stop).await;
    signals.abort();
    result
}

/// Runs until `stop`, then ends gracefully: no new run begins, running ones end within their grace, the lease is given back.
pub async fn run(config: Config, stop: CancellationToken) -> Result<(), RunError> {
    let client = client(&config).await?;
    let health = Health::default();
    let metrics = Arc::new(Metrics::default());
    let identity = identity();

    // Probes and figures are there from the first moment, also while another process leads.
    let servers_stop = CancellationToken::new();
    let _servers_end = servers_stop.clone().drop_guard();
    let health_listener = servers::listen("health", &config.health_addr).await?;
    let metrics_listener = servers::listen("metrics", &config.metrics_addr).await?;
    tokio::spawn(servers::serve(
        health_listener,
        servers::health(health.clone()),
        servers_stop.clone(),
    ));
    tokio::spawn(servers::serve(
        metrics_listener,
        servers::metrics(Arc::clone(&metrics)),
        servers_stop.clone(),
    ));

    // One process at a time reconciles.
    let election = Election::new(client.clone(), &config.namespace, &config.lease_name(), &identity);
    let lease_heart = config.leader_elect.then(|| health.heart("lease"));
    if let Some(heart) = &lease_heart {
        heart.await_for("another process leads");
        if !election.acquire(heart, &stop).await {
            return Ok(());
        }
        heart.arrived();
    }
    metrics.leading(true);

    // What all reconcilers share.
    let destinations = Destinations {
        client: client.clone(),
        instance: identity,
        address: config.events_addr.clone(),
        http: HttpClients::new(),
    };
    let (events, publish) = Events::start(destinations, Arc::clone(&metrics));
    let publishing = tokio::spawn(publish);
    let context = Context {
        client,
        options: Arc::new(options(&config)),
        caches: Arc::new(Caches::default()),
        lists: Arc::new(Lists::default()),
        queues: Arc::new(Queues::default()),
        leadership: election.leadership(),
        events,
        metrics: Arc::clone(&metrics),
        http: HttpClients::new(),
        pushes: Arc::default(),
    };

    // The lease is renewed until the last run has ended; when it is lost, nothing is written any more.
    let halt = CancellationToken::new();
    let lease_stop = CancellationToken::new();
    let mut tasks = Tasks::default();
    let mut holder = tokio::spawn(hold_lease(
        election,
        lease_heart,
        halt.clone(),
        lease_stop.clone(),
    ));

    let parts = Parts {
        config: &config,
        context: &context,
        health: &health,
        halt: &halt,
        stop: &stop,
    };
    let tags = parts.start(&mut tasks).await?;

    // Until the process is asked to stop, or a part of it ends by itself.
    let mut lost = None;
    let ended = tokio::select! {
        // In this order: a stop makes parts end too.
        biased;
        () = stop.cancelled() => None,
        () = halt.cancelled() => None,
        held = &mut holder => {
            lost = Some(held.unwrap_or(true));
            Some("lease".to_owned())
        }
        ended = tasks.next() => ended,
    };
    stop.cancel();
    // A slow reader of an artifact must not hold the lease.
    let rest = async { while tasks.next().await.is_some() {} };
    if tokio::time::timeout(STOP_LIMIT, rest).await.is_err() {
        warn!("parts of the process did not end in time and are given up");
        halt.cancel();
    }
    // The next process opens the file as soon as it has the lease.
    flush(tags).await;
    lease_stop.cancel();
    let lost = match lost {
        Some(lost) => lost,
        None => holder.await.unwrap_or(true),
    };
    drop(context);
    if tokio::time::timeout(EVENTS_GRACE, publishing).await.is_err() {
        warn!("some events could not be published before the end");
    }
    match ended {
        _ if lost => Err(RunError::LeaseLost),
        Some(what) => Err(RunError::Ended(what)),
        None => Ok(()),
    }
}

/// Renews the lease until `stop`, then gives it back. When it is lost, `halt` is cancelled and the answer is true.
async fn hold_lease(
    election: Election,
    heart: Option<Heart>,
    halt: CancellationToken,
    stop: CancellationToken,
) -> bool {
    let Some(heart) = heart else {
        stop.cancelled().await;
        return false;
    };
    let lost = election.hold(&heart, &stop).await;
    if lost {
        halt.cancel();
    } else {
        election.release().await;
    }
    lost
}

/// The tasks that have to run as long as the process does.
#[derive(Default)]
struct Tasks {
    set: JoinSet<String>,
}

impl Tasks {
    fn spawn(&mut self, name: String, task: impl Future<Output = ()> + Send + 'static) {
        self.set.spawn(async move {
            task.await;
            name
        });
    }

    /// The name of the next task that ended.
    async fn next(&mut self) -> Option<String> {
        let ended: Result<String, JoinError> = self.set.join_next().await?;
        Some(ended.unwrap_or_else(|failure| {
            error!(error = %failure, "a part of the process failed");
            "a part of the process".to_owned()
        }))
    }
}

/// Starts watches and reconcilers.
struct Parts<'a> {
    config: &'a Config,
    context: &'a Context,
    health: &'a Health,
    halt: &'a CancellationToken,
    stop: &'a CancellationToken,
}

impl Parts<'_> {
    /// Gives the store of tags, which has to be written once more when all has ended.
    async fn start(&self, tasks: &mut Tasks) -> Result<Option<Arc<TagStore>>, RunError> {
        let mut tags = None;
        // Nothing is reconciled before the last watch is there too.
        self.context.lists.begin();
        let waits = Arc::new(Waits::default());
        let sources = SourceStore::default();
        let ssh = ssh_connections(tokio::runtime::Handle::current(), &self.config.ssh)?;
        let mirrors = Mirrors::with_ssh(
            self.config.storage_path.join("mirrors"),
            self.context.http.clone(),
            ssh,
        );
        let storage = if self.config.runs(Part::Source) {
            Some(self.serve_artifacts(tasks).await?)
        } else {
            None
        };
        let is_source = storage.is_some();
        let artifacts = Artifacts::new(sources.clone(), storage.clone(), self.context.http.clone());
        let artifacts = Arc::new(artifacts);
        let git = git_repository::on_change(self.context, Arc::clone(&waits), Arc::clone(&artifacts));
        let git = self.watch(tasks, |context| &context.caches.git_repositories, is_source, git);
        if self.config.runs(Part::Image) {
            let kept = TagStore::open(&self.config.storage_path.join("tags.redb")).await;
            let kept = Arc::new(kept);
            self.image(tasks, &mirrors, &kept);
            tags = Some(kept);
        }
        if self.config.runs(Part::Kustomize) {
            let changed = kustomization::on_change(self.context, Arc::clone(&waits), Arc::clone(&artifacts));
            let seen = self.watch(tasks, |context| &context.caches.kustomizations, true, changed);
            let reconciler = KustomizationReconciler::new(self.context.clone(), waits, artifacts);
            self.drive(tasks, reconciler, seen, &self.context.queues.kustomizations);
        }
        if let Some(storage) = storage {
            let reconciler =
                GitRepositoryReconciler::new(self.context.clone(), mirrors.clone(), storage, sources);
            self.drive(tasks, reconciler, git, &self.context.queues.git_repositories);
        }
        tasks.spawn("sweep of mirrors".to_owned(), sweep(mirrors, self.stop.clone()));
        let secrets = Arc::clone(&self.context.queues.secrets);
        let looks = watch_secrets(self.context.client.clone(), secrets, self.stop.clone());
        tasks.spawn("look at secrets".to_owned(), looks);
        self.context.lists.complete();
        Ok(tags)
    }

    fn image(&self, tasks: &mut Tasks, mirrors: &Mirrors, tags: &Arc<TagStore>) {
        let context = self.context;
        let clouds = CloudTokens::new(context.http.clone(), self.config.clouds.clone());
        let registry = Registry::new(context.http.clone())
            .with_token_hosts(self.config.registry_token_hosts.clone())
            .with_clouds(clouds);
        let registry = Arc::new(registry);
        let landings = Landings::new(context.clone(), mirrors.clone());

        let changed = image_repository::on_change(context, Arc::clone(tags));
        let seen = self.watch(tasks, |context| &context.caches.image_repositories, true, changed);
        let reconciler =
            image_repository::reconciler(context.clone(), Arc::clone(&registry), Arc::clone(tags));
        self.drive(tasks, reconciler, seen, &context.queues.image_repositories);

        let changed = image_policy::on_change(context);
        let seen = self.watch(tasks, |context| &context.caches.image_policies, true, changed);
        let reconciler = image_policy::reconciler(context.clone(), registry, Arc::clone(tags));
        self.drive(tasks, reconciler, seen, &context.queues.image_policies);

        let changed = image_update_automation::on_change(context);
        let seen = self.watch(tasks, |context| &context.caches.automations, true, changed);
        let reconciler = image_update_automation::reconciler(context.clone(), landings);
        self.drive(tasks, reconciler, seen, &context.queues.automations);

        let keep = keep(context.clone(), Arc::clone(tags), self.stop.clone());
        tasks.spawn("keeper of tags".to_owned(), keep);
    }

    /// Opens the storage of artifacts and serves it.
    async fn serve_artifacts(&self, tasks: &mut Tasks) -> Result<Storage, RunError> {
        let listener = servers::listen("storage", &self.config.storage_addr).await?;
        let address = match &self.config.storage_adv_addr {
            Some(address) => address.clone(),
            None => listener
                .local_addr()
                .map_err(|error| RunError::Storage(error.to_string()))?
                .to_string(),
        };
        let folder = self.config.storage_path.join("artifacts");
        let storage = Storage::new(folder, &address, Retention::default())
            .map_err(|error| RunError::Storage(error.to_string()))?;
        let serve = serve(listener, storage.clone(), self.stop.clone().cancelled_owned());
        tasks.spawn("server of artifacts".to_owned(), async move {
            if let Err(error) = serve.await {
                error!(%error, "artifacts are no longer served");
            }
        });
        Ok(storage)
    }

    /// Watches a kind. Gives who sees its objects.
    fn watch<K: Reconciled>(
        &self,
        tasks: &mut Tasks,
        cache: fn(&Context) -> &Cache<K>,
        is_reconciled: bool,
        on_change: OnChange<K>,
    ) -> Arc<Observer<K>> {
        let observer = Arc::new(Observer::new(self.context.clone(), cache, on_change));
        let client = self.context.client.clone();
        let api: Api<Guarded<K>> = if self.config.watch_all_namespaces {
            Api::all(client)
        } else {
            Api::namespaced(client, &self.config.namespace)
        };
        let mut watching = watcher::Config::default();
        if let Some(selector) = self
            .config
            .watch_label_selector
            .as_deref()
            .filter(|_| is_reconciled)
        {
            watching = watching.labels(selector);
        }
        let name = format!("watch of {}", K::KIND);
        let heart = self.health.heart(&name);
        let watch = watch(Arc::clone(&observer), api, watching, heart, self.stop.clone());
        tasks.spawn(name, watch);
        observer
    }

    /// Reconciles a kind.
    fn drive<R: Reconciler>(
        &self,
        tasks: &mut Tasks,
        reconciler: R,
        observer: Arc<Observer<R::Kind>>,
        queue: &Arc<Queue>,
    ) {
        let name = format!("reconciler of {}", R::Kind::KIND);
        let heart = self.health.heart(&name);
        let task = Drive {
            context: self.context.clone(),
            reconciler,
            observer,
            queue: Arc::clone(queue),
            concurrent: self.config.concurrent,
            halt: self.halt.clone(),
            stop: self.stop.clone(),
        };
        tasks.spawn(name, drive(task, heart));
    }
}

/// Writes the tags that were found last.
async fn flush(tags: Option<Arc<TagStore>>) {
    let Some(tags) = tags else { return };
    if tokio::time::timeout(WRITE_LIMIT, tags.flush()).await.is_err() {
        warn!("some tags could not be written before the end");
    }
}

/// Keeps the tags of the objects that there are.
async fn keep(context: Context, tags: Arc<TagStore>, stop: CancellationToken) {
    tokio::select! {
        () = stop.cancelled() => return,
        () = context.lists.wait() => {}
    }
    tags.retain(|key| context.caches.image_repositories.get(key).is_some());
    drop(context);
    tags.keep(stop).await;
}

/// Removes the mirrors that nobody uses any more, until `stop`.
async fn sweep(mirrors: Mirrors, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(SWEEP_EVERY) => {}
        }
        let mirrors = mirrors.clone();
        match tokio::task::spawn_blocking(move || mirrors.sweep(UNUSED)).await {
            Ok(0) => {}
            Ok(count) => info!(count, "removed mirrors that nobody uses"),
            Err(error) => warn!(%error, "mirrors could not be swept"),
        }
    }
}

fn options(config: &Config) -> Options {
    Options {
        namespace: config.namespace.clone(),
        storage: config.storage_path.clone(),
        concurrent: config.concurrent,
        no_cross_namespace_refs: config.no_cross_namespace_refs,
        no_remote_bases: config.no_remote_bases,
        default_service_account: config.default_service_account.clone(),
        requeue_dependency: config.requeue_dependency,
        replaced_controllers: config
            .parts
            .iter()
            .flat_map(|part| part.replaced())
            .copied()
            .collect(),
        commit_message: config.commit_message,
    }
}

async fn client(config: &Config) -> Result<Client, RunError> {
    let mut settings = match &config.kubeconfig {
        Some(path) => {
            let named = |reason: String| RunError::NoCluster(format!("{}: {reason}", path.display()));
            let kubeconfig = Kubeconfig::read_from(path).map_err(|error| named(error.to_string()))?;
            kube::Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default())
                .await
                .map_err(|error| named(error.to_string()))?
        }
        None => kube::Config::infer()
            .await
            .map_err(|error| RunError::NoCluster(error.to_string()))?,
    };
    settings.read_timeout = Some(READ_TIMEOUT);
    Client::try_from(settings).map_err(|error| RunError::Client(Box::new(error)))
}

/// A name of this process that no other has: the pod's, or the host's, with the process id.
fn identity() -> String {
    let host = std::env::var("POD_NAME").or_else(|_| std::env::var("HOSTNAME"));
    let host = host.unwrap_or_else(|_| "fluxbot".to_owned());
    format!("{host}_{}", std::process::id())
}
