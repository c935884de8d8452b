//! `fluxbot update --repo URL`: without any work tree.

use std::collections::BTreeMap;
use std::env;
use std::path::Path;
use std::sync::Arc;

use fluxbot_git::{Credential, InvalidRemoteUrl, MirrorError, ObjectId, Remote, RemoteUrl, Snapshot, Ssh};
use sha2::{Digest, Sha256};
use tempfile::TempDir;
use tokio::runtime::Handle;

use super::checkout::{self, Preview};
use super::report::Outcome;
use super::ssh::SshArgs;
use super::{Mode, UpdateArgs, cache_folder, leave_out_foreign, scan_and_select};
use crate::cli::Failure;
use crate::committer::{PlanDefaults, Target, Work, WriteError, Writer};
use crate::git::GitHttp;
use crate::hexadecimal::hexadecimal;
use crate::http::{ClientSettings, HttpClients};
use crate::objects::{GitTree, ObjectKey};
use crate::update::{self, AutomationOutcome, PlannedWorks, Step};

pub(super) async fn run(args: &UpdateArgs, url: &str, mode: Mode) -> Result<(), Failure> {
    if mode == Mode::Commit {
        return Err(Failure::invalid(
            "--commit needs a checkout; with a URL use --push",
        ));
    }
    let remote = open(url, &args.ssh).await?;
    let read = read(&remote.writer, args.branch.clone()).await?;
    let (branch, files) = files_of(read.map_err(Failure::failed)?)?;
    let mut objects = args.load_objects(&files)?;
    leave_out_foreign(&mut objects, url);
    let policies = scan_and_select(&objects, args).await?;
    let defaults = PlanDefaults {
        branch: args.branch.clone(),
        default_branch: Some(branch.clone()),
        signs: false,
        preset: args.commit_message,
    };
    let works = update::plan_works(&objects, &policies, &defaults);
    let (automations, edits) = match mode {
        Mode::Push => (
            update::land(&remote.writer, works, &report_push).await.0,
            Vec::new(),
        ),
        _ => preview(&remote.writer, works).await?,
    };
    Outcome {
        mode,
        objects: &objects,
        policies: &policies,
        automations: &automations,
        edits: &edits,
    }
    .print(args.output)
}

type Read = (Snapshot, String, Option<ObjectId>);

/// Reads a branch, or the default branch.
async fn read(writer: &Arc<Writer>, branch: Option<String>) -> Result<Result<Read, WriteError>, Failure> {
    let writer = Arc::clone(writer);
    blocking(move || writer.read(branch.as_deref())).await
}

/// The name and the files of a branch.
fn files_of((snapshot, branch, head): Read) -> Result<(String, GitTree), Failure> {
    let empty = || {
        Failure::invalid(format!(
            "the repository is empty: branch '{branch}' does not exist"
        ))
    };
    let files = GitTree::of_commit(snapshot, &head.ok_or_else(empty)?).map_err(Failure::failed)?;
    Ok((branch, files))
}

/// Shows what would change, on the commits that a push would be built on.
async fn preview(writer: &Arc<Writer>, works: PlannedWorks) -> Result<Preview, Failure> {
    let mut targets: BTreeMap<Target, Vec<(ObjectKey, Work)>> = BTreeMap::new();
    let mut outcomes = Vec::new();
    let mut edits = Vec::new();
    for (automation, work) in works {
        match work {
            Ok(work) => {
                let target = work.plan.target.clone();
                targets.entry(target).or_default().push((automation, work));
            }
            Err(reason) => outcomes.push(AutomationOutcome {
                automation,
                plan: None,
                result: Err(reason),
            }),
        }
    }
    for group in targets.into_values() {
        let works: Vec<Work> = group.iter().map(|(_, work)| work.clone()).collect();
        let shared = Arc::clone(writer);
        match blocking(move || shared.base(&works)).await? {
            Ok(None) => {}
            Ok(Some((snapshot, base))) => {
                let files = GitTree::of_commit(snapshot, &base).map_err(Failure::failed)?;
                let group = group.into_iter().map(|(automation, work)| (automation, Ok(work)));
                let (mut more, mut changed) = checkout::preview(&files, group.collect())?;
                outcomes.append(&mut more);
                edits.append(&mut changed);
            }
            Err(error) => {
                let reason = error.to_string();
                outcomes.extend(group.into_iter().map(|(automation, work)| AutomationOutcome {
                    automation,
                    plan: Some(work.plan),
                    result: Err(reason.clone()),
                }));
            }
        }
    }
    outcomes.sort_by(|a, b| a.automation.cmp(&b.automation));
    Ok((outcomes, edits))
}

/// Says what the server said, and how often the race was lost.
pub(super) fn report_push(step: Step) {
    if let Step::Pushed {
        branch,
        lost_races,
        messages,
    } = step
    {
        match lost_races {
            0 => {}
            1 => eprintln!("pushed to {branch} after 1 lost race"),
            count => eprintln!("pushed to {branch} after {count} lost races"),
        }
        for message in messages {
            eprintln!("remote: {message}");
        }
    }
}

/// A repository that can be written to.
pub(super) struct Opened {
    pub writer: Arc<Writer>,
    /// The mirror's folder, when it lasts for this run only.
    _folder: Option<TempDir>,
}

/// Opens the mirror of a repository in the cache folder; every URL and user has one of its own. While another process uses
/// it, a mirror for this run alone serves.
pub(super) async fn open(text: &str, ssh: &SshArgs) -> Result<Opened, Failure> {
    let url = match text.parse::<RemoteUrl>() {
        // What `git clone` takes, and writes into checkouts.
        Err(InvalidRemoteUrl::ScpLike) => RemoteUrl::from_scp_like(text),
        parsed => parsed,
    };
    let url = url.map_err(Failure::invalid)?;
    let mut hash = Sha256::new();
    hash.update(url.to_string());
    // A path of the short form may start somewhere else than that of the long one.
    hash.update([u8::from(text.contains("://"))]);
    let remote = if url.is_ssh() {
        let ssh = ssh.clone();
        let credential = blocking(move || ssh.credential()).await??;
        hash.update(credential.identity());
        Remote::over_ssh(url, credential, Ssh::with_defaults(Handle::current()))
    } else {
        let credential = credential_of_environment();
        if let Credential::Basic { username, .. } = &credential {
            hash.update(username);
        }
        let http = GitHttp::new(HttpClients::new(), ClientSettings::default());
        Remote::new(url, credential, Arc::new(http))
    };
    let name = hexadecimal(hash.finalize().get(..16).unwrap_or_default());
    let folder = cache_folder().join("mirrors").join(name);
    blocking(move || open_mirror(&folder, remote)).await?
}

fn open_mirror(folder: &Path, remote: Remote) -> Result<Opened, Failure> {
    match Writer::open(folder, remote.clone()) {
        Ok(writer) => Ok(Opened {
            writer: Arc::new(writer),
            _folder: None,
        }),
        Err(WriteError::Mirror(MirrorError::InUse { .. })) => {
            let own = tempfile::Builder::new().prefix("fluxbot-mirror-").tempdir();
            let own = own.map_err(|error| {
                Failure::failed(format!("cannot create a folder for the mirror: {error}"))
            })?;
            let writer = Writer::open(&own.path().join("mirror"), remote).map_err(Failure::failed)?;
            Ok(Opened {
                writer: Arc::new(writer),
                _folder: Some(own),
            })
        }
        Err(error) => Err(Failure::failed(error)),
    }
}

/// The Git credential that the environment gives.
fn credential_of_environment() -> Credential {
    let set = |name: &str| env::var(name).ok().filter(|value| !value.is_empty());
    match (set("FLUXBOT_GIT_TOKEN"), set("FLUXBOT_GIT_PASSWORD")) {
        (Some(token), _) => Credential::Bearer(token),
        (None, Some(password)) => {
            let username = set("FLUXBOT_GIT_USERNAME").unwrap_or_else(|| "git".to_owned());
            Credential::Basic { username, password }
        }
        (None, None) => Credential::None,
    }
}

/// Runs Git work on a thread that may block.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Failure> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| Failure::failed(format!("internal error: {error}")))
}
