//! From the files of a path to objects: all below a folder, or those that a kustomization lists.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::objects::{Files, FilesError, InvalidManifest, Manifest};

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
    #[error("{file}: kustomizations refer to each other in a circle, or more than {MAX_DEPTH} deep")]
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

/// Builds the objects at `path` from the files whose text passes `screen`.
///
/// A folder with a kustomization file is read as that kustomization lists it, in order; any other folder as all YAML files
/// below it. A broken file among the plain ones is reported and does not stop the rest.
pub fn build(files: &dyn Files, path: &str, screen: &dyn Fn(&[u8]) -> bool) -> Result<Built, BuildError> {
    let mut built = Built::default();
    match find_kustomization(files, path)? {
        Some(file) => {
            let mut seen = BTreeSet::new();
            Kustomizations {
                files,
                screen,
                seen: &mut seen,
            }
            .kustomization(&file, 0, &mut built)?;
        }
        None => {
            for file in files.list(path)? {
                if is_manifest(&file) {
                    read_into(files, &file, screen, &mut built)?;
                }
            }
        }
    }
    Ok(built)
}

fn is_manifest(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    !KUSTOMIZATION_NAMES.contains(&name) && [".yaml", ".yml"].iter().any(|ending| name.ends_with(ending))
}

fn find_kustomization(files: &dyn Files, path: &str) -> Result<Option<String>, FilesError> {
    for name in KUSTOMIZATION_NAMES {
        let file = if path.is_empty() {
            name.to_owned()
        } else {
            format!("{path}/{name}")
        };
        if let Some(content) = files.read(&file)?
            && is_kustomize_file(&content)
        {
            return Ok(Some(file));
        }
    }
    Ok(None)
}

/// A Flux Kustomization may stand in a file of the same name; it lists nothing.
fn is_kustomize_file(content: &[u8]) -> bool {
    memchr::memmem::find(content, b"kustomize.toolkit.fluxcd.io").is_none()
}

fn read_into(
    files: &dyn Files,
    file: &str,
    screen: &dyn Fn(&[u8]) -> bool,
    built: &mut Built,
) -> Result<(), FilesError> {
    let Some(content) = files.read(file)?.filter(|content| screen(content)) else {
        return Ok(());
    };
    match Manifest::parse_all(file, &content) {
        Ok(manifests) => built.manifests.extend(manifests),
        Err(problem) => built.problems.push(problem),
    }
    Ok(())
}

struct Kustomizations<'a> {
    files: &'a dyn Files,
    screen: &'a dyn Fn(&[u8]) -> bool,
    seen: &'a mut BTreeSet<String>,
}

impl Kustomizations<'_> {
    fn kustomization(&mut self, file: &str, depth: usize, built: &mut Built) -> Result<(), BuildError> {
        if depth > MAX_DEPTH || !self.seen.insert(file.to_owned()) {
            return Err(BuildError::Cycle {
                file: file.to_owned(),
            });
        }
        let content = self.files.read(file)?.unwrap_or_default();
        let value: Value = yaml_serde::from_slice(&content).map_err(|error| InvalidManifest {
            file: file.to_owned(),
            line: error.location().map_or(1, |location| location.line()),
            reason: error.to_string(),
        })?;
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
        let entries = fields
            .get("resources")
            .and_then(Value::as_array)
            .cloned()
            .unwrap_or_default();
        for entry in entries.iter().filter_map(Value::as_str) {
            self.resource(file, entry, depth, &mut own)?;
        }
        if let Some(namespace) = fields.get("namespace").and_then(Value::as_str) {
            for manifest in &mut own.manifests {
                manifest.namespace = Some(namespace.to_owned());
            }
        }
        built.manifests.append(&mut own.manifests);
        built.problems.append(&mut own.problems);
        self.seen.remove(file);
        Ok(())
    }

    fn resource(
        &mut self,
        file: &str,
        entry: &str,
        depth: usize,
        built: &mut Built,
    ) -> Result<(), BuildError> {
        let folder = file.rsplit_once('/').map_or("", |(folder, _)| folder);
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
        let path = join(folder, entry).ok_or_else(missing)?;
        if self.files.read(&path)?.is_some() {
            return Ok(read_into(self.files, &path, self.screen, built)?);
        }
        match find_kustomization(self.files, &path)? {
            Some(inner) => self.kustomization(&inner, depth + 1, built),
            None => Err(missing()),
        }
    }
}

/// Joins a relative path to a folder, and refuses one that leaves the tree.
fn join(folder: &str, entry: &str) -> Option<String> {
    let mut segments: Vec<&str> = folder.split('/').filter(|segment| !segment.is_empty()).collect();
    if entry.starts_with('/') {
        return None;
    }
    for segment in entry.split('/') {
        match segment {
            "" | "." => {}
            ".." => {
                segments.pop()?;
            }
            name => segments.push(name),
        }
    }
    Some(segments.join("/"))
}
