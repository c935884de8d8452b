//! `fluxbot update`.

mod checkout;
mod remote;
mod report;
mod ssh;

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use fluxbot_git::RemoteUrl;
use indicatif::{ProgressBar, ProgressStyle};

use super::output::OutputFormat;
use super::set::root_and_path;
use super::{Failure, block_on};
use crate::committer::MessagePreset;
use crate::objects::{Directory, Files, ObjectSet, clean_path};
use crate::scanner::{Registry, TokenHost};
use crate::update::{LoadError, PolicyOutcome, Scanner, Step, foreign_automations, load_objects, select};

/// Scan, select, set, commit and push without a cluster.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    fluxbot update                                  # what would change in this repository\n  \
    fluxbot update --objects clusters/beta --push   # one cluster of several, committed and pushed\n  \
    fluxbot update --repo https://git.example/fleet.git --push\n\n\
    Registry credentials come from Secret manifests beside the objects, otherwise from the docker config.\n\
    Git credentials come from FLUXBOT_GIT_TOKEN, or from FLUXBOT_GIT_USERNAME and FLUXBOT_GIT_PASSWORD, or from the URL;\n\
    over SSH from files, with the passphrase in FLUXBOT_SSH_PASSPHRASE.")]
pub(super) struct UpdateArgs {
    /// The repository: a folder, or a URL.
    #[arg(long, value_name = "DIR|URL", default_value = ".")]
    repo: String,
    /// The branch to work on, instead of the one that the automations name.
    #[arg(long, value_name = "BRANCH")]
    branch: Option<String>,
    /// Where the objects are: a folder or file of the repository, or a local one; may be given several times [default: the whole
    /// repository].
    #[arg(long, value_name = "PATH")]
    objects: Vec<String>,
    #[command(flatten)]
    mode: ModeArgs,
    #[command(flatten)]
    ssh: ssh::SshArgs,
    /// A token server on another host than its registry that may see the registry's credentials; repeatable.
    #[arg(long, value_name = "REGISTRY=HOST")]
    registry_token_host: Vec<TokenHost>,
    /// The message of commits whose automation has no template: `flux`, the same text each time, or `conventional`, which tells
    /// what was updated.
    #[arg(long, value_name = "PRESET", default_value_t)]
    commit_message: MessagePreset,
    /// The form of the summary.
    #[arg(long, short, value_enum, default_value_t)]
    output: OutputFormat,
}

#[derive(Debug, Args)]
#[group(multiple = false)]
struct ModeArgs {
    /// Print what would change and write nothing (the default).
    #[arg(long)]
    dry_run: bool,
    /// Commit to the checked-out branch and write its work tree.
    #[arg(long)]
    commit: bool,
    /// Commit and push.
    #[arg(long)]
    push: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    DryRun,
    Commit,
    Push,
}

impl UpdateArgs {
    pub(super) fn run(self) -> Result<(), Failure> {
        let mode = match (self.mode.commit, self.mode.push) {
            (true, _) => Mode::Commit,
            (_, true) => Mode::Push,
            _ => Mode::DryRun,
        };
        block_on(async move {
            match remote_of(&self.repo) {
                Some(url) => remote::run(&self, &url, mode).await,
                None => checkout::run(&self, mode).await,
            }
        })
    }

    /// Reads the objects from the repository's files, or from a local folder that is not part of them.
    fn load_objects(&self, files: &dyn Files) -> Result<ObjectSet, Failure> {
        let mut inside = Vec::new();
        let mut outside = Vec::new();
        for path in &self.objects {
            let in_tree = if Path::new(path).is_absolute() {
                None
            } else {
                clean_path(path)
            };
            match in_tree.filter(|path| files.list(path).is_ok_and(|found| !found.is_empty())) {
                Some(path) => inside.push(path),
                None if Path::new(path).exists() => {
                    let (root, path) = root_and_path(Path::new(path))?;
                    outside.push((Directory::new(root), path));
                }
                None => {
                    let reason = format!("--objects {path}: no such folder or file in the repository");
                    return Err(Failure::invalid(reason));
                }
            }
        }
        if self.objects.is_empty() {
            inside.push(String::new());
        }
        let mut places: Vec<(&dyn Files, &str)> = inside.iter().map(|path| (files, path.as_str())).collect();
        places.extend(
            outside
                .iter()
                .map(|(directory, path)| (directory as &dyn Files, path.as_str())),
        );
        let loaded = load_objects(&places);
        let objects = loaded.map_err(|error| {
            let hint = matches!(error, LoadError::Duplicate(_));
            let failure = Failure::invalid(error);
            if hint {
                failure.hint("choose one cluster with --objects, for example --objects clusters/beta")
            } else {
                failure
            }
        })?;
        if objects.automations.is_empty() && objects.problems.is_empty() {
            return Err(
                Failure::invalid("found no ImageUpdateAutomation, so there is nothing to update")
                    .hint("point --objects at the folder with your image objects"),
            );
        }
        Ok(objects)
    }
}

/// Takes out the automations that write to another repository, and says so.
fn leave_out_foreign(objects: &mut ObjectSet, url: &str) {
    for (key, other) in foreign_automations(objects, url) {
        let other = other
            .parse::<RemoteUrl>()
            .map_or_else(|_| "another repository".to_owned(), |url| url.to_string());
        eprintln!("note: ImageUpdateAutomation {key} is left out: it writes to {other}");
        objects.automations.remove(&key);
    }
}

/// The URL to use when `repo` has no work tree: it is a URL (also `git@host:path`), or the folder of a
/// bare repository, which is its own URL.
fn remote_of(repo: &str) -> Option<String> {
    let path = Path::new(repo);
    if repo.contains("://") || (repo.contains(':') && repo.contains('@') && !path.exists()) {
        return Some(repo.to_owned());
    }
    let is_bare = path.join("HEAD").is_file() && path.join("objects").is_dir() && path.join("refs").is_dir();
    let absolute = is_bare.then(|| path.canonicalize().ok()).flatten()?;
    absolute.to_str().map(str::to_owned)
}

/// Scans and selects, with a progress bar on a terminal and plain lines otherwise.
async fn scan_and_select(objects: &ObjectSet, args: &UpdateArgs) -> Result<Vec<PolicyOutcome>, Failure> {
    let keychain = crate::docker_config::load_default()
        .map_err(Failure::invalid)?
        .unwrap_or_default();
    let registry = Registry::default().with_token_hosts(args.registry_token_host.clone());
    let scanner = Scanner::new(registry, keychain);
    let progress = progress(objects.repositories.len());
    let scans = scanner
        .scan(objects, &|step| {
            if let Step::Scanned {
                image, tags, elapsed, ..
            } = step
            {
                report_scan(&progress, &image, tags, elapsed);
            }
        })
        .await;
    progress.finish_and_clear();
    let mut outcomes = select(objects, &scans);
    scanner.reflect_digests(objects, &mut outcomes).await;
    Ok(outcomes)
}

fn progress(length: usize) -> ProgressBar {
    let bar = ProgressBar::new(length as u64);
    match ProgressStyle::with_template("scanning {bar:30} {pos}/{len} {wide_msg}") {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

fn report_scan(progress: &ProgressBar, image: &str, tags: Result<usize, String>, elapsed: Duration) {
    let line = match tags {
        Ok(tags) => format!("scanned {image}: {tags} tags in {} ms", elapsed.as_millis()),
        Err(reason) => format!("cannot scan {image}: {reason}"),
    };
    progress.inc(1);
    progress.set_message(image.to_owned());
    if progress.is_hidden() {
        eprintln!("{line}");
    } else {
        progress.println(line);
    }
}

/// Where mirrors are kept between runs.
fn cache_folder() -> PathBuf {
    let set = |name: &str| {
        std::env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    set("FLUXBOT_CACHE")
        .or_else(|| set("XDG_CACHE_HOME").map(|folder| folder.join("fluxbot")))
        .or_else(|| set("HOME").map(|folder| folder.join(".cache/fluxbot")))
        .unwrap_or_else(|| std::env::temp_dir().join("fluxbot"))
}
