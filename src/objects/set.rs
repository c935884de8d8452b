//! The objects of one cluster, found by kind and name.

use std::collections::BTreeMap;
use std::fmt;

use fluxbot_api::image::{ImagePolicy, ImageRepository, ImageUpdateAutomation};
use fluxbot_api::source::GitRepository;
use k8s_openapi::api::core::v1::{Namespace, Secret};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{InvalidManifest, Manifest};
use crate::image::{ImageRef, PolicyKey};

/// The namespace of an object whose file names none, as `kubectl apply` would choose it.
const DEFAULT_NAMESPACE: &str = "default";

/// Namespace and name of an object.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectKey {
    /// The namespace.
    pub namespace: String,
    /// The name.
    pub name: String,
}

impl ObjectKey {
    /// Builds a key from its two parts.
    #[must_use]
    pub fn new(namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            namespace: namespace.into(),
            name: name.into(),
        }
    }

    /// The key that a reference means in an object of namespace `from`: its own namespace unless it names another.
    #[must_use]
    pub fn referred(from: &str, namespace: Option<&str>, name: &str) -> Self {
        let namespace = namespace.filter(|namespace| !namespace.is_empty());
        Self::new(namespace.unwrap_or(from), name)
    }
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// An object and where it stands.
#[derive(Debug, Clone)]
pub struct Declared<T> {
    /// The object.
    pub object: T,
    /// Path of its file.
    pub file: String,
    /// First line of its document, from 1.
    pub line: usize,
}

type Objects<T> = BTreeMap<ObjectKey, Declared<T>>;

/// The objects that image automation needs, read from files.
#[derive(Debug, Default)]
pub struct ObjectSet {
    /// What is scanned.
    pub repositories: Objects<ImageRepository>,
    /// What is selected.
    pub policies: Objects<ImagePolicy>,
    /// What is committed.
    pub automations: Objects<ImageUpdateAutomation>,
    /// Where it is committed to.
    pub sources: Objects<GitRepository>,
    /// Credentials that stand beside the objects in plain text.
    pub secrets: Objects<Secret>,
    /// Namespaces, for the label selectors of `spec.accessFrom`.
    pub namespaces: BTreeMap<String, Namespace>,
    /// Secrets that cannot be read. They matter only when one is used.
    pub invalid_secrets: BTreeMap<ObjectKey, InvalidManifest>,
    /// Sources and Secrets that several files declare, as overlays do. They matter only when one is used.
    pub ambiguous: Vec<Duplicate>,
    /// Files and objects that cannot be read. They do not stop the others.
    pub problems: Vec<InvalidManifest>,
}

/// Two files declare the same object, and only one can be meant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind} {key} is declared twice: in {first} and in {second}")]
pub struct Duplicate {
    /// The kind.
    pub kind: String,
    /// Namespace and name.
    pub key: ObjectKey,
    /// File and line of the first declaration.
    pub first: String,
    /// File and line of the second declaration.
    pub second: String,
}

impl ObjectSet {
    /// Takes the objects of interest out of `manifests`. One that is invalid joins `problems` and does not stop the others.
    ///
    /// # Errors
    /// When an object is declared twice.
    pub fn from_manifests(manifests: &[Manifest], problems: Vec<InvalidManifest>) -> Result<Self, Duplicate> {
        let mut set = Self {
            problems,
            ..Self::default()
        };
        for manifest in manifests {
            set.add(manifest)?;
        }
        Ok(set)
    }

    /// Whether a file can hold an object of interest, which spares the parser the others.
    #[must_use]
    pub fn may_be_in(content: &[u8]) -> bool {
        Self::must_be_read(content)
            || ["Secret", "Namespace"]
                .iter()
                .any(|word| memchr::memmem::find(content, word.as_bytes()).is_some())
    }

    /// Whether a file that cannot be read leaves something out. Templates mention Secrets and namespaces, and are no manifests.
    #[must_use]
    pub fn must_be_read(content: &[u8]) -> bool {
        ["image.toolkit.fluxcd.io", "source.toolkit.fluxcd.io"]
            .iter()
            .any(|word| memchr::memmem::find(content, word.as_bytes()).is_some())
    }

    /// Whether an object is one of those that image automation is made of.
    #[must_use]
    pub fn is_vital(manifest: &Manifest) -> bool {
        manifest.group() == "image.toolkit.fluxcd.io"
    }

    /// The Secret of that name, if there is one.
    ///
    /// # Errors
    /// With a text for the user, when it cannot be read, or when several files declare it, as overlays do, and only one can
    /// be meant.
    pub fn secret(&self, key: &ObjectKey) -> Result<Option<&Secret>, String> {
        if let Some(problem) = self.invalid_secrets.get(key) {
            return Err(problem.to_string());
        }
        match self
            .ambiguous
            .iter()
            .find(|duplicate| duplicate.kind == "Secret" && duplicate.key == *key)
        {
            Some(duplicate) => Err(duplicate.to_string()),
            None => Ok(self.secrets.get(key).map(|found| &found.object)),
        }
    }

    fn add(&mut self, manifest: &Manifest) -> Result<(), Duplicate> {
        let problems = &mut self.problems;
        match (manifest.group(), manifest.kind.as_str()) {
            ("image.toolkit.fluxcd.io", "ImageRepository") => {
                insert(&mut self.repositories, manifest, problems)
            }
            ("image.toolkit.fluxcd.io", "ImagePolicy") => insert(&mut self.policies, manifest, problems),
            ("image.toolkit.fluxcd.io", "ImageUpdateAutomation") => {
                insert(&mut self.automations, manifest, problems)
            }
            ("source.toolkit.fluxcd.io", "GitRepository") => {
                self.ambiguous
                    .extend(insert(&mut self.sources, manifest, problems).err());
                Ok(())
            }
            ("", "Secret") => {
                let mut invalid = Vec::new();
                self.ambiguous
                    .extend(insert(&mut self.secrets, manifest, &mut invalid).err());
                self.invalid_secrets
                    .extend(invalid.into_iter().map(|problem| (key_of(manifest), problem)));
                Ok(())
            }
            ("", "Namespace") => {
                // Overlays of one repository declare the same namespace again and again. An invalid one has no labels that
                // could admit anybody.
                if let Ok(namespace) = manifest.decode() {
                    self.namespaces.insert(manifest.name.clone(), namespace);
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

fn key_of(manifest: &Manifest) -> ObjectKey {
    ObjectKey::new(
        manifest.namespace.as_deref().unwrap_or(DEFAULT_NAMESPACE),
        &manifest.name,
    )
}

fn insert<T: DeserializeOwned + kube::Resource>(
    objects: &mut Objects<T>,
    manifest: &Manifest,
    problems: &mut Vec<InvalidManifest>,
) -> Result<(), Duplicate> {
    let mut object: T = match manifest.decode() {
        Ok(object) => object,
        Err(problem) => {
            problems.push(problem);
            return Ok(());
        }
    };
    let key = key_of(manifest);
    object.meta_mut().namespace = Some(key.namespace.clone());
    let place = |file: &str, line: usize| format!("{file}:{line}");
    if let Some(first) = objects.get(&key) {
        return Err(Duplicate {
            kind: manifest.kind.clone(),
            key,
            first: place(&first.file, first.line),
            second: place(&manifest.file, manifest.line),
        });
    }
    objects.insert(
        key,
        Declared {
            object,
            file: manifest.file.clone(),
            line: manifest.line,
        },
    );
    Ok(())
}

/// Reads the selected image of an `ImagePolicy` manifest: `status.latestRef`, or `status.latestImage` of Flux before 2.6;
/// `None` when it has none yet.
pub fn selection_of(manifest: &Manifest) -> Result<Option<(PolicyKey, ImageRef)>, InvalidManifest> {
    let invalid = |reason: String| InvalidManifest {
        file: manifest.file.clone(),
        line: manifest.line,
        reason: format!("ImagePolicy {}: {reason}", manifest.name),
    };
    let at = |pointer: &str| manifest.value.pointer(pointer).filter(|value| !value.is_null());
    let text = |pointer: &str| match at(pointer) {
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(other) => Err(invalid(format!(
            "{} must be text, and is {other}; put it in quotes",
            pointer.replace('/', ".")
        ))),
        None => Ok(None),
    };
    let (name, tag, digest) = if at("/status/latestRef").is_some() {
        let name = text("/status/latestRef/name")?
            .ok_or_else(|| invalid("status.latestRef has no name".to_owned()))?;
        let tag = text("/status/latestRef/tag")?
            .ok_or_else(|| invalid("status.latestRef has no tag".to_owned()))?;
        (name, tag, text("/status/latestRef/digest")?)
    } else if let Some(image) = text("/status/latestImage")? {
        let (name, tag) = image
            .rsplit_once(':')
            .filter(|(_, tag)| !tag.contains('/'))
            .ok_or_else(|| invalid(format!("status.latestImage '{image}' has no tag")))?;
        (name.to_owned(), tag.to_owned(), None)
    } else {
        return Ok(None);
    };
    let image = ImageRef::new(name, tag, digest).map_err(|error| invalid(error.to_string()))?;
    let key = key_of(manifest);
    Ok(Some((PolicyKey::new(key.namespace, key.name), image)))
}
