//! What `fluxbot update` prints at the end.

use std::io;

use serde::Serialize;

use super::Mode;
use crate::cli::output::{self, OutputFormat};
use crate::cli::{Failure, set};
use crate::image::PolicyKey;
use crate::objects::{ObjectKey, ObjectSet};
use crate::setters::ChangeSet;
use crate::update::{AutomationOutcome, FileEdit, PolicyOutcome};

/// How many digits of a commit's id are shown.
const SHORT_ID: usize = 7;

#[derive(Serialize)]
struct Report {
    policies: Vec<PolicyRow>,
    automations: Vec<AutomationRow>,
    changes: Vec<ChangeRow>,
}

#[derive(Serialize)]
struct PolicyRow {
    policy: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    image: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tag: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    digest: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

#[derive(Serialize)]
struct AutomationRow {
    automation: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    branch: Option<String>,
    files: usize,
    changes: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    commit: Option<String>,
    result: String,
    #[serde(skip)]
    failed: bool,
}

#[derive(Serialize)]
struct ChangeRow {
    path: String,
    line: usize,
    marker: String,
    old: String,
    new: String,
}

/// Everything that a run found out.
pub(super) struct Outcome<'a> {
    pub mode: Mode,
    pub objects: &'a ObjectSet,
    pub policies: &'a [PolicyOutcome],
    pub automations: &'a [AutomationOutcome],
    /// The edited files, for the diff of a dry run.
    pub edits: &'a [(String, FileEdit)],
}

impl Outcome<'_> {
    /// Prints the changes and the summary. Fails when anything failed.
    pub(super) fn print(&self, format: OutputFormat) -> Result<(), Failure> {
        let mut changes = ChangeSet::default();
        for outcome in self.automations {
            if let Ok(landed) = &outcome.result {
                changes.merge(landed.changes.clone());
            }
        }
        let report = Report {
            policies: self.policies.iter().map(policy_row).collect(),
            automations: self.automation_rows(),
            changes: change_rows(&changes),
        };
        output::print(format, &report, |out| self.print_text(out, &report, &changes))?;
        set::report_skipped(&changes);
        self.print_problems();
        let failed = report.automations.iter().any(|row| row.failed)
            || report.policies.iter().any(|row| row.error.is_some())
            || !self.objects.problems.is_empty();
        if failed { Err(Failure::silent()) } else { Ok(()) }
    }

    fn print_text(&self, out: &mut dyn io::Write, report: &Report, changes: &ChangeSet) -> io::Result<()> {
        if self.mode == Mode::DryRun {
            for (path, edit) in self.edits {
                let after = edit.edited.content.as_deref().unwrap_or(&edit.original);
                write!(out, "{}", set::unified_diff(path, &edit.original, after))?;
            }
        } else {
            set::print_changes(out, changes)?;
        }
        if !changes.is_empty() {
            writeln!(out)?;
        }
        let mut rows = vec![header(&["POLICY", "IMAGE", "SELECTED"])];
        for row in &report.policies {
            let selected = match (&row.tag, &row.error) {
                (Some(tag), _) => tag.clone(),
                (None, error) => format!("none: {}", error.as_deref().unwrap_or_default()),
            };
            rows.push(vec![
                row.policy.clone(),
                row.image.clone().unwrap_or_default(),
                selected,
            ]);
        }
        output::table(out, &rows)?;
        writeln!(out)?;
        let mut rows = vec![header(&[
            "AUTOMATION",
            "BRANCH",
            "FILES",
            "CHANGES",
            "COMMIT",
            "RESULT",
        ])];
        for row in &report.automations {
            let commit = row
                .commit
                .as_deref()
                .map_or("-", |id| id.get(..SHORT_ID).unwrap_or(id));
            rows.push(vec![
                row.automation.clone(),
                row.branch.clone().unwrap_or_else(|| "-".to_owned()),
                row.files.to_string(),
                row.changes.to_string(),
                commit.to_owned(),
                row.result.clone(),
            ]);
        }
        output::table(out, &rows)
    }

    fn automation_rows(&self) -> Vec<AutomationRow> {
        let suspended = self
            .objects
            .automations
            .iter()
            .filter(|(_, found)| found.object.spec.suspend == Some(true));
        let suspended = suspended.map(|(key, _)| AutomationRow {
            automation: key.to_string(),
            branch: None,
            files: 0,
            changes: 0,
            commit: None,
            result: "suspended".to_owned(),
            failed: false,
        });
        self.automations
            .iter()
            .map(|outcome| automation_row(outcome, self.mode))
            .chain(suspended)
            .collect()
    }

    fn print_problems(&self) {
        for problem in &self.objects.problems {
            eprintln!("error: {problem}");
        }
        for outcome in self.policies {
            if let Err(reason) = &outcome.result {
                let place = self.place(&outcome.policy);
                eprintln!(
                    "error: {place}ImagePolicy {}/{}: {reason}",
                    outcome.policy.namespace, outcome.policy.name
                );
            }
        }
        for outcome in self.automations {
            if let Err(reason) = &outcome.result {
                let declared = self.objects.automations.get(&outcome.automation);
                let place = declared
                    .map(|found| format!("{}:{}: ", found.file, found.line))
                    .unwrap_or_default();
                eprintln!(
                    "error: {place}ImageUpdateAutomation {}: {reason}",
                    outcome.automation
                );
            }
        }
    }

    fn place(&self, policy: &PolicyKey) -> String {
        let declared = self
            .objects
            .policies
            .get(&ObjectKey::new(&policy.namespace, &policy.name));
        declared
            .map(|found| format!("{}:{}: ", found.file, found.line))
            .unwrap_or_default()
    }
}

fn header(names: &[&str]) -> Vec<String> {
    names.iter().map(ToString::to_string).collect()
}

fn policy_row(outcome: &PolicyOutcome) -> PolicyRow {
    let selected = outcome.result.as_ref().ok();
    PolicyRow {
        policy: format!("{}/{}", outcome.policy.namespace, outcome.policy.name),
        image: outcome.image.clone(),
        tag: selected.map(|image| image.tag().to_owned()),
        digest: selected.and_then(|image| image.digest().map(str::to_owned)),
        error: outcome.result.as_ref().err().cloned(),
    }
}

fn automation_row(outcome: &AutomationOutcome, mode: Mode) -> AutomationRow {
    let landed = outcome.result.as_ref().ok();
    let commit = landed.and_then(|landed| landed.commit.as_ref());
    let changes = landed.map_or(0, |landed| landed.changes.changes().count());
    let result = match (&outcome.result, mode) {
        (Err(_), _) => "failed",
        (Ok(_), _) if changes == 0 => "up to date",
        (Ok(_), Mode::DryRun) => "would change",
        (Ok(_), Mode::Commit) => "committed",
        (Ok(_), Mode::Push) => "pushed",
    };
    AutomationRow {
        automation: outcome.automation.to_string(),
        branch: outcome.plan.as_ref().map(|plan| plan.target.push_branch.clone()),
        files: landed.map_or(0, |landed| landed.changes.files.len()),
        changes,
        commit: commit
            .filter(|_| mode != Mode::DryRun)
            .map(|commit| commit.id.clone()),
        result: result.to_owned(),
        failed: outcome.result.is_err(),
    }
}

fn change_rows(changes: &ChangeSet) -> Vec<ChangeRow> {
    changes
        .changes()
        .map(|(path, change)| ChangeRow {
            path: path.to_owned(),
            line: change.line,
            marker: change.marker.to_string(),
            old: change.old.clone(),
            new: change.new.clone(),
        })
        .collect()
}
