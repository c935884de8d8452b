//! Lands changes on a branch: fetch, set, commit, push, and again when somebody else was faster.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use fluxbot_git::{
    FetchError, InvalidRefName, Mirror, MirrorError, ObjectId, PreparedCommit, PushError, PushOptions,
    RefName, RefQuery, RefUpdate, Remote, Snapshot,
};

use super::stack::{self, Layer, Stack, StackError};
use super::{Landed, Work};
use crate::setters::MarkerIndex;

/// How often a lost race is run again before the error is reported.
const MAX_RACES: u32 = 50;

/// How often a push is sent again after its answer was lost. A server that fails each time is ailing.
const MAX_LOST_ANSWERS: u32 = 3;

/// The pause before the second try after a lost answer, and the step by which it grows.
const LOST_ANSWER_PAUSE: Duration = Duration::from_secs(1);

/// Longest pause before a lost race is run again. Short, because a race is lost to a push that is already done.
const MAX_PAUSE: Duration = Duration::from_millis(100);

/// What a push did.
#[derive(Debug, Clone, Default)]
pub struct Landing {
    /// The branch that was pushed.
    pub branch: String,
    /// One entry for each piece of work, in the same order.
    pub landed: Vec<Result<Landed, String>>,
    /// The commit below the first of `layers`.
    pub base: Option<ObjectId>,
    /// The head of the branch that was checked out, as it was before the push.
    pub checkout_head: Option<ObjectId>,
    /// The head of the branch that was pushed, as it was before; `None` when the push created it.
    pub push_head: Option<ObjectId>,
    /// The commits that were pushed.
    pub layers: Vec<Layer>,
    /// How often another writer was faster.
    pub lost_races: u32,
    /// What the server said beside its report, made safe to print.
    pub server_messages: Vec<String>,
}

/// Why nothing could be landed, or not known to be: after [`PushError::AnswerLost`], and after an error that follows it, the
/// commits may be on the branch. The next run finds out, and makes none twice.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The mirror's folder cannot be used.
    #[error(transparent)]
    Mirror(#[from] MirrorError),
    /// The remote cannot be read.
    #[error("failed to checkout source: {0}")]
    Fetch(#[from] FetchError),
    /// The branch to check out does not exist.
    #[error("failed to checkout source: branch '{0}' does not exist on the remote")]
    NoBranch(String),
    /// A branch has a name that Git does not allow.
    #[error("invalid branch name: {0}")]
    BranchName(#[from] InvalidRefName),
    /// The commits cannot be built.
    #[error(transparent)]
    Stack(#[from] StackError),
    /// The right to push was lost meanwhile.
    #[error("the push was not begun, because another controller leads now or this one is stopping")]
    MayNotPush,
    /// The server refused the push, or cannot be reached.
    #[error("failed to update source: {0}")]
    Push(#[from] PushError),
}

/// The heads of both branches before a push.
#[derive(Debug, Clone, Copy)]
struct Heads {
    checkout: Option<ObjectId>,
    push: Option<ObjectId>,
}

/// Writes to one repository. Its mirror and its marker index stay warm from one run to the next.
pub struct Writer {
    mirror: Arc<Mirror>,
    index: Mutex<MarkerIndex<ObjectId>>,
}

impl Writer {
    /// Opens the mirror of `remote` in `folder`, and creates or heals it where needed.
    pub fn open(folder: &Path, remote: Remote) -> Result<Self, WriteError> {
        Ok(Self::on(Arc::new(Mirror::open(folder, remote)?)))
    }

    /// Writes through a mirror that others use too: what they fetched is not fetched again, and what is pushed here is
    /// theirs without a fetch.
    #[must_use]
    pub fn on(mirror: Arc<Mirror>) -> Self {
        Self {
            mirror,
            index: Mutex::default(),
        }
    }

    /// The mirror that it writes through.
    #[must_use]
    pub fn mirror(&self) -> &Arc<Mirror> {
        &self.mirror
    }

    /// Reads a branch, or the remote's default branch, as it is now. Gives its name and its commit, `None` when the
    /// repository is empty.
    pub fn read(&self, branch: Option<&str>) -> Result<(Snapshot, String, Option<ObjectId>), WriteError> {
        let named = branch.map(RefName::branch).transpose()?;
        let query = named.clone().map_or(RefQuery::DefaultBranch, RefQuery::Name);
        let snapshot = self.mirror.fetch(&[query])?;
        let name = named.clone().or_else(|| snapshot.default_branch().cloned());
        let name = name.ok_or_else(|| WriteError::NoBranch("HEAD".to_owned()))?;
        let head = snapshot.head(&name);
        if head.is_none() && named.is_some() {
            return Err(WriteError::NoBranch(name.short().to_owned()));
        }
        Ok((snapshot, name.short().to_owned(), head))
    }

    /// Lands the work of some automations that check out the same branch and push to the same branch: a commit for each
    /// that has changes, stacked, in one push.
    ///
    /// A lost race is run again on the new head, with a short pause. When the answer to a push is lost, the branch is
    /// read to find out whether the commits are there, so none is made twice.
    ///
    /// The commits are first built on the head that the mirror knows, because the push names the head that it replaces, and
    /// the server refuses it before anything is sent when the branch has moved. Only then, and when there seems to be
    /// nothing to change, is the branch read.
    ///
    /// Blocks: call it from a thread that may.
    pub fn land(&self, works: &[Work]) -> Result<Landing, WriteError> {
        self.land_while(works, &|| true)
    }

    /// The same as long as `may_push` says so; it is asked right before each push. What was selected under a lease must not be
    /// set again on a head that the next holder has pushed.
    pub fn land_while(&self, works: &[Work], may_push: &dyn Fn() -> bool) -> Result<Landing, WriteError> {
        let Some(first) = works.first() else {
            return Ok(Landing::default());
        };
        let checkout = RefName::branch(&first.plan.checkout_branch)?;
        let target = RefName::branch(&first.plan.push_branch)?;
        let options = PushOptions {
            push_options: first.plan.push_options.clone(),
            ..PushOptions::default()
        };
        let mut lost_races = 0;
        let mut lost_answers = 0;
        // The commits of a push whose answer was lost.
        let mut sent: Option<(Stack, Heads)> = None;
        let mut known = self.build_on_known(works, &checkout, &target);
        loop {
            let is_guess = known.is_some();
            let (stack, heads) = match known.take() {
                Some(built) => built,
                None => self.build(works, &checkout, &target)?,
            };
            let Some(tip) = stack.layers.last().map(|layer| layer.commit.id()) else {
                // When nothing is left to change after a lost answer, it is because those commits landed.
                let (stack, heads) = sent.unwrap_or((stack, heads));
                return Ok(landing(&target, stack, heads, lost_races, Vec::new()));
            };
            let update = RefUpdate {
                name: target.clone(),
                old: heads.push,
                new: Some(tip),
            };
            if !may_push() {
                return Err(WriteError::MayNotPush);
            }
            let commits: Vec<&PreparedCommit> = stack.layers.iter().map(|layer| &layer.commit).collect();
            match self.mirror.push(&[update], &commits, &options) {
                Ok(pushed) => return Ok(landing(&target, stack, heads, lost_races, pushed.messages)),
                // The branch has moved since the last look, or the server is not there: what a fetch says of it is the
                // better message.
                Err(PushError::Stale { .. } | PushError::Remote(_)) if is_guess => {}
                Err(PushError::Stale { .. }) if lost_races < MAX_RACES => {
                    lost_races += 1;
                    thread::sleep(pause(lost_races, &tip));
                }
                Err(PushError::AnswerLost { .. }) if lost_answers < MAX_LOST_ANSWERS => {
                    // The next round reads the branch. Whether the commits are at its tip, below it or were refused: setting
                    // the markers again is right, and changes nothing when they landed.
                    thread::sleep(LOST_ANSWER_PAUSE * lost_answers);
                    lost_answers += 1;
                    sent = Some((stack, heads));
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Builds the commits on the head of the last fetch or push. `None` where that is not known, where there is nothing to
    /// change on it, or where one of the works fails on it: all of these may be otherwise on the present head.
    ///
    /// Only for works that push to the branch that they check out: a push says nothing of another branch's head.
    fn build_on_known(&self, works: &[Work], checkout: &RefName, target: &RefName) -> Option<(Stack, Heads)> {
        if checkout != target {
            return None;
        }
        let snapshot = self.mirror.known();
        let head = snapshot.head(target)?;
        let stack = stack::build(&self.index, snapshot, head, target.short(), works).ok()?;
        let is_whole = !stack.layers.is_empty() && stack.landed.iter().all(Result::is_ok);
        let heads = Heads {
            checkout: Some(head),
            push: Some(head),
        };
        is_whole.then_some((stack, heads))
    }

    /// Fetches, and builds the commits. Gives them with the present heads of the branches.
    fn build(
        &self,
        works: &[Work],
        checkout: &RefName,
        target: &RefName,
    ) -> Result<(Stack, Heads), WriteError> {
        let mut queries = vec![RefQuery::Name(checkout.clone())];
        if target != checkout {
            queries.push(RefQuery::Name(target.clone()));
        }
        let snapshot = self.mirror.fetch(&queries)?;
        let heads = Heads {
            checkout: snapshot.head(checkout),
            push: snapshot.head(target),
        };
        // As in Flux, work goes on on top of a push branch that exists.
        let head = heads.push.or(heads.checkout);
        let head = head.ok_or_else(|| WriteError::NoBranch(checkout.short().to_owned()))?;
        let stack = stack::build(&self.index, snapshot, head, target.short(), works)?;
        Ok((stack, heads))
    }
}

fn landing(
    branch: &RefName,
    stack: Stack,
    heads: Heads,
    lost_races: u32,
    server_messages: Vec<String>,
) -> Landing {
    Landing {
        branch: branch.short().to_owned(),
        landed: stack.landed,
        base: Some(stack.base),
        checkout_head: heads.checkout,
        push_head: heads.push,
        layers: stack.layers,
        lost_races,
        server_messages,
    }
}

/// A pause before the next attempt, longer with each lost race. The commit's own id spreads the writers: it differs
/// between them, as their changes do.
fn pause(lost_races: u32, seed: &ObjectId) -> Duration {
    let spread = seed.to_string().bytes().fold(u64::from(lost_races), |sum, byte| {
        sum.wrapping_mul(31).wrapping_add(u64::from(byte))
    });
    let limit = u64::try_from(MAX_PAUSE.as_millis())
        .unwrap_or(u64::MAX)
        .min(5 * u64::from(lost_races));
    Duration::from_millis(spread % (limit + 1))
}
