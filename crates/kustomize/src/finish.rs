//! The steps that only the outermost kustomization takes.

use crate::accumulate::{Accumulator, Target};
use crate::resource::{Resource, note};
use crate::tree::Tree;
use crate::{BuildError, Built, Files, Object, Options};
use crate::{hash, order, references, vars};

const LOCAL: &str = "config.kubernetes.io/local-config";

const MANAGED_BY: &str = "app.kubernetes.io/managed-by";

/// What the label says that objects are managed by: the original's words for a build without a version.
const MANAGER: &str = "kustomize-(devel)";

/// Builds what `find` gives as the outermost kustomization.
pub(crate) fn build(
    files: &dyn Files,
    options: &Options<'_>,
    find: impl FnOnce(&Accumulator<'_>) -> Result<Target, BuildError>,
) -> Result<Built, BuildError> {
    let tree = Tree::new(files, options);
    let (target, resources) = {
        let mut accumulator = Accumulator::new(&tree, options.limits);
        let target = find(&accumulator)?;
        let all = accumulator.run(&target)?;
        let fail = |reason: String| BuildError::at(&target.file, reason);
        let table = all.table.unwrap_or_default();
        let mut resources = all.resources.into_items();
        hash::add_suffixes(&mut resources);
        references::update(&mut resources, &table.references).map_err(|(index, reason)| {
            let origin = resources.get(index).map(|resource| &resource.origin);
            match origin {
                Some(origin) => fail(format!("{}:{}: {reason}", origin.path, origin.line)),
                None => fail(reason),
            }
        })?;
        vars::resolve(&all.vars, &table.var_references, &mut resources)
            .map_err(|reason| fail(format!("vars: {reason}")))?;
        for resource in &resources {
            check(resource).map_err(|reason| {
                let origin = &resource.origin;
                fail(format!("{}:{}: {reason}", origin.path, origin.line))
            })?;
        }
        resources.retain(|resource| {
            let local = resource.annotation(LOCAL);
            local.is_none_or(|value| value == "false")
        });
        order::sort(
            &mut resources,
            target.kustomization.sort_options.as_ref(),
            options.reorder,
        )
        .map_err(fail)?;
        (target, resources)
    };
    let wants = |name: &str| {
        let mut options = target.kustomization.build_metadata.iter();
        options.any(|option| option == name)
    };
    let last = Last {
        managed_by: wants("managedByLabel"),
        origins: wants("originAnnotations"),
        transformations: wants("transformerAnnotations"),
    };
    Ok(Built {
        objects: resources
            .into_iter()
            .map(|resource| last.object(resource))
            .collect(),
        inputs: tree.into_inputs(),
    })
}

/// Checks that an object still is one: patches may take anything away.
fn check(resource: &Resource) -> Result<(), String> {
    let kind = resource.kind();
    if kind.is_empty() {
        return Err(format!("missing kind in object {}", resource.id()));
    }
    if resource.name().is_empty() && !kind.ends_with("List") {
        return Err(format!("missing metadata.name in object {}", resource.id()));
    }
    Ok(())
}

/// What is done to an object last.
struct Last {
    managed_by: bool,
    origins: bool,
    transformations: bool,
}

impl Last {
    /// Takes the annotations of the build from an object; the others become strings.
    fn object(&self, mut resource: Resource) -> Object {
        if self.managed_by {
            let mut labels = resource.labels();
            labels.insert(MANAGED_BY.to_owned(), MANAGER.to_owned());
            resource.set_labels(labels);
        }
        resource.keep_annotations(|key| {
            !note::is_of_build(key)
                && (self.origins || key != note::ORIGIN)
                && (self.transformations || key != note::TRANSFORMATIONS)
        });
        Object {
            value: resource.value,
            origin: resource.origin,
        }
    }
}
