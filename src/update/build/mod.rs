//! From the files of a path to the objects that image automation is made of: all below a folder, or those that a kustomization
//! builds.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use fluxbot_kustomize::{Entry, Kind, LoadRestrictor, Options};
use serde_json::Value;

use crate::objects::{Files, FilesError, InvalidManifest, Manifest};

/// The names under which kustomize looks for its file, in its order.
const KUSTOMIZATION_NAMES: [&str; 3] = ["kustomization.yaml", "kustomization.yml", "Kustomization"];

/// Why the objects cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// A file or folder cannot be read.
    #[error(transparent)]
    Files(#[from] FilesError),
    /// A kustomization cannot be built.
    #[error("{error}{remedy}", error = .0, remedy = remedy(.0))]
    Kustomization(#[from] fluxbot_kustomize::BuildError),
}

fn remedy(error: &fluxbot_kustomize::BuildError) -> &'static str {
    match error {
        fluxbot_kustomize::BuildError::Unsupported { .. } | fluxbot_kustomize::BuildError::Remote { .. } => {
            "; point --objects at the folder that holds the plain objects"
        }
        _ => "",
    }
}

/// The objects under a path, and the files among them that cannot be read.
#[derive(Debug, Default)]
pub(super) struct Built {
    /// The objects, in the order in which they were found.
    pub manifests: Vec<Manifest>,
    /// Files that could not be read. They do not stop the others.
    pub problems: Vec<InvalidManifest>,
}

/// What the caller looks for, so that everything else costs little and breaks nothing.
#[derive(Debug, Clone, Copy)]
pub(super) struct Interest {
    /// Whether a file can hold something of interest. The others are not parsed.
    pub may_be_in: fn(&[u8]) -> bool,
    /// Whether a file that cannot be parsed is a problem. The others are left out: a Helm template is no manifest.
    pub must_be_read: fn(&[u8]) -> bool,
    /// Whether an object is what the caller cannot do without. A kustomization below the path that cannot be built is an error
    /// only when such an object stands in its folder.
    pub is_vital: fn(&Manifest) -> bool,
}

/// Builds the objects at `path`.
///
/// A folder with a kustomization file is built as Flux builds it; any other folder is read as all YAML files below it, and
/// kustomizations below it as one each, as Flux generates a kustomization for such a folder. There a broken file is reported
/// and does not stop the rest.
pub(super) fn build(files: &dyn Files, path: &str, interest: Interest) -> Result<Built, BuildError> {
    let builder = Builder { files, interest };
    let mut built = Built::default();
    if has_kustomization(files, path)? {
        built.manifests = builder.kustomization(path)?;
    } else {
        builder.folder(path, &mut built)?;
    }
    built.forget_repetitions();
    Ok(built)
}

impl Built {
    /// Several kustomizations may list the same file. Each object counts once for each namespace that they give it, and
    /// without one only when none gives it any.
    fn forget_repetitions(&mut self) {
        let place = |manifest: &Manifest| (manifest.file.clone(), manifest.line, manifest.name.clone());
        let given: BTreeSet<_> = self
            .manifests
            .iter()
            .filter(|found| found.namespace.is_some())
            .map(place)
            .collect();
        let mut seen = BTreeSet::new();
        self.manifests.retain(|manifest| {
            (manifest.namespace.is_some() || !given.contains(&place(manifest)))
                && seen.insert((place(manifest), manifest.namespace.clone()))
        });
        let mut seen = BTreeSet::new();
        self.problems.retain(|problem| seen.insert(problem.to_string()));
    }
}

fn is_manifest(path: &str) -> bool {
    !is_kustomization_name(path) && [".yaml", ".yml"].iter().any(|ending| path.ends_with(ending))
}

fn is_kustomization_name(path: &str) -> bool {
    KUSTOMIZATION_NAMES.contains(&path.rsplit('/').next().unwrap_or(path))
}

fn folder_of(file: &str) -> &str {
    file.rsplit_once('/').map_or("", |(folder, _)| folder)
}

fn has_kustomization(files: &dyn Files, path: &str) -> Result<bool, FilesError> {
    for name in KUSTOMIZATION_NAMES {
        let content = files.read(&join(path, name))?;
        if content.is_some_and(|content| is_kustomize_file(&content)) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn join(folder: &str, name: &str) -> String {
    if folder.is_empty() {
        name.to_owned()
    } else {
        format!("{folder}/{name}")
    }
}

/// A Flux Kustomization may stand in a file of the same name; it lists nothing.
fn is_kustomize_file(content: &[u8]) -> bool {
    let value: Result<Value, _> = yaml_serde::from_slice(content);
    let api_version = value
        .ok()
        .and_then(|value| value.get("apiVersion")?.as_str().map(str::to_owned));
    !api_version.is_some_and(|version| version.starts_with("kustomize.toolkit.fluxcd.io/"))
}

struct Builder<'a> {
    files: &'a dyn Files,
    interest: Interest,
}

impl Builder<'_> {
    /// All YAML files below a folder that has no kustomization itself.
    fn folder(&self, path: &str, built: &mut Built) -> Result<(), BuildError> {
        let files = self.files.list(path)?;
        let mut done: Vec<String> = Vec::new();
        let folders: BTreeSet<&str> = files
            .iter()
            .filter(|file| is_kustomization_name(file))
            .map(|file| folder_of(file))
            .collect();
        // Byte order puts a folder before those below it.
        for folder in folders {
            if !is_below(folder, &done) && has_kustomization(self.files, folder)? {
                self.nested(folder, &files, built)?;
                done.push(format!("{folder}/"));
            }
        }
        for file in files
            .iter()
            .filter(|file| is_manifest(file) && !is_below(file, &done))
        {
            self.read_into(file, built);
        }
        Ok(())
    }

    /// A kustomization below a plain folder. One that cannot be built matters only when its folder holds a vital object.
    fn nested(&self, folder: &str, files: &[String], built: &mut Built) -> Result<(), BuildError> {
        let error = match self.kustomization(folder) {
            Ok(mut manifests) => {
                built.manifests.append(&mut manifests);
                return Ok(());
            }
            Err(error) => error,
        };
        let folder = format!("{folder}/");
        let mut plain = Built::default();
        for file in files
            .iter()
            .filter(|file| file.starts_with(&folder) && is_manifest(file))
        {
            self.read_into(file, &mut plain);
        }
        if plain.manifests.iter().any(self.interest.is_vital) {
            Err(error)
        } else {
            Ok(())
        }
    }

    /// Reads one file; a file that cannot be read or parsed is a problem of its own.
    fn read_into(&self, file: &str, built: &mut Built) {
        let problem = |reason: String| InvalidManifest {
            file: file.to_owned(),
            line: 1,
            reason,
        };
        let content = match self.files.read(file) {
            Ok(content) => content.unwrap_or_default(),
            Err(error) => return built.problems.push(problem(error.to_string())),
        };
        if !(self.interest.may_be_in)(&content) {
            return;
        }
        match Manifest::parse_all(file, &content) {
            Ok(manifests) => built.manifests.extend(manifests),
            Err(problem) if (self.interest.must_be_read)(&content) => built.problems.push(problem),
            Err(_) => {}
        }
    }

    /// The objects of a kustomization, built as Flux builds it.
    fn kustomization(&self, folder: &str) -> Result<Vec<Manifest>, BuildError> {
        let options = Options {
            load_restrictor: LoadRestrictor::None,
            ..Options::default()
        };
        let built = fluxbot_kustomize::build(&Tree(self.files), folder, &options)?;
        let manifests = built.objects.into_iter().map(|object| {
            let origin = object.origin.clone();
            let value = object.into_json();
            let text = |pointer: &str| value.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
            Manifest {
                file: origin.path.into(),
                line: origin.line,
                api_version: text("/apiVersion").unwrap_or_default(),
                kind: text("/kind").unwrap_or_default(),
                namespace: text("/metadata/namespace"),
                name: text("/metadata/name").unwrap_or_default(),
                value,
            }
        });
        Ok(manifests.collect())
    }
}

/// The files as a build asks for them.
struct Tree<'a>(&'a dyn Files);

impl fluxbot_kustomize::Files for Tree<'_> {
    fn kind(&self, path: &str) -> Result<Option<Kind>, fluxbot_kustomize::FilesError> {
        if self.read(path)?.is_some() {
            return Ok(Some(Kind::File));
        }
        Ok(self.list(path)?.map(|_| Kind::Directory))
    }

    fn read(&self, path: &str) -> Result<Option<Arc<[u8]>>, fluxbot_kustomize::FilesError> {
        let content = self.0.read(path).map_err(|error| unreadable(path, &error))?;
        Ok(content.map(Arc::from))
    }

    fn list(&self, path: &str) -> Result<Option<Vec<Entry>>, fluxbot_kustomize::FilesError> {
        let files = self.0.list(path).map_err(|error| unreadable(path, &error))?;
        let folder = join(path, "");
        let mut entries: BTreeMap<&str, Kind> = BTreeMap::new();
        for rest in files.iter().filter_map(|file| file.strip_prefix(folder.as_str())) {
            match rest.split_once('/') {
                Some((name, _)) => entries.insert(name, Kind::Directory),
                None => entries.insert(rest, Kind::File),
            };
        }
        let found = entries.into_iter().map(|(name, kind)| Entry {
            name: name.to_owned(),
            kind,
        });
        let found: Vec<Entry> = found.collect();
        Ok((path.is_empty() || !found.is_empty()).then_some(found))
    }
}

fn unreadable(path: &str, error: &FilesError) -> fluxbot_kustomize::FilesError {
    fluxbot_kustomize::FilesError {
        path: path.to_owned(),
        reason: error.to_string(),
    }
}

fn is_below(path: &str, folders: &[String]) -> bool {
    folders.iter().any(|folder| path.starts_with(folder.as_str()))
}

#[cfg(test)]
mod tests;
