//! The reconcilers of the image kinds, started in the process of the test, and objects to give them.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use fluxbot::cloud::{CloudTokens, Environment};
use fluxbot::committer::MessagePreset;
use fluxbot::controller::{
    Cache, Context, Destinations, Drive, Events, Guarded, Health, Landings, Leadership, Metrics, Observer,
    OnChange, Options, Queue, Reconciled, Reconciler, TagStore, drive, image_policy, image_repository,
    image_update_automation, watch,
};
use fluxbot::git::Mirrors;
use fluxbot::http::HttpClients;
use fluxbot::scanner::Registry;
use k8s_openapi::api::core::v1::{Event, Secret};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::api::{ObjectMeta, Patch, PatchParams, PostParams};
use kube::runtime::watcher;
use kube::{Api, Client};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use crate::support::cluster::{Cluster, Namespace};
use crate::support::eventually::eventually;
use crate::support::git::{self, GitServer, Repository};

/// The label by which the reconcilers of a test know its objects.
const LABEL: &str = "test.fluxbot.io/fixture";

/// A namespace whose image objects are reconciled.
pub struct Fixture {
    pub cluster: Cluster,
    pub namespace: Namespace,
    pub client: Client,
    stop: CancellationToken,
    _storage: TempDir,
}

impl Drop for Fixture {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Fixture {
    /// Starts the reconcilers for the objects of a new namespace.
    pub async fn start(prefix: &str) -> Self {
        Self::start_with(prefix, |_| {}).await
    }

    /// As [`Self::start`], with other options.
    pub async fn start_with(prefix: &str, change: impl FnOnce(&mut Options)) -> Self {
        Self::start_in(prefix, Environment::default(), change).await
    }

    /// As [`Self::start_with`], in the environment of a cloud.
    pub async fn start_in(prefix: &str, clouds: Environment, change: impl FnOnce(&mut Options)) -> Self {
        let cluster = Cluster::shared();
        cluster.install_crds().await;
        let namespace = cluster.namespace(prefix).await;
        let storage = TempDir::new().unwrap();
        let client = cluster.client().await;
        let mut options = Options {
            namespace: namespace.name().to_owned(),
            storage: storage.path().to_owned(),
            concurrent: 4,
            no_cross_namespace_refs: false,
            no_remote_bases: false,
            default_service_account: None,
            requeue_dependency: Duration::from_secs(1),
            replaced_controllers: Arc::default(),
            commit_message: MessagePreset::default(),
        };
        change(&mut options);
        let stop = CancellationToken::new();
        start(
            client.clone(),
            options,
            clouds,
            &format!("{LABEL}={}", namespace.name()),
            &stop,
        );
        Self {
            cluster,
            namespace,
            client,
            stop,
            _storage: storage,
        }
    }

    /// Creates an object in the test's own namespace.
    pub async fn create<K: Reconciled>(&self, name: &str, spec: Value) {
        self.create_in::<K>(self.namespace.name(), name, &[], spec).await;
    }

    /// Creates an object with labels.
    pub async fn create_in<K: Reconciled>(
        &self,
        namespace: &str,
        name: &str,
        labels: &[(&str, &str)],
        spec: Value,
    ) {
        let mut all: BTreeMap<&str, &str> = labels.iter().copied().collect();
        all.insert(LABEL, self.namespace.name());
        let object = json!({
            "apiVersion": K::api_version(&()),
            "kind": K::kind(&()),
            "metadata": { "name": name, "namespace": namespace, "labels": all },
            "spec": spec,
        });
        let object: K = serde_json::from_value(object).unwrap();
        let api: Api<K> = Api::namespaced(self.client.clone(), namespace);
        api.create(&PostParams::default(), &object).await.unwrap();
    }

    /// Changes an object.
    pub async fn patch<K: Reconciled>(&self, name: &str, patch: Value) {
        let patch = Patch::Merge(patch);
        self.api::<K>()
            .patch(name, &PatchParams::default(), &patch)
            .await
            .unwrap();
    }

    /// Asks for a run.
    pub async fn request<K: Reconciled>(&self, name: &str, at: &str) {
        let annotations = json!({ "reconcile.fluxcd.io/requestedAt": at });
        self.patch::<K>(name, json!({ "metadata": { "annotations": annotations } }))
            .await;
    }

    /// The object as it is.
    pub async fn get<K: Reconciled>(&self, name: &str) -> K {
        self.api::<K>().get(name).await.unwrap()
    }

    fn api<K: Reconciled>(&self) -> Api<K> {
        Api::namespaced(self.client.clone(), self.namespace.name())
    }

    /// Waits until the object satisfies a condition.
    pub async fn until<K: Reconciled>(&self, name: &str, wanted: impl Fn(&K) -> bool) -> K {
        let what = format!("{} {name} is as wanted", K::KIND);
        eventually(&what, async || {
            let object = self
                .api::<K>()
                .get(name)
                .await
                .map_err(|error| error.to_string())?;
            if wanted(&object) {
                Ok(object)
            } else {
                Err(format!("{:#?}", object.status()))
            }
        })
        .await
    }

    /// Waits until `Ready` has a status and a reason, and gives its message.
    pub async fn ready<K: Reconciled>(&self, name: &str, status: &str, reason: &str) -> String {
        let is_so =
            |object: &K| ready(object).is_some_and(|ready| ready.status == status && ready.reason == reason);
        let object = self.until::<K>(name, is_so).await;
        ready(&object).unwrap().message.clone()
    }

    /// Creates a Secret.
    pub async fn secret(&self, name: &str, kind: &str, data: &[(&str, &str)]) {
        let secret = Secret {
            metadata: ObjectMeta {
                name: Some(name.to_owned()),
                ..ObjectMeta::default()
            },
            type_: Some(kind.to_owned()),
            string_data: Some(
                data.iter()
                    .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
                    .collect(),
            ),
            ..Secret::default()
        };
        let api: Api<Secret> = Api::namespaced(self.client.clone(), self.namespace.name());
        api.create(&PostParams::default(), &secret).await.unwrap();
    }

    /// The events of an object.
    pub async fn events(&self, name: &str) -> Vec<Event> {
        let api: Api<Event> = Api::namespaced(self.client.clone(), self.namespace.name());
        let mut events = api.list(&kube::api::ListParams::default()).await.unwrap().items;
        events.retain(|event| event.involved_object.name.as_deref() == Some(name));
        events
    }

    /// A Git repository with these files, as `GitRepository` `fleet` with its Secret.
    pub async fn git(&self, name: &str, files: &[(&str, &str)]) -> Repository {
        let repository = GitServer::shared().create_repository(name, files);
        let credentials = [("username", git::USER), ("password", git::PASSWORD)];
        self.secret("git", "Opaque", &credentials).await;
        let spec = json!({
            "url": repository.url.as_str(),
            "interval": "1m",
            "ref": { "branch": "main" },
            "secretRef": { "name": "git" },
        });
        self.create::<fluxbot_api::source::GitRepository>("fleet", spec)
            .await;
        repository
    }
}

/// `Ready` in the newest generation.
pub fn ready<K: Reconciled>(object: &K) -> Option<Condition> {
    let conditions = K::conditions(object.status()?);
    let ready = conditions.iter().find(|condition| condition.type_ == "Ready")?;
    (ready.observed_generation == object.meta().generation).then(|| ready.clone())
}

/// Whether a condition is `True`.
pub fn holds<K: Reconciled>(object: &K, kind: &str) -> bool {
    let conditions = object.status().map(K::conditions).unwrap_or_default();
    conditions
        .iter()
        .any(|condition| condition.type_ == kind && condition.status == "True")
}

fn start(client: Client, options: Options, clouds: Environment, labels: &str, stop: &CancellationToken) {
    let metrics = Arc::new(Metrics::default());
    let http = HttpClients::new();
    let destinations = Destinations {
        client: client.clone(),
        instance: "test".to_owned(),
        address: None,
        http: http.clone(),
    };
    let (events, publish) = Events::start(destinations, Arc::clone(&metrics));
    tokio::spawn(publish);
    let mirrors = Mirrors::new(options.storage.join("git"), http.clone());
    let context = Context {
        client,
        options: Arc::new(options),
        caches: Arc::default(),
        lists: Arc::default(),
        queues: Arc::default(),
        leadership: Leadership::default(),
        events,
        metrics,
        http: http.clone(),
        pushes: Arc::default(),
    };
    let clouds = CloudTokens::new(http.clone(), clouds);
    let registry = Arc::new(Registry::new(http).with_clouds(clouds));
    let tags = Arc::new(TagStore::default());
    let starting = Starting {
        context: context.clone(),
        labels: labels.to_owned(),
        health: Health::default(),
        stop: stop.clone(),
    };
    let for_sources = context.clone();
    starting.watch(
        |context| &context.caches.git_repositories,
        Box::new(move |key, old, new| {
            image_update_automation::wake_for_source(&for_sources, key, old, new);
        }),
    );
    let repositories = starting.watch(
        |context| &context.caches.image_repositories,
        image_repository::on_change(&context, Arc::clone(&tags)),
    );
    let policies = starting.watch(
        |context| &context.caches.image_policies,
        image_policy::on_change(&context),
    );
    let automations = starting.watch(
        |context| &context.caches.automations,
        image_update_automation::on_change(&context),
    );
    let (one, two) = (Arc::clone(&registry), Arc::clone(&tags));
    let reconciler = image_repository::reconciler(context.clone(), one, two);
    starting.drive(reconciler, repositories, &context.queues.image_repositories);
    let reconciler = image_policy::reconciler(context.clone(), registry, tags);
    starting.drive(reconciler, policies, &context.queues.image_policies);
    let landings = Landings::new(context.clone(), mirrors);
    let reconciler = image_update_automation::reconciler(context.clone(), landings);
    starting.drive(reconciler, automations, &context.queues.automations);
}

struct Starting {
    context: Context,
    labels: String,
    health: Health,
    stop: CancellationToken,
}

impl Starting {
    fn watch<K: Reconciled + Debug>(
        &self,
        cache: fn(&Context) -> &Cache<K>,
        on_change: OnChange<K>,
    ) -> Arc<Observer<K>> {
        let observer = Arc::new(Observer::new(self.context.clone(), cache, on_change));
        let api: Api<Guarded<K>> = Api::all(self.context.client.clone());
        let config = watcher::Config::default().labels(&self.labels);
        let heart = self.health.heart(&format!("watch of {}", K::KIND));
        tokio::spawn(watch(
            Arc::clone(&observer),
            api,
            config,
            heart,
            self.stop.clone(),
        ));
        observer
    }

    fn drive<R: Reconciler>(&self, reconciler: R, observer: Arc<Observer<R::Kind>>, queue: &Arc<Queue>) {
        let driving = Drive {
            context: self.context.clone(),
            reconciler,
            observer,
            queue: Arc::clone(queue),
            concurrent: self.context.options.concurrent,
            halt: CancellationToken::new(),
            stop: self.stop.clone(),
        };
        let heart = self.health.heart(R::Kind::KIND);
        tokio::spawn(drive(driving, heart));
    }
}
