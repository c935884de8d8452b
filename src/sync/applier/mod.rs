//! Puts prepared objects into a cluster, removes stale ones, and waits until they are healthy.

mod call;
mod discovery;
mod error;
mod look;
mod owned;
mod prune;
mod stage;
mod wait;
mod write;

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

pub use call::CallError;
pub use error::{ApplyCause, ApplyError, DeleteError, ObjectFailure, Phase, WaitError};
pub use owned::Owned;
pub use prune::{DeleteOptions, Pruned, Survivor};
pub use wait::WaitOptions;

use self::call::Api;
use self::discovery::Discovery;
use super::diff::FieldChange;
use super::health::Health;
use super::inventory::{Entry, Inventory};
use super::known::KnownEqual;
use super::object::{GroupKind, Object, ObjectId};
use super::order::Stage;
use super::prepare::{Owner, Prepared, at};

/// The field manager of applied objects. It is Flux's, so that a switch in either direction changes no object.
pub const FIELD_MANAGER: &str = "kustomize-controller";

/// How an [`Applier`] treats the API server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The deadline of each single request.
    pub request: Duration,
    /// How many requests are under way at once, over all identities of a cluster. Each takes a connection.
    pub requests: usize,
    /// How many watches are open at once, over all identities of a cluster. What exceeds them is polled.
    pub watches: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            request: Duration::from_secs(30),
            requests: 32,
            watches: 64,
        }
    }
}

/// How objects are applied.
#[derive(Debug, Clone)]
pub struct ApplyOptions {
    /// The field manager; [`FIELD_MANAGER`] by default.
    pub field_manager: String,
    /// Whether objects with a changed field that cannot be changed are deleted and created again (`spec.force`).
    pub force: bool,
    /// Kinds that are applied in a stage of their own, before the rest (`--custom-apply-stage-kinds`).
    pub custom_stage_kinds: BTreeSet<GroupKind>,
    /// Prefixes of further field managers whose fields are taken over (`--override-manager`).
    pub override_managers: Vec<String>,
    /// How long the objects of an awaited stage, and the end of an object that is replaced, are waited for; 60 s by default.
    pub stage_timeout: Duration,
}

impl Default for ApplyOptions {
    fn default() -> Self {
        Self {
            field_manager: FIELD_MANAGER.to_owned(),
            force: false,
            custom_stage_kinds: BTreeSet::new(),
            override_managers: Vec::new(),
            stage_timeout: Duration::from_mins(1),
        }
    }
}

/// What was done with an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// It was created.
    Created,
    /// It was changed.
    Configured,
    /// It was as it should be.
    Unchanged,
    /// It was left alone because one of its switches says so.
    Skipped,
    /// It was deleted.
    Deleted,
}

impl std::fmt::Display for Action {
    /// Flux's word for it.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Created => "created",
            Self::Configured => "configured",
            Self::Unchanged => "unchanged",
            Self::Skipped => "skipped",
            Self::Deleted => "deleted",
        })
    }
}

/// What was done with one object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The object as the inventory names it: without namespace when its kind has none.
    pub entry: Entry,
    /// What was done with it.
    pub action: Action,
    /// The fields that differed, when it was [`Action::Configured`]; values of Secrets are masked.
    pub fields: Vec<FieldChange>,
    /// Fields that were left out because the kind has none of the name, as the API server spells them. Only known when the
    /// object was looked at in full.
    pub dropped: Vec<String>,
    /// The Kustomization whose labels it had before, when that is another one.
    pub taken_from: Option<Owner>,
    /// Where it was written.
    pub origin: Option<String>,
}

impl Change {
    /// Whether the cluster was changed.
    #[must_use]
    pub fn is_change(&self) -> bool {
        matches!(
            self.action,
            Action::Created | Action::Configured | Action::Deleted
        )
    }
}

impl std::fmt::Display for Change {
    /// `Kind/namespace/name created`.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{} {}", self.entry.id.subject(), self.action)
    }
}

/// What an apply did, in the order of the stages.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Applied {
    /// One entry per object.
    pub changes: Vec<Change>,
}

impl Applied {
    /// The lines `Kind/namespace/name created` of the objects that were changed, joined by line feeds: the text of Flux's event.
    /// Empty when nothing was changed.
    #[must_use]
    pub fn change_log(&self) -> String {
        let lines: Vec<String> = self
            .changes
            .iter()
            .filter(|change| change.is_change())
            .map(ToString::to_string)
            .collect();
        lines.join("\n")
    }

    /// The fields that were left out, a line for each object that had some: `Kind/namespace/name: ...`. Empty when there are
    /// none.
    #[must_use]
    pub fn dropped(&self) -> String {
        let lines: Vec<String> = self
            .changes
            .iter()
            .filter(|change| !change.dropped.is_empty())
            .map(|change| {
                let (subject, fields) = (change.entry.id.subject(), change.dropped.join(", "));
                format!(
                    "{subject}: unknown fields were left out: {fields}{}",
                    at(change.origin.as_ref())
                )
            })
            .collect();
        lines.join("\n")
    }

    /// All objects, the skipped ones included (corrections 23).
    #[must_use]
    pub fn inventory(&self) -> Inventory {
        self.changes.iter().map(|change| change.entry.clone()).collect()
    }

    /// The objects whose health counts for `spec.wait`: all but the skipped ones.
    #[must_use]
    pub fn awaited(&self) -> Vec<Entry> {
        self.changes
            .iter()
            .filter(|change| change.action != Action::Skipped)
            .map(|change| change.entry.clone())
            .collect()
    }
}

/// What is reported while an apply runs.
#[derive(Debug, Clone, Copy)]
pub enum Progress<'a> {
    /// A stage begins with its dry-runs.
    Stage {
        /// Which one.
        stage: Stage,
        /// How many objects it has.
        objects: usize,
    },
    /// The real applies of a stage begin; no write of the stage was sent before.
    Writing {
        /// Which stage.
        stage: Stage,
        /// How many objects are written.
        objects: usize,
    },
    /// An object has been written.
    Done(&'a Change),
    /// The objects of a stage are awaited.
    Waiting {
        /// Which stage.
        stage: Stage,
        /// How many objects are not ready yet.
        objects: usize,
    },
}

/// The appliers of one cluster: one for each identity, over one pool of connections and one discovery.
///
/// Impersonation costs a header per request and no client of its own.
#[derive(Clone)]
pub struct Appliers {
    shared: Arc<Shared>,
    by_user: Arc<Mutex<HashMap<Option<String>, Used>>>,
}

/// An applier, and when somebody last asked for it.
struct Used {
    applier: Arc<Applier>,
    at: Instant,
}

/// How long an identity that nobody acts as is remembered, with what it knows of its objects. Those of deleted tenants would
/// stay for good.
const IDLE: Duration = Duration::from_hours(2);

/// What all identities of a cluster have in common.
struct Shared {
    client: kube::Client,
    limits: Limits,
    discovery: Discovery,
    requests: Arc<Semaphore>,
    watches: Arc<Semaphore>,
}

impl Appliers {
    /// Appliers for the cluster of a client.
    #[must_use]
    pub fn new(client: kube::Client, limits: Limits) -> Self {
        let shared = Shared {
            limits,
            discovery: Discovery::default(),
            requests: Arc::new(Semaphore::new(limits.requests.max(1))),
            watches: Arc::new(Semaphore::new(limits.watches)),
            client,
        };
        Self {
            shared: Arc::new(shared),
            by_user: Arc::default(),
        }
    }

    /// The applier that acts as a service account of a namespace, or as the client itself when none is named.
    ///
    /// The user is `system:serviceaccount:<namespace>:<name>`; the API server adds the account's groups by itself.
    #[must_use]
    pub fn for_identity(&self, service_account: Option<&str>, namespace: &str) -> Arc<Applier> {
        let user = service_account.map(|name| format!("system:serviceaccount:{namespace}:{name}"));
        let now = Instant::now();
        let mut by_user = self.by_user.lock().unwrap_or_else(PoisonError::into_inner);
        if !by_user.contains_key(&user) {
            by_user.retain(|_, used| {
                Arc::strong_count(&used.applier) > 1 || now.saturating_duration_since(used.at) < IDLE
            });
        }
        let used = by_user.entry(user.clone()).or_insert_with(|| Used {
            applier: Arc::new(Applier::with_user(&self.shared, user.as_deref())),
            at: now,
        });
        used.at = now;
        Arc::clone(&used.applier)
    }
}

/// Applies, prunes and watches objects of one cluster in the name of one identity.
///
/// It is shared by all Kustomizations of that identity. Every request has its own deadline, and the number of requests under way
/// is bounded for the cluster.
pub struct Applier {
    shared: Arc<Shared>,
    api: Api,
    known: KnownEqual,
}

impl Applier {
    /// An applier that acts as the client itself; use [`Appliers`] when service accounts are impersonated too.
    #[must_use]
    pub fn new(client: kube::Client, limits: Limits) -> Arc<Self> {
        Appliers::new(client, limits).for_identity(None, "")
    }

    fn with_user(shared: &Arc<Shared>, user: Option<&str>) -> Self {
        let api = Api::new(
            shared.client.clone(),
            user,
            shared.limits.request,
            Arc::clone(&shared.requests),
        );
        Self {
            shared: Arc::clone(shared),
            api,
            known: KnownEqual::default(),
        }
    }

    /// The inventory that an apply of these objects will have: to be stored, united with the old one, before it begins.
    ///
    /// The namespace of a cluster-scoped object is left out. Objects whose kind the cluster does not know, and that no definition
    /// among the objects defines, keep the namespace as written.
    ///
    /// # Errors
    /// The kinds of the cluster cannot be read.
    pub async fn inventory(&self, objects: &Prepared) -> Result<Inventory, CallError> {
        stage::inventory(self, objects).await
    }

    /// Applies objects in their stages.
    ///
    /// In each stage every object is read and its apply tried without effect, in parallel; if any fails, nothing of the stage is
    /// written, and all that failed are reported. Then those that differ are written, by rank of their kinds. The objects of the
    /// stages of definitions and classes must be ready before the next stage begins.
    ///
    /// An object that is known to be as it should be costs one read of its metadata (see [`KnownEqual`]).
    ///
    /// Cancellation stops before the next write; requests under way come to their end.
    ///
    /// # Errors
    /// [`ApplyError`] holds the cause and what was done before it.
    pub async fn apply(
        &self,
        objects: &Prepared,
        options: &ApplyOptions,
        cancel: &CancellationToken,
        progress: &(dyn Fn(Progress<'_>) + Send + Sync),
    ) -> Result<Applied, Box<ApplyError>> {
        stage::apply(self, objects, options, cancel, progress).await
    }

    /// Deletes stale objects that carry the labels of `options.owner`, in the reverse of the order of application.
    ///
    /// An object that has another owner, or is switched off by `prune: disabled`, `reconcile: disabled` or `ssa: Ignore`, is
    /// skipped. The deletion names uid and resource version, so that nothing is deleted that has changed since it was judged. It
    /// never fails as a whole: what could not be deleted is in [`Pruned::survivors`] and belongs back into the inventory.
    pub async fn prune(
        &self,
        stale: &[Entry],
        options: &DeleteOptions,
        cancel: &CancellationToken,
    ) -> Pruned {
        prune::prune(self, stale, options, cancel).await
    }

    /// Deletes the objects of a Kustomization that is deleted, as its deletion policy says; `prune` is its `spec.prune`.
    ///
    /// With `WaitForTermination` it waits until they are gone, or for the timeout of the options.
    ///
    /// # Errors
    /// Objects that could not be deleted, or that are not gone in time.
    pub async fn delete_all(
        &self,
        inventory: &Inventory,
        policy: fluxbot_api::kustomize::DeletionPolicy,
        prune: bool,
        options: &DeleteOptions,
        cancel: &CancellationToken,
    ) -> Result<Pruned, DeleteError> {
        prune::delete_all(self, inventory, policy, prune, options, cancel).await
    }

    /// The health of objects now, in the order given. What cannot be read is Unknown, with the reason as message.
    pub async fn check(&self, entries: &[Entry]) -> Vec<(Entry, Health)> {
        wait::check(self, entries).await
    }

    /// Waits until objects are healthy. It holds no worker and no request while nothing happens: the objects that are not
    /// ready are watched, and where that is not possible polled.
    ///
    /// # Errors
    /// Some object has failed and none of the others can change that, or `fail_fast` is set; the timeout; cancellation.
    pub async fn wait_ready(
        &self,
        entries: &[Entry],
        options: &WaitOptions,
        cancel: &CancellationToken,
    ) -> Result<(), WaitError> {
        wait::wait_ready(self, entries, options, cancel).await
    }

    /// Watches the metadata of all objects of a kind that carry the labels of an owner, until it is cancelled. Those that there
    /// are come first. A watch that ends is opened again.
    pub async fn watch_owned(
        &self,
        kind: &Entry,
        tell: &(dyn Fn(Owned) + Send + Sync),
        cancel: &CancellationToken,
    ) {
        owned::watch(self, kind, tell, cancel).await;
    }

    /// Forgets what is known of objects, so that the next apply looks at each of them again.
    pub fn forget_known(&self) {
        self.known.forget_all();
    }
}

/// The entry of an object in an inventory, given whether its kind has namespaces.
fn entry_of(object: &Object, is_namespaced: bool) -> Entry {
    let id = object.id();
    let namespace = id.namespace.filter(|_| is_namespaced);
    Entry {
        id: ObjectId { namespace, ..id },
        version: object.version().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn identities_that_nobody_acts_as_any_more_are_dropped() {
        let service = tower::service_fn(|_: http::Request<kube::client::Body>| async {
            Ok::<_, std::convert::Infallible>(http::Response::new(kube::client::Body::empty()))
        });
        let appliers = Appliers::new(kube::Client::new(service, "default"), Limits::default());
        let known = || appliers.by_user.lock().unwrap().len();
        let busy = appliers.for_identity(Some("busy"), "apps");
        for tenant in 0..100 {
            drop(appliers.for_identity(Some("deployer"), &format!("tenant-{tenant}")));
        }
        assert_eq!(known(), 101);
        tokio::time::advance(IDLE / 2).await;
        let used = Arc::downgrade(&appliers.for_identity(Some("deployer"), "tenant-7"));
        tokio::time::advance(IDLE / 2).await;
        drop(appliers.for_identity(Some("deployer"), "new"));
        assert_eq!(known(), 3, "the busy one, the used one and the new one");
        assert!(Arc::ptr_eq(&busy, &appliers.for_identity(Some("busy"), "apps")));
        let again = appliers.for_identity(Some("deployer"), "tenant-7");
        assert!(used.upgrade().is_some_and(|used| Arc::ptr_eq(&used, &again)));
    }
}
