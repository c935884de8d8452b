//! The kustomization file.

use std::collections::BTreeMap;

use fluxbot_yaml::{Data, Limits, Node, Reading, Value};

use crate::BuildError;
use crate::decode::{self, Anything, Decode, decoded};
use crate::fields::FieldSpec;
use crate::replacement::Replacement;
use crate::selector::Selector;
use crate::vars::Var;

/// The names under which a kustomization file is looked for, in order.
pub(crate) const FILE_NAMES: [&str; 3] = ["kustomization.yaml", "kustomization.yml", "Kustomization"];

/// What a kustomization file says, with deprecated fields moved to where they belong.
#[derive(Debug, Clone, Default)]
pub(crate) struct Kustomization {
    pub(crate) is_component: bool,
    pub(crate) openapi: BTreeMap<String, String>,
    pub(crate) resources: Vec<String>,
    pub(crate) components: Vec<String>,
    pub(crate) crds: Vec<String>,
    pub(crate) configurations: Vec<String>,
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
    pub(crate) replacements: Vec<ReplacementEntry>,
    pub(crate) vars: Vec<Var>,
    pub(crate) config_maps: Vec<Generator>,
    pub(crate) secrets: Vec<Generator>,
    pub(crate) generator_options: Option<GeneratorOptions>,
    pub(crate) generators: Vec<String>,
    pub(crate) transformers: Vec<String>,
    pub(crate) validators: Vec<String>,
    pub(crate) has_helm_charts: bool,
    pub(crate) build_metadata: Vec<String>,
    pub(crate) sort_options: Option<SortOptions>,
}

decoded! {
    /// An entry of `labels`.
    Labels "Label" {
        pairs: BTreeMap<String, String> = "pairs",
        include_selectors: bool = "includeSelectors",
        include_templates: bool = "includeTemplates",
        include_volume_claim_templates: bool = "includeVolumeClaimTemplates",
        fields: Vec<FieldSpec> = "fields",
    }
}

decoded! {
    /// An entry of `patches` or `patchesJson6902`.
    Patch "Patch" {
        path: String = "path",
        inline: String = "patch",
        target: Option<Selector> = "target",
        options: Option<PatchOptions> = "options",
    }
}

decoded! {
    /// What a patch may change beside the content.
    PatchOptions "PatchArgs" {
        allow_name_change: bool = "allowNameChange",
        allow_kind_change: bool = "allowKindChange",
    }
}

decoded! {
    /// An entry of `images`.
    Image "Image" {
        name: String = "name",
        new_name: String = "newName",
        new_tag: String = "newTag",
        tag_suffix: String = "tagSuffix",
        digest: String = "digest",
    }
}

decoded! {
    /// An entry of `replicas`.
    Replica "Replica" {
        name: String = "name",
        count: i64 = "count",
    }
}

decoded! {
    /// An entry of `replacements`: one of its own, or the path of a file with some.
    ReplacementEntry "ReplacementField" {
        source: Option<crate::replacement::Source> = "source",
        targets: Option<Vec<Option<crate::replacement::Target>>> = "targets",
        source_value: Option<String> = "sourceValue",
        path: String = "path",
    }
}

impl ReplacementEntry {
    pub(crate) fn inline(self) -> Replacement {
        Replacement {
            source: self.source,
            targets: self.targets,
            source_value: self.source_value,
        }
    }
}

decoded! {
    /// An entry of `configMapGenerator` or `secretGenerator`, or the configuration of such a generator.
    Generator "GeneratorArgs" {
        metadata: ObjectMeta = "metadata",
        namespace: String = "namespace",
        name: String = "name",
        behavior: String = "behavior",
        literals: Vec<String> = "literals",
        files: Vec<String> = "files",
        envs: Vec<String> = "envs",
        env: String = "env",
        options: Option<GeneratorOptions> = "options",
        secret_type: String = "type",
    }
}

decoded! {
    /// The metadata of a kustomization or of the configuration of a plugin.
    ObjectMeta "ObjectMeta" {
        name: String = "name",
        namespace: String = "namespace",
        labels: BTreeMap<String, String> = "labels",
        annotations: BTreeMap<String, String> = "annotations",
    }
}

decoded! {
    /// `generatorOptions`, or the options of one generator.
    GeneratorOptions "GeneratorOptions" {
        labels: BTreeMap<String, String> = "labels",
        annotations: BTreeMap<String, String> = "annotations",
        disable_name_suffix_hash: bool = "disableNameSuffixHash",
        immutable: bool = "immutable",
    }
}

decoded! {
    /// `sortOptions`.
    SortOptions "SortOptions" {
        order: String = "order",
        legacy_sort_options: Option<LegacySortOptions> = "legacySortOptions",
    }
}

decoded! {
    /// `sortOptions.legacySortOptions`.
    LegacySortOptions "LegacySortOptions" {
        order_first: Vec<String> = "orderFirst",
        order_last: Vec<String> = "orderLast",
    }
}

decoded! {
    HelmGlobals "HelmGlobals" {
        chart_home: String = "chartHome",
        config_home: String = "configHome",
    }
}

decoded! {
    #[expect(clippy::zero_sized_map_values, reason = "it is only checked that there is a map")]
    HelmChart "HelmChart" {
        name: String = "name",
        version: String = "version",
        repo: String = "repo",
        release_name: String = "releaseName",
        namespace: String = "namespace",
        additional_values_files: Vec<String> = "additionalValuesFiles",
        values_file: String = "valuesFile",
        values_inline: BTreeMap<String, Anything> = "valuesInline",
        values_merge: String = "valuesMerge",
        include_crds: bool = "includeCRDs",
        skip_hooks: bool = "skipHooks",
        api_versions: Vec<String> = "apiVersions",
        kube_version: String = "kubeVersion",
        name_template: String = "nameTemplate",
        skip_tests: bool = "skipTests",
        debug: bool = "debug",
        devel: bool = "devel",
    }
}

decoded! {
    #[expect(clippy::zero_sized_map_values, reason = "it is only checked that there is a map")]
    HelmChartArgs "HelmChartArgs" {
        chart_name: String = "chartName",
        chart_version: String = "chartVersion",
        chart_repo_url: String = "chartRepoUrl",
        chart_home: String = "chartHome",
        chart_repo_name: String = "chartRepoName",
        helm_bin: String = "helmBin",
        helm_home: String = "helmHome",
        values: String = "values",
        values_local: BTreeMap<String, Anything> = "valuesLocal",
        values_merge: String = "valuesMerge",
        release_name: String = "releaseName",
        release_namespace: String = "releaseNamespace",
        extra_args: Vec<String> = "extraArgs",
    }
}

/// What is done with the value of a field.
type ReadField = fn(&mut Raw, &Field<'_>) -> Result<(), BuildError>;

/// All fields of a kustomization. Those that are only checked, and Helm's, stand for themselves.
const FIELDS: [(&str, ReadField); 34] = [
    ("apiVersion", |raw, field| field.read_into(&mut raw.api_version)),
    ("kind", |raw, field| field.read_into(&mut raw.kind)),
    ("metadata", |_, field| field.read::<ObjectMeta>().map(drop)),
    ("openapi", |raw, field| field.read_into(&mut raw.read.openapi)),
    ("namePrefix", |raw, field| {
        field.read_into(&mut raw.read.name_prefix)
    }),
    ("nameSuffix", |raw, field| {
        field.read_into(&mut raw.read.name_suffix)
    }),
    ("namespace", |raw, field| field.read_into(&mut raw.read.namespace)),
    ("commonLabels", |raw, field| {
        field.read_into(&mut raw.read.common_labels)
    }),
    ("labels", |raw, field| field.read_into(&mut raw.read.labels)),
    ("commonAnnotations", |raw, field| {
        field.read_into(&mut raw.read.common_annotations)
    }),
    ("patchesStrategicMerge", |raw, field| {
        field.read_into(&mut raw.read.patches_strategic_merge)
    }),
    ("patchesJson6902", |raw, field| {
        field.read_into(&mut raw.read.patches_json6902)
    }),
    ("patches", |raw, field| field.read_into(&mut raw.read.patches)),
    ("images", |raw, field| field.read_into(&mut raw.read.images)),
    ("imageTags", |raw, field| field.read_into(&mut raw.image_tags)),
    ("replacements", |raw, field| {
        field.read_into(&mut raw.read.replacements)
    }),
    ("replicas", |raw, field| field.read_into(&mut raw.read.replicas)),
    ("vars", |raw, field| field.read_into(&mut raw.read.vars)),
    ("sortOptions", |raw, field| {
        field.read_into(&mut raw.read.sort_options)
    }),
    ("resources", |raw, field| field.read_into(&mut raw.read.resources)),
    ("components", |raw, field| {
        field.read_into(&mut raw.read.components)
    }),
    ("crds", |raw, field| field.read_into(&mut raw.read.crds)),
    ("bases", |raw, field| field.read_into(&mut raw.bases)),
    ("configMapGenerator", |raw, field| {
        field.read_config_maps(&mut raw.read.config_maps)
    }),
    ("secretGenerator", |raw, field| {
        field.read_into(&mut raw.read.secrets)
    }),
    ("helmGlobals", |_, field| {
        field.read::<Option<HelmGlobals>>().map(drop)
    }),
    ("helmCharts", Raw::charts::<HelmChart>),
    ("helmChartInflationGenerator", Raw::charts::<HelmChartArgs>),
    ("generatorOptions", |raw, field| {
        field.read_into(&mut raw.read.generator_options)
    }),
    ("configurations", |raw, field| {
        field.read_into(&mut raw.read.configurations)
    }),
    ("generators", |raw, field| {
        field.read_into(&mut raw.read.generators)
    }),
    ("transformers", |raw, field| {
        field.read_into(&mut raw.read.transformers)
    }),
    ("validators", |raw, field| {
        field.read_into(&mut raw.read.validators)
    }),
    ("buildMetadata", |raw, field| {
        field.read_into(&mut raw.read.build_metadata)
    }),
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
        // What follows the first document does not count.
        let document = fluxbot_yaml::documents(text, Reading::Api, Limits::default())
            .next()
            .transpose()
            .map_err(|error| {
                invalid(
                    error.line,
                    format!(
                        "invalid Kustomization: error converting YAML to JSON: yaml: {}",
                        error.reason
                    ),
                )
            })?
            .filter(|document| !document.is_null());
        let Some(document) = document else {
            if may_be_empty {
                return Ok(Self::default());
            }
            return Err(invalid(1, "kustomization.yaml is empty".to_owned()));
        };
        let line = document.line;
        let Data::Map(fields) = document.data else {
            return Err(invalid(
                line,
                "invalid Kustomization: json: cannot unmarshal a value that is no map into Go value of type types.Kustomization"
                    .to_owned(),
            ));
        };
        let mut read = Raw {
            has_content: may_be_empty,
            ..Raw::default()
        };
        for (name, node) in &fields {
            read.field(file, name, node)?;
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

/// A field while it is read.
struct Field<'f> {
    file: &'f str,
    name: &'static str,
    node: &'f Node,
    value: &'f Value,
}

impl Field<'_> {
    fn read<T: Decode>(&self) -> Result<T, BuildError> {
        decode::strict_field("Kustomization", self.name, self.value).map_err(|fault| BuildError::Invalid {
            file: self.file.to_owned(),
            line: line_of(self.node, fault.path.get(1..).unwrap_or_default()),
            reason: format!("invalid Kustomization: {}", fault.reason),
        })
    }

    fn read_into<T: Decode>(&self, place: &mut T) -> Result<(), BuildError> {
        *place = self.read()?;
        Ok(())
    }

    /// Reads generators of config maps, which have no type.
    fn read_config_maps(&self, place: &mut Vec<Generator>) -> Result<(), BuildError> {
        self.read_into(place)?;
        let items = self.value.as_list().unwrap_or_default();
        let typed = items
            .iter()
            .filter_map(Value::as_map)
            .any(|fields| fields.contains_key("type"));
        if typed {
            return Err(BuildError::Invalid {
                file: self.file.to_owned(),
                line: line_of(self.node, &["type".to_owned()]),
                reason: "invalid Kustomization: json: unknown field \"type\"".to_owned(),
            });
        }
        Ok(())
    }
}

/// The line of the value that keys lead to; the first one where there are several.
fn line_of(node: &Node, path: &[String]) -> usize {
    let Some((key, rest)) = path.split_first() else {
        return node.line;
    };
    match &node.data {
        Data::List(items) => items
            .iter()
            .find(|item| match &item.data {
                Data::Map(fields) => fields.iter().any(|(name, _)| name.eq_ignore_ascii_case(key)),
                _ => false,
            })
            .map_or(node.line, |item| line_of(item, path)),
        Data::Map(fields) => fields
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(key))
            .map_or(node.line, |(_, value)| line_of(value, rest)),
        _ => node.line,
    }
}

impl Raw {
    fn field(&mut self, file: &str, name: &str, node: &Node) -> Result<(), BuildError> {
        let known = FIELDS.iter().find(|(field, _)| field.eq_ignore_ascii_case(name));
        let Some(&(field, read)) = known else {
            return Err(BuildError::Invalid {
                file: file.to_owned(),
                line: node.line,
                reason: format!("invalid Kustomization: json: unknown field {name:?}"),
            });
        };
        let empty = match &node.data {
            Data::Null { .. } => true,
            Data::String(text) => text.is_empty(),
            _ => false,
        };
        self.has_content |= !empty && !matches!(field, "apiVersion" | "kind");
        let value = node.clone().into_value();
        let field = Field {
            file,
            name: field,
            node,
            value: &value,
        };
        read(self, &field)
    }

    fn charts<T: Decode>(&mut self, field: &Field<'_>) -> Result<(), BuildError> {
        self.read.has_helm_charts |= !field.read::<Vec<T>>()?.is_empty();
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
            generator.gather_envs();
        }
        read.is_component = self.kind == "Component";
        let mut faults = Vec::new();
        if !matches!(self.kind.as_str(), "" | "Kustomization" | "Component") {
            faults.push("kind should be Kustomization or Component".to_owned());
        }
        let version = if read.is_component {
            "kustomize.config.k8s.io/v1alpha1"
        } else {
            "kustomize.config.k8s.io/v1beta1"
        };
        if !self.api_version.is_empty() && self.api_version != version {
            let kind = if self.kind.is_empty() {
                "Kustomization"
            } else {
                &self.kind
            };
            faults.push(format!("apiVersion for {kind} should be {version}"));
        }
        if faults.is_empty() {
            return Ok(read);
        }
        let folder = crate::tree::folder_of(file);
        Err(invalid(&format!(
            "Failed to read kustomization file under {folder}:\n{}",
            faults.join("\n")
        )))
    }
}

impl Generator {
    /// Moves the older field for one file to the list.
    fn gather_envs(&mut self) {
        if !self.env.is_empty() {
            let env = std::mem::take(&mut self.env);
            self.envs.push(env);
        }
    }
}
