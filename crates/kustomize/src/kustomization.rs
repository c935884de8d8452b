//! The kustomization file.

use std::collections::BTreeMap;

use fluxbot_yaml::{Data, Node, Reading};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::BuildError;
use crate::fields::FieldSpec;
use crate::selector::Selector;

/// The names under which a kustomization file is looked for, in order.
pub(crate) const FILE_NAMES: [&str; 3] = ["kustomization.yaml", "kustomization.yml", "Kustomization"];

/// Fields that the original has and this crate does not.
const UNSUPPORTED: [&str; 12] = [
    "configurations",
    "crds",
    "generators",
    "helmChartInflationGenerator",
    "helmCharts",
    "helmGlobals",
    "openapi",
    "replacements",
    "transformers",
    "validators",
    "vars",
    "varReference",
];

/// What a kustomization file says, with deprecated fields moved to where they belong.
#[derive(Debug, Clone, Default)]
pub(crate) struct Kustomization {
    pub(crate) is_component: bool,
    pub(crate) resources: Vec<String>,
    pub(crate) components: Vec<String>,
    pub(crate) namespace: String,
    pub(crate) name_prefix: String,
    pub(crate) name_suffix: String,
    pub(crate) common_labels: BTreeMap<String, String>,
    pub(crate) labels: Vec<Labels>,
    pub(crate) common_annotations: BTreeMap<String, String>,
    pub(crate) patches_strategic_merge: Vec<String>,
    pub(crate) patches_json6902: Vec<Patch>,
    pub(crate) patches: Vec<Patch>,
    pub(crate) images: Vec<Image>,
    pub(crate) replicas: Vec<Replica>,
    pub(crate) config_maps: Vec<Generator>,
    pub(crate) secrets: Vec<Generator>,
    pub(crate) generator_options: Option<GeneratorOptions>,
    pub(crate) build_metadata: Vec<String>,
    pub(crate) sort_options: Option<SortOptions>,
}

/// An entry of `labels`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Labels {
    pub(crate) pairs: BTreeMap<String, String>,
    pub(crate) include_selectors: bool,
    pub(crate) include_templates: bool,
    pub(crate) include_volume_claim_templates: bool,
    pub(crate) fields: Vec<FieldSpec>,
}

/// An entry of `patches` or `patchesJson6902`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
#[allow(clippy::struct_field_names, reason = "the names of the API")]
pub(crate) struct Patch {
    pub(crate) path: String,
    pub(crate) patch: String,
    pub(crate) target: Option<Selector>,
    pub(crate) options: PatchOptions,
}

/// What a patch may change beside the content.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct PatchOptions {
    pub(crate) allow_name_change: bool,
    pub(crate) allow_kind_change: bool,
}

/// An entry of `images`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Image {
    pub(crate) name: String,
    pub(crate) new_name: String,
    pub(crate) new_tag: String,
    pub(crate) tag_suffix: String,
    pub(crate) digest: String,
}

/// An entry of `replicas`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Replica {
    pub(crate) name: String,
    pub(crate) count: i64,
}

/// An entry of `configMapGenerator` or `secretGenerator`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Generator {
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) behavior: String,
    pub(crate) literals: Vec<String>,
    pub(crate) files: Vec<String>,
    pub(crate) envs: Vec<String>,
    pub(crate) env: String,
    pub(crate) options: Option<GeneratorOptions>,
    #[serde(rename = "type")]
    pub(crate) secret_type: String,
}

/// `generatorOptions`, or the options of one generator.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct GeneratorOptions {
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) annotations: BTreeMap<String, String>,
    pub(crate) disable_name_suffix_hash: bool,
    pub(crate) immutable: bool,
}

/// `sortOptions`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct SortOptions {
    pub(crate) order: String,
    pub(crate) legacy_sort_options: Option<LegacySortOptions>,
}

/// `sortOptions.legacySortOptions`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct LegacySortOptions {
    pub(crate) order_first: Vec<String>,
    pub(crate) order_last: Vec<String>,
}

/// Metadata is accepted and not used.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Metadata {
    #[serde(rename = "name")]
    _name: String,
}

/// Reads a field's value. Go's decoder takes null for the empty value.
fn decode<T: DeserializeOwned + Default>(file: &str, field: &str, node: Node) -> Result<T, BuildError> {
    let line = node.line;
    if node.is_null() {
        return Ok(T::default());
    }
    let value = without_nulls(node.into_value().into());
    from_json(value).map_err(|reason| BuildError::Invalid {
        file: file.to_owned(),
        line,
        reason: format!("invalid Kustomization: {field}: {reason}"),
    })
}

pub(crate) fn from_json<T: DeserializeOwned>(value: Value) -> Result<T, String> {
    serde_json::from_value(value).map_err(|error| {
        let text = error.to_string();
        let unknown = text
            .strip_prefix("unknown field `")
            .and_then(|rest| rest.split('`').next());
        unknown.map_or_else(|| text.clone(), |name| format!("json: unknown field \"{name}\""))
    })
}

fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(fields) => Value::Object(
            fields
                .into_iter()
                .filter(|(_, value)| !value.is_null())
                .map(|(key, value)| (key, without_nulls(value)))
                .collect(),
        ),
        Value::Array(items) => Value::Array(
            items
                .into_iter()
                .map(|item| {
                    if item.is_null() {
                        Value::String(String::new())
                    } else {
                        without_nulls(item)
                    }
                })
                .collect(),
        ),
        other => other,
    }
}

/// All fields that this crate supports.
const FIELDS: [&str; 25] = [
    "apiVersion",
    "kind",
    "metadata",
    "resources",
    "bases",
    "components",
    "namespace",
    "namePrefix",
    "nameSuffix",
    "commonLabels",
    "labels",
    "commonAnnotations",
    "patchesStrategicMerge",
    "patchesJson6902",
    "patches",
    "images",
    "imageTags",
    "replicas",
    "configMapGenerator",
    "secretGenerator",
    "generatorOptions",
    "buildMetadata",
    "sortOptions",
    "openapi",
    "crds",
];

impl Kustomization {
    /// Reads a kustomization file. One that says nothing is an error unless it may.
    pub(crate) fn parse(file: &str, content: &[u8], may_be_empty: bool) -> Result<Self, BuildError> {
        let invalid = |line: usize, reason: String| BuildError::Invalid {
            file: file.to_owned(),
            line,
            reason,
        };
        let text = std::str::from_utf8(content)
            .map_err(|_| invalid(1, "invalid Kustomization: not UTF-8".to_owned()))?;
        let documents = fluxbot_yaml::parse(text, Reading::Api)
            .map_err(|error| invalid(error.line, format!("invalid Kustomization: {}", error.reason)))?;
        let Some(document) = documents
            .into_iter()
            .next()
            .filter(|document| !document.is_null())
        else {
            return Err(invalid(1, "kustomization.yaml is empty".to_owned()));
        };
        let line = document.line;
        let Data::Map(fields) = document.data else {
            return Err(invalid(line, "invalid Kustomization: it is no map".to_owned()));
        };
        let mut read = Raw {
            has_content: may_be_empty,
            ..Raw::default()
        };
        for (name, node) in fields {
            read.field(file, &name, node)?;
        }
        read.finish(file, line)
    }
}

/// A kustomization while it is read.
#[derive(Default)]
struct Raw {
    api_version: String,
    kind: String,
    bases: Vec<String>,
    image_tags: Vec<Image>,
    has_content: bool,
    read: Kustomization,
}

impl Raw {
    fn field(&mut self, file: &str, name: &str, node: Node) -> Result<(), BuildError> {
        let line = node.line;
        let known = FIELDS.iter().find(|field| field.eq_ignore_ascii_case(name));
        let empty = match &node.data {
            Data::List(items) => items.is_empty(),
            Data::Map(fields) => fields.is_empty(),
            Data::Null { .. } => true,
            _ => false,
        };
        if let Some(field) = UNSUPPORTED.iter().find(|field| field.eq_ignore_ascii_case(name)) {
            if empty {
                return Ok(());
            }
            return Err(BuildError::Unsupported {
                file: file.to_owned(),
                what: format!("field '{field}'"),
            });
        }
        let Some(&field) = known else {
            return Err(BuildError::Invalid {
                file: file.to_owned(),
                line,
                reason: format!("invalid Kustomization: json: unknown field \"{name}\""),
            });
        };
        self.has_content |= !empty && !matches!(field, "apiVersion" | "kind");
        let read = &mut self.read;
        match field {
            "apiVersion" => self.api_version = decode(file, field, node)?,
            "kind" => self.kind = decode(file, field, node)?,
            "metadata" => drop(decode::<Metadata>(file, field, node)?),
            "resources" => read.resources = decode(file, field, node)?,
            "bases" => self.bases = decode(file, field, node)?,
            "components" => read.components = decode(file, field, node)?,
            "namespace" => read.namespace = decode(file, field, node)?,
            "namePrefix" => read.name_prefix = decode(file, field, node)?,
            "nameSuffix" => read.name_suffix = decode(file, field, node)?,
            "commonLabels" => read.common_labels = decode(file, field, node)?,
            "labels" => read.labels = decode(file, field, node)?,
            "commonAnnotations" => read.common_annotations = decode(file, field, node)?,
            "patchesStrategicMerge" => read.patches_strategic_merge = decode(file, field, node)?,
            "patchesJson6902" => read.patches_json6902 = decode(file, field, node)?,
            "patches" => read.patches = decode(file, field, node)?,
            "images" => read.images = decode(file, field, node)?,
            "imageTags" => self.image_tags = decode(file, field, node)?,
            "replicas" => read.replicas = decode(file, field, node)?,
            "configMapGenerator" => read.config_maps = decode(file, field, node)?,
            "secretGenerator" => read.secrets = decode(file, field, node)?,
            "generatorOptions" => read.generator_options = Some(decode(file, field, node)?),
            "buildMetadata" => read.build_metadata = decode(file, field, node)?,
            "sortOptions" => read.sort_options = Some(decode(file, field, node)?),
            _ => {}
        }
        Ok(())
    }

    /// Moves deprecated fields and checks kind and version.
    fn finish(self, file: &str, line: usize) -> Result<Kustomization, BuildError> {
        let invalid = |reason: &str| BuildError::Invalid {
            file: file.to_owned(),
            line,
            reason: reason.to_owned(),
        };
        if !self.has_content {
            return Err(invalid("kustomization.yaml is empty"));
        }
        let mut read = self.read;
        read.resources.extend(self.bases);
        read.images.extend(self.image_tags);
        for generator in read.config_maps.iter_mut().chain(&mut read.secrets) {
            if !generator.env.is_empty() {
                let env = std::mem::take(&mut generator.env);
                generator.envs.push(env);
            }
        }
        let version = match self.kind.as_str() {
            "" | "Kustomization" => "kustomize.config.k8s.io/v1beta1",
            "Component" => {
                read.is_component = true;
                "kustomize.config.k8s.io/v1alpha1"
            }
            _ => return Err(invalid("kind should be Kustomization or Component")),
        };
        if !self.api_version.is_empty() && self.api_version != version {
            let kind = if read.is_component {
                "Component"
            } else {
                "Kustomization"
            };
            return Err(invalid(&format!("apiVersion for {kind} should be {version}")));
        }
        Ok(read)
    }
}
