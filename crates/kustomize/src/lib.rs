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
mod folded;
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
mod transformers;
mod tree;
mod vars;

pub use cache::Cache;
pub use error::BuildError;
pub use files::{Entry, Files, FilesError, Inputs, Kind, MemoryFiles};
pub use options::{Limits, LoadRestrictor, Options, Remote, RemoteContent, RemoteError, Reorder};

use serde_json::Value;

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
    pub path: String,
    /// The first line of the object in that file, from 1.
    pub line: usize,
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
    /// The objects as `kustomize build` prints them: YAML documents with sorted keys, separated by `---` lines.
    #[must_use]
    pub fn to_yaml(&self) -> String {
        /// Fewer objects are written by one thread.
        const SHARE: usize = 500;
        let write = |objects: &[Object]| {
            let mut text = String::new();
            for object in objects {
                text.push_str(&fluxbot_yaml::to_string(&object.value));
                text.push_str("---\n");
            }
            text
        };
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let share = self.objects.len().div_ceil(cores).max(SHARE);
        let mut text = std::thread::scope(|scope| {
            let parts: Vec<_> = self
                .objects
                .chunks(share)
                .skip(1)
                .map(|objects| (objects, scope.spawn(move || write(objects))))
                .collect();
            let mut text = write(self.objects.get(..share).unwrap_or(&self.objects));
            for (objects, part) in parts {
                text.push_str(&part.join().unwrap_or_else(|_| write(objects)));
            }
            text
        });
        // The mark stands between documents, not behind the last.
        let end = text.len().saturating_sub(4);
        text.truncate(end);
        text
    }

    /// The objects as `kustomize build -o FOLDER` writes them: the name of a file and its text for each.
    ///
    /// Names tell group, version, kind and name, and the namespace too when the objects are in several.
    #[must_use]
    pub fn to_files(&self) -> Vec<(String, String)> {
        let field = |object: &Object, path: &str| {
            let text = object.value.pointer(path).and_then(Value::as_str);
            text.unwrap_or_default().to_lowercase()
        };
        let namespace = |object: &Object| {
            let version = object.value.get("apiVersion").and_then(Value::as_str);
            let kind = object.value.get("kind").and_then(Value::as_str);
            let kinds = schema::Kinds::built_in();
            if kinds.is_cluster_scoped(version.unwrap_or_default(), kind.unwrap_or_default()) {
                return None;
            }
            let namespace = field(object, "/metadata/namespace");
            Some(if namespace.is_empty() {
                "default".to_owned()
            } else {
                namespace
            })
        };
        let namespaces: std::collections::BTreeSet<String> =
            self.objects.iter().filter_map(namespace).collect();
        let name = |object: &Object| {
            let kind = field(object, "/apiVersion").replace('/', "_");
            let name = format!(
                "{kind}_{}_{}.yaml",
                field(object, "/kind"),
                field(object, "/metadata/name")
            );
            match namespace(object).filter(|_| namespaces.len() > 1) {
                Some(namespace) => format!("{namespace}_{name}"),
                None => name,
            }
        };
        self.objects
            .iter()
            .map(|object| (name(object), fluxbot_yaml::to_string(&object.value)))
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
