//! `fluxbot set`.

use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use clap::Args;

use super::Failure;
use super::output::tolerate_closed_pipe;
use crate::image::Selections;
use crate::objects::{Directory, Manifest};
use crate::setters::ChangeSet;
use crate::update;

/// Rewrite the marked values of a folder's YAML files to what the policies selected.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  kubectl get imagepolicies -A -o yaml | fluxbot set ./clusters --policies - --dry-run"
)]
pub(super) struct SetArgs {
    /// The folder, or one file.
    #[arg(value_name = "DIR")]
    directory: PathBuf,
    /// `ImagePolicy` objects with `status.latestRef`, as YAML; `-` is standard input.
    #[arg(long, value_name = "FILE", required = true)]
    policies: String,
    /// Print a unified diff and write nothing.
    #[arg(long)]
    dry_run: bool,
}

impl SetArgs {
    pub(super) fn run(self) -> Result<(), Failure> {
        let (selections, mut failed) = read_selections(&self.policies)?;
        let (root, path) = root_and_path(&self.directory)?;
        let visited = update::set_directory(&Directory::new(&root), &path, &selections, self.dry_run)
            .map_err(Failure::invalid)?;
        let mut changes = ChangeSet::default();
        let mut out = io::BufWriter::new(io::stdout().lock());
        for (path, file) in visited.found {
            if let Some((before, after)) = file.contents {
                tolerate_closed_pipe(out.write_all(unified_diff(&path, &before, &after).as_bytes()))?;
            }
            changes.record(&path, file.changes, file.skipped);
        }
        if !self.dry_run {
            tolerate_closed_pipe(print_changes(&mut out, &changes))?;
        }
        tolerate_closed_pipe(out.flush())?;
        report_skipped(&changes);
        for failure in &visited.failures {
            failed = true;
            eprintln!("error: {failure}");
        }
        if failed { Err(Failure::silent()) } else { Ok(()) }
    }
}

/// Reads `status.latestRef` of each policy in a file. The flag tells whether one of them had to be left out.
fn read_selections(file: &str) -> Result<(Selections, bool), Failure> {
    let mut content = Vec::new();
    if file == "-" {
        io::stdin().read_to_end(&mut content).map_err(|error| {
            Failure::invalid(format!("cannot read policies from standard input: {error}"))
        })?;
    } else {
        content = std::fs::read(file)
            .map_err(|error| Failure::invalid(format!("cannot read policies from {file}: {error}")))?;
    }
    let name = if file == "-" { "standard input" } else { file };
    let manifests = Manifest::parse_all(name, &content).map_err(Failure::invalid)?;
    if !manifests.iter().any(|manifest| manifest.kind == "ImagePolicy") {
        return Err(Failure::invalid(format!("{name} holds no ImagePolicy")));
    }
    let mut selections = Selections::new();
    let mut failed = false;
    for manifest in manifests.iter().filter(|manifest| manifest.kind == "ImagePolicy") {
        match crate::objects::selection_of(manifest) {
            Ok(Some((key, image))) => {
                selections.insert(key, image);
            }
            Ok(None) => eprintln!(
                "note: {name}:{}: ImagePolicy {} has no status.latestRef, its markers stay as they are",
                manifest.line, manifest.name
            ),
            Err(error) => {
                failed = true;
                eprintln!("error: {error}");
            }
        }
    }
    Ok((selections, failed))
}

/// The folder that paths are relative to, and the path below it: a single file stands in its own folder.
pub(super) fn root_and_path(directory: &Path) -> Result<(PathBuf, String), Failure> {
    let metadata = std::fs::metadata(directory)
        .map_err(|error| Failure::invalid(format!("cannot read {}: {error}", directory.display())))?;
    if metadata.is_dir() {
        return Ok((directory.to_owned(), String::new()));
    }
    let parent = directory.parent().map(Path::to_owned).unwrap_or_default();
    let name = directory
        .file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default();
    Ok((parent, name))
}

/// The unified diff of one file, as `git apply` and `patch -p1` read it.
pub(super) fn unified_diff(path: &str, before: &[u8], after: &[u8]) -> String {
    let (old, new) = (String::from_utf8_lossy(before), String::from_utf8_lossy(after));
    similar::TextDiff::from_lines(old.as_ref(), new.as_ref())
        .unified_diff()
        .context_radius(3)
        .header(&format!("a/{path}"), &format!("b/{path}"))
        .to_string()
}

/// Prints `path:line  ns:policy[:field]  old -> new` for each change.
pub(super) fn print_changes(out: &mut dyn io::Write, changes: &ChangeSet) -> io::Result<()> {
    for (path, changes) in &changes.files {
        for change in changes {
            writeln!(
                out,
                "{path}:{}  {}  {} -> {}",
                change.line, change.marker, change.old, change.new
            )?;
        }
    }
    Ok(())
}

/// Says on standard error which markers were left alone, and why.
pub(super) fn report_skipped(changes: &ChangeSet) {
    for (path, skipped) in &changes.skipped {
        for skipped in skipped {
            eprintln!(
                "note: {path}:{}: {}: {}",
                skipped.line, skipped.setter, skipped.reason
            );
        }
    }
}
