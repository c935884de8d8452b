//! Lands changes on a branch: fetch, set, commit, push, and again when somebody else was faster.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use fluxbot_git::{
    FetchError, InvalidObjectId, InvalidRefName, Mirror, MirrorError, ObjectId, PreparedCommit, PushError,
    PushOptions, RefName, RefQuery, RefUpdate, Remote, Snapshot,
};
use fluxbot_semver::InvalidRange;

use super::history::{Contained, History};
use super::push_branch::{self, Verdict};
use super::races::pause;
use super::reference::{CheckoutRef, RefspecSource};
use super::stack::{self, Ground, Layer, Ownership, Stack, StackError};
use super::start::{self, Start};
use super::{Landed, Target, Work};
use crate::setters::MarkerIndex;

/// How often a lost race is run again before the error is reported.
const MAX_RACES: u32 = 50;

/// How often a push is sent again after its answer was lost. A server that fails each time is ailing.
const MAX_LOST_ANSWERS: u32 = 3;

/// The pause before the second try after a lost answer, and the step by which it grows.
const LOST_ANSWER_PAUSE: Duration = Duration::from_secs(1);

/// What a push did.
#[derive(Debug, Clone, Default)]
pub struct Landing {
    /// The branch that was pushed.
    pub branch: String,
    /// One entry for each piece of work, in the same order.
    pub landed: Vec<Result<Landed, Arc<StackError>>>,
    /// The commit below the first of `layers`.
    pub base: Option<ObjectId>,
    /// The revision of what was checked out, as Flux writes it: `main@sha1:…`.
    pub checkout_revision: String,
    /// The head of the branch that was pushed, as it was before; `None` when the push created it.
    pub push_head: Option<ObjectId>,
    /// The head that the branch got; `None` when nothing was pushed.
    pub pushed: Option<ObjectId>,
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
    /// What is to be checked out does not exist.
    #[error("failed to checkout source: {0} does not exist on the remote")]
    NoReference(CheckoutRef),
    /// A branch, tag or reference has a name that Git does not allow.
    #[error("invalid branch name: {0}")]
    BranchName(#[from] InvalidRefName),
    /// The commit to check out is not named by its full id.
    #[error("failed to checkout source: unable to resolve commit object for '{id}': {source}")]
    CommitId {
        /// What was given.
        id: String,
        /// What is wrong with it.
        #[source]
        source: InvalidObjectId,
    },
    /// The range of tags is malformed.
    #[error("failed to checkout source: semver parse error: {0}")]
    Range(#[source] InvalidRange),
    /// No tag is in the range.
    #[error("failed to checkout source: no match found for semver: {0}")]
    NoMatch(String),
    /// A commit of somebody else is on the push branch, which is left alone.
    #[error(
        "failed to update source: push branch '{branch}' has the commit {commit} by {author}, which is not fluxbot's, and is left \
         as it is; merge the branch and delete it, or take the commit out"
    )]
    ForeignCommit {
        /// The push branch.
        branch: String,
        /// The commit's short id.
        commit: String,
        /// Name and address.
        author: String,
    },
    /// The reference has commits that would be lost.
    #[error("failed to update source: failed to push to remote: non-fast-forward update: {0}")]
    NotFastForward(RefName),
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

/// Where commits are built, and what is there already.
struct Site {
    start: Start,
    target: RefName,
    /// The head of the push branch.
    push_head: Option<ObjectId>,
    /// The commit to build on.
    base: ObjectId,
    /// Whose the push branch is.
    ownership: Ownership,
    /// Whether the push branch is made anew.
    is_rebuilt: bool,
}

/// What is to be pushed.
struct Attempt {
    site: Site,
    stack: Stack,
    /// The head that the branch shall get; `None` when there is nothing to push.
    tip: Option<ObjectId>,
    updates: Vec<RefUpdate>,
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
        let missing = |name: &str| WriteError::NoReference(CheckoutRef::Branch(name.to_owned()));
        let name = name.ok_or_else(|| missing("HEAD"))?;
        let head = snapshot.head(&name);
        if head.is_none() && named.is_some() {
            return Err(missing(name.short()));
        }
        Ok((snapshot, name.short().to_owned(), head))
    }

    /// The commit that the work of some automations with one target would be built on, and the files behind it.
    pub fn base(&self, works: &[Work]) -> Result<Option<(Snapshot, ObjectId)>, WriteError> {
        let Some(first) = works.first() else {
            return Ok(None);
        };
        let site = self.site(&first.plan.target, works, true)?;
        Ok(Some((site.start.snapshot, site.base)))
    }

    /// Lands the work of some automations with the same target: a commit for each that has changes, stacked, in one push.
    ///
    /// A lost race is run again on the new head, with a short pause. When the answer to a push is lost, the branch is
    /// read to find out whether the commits are there, so none is made twice.
    ///
    /// A push branch that is not what was checked out is made anew on that, when every commit on it is of these automations;
    /// nothing is pushed when its files would be the same. With commits of other automations on it, work goes on on top of
    /// them. One with somebody else's commit is left alone.
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
        let target = &first.plan.target;
        let mut lost_races = 0;
        let mut lost_answers = 0;
        let mut may_rebuild = true;
        // A push whose answer was lost.
        let mut sent: Option<Attempt> = None;
        let mut known = self.attempt_on_known(target, works);
        loop {
            let is_guess = known.is_some();
            let attempt = match known.take() {
                Some(attempt) => attempt,
                None => self.attempt(target, works, may_rebuild)?,
            };
            match sent.take() {
                Some(lost) if self.has_arrived(&lost, &attempt)? => {
                    return Ok(lost.landed(lost_races, Vec::new()));
                }
                other => sent = other,
            }
            let Some(tip) = attempt.tip else {
                return Ok(attempt.landed(lost_races, Vec::new()));
            };
            if !may_push() {
                return Err(WriteError::MayNotPush);
            }
            match self.push(target, &attempt) {
                Ok(messages) => return Ok(attempt.landed(lost_races, messages)),
                // The branch has moved since the last look, or the server is not there: what a fetch says of it is the
                // better message.
                Err(PushError::Stale { sent: false, .. } | PushError::Remote(_)) if is_guess => {}
                Err(PushError::Stale { .. }) if lost_races < MAX_RACES => {
                    lost_races += 1;
                    thread::sleep(pause(lost_races, &tip));
                }
                Err(PushError::AnswerLost { .. }) if lost_answers < MAX_LOST_ANSWERS => {
                    // The next round reads the branch. Whether the commits are at its tip, below it or were refused: setting
                    // the markers again is right, and changes nothing when they landed.
                    thread::sleep(LOST_ANSWER_PAUSE * lost_answers);
                    lost_answers += 1;
                    sent = Some(attempt);
                }
                // The server may refuse that a branch is made anew, and take commits on top of it.
                Err(PushError::Rejected { .. }) if attempt.site.is_forced() => may_rebuild = false,
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Whether the commits of a push without an answer are on the branch, as `now` has found it. That nothing is left to change
    /// does not say so: somebody else may have changed it.
    fn has_arrived(&self, sent: &Attempt, now: &Attempt) -> Result<bool, WriteError> {
        let (Some(tip), Some(head)) = (sent.tip, now.site.push_head) else {
            return Ok(false);
        };
        if head == tip || now.tip.is_some() {
            return Ok(head == tip);
        }
        let history = History::new(&self.mirror, &now.site.start.snapshot);
        Ok(history.contains(head, tip)? == Contained::Yes)
    }

    /// Pushes; gives what the server said.
    fn push(&self, target: &Target, attempt: &Attempt) -> Result<Vec<String>, PushError> {
        let commits: Vec<&PreparedCommit> = attempt.stack.layers.iter().map(|layer| &layer.commit).collect();
        let mut options = PushOptions {
            push_options: target.push_options.clone(),
            // A refspec that is refused must not leave the branch pushed: the next run would find nothing to do.
            atomic: attempt.updates.len() > 1,
        };
        let pushed = match self.mirror.push(&attempt.updates, &commits, &options) {
            Err(PushError::Unsupported { capability: "atomic" }) => {
                options.atomic = false;
                self.mirror.push(&attempt.updates, &commits, &options)
            }
            outcome => outcome,
        };
        pushed.map(|pushed| pushed.messages)
    }

    /// Fetches, and finds out where to build.
    fn site(&self, target: &Target, works: &[Work], may_rebuild: bool) -> Result<Site, WriteError> {
        let push = RefName::branch(&target.push_branch)?;
        let mut further = vec![push.clone()];
        if let Some(refspec) = &target.refspec {
            further.push(RefName::new(refspec.destination.as_str())?);
        }
        let start = start::fetch(&self.mirror, &target.checkout, &further)?;
        let push_head = start.snapshot.head(&push);
        let mut site = Site {
            base: start.commit,
            ownership: if target.switches {
                Ownership::Own(Some(start.commit))
            } else {
                Ownership::Shared
            },
            is_rebuilt: target.switches,
            target: push,
            push_head,
            start,
        };
        let Some(head) = push_head.filter(|head| *head != site.start.commit) else {
            return Ok(site);
        };
        let history = History::new(&self.mirror, &site.start.snapshot);
        if !target.switches {
            // Checked out by something else than its head: only what the branch has already may be built on.
            return match history.contains(site.start.commit, head)? {
                Contained::Yes => Ok(site),
                Contained::No | Contained::Unknown => Err(WriteError::NotFastForward(site.target)),
            };
        }
        match push_branch::judge(&history, head, site.start.commit, works)? {
            Verdict::Rebuild { .. } if may_rebuild => {}
            Verdict::Rebuild { base } | Verdict::Continue { base } => {
                site.base = head;
                site.ownership = Ownership::Own(base);
                site.is_rebuilt = false;
            }
            Verdict::Foreign(commit) => {
                let person = push_branch::person(&commit);
                return Err(WriteError::ForeignCommit {
                    branch: target.push_branch.clone(),
                    commit: commit.id.short(7),
                    author: format!("{} <{}>", person.name, person.email),
                });
            }
        }
        Ok(site)
    }

    /// Fetches, and builds the commits.
    fn attempt(&self, target: &Target, works: &[Work], may_rebuild: bool) -> Result<Attempt, WriteError> {
        let site = self.site(target, works, may_rebuild)?;
        let snapshot = site.start.snapshot.clone();
        let ground = Ground::of(target, site.base, site.ownership);
        let mut stack = stack::build(&self.index, snapshot, &ground, works)?;
        // Made anew, the branch would lose the commit of one whose work fails now. Asked for so, the site is never forced again.
        if site.is_forced() && stack.landed.iter().any(Result::is_err) {
            let mut attempt = self.attempt(target, works, false)?;
            attempt.stack.keep_failures(stack.landed);
            return Ok(attempt);
        }
        let mut tip = stack.layers.last().map(|layer| layer.commit.id());
        if let Some(head) = site.push_head.filter(|_| site.is_rebuilt) {
            match stack.layers.last() {
                Some(top)
                    if site.start.snapshot.commit(&head).map_err(StackError::from)?.tree
                        == top.commit.tree() =>
                {
                    // The branch has it all.
                    tip = None;
                    stack.forget_commits();
                }
                Some(_) => {}
                None => tip = self.stale(&site, head, works)?.then_some(site.start.commit),
            }
        }
        let updates = match tip {
            Some(tip) => self.updates(target, &site, tip)?,
            None => Vec::new(),
        };
        Ok(Attempt {
            site,
            stack,
            tip,
            updates,
        })
    }

    /// Builds the commits on the head of the last fetch or push. `None` where that is not known, where there is nothing to
    /// change on it, or where one of the works fails on it: all of these may be otherwise on the present head.
    ///
    /// Only for works that push to the branch that they check out: a push says nothing of another branch's head.
    fn attempt_on_known(&self, target: &Target, works: &[Work]) -> Option<Attempt> {
        let is_one_branch = !target.switches && target.refspec.is_none();
        let branch = match &target.checkout {
            CheckoutRef::Branch(branch) if is_one_branch && *branch == target.push_branch => branch,
            _ => return None,
        };
        let name = RefName::branch(branch).ok()?;
        let snapshot = self.mirror.known();
        let head = snapshot.head(&name)?;
        let stack = stack::build(&self.index, snapshot.clone(), &Ground::on(head, branch), works).ok()?;
        let tip = stack.layers.last()?.commit.id();
        if stack.landed.iter().any(Result::is_err) {
            return None;
        }
        let site = Site {
            start: Start {
                snapshot,
                commit: head,
                revision: format!("{branch}@sha1:{head}"),
            },
            target: name.clone(),
            push_head: Some(head),
            base: head,
            ownership: Ownership::Shared,
            is_rebuilt: false,
        };
        Some(Attempt {
            site,
            stack,
            tip: Some(tip),
            updates: vec![RefUpdate {
                name,
                old: Some(head),
                new: Some(tip),
            }],
        })
    }

    /// Whether the push branch proposes what is no longer wanted, when what was checked out needs no change.
    fn stale(&self, site: &Site, head: ObjectId, works: &[Work]) -> Result<bool, WriteError> {
        if head == site.start.commit {
            return Ok(false);
        }
        let ground = Ground::on(head, site.target.short());
        let stack = stack::build(&self.index, site.start.snapshot.clone(), &ground, works)?;
        Ok(!stack.layers.is_empty())
    }

    /// The references that move.
    fn updates(&self, target: &Target, site: &Site, tip: ObjectId) -> Result<Vec<RefUpdate>, WriteError> {
        let mut updates = vec![RefUpdate {
            name: site.target.clone(),
            old: site.push_head,
            new: Some(tip),
        }];
        let Some(refspec) = &target.refspec else {
            return Ok(updates);
        };
        let name = RefName::new(refspec.destination.as_str())?;
        let new = match refspec.source {
            RefspecSource::PushBranch => tip,
            RefspecSource::Checkout => site.start.commit,
        };
        let snapshot = &site.start.snapshot;
        let mut references = snapshot.references();
        let old = references
            .find(|reference| reference.name == name)
            .map(|reference| reference.id);
        if name == site.target || old == Some(new) {
            return Ok(updates);
        }
        // As in Flux, a push branch of its own is pushed with force, and so is the refspec.
        if let Some(old) = old.filter(|old| !refspec.is_forced && !target.switches && *old != site.base) {
            let history = History::new(&self.mirror, snapshot);
            if history.contains(site.base, old)? != Contained::Yes {
                return Err(WriteError::NotFastForward(name));
            }
        }
        updates.push(RefUpdate {
            name,
            old,
            new: Some(new),
        });
        Ok(updates)
    }
}

impl Site {
    /// Whether commits of the push branch go.
    fn is_forced(&self) -> bool {
        self.is_rebuilt && self.push_head.is_some_and(|head| head != self.base)
    }
}

impl Attempt {
    fn landed(self, lost_races: u32, server_messages: Vec<String>) -> Landing {
        Landing {
            branch: self.site.target.short().to_owned(),
            landed: self.stack.landed,
            base: Some(self.stack.base),
            checkout_revision: self.site.start.revision,
            push_head: self.site.push_head,
            pushed: self.tip,
            layers: self.stack.layers,
            lost_races,
            server_messages,
        }
    }
}
