//! The chain of one cluster without the cluster, kept warm: it watches the registry and lands what its policies select.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use fluxbot_git::{Credential, Remote};
use tokio::sync::mpsc::UnboundedSender;

use crate::committer::{PlanDefaults, Writer};
use crate::git::GitHttp;
use crate::http::{ClientSettings, HttpClients};
use crate::image::{ImageRef, PolicyKey, TagSnapshot};
use crate::objects::{GitTree, ObjectKey, ObjectSet};
use crate::policy::{self, CompiledPolicy};
use crate::scanner::{Keychain, Registry};
use crate::setters::ChangeSet;
use crate::update::{self, PolicyOutcome, Scan, Scanner};

/// How often the demo asks its registry. A cluster waits for `spec.interval` or a webhook.
const POLL: Duration = Duration::from_millis(25);

/// Something that a cluster's chain did.
pub(super) struct Event {
    pub cluster: String,
    pub at: Instant,
    pub what: What,
}

/// What it did.
pub(super) enum What {
    /// New tags are in the registry.
    Seen {
        image: String,
        added: Vec<String>,
        tags: usize,
    },
    /// A policy selected another image.
    Selected {
        policy: PolicyKey,
        before: Option<ImageRef>,
        after: ImageRef,
        why: String,
    },
    /// A policy stays with what it has.
    Kept {
        policy: PolicyKey,
        selected: ImageRef,
        why: String,
    },
    /// A commit is on the server.
    Committed {
        commit: String,
        branch: String,
        changes: ChangeSet,
        lost_races: u32,
    },
    /// Something went wrong; it is tried again.
    Failed { reason: String },
}

/// The chain of one cluster.
pub(super) struct Chain {
    name: String,
    pub objects: ObjectSet,
    scanner: Scanner,
    writer: Arc<Writer>,
    tags: BTreeMap<ObjectKey, TagSnapshot>,
    selected: BTreeMap<PolicyKey, ImageRef>,
    /// Whether the last landing failed and is due again.
    retry: bool,
}

impl Chain {
    /// Reads the cluster's objects from the repository.
    pub(super) async fn open(
        name: &str,
        url: &str,
        username: &str,
        password: &str,
        mirror: &Path,
    ) -> anyhow::Result<Self> {
        let credential = Credential::Basic {
            username: username.to_owned(),
            password: password.to_owned(),
        };
        let clients = HttpClients::new();
        let http = GitHttp::new(clients.clone(), ClientSettings::default());
        let remote = Remote::new(url.parse()?, credential, Arc::new(http));
        let mirror = mirror.to_owned();
        let writer = tokio::task::spawn_blocking(move || Writer::open(&mirror, remote)).await??;
        let writer = Arc::new(writer);
        let reader = Arc::clone(&writer);
        let (snapshot, _, head) = tokio::task::spawn_blocking(move || reader.read(None)).await??;
        let head = head.ok_or_else(|| anyhow::anyhow!("the repository is empty"))?;
        let files = GitTree::of_commit(snapshot, &head)?;
        let objects = update::load_objects(&[(&files, &format!("clusters/{name}"))])?;
        let scanner = Scanner::new(Registry::new(clients), Keychain::default());
        let mut chain = Self {
            name: name.to_owned(),
            objects,
            scanner,
            writer,
            tags: BTreeMap::new(),
            selected: BTreeMap::new(),
            retry: false,
        };
        // The first round learns what is there already; nothing has to change.
        let scans = chain.scanner.scan(&chain.objects, &|_| ()).await;
        for outcome in update::select(&chain.objects, &scans) {
            if let Ok(image) = outcome.result {
                chain.selected.insert(outcome.policy, image);
            }
        }
        for (key, scan) in scans {
            chain.tags.insert(key, scan.result.map_err(anyhow::Error::msg)?);
        }
        Ok(chain)
    }

    /// Scans, selects and lands, round after round.
    pub(super) async fn watch(mut self, events: &UnboundedSender<Event>) {
        loop {
            let scans = self.scanner.scan(&self.objects, &|_| ()).await;
            if self.note_new_tags(&scans, events) || self.retry {
                let outcomes = update::select(&self.objects, &scans);
                if self.note_selections(&outcomes, &scans, events) || self.retry {
                    self.land(&outcomes, events).await;
                }
            }
            tokio::time::sleep(POLL).await;
        }
    }

    fn send(&self, events: &UnboundedSender<Event>, what: What) {
        // Nobody listens any more when the demo ends.
        drop(events.send(Event {
            cluster: self.name.clone(),
            at: Instant::now(),
            what,
        }));
    }

    fn note_new_tags(&mut self, scans: &BTreeMap<ObjectKey, Scan>, events: &UnboundedSender<Event>) -> bool {
        let mut changed = false;
        for (key, scan) in scans {
            let tags = match &scan.result {
                Ok(tags) => tags,
                Err(reason) => {
                    self.send(
                        events,
                        What::Failed {
                            reason: reason.clone(),
                        },
                    );
                    continue;
                }
            };
            let before = self.tags.insert(key.clone(), tags.clone()).unwrap_or_default();
            let delta = tags.since(&before);
            if !delta.is_empty() {
                changed = true;
                let what = What::Seen {
                    image: scan.image.clone(),
                    added: delta.added,
                    tags: tags.len(),
                };
                self.send(events, what);
            }
        }
        changed
    }

    fn note_selections(
        &mut self,
        outcomes: &[PolicyOutcome],
        scans: &BTreeMap<ObjectKey, Scan>,
        events: &UnboundedSender<Event>,
    ) -> bool {
        let mut changed = false;
        for outcome in outcomes {
            let key = ObjectKey::new(&outcome.policy.namespace, &outcome.policy.name);
            let Ok(after) = &outcome.result else { continue };
            let before = self.selected.insert(outcome.policy.clone(), after.clone());
            if before.as_ref() == Some(after) {
                continue;
            }
            changed = true;
            let why = self.reason(&key, scans, after.tag());
            let what = What::Selected {
                policy: outcome.policy.clone(),
                before,
                after: after.clone(),
                why,
            };
            self.send(events, what);
        }
        if !changed {
            self.explain_rejections(scans, events);
        }
        changed
    }

    /// Says of each policy that looked at the newest tags why it stays.
    fn explain_rejections(&self, scans: &BTreeMap<ObjectKey, Scan>, events: &UnboundedSender<Event>) {
        for (policy, selected) in &self.selected {
            let key = ObjectKey::new(&policy.namespace, &policy.name);
            let Some(tags) = scans.get(&key).and_then(|scan| scan.result.as_ref().ok()) else {
                continue;
            };
            let Some(compiled) = self.compiled(&key) else {
                continue;
            };
            let verdicts = policy::explain(tags, &compiled.policy, compiled.filter.as_ref());
            let rejected = verdicts
                .into_iter()
                .find_map(|verdict| Some((verdict.tag, verdict.outcome.rule()?.to_string())));
            if let Some((tag, rule)) = rejected {
                let why = format!("{tag} {rule}");
                self.send(
                    events,
                    What::Kept {
                        policy: policy.clone(),
                        selected: selected.clone(),
                        why,
                    },
                );
            }
        }
    }

    fn compiled(&self, policy: &ObjectKey) -> Option<CompiledPolicy> {
        CompiledPolicy::from_spec(&self.objects.policies.get(policy)?.object.spec).ok()
    }

    fn reason(&self, policy: &ObjectKey, scans: &BTreeMap<ObjectKey, Scan>, tag: &str) -> String {
        let Some(compiled) = self.compiled(policy) else {
            return String::new();
        };
        let eligible = scans
            .get(policy)
            .and_then(|scan| scan.result.as_ref().ok())
            .map_or(0, |tags| {
                let verdicts = policy::explain(tags, &compiled.policy, compiled.filter.as_ref());
                verdicts
                    .iter()
                    .filter(|verdict| verdict.outcome.rule().is_none())
                    .count()
            });
        format!("{tag} is the best of {eligible} by {}", compiled.policy)
    }

    async fn land(&mut self, outcomes: &[PolicyOutcome], events: &UnboundedSender<Event>) {
        let works = update::plan_works(&self.objects, outcomes, &PlanDefaults::default());
        let (landed, landings) = update::land(&self.writer, works, &|_| ()).await;
        self.retry = landed.iter().any(|outcome| outcome.result.is_err());
        let lost_races = landings.iter().map(|landing| landing.lost_races).sum();
        let mut reported = BTreeSet::new();
        for outcome in landed {
            match outcome.result {
                Ok(landed) => {
                    if let Some(commit) = landed.commit {
                        let (commit, branch) = (commit.id, commit.branch);
                        self.send(
                            events,
                            What::Committed {
                                commit,
                                branch,
                                changes: landed.changes,
                                lost_races,
                            },
                        );
                    }
                }
                Err(reason) if reported.insert(reason.clone()) => self.send(events, What::Failed { reason }),
                Err(_) => {}
            }
        }
    }
}
