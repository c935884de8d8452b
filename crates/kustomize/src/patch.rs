//! Patches of a kustomization: reading them, and applying them to the objects that they are for.

use fluxbot_yaml::Value;

use crate::accumulate::Target;
use crate::json_patch::{self, Operation};
use crate::kustomization::{Patch, PatchOptions};
use crate::merge::merge_object;
use crate::objects;
use crate::resource::{Resource, ResourceList, set_texts};
use crate::selector::Selector;
use crate::tree::Tree;
use crate::{BuildError, BuildError as Error};

/// The patches of a kustomization.
pub(crate) struct Patches {
    pub(crate) strategic_merge: Option<StrategicMerge>,
    pub(crate) any: Vec<AnyPatch>,
    pub(crate) json6902: Vec<JsonPatch>,
}

/// The patches of `patchesStrategicMerge`.
pub(crate) struct StrategicMerge {
    patches: Vec<Resource>,
}

/// An entry of `patchesJson6902`.
pub(crate) struct JsonPatch {
    operations: Vec<Operation>,
    target: Selector,
}

/// An entry of `patches`.
pub(crate) struct AnyPatch {
    /// Where it stands, for messages.
    source: String,
    content: Content,
    target: Option<Selector>,
    options: PatchOptions,
}

enum Content {
    Merge(Vec<Resource>),
    Json(Vec<Operation>),
}

/// Reads all patches of a kustomization.
pub(crate) fn load(tree: &Tree<'_>, target: &Target) -> Result<Patches, BuildError> {
    let kustomization = &target.kustomization;
    let entries = &kustomization.patches_strategic_merge;
    let strategic_merge = match entries.as_slice() {
        [] => None,
        entries => Some(StrategicMerge {
            patches: strategic_merge(tree, target, entries)?,
        }),
    };
    let entries = kustomization.patches.iter().map(|entry| any(tree, target, entry));
    let json = kustomization
        .patches_json6902
        .iter()
        .map(|entry| json6902(tree, target, entry));
    Ok(Patches {
        strategic_merge,
        any: entries.collect::<Result<_, _>>()?,
        json6902: json.collect::<Result<_, _>>()?,
    })
}

fn strategic_merge(
    tree: &Tree<'_>,
    target: &Target,
    entries: &[String],
) -> Result<Vec<Resource>, BuildError> {
    let mut patches = Vec::new();
    for entry in entries {
        // An entry may be the patch itself.
        if let Ok(found) = objects::read(&target.file, entry.as_bytes()) {
            patches.extend(found);
            continue;
        }
        let (path, content) = tree.load(&target.root, &target.file, entry)?;
        let found = objects::read(&path, &content).map_err(|fault| Error::Invalid {
            file: path,
            line: fault.line,
            reason: fault.reason,
        })?;
        patches.extend(found);
    }
    if patches.is_empty() {
        return Err(Error::at(
            &target.file,
            "patchesStrategicMerge: patch appears to be empty",
        ));
    }
    Ok(patches)
}

fn json6902(tree: &Tree<'_>, target: &Target, entry: &Patch) -> Result<JsonPatch, BuildError> {
    let fail = |reason: String| Error::at(&target.file, format!("patchesJson6902: {reason}"));
    let selector = entry.target.clone().filter(|selector| !selector.name.is_empty());
    let selector = selector.ok_or_else(|| fail("must specify the target name".to_owned()))?;
    let (text, source) = match (entry.path.as_str(), entry.patch.as_str()) {
        ("", "") => return Err(fail("empty file path and empty jsonOp".to_owned())),
        ("", patch) => (patch.to_owned(), "inline patch".to_owned()),
        (path, "") => (text_of(tree, target, path)?, path.to_owned()),
        _ => return Err(fail("must specify a file path or jsonOp, not both".to_owned())),
    };
    let operations = json_patch::parse(&text).map_err(|reason| fail(format!("{source}: {reason}")))?;
    if operations.is_empty() {
        return Err(fail(format!("patch appears to be empty; file={}", entry.path)));
    }
    Ok(JsonPatch {
        operations,
        target: selector,
    })
}

fn text_of(tree: &Tree<'_>, target: &Target, path: &str) -> Result<String, BuildError> {
    let (full, content) = tree.load(&target.root, &target.file, path)?;
    String::from_utf8(content.to_vec()).map_err(|_| Error::Invalid {
        file: full,
        line: 1,
        reason: "not UTF-8".to_owned(),
    })
}

fn any(tree: &Tree<'_>, target: &Target, entry: &Patch) -> Result<AnyPatch, BuildError> {
    let fail = |reason: String| Error::at(&target.file, format!("patches: {reason}"));
    let inline = entry.patch.trim();
    let (text, source, file) = match (entry.path.as_str(), inline) {
        ("", "") => return Err(fail("must specify one of patch and path".to_owned())),
        ("", patch) => (patch.to_owned(), "[inline patch]".to_owned(), target.file.clone()),
        (path, "") => (
            text_of(tree, target, path)?,
            format!("[path: {path:?}]"),
            path.to_owned(),
        ),
        _ => return Err(fail("patch and path can't be set at the same time".to_owned())),
    };
    let merges = objects::read(&file, text.as_bytes());
    let operations = json_patch::parse(&text);
    let content = match (merges, operations) {
        (Ok(merges), Ok(operations)) if !merges.is_empty() && !operations.is_empty() => {
            return Err(fail(format!(
                "illegally qualifies as both an SM and JSON patch: {source}"
            )));
        }
        (Ok(merges), _) => Content::Merge(merges),
        (Err(_), Ok(operations)) => Content::Json(operations),
        (Err(merge), Err(json)) => {
            return Err(fail(format!(
                "unable to parse SM or JSON patch from {source}: line {}: {}; as a JSON patch: {json}",
                merge.line, merge.reason
            )));
        }
    };
    Ok(AnyPatch {
        source,
        content,
        target: entry.target.clone(),
        options: entry.options,
    })
}

impl StrategicMerge {
    pub(crate) fn apply(self, all: &mut ResourceList) -> Result<(), String> {
        for patch in self.patches {
            let place = all.only(&patch.original_id())?;
            merge_into(all, place, &with_texts(&patch), PatchOptions::default())?;
            finish(all)?;
        }
        Ok(())
    }
}

impl JsonPatch {
    pub(crate) fn apply(self, all: &mut ResourceList) -> Result<(), String> {
        for place in self.target.select(all.items())? {
            patch_json(all, place, &self.operations, false)?;
        }
        Ok(())
    }
}

impl AnyPatch {
    pub(crate) fn apply(self, all: &mut ResourceList) -> Result<(), String> {
        let Self {
            source,
            content,
            target,
            options,
        } = self;
        match (content, target) {
            (Content::Merge(patches), None) => {
                for patch in patches {
                    let id = patch.original_id();
                    let place = all.only(&id).map_err(|reason| {
                        format!("no resource matches strategic merge patch \"{id}\": {reason}")
                    })?;
                    merge_into(all, place, &patch, options)?;
                }
                Ok(())
            }
            (Content::Merge(patches), Some(target)) => {
                if patches.len() > 1 {
                    return Err(format!(
                        "Multiple Strategic-Merge Patches in one `patches` entry is not allowed to set `patches.target` field: {source}"
                    ));
                }
                let Some(patch) = patches.first() else {
                    return Ok(());
                };
                let patch = with_texts(patch);
                for place in target.select(all.items())? {
                    merge_into(all, place, &patch, options)?;
                }
                finish(all)
            }
            (Content::Json(operations), Some(target)) => {
                for place in target.select(all.items())? {
                    patch_json(all, place, &operations, true)?;
                }
                Ok(())
            }
            (Content::Json(operations), None) if operations.is_empty() => Ok(()),
            (Content::Json(_), None) => Err(format!("must specify a target for JSON patch {source}")),
        }
    }
}

/// A patch whose labels and annotations are strings.
///
/// The original rewrites them so for `patchesStrategicMerge` and for patches with a target: a label that the patch sets to null
/// becomes the string `null`, and without any the field is left alone.
fn with_texts(patch: &Resource) -> Resource {
    let mut patch = patch.clone();
    let Some(Value::Map(metadata)) = patch.value.get_mut("metadata") else {
        return patch;
    };
    for field in ["labels", "annotations"] {
        let Some(Value::Map(entries)) = metadata.remove(field) else {
            continue;
        };
        let texts = entries.into_iter().map(|(key, value)| {
            let text = match &value {
                Value::Null { written: true } => "null".to_owned(),
                value => value.text().unwrap_or_default().into_owned(),
            };
            (key, text)
        });
        set_texts(metadata, field, texts.collect());
    }
    patch
}

/// Drops what was deleted and checks that no two objects are the same now.
fn finish(all: &mut ResourceList) -> Result<(), String> {
    all.items_mut().retain(|item| !item.is_gone());
    all.check_unique("may not add resource with an already registered id")
}

fn merge_into(
    all: &mut ResourceList,
    place: usize,
    patch: &Resource,
    options: PatchOptions,
) -> Result<(), String> {
    let Some(resource) = all.items_mut().get_mut(place) else {
        return Ok(());
    };
    let id = resource.id();
    if options.allow_name_change || options.allow_kind_change {
        resource.remember_id();
    }
    let mut patch = patch.value.clone();
    // A patch with a target may be of another version.
    if let Some(fields) = patch.as_map_mut() {
        fields.insert("apiVersion".to_owned(), id.gvk.api_version().into());
    }
    let object = std::mem::replace(&mut resource.value, Value::NULL);
    let merged = merge_object(object, patch).map_err(|reason| format!("{id}: {reason}"))?;
    let Some(merged) = merged else {
        return Ok(());
    };
    resource.value = merged;
    if resource.is_gone() {
        return Ok(());
    }
    if !options.allow_kind_change {
        resource.set_kind(&id.gvk.kind);
    }
    if !options.allow_name_change {
        resource.set_name(id.name);
    }
    resource.set_namespace(id.namespace);
    Ok(())
}

fn patch_json(
    all: &mut ResourceList,
    place: usize,
    operations: &[Operation],
    remembers: bool,
) -> Result<(), String> {
    let Some(resource) = all.items_mut().get_mut(place) else {
        return Ok(());
    };
    let id = resource.id();
    if remembers {
        resource.remember_id();
    }
    let object = std::mem::replace(&mut resource.value, Value::NULL);
    resource.value = json_patch::apply(object, operations).map_err(|reason| format!("{id}: {reason}"))?;
    Ok(())
}
