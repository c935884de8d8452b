//! `fluxbot markers`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;

use super::Failure;
use super::output::{self, OutputFormat};
use crate::image::PolicyKey;
use crate::objects::{Directory, Files, Manifest};
use crate::setters::{self, KnownPolicy, Located, Severity};

/// List the markers of a folder's YAML files, or check them.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  fluxbot markers --lint ./clusters")]
pub(super) struct MarkersArgs {
    /// The folder.
    #[arg(value_name = "DIR", default_value = ".")]
    directory: PathBuf,
    /// Name the markers that can never work and why, files that do not parse, and policies that do not exist; exit code 1 if
    /// there is any. Policies are looked for in the whole Git repository that the folder belongs to.
    #[arg(long)]
    lint: bool,
    /// The form of the output.
    #[arg(long, short, value_enum, default_value_t)]
    output: OutputFormat,
}

#[derive(Serialize)]
struct MarkerRow {
    path: String,
    line: usize,
    policy: String,
    field: &'static str,
    value: String,
}

#[derive(Serialize)]
struct FindingRow {
    path: String,
    line: usize,
    severity: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    marker: Option<String>,
    reason: String,
}

impl MarkersArgs {
    pub(super) fn run(self) -> Result<(), Failure> {
        let files = Directory::new(&self.directory);
        let located = locate(&files)?;
        if self.lint {
            self.lint(&located)
        } else {
            self.list(&located)
        }
    }

    fn list(&self, located: &[(String, Located)]) -> Result<(), Failure> {
        let mut rows = Vec::new();
        for (path, located) in located {
            for scalar in &located.scalars {
                rows.push(MarkerRow {
                    path: path.clone(),
                    line: scalar.line,
                    policy: scalar.marker.policy.to_string(),
                    field: scalar.marker.field.as_str(),
                    value: scalar.value.clone(),
                });
            }
        }
        output::print(self.output, &rows, |out| {
            for (path, located) in located {
                for scalar in &located.scalars {
                    writeln!(out, "{path}:{}  {}  {}", scalar.line, scalar.marker, scalar.value)?;
                }
            }
            Ok(())
        })
    }

    fn lint(&self, located: &[(String, Located)]) -> Result<(), Failure> {
        let root = Directory::new(repository_root(&self.directory));
        let known = known_policies(&root, located)?;
        let findings = setters::lint(
            located.iter().map(|(path, located)| (path.as_str(), located)),
            Some(&known),
        );
        let failed = findings.iter().any(|finding| finding.severity == Severity::Error);
        let rows: Vec<FindingRow> = findings
            .into_iter()
            .map(|finding| FindingRow {
                path: finding.path,
                line: finding.line,
                severity: finding.severity.to_string(),
                marker: finding.setter,
                reason: finding.reason.to_string(),
            })
            .collect();
        output::print(self.output, &rows, |out| {
            for row in &rows {
                let marker = row
                    .marker
                    .as_ref()
                    .map(|marker| format!("{marker}  "))
                    .unwrap_or_default();
                writeln!(
                    out,
                    "{}:{}  {}: {marker}{}",
                    row.path, row.line, row.severity, row.reason
                )?;
            }
            Ok(())
        })?;
        if failed { Err(Failure::silent()) } else { Ok(()) }
    }
}

/// Finds the markers of all candidate files.
fn locate(files: &Directory) -> Result<Vec<(String, Located)>, Failure> {
    let mut found = Vec::new();
    for path in files.list("").map_err(Failure::invalid)? {
        if !setters::is_candidate(&path) {
            continue;
        }
        match files.read(&path) {
            Ok(Some(content)) if setters::mentions_marker(&content) => {
                found.push((path, setters::locate(&content)));
            }
            Ok(_) => {}
            Err(error) => eprintln!("note: {error}"),
        }
    }
    Ok(found)
}

/// The top of the Git work tree that holds `directory`, or the folder itself.
fn repository_root(directory: &Path) -> PathBuf {
    let absolute = directory.canonicalize().unwrap_or_else(|_| directory.to_owned());
    let top = absolute
        .ancestors()
        .find(|ancestor| ancestor.join(".git").exists());
    top.map_or_else(|| directory.to_owned(), Path::to_owned)
}

/// All policies that the files below `root` declare. A policy without a namespace gets it from elsewhere (a kustomization,
/// a Flux Kustomization's target namespace), so it counts for the markers of its name in any namespace.
fn known_policies(
    root: &Directory,
    located: &[(String, Located)],
) -> Result<BTreeMap<PolicyKey, KnownPolicy>, Failure> {
    let mut known = BTreeMap::new();
    let mut anywhere = BTreeMap::new();
    for file in root.list("").map_err(Failure::invalid)? {
        if !setters::is_candidate(&file) {
            continue;
        }
        let Ok(Some(content)) = root.read(&file) else {
            continue;
        };
        if memchr::memmem::find(&content, b"ImagePolicy").is_none() {
            continue;
        }
        // A file that does not parse cannot be applied, so its policies do not exist.
        for manifest in Manifest::parse_all(&file, &content).unwrap_or_default() {
            if manifest.kind != "ImagePolicy" {
                continue;
            }
            let reflection = manifest
                .value
                .pointer("/spec/digestReflectionPolicy")
                .and_then(|value| value.as_str());
            let policy = KnownPolicy {
                reflects_digest: matches!(reflection, Some("Always" | "IfNotPresent")),
            };
            match manifest.namespace.filter(|namespace| !namespace.contains("${")) {
                Some(namespace) => drop(known.insert(PolicyKey::new(namespace, manifest.name), policy)),
                None => drop(anywhere.insert(manifest.name, policy)),
            }
        }
    }
    for scalar in located.iter().flat_map(|(_, located)| &located.scalars) {
        let key = &scalar.marker.policy;
        if let Some(policy) = anywhere.get(&key.name) {
            known.entry(key.clone()).or_insert(*policy);
        }
    }
    Ok(known)
}
