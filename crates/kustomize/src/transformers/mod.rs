//! What changes objects, one transformer after the other, and which of them a kustomization asks for.

mod entries;
mod images;
mod names;
mod namespace;
mod replicas;
mod value_add;

pub(crate) use entries::Entries;
pub(crate) use images::Images;
pub(crate) use names::{Affix, Name};
pub(crate) use namespace::{Namespace, Subjects};
pub(crate) use replicas::Replicas;
pub(crate) use value_add::{Place, ValueAdd};

use crate::BuildError;
use crate::accumulate::Target;
use crate::fields::{FieldSpec, FieldTable, merge_fields};
use crate::kustomization::{Kustomization, Labels, ReplacementEntry};
use crate::patch;
use crate::replacement::{self, Replacement};
use crate::resource::Resource;
use crate::resources::ResourceList;
use crate::tree::Tree;

/// Changes objects.
pub(crate) trait Transformer {
    /// Changes all objects. The error names the object.
    fn apply(&self, all: &mut ResourceList) -> Result<(), String>;
}

/// A transformer and what is said of it.
pub(crate) struct Step {
    /// The name of its kind, for annotations.
    pub(crate) kind: &'static str,
    /// The field that asks for it, for messages.
    pub(crate) field: String,
    pub(crate) transformer: Box<dyn Transformer>,
}

/// Several transformers as one.
pub(crate) struct All(pub(crate) Vec<Box<dyn Transformer>>);

impl Transformer for All {
    fn apply(&self, all: &mut ResourceList) -> Result<(), String> {
        self.0.iter().try_for_each(|one| one.apply(all))
    }
}

/// Replacements as a transformer.
pub(crate) struct Replacements(pub(crate) Vec<Replacement>);

impl Transformer for Replacements {
    fn apply(&self, all: &mut ResourceList) -> Result<(), String> {
        replacement::apply(&self.0, all.items_mut())
    }
}

impl Replacements {
    /// Reads the replacements of entries, some of which stand in files.
    pub(crate) fn load(
        tree: &Tree<'_>,
        target: &Target,
        entries: &[ReplacementEntry],
    ) -> Result<Self, BuildError> {
        let fail = |reason: String| BuildError::at(&target.file, format!("replacements: {reason}"));
        let mut found = Vec::new();
        for entry in entries {
            if entry.path.is_empty() {
                found.push(entry.clone().inline());
                continue;
            }
            let has_targets = entry.targets.as_ref().is_some_and(|targets| !targets.is_empty());
            if entry.source.is_some() || has_targets {
                return Err(fail("cannot specify both path and inline replacement".to_owned()));
            }
            let (path, content) = tree.load(&target.root, &target.file, &entry.path)?;
            let value = crate::objects::configuration(&path, &content)?;
            let in_file = |reason: String| fail(format!("{path}: {reason}"));
            match value {
                fluxbot_yaml::Value::List(_) => {
                    let more: Vec<Replacement> = crate::decode::lenient(&value).map_err(in_file)?;
                    found.extend(more);
                }
                fluxbot_yaml::Value::Map(_) => {
                    found.push(crate::decode::lenient(&value).map_err(in_file)?);
                }
                _ => {
                    return Err(in_file(
                        "unsupported replacement type encountered within replacement path: invalid"
                            .to_owned(),
                    ));
                }
            }
        }
        Ok(Self(found))
    }
}

/// All transformers that the fields of a kustomization ask for, in the original's order.
pub(crate) fn configured(
    tree: &Tree<'_>,
    target: &Target,
    table: &FieldTable,
) -> Result<Vec<Step>, BuildError> {
    let kustomization = &target.kustomization;
    let mut steps = Vec::new();
    let mut add = |kind: &'static str, field: &str, transformer: Box<dyn Transformer>| {
        steps.push(Step {
            kind,
            field: field.to_owned(),
            transformer,
        });
    };
    let patches = patch::load(tree, target)?;
    if let Some(merges) = patches.strategic_merge {
        add(
            "PatchStrategicMergeTransformer",
            "patchesStrategicMerge",
            Box::new(merges),
        );
    }
    for one in patches.any {
        add("PatchTransformer", "patches", Box::new(one));
    }
    named(kustomization, table, &mut add);
    labelled(kustomization, table, &mut add)
        .map_err(|reason| BuildError::at(&target.file, format!("labels: {reason}")))?;
    for one in patches.json6902 {
        add("PatchJson6902Transformer", "patchesJson6902", Box::new(one));
    }
    for replica in &kustomization.replicas {
        let one = Replicas {
            replica: replica.clone(),
            fields: table.replicas.clone(),
        };
        add("ReplicaCountTransformer", "replicas", Box::new(one));
    }
    for image in &kustomization.images {
        let one = Images::new(image.clone(), table.images.clone());
        add("ImageTagTransformer", "images", Box::new(one));
    }
    if !kustomization.replacements.is_empty() {
        let all = Replacements::load(tree, target, &kustomization.replacements)?;
        add("ReplacementTransformer", "replacements", Box::new(all));
    }
    Ok(steps)
}

type Add<'a> = dyn FnMut(&'static str, &str, Box<dyn Transformer>) + 'a;

/// The transformers of names and namespaces.
fn named(kustomization: &Kustomization, table: &FieldTable, add: &mut Add<'_>) {
    if !kustomization.namespace.is_empty() {
        let one = Namespace {
            name: kustomization.namespace.clone(),
            fields: table.namespace.clone(),
            unset_only: false,
            subjects: Subjects::default(),
        };
        add("NamespaceTransformer", "namespace", Box::new(one));
    }
    if !kustomization.name_prefix.is_empty() {
        let one = Name {
            affix: Affix::Prefix,
            text: kustomization.name_prefix.clone(),
            fields: table.name_prefix.clone(),
        };
        add("PrefixTransformer", "namePrefix", Box::new(one));
    }
    if !kustomization.name_suffix.is_empty() {
        let one = Name {
            affix: Affix::Suffix,
            text: kustomization.name_suffix.clone(),
            fields: table.name_suffix.clone(),
        };
        add("SuffixTransformer", "nameSuffix", Box::new(one));
    }
}

/// The transformers of labels and annotations.
fn labelled(kustomization: &Kustomization, table: &FieldTable, add: &mut Add<'_>) -> Result<(), String> {
    for labels in &kustomization.labels {
        let one = Entries {
            pairs: labels.pairs.clone(),
            fields: label_fields(labels, table)?,
        };
        add("LabelTransformer", "labels", Box::new(one));
    }
    if !kustomization.labels.is_empty() || !kustomization.common_labels.is_empty() {
        let one = Entries {
            pairs: kustomization.common_labels.clone(),
            fields: table.common_labels.clone(),
        };
        add("LabelTransformer", "commonLabels", Box::new(one));
    }
    if !kustomization.common_annotations.is_empty() {
        let one = Entries {
            pairs: kustomization.common_annotations.clone(),
            fields: table.common_annotations.clone(),
        };
        add("AnnotationsTransformer", "commonAnnotations", Box::new(one));
    }
    Ok(())
}

/// Which fields an entry of `labels` sets.
fn label_fields(labels: &Labels, table: &FieldTable) -> Result<Vec<FieldSpec>, String> {
    let mut found = labels.fields.clone();
    merge_fields(&mut found, &table.labels).map_err(|reason| format!("failed to merge labels: {reason}"))?;
    if labels.include_selectors {
        merge_fields(&mut found, &table.common_labels)
            .map_err(|reason| format!("failed to merge labels: {reason}"))?;
        return Ok(found);
    }
    if labels.include_templates {
        merge_fields(&mut found, &table.template_labels)
            .map_err(|reason| format!("failed to merge template fieldSpec: {reason}"))?;
    }
    if labels.include_volume_claim_templates {
        merge_fields(&mut found, &table.claim_labels)
            .map_err(|reason| format!("failed to merge volumeClaimTemplate fieldSpec: {reason}"))?;
    }
    merge_fields(&mut found, &[FieldSpec::everywhere("metadata/labels")])
        .map_err(|reason| format!("failed to merge labels: {reason}"))?;
    Ok(found)
}

/// Names the object in an error.
fn about<T>(resource: &Resource, result: Result<T, String>) -> Result<T, String> {
    result.map_err(|reason| {
        let origin = &resource.origin;
        format!("{} ({}:{}): {reason}", resource.id(), origin.path, origin.line)
    })
}
