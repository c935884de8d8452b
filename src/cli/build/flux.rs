//! What Flux would apply for a Kustomization, from files alone.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read as _};
use std::path::Path;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fluxbot_api::kustomize::{
    Kustomization, PostBuild, SubstituteKind, SubstituteReference, SubstituteStrategy,
};
use fluxbot_kustomize::{Built, Entry, Files, FilesError, Kind, LoadRestrictor, Options, Reorder, flux};
use fluxbot_yaml::{Map, Value as Yaml};
use serde_json::Value;

use crate::cli::Failure;
use crate::controller::kustomization::plan;
use crate::objects::{Files as _, Manifest, ObjectKey};
use crate::source::{ArtifactTree, TreeKind};
use crate::substitute::{ObjectError, Rules, Variables, object as substitute};

/// The namespace of an object whose file names none, as `kubectl apply` would choose it.
const DEFAULT_NAMESPACE: &str = "default";

/// Builds the Kustomization of a file over the files of a folder.
pub(super) fn build(file: &Path, name: Option<&str>, source: &Path) -> Result<Built, Failure> {
    let manifests = read(file)?;
    let (key, kustomization) = chosen(&manifests, file, name)?;
    let tree = ArtifactTree::of_directory(source, None).map_err(Failure::invalid)?;
    let spec = &kustomization.spec;
    let folder = plan::folder(spec.path.as_deref());
    if tree.kind(&folder) != Some(TreeKind::Directory) {
        return Err(Failure::failed(format!(
            "kustomization path not found: {} has no folder '{folder}'",
            source.display()
        ))
        .hint("--source is the folder that spec.path starts from, usually the root of the repository"));
    }
    let overrides = plan::overrides(spec).map_err(Failure::invalid)?;
    let options = Options {
        load_restrictor: LoadRestrictor::None,
        reorder: Reorder::None,
        remote: None,
        ..Options::default()
    };
    let mut built = flux::build(&TreeFiles(&tree), &folder, &overrides, &options)
        .map_err(|error| Failure::failed(format!("kustomize build failed: {error}")))?;
    if let Some(post_build) = &spec.post_build {
        let variables = variables(post_build, &key, &manifests, &tree)?;
        put(&mut built, post_build, &variables)?;
    }
    if spec.decryption.is_some() {
        eprintln!("warning: spec.decryption: encrypted objects are printed as they are");
    }
    let common = plan::common_metadata(spec);
    let mut labels = common.labels;
    labels.extend(
        plan::owner(&key)
            .labels()
            .map(|(name, value)| (name, value.to_owned())),
    );
    for object in &mut built.objects {
        add(&mut object.value, "labels", &labels);
        add(&mut object.value, "annotations", &common.annotations);
    }
    Ok(built)
}

fn read(file: &Path) -> Result<Vec<Manifest>, Failure> {
    let content = if file == Path::new("-") {
        let mut content = Vec::new();
        io::stdin().read_to_end(&mut content).map(|_| content)
    } else {
        fs::read(file)
    };
    let content =
        content.map_err(|error| Failure::invalid(format!("cannot read {}: {error}", file.display())))?;
    Manifest::parse_all(&file.display().to_string(), &content).map_err(Failure::invalid)
}

/// The one Kustomization of a file, or the one of that name.
fn chosen(
    manifests: &[Manifest],
    file: &Path,
    name: Option<&str>,
) -> Result<(ObjectKey, Kustomization), Failure> {
    let is_kustomization = |manifest: &&Manifest| {
        manifest.kind == "Kustomization" && manifest.api_version.starts_with("kustomize.toolkit.fluxcd.io/")
    };
    let all: Vec<&Manifest> = manifests.iter().filter(is_kustomization).collect();
    let named = all
        .iter()
        .filter(|manifest| name.is_none_or(|name| manifest.name == name));
    let found: Vec<&&Manifest> = named.collect();
    let manifest = match found.as_slice() {
        [only] => **only,
        [] => {
            return Err(Failure::invalid(format!(
                "{} holds no Kustomization of kustomize.toolkit.fluxcd.io{}",
                file.display(),
                name.map(|name| format!(" with the name {name}"))
                    .unwrap_or_default()
            )));
        }
        several => {
            let names: Vec<&str> = several.iter().map(|manifest| manifest.name.as_str()).collect();
            let text = format!(
                "{} holds {} Kustomizations: {}",
                file.display(),
                several.len(),
                names.join(", ")
            );
            return Err(Failure::invalid(text).hint("choose one with --name"));
        }
    };
    let namespace = manifest.namespace.as_deref().unwrap_or(DEFAULT_NAMESPACE);
    let key = ObjectKey::new(namespace, &manifest.name);
    Ok((key, manifest.decode().map_err(Failure::invalid)?))
}

/// The variables of `spec.postBuild`.
fn variables(
    post_build: &PostBuild,
    key: &ObjectKey,
    manifests: &[Manifest],
    tree: &ArtifactTree,
) -> Result<Variables, Failure> {
    let mut variables = Variables::new();
    let in_source = if post_build.substitute_from.is_empty() {
        Vec::new()
    } else {
        in_source(post_build, tree)?
    };
    for reference in &post_build.substitute_from {
        let kind = reference.kind.as_str();
        let is_meant = |manifest: &&Manifest| {
            let namespace = manifest.namespace.as_deref();
            manifest.api_version == "v1"
                && manifest.kind == kind
                && manifest.name == reference.name
                && namespace.is_none_or(|namespace| namespace == key.namespace)
        };
        match manifests.iter().chain(&in_source).find(is_meant) {
            Some(manifest) => add_all(&mut variables, reference, manifest)?,
            None if reference.optional == Some(true) => {}
            None => {
                let text = format!(
                    "substitute from '{kind}/{name}' error: {kind} {namespace}/{name} is in no file",
                    name = reference.name,
                    namespace = key.namespace
                );
                return Err(Failure::failed(text).hint(
                    "put it into the file of the Kustomization as another document, into --source, or mark it optional",
                ));
            }
        }
    }
    for (name, value) in &post_build.substitute {
        variables.set(name, value);
    }
    Ok(variables)
}

/// The `ConfigMaps` and Secrets in the files of the source. A file that cannot be read holds none: most files are no manifests.
fn in_source(post_build: &PostBuild, tree: &ArtifactTree) -> Result<Vec<Manifest>, Failure> {
    let mut found = Vec::new();
    for path in tree.list("").map_err(Failure::failed)? {
        let is_yaml = path
            .rsplit_once('.')
            .is_some_and(|(_, end)| matches!(end, "yaml" | "yml"));
        let Some(content) = (if is_yaml {
            tree.read_file(&path).map_err(Failure::failed)?
        } else {
            None
        }) else {
            continue;
        };
        let Ok(text) = std::str::from_utf8(&content) else {
            continue;
        };
        let is_named = |reference: &SubstituteReference| {
            text.contains(&reference.name) && text.contains(reference.kind.as_str())
        };
        if post_build.substitute_from.iter().any(is_named) {
            found.extend(Manifest::parse_all(&path, &content).unwrap_or_default());
        }
    }
    Ok(found)
}

/// Adds the values of a `ConfigMap` or Secret.
fn add_all(
    variables: &mut Variables,
    reference: &SubstituteReference,
    manifest: &Manifest,
) -> Result<(), Failure> {
    let unusable = |reason: &str| {
        Failure::failed(format!(
            "substitute from '{}/{}' error: {}:{}: {reason}",
            reference.kind.as_str(),
            reference.name,
            manifest.file,
            manifest.line
        ))
    };
    if manifest.value.get("sops").is_some() {
        return Err(unusable("it is encrypted with SOPS")
            .hint("put its plain text into the file of the Kustomization, outside of the repository"));
    }
    let entries = |field: &str| {
        manifest
            .value
            .get(field)
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
    };
    let is_secret = reference.kind == SubstituteKind::Secret;
    for (name, value) in entries("data") {
        let text = value
            .as_str()
            .ok_or_else(|| unusable("a value of its data is no text"))?;
        if is_secret {
            let bytes = STANDARD
                .decode(text.replace(['\n', ' '], ""))
                .map_err(|_| unusable("a value of its data is no base64"))?;
            variables.set_secret(name, &bytes);
        } else {
            variables.set(name, text);
        }
    }
    for (name, value) in entries("stringData").filter(|_| is_secret) {
        let text = value
            .as_str()
            .ok_or_else(|| unusable("a value of its stringData is no text"))?;
        variables.set_secret(name, text.as_bytes());
    }
    Ok(())
}

/// Puts the variables into the objects.
fn put(built: &mut Built, post_build: &PostBuild, variables: &Variables) -> Result<(), Failure> {
    let rules = Rules {
        always: post_build.substitute_strategy == Some(SubstituteStrategy::Always),
        ..Rules::default()
    };
    for object in &mut built.objects {
        let value = object.value.clone().into();
        match substitute(&value, variables, rules) {
            Ok(None) => {}
            Ok(Some(value)) => object.value = value.into(),
            Err(error) => {
                let name = value.pointer("/metadata/name").and_then(Value::as_str);
                let place = match &error {
                    ObjectError::Substitute(error) => {
                        error.place().map(|place| format!(" in {}", place.excerpt))
                    }
                    _ => None,
                };
                return Err(Failure::failed(format!(
                    "{}:{}: post build failed for '{}': {error}{}",
                    object.origin.path,
                    object.origin.line,
                    name.unwrap_or_default(),
                    place.unwrap_or_default()
                )));
            }
        }
    }
    Ok(())
}

/// Adds labels or annotations to an object; they win over its own, as in Flux.
fn add(object: &mut Yaml, field: &str, entries: &BTreeMap<String, String>) {
    if entries.is_empty() {
        return;
    }
    let Some(metadata) = object.get_mut("metadata").and_then(Yaml::as_map_mut) else {
        return;
    };
    let known = metadata.get_or_insert_with(field, || Yaml::Map(Map::default()));
    if known.as_map().is_none() {
        *known = Yaml::Map(Map::default());
    }
    if let Some(known) = known.as_map_mut() {
        for (name, value) in entries {
            known.insert(name.as_str(), value.as_str().into());
        }
    }
}

/// A tree as the build reads it.
struct TreeFiles<'a>(&'a ArtifactTree);

impl Files for TreeFiles<'_> {
    fn kind(&self, path: &str) -> Result<Option<Kind>, FilesError> {
        Ok(self.0.kind(path).map(kind))
    }

    fn read(&self, path: &str) -> Result<Option<Arc<[u8]>>, FilesError> {
        self.0.read_file(path).map_err(|error| FilesError {
            path: path.to_owned(),
            reason: error.to_string(),
        })
    }

    fn list(&self, path: &str) -> Result<Option<Vec<Entry>>, FilesError> {
        let entry = |entry: crate::source::TreeEntry| Entry {
            kind: kind(entry.kind),
            name: entry.name,
        };
        let entries = self.0.entries(path);
        Ok(entries.map(|entries| entries.into_iter().map(entry).collect()))
    }
}

fn kind(kind: TreeKind) -> Kind {
    match kind {
        TreeKind::File { .. } => Kind::File,
        TreeKind::Directory => Kind::Directory,
    }
}
