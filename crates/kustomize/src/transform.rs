//! What a kustomization changes in its objects, one transformer after the other.

use std::collections::BTreeMap;

use fluxbot_yaml::{Map, Value};
use regex::Regex;

use crate::BuildError;
use crate::accumulate::Target;
use crate::fields::{self, Create, FieldSpec, FieldTable, merge_fields};
use crate::kustomization::{Image, Kustomization, Labels, Replica};
use crate::patch;
use crate::resource::{Resource, ResourceList};
use crate::tree::Tree;

/// One transformer's work on all objects.
type Step<'s> = Box<dyn FnOnce(&mut ResourceList) -> Result<(), String> + 's>;

/// Applies all transformers of a kustomization in the original's order. `origin` is the kustomization file as annotations name
/// it, when they are wanted.
pub(crate) fn transform(
    tree: &Tree<'_>,
    target: &Target,
    origin: Option<&str>,
    resources: &mut ResourceList,
) -> Result<(), BuildError> {
    let patches = patch::load(tree, target)?;
    for (kind, field, step) in steps(&target.kustomization, patches) {
        step(resources).map_err(|reason| BuildError::at(&target.file, format!("{field}: {reason}")))?;
        let items = resources.items_mut();
        items.retain(|item| !item.is_gone());
        if let Some(file) = origin {
            for item in items {
                item.note_transformer(file, kind);
            }
        }
    }
    Ok(())
}

fn steps<'s>(
    kustomization: &'s Kustomization,
    patches: patch::Patches,
) -> Vec<(&'static str, &'static str, Step<'s>)> {
    let table: &'static FieldTable = &fields::DEFAULT;
    let mut steps: Vec<(&str, &str, Step<'s>)> = Vec::new();
    if let Some(merges) = patches.strategic_merge {
        steps.push((
            "PatchStrategicMergeTransformer",
            "patchesStrategicMerge",
            Box::new(move |all| merges.apply(all)),
        ));
    }
    for one in patches.any {
        steps.push(("PatchTransformer", "patches", Box::new(move |all| one.apply(all))));
    }
    if !kustomization.namespace.is_empty() {
        let namespace = &kustomization.namespace;
        steps.push((
            "NamespaceTransformer",
            "namespace",
            Box::new(move |all| set_namespace(all, namespace, table)),
        ));
    }
    if !kustomization.name_prefix.is_empty() {
        let prefix = &kustomization.name_prefix;
        steps.push((
            "PrefixTransformer",
            "namePrefix",
            Box::new(move |all| {
                rename(all, prefix, "");
                Ok(())
            }),
        ));
    }
    if !kustomization.name_suffix.is_empty() {
        let suffix = &kustomization.name_suffix;
        steps.push((
            "SuffixTransformer",
            "nameSuffix",
            Box::new(move |all| {
                rename(all, "", suffix);
                Ok(())
            }),
        ));
    }
    if !kustomization.labels.is_empty() || !kustomization.common_labels.is_empty() {
        for labels in &kustomization.labels {
            steps.push((
                "LabelTransformer",
                "labels",
                Box::new(move |all| set_entries(all, &labels.pairs, &label_fields(labels, table)?)),
            ));
        }
        let pairs = &kustomization.common_labels;
        steps.push((
            "LabelTransformer",
            "commonLabels",
            Box::new(move |all| set_entries(all, pairs, &table.common_labels)),
        ));
    }
    if !kustomization.common_annotations.is_empty() {
        let pairs = &kustomization.common_annotations;
        steps.push((
            "AnnotationsTransformer",
            "commonAnnotations",
            Box::new(move |all| set_entries(all, pairs, &table.common_annotations)),
        ));
    }
    for one in patches.json6902 {
        steps.push((
            "PatchJson6902Transformer",
            "patchesJson6902",
            Box::new(move |all| one.apply(all)),
        ));
    }
    for replica in &kustomization.replicas {
        steps.push((
            "ReplicaCountTransformer",
            "replicas",
            Box::new(move |all| set_replicas(all, replica, &table.replicas)),
        ));
    }
    for image in &kustomization.images {
        steps.push((
            "ImageTagTransformer",
            "images",
            Box::new(move |all| set_image(all, image, &table.images)),
        ));
    }
    steps
}

/// Which fields an entry of `labels` sets.
fn label_fields(labels: &Labels, table: &FieldTable) -> Result<Vec<FieldSpec>, String> {
    let mut found = labels.fields.clone();
    if labels.include_selectors {
        merge_fields(&mut found, &table.common_labels)?;
        return Ok(found);
    }
    if labels.include_templates {
        merge_fields(&mut found, &table.template_labels)?;
    }
    if labels.include_volume_claim_templates {
        merge_fields(&mut found, &table.claim_labels)?;
    }
    merge_fields(&mut found, &[FieldSpec::everywhere("metadata/labels")])?;
    Ok(found)
}

/// Names the object in an error.
fn about<T>(resource: &Resource, result: Result<T, String>) -> Result<T, String> {
    result.map_err(|reason| {
        let origin = &resource.origin;
        format!("{} ({}:{}): {reason}", resource.id(), origin.path, origin.line)
    })
}

/// Sets entries of maps such as labels.
fn set_entries(
    all: &mut ResourceList,
    pairs: &BTreeMap<String, String>,
    fields: &[FieldSpec],
) -> Result<(), String> {
    if pairs.is_empty() {
        return Ok(());
    }
    for resource in all.items_mut() {
        let gvk = resource.gvk();
        for field in fields.iter().filter(|field| field.selects(&gvk)) {
            let mut set = |value: &mut Value| {
                if value.is_null() {
                    *value = Value::Map(Map::new());
                }
                let Some(entries) = value.as_map_mut() else {
                    return Err("expected a map of strings".to_owned());
                };
                for (key, text) in pairs {
                    entries.insert(key.clone(), Value::String(text.clone()));
                }
                Ok(())
            };
            let result = field.visit(&mut resource.value, Create::Map, &mut set);
            about(resource, result)?;
        }
    }
    Ok(())
}

fn set_namespace(all: &mut ResourceList, namespace: &str, table: &FieldTable) -> Result<(), String> {
    for resource in all.items_mut() {
        resource.remember_id();
        let id = resource.id();
        let mut set = |value: &mut Value| {
            if !value.is_scalar() {
                return Err("namespace field specs must target scalar nodes".to_owned());
            }
            *value = Value::String(namespace.to_owned());
            Ok(())
        };
        let mut fields: Vec<&FieldSpec> = Vec::new();
        let own = FieldSpec::everywhere("metadata/namespace");
        if !id.cluster {
            fields.push(&own);
        }
        fields.extend(table.namespace.iter().filter(|field| {
            // Only the core group's Namespace is named after it.
            field.selects(&id.gvk) && (field.path != "metadata/name" || id.gvk.api_version() == "v1")
        }));
        for field in fields {
            let result = field.visit(&mut resource.value, Create::Scalar, &mut set);
            about(resource, result)?;
        }
        if matches!(id.gvk.kind.as_str(), "RoleBinding" | "ClusterRoleBinding") {
            set_subjects(&mut resource.value, namespace);
        }
    }
    all.check_unique("namespace transformation produces ID conflict")
}

/// Of the subjects of a binding, those named `default` move.
fn set_subjects(value: &mut Value, namespace: &str) {
    let Some(Value::List(subjects)) = value.get_mut("subjects") else {
        return;
    };
    for subject in subjects.iter_mut().filter_map(Value::as_map_mut) {
        if subject.get("name").and_then(Value::as_str) == Some("default") {
            subject.insert("namespace".to_owned(), namespace.into());
        }
    }
}

/// Adds a prefix and a suffix to names.
fn rename(all: &mut ResourceList, prefix: &str, suffix: &str) {
    for resource in all.items_mut() {
        let id = resource.original_id();
        let keeps = matches!(id.gvk.kind.as_str(), "CustomResourceDefinition" | "Namespace")
            || (id.gvk.kind == "APIService" && id.gvk.group == "apiregistration.k8s.io");
        if keeps {
            continue;
        }
        if !prefix.is_empty() {
            resource.prefixes.push(prefix.to_owned());
        }
        if !suffix.is_empty() {
            resource.suffixes.push(suffix.to_owned());
        }
        resource.remember_id();
        resource.set_name(format!("{prefix}{}{suffix}", resource.name()));
    }
}

fn set_replicas(all: &mut ResourceList, replica: &Replica, fields: &[FieldSpec]) -> Result<(), String> {
    let mut found = false;
    for field in fields {
        let gvk = field.gvk();
        let places = all.with_any_id(|id| id.name == replica.name && id.gvk.is_selected(&gvk));
        found |= !places.is_empty();
        let items = all.items_mut();
        for place in places {
            let Some(resource) = items.get_mut(place).filter(|item| field.selects(&item.gvk())) else {
                continue;
            };
            let mut set = |value: &mut Value| {
                *value = Value::Number(replica.count.into());
                Ok(())
            };
            let result = field.visit(&mut resource.value, Create::Scalar, &mut set);
            about(resource, result)?;
        }
    }
    if found {
        return Ok(());
    }
    let kinds: Vec<String> = fields.iter().map(|field| field.gvk().to_string()).collect();
    Err(format!(
        "resource with name {} does not match a config with the following GVK [{}]",
        replica.name,
        kinds.join(" ")
    ))
}

fn set_image(all: &mut ResourceList, image: &Image, fields: &[FieldSpec]) -> Result<(), String> {
    const REST: &str = r"(:[a-zA-Z0-9_.{}-]*)?(@[a-zA-Z0-9]+([.+_-][a-zA-Z0-9]+)*:[a-zA-Z0-9_.{}-]*)?$";
    // A name that is no regular expression matches nothing, as the original has it.
    let Ok(pattern) = Regex::new(&format!("^{}{REST}", image.name)) else {
        return Ok(());
    };
    let mut set = |value: &mut Value| {
        let Some(text) = value.text() else {
            return Err("an image is no string".to_owned());
        };
        if pattern.is_match(&text) {
            *value = Value::String(renamed_image(&text, image));
        }
        Ok(())
    };
    for resource in all.items_mut() {
        if resource.kind() == "CustomResourceDefinition" {
            continue;
        }
        let result = set_container_images(&mut resource.value, &mut set);
        about(resource, result)?;
        let gvk = resource.gvk();
        for field in fields.iter().filter(|field| field.selects(&gvk)) {
            let result = field.visit(&mut resource.value, Create::Never, &mut set);
            about(resource, result)?;
        }
    }
    Ok(())
}

/// The images of all lists named `containers` or `initContainers`, wherever they are.
fn set_container_images(
    value: &mut Value,
    set: &mut dyn FnMut(&mut Value) -> Result<(), String>,
) -> Result<(), String> {
    match value {
        Value::List(items) => items
            .iter_mut()
            .try_for_each(|item| set_container_images(item, set)),
        Value::Map(fields) => {
            for (name, field) in fields {
                set_container_images(field, set)?;
                let Value::List(items) = field else { continue };
                if !matches!(name.as_str(), "containers" | "initContainers") {
                    continue;
                }
                for image in items.iter_mut().filter_map(|item| item.get_mut("image")) {
                    if !image.is_null() {
                        set(image)?;
                    }
                }
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

fn renamed_image(text: &str, image: &Image) -> String {
    let (name, tag, digest) = split_image(text);
    let name = if image.new_name.is_empty() {
        name
    } else {
        &image.new_name
    };
    let (tag, digest) = match (image.new_tag.as_str(), image.digest.as_str()) {
        ("", "") if image.tag_suffix.is_empty() => (tag.to_owned(), digest),
        ("", "") => (format!("{tag}{}", image.tag_suffix), ""),
        (tag, digest) => (tag.to_owned(), digest),
    };
    let mut renamed = name.to_owned();
    for (mark, part) in [(':', tag.as_str()), ('@', digest)] {
        if !part.is_empty() {
            renamed.push(mark);
            renamed.push_str(part);
        }
    }
    renamed
}

/// Splits an image into name, tag and digest. A colon before the first slash belongs to a port.
fn split_image(text: &str) -> (&str, &str, &str) {
    let start = text.find('/').unwrap_or(0);
    let place = |mark: char| {
        text.get(start..)
            .and_then(|rest| rest.find(mark))
            .map(|at| at + start)
    };
    let part = |from: usize, to: usize| text.get(from..to).unwrap_or_default();
    match (place(':'), place('@')) {
        (None, None) => (text, "", ""),
        (Some(colon), Some(at)) if colon < at => {
            (part(0, colon), part(colon + 1, at), part(at + 1, text.len()))
        }
        (_, Some(at)) => (part(0, at), "", part(at + 1, text.len())),
        (Some(colon), None) => (part(0, colon), part(colon + 1, text.len()), ""),
    }
}
