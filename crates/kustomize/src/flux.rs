//! A path as a Flux Kustomization builds it: with overrides, and without a kustomization file where there is none.

use serde_json::Value;

use crate::accumulate::{Accumulator, Target};
use crate::decode::{self, Decode};
use crate::kustomization::{FILE_NAMES, Image, Kustomization, Patch};
use crate::remote::is_remote;
use crate::tree::join;
use crate::{BuildError, Built, Files, Kind, Options, finish};

/// How deep folders without a kustomization may be nested.
const MAX_DEPTH: usize = 256;

/// The fields of a Flux Kustomization that change how its path is built.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Overrides {
    /// `spec.targetNamespace`: replaces the namespace of the kustomization.
    pub target_namespace: Option<String>,
    /// `spec.namePrefix`: replaces the prefix of the kustomization.
    pub name_prefix: Option<String>,
    /// `spec.nameSuffix`: replaces the suffix of the kustomization.
    pub name_suffix: Option<String>,
    /// `spec.patches`, each as the API has it (`patch`, `target`): added after those of the kustomization.
    pub patches: Vec<Value>,
    /// `spec.images`, each as the API has it (`name`, `newName`, `newTag`, `digest`): merged with those of the kustomization
    /// by name.
    pub images: Vec<Value>,
    /// `spec.components`: local paths relative to the path, added after those of the kustomization.
    pub components: Vec<String>,
    /// `spec.ignoreMissingComponents`: leave out components that do not exist.
    pub ignore_missing_components: bool,
    /// `spec.buildMetadata`, when it is given.
    pub build_metadata: Option<Vec<String>>,
}

/// Builds a path as Flux does.
///
/// A path without a kustomization file is built as if one listed every `*.yaml` and `*.yml` file below it, and every folder
/// below it that has a kustomization of its own instead of the files there. Flux builds with
/// [`LoadRestrictor::None`](crate::LoadRestrictor::None) and [`Reorder::None`](crate::Reorder::None); the caller sets that
/// in the options.
pub fn build(
    files: &dyn Files,
    path: &str,
    overrides: &Overrides,
    options: &Options<'_>,
) -> Result<Built, BuildError> {
    let root = join("", path).ok_or_else(|| BuildError::at(path, "the path leaves the tree of files"))?;
    finish::build(files, options, |accumulator| {
        target(accumulator, &root, overrides)
    })
}

/// Reads an override as the API has it.
fn from_json<T: Decode>(value: &Value) -> Result<T, String> {
    decode::strict(&value.clone().into()).map_err(|fault| fault.reason)
}

/// The kustomization of a path, found or made up, with the overrides in it.
fn target(accumulator: &Accumulator<'_>, root: &str, overrides: &Overrides) -> Result<Target, BuildError> {
    let mut target = match accumulator.find_with(root, true) {
        Ok(mut target) => {
            let found = &mut target.kustomization;
            if found.resources.is_empty() && found.build_metadata.is_empty() {
                found.build_metadata.push("originAnnotations".to_owned());
            }
            target
        }
        Err(BuildError::NoKustomization { .. }) => generated(accumulator, root)?,
        Err(error) => return Err(error),
    };
    let fail = |reason: String| BuildError::at(&target.file, reason);
    let kustomization = &mut target.kustomization;
    let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    if let Some(namespace) = given(&overrides.target_namespace) {
        kustomization.namespace = namespace;
    }
    if let Some(prefix) = given(&overrides.name_prefix) {
        kustomization.name_prefix = prefix;
    }
    if let Some(suffix) = given(&overrides.name_suffix) {
        kustomization.name_suffix = suffix;
    }
    for patch in &overrides.patches {
        let patch: Patch =
            from_json(patch).map_err(|reason| fail(format!("unable to get patches: {reason}")))?;
        kustomization.patches.push(patch);
    }
    for image in &overrides.images {
        let image: Image =
            from_json(image).map_err(|reason| fail(format!("unable to get images: {reason}")))?;
        merge_image(&mut kustomization.images, image);
    }
    for component in &overrides.components {
        let folder = join(root, component).filter(|_| !component.starts_with('/') && !is_remote(component));
        let Some(folder) = folder else {
            return Err(fail(format!(
                "component path '{component}' must be local and relative"
            )));
        };
        if overrides.ignore_missing_components && accumulator.tree.kind(&folder)?.is_none() {
            continue;
        }
        kustomization.components.push(component.clone());
    }
    if let Some(metadata) = &overrides.build_metadata {
        kustomization.build_metadata.clone_from(metadata);
    }
    Ok(target)
}

/// Merges an image with the one of the same name: a new name on its own, tag and digest together.
fn merge_image(images: &mut Vec<Image>, image: Image) {
    let Some(known) = images.iter_mut().find(|known| known.name == image.name) else {
        images.push(image);
        return;
    };
    if !image.new_name.is_empty() {
        known.new_name = image.new_name;
    }
    if !image.new_tag.is_empty() || !image.digest.is_empty() {
        known.new_tag = image.new_tag;
        known.digest = image.digest;
    }
}

/// A kustomization that lists what is below a folder that has none.
fn generated(accumulator: &Accumulator<'_>, root: &str) -> Result<Target, BuildError> {
    let file = place(root, "kustomization.yaml");
    if accumulator.tree.kind(root)? != Some(Kind::Directory) {
        return Err(BuildError::at(
            &file,
            format!("kustomization path not found: '{root}' is no folder"),
        ));
    }
    let mut resources = Vec::new();
    scan(accumulator, root, "", 0, &mut resources)?;
    Ok(Target {
        root: root.to_owned(),
        file,
        kustomization: Kustomization {
            resources,
            ..Kustomization::default()
        },
    })
}

fn place(folder: &str, name: &str) -> String {
    if folder.is_empty() {
        name.to_owned()
    } else {
        format!("{folder}/{name}")
    }
}

fn scan(
    accumulator: &Accumulator<'_>,
    root: &str,
    below: &str,
    depth: usize,
    found: &mut Vec<String>,
) -> Result<(), BuildError> {
    if depth > MAX_DEPTH {
        return Err(BuildError::at(
            root,
            format!("folders are nested more than {MAX_DEPTH} deep"),
        ));
    }
    let tree = accumulator.tree;
    let folder = if below.is_empty() {
        root.to_owned()
    } else {
        place(root, below)
    };
    for entry in tree.list(&folder)? {
        let (path, relative) = (place(&folder, &entry.name), place(below, &entry.name));
        match entry.kind {
            Kind::Directory => {
                let mut is_kustomization = false;
                for name in FILE_NAMES {
                    is_kustomization |= tree.kind(&place(&path, name))? == Some(Kind::File);
                }
                if is_kustomization {
                    found.push(relative);
                } else {
                    scan(accumulator, root, &relative, depth + 1, found)?;
                }
            }
            Kind::File
                if [".yaml", ".yml"]
                    .iter()
                    .any(|ending| entry.name.ends_with(ending)) =>
            {
                let content = tree.read(&path)?.unwrap_or_else(|| Vec::new().into());
                if let Err(fault) = tree.objects(&path, &content) {
                    return Err(BuildError::Invalid {
                        line: fault.line,
                        reason: format!("failed to decode Kubernetes YAML from {path}: {}", fault.reason),
                        file: path,
                    });
                }
                found.push(relative);
            }
            Kind::File => {}
        }
    }
    Ok(())
}
