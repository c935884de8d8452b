//! Config maps and secrets from literals, files and environment files.

use std::collections::BTreeMap;

use fluxbot_yaml::{Map, Text, Value};

use crate::accumulate::Target;
use crate::kustomization::{Generator, GeneratorOptions};
use crate::resource::{Resource, field_map, note, set_texts};
use crate::resources::ResourceList;
use crate::scalar;
use crate::tree::Tree;
use crate::{BuildError, Origin};

/// Generates the objects that the fields of a kustomization ask for, config maps first.
pub(crate) fn generate(tree: &Tree<'_>, target: &Target) -> Result<Vec<Resource>, BuildError> {
    let kustomization = &target.kustomization;
    let global = kustomization.generator_options.as_ref();
    let mut found = Vec::new();
    for (generators, kind) in [
        (&kustomization.config_maps, "ConfigMap"),
        (&kustomization.secrets, "Secret"),
    ] {
        for generator in generators {
            found.push(one(tree, target, generator, kind, global)?);
        }
    }
    if kustomization.has_helm_charts {
        return Err(BuildError::Unsupported {
            file: target.file.clone(),
            what: "field 'helmCharts' (trouble configuring builtin HelmChartInflationGenerator: must specify --enable-helm, and \
                   there is no Helm here)"
                .to_owned(),
        });
    }
    Ok(found)
}

/// Generates one object.
pub(crate) fn one(
    tree: &Tree<'_>,
    target: &Target,
    generator: &Generator,
    kind: &'static str,
    global: Option<&GeneratorOptions>,
) -> Result<Resource, BuildError> {
    let field = if kind == "Secret" {
        "secretGenerator"
    } else {
        "configMapGenerator"
    };
    let or = |own: &String, metadata: &String| {
        if own.is_empty() {
            metadata.clone()
        } else {
            own.clone()
        }
    };
    let name = &or(&generator.name, &generator.metadata.name);
    let namespace = or(&generator.namespace, &generator.metadata.namespace);
    let fail = |reason: String| BuildError::at(&target.file, format!("{field} '{name}': {reason}"));
    if name.is_empty() {
        return Err(BuildError::at(
            &target.file,
            format!("{field}: a configmap must have a name"),
        ));
    }
    let options = merged_options(generator.options.as_ref(), global);
    let mut pairs: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    for (key, value) in sources(tree, target, generator, &fail)? {
        if pairs.contains_key(&key) {
            return Err(fail(format!(
                "configmap {name} illegally repeats the key `{key}`"
            )));
        }
        pairs.insert(key, value);
    }
    let mut metadata = Map::from([("name".to_owned(), name.as_str().into())]);
    if !namespace.is_empty() {
        metadata.insert("namespace".to_owned(), namespace.into());
    }
    set_texts(&mut metadata, "labels", options.labels);
    set_texts(&mut metadata, "annotations", options.annotations);
    let mut object = Map::from([
        ("apiVersion".to_owned(), "v1".into()),
        ("kind".to_owned(), kind.into()),
        ("metadata".to_owned(), Value::Map(metadata)),
    ]);
    if kind == "Secret" {
        let secret_type = if generator.secret_type.is_empty() {
            "Opaque"
        } else {
            &generator.secret_type
        };
        object.insert("type".to_owned(), secret_type.into());
        object.insert("data".to_owned(), Value::Map(Map::new()));
    }
    for (key, value) in pairs {
        let (field, text) = match String::from_utf8(value) {
            Ok(text) if kind == "ConfigMap" => ("data", text),
            Ok(text) => ("data", base64_lines(text.as_bytes())),
            Err(error) if kind == "ConfigMap" => ("binaryData", base64_lines(error.as_bytes())),
            Err(error) => ("data", base64_lines(error.as_bytes())),
        };
        if let Some(data) = field_map(&mut object, field) {
            data.insert(key, text.into());
        }
    }
    if options.immutable {
        object.insert("immutable".to_owned(), Value::Bool(true));
    }
    let origin = Origin {
        path: target.file.as_str().into(),
        line: 1,
    };
    let mut resource = Resource::new(Value::Map(object), origin);
    if !options.disable_name_suffix_hash {
        resource.enable(note::NEEDS_HASH);
    }
    let behavior = Behavior::parse(&generator.behavior).name();
    resource.set_annotation(note::BEHAVIOR, Text::new_static(behavior));
    Ok(resource)
}

/// The options of a generator with those of all generators.
fn merged_options(own: Option<&GeneratorOptions>, global: Option<&GeneratorOptions>) -> GeneratorOptions {
    let mut options = own.cloned().unwrap_or_default();
    if let Some(global) = global {
        for (key, value) in &global.labels {
            options.labels.entry(key.clone()).or_insert_with(|| value.clone());
        }
        for (key, value) in &global.annotations {
            options
                .annotations
                .entry(key.clone())
                .or_insert_with(|| value.clone());
        }
        options.disable_name_suffix_hash |= global.disable_name_suffix_hash;
        options.immutable |= global.immutable;
    }
    options
}

type Pairs = Vec<(String, Vec<u8>)>;

fn sources(
    tree: &Tree<'_>,
    target: &Target,
    generator: &Generator,
    fail: &dyn Fn(String) -> BuildError,
) -> Result<Pairs, BuildError> {
    let mut pairs = Pairs::new();
    for path in &generator.envs {
        let (_, content) = tree.load(&target.root, &target.file, path)?;
        environment(&content, &mut pairs)
            .map_err(|reason| fail(format!("env source file {path}: {reason}")))?;
    }
    for literal in &generator.literals {
        let pair = literal.split_once('=').filter(|(key, _)| !key.is_empty());
        let (key, value) =
            pair.ok_or_else(|| fail("invalid literal source, expected key=value".to_owned()))?;
        pairs.push((key.to_owned(), without_quotes(value).as_bytes().to_vec()));
    }
    for source in &generator.files {
        let (key, path) = file_source(source).map_err(fail)?;
        let (_, content) = tree.load(&target.root, &target.file, path)?;
        pairs.push((key.to_owned(), content.to_vec()));
    }
    Ok(pairs)
}

/// Quotes around a whole value are a matter of the shell.
fn without_quotes(value: &str) -> &str {
    for quote in ['"', '\''] {
        let inner = value
            .strip_prefix(quote)
            .and_then(|rest| rest.strip_suffix(quote));
        if let Some(inner) = inner {
            return inner;
        }
    }
    value
}

fn file_source(source: &str) -> Result<(&str, &str), String> {
    match source.split_once('=') {
        None => Ok((source.rsplit('/').next().unwrap_or(source), source)),
        Some(("", path)) if !path.contains('=') => Err(format!(
            "missing key name for file path \"{path}\" in source \"{source}\""
        )),
        Some((key, "")) => Err(format!(
            "missing file path for key name \"{key}\" in source \"{source}\""
        )),
        Some((_, path)) if path.contains('=') => {
            Err(format!("source \"{source}\" key name or file path contains '='"))
        }
        Some(pair) => Ok(pair),
    }
}

/// Reads lines of `KEY=value`. Errors name the line and not the value, which may be a secret.
fn environment(content: &[u8], pairs: &mut Pairs) -> Result<(), String> {
    for (index, line) in content.split(|byte| *byte == b'\n').enumerate() {
        let number = index + 1;
        let line = std::str::from_utf8(line).map_err(|_| format!("line {number} has invalid utf8 bytes"))?;
        let line = line.strip_suffix('\r').unwrap_or(line);
        let line = if index == 0 {
            line.strip_prefix('\u{feff}').unwrap_or(line)
        } else {
            line
        };
        let line = line.trim_start();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (key, value) = line.split_once('=').unwrap_or((line, ""));
        if key.is_empty() {
            continue;
        }
        pairs.push((key.to_owned(), value.as_bytes().to_vec()));
    }
    Ok(())
}

/// Base64 in lines of 70 characters, each with a break as soon as there is more than one.
pub(crate) fn base64_lines(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const LINE: usize = 70;
    let mut encoded = String::with_capacity(bytes.len() * 4 / 3 + 4);
    for chunk in bytes.chunks(3) {
        let byte = |index: usize| u32::from(chunk.get(index).copied().unwrap_or(0));
        let bits = (byte(0) << 16) | (byte(1) << 8) | byte(2);
        for place in 0..4_usize {
            let index = usize::try_from((bits >> (18 - 6 * place)) & 63).unwrap_or(0);
            let letter = ALPHABET.get(index).copied().unwrap_or(b'A');
            encoded.push(if place <= chunk.len() {
                char::from(letter)
            } else {
                '='
            });
        }
    }
    if encoded.len() < LINE {
        return encoded;
    }
    let mut lines = String::with_capacity(encoded.len() + encoded.len() / LINE + 1);
    for (index, character) in encoded.chars().enumerate() {
        lines.push(character);
        if (index + 1) % LINE == 0 || index + 1 == encoded.len() {
            lines.push('\n');
        }
    }
    lines
}

/// What a generator does when its object exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Behavior {
    Unspecified,
    Create,
    Replace,
    Merge,
}

impl Behavior {
    fn parse(text: &str) -> Self {
        match text {
            "create" => Self::Create,
            "replace" => Self::Replace,
            "merge" => Self::Merge,
            _ => Self::Unspecified,
        }
    }

    fn of(resource: &Resource) -> Self {
        Self::parse(&resource.annotation(note::BEHAVIOR).unwrap_or_default())
    }

    fn name(self) -> &'static str {
        match self {
            Self::Unspecified => "unspecified",
            Self::Create => "create",
            Self::Replace => "replace",
            Self::Merge => "merge",
        }
    }
}

/// Adds a generated object, or replaces or merges into the one that it says.
pub(crate) fn absorb(resources: &mut ResourceList, mut generated: Resource) -> Result<(), String> {
    let id = generated.id();
    let matches = resources.matching(&id);
    let behavior = Behavior::of(&generated);
    let index = match (matches.as_slice(), behavior) {
        ([], Behavior::Merge | Behavior::Replace) => {
            return Err(format!("id {id} does not exist; cannot merge or replace"));
        }
        ([], _) => return resources.push(generated),
        ([index], Behavior::Merge | Behavior::Replace) => *index,
        ([_], behavior) => {
            return Err(format!(
                "id {id} exists; can not use behavior: '{}', behavior must be merge or replace",
                behavior.name()
            ));
        }
        _ => return Err(format!("found multiple objects that could accept merge of {id}")),
    };
    let merge = |old: &mut Resource| {
        generated.take_metadata_of(old);
        if behavior == Behavior::Merge {
            merge_data(&mut generated, old)?;
            if let Some(origin) = old.annotation(note::ORIGIN) {
                let origin = origin.into_owned();
                generated.set_origin(&origin);
            }
            generated.origin = old.origin.clone();
        }
        *old = generated;
        Ok(())
    };
    resources.change(index, merge).unwrap_or(Ok(()))
}

/// Adds the data of an object to that of the generated one.
fn merge_data(generated: &mut Resource, old: &Resource) -> Result<(), String> {
    let mut data = old.texts(&["data"]);
    if generated.kind() == "Secret" && generated.api_version() == "v1" {
        for (key, value) in old
            .value
            .get("stringData")
            .and_then(Value::as_map)
            .into_iter()
            .flatten()
        {
            if !value.is_scalar() {
                return Err(format!("stringData value for key {key:?} must be a scalar"));
            }
            data.insert(key.to_string(), base64_lines(scalar::text(value).as_bytes()));
        }
    }
    data.extend(generated.texts(&["data"]));
    let mut binary = old.texts(&["binaryData"]);
    binary.extend(generated.texts(&["binaryData"]));
    if let Some(fields) = generated.value.as_map_mut() {
        set_texts(fields, "data", data);
        set_texts(fields, "binaryData", binary);
    }
    Ok(())
}
