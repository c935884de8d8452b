//! The steps that only the outermost kustomization takes.

use std::collections::BTreeMap;

use crate::accumulate::{Accumulator, Target};
use crate::resource::Resource;
use crate::tree::Tree;
use crate::{BuildError, Built, Files, Object, Options};
use crate::{fields, hash, order, references};

const LOCAL: &str = "config.kubernetes.io/local-config";
const ORIGIN: &str = "config.kubernetes.io/origin";
const TRANSFORMATIONS: &str = "alpha.config.kubernetes.io/transformations";

/// Annotations that the original uses while it builds and removes at the end.
const INTERNAL: [&str; 18] = [
    "internal.config.kubernetes.io/previousKinds",
    "internal.config.kubernetes.io/previousNames",
    "internal.config.kubernetes.io/prefixes",
    "internal.config.kubernetes.io/suffixes",
    "internal.config.kubernetes.io/previousNamespaces",
    "internal.config.kubernetes.io/allowNameChange",
    "internal.config.kubernetes.io/allowKindChange",
    "internal.config.kubernetes.io/refBy",
    "internal.config.kubernetes.io/generatorBehavior",
    "internal.config.kubernetes.io/needsHashSuffix",
    "internal.config.kubernetes.io/path",
    "internal.config.kubernetes.io/index",
    "internal.config.kubernetes.io/seqindent",
    "internal.config.kubernetes.io/id",
    "internal.config.kubernetes.io/annotations-migration-resource-id",
    "config.kubernetes.io/path",
    "config.kubernetes.io/index",
    "config.k8s.io/id",
];

/// Builds what `find` gives as the outermost kustomization.
pub(crate) fn build(
    files: &dyn Files,
    options: &Options<'_>,
    find: impl FnOnce(&Accumulator<'_>) -> Result<Target, BuildError>,
) -> Result<Built, BuildError> {
    let tree = Tree::new(files, options.load_restrictor);
    let mut accumulator = Accumulator::new(&tree, options.limits);
    let target = find(&accumulator)?;
    let resources = accumulator.run(&target)?;
    drop(accumulator);
    let fail = |reason: String| BuildError::at(&target.file, reason);
    let mut resources = resources.into_items();
    for resource in resources.iter_mut().filter(|resource| resource.needs_hash) {
        let suffix = hash::suffix(resource);
        resource.remember_id();
        resource.set_name(format!("{}-{suffix}", resource.name()));
    }
    references::update(&mut resources, &fields::DEFAULT).map_err(|(index, reason)| {
        let origin = resources.get(index).map(|resource| &resource.origin);
        match origin {
            Some(origin) => fail(format!("{}:{}: {reason}", origin.path, origin.line)),
            None => fail(reason),
        }
    })?;
    resources.retain(|resource| {
        let local = resource.annotation(LOCAL);
        local.is_none_or(|value| value == "false")
    });
    let kustomization = &target.kustomization;
    order::sort(
        &mut resources,
        kustomization.sort_options.as_ref(),
        options.reorder,
    )
    .map_err(fail)?;
    let metadata = |name: &str| kustomization.build_metadata.iter().any(|option| option == name);
    if metadata("managedByLabel") {
        return Err(BuildError::Unsupported {
            file: target.file.clone(),
            what: "buildMetadata option 'managedByLabel'".to_owned(),
        });
    }
    let (origins, transformations) = (metadata("originAnnotations"), metadata("transformerAnnotations"));
    let objects = resources
        .into_iter()
        .map(|resource| object(resource, origins, transformations))
        .collect();
    Ok(Built {
        objects,
        inputs: tree.into_inputs(),
    })
}

/// Gives an object its last annotations, and all of them as strings.
fn object(mut resource: Resource, origins: bool, transformations: bool) -> Object {
    let mut annotations: BTreeMap<String, String> = resource.texts(&["metadata", "annotations"]);
    annotations.retain(|key, _| !INTERNAL.contains(&key.as_str()) && key != ORIGIN && key != TRANSFORMATIONS);
    if origins && let Some(note) = resource.origin_note.take() {
        annotations.insert(ORIGIN.to_owned(), note);
    }
    if transformations && !resource.transformations.is_empty() {
        annotations.insert(TRANSFORMATIONS.to_owned(), resource.transformations.concat());
    }
    if resource.value.get("metadata").is_some() {
        resource.set_metadata_texts("annotations", annotations);
    }
    Object {
        value: resource.value.into(),
        origin: resource.origin,
    }
}

impl Resource {
    /// Notes the kustomization file that a generated object comes from.
    pub(crate) fn note_generator(&mut self, file: &str) {
        let kind = if self.kind() == "Secret" {
            "SecretGenerator"
        } else {
            "ConfigMapGenerator"
        };
        self.origin_note = Some(format!(
            "configuredIn: {file}\nconfiguredBy:\n  apiVersion: builtin\n  kind: {kind}\n"
        ));
    }

    /// Notes that a transformer of a kustomization file has seen the object.
    pub(crate) fn note_transformer(&mut self, file: &str, kind: &str) {
        self.transformations.push(format!(
            "- configuredIn: {file}\n  configuredBy:\n    apiVersion: builtin\n    kind: {kind}\n"
        ));
    }
}
