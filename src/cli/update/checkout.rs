//! `fluxbot update` on a folder: the files of a checkout.

use std::path::{Path, PathBuf};

use super::remote::{self, blocking};
use super::report::Outcome;
use super::ssh::SshArgs;
use super::{Mode, UpdateArgs, leave_out_foreign, scan_and_select};
use crate::cli::Failure;
use crate::committer::{Checkout, CommitPlan, Landed, Landing, PlanDefaults, Work};
use crate::objects::{Directory, Files, FilesError, ObjectKey};
use crate::setters::{ChangeSet, Edited};
use crate::update::{self, AutomationOutcome, FileEdit, Overlay, PlannedWorks, edit_directory};

pub(super) async fn run(args: &UpdateArgs, mode: Mode) -> Result<(), Failure> {
    let root = root_of(Path::new(&args.repo))?;
    let files = Directory::new(&root);
    let mut objects = args.load_objects(&files)?;
    // A folder that is no checkout has neither URL nor branch; one that cannot be opened says why when it is written to.
    let opened = Checkout::open(&root);
    if let Some(url) = opened.as_ref().ok().and_then(Checkout::remote_url) {
        leave_out_foreign(&mut objects, &url);
    }
    let branch = match (mode, &opened) {
        (Mode::Commit, Ok(checkout)) => Some(checkout.branch().to_owned()),
        (Mode::DryRun | Mode::Push, Ok(checkout)) => Some(checkout.upstream()),
        (_, Err(_)) => None,
    };
    let checkout = match mode {
        Mode::DryRun => None,
        Mode::Commit | Mode::Push => Some(checked(
            opened.map_err(Failure::invalid)?,
            args.branch.as_deref(),
        )?),
    };
    let policies = scan_and_select(&objects, args).await?;
    let outcome = |automations: &[AutomationOutcome], edits: &[(String, FileEdit)]| {
        Outcome {
            mode,
            objects: &objects,
            policies: &policies,
            automations,
            edits,
        }
        .print(args.output)
    };
    // A branch that is written to is the checked-out one, and on the remote the one that it follows.
    let branch = branch.or_else(|| args.branch.clone());
    let defaults = PlanDefaults {
        branch,
        // A folder that is no checkout has no branch, and nothing is written there.
        default_branch: Some("master".to_owned()),
        signs: false,
        preset: args.commit_message,
    };
    let works = update::plan_works(&objects, &policies, &defaults);
    let Some(checkout) = checkout else {
        let (automations, edits) = preview(&files, works)?;
        return outcome(&automations, &edits);
    };
    let automations = match mode {
        Mode::Push => push(checkout, works, &args.ssh).await?,
        _ => commit(checkout, works).await?,
    };
    outcome(&automations, &[])
}

/// The root of the checkout that a folder belongs to, or the folder itself.
fn root_of(folder: &Path) -> Result<PathBuf, Failure> {
    let absolute = folder
        .canonicalize()
        .map_err(|error| Failure::invalid(format!("cannot read {}: {error}", folder.display())))?;
    let root = absolute
        .ancestors()
        .find(|ancestor| ancestor.join(".git").exists());
    Ok(root.map_or_else(|| absolute.clone(), Path::to_owned))
}

/// Makes sure that the branch that the user names is the one that is checked out.
fn checked(checkout: Checkout, branch: Option<&str>) -> Result<Checkout, Failure> {
    match branch {
        Some(branch) if branch != checkout.branch() => Err(Failure::invalid(format!(
            "--branch {branch} is not checked out: the checkout is on {}",
            checkout.branch()
        ))),
        _ => Ok(checkout),
    }
}

/// Commits to the checked-out branch, whatever branch the automations push to.
async fn commit(checkout: Checkout, works: PlannedWorks) -> Result<Vec<AutomationOutcome>, Failure> {
    let (planned, mut outcomes) = part(works);
    let (keys, works): (Vec<ObjectKey>, Vec<Work>) = planned.into_iter().unzip();
    let mut plans: Vec<CommitPlan> = works.iter().map(|work| work.plan.clone()).collect();
    for plan in &mut plans {
        checkout.branch().clone_into(&mut plan.target.push_branch);
    }
    let landed = blocking(move || checkout.commit(&works))
        .await?
        .map_err(Failure::failed)?;
    for ((automation, plan), landed) in keys.into_iter().zip(plans).zip(landed) {
        outcomes.push(AutomationOutcome {
            automation,
            plan: Some(plan),
            result: landed.map_err(|error| error.to_string()),
        });
    }
    outcomes.sort_by(|a, b| a.automation.cmp(&b.automation));
    Ok(outcomes)
}

/// Pushes to the checkout's remote, and brings the pushed commits into the checkout when they are built on what it has.
async fn push(
    checkout: Checkout,
    works: PlannedWorks,
    ssh: &SshArgs,
) -> Result<Vec<AutomationOutcome>, Failure> {
    let no_remote =
        || Failure::invalid("the checkout has no remote to push to").hint("git remote add origin URL");
    let url = checkout.remote_url().ok_or_else(no_remote)?;
    let own: Vec<Work> = works.iter().filter_map(|(_, work)| work.clone().ok()).collect();
    // Files with changes of the user are found before anything is pushed.
    let checkout = blocking(move || checkout.build(&own).map(|_| checkout))
        .await?
        .map_err(Failure::failed)?;
    let remote = remote::open(&url, ssh).await?;
    let (automations, landings) = update::land(&remote.writer, works, &remote::report_push).await;
    follow(checkout, landings).await?;
    Ok(automations)
}

/// Brings pushed commits into the checkout, when all of them are built on what it has. The push is done by then, so whatever
/// prevents that is a note and no failure.
async fn follow(checkout: Checkout, landings: Vec<Landing>) -> Result<(), Failure> {
    let followed = checkout.upstream();
    let mut tip = checkout.head();
    let mut layers = Vec::new();
    for landing in landings {
        if landing.branch != followed || landing.layers.is_empty() {
            continue;
        }
        if landing.base != tip {
            eprintln!("note: the remote branch has commits that this checkout does not have: run git pull");
            return Ok(());
        }
        tip = landing.layers.last().map(|layer| layer.commit.id());
        layers.extend(landing.layers);
    }
    if layers.is_empty() {
        return Ok(());
    }
    let taken = blocking(move || checkout.take(&layers).and_then(|checkout| checkout.record_push())).await?;
    if let Err(error) = taken {
        eprintln!("note: pushed, but the checkout could not follow: {error}; run git pull");
    }
    Ok(())
}

/// Parts what was planned from what could not be planned.
fn part(works: PlannedWorks) -> (Vec<(ObjectKey, Work)>, Vec<AutomationOutcome>) {
    let mut planned = Vec::new();
    let mut failed = Vec::new();
    for (automation, work) in works {
        match work {
            Ok(work) => planned.push((automation, work)),
            Err(reason) => failed.push(AutomationOutcome {
                automation,
                plan: None,
                result: Err(reason),
            }),
        }
    }
    (planned, failed)
}

/// The outcomes of a dry run, without commits, and every file that would change, before and after.
pub(super) type Preview = (Vec<AutomationOutcome>, Vec<(String, FileEdit)>);

/// Applies all work to the files in memory, one automation after the other.
pub(super) fn preview(files: &dyn Files, works: PlannedWorks) -> Result<Preview, Failure> {
    let mut overlay = Overlay::new(files);
    let mut outcomes = Vec::new();
    for (automation, work) in works {
        let work = match work {
            Ok(work) => work,
            Err(reason) => {
                outcomes.push(AutomationOutcome {
                    automation,
                    plan: None,
                    result: Err(reason),
                });
                continue;
            }
        };
        let result = apply(&mut overlay, &work).map_err(|error| error.to_string());
        let result = result.map(|changes| Landed {
            commit: None,
            changes,
        });
        outcomes.push(AutomationOutcome {
            automation,
            plan: Some(work.plan),
            result,
        });
    }
    let mut edits = Vec::new();
    for (path, content) in overlay.replaced() {
        let original = files.read(path).map_err(Failure::failed)?.unwrap_or_default();
        let edited = Edited {
            content: Some(content.clone()),
            ..Edited::default()
        };
        edits.push((path.clone(), FileEdit { original, edited }));
    }
    Ok((outcomes, edits))
}

/// Applies the work of one automation to the overlay.
fn apply(overlay: &mut Overlay<'_>, work: &Work) -> Result<ChangeSet, FilesError> {
    let mut changes = ChangeSet {
        folder: work.plan.path.clone(),
        ..ChangeSet::default()
    };
    for (path, edit) in edit_directory(overlay, &work.plan.path, &work.selections)? {
        if let Some(content) = edit.edited.content {
            overlay.replace(&path, content);
        }
        let skipped = edit
            .edited
            .skipped
            .into_iter()
            .filter(|skipped| work.concerns(skipped));
        changes.record(&path, edit.edited.changes, skipped.collect());
    }
    Ok(changes)
}
