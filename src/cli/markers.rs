//! `fluxbot markers`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;

use super::Failure;
use super::output::{self, OutputFormat};
use super::set::root_and_path;
use crate::image::PolicyKey;
use crate::objects::{Directory, InvalidManifest, Manifest};
use crate::setters::{self, Finding, FindingReason, KnownPolicy, Located, Severity};

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
        let (root, path) = root_and_path(&self.directory)?;
        let (located, unreadable) = locate(&Directory::new(&root), &path)?;
        let result = if self.lint {
            self.lint(&root, &located)
        } else {
            self.list(&located)
        };
        if unreadable {
            result.and_then(|()| Err(Failure::silent()))
        } else {
            result
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

    fn lint(&self, root: &Path, located: &[(String, Located)]) -> Result<(), Failure> {
        let root = Directory::new(repository_root(root));
        let (known, unparsable) = known_policies(&root, located)?;
        let findings = setters::lint(
            located.iter().map(|(path, located)| (path.as_str(), located)),
            Some(&known),
        );
        // A file that does not parse is one that Flux skips, even where fluxbot can set its markers.
        let is_fault = |finding: &Finding| {
            finding.severity == Severity::Error || matches!(finding.reason, FindingReason::Unparsable(_))
        };
        let failed = findings.iter().any(is_fault) || !unparsable.is_empty();
        let mut rows: Vec<FindingRow> = findings
            .into_iter()
            .map(|finding| FindingRow {
                severity: if is_fault(&finding) {
                    Severity::Error
                } else {
                    finding.severity
                }
                .to_string(),
                path: finding.path,
                line: finding.line,
                marker: finding.setter,
                reason: finding.reason.to_string(),
            })
            .collect();
        rows.extend(unparsable.into_iter().map(|problem| FindingRow {
            path: problem.file,
            line: problem.line,
            severity: Severity::Error.to_string(),
            marker: None,
            reason: format!(
                "the file declares policies and does not parse: {}",
                problem.reason
            ),
        }));
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

/// Finds the markers of all candidate files at a path. The flag tells whether a file could not be read.
fn locate(files: &Directory, path: &str) -> Result<(Vec<(String, Located)>, bool), Failure> {
    let visited = files.visit(path, setters::is_candidate, |file| {
        Ok(setters::mentions_marker(file.content).then(|| setters::locate(file.content)))
    });
    let visited = visited.map_err(Failure::invalid)?;
    for failure in &visited.failures {
        eprintln!("error: {failure}");
    }
    Ok((visited.found, !visited.failures.is_empty()))
}

/// The top of the Git work tree that holds `directory`, or the folder itself.
fn repository_root(directory: &Path) -> PathBuf {
    let absolute = directory.canonicalize().unwrap_or_else(|_| directory.to_owned());
    let top = absolute
        .ancestors()
        .find(|ancestor| ancestor.join(".git").exists());
    top.map_or_else(|| directory.to_owned(), Path::to_owned)
}

/// All policies that the files below `root` declare, and the files that do not parse although they declare some. A policy
/// without a namespace gets it from elsewhere (a kustomization, a Flux Kustomization's target namespace), so it counts for
/// the markers of its name in any namespace.
fn known_policies(
    root: &Directory,
    located: &[(String, Located)],
) -> Result<(BTreeMap<PolicyKey, KnownPolicy>, Vec<InvalidManifest>), Failure> {
    let marked: BTreeSet<&str> = located.iter().map(|(path, _)| path.as_str()).collect();
    let mentions = |content: &[u8], text: &str| memchr::memmem::find(content, text.as_bytes()).is_some();
    let visited = root.visit("", setters::is_candidate, |file| {
        if !mentions(file.content, "ImagePolicy") {
            return Ok(None);
        }
        // Markers' files are judged by their markers; templates mention ImagePolicy without the API's name.
        let declares = mentions(file.content, "image.toolkit.fluxcd.io") && !marked.contains(file.path);
        Ok(match Manifest::parse_all(file.path, file.content) {
            Ok(manifests) => Some(Ok(manifests)),
            Err(problem) => declares.then_some(Err(problem)),
        })
    });
    let mut unparsable = Vec::new();
    let mut known = BTreeMap::new();
    let mut anywhere = BTreeMap::new();
    // A file that cannot be read was told of when its markers were looked for, or is none of the command's business.
    for (_, parsed) in visited.map_err(Failure::invalid)?.found {
        let manifests = match parsed {
            Ok(manifests) => manifests,
            Err(problem) => {
                unparsable.push(problem);
                continue;
            }
        };
        for manifest in manifests
            .into_iter()
            .filter(|manifest| manifest.kind == "ImagePolicy")
        {
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
    Ok((known, unparsable))
}
