//! Builds kustomizations: files in, Kubernetes objects out, without network, process or file system of its own.
//!
//! [`build`] reads a kustomization from a tree of [`Files`] and gives the objects that `kustomize build` would print, with
//! everything that it read, so that a caller knows what the result depends on. [`flux::build`] does the same for a path as a
//! Flux Kustomization wants it: with overrides, and without a kustomization file where there is none.
#![cfg_attr(doctest, doc = include_str!("../README.md"))]

mod accumulate;
mod cache;
mod crds;
mod decode;
mod error;
mod field_path;
mod fields;
mod files;
mod finish;
pub mod flux;
mod generate;
mod hash;
mod id;
mod json;
mod json_patch;
mod kustomization;
mod merge;
mod objects;
mod options;
mod order;
mod origin;
mod patch;
mod plugins;
mod references;
mod remote;
mod replacement;
mod resource;
mod resources;
mod scalar;
mod schema;
mod selector;
mod shares;
mod transformers;
mod tree;
mod vars;

pub use cache::Cache;
pub use error::BuildError;
pub use files::{Entry, Files, FilesError, Inputs, Kind, MemoryFiles};
pub use options::{Limits, LoadRestrictor, Options, Remote, RemoteContent, RemoteError, Reorder};

use std::io;

use fluxbot_yaml::{Text, Value};

/// A Kubernetes object of a build.
#[derive(Debug, Clone, PartialEq)]
pub struct Object {
    /// The object. It is a map with `apiVersion` and `kind`, and has a name.
    pub value: Value,
    /// Where the object comes from.
    pub origin: Origin,
}

/// The place that an object was read from, or generated at.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin {
    /// The file of the object, relative to the root of the tree; for a generated object the kustomization file.
    pub path: Text,
    /// The first line of the object in that file, from 1.
    pub line: usize,
}

impl Object {
    /// The object as JSON has it.
    #[must_use]
    pub fn into_json(self) -> serde_json::Value {
        self.value.into()
    }
}

/// What stands between documents.
const SEPARATOR: &str = "---\n";

/// How many objects a thread writes at a time.
const SHARE: usize = 250;

/// The documents of objects.
fn documents(objects: &[Object]) -> String {
    let mut text = String::new();
    for (index, object) in objects.iter().enumerate() {
        if index > 0 {
            text.push_str(SEPARATOR);
        }
        fluxbot_yaml::write_to(&object.value, &mut text);
    }
    text
}

/// The result of a build.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Built {
    /// The objects, in the order of output.
    pub objects: Vec<Object>,
    /// Everything that the result depends on.
    pub inputs: Inputs,
}

impl Built {
    /// Writes the objects as `kustomize build` prints them: YAML documents with sorted keys, separated by `---` lines.
    ///
    /// Many objects are turned into text by all cores, and no more of them at a time than these need.
    pub fn write_to(&self, out: &mut dyn io::Write) -> io::Result<()> {
        let share = if self.objects.len() > SHARE {
            SHARE * shares::cores()
        } else {
            SHARE
        };
        let mut before = "";
        let mut write = |text: &str| {
            // The mark stands between documents, not behind the last.
            out.write_all(before.as_bytes())?;
            before = SEPARATOR;
            out.write_all(text.as_bytes())
        };
        for several in self.objects.chunks(share) {
            std::thread::scope(|scope| {
                let mut shares = several.chunks(SHARE);
                let first = shares.next().unwrap_or_default();
                let others: Vec<_> = shares
                    .map(|share| (share, scope.spawn(move || documents(share))))
                    .collect();
                write(&documents(first))?;
                for (share, text) in others {
                    write(&text.join().unwrap_or_else(|_| documents(share)))?;
                }
                Ok::<(), io::Error>(())
            })?;
        }
        Ok(())
    }

    /// The objects as [`write_to`](Self::write_to) has them.
    #[must_use]
    pub fn to_yaml(&self) -> String {
        let mut text = Vec::new();
        match self.write_to(&mut text) {
            Ok(()) => String::from_utf8(text).unwrap_or_default(),
            // Memory takes everything.
            Err(_) => String::new(),
        }
    }

    /// The objects as `kustomize build -o FOLDER` writes them: the name of a file and its text for each.
    ///
    /// Names tell group, version, kind and name, and the namespace too when the objects are in several.
    #[must_use]
    pub fn to_files(&self) -> Vec<(String, String)> {
        let field = |object: &Object, path: &[&str]| {
            let text = object.value.at(path).and_then(Value::as_str);
            text.unwrap_or_default().to_lowercase()
        };
        let namespace = |object: &Object| {
            let version = object.value.get("apiVersion").and_then(Value::as_str);
            let kind = object.value.get("kind").and_then(Value::as_str);
            if schema::is_cluster_scoped(version.unwrap_or_default(), kind.unwrap_or_default()) {
                return None;
            }
            let namespace = field(object, &["metadata", "namespace"]);
            Some(if namespace.is_empty() {
                "default".to_owned()
            } else {
                namespace
            })
        };
        let namespaces: std::collections::BTreeSet<String> =
            self.objects.iter().filter_map(namespace).collect();
        let name = |object: &Object| {
            let kind = field(object, &["apiVersion"]).replace('/', "_");
            let name = format!(
                "{kind}_{}_{}.yaml",
                field(object, &["kind"]),
                field(object, &["metadata", "name"])
            );
            match namespace(object).filter(|_| namespaces.len() > 1) {
                Some(namespace) => format!("{namespace}_{name}"),
                None => name,
            }
        };
        self.objects
            .iter()
            .map(|object| (name(object), object.value.to_yaml()))
            .collect()
    }
}

/// Builds the kustomization in the folder `path` of a tree, `""` being the root.
///
/// The result depends on nothing but the arguments; builds may run in parallel. Follows `kustomize build` of kustomize api
/// v0.21.2; what is not supported (Helm charts, and plugins that are programs) is refused by name.
pub fn build(files: &dyn Files, path: &str, options: &Options<'_>) -> Result<Built, BuildError> {
    let root =
        tree::join("", path).ok_or_else(|| BuildError::at(path, "the path leaves the tree of files"))?;
    finish::build(files, options, |accumulator| accumulator.find(&root))
}

#[cfg(test)]
mod tests;
