//! `fluxbot update` on a folder: the files of a checkout.

use std::path::{Path, PathBuf};

use super::remote::{self, blocking};
use super::report::Outcome;
use super::{Mode, UpdateArgs, leave_out_foreign, scan_and_select};
use crate::cli::Failure;
use crate::committer::{Checkout, CommitPlan, Landed, PlanDefaults, Work};
use crate::objects::{Directory, Files, FilesError, ObjectKey};
use crate::setters::{ChangeSet, Edited};
use crate::update::{self, AutomationOutcome, FileEdit, Overlay, PlannedWorks, edit_directory};

pub(super) async fn run(args: &UpdateArgs, mode: Mode) -> Result<(), Failure> {
    let root = root_of(Path::new(&args.repo))?;
    let files = Directory::new(&root);
    let mut objects = args.load_objects(&files)?;
    // A folder that is no checkout has no URL, and one that cannot be opened says why when it is written to.
    if let Some(url) = Checkout::open(&root)
        .ok()
        .and_then(|checkout| checkout.remote_url())
    {
        leave_out_foreign(&mut objects, &url);
    }
    let checkout = match mode {
        Mode::DryRun => None,
        Mode::Commit | Mode::Push => Some(open(&root, args.branch.as_deref())?),
    };
    let (_, policies) = scan_and_select(&objects).await?;
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
    let Some(checkout) = checkout else {
        let defaults = PlanDefaults {
            branch: args.branch.clone(),
            default_branch: None,
        };
        let (automations, edits) = preview(&files, update::plan_works(&objects, &policies, &defaults))?;
        return outcome(&automations, &edits);
    };
    let branch = if mode == Mode::Push {
        checkout.upstream()
    } else {
        checkout.branch().to_owned()
    };
    let defaults = PlanDefaults {
        branch: Some(branch),
        default_branch: None,
    };
    let works = update::plan_works(&objects, &policies, &defaults);
    let automations = match mode {
        Mode::Push => push(checkout, works).await?,
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

fn open(root: &Path, branch: Option<&str>) -> Result<Checkout, Failure> {
    let checkout = Checkout::open(root).map_err(Failure::invalid)?;
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
        checkout.branch().clone_into(&mut plan.push_branch);
    }
    let landed = blocking(move || checkout.commit(&works))
        .await?
        .map_err(Failure::failed)?;
    for ((automation, plan), landed) in keys.into_iter().zip(plans).zip(landed) {
        outcomes.push(AutomationOutcome {
            automation,
            plan: Some(plan),
            result: Ok(landed),
        });
    }
    outcomes.sort_by(|a, b| a.automation.cmp(&b.automation));
    Ok(outcomes)
}

/// Pushes to the checkout's remote, and brings the pushed commits into the checkout when they are built on what it has.
async fn push(checkout: Checkout, works: PlannedWorks) -> Result<Vec<AutomationOutcome>, Failure> {
    let no_remote =
        || Failure::invalid("the checkout has no remote to push to").hint("git remote add origin URL");
    let url = checkout.remote_url().ok_or_else(no_remote)?;
    let own: Vec<Work> = works.iter().filter_map(|(_, work)| work.clone().ok()).collect();
    // Files with changes of the user are found before anything is pushed.
    let checkout = blocking(move || checkout.build(&own).map(|_| checkout))
        .await?
        .map_err(Failure::failed)?;
    let remote = remote::open(&url).await?;
    let (automations, landings) = update::land(&remote.writer, works, &remote::report_push).await;
    let followed = checkout.upstream();
    for landing in landings {
        let is_followed = landing
            .landed
            .iter()
            .flat_map(|landed| &landed.commit)
            .all(|commit| commit.branch == followed);
        if landing.layers.is_empty() || !is_followed {
            continue;
        }
        if landing.base == checkout.head() {
            blocking(move || checkout.take(&landing.layers))
                .await?
                .map_err(Failure::failed)?;
        } else {
            eprintln!("note: the remote branch has commits that this checkout does not have: run git pull");
        }
        break;
    }
    Ok(automations)
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
    let mut changes = ChangeSet::default();
    for (path, edit) in edit_directory(overlay, &work.plan.path, &work.selections)? {
        if let Some(content) = edit.edited.content {
            overlay.replace(&path, content);
        }
        let skipped = edit
            .edited
            .skipped
            .into_iter()
            .filter(|skipped| skipped.concerns(&work.plan.namespace));
        changes.record(&path, edit.edited.changes, skipped.collect());
    }
    Ok(changes)
}
