//! Patches of a kustomization: reading them, and applying them to the objects that they are for.

use fluxbot_yaml::Value;

use crate::accumulate::Target;
use crate::json_patch::{self, Operation};
use crate::kustomization::{Patch, PatchOptions};
use crate::merge::merge_object;
use crate::resource::{Resource, note};
use crate::resources::ResourceList;
use crate::schema::Kinds;
use crate::selector::Selector;
use crate::transformers::Transformer;
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
    target: Option<Selector>,
}

/// An entry of `patches`.
pub(crate) struct AnyPatch {
    /// Where it stands, for messages.
    source: String,
    content: Content,
    target: Option<Selector>,
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
        entries => Some(strategic_merge(tree, target, entries, "")?),
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

/// Reads the patches of `patchesStrategicMerge`, and others that stand in one text.
pub(crate) fn strategic_merge(
    tree: &Tree<'_>,
    target: &Target,
    entries: &[String],
    inline: &str,
) -> Result<StrategicMerge, BuildError> {
    let fail = |reason: String| Error::at(&target.file, format!("patchesStrategicMerge: {reason}"));
    let mut patches = Vec::new();
    for entry in entries {
        // An entry may be the patch itself.
        if let Ok(found) = tree.objects(&target.file, entry.as_bytes()) {
            patches.extend(found);
            continue;
        }
        let (path, content) = tree.load(&target.root, &target.file, entry)?;
        let found = tree.objects(&path, &content).map_err(|fault| Error::Invalid {
            file: path,
            line: fault.line,
            reason: fault.reason,
        })?;
        patches.extend(found);
    }
    let found = tree.objects(&target.file, inline.as_bytes());
    patches.extend(found.map_err(|fault| fail(fault.reason))?);
    if patches.is_empty() {
        return Err(fail(format!(
            "patch appears to be empty; files=[{}]",
            entries.join(" ")
        )));
    }
    Ok(StrategicMerge { patches })
}

/// Reads an entry of `patchesJson6902`.
pub(crate) fn json6902(tree: &Tree<'_>, target: &Target, entry: &Patch) -> Result<JsonPatch, BuildError> {
    let fail = |reason: String| Error::at(&target.file, format!("patchesJson6902: {reason}"));
    if entry
        .target
        .as_ref()
        .is_none_or(|selector| selector.name.is_empty())
    {
        return Err(fail("must specify the target name".to_owned()));
    }
    let (text, source) = match (entry.path.as_str(), entry.inline.as_str()) {
        ("", "") => return Err(fail("empty file path and empty jsonOp".to_owned())),
        ("", patch) => (patch.to_owned(), "inline patch".to_owned()),
        (path, "") => (text_of(tree, target, path)?, path.to_owned()),
        _ => return Err(fail("must specify a file path or jsonOp, not both".to_owned())),
    };
    if text.is_empty() {
        return Err(fail(format!(
            "patch file '{}' empty seems to be empty",
            entry.path
        )));
    }
    let operations = json_patch::parse(&text).map_err(|reason| fail(format!("{source}: {reason}")))?;
    if operations.is_empty() {
        return Err(fail(format!("patch appears to be empty; file={}", entry.path)));
    }
    Ok(JsonPatch {
        operations,
        target: entry.target.clone(),
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

/// Reads an entry of `patches`.
pub(crate) fn any(tree: &Tree<'_>, target: &Target, entry: &Patch) -> Result<AnyPatch, BuildError> {
    let fail = |reason: String| Error::at(&target.file, format!("patches: {reason}"));
    let inline = entry.inline.trim();
    let (text, source, file) = match (entry.path.as_str(), inline) {
        ("", "") => return Err(fail("must specify one of patch and path".to_owned())),
        ("", patch) => (patch.to_owned(), "[inline patch]".to_owned(), target.file.clone()),
        (path, "") => (
            text_of(tree, target, path).map_err(|error| match error {
                Error::Failed { reason, .. } => fail(format!(
                    "failed to get the patch file from path({path}): {reason}"
                )),
                other => other,
            })?,
            format!("[path: {path:?}]"),
            path.to_owned(),
        ),
        _ => return Err(fail("patch and path can't be set at the same time".to_owned())),
    };
    let merges = tree.objects(&file, text.as_bytes());
    let operations = json_patch::parse(&text);
    let content = match (merges, operations) {
        (Ok(merges), Ok(operations)) if !merges.is_empty() && !operations.is_empty() => {
            return Err(fail(format!(
                "illegally qualifies as both an SM and JSON patch: {source}"
            )));
        }
        (Ok(merges), _) => Content::Merge(with_options(merges, entry.options.as_ref())),
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
    })
}

/// Notes on patches what they may change, where they then stay until the end of the build.
fn with_options(mut patches: Vec<Resource>, options: Option<&PatchOptions>) -> Vec<Resource> {
    for patch in &mut patches {
        if options.is_some_and(|options| options.allow_name_change) {
            patch.enable(note::ALLOW_NAME_CHANGE);
        }
        if options.is_some_and(|options| options.allow_kind_change) {
            patch.enable(note::ALLOW_KIND_CHANGE);
        }
    }
    patches
}

impl Transformer for StrategicMerge {
    fn apply(&self, all: &mut ResourceList) -> Result<(), String> {
        for patch in &self.patches {
            let place = all.only(&patch.original_id())?;
            merge_into_all(all, &[place], patch)?;
        }
        Ok(())
    }
}

impl Transformer for JsonPatch {
    fn apply(&self, all: &mut ResourceList) -> Result<(), String> {
        let Some(target) = &self.target else {
            return Err("must specify a target for JSON patch".to_owned());
        };
        for place in target.select(all.items())? {
            patch_json(all, place, &self.operations, false)?;
        }
        Ok(())
    }
}

impl Transformer for AnyPatch {
    fn apply(&self, all: &mut ResourceList) -> Result<(), String> {
        let source = &self.source;
        match (&self.content, &self.target) {
            (Content::Merge(patches), None) => {
                for patch in patches {
                    let id = patch.original_id();
                    let place = all.only(&id).map_err(|reason| {
                        format!("no resource matches strategic merge patch \"{id}\": {reason}")
                    })?;
                    merge_into(all, place, patch)?;
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
                let places = target.select(all.items())?;
                merge_into_all(all, &places, patch)
            }
            (Content::Json(operations), Some(target)) => {
                for place in target.select(all.items())? {
                    patch_json(all, place, operations, true)?;
                }
                Ok(())
            }
            (Content::Json(operations), None) if operations.is_empty() => Ok(()),
            (Content::Json(_), None) => Err(format!("must specify a target for JSON patch {source}")),
        }
    }
}

/// Merges a patch into objects whatever their kind and version, drops what it deletes, and checks that no two objects are the
/// same afterwards.
///
/// The original rewrites the labels and annotations of such a patch as strings: a label that it sets to null becomes the string
/// `null`.
fn merge_into_all(all: &mut ResourceList, places: &[usize], patch: &Resource) -> Result<(), String> {
    let mut own = patch.clone();
    own.take_metadata_of(patch);
    for place in places {
        let Some(version) = all
            .items()
            .get(*place)
            .map(|item| item.api_version().into_owned())
        else {
            continue;
        };
        own.set_api_version(&version);
        merge_into(all, *place, &own)?;
    }
    all.drop_empty();
    all.check_unique("may not add resource with an already registered id")
}

fn merge_into(all: &mut ResourceList, place: usize, patch: &Resource) -> Result<(), String> {
    all.change(place, |resource| merge_one(resource, patch))
        .unwrap_or(Ok(()))
}

fn merge_one(resource: &mut Resource, patch: &Resource) -> Result<(), String> {
    let id = resource.id();
    let (keeps_name, keeps_kind) = (
        !patch.is_enabled(note::ALLOW_NAME_CHANGE),
        !patch.is_enabled(note::ALLOW_KIND_CHANGE),
    );
    if !keeps_name || !keeps_kind {
        resource.remember_id();
    }
    // As the original has it, the directive to replace has no effect on a whole object.
    let directive = patch.value.get("$patch").and_then(Value::as_str);
    let kept = (directive == Some("replace")).then(|| resource.value.clone());
    let object = std::mem::replace(&mut resource.value, Value::NULL);
    let kinds = resource.kinds.clone();
    let kinds = kinds.as_deref().unwrap_or_else(|| Kinds::built_in());
    let merged = merge_object(kinds, object, patch.value.clone()).map_err(|reason| {
        let (origin, from) = (&resource.origin, &patch.origin);
        format!(
            "{id} ({}:{}), patch of {}:{}: {reason}",
            origin.path, origin.line, from.path, from.line
        )
    })?;
    let Some(merged) = kept.or(merged) else {
        return Ok(());
    };
    resource.value = merged;
    if resource.is_gone() {
        return Ok(());
    }
    if keeps_kind {
        resource.set_kind(&id.gvk.kind);
    }
    if keeps_name {
        resource.set_name(&id.name);
    }
    resource.set_namespace(&id.namespace);
    Ok(())
}

fn patch_json(
    all: &mut ResourceList,
    place: usize,
    operations: &[Operation],
    remembers: bool,
) -> Result<(), String> {
    all.change(place, |resource| patch_one(resource, operations, remembers))
        .unwrap_or(Ok(()))
}

fn patch_one(resource: &mut Resource, operations: &[Operation], remembers: bool) -> Result<(), String> {
    let id = resource.id();
    if remembers {
        resource.remember_id();
    }
    let mut kept = resource.annotations();
    kept.retain(|key, _| note::survives_patches(key));
    let object = std::mem::replace(&mut resource.value, Value::NULL);
    resource.value = json_patch::apply(object, operations).map_err(|reason| {
        let origin = &resource.origin;
        format!("{id} ({}:{}): {reason}", origin.path, origin.line)
    })?;
    resource.spell_floats();
    let mut annotations = resource.annotations();
    annotations.extend(kept);
    resource.set_annotations(annotations);
    Ok(())
}
