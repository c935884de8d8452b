//! From the files of a path to objects: all below a folder, or those that a kustomization lists.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::objects::{Files, FilesError, InvalidManifest, Manifest, clean_path};

/// The names under which kustomize looks for its file, in its order.
const KUSTOMIZATION_NAMES: [&str; 3] = ["kustomization.yaml", "kustomization.yml", "Kustomization"];

/// Fields of a kustomization that cannot change an object of fluxbot's own kinds.
const HARMLESS_FIELDS: [&str; 11] = [
    "apiVersion",
    "kind",
    "metadata",
    "resources",
    "namespace",
    "images",
    "replicas",
    "configMapGenerator",
    "generatorOptions",
    "commonAnnotations",
    "buildMetadata",
];

/// How deep kustomizations may refer to each other.
const MAX_DEPTH: usize = 64;

/// How many kustomizations are built for one path, repetitions included.
const MAX_KUSTOMIZATIONS: usize = 10_000;

/// Why the objects cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// A file or folder cannot be read.
    #[error(transparent)]
    Files(#[from] FilesError),
    /// A kustomization cannot be read.
    #[error(transparent)]
    Invalid(#[from] InvalidManifest),
    /// A kustomization uses something that is not supported yet.
    #[error(
        "{file}: {what} is not supported yet when objects are read from a kustomization; \
             point --objects at the folder that holds the plain objects"
    )]
    Unsupported {
        /// The kustomization file.
        file: String,
        /// The field or entry.
        what: String,
    },
    /// A listed resource does not exist.
    #[error("{file}: resource '{resource}' does not exist")]
    Missing {
        /// The kustomization file.
        file: String,
        /// The entry as written.
        resource: String,
    },
    /// Kustomizations refer to each other in a circle, or too deeply.
    #[error(
        "{file}: kustomizations refer to each other in a circle, more than {MAX_DEPTH} deep, or more than {MAX_KUSTOMIZATIONS} times"
    )]
    Cycle {
        /// The kustomization file.
        file: String,
    },
}

/// The objects under a path, and the files among them that cannot be read.
#[derive(Debug, Default)]
pub struct Built {
    /// The objects, in the order in which they were found.
    pub manifests: Vec<Manifest>,
    /// Files that could not be read. They do not stop the others.
    pub problems: Vec<InvalidManifest>,
}

/// What the caller looks for, so that everything else costs little and breaks nothing.
#[derive(Debug, Clone, Copy)]
pub struct Interest {
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
/// A folder with a kustomization file is read as that kustomization lists it, in order; any other folder as all YAML files
/// below it, and kustomizations below it as one each, as Flux generates a kustomization for such a folder. A broken file is
/// reported and does not stop the rest.
pub fn build(files: &dyn Files, path: &str, interest: Interest) -> Result<Built, BuildError> {
    let mut builder = Builder {
        files,
        interest,
        open: BTreeSet::new(),
        kustomizations: 0,
    };
    let mut built = Built::default();
    match find_kustomization(files, path)? {
        Some(file) => builder.kustomization(&file, &mut built)?,
        None => builder.folder(path, &mut built)?,
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

fn find_kustomization(files: &dyn Files, path: &str) -> Result<Option<String>, FilesError> {
    for name in KUSTOMIZATION_NAMES {
        let file = if path.is_empty() {
            name.to_owned()
        } else {
            format!("{path}/{name}")
        };
        if files
            .read(&file)?
            .is_some_and(|content| is_kustomize_file(&content))
        {
            return Ok(Some(file));
        }
    }
    Ok(None)
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
    /// The kustomizations that are being built, each of which lists the next.
    open: BTreeSet<String>,
    /// How many have been built.
    kustomizations: usize,
}

impl Builder<'_> {
    /// All YAML files below a folder that has no kustomization itself.
    fn folder(&mut self, path: &str, built: &mut Built) -> Result<(), BuildError> {
        let files = self.files.list(path)?;
        let mut done: Vec<String> = Vec::new();
        let kustomizations: BTreeMap<&str, &String> = files
            .iter()
            .filter(|file| is_kustomization_name(file))
            .map(|file| (folder_of(file), file))
            .collect();
        // Byte order puts a folder before those below it.
        for folder in kustomizations.keys() {
            if !is_below(folder, &done)
                && let Some(file) = find_kustomization(self.files, folder)?
            {
                self.nested(&file, &files, built)?;
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
    fn nested(&mut self, file: &str, files: &[String], built: &mut Built) -> Result<(), BuildError> {
        let mut own = Built::default();
        let Err(error) = self.kustomization(file, &mut own) else {
            built.manifests.append(&mut own.manifests);
            built.problems.append(&mut own.problems);
            return Ok(());
        };
        self.open.clear();
        let folder = format!("{}/", folder_of(file));
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

    fn kustomization(&mut self, file: &str, built: &mut Built) -> Result<(), BuildError> {
        self.kustomizations += 1;
        let is_new = self.open.insert(file.to_owned());
        if !is_new || self.open.len() > MAX_DEPTH || self.kustomizations > MAX_KUSTOMIZATIONS {
            return Err(BuildError::Cycle {
                file: file.to_owned(),
            });
        }
        let content = self.files.read(file)?.unwrap_or_default();
        let value: Value =
            yaml_serde::from_slice(&content).map_err(|error| InvalidManifest::of_yaml(file, 1, &error))?;
        let unsupported = |what: String| BuildError::Unsupported {
            file: file.to_owned(),
            what,
        };
        let fields = value.as_object().cloned().unwrap_or_default();
        if let Some(field) = fields
            .keys()
            .find(|field| !HARMLESS_FIELDS.contains(&field.as_str()))
        {
            return Err(unsupported(format!("field '{field}'")));
        }
        let mut own = Built::default();
        let entries = match fields.get("resources") {
            None | Some(Value::Null) => Vec::new(),
            Some(Value::Array(entries)) => entries.clone(),
            Some(_) => return Err(unsupported("a field 'resources' that is no list".to_owned())),
        };
        for entry in &entries {
            let entry = entry
                .as_str()
                .ok_or_else(|| unsupported(format!("resource {entry}")))?;
            self.resource(file, entry, &mut own)?;
        }
        if let Some(namespace) = fields.get("namespace").and_then(Value::as_str) {
            for manifest in &mut own.manifests {
                manifest.namespace = Some(namespace.to_owned());
            }
        }
        built.manifests.append(&mut own.manifests);
        built.problems.append(&mut own.problems);
        self.open.remove(file);
        Ok(())
    }

    fn resource(&mut self, file: &str, entry: &str, built: &mut Built) -> Result<(), BuildError> {
        let missing = || BuildError::Missing {
            file: file.to_owned(),
            resource: entry.to_owned(),
        };
        if entry.contains("://") || entry.starts_with("github.com/") || entry.contains("?ref=") {
            let what = format!("remote resource '{entry}'");
            return Err(BuildError::Unsupported {
                file: file.to_owned(),
                what,
            });
        }
        if entry.starts_with('/') {
            return Err(missing());
        }
        let path = clean_path(&format!("{}/{entry}", folder_of(file))).ok_or_else(missing)?;
        if self.files.read(&path)?.is_some() {
            self.read_into(&path, built);
            return Ok(());
        }
        match find_kustomization(self.files, &path)? {
            Some(inner) => self.kustomization(&inner, built),
            None => Err(missing()),
        }
    }
}

fn is_below(path: &str, folders: &[String]) -> bool {
    folders.iter().any(|folder| path.starts_with(folder.as_str()))
}
