//! Generators and transformers that are configured by objects of their own, as far as they are built in.

use std::collections::BTreeMap;

use fluxbot_yaml::{Map, Value};

use crate::accumulate::Target;
use crate::decode::{Decode, decoded, lenient};
use crate::fields::FieldSpec;
use crate::generate;
use crate::hash;
use crate::kustomization::{Generator, Image, ObjectMeta, Patch, ReplacementEntry, Replica};
use crate::objects;
use crate::origin::Place;
use crate::patch;
use crate::resource::Resource;
use crate::resources::ResourceList;
use crate::scalar;
use crate::selector::Selector;
use crate::transformers::{
    self, Affix, All, Entries, Images, Name, Namespace, Replacements, Replicas, Step, Subjects, Transformer,
    ValueAdd,
};
use crate::tree::Tree;
use crate::{BuildError, Origin};

decoded! {
    EntriesConfig "LabelTransformerPlugin" {
        labels: BTreeMap<String, String> = "labels",
        annotations: BTreeMap<String, String> = "annotations",
        fields: Vec<FieldSpec> = "fieldSpecs",
    }
}

decoded! {
    NameConfig "PrefixTransformerPlugin" {
        prefix: String = "prefix",
        suffix: String = "suffix",
        fields: Option<Vec<FieldSpec>> = "fieldSpecs",
    }
}

decoded! {
    NamespaceConfig "NamespaceTransformerPlugin" {
        metadata: ObjectMeta = "metadata",
        fields: Vec<FieldSpec> = "fieldSpecs",
        unset_only: bool = "unsetOnly",
        subjects: String = "setRoleBindingSubjects",
    }
}

decoded! {
    ReplicaConfig "ReplicaCountTransformerPlugin" {
        replica: Replica = "replica",
        fields: Vec<FieldSpec> = "fieldSpecs",
    }
}

decoded! {
    ImageConfig "ImageTagTransformerPlugin" {
        image: Image = "imageTag",
        fields: Vec<FieldSpec> = "fieldSpecs",
    }
}

decoded! {
    JsonPatchConfig "PatchJson6902TransformerPlugin" {
        target: Option<Selector> = "target",
        path: String = "path",
        operations: String = "jsonOp",
    }
}

decoded! {
    MergeConfig "PatchStrategicMergeTransformerPlugin" {
        paths: Vec<String> = "paths",
        patches: String = "patches",
    }
}

decoded! {
    ReplacementConfig "ReplacementTransformerPlugin" {
        replacements: Vec<ReplacementEntry> = "replacements",
    }
}

decoded! {
    ValueAddConfig "ValueAddTransformerPlugin" {
        value: String = "value",
        targets: Vec<transformers::Place> = "targets",
        target_file_path: String = "targetFilePath",
    }
}

decoded! {
    PolicyConfig "IAMPolicyGeneratorPlugin" {
        cloud: String = "cloud",
        kubernetes_service: KubernetesService = "kubernetesService",
        service_account: ServiceAccount = "serviceAccount",
    }
}

decoded! {
    KubernetesService "KubernetesService" {
        name: String = "name",
        namespace: String = "namespace",
    }
}

decoded! {
    ServiceAccount "ServiceAccount" {
        name: String = "name",
        project: String = "projectId",
    }
}

/// The names of objects, which get a suffix where they ask for it.
struct Hash;

impl Transformer for Hash {
    fn apply(&self, all: &mut ResourceList) -> Result<(), String> {
        hash::add_suffixes(all.items_mut());
        Ok(())
    }
}

/// A transformer, or what is wrong with its configuration.
type Configured = Result<Box<dyn Transformer>, BuildError>;

/// A kind of transformer, and how it is configured.
type BuiltIn<'p> = (&'static str, fn(&Plugin<'p>) -> Configured);

/// A plugin while it is configured.
struct Plugin<'p> {
    tree: &'p Tree<'p>,
    target: &'p Target,
    configuration: &'p Resource,
}

/// The annotation of what a plugin makes or changes, where origins are wanted.
pub(crate) fn origin(configuration: &Resource) -> Option<String> {
    let place = Place::of(configuration)?;
    Some(place.configured_here(&crate::origin::Configured {
        api_version: &configuration.api_version(),
        kind: &configuration.kind(),
        name: &configuration.name(),
        namespace: &configuration.namespace(),
    }))
}

/// Whether a plugin is built in; all others are programs, which are not run.
fn check_built_in(target: &Target, configuration: &Resource) -> Result<(), BuildError> {
    if configuration.api_version() == "builtin" {
        return Ok(());
    }
    let origin = &configuration.origin;
    Err(BuildError::at(
        &target.file,
        format!(
            "{}:{}: external plugins disabled; unable to load external plugin '{}'",
            origin.path,
            origin.line,
            configuration.kind()
        ),
    ))
}

/// Generates the object of a generator.
pub(crate) fn generate(
    tree: &Tree<'_>,
    target: &Target,
    configuration: &Resource,
) -> Result<Resource, BuildError> {
    check_built_in(target, configuration)?;
    let plugin = Plugin {
        tree,
        target,
        configuration,
    };
    let kind = configuration.kind();
    match kind.as_ref() {
        "ConfigMapGenerator" => generate::one(tree, target, &plugin.read::<Generator>()?, "ConfigMap", None),
        "SecretGenerator" => generate::one(tree, target, &plugin.read::<Generator>()?, "Secret", None),
        "IAMPolicyGenerator" => plugin.policy(),
        "HelmChartInflationGenerator" => Err(BuildError::Unsupported {
            file: target.file.clone(),
            what: "generator HelmChartInflationGenerator (must specify --enable-helm, and there is no Helm here)"
                .to_owned(),
        }),
        _ if plugin.transformer()?.is_some() => {
            Err(plugin.fail(format!("plugin {} not a generator", configuration.id())))
        }
        _ => Err(plugin.fail(format!("unable to load builtin {}", configuration.gvk()))),
    }
}

/// Reads the configuration of a transformer.
pub(crate) fn transformer(
    tree: &Tree<'_>,
    target: &Target,
    configuration: &Resource,
) -> Result<Step, BuildError> {
    check_built_in(target, configuration)?;
    let plugin = Plugin {
        tree,
        target,
        configuration,
    };
    let origin = &configuration.origin;
    match plugin.transformer()? {
        Some(transformer) => Ok(Step {
            kind: "",
            field: format!("{}:{} {}", origin.path, origin.line, configuration.id()),
            transformer,
        }),
        None if configuration.kind().ends_with("Generator") => {
            Err(plugin.fail(format!("plugin {} not a transformer", configuration.id())))
        }
        None => Err(plugin.fail(format!("unable to load builtin {}", configuration.gvk()))),
    }
}

impl<'p> Plugin<'p> {
    /// The transformers that are built in.
    const TRANSFORMERS: [BuiltIn<'p>; 14] = [
        ("AnnotationsTransformer", Self::annotations),
        ("HashTransformer", |_| Ok(Box::new(Hash))),
        ("ImageTagTransformer", Self::images),
        ("LabelTransformer", Self::labels),
        ("NamespaceTransformer", Self::namespace),
        ("PatchJson6902Transformer", Self::json_patch),
        ("PatchStrategicMergeTransformer", Self::strategic_merge),
        ("PatchTransformer", Self::patch),
        ("PrefixSuffixTransformer", |plugin| {
            plugin.affixes(&[Affix::Prefix, Affix::Suffix])
        }),
        ("PrefixTransformer", |plugin| plugin.affixes(&[Affix::Prefix])),
        ("ReplacementTransformer", Self::replacements),
        ("ReplicaCountTransformer", Self::replicas),
        ("SuffixTransformer", |plugin| plugin.affixes(&[Affix::Suffix])),
        ("ValueAddTransformer", Self::value_add),
    ];

    fn fail(&self, reason: impl std::fmt::Display) -> BuildError {
        let origin = &self.configuration.origin;
        BuildError::at(
            &self.target.file,
            format!("{}:{}: {reason}", origin.path, origin.line),
        )
    }

    fn read<T: Decode>(&self) -> Result<T, BuildError> {
        let id = self.configuration.id();
        lenient(&self.configuration.value)
            .map_err(|reason| self.fail(format!("plugin {id} fails configuration: {reason}")))
    }

    fn configured(&self, reason: &str) -> BuildError {
        self.fail(format!(
            "plugin {} fails configuration: {reason}",
            self.configuration.id()
        ))
    }

    /// The transformer, or nothing when it is none that is built in.
    fn transformer(&self) -> Result<Option<Box<dyn Transformer>>, BuildError> {
        let kind = self.configuration.kind();
        let known = Self::TRANSFORMERS.iter().find(|(name, _)| *name == kind);
        known.map(|(_, configure)| configure(self)).transpose()
    }

    fn labels(&self) -> Configured {
        let EntriesConfig { labels, fields, .. } = self.read()?;
        Ok(Box::new(Entries {
            pairs: labels,
            fields,
        }))
    }

    fn annotations(&self) -> Configured {
        let EntriesConfig {
            annotations, fields, ..
        } = self.read()?;
        Ok(Box::new(Entries {
            pairs: annotations,
            fields,
        }))
    }

    fn images(&self) -> Configured {
        let ImageConfig { image, fields } = self.read()?;
        Ok(Box::new(Images::new(image, fields)))
    }

    fn replicas(&self) -> Configured {
        let ReplicaConfig { replica, fields } = self.read()?;
        Ok(Box::new(Replicas { replica, fields }))
    }

    fn replacements(&self) -> Configured {
        let ReplacementConfig { replacements } = self.read()?;
        Ok(Box::new(Replacements::load(
            self.tree,
            self.target,
            &replacements,
        )?))
    }

    fn namespace(&self) -> Configured {
        let read: NamespaceConfig = self.read()?;
        Ok(Box::new(Namespace {
            name: read.metadata.namespace,
            fields: read.fields,
            unset_only: read.unset_only,
            subjects: Subjects::parse(&read.subjects).map_err(|reason| self.configured(&reason))?,
        }))
    }

    fn affixes(&self, affixes: &[Affix]) -> Configured {
        let mut all: Vec<Box<dyn Transformer>> = Vec::new();
        for affix in affixes {
            all.push(Box::new(self.name(*affix)?));
        }
        Ok(Box::new(All(all)))
    }

    fn patch(&self) -> Configured {
        Ok(Box::new(patch::any(
            self.tree,
            self.target,
            &self.read::<Patch>()?,
        )?))
    }

    fn json_patch(&self) -> Configured {
        let read: JsonPatchConfig = self.read()?;
        let entry = Patch {
            path: read.path,
            inline: read.operations,
            target: read.target,
            options: None,
        };
        Ok(Box::new(patch::json6902(self.tree, self.target, &entry)?))
    }

    fn strategic_merge(&self) -> Configured {
        let read: MergeConfig = self.read()?;
        if read.paths.is_empty() && read.patches.is_empty() {
            return Err(self.configured("empty file path and empty patch content"));
        }
        let merge = patch::strategic_merge(self.tree, self.target, &read.paths, &read.patches)?;
        Ok(Box::new(merge))
    }

    fn name(&self, affix: Affix) -> Result<Name, BuildError> {
        let read: NameConfig = self.read()?;
        let Some(fields) = read.fields else {
            return Err(self.configured("fieldSpecs is not expected to be nil"));
        };
        Ok(Name {
            text: match affix {
                Affix::Prefix => read.prefix,
                Affix::Suffix => read.suffix,
            },
            affix,
            fields,
        })
    }

    fn value_add(&self) -> Configured {
        let read: ValueAddConfig = self.read()?;
        let value = match read.value.trim() {
            "" => self.target.root.rsplit('/').next().unwrap_or_default(),
            value => value,
        }
        .to_owned();
        let mut places = read.targets;
        if !read.target_file_path.is_empty() {
            let (path, content) =
                self.tree
                    .load(&self.target.root, &self.target.file, &read.target_file_path)?;
            let document = objects::configuration(&path, &content)?;
            let more: ValueAddConfig =
                lenient(&document).map_err(|reason| self.fail(format!("{path}: {reason}")))?;
            places.extend(more.targets);
        }
        if places.is_empty() {
            return Err(self.configured("must specify at least one target"));
        }
        for place in &places {
            if place.path.is_empty() {
                return Err(self.configured("fieldPath cannot be empty"));
            }
            if place.file_path_position < 0 {
                return Err(self.configured(&format!(
                    "value of FilePathPosition ({}) cannot be negative",
                    place.file_path_position
                )));
            }
        }
        Ok(Box::new(ValueAdd { value, places }))
    }

    /// The service account of a cloud's identity.
    fn policy(&self) -> Result<Resource, BuildError> {
        let read: PolicyConfig = self.read()?;
        if read.cloud != "gke" {
            return Err(self.fail(format!("cloud provider {} not supported yet", read.cloud)));
        }
        let account = format!(
            "{}@{}.iam.gserviceaccount.com",
            read.service_account.name, read.service_account.project
        );
        let mut metadata = Map::from([
            (
                "annotations".to_owned(),
                Value::Map(Map::from([(
                    "iam.gke.io/gcp-service-account".to_owned(),
                    scalar::plain(&account),
                )])),
            ),
            ("name".to_owned(), scalar::plain(&read.kubernetes_service.name)),
        ]);
        if !read.kubernetes_service.namespace.is_empty() {
            metadata.insert(
                "namespace".to_owned(),
                scalar::plain(&read.kubernetes_service.namespace),
            );
        }
        let value = Value::Map(Map::from([
            ("apiVersion".to_owned(), "v1".into()),
            ("kind".to_owned(), "ServiceAccount".into()),
            ("metadata".to_owned(), Value::Map(metadata)),
        ]));
        let origin = Origin {
            path: self.target.file.as_str().into(),
            line: 1,
        };
        Ok(Resource::new(value, origin))
    }
}
