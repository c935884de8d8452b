//! The queue in front of each Git repository: automations that are due together land in one push.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use fluxbot_api::{Fault, Reason};
use fluxbot_git::{ObjectId, RefName, RefQuery};
use tokio::sync::{OwnedMutexGuard, oneshot};
use tokio_util::sync::CancellationToken;
use tracing::info;

use super::attempt::Slot;
use super::context::Context;
use super::fault::Diagnosis;
use super::pushed::Push;
use crate::committer::{Landed, Landing, StackError, Target, Work, WriteError, Writer};
use crate::git::{AccessIdentity, Bound, GitAccess, Mirrors, OpenError};
use crate::objects::ObjectKey;

/// How long a push waits for other automations of the same branch, which the same new tag may have woken.
const GATHER: Duration = Duration::from_millis(15);

/// How long a repository that nobody writes to is kept open.
const IDLE: Duration = Duration::from_hours(1);

/// A repository and who we are to it.
#[derive(Debug, Clone)]
pub struct Remote {
    /// Its URL.
    pub url: String,
    /// Who we are.
    pub access: GitAccess,
    /// How long a look at the server, or the way from a fetch to a push, may take (`spec.timeout` of the source).
    pub timeout: Duration,
}

/// What became of one automation's work.
#[derive(Debug, Clone)]
pub struct LandedWork {
    /// Its commit and changes.
    pub landed: Landed,
    /// The revision of what was checked out, before the push, as Flux writes it.
    pub checkout_revision: String,
    /// The head of the branch that was pushed, after the push.
    pub push_head: Option<ObjectId>,
    /// How often another writer was faster.
    pub lost_races: u32,
}

/// Why nothing was landed. All automations of one push share it.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub struct LandError {
    /// The reason of `Ready`.
    pub reason: Reason,
    /// The message, without the word of the fault.
    pub message: String,
    /// The fault, where it is one of the outside.
    pub diagnosis: Option<Diagnosis>,
}

/// The writers to all repositories. Clones share them.
#[derive(Clone)]
pub struct Landings {
    context: Context,
    mirrors: Mirrors,
    repositories: Arc<Mutex<Repositories>>,
}

/// Repositories by URL and by who we are to them.
type Repositories = HashMap<(String, AccessIdentity), Arc<Repository>>;

struct Repository {
    remote: Remote,
    writer: OnceLock<Arc<Writer>>,
    /// Held while a push is under way.
    turn: Arc<tokio::sync::Mutex<()>>,
    waiting: Mutex<Vec<Waiting>>,
    /// What automations wanted last on a push branch of their own: when one of them makes the branch anew, the commits of the
    /// others are made anew with it.
    partners: Mutex<BTreeMap<ObjectKey, Remembered>>,
    last_use: Mutex<Instant>,
    /// The timeout of whoever asked last.
    timeout: Mutex<Duration>,
}

/// What an automation wanted last.
struct Remembered {
    work: Work,
    /// The automation's `metadata.generation` then.
    generation: Option<i64>,
}

struct Waiting {
    automation: ObjectKey,
    /// The automation's `metadata.generation`.
    generation: Option<i64>,
    work: Work,
    reply: oneshot::Sender<Result<LandedWork, LandError>>,
}

impl Landings {
    /// Writers on these mirrors. What is pushed is told to `context`.
    #[must_use]
    pub fn new(context: Context, mirrors: Mirrors) -> Self {
        Self {
            context,
            mirrors,
            repositories: Arc::default(),
        }
    }

    /// The head of a branch on the server: one small request. `None` when there is no such branch.
    pub async fn head(&self, remote: &Remote, branch: &str) -> Result<Option<ObjectId>, LandError> {
        let repository = self.repository(remote);
        let mirrors = self.mirrors.clone();
        let branch = branch.to_owned();
        // When the caller goes away, so does the request.
        let cancel = CancellationToken::new();
        let _end = cancel.clone().drop_guard();
        blocking(Bound::new(remote.timeout, cancel), move || {
            let writer = repository.writer(&mirrors)?;
            let name = RefName::branch(&branch).map_err(WriteError::from)?;
            let listed = writer.mirror().list(&[RefQuery::Name(name)]);
            let listed = listed.map_err(WriteError::from)?;
            Ok(listed.first().map(fluxbot_git::RemoteRef::commit))
        })
        .await
    }

    /// Lands the work of one automation of some `generation`, in one push with that of others which wait for the same branch.
    ///
    /// The place of the run is given up while it waits. When the caller goes away, its work may still be landed; the next run
    /// finds it on the branch. After `cancel` no push begins.
    pub async fn land(
        &self,
        remote: &Remote,
        automation: &ObjectKey,
        generation: Option<i64>,
        work: Work,
        slot: &mut Slot,
        cancel: &CancellationToken,
    ) -> Result<LandedWork, LandError> {
        let repository = self.repository(remote);
        let target = work.plan.target.clone();
        let (reply, mut answer) = oneshot::channel();
        repository.waiting().push(Waiting {
            automation: automation.clone(),
            generation,
            work,
            reply,
        });
        slot.release();
        let turn = Arc::clone(&repository.turn).lock_owned();
        let answered = tokio::select! {
            biased;
            // Another one's push took the work along.
            answered = &mut answer => answered,
            turn = turn => {
                tokio::time::sleep(GATHER).await;
                slot.retake().await;
                // In a task of its own, because others depend on it: it must not end with this run.
                let landing = self.clone().land_next(repository, target, turn, cancel.clone());
                tokio::spawn(landing);
                answer.await
            }
        };
        slot.retake().await;
        answered.unwrap_or_else(|_| {
            Err(LandError {
                reason: Reason::Failed,
                message: "the push was not begun, because the controller is stopping".to_owned(),
                diagnosis: None,
            })
        })
    }

    /// Lands everything that waits for a branch. The turn ends when all have their answer.
    async fn land_next(
        self,
        repository: Arc<Repository>,
        target: Target,
        turn: OwnedMutexGuard<()>,
        cancel: CancellationToken,
    ) {
        let batch = repository.take(&target);
        if batch.is_empty() || cancel.is_cancelled() {
            return;
        }
        let partners = self.partners(&repository, &target, &batch);
        let mut works = Vec::new();
        let mut replies = Vec::new();
        for waiting in batch {
            works.push(waiting.work);
            replies.push(waiting.reply);
        }
        let results = self.land_together(&repository, works, partners, &cancel).await;
        for (reply, result) in replies.into_iter().zip(results) {
            // A caller that went away needs no answer.
            drop(reply.send(result));
        }
        drop(turn);
    }

    /// Lands some works in one push. When the server refuses it, each is tried alone, without the partners: what a hook says of
    /// one commit is not to stop the others.
    async fn land_together(
        &self,
        repository: &Arc<Repository>,
        works: Vec<Work>,
        partners: Vec<Work>,
        cancel: &CancellationToken,
    ) -> Vec<Result<LandedWork, LandError>> {
        let count = works.len();
        let has_partners = !partners.is_empty();
        let alone = works.clone();
        let together = works.into_iter().chain(partners).collect();
        let result = self.land_once(repository, together, cancel).await;
        let is_refused = |error: &LandError| {
            error
                .diagnosis
                .is_some_and(|diagnosis| diagnosis.fault == Fault::PushRejected)
        };
        if (count == 1 && !has_partners) || !result.as_ref().is_err_and(is_refused) {
            return (0..count).map(|index| answer_for(index, &result)).collect();
        }
        let mut results = Vec::new();
        for work in alone {
            let result = self.land_once(repository, vec![work], cancel).await;
            results.push(answer_for(0, &result));
        }
        results
    }

    /// What other automations wanted last on the same push branch. Their commits are rebuilt with those of `batch`, which are
    /// remembered in turn.
    fn partners(&self, repository: &Repository, target: &Target, batch: &[Waiting]) -> Vec<Work> {
        let mut all = repository.partners.lock().unwrap_or_else(PoisonError::into_inner);
        for waiting in batch {
            all.remove(&waiting.automation);
        }
        // One that is gone, suspended, changed or another one by now does not want that any more.
        all.retain(|key, remembered| {
            let cached = self.context.caches.automations.get(key);
            let present = cached.as_ref().and_then(|cached| cached.good());
            present.is_some_and(|automation| {
                automation.metadata.uid.as_ref() == Some(&remembered.work.identity)
                    && automation.metadata.generation == remembered.generation
                    && automation.spec.suspend != Some(true)
            })
        });
        if !target.switches {
            return Vec::new();
        }
        let partners = all
            .values()
            .map(|remembered| &remembered.work)
            .filter(|work| work.plan.target == *target)
            .cloned()
            .collect();
        all.extend(batch.iter().map(|waiting| {
            let remembered = Remembered {
                work: waiting.work.clone(),
                generation: waiting.generation,
            };
            (waiting.automation.clone(), remembered)
        }));
        partners
    }

    async fn land_once(
        &self,
        repository: &Arc<Repository>,
        works: Vec<Work>,
        cancel: &CancellationToken,
    ) -> Result<Landing, LandError> {
        let mirrors = self.mirrors.clone();
        let writing = Arc::clone(repository);
        let (leadership, cancel) = (self.context.leadership.clone(), cancel.clone());
        // A push under way is never cut off by a stop: nobody would know what became of it.
        let bound = Bound::new(repository.timeout(), CancellationToken::new());
        let landing = blocking(bound, move || {
            let may_push = || leadership.holds() && !cancel.is_cancelled();
            Ok(writing.writer(&mirrors)?.land_while(&works, &may_push)?)
        })
        .await?;
        self.tell(&repository.remote.url, &landing);
        Ok(landing)
    }

    /// Tells the sources of a push.
    fn tell(&self, url: &str, landing: &Landing) {
        let Some(tip) = landing.pushed else {
            return;
        };
        let (branch, commits) = (&landing.branch, landing.layers.len());
        info!(branch, commits, lost_races = landing.lost_races, commit = %tip, "pushed");
        self.context.pushed(&Push {
            url: url.to_owned(),
            branch: landing.branch.clone(),
            old: landing.push_head,
            new: tip,
        });
    }

    fn repository(&self, remote: &Remote) -> Arc<Repository> {
        let now = Instant::now();
        let mut all = self.repositories.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (remote.url.clone(), remote.access.identity());
        if !all.contains_key(&key) {
            // A credential that was replaced leaves a repository behind.
            all.retain(|_, repository| !repository.is_idle(now));
        }
        let repository = all
            .entry(key)
            .or_insert_with(|| Arc::new(Repository::new(remote.clone(), now)));
        *repository.last_use.lock().unwrap_or_else(PoisonError::into_inner) = now;
        *repository.timeout.lock().unwrap_or_else(PoisonError::into_inner) = remote.timeout;
        Arc::clone(repository)
    }
}

impl Repository {
    fn new(remote: Remote, now: Instant) -> Self {
        Self {
            writer: OnceLock::new(),
            turn: Arc::default(),
            waiting: Mutex::default(),
            partners: Mutex::default(),
            last_use: Mutex::new(now),
            timeout: Mutex::new(remote.timeout),
            remote,
        }
    }

    fn is_idle(&self, now: Instant) -> bool {
        let last_use = *self.last_use.lock().unwrap_or_else(PoisonError::into_inner);
        now.saturating_duration_since(last_use) > IDLE && self.waiting().is_empty()
    }

    fn timeout(&self) -> Duration {
        *self.timeout.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The writer, opened at its first use. Blocks.
    fn writer(&self, mirrors: &Mirrors) -> Result<Arc<Writer>, LandError> {
        if let Some(writer) = self.writer.get() {
            return Ok(Arc::clone(writer));
        }
        let mirror = mirrors.open(&self.remote.url, &self.remote.access)?;
        Ok(Arc::clone(
            self.writer.get_or_init(|| Arc::new(Writer::on(mirror))),
        ))
    }

    /// Takes what waits for a branch, in the order of the automations' names. Work whose caller went away is dropped.
    fn take(&self, target: &Target) -> Vec<Waiting> {
        let mut waiting = self.waiting();
        waiting.retain(|waiting| !waiting.reply.is_closed());
        let (mut batch, rest): (Vec<_>, Vec<_>) = waiting
            .drain(..)
            .partition(|waiting| waiting.work.plan.target == *target);
        *waiting = rest;
        batch.sort_by(|a, b| a.automation.cmp(&b.automation));
        batch
    }

    fn waiting(&self) -> MutexGuard<'_, Vec<Waiting>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What one of the automations in a landing is told.
fn answer_for(index: usize, result: &Result<Landing, LandError>) -> Result<LandedWork, LandError> {
    let landing = result.as_ref().map_err(Clone::clone)?;
    match landing.landed.get(index) {
        Some(Ok(landed)) => Ok(LandedWork {
            landed: landed.clone(),
            checkout_revision: landing.checkout_revision.clone(),
            push_head: landing.pushed.or(landing.push_head),
            lost_races: landing.lost_races,
        }),
        Some(Err(error)) => Err(LandError {
            reason: reason_of(error),
            message: error.to_string(),
            diagnosis: None,
        }),
        None => Err(internal("a piece of work has no result")),
    }
}

/// Does some work with a Git server on a thread that may block; its requests end with the bound.
async fn blocking<T: Send + 'static>(
    bound: Bound,
    work: impl FnOnce() -> Result<T, LandError> + Send + 'static,
) -> Result<T, LandError> {
    let result = tokio::task::spawn_blocking(move || bound.hold(work)).await;
    result.unwrap_or_else(|error| Err(internal(&error.to_string())))
}

fn internal(message: &str) -> LandError {
    LandError {
        reason: Reason::Failed,
        message: format!("internal error: {message}"),
        diagnosis: None,
    }
}

/// The reason of an automation whose commit was not made.
fn reason_of(error: &StackError) -> Reason {
    if error.is_of_commit() {
        Reason::GitOperationFailed
    } else {
        Reason::UpdateFailed
    }
}

impl From<OpenError> for LandError {
    fn from(error: OpenError) -> Self {
        Self {
            reason: Reason::SourceManagerFailed,
            message: format!("failed configuring source manager: {error}"),
            diagnosis: match &error {
                OpenError::Url(_) => None,
                OpenError::Mirror(error) => Some(Diagnosis::of_mirror(error)),
            },
        }
    }
}

impl From<WriteError> for LandError {
    fn from(error: WriteError) -> Self {
        let (reason, diagnosis) = match &error {
            WriteError::Mirror(error) => (Reason::GitOperationFailed, Some(Diagnosis::of_mirror(error))),
            WriteError::Fetch(error) => (Reason::GitOperationFailed, Some(Diagnosis::of_fetch(error))),
            WriteError::Push(error) => (Reason::GitOperationFailed, Some(Diagnosis::of_push(error))),
            // Only people can help, so it is not tried again soon.
            WriteError::ForeignCommit { .. } | WriteError::NotFastForward(_) => {
                (Reason::GitOperationFailed, Some(Fault::PushRejected.into()))
            }
            WriteError::NoReference(_)
            | WriteError::BranchName(_)
            | WriteError::CommitId { .. }
            | WriteError::Range(_)
            | WriteError::NoMatch(_)
            | WriteError::MayNotPush => (Reason::GitOperationFailed, None),
            WriteError::Stack(error) => (reason_of(error), None),
        };
        let message = match &error {
            WriteError::Mirror(_) | WriteError::BranchName(_) => {
                format!("failed to checkout source: {error}")
            }
            _ => error.to_string(),
        };
        Self {
            reason,
            message,
            diagnosis,
        }
    }
}
