//! `fluxbot build`.

mod flux;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Args, ValueEnum};
use fluxbot_kustomize::{Built, Entry, Files, FilesError, Kind, LoadRestrictor, Options, Reorder};

use super::Failure;
use super::output::tolerate_closed_pipe;

/// Build a kustomization and print its objects, byte for byte as kustomize does; or what Flux would apply for a Kustomization.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  fluxbot build apps/production --reorder none --load-restrictor LoadRestrictionsNone   # as Flux builds
  fluxbot build --kustomization clusters/production/apps.yaml --source .                # what Flux would apply")]
pub(super) struct BuildArgs {
    /// The folder of the kustomization [default: .].
    #[arg(value_name = "DIR", conflicts_with = "kustomization")]
    directory: Option<PathBuf>,
    /// Build what the Flux Kustomization in this file asks for: its path with its overrides, patches, images, components and
    /// variables, and with the labels that Flux adds. `-` is standard input.
    #[arg(
        long,
        value_name = "FILE",
        requires = "source",
        conflicts_with_all = ["reorder", "load_restrictor"]
    )]
    kustomization: Option<PathBuf>,
    /// The folder that stands for the source of the Kustomization, usually the root of the repository. `ConfigMaps` and Secrets
    /// of `postBuild.substituteFrom` are looked for in the file of the Kustomization, then in the files of this folder.
    #[arg(long, value_name = "DIR", requires = "kustomization")]
    source: Option<PathBuf>,
    /// Which Kustomization of the file, when it holds several.
    #[arg(long, value_name = "NAME", requires = "kustomization")]
    name: Option<String>,
    /// The order of the objects: by kind, or as the kustomization lists them.
    #[arg(long, value_enum, default_value = "legacy", value_name = "ORDER")]
    reorder: Order,
    /// Which files a kustomization may read: those in and below its folder, or any.
    #[arg(
        long,
        value_enum,
        default_value = "LoadRestrictionsRootOnly",
        value_name = "RESTRICTION"
    )]
    load_restrictor: Restriction,
    /// Write the objects to this file, or, one file each, into this folder.
    #[arg(short, long, value_name = "PATH")]
    output: Option<PathBuf>,
    /// Inflate Helm charts: refused, because charts are not built here.
    #[arg(long)]
    enable_helm: bool,
    /// Accepted and ignored: nothing is run as anybody.
    #[arg(long, hide = true)]
    as_current_user: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Order {
    Legacy,
    None,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Restriction {
    #[value(name = "LoadRestrictionsRootOnly")]
    RootOnly,
    #[value(name = "LoadRestrictionsNone")]
    None,
}

impl BuildArgs {
    pub(super) fn run(self) -> Result<(), Failure> {
        if self.enable_helm {
            return Err(Failure::invalid(
                "--enable-helm: Helm charts are not built here; leave the flag out, or render the charts with helm template",
            ));
        }
        let built = match (&self.kustomization, &self.source) {
            (Some(file), Some(source)) => flux::build(file, self.name.as_deref(), source)?,
            _ => self.build()?,
        };
        match &self.output {
            None => tolerate_closed_pipe(built.write_to(&mut io::stdout().lock())),
            Some(path) => write(path, &built),
        }
    }

    /// What kustomize builds.
    fn build(&self) -> Result<Built, Failure> {
        let directory = self.directory.as_deref().unwrap_or_else(|| Path::new("."));
        let directory = fs::canonicalize(directory)
            .map_err(|error| Failure::invalid(format!("cannot read {}: {error}", directory.display())))?;
        let path = directory
            .to_str()
            .ok_or_else(|| Failure::invalid(format!("{} is no UTF-8", directory.display())))?;
        let options = Options {
            load_restrictor: match self.load_restrictor {
                Restriction::RootOnly => LoadRestrictor::RootOnly,
                Restriction::None => LoadRestrictor::None,
            },
            reorder: match self.reorder {
                Order::Legacy => Reorder::Legacy,
                Order::None => Reorder::None,
            },
            ..Options::default()
        };
        fluxbot_kustomize::build(&Disk, path.trim_start_matches('/'), &options).map_err(Failure::failed)
    }
}

/// Writes all objects to a file, or each to its own file in a folder that exists.
fn write(path: &Path, built: &Built) -> Result<(), Failure> {
    let put = |path: &Path, text: &str| {
        fs::write(path, text)
            .map_err(|error| Failure::failed(format!("cannot write {}: {error}", path.display())))
    };
    if !path.is_dir() {
        return put(path, &built.to_yaml());
    }
    for (name, text) in built.to_files() {
        // A name may hold what leads out of the folder.
        put(&path.join(name.replace('/', "_")), &text)?;
    }
    Ok(())
}

/// All files of this machine, links followed, as kustomize reads them.
struct Disk;

fn full(path: &str) -> PathBuf {
    Path::new("/").join(path)
}

/// Gives `None` for what does not exist.
fn existing<T>(path: &str, result: io::Result<T>) -> Result<Option<T>, FilesError> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory | io::ErrorKind::IsADirectory
            ) =>
        {
            Ok(None)
        }
        Err(error) => Err(FilesError {
            path: path.to_owned(),
            reason: error.to_string(),
        }),
    }
}

impl Files for Disk {
    fn kind(&self, path: &str) -> Result<Option<Kind>, FilesError> {
        let metadata = existing(path, fs::metadata(full(path)))?;
        Ok(metadata.map(|metadata| {
            if metadata.is_dir() {
                Kind::Directory
            } else {
                Kind::File
            }
        }))
    }

    fn read(&self, path: &str) -> Result<Option<Arc<[u8]>>, FilesError> {
        Ok(existing(path, fs::read(full(path)))?.map(Arc::from))
    }

    fn list(&self, path: &str) -> Result<Option<Vec<Entry>>, FilesError> {
        let Some(entries) = existing(path, fs::read_dir(full(path)))? else {
            return Ok(None);
        };
        let mut found = Vec::new();
        for entry in entries {
            let Some(entry) = existing(path, entry)? else {
                continue;
            };
            let Ok(name) = entry.file_name().into_string() else {
                continue;
            };
            let kind = existing(path, fs::metadata(entry.path()))?;
            let kind = kind.map(|metadata| {
                if metadata.is_dir() {
                    Kind::Directory
                } else {
                    Kind::File
                }
            });
            found.extend(kind.map(|kind| Entry { name, kind }));
        }
        found.sort();
        Ok(Some(found))
    }
}
