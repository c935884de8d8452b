//! An object of a build. What the build has to remember about it stands in annotations, as the original has it: a patch may see
//! them, and whatever replaces the annotations makes the build forget.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use fluxbot_yaml::{Map, Text, Value};

use crate::Origin;
use crate::id::{Gvk, Id};
use crate::scalar;
use crate::schema::{self, Kinds};

/// The annotations that the build uses and removes at the end.
pub(crate) mod note {
    pub(crate) const PREVIOUS_KINDS: &str = "internal.config.kubernetes.io/previousKinds";
    pub(crate) const PREVIOUS_NAMES: &str = "internal.config.kubernetes.io/previousNames";
    pub(crate) const PREVIOUS_NAMESPACES: &str = "internal.config.kubernetes.io/previousNamespaces";
    pub(crate) const PREFIXES: &str = "internal.config.kubernetes.io/prefixes";
    pub(crate) const SUFFIXES: &str = "internal.config.kubernetes.io/suffixes";
    pub(crate) const ALLOW_NAME_CHANGE: &str = "internal.config.kubernetes.io/allowNameChange";
    pub(crate) const ALLOW_KIND_CHANGE: &str = "internal.config.kubernetes.io/allowKindChange";
    pub(crate) const BEHAVIOR: &str = "internal.config.kubernetes.io/generatorBehavior";
    pub(crate) const NEEDS_HASH: &str = "internal.config.kubernetes.io/needsHashSuffix";
    pub(crate) const HELM_GENERATED: &str = "config.kubernetes.io/helm-generated";
    pub(crate) const ORIGIN: &str = "config.kubernetes.io/origin";
    pub(crate) const TRANSFORMATIONS: &str = "alpha.config.kubernetes.io/transformations";
    pub(crate) const ENABLED: &str = "enabled";
    /// What all of them but the last two begin with.
    const INTERNAL: &str = "internal.config.kubernetes.io";

    /// All annotations that leave with the build.
    pub(crate) const BUILD: [&str; 19] = [
        PREVIOUS_KINDS,
        PREVIOUS_NAMES,
        PREFIXES,
        SUFFIXES,
        PREVIOUS_NAMESPACES,
        ALLOW_NAME_CHANGE,
        ALLOW_KIND_CHANGE,
        "internal.config.kubernetes.io/refBy",
        BEHAVIOR,
        NEEDS_HASH,
        "internal.config.kubernetes.io/path",
        "internal.config.kubernetes.io/index",
        "internal.config.kubernetes.io/seqindent",
        "internal.config.kubernetes.io/id",
        "internal.config.kubernetes.io/annotations-migration-resource-id",
        "config.kubernetes.io/path",
        "config.kubernetes.io/index",
        "config.k8s.io/id",
        HELM_GENERATED,
    ];

    /// Whether the annotation leaves with the build.
    pub(crate) fn is_of_build(key: &str) -> bool {
        key.contains("config.k") && BUILD.contains(&key)
    }

    /// Whether a JSON patch leaves the annotation alone.
    pub(crate) fn survives_patches(key: &str) -> bool {
        key.starts_with(INTERNAL)
            || [
                "config.kubernetes.io/path",
                "config.kubernetes.io/index",
                "config.k8s.io/id",
            ]
            .contains(&key)
    }
}

/// An object of a build.
#[derive(Debug, Clone)]
pub(crate) struct Resource {
    /// The object; null once a patch has deleted it.
    pub(crate) value: Value,
    pub(crate) origin: Origin,
    /// The variables that take their values from the object.
    pub(crate) vars: Vec<String>,
    /// The kinds of a schema of its own, where the build has one.
    pub(crate) kinds: Option<Arc<Kinds>>,
}

type Texts = BTreeMap<String, String>;

impl Resource {
    pub(crate) fn new(value: Value, origin: Origin) -> Self {
        Self {
            value,
            origin,
            vars: Vec::new(),
            kinds: None,
        }
    }

    fn text_at(&self, path: &[&str]) -> Cow<'_, str> {
        self.value.at(path).and_then(Value::text).unwrap_or_default()
    }

    pub(crate) fn api_version(&self) -> Cow<'_, str> {
        self.text_at(&["apiVersion"])
    }

    pub(crate) fn kind(&self) -> Cow<'_, str> {
        self.text_at(&["kind"])
    }

    pub(crate) fn name(&self) -> Cow<'_, str> {
        self.text_at(&["metadata", "name"])
    }

    pub(crate) fn namespace(&self) -> Cow<'_, str> {
        self.text_at(&["metadata", "namespace"])
    }

    pub(crate) fn gvk(&self) -> Gvk {
        Gvk::new(&self.api_version(), &self.kind())
    }

    /// The current identity.
    pub(crate) fn id(&self) -> Id {
        Id {
            cluster: match &self.kinds {
                Some(kinds) => kinds.is_cluster_scoped(&self.api_version(), &self.kind()),
                None => schema::is_cluster_scoped(&self.api_version(), &self.kind()),
            },
            gvk: self.gvk(),
            name: self.name().into(),
            namespace: self.namespace().into(),
        }
    }

    /// The identities before each change, the oldest first. They do not know whether their kind has namespaces.
    pub(crate) fn previous_ids(&self) -> Vec<Id> {
        let Some(names) = self.annotation(note::PREVIOUS_NAMES) else {
            return Vec::new();
        };
        let namespaces = self.annotation(note::PREVIOUS_NAMESPACES).unwrap_or_default();
        let kinds = self.annotation(note::PREVIOUS_KINDS).unwrap_or_default();
        let gvk = self.gvk();
        names
            .split(',')
            .zip(namespaces.split(','))
            .zip(kinds.split(','))
            .map(|((name, namespace), kind)| Id {
                gvk: Gvk {
                    kind: kind.into(),
                    ..gvk.clone()
                },
                name: name.into(),
                namespace: namespace.into(),
                cluster: false,
            })
            .collect()
    }

    /// The identity in the file.
    pub(crate) fn original_id(&self) -> Id {
        self.previous_ids()
            .into_iter()
            .next()
            .unwrap_or_else(|| self.id())
    }

    /// Whether the object has or had a name: quicker than its identities.
    pub(crate) fn ever_named(&self, name: &str) -> bool {
        self.name() == name
            || self
                .annotation(note::PREVIOUS_NAMES)
                .is_some_and(|names| names.split(',').any(|previous| previous == name))
    }

    /// The names that the object has or had.
    pub(crate) fn ever_names(&self) -> Vec<Text> {
        let mut names = self.notes(note::PREVIOUS_NAMES);
        names.push(self.name().into());
        names.sort_unstable();
        names.dedup();
        names
    }

    /// The name in the file.
    pub(crate) fn original_name(&self) -> Cow<'_, str> {
        match self.annotation(note::PREVIOUS_NAMES) {
            Some(Cow::Borrowed(names)) => Cow::Borrowed(names.split(',').next().unwrap_or_default()),
            Some(Cow::Owned(names)) => Cow::Owned(names.split(',').next().unwrap_or_default().to_owned()),
            None => self.name(),
        }
    }

    pub(crate) fn remember_id(&mut self) {
        let id = self.id();
        self.append_note(note::PREVIOUS_NAMES, &id.name);
        self.append_note(note::PREVIOUS_NAMESPACES, id.effective_namespace());
        self.append_note(note::PREVIOUS_KINDS, &id.gvk.kind);
    }

    /// Adds to an annotation that is a list. Nothing is not added.
    pub(crate) fn append_note(&mut self, key: &'static str, text: &str) {
        if text.is_empty() {
            return;
        }
        let joined = match self.annotation(key) {
            Some(list) => Text::from(format!("{list},{text}")),
            None => text.into(),
        };
        self.set_annotation(key, joined);
    }

    /// The items of an annotation that is a list.
    pub(crate) fn notes(&self, key: &str) -> Vec<Text> {
        let list = self.annotation(key);
        list.map(|list| list.split(',').map(Text::from).collect())
            .unwrap_or_default()
    }

    pub(crate) fn is_enabled(&self, key: &str) -> bool {
        self.annotation(key).as_deref() == Some(note::ENABLED)
    }

    /// The map `metadata`, created if it is missing.
    pub(crate) fn metadata(&mut self) -> Option<&mut Map> {
        field_map(self.value.as_map_mut()?, "metadata")
    }

    pub(crate) fn set_name(&mut self, name: &str) {
        if let Some(metadata) = self.metadata() {
            set_text(metadata, "name", name);
        }
    }

    pub(crate) fn set_namespace(&mut self, namespace: &str) {
        if let Some(metadata) = self.metadata() {
            if namespace.is_empty() {
                metadata.remove("namespace");
            } else {
                set_text(metadata, "namespace", namespace);
            }
        }
    }

    pub(crate) fn set_kind(&mut self, kind: &str) {
        if let Some(fields) = self.value.as_map_mut() {
            set_text(fields, "kind", kind);
        }
    }

    pub(crate) fn set_api_version(&mut self, version: &str) {
        if let Some(fields) = self.value.as_map_mut() {
            set_text(fields, "apiVersion", version);
        }
    }

    /// A map of strings, such as `data`. Values that are no strings are given as they are written.
    pub(crate) fn texts(&self, path: &[&str]) -> Texts {
        let fields = self.value.at(path).and_then(Value::as_map);
        fields
            .into_iter()
            .flatten()
            .map(|(key, value)| (key.to_string(), scalar::text(value)))
            .collect()
    }

    pub(crate) fn annotations(&self) -> Texts {
        self.texts(&["metadata", "annotations"])
    }

    pub(crate) fn labels(&self) -> Texts {
        self.texts(&["metadata", "labels"])
    }

    pub(crate) fn label(&self, key: &str) -> Option<Cow<'_, str>> {
        let value = self.value.at(&["metadata", "labels", key])?;
        Some(value.text().unwrap_or_default())
    }

    pub(crate) fn annotation(&self, key: &str) -> Option<Cow<'_, str>> {
        let value = self.value.at(&["metadata", "annotations", key])?;
        Some(value.text().unwrap_or_default())
    }

    pub(crate) fn set_annotation(&mut self, key: &'static str, text: Text) {
        if let Some(annotations) = self
            .metadata()
            .and_then(|metadata| field_map(metadata, "annotations"))
        {
            annotations.insert(Text::new_static(key), Value::String(text));
        }
    }

    /// Sets all annotations; without any the field goes.
    pub(crate) fn set_annotations(&mut self, texts: Texts) {
        self.set_metadata_texts("annotations", texts);
    }

    pub(crate) fn set_labels(&mut self, texts: Texts) {
        self.set_metadata_texts("labels", texts);
    }

    fn set_metadata_texts(&mut self, field: &str, texts: Texts) {
        if let Some(metadata) = self.metadata() {
            set_texts(metadata, field, texts);
        }
    }

    /// Switches something on. As the original does it, all annotations become strings.
    pub(crate) fn enable(&mut self, key: &'static str) {
        let mut annotations = self.annotations();
        annotations.insert(key.to_owned(), note::ENABLED.to_owned());
        self.set_annotations(annotations);
    }

    /// Writes annotations that are numbers as Go writes floats, which they are behind a JSON patch: `1000000` is `1e+06`.
    pub(crate) fn spell_floats(&mut self) {
        let metadata = self.value.get_mut("metadata");
        let Some(Value::Map(annotations)) = metadata.and_then(|metadata| metadata.get_mut("annotations"))
        else {
            return;
        };
        for value in annotations.values_mut() {
            let Value::Number(number) = value else { continue };
            let float = number.value().as_f64().and_then(serde_json::Number::from_f64);
            if let Some(float) = float {
                *value = Value::Number(float.into()).to_yaml().trim_end().into();
            }
        }
    }

    /// Takes all annotations that are not `wanted`; the others become strings. Without any the field goes.
    pub(crate) fn keep_annotations(&mut self, wanted: impl Fn(&str) -> bool) {
        let Some(metadata) = self.metadata() else { return };
        let Some(Value::Map(annotations)) = metadata.get_mut("annotations") else {
            metadata.remove("annotations");
            return;
        };
        annotations.retain(|key, value| {
            if !matches!(value, Value::String(_)) {
                *value = scalar::text(value).into();
            }
            wanted(key)
        });
        if annotations.is_empty() {
            metadata.remove("annotations");
        }
    }

    /// Whether a patch has deleted the object.
    pub(crate) fn is_gone(&self) -> bool {
        self.value.is_null() || self.value.is_empty_collection()
    }

    /// Takes the name, the labels, the annotations and the history of another object, beside its own labels and annotations.
    pub(crate) fn take_metadata_of(&mut self, other: &Self) {
        let mut labels = other.labels();
        labels.extend(self.labels());
        self.set_labels(labels);
        let own = self.annotations();
        let needs_hash = own.contains_key(note::NEEDS_HASH);
        let theirs = other.annotations();
        let mut merged = theirs.clone();
        merged.extend(own);
        for key in note::BUILD {
            match theirs.get(key) {
                Some(text) => drop(merged.insert(key.to_owned(), text.clone())),
                None => drop(merged.remove(key)),
            }
        }
        if !needs_hash {
            merged.remove(note::NEEDS_HASH);
        }
        self.set_annotations(merged);
        self.set_name(&other.name());
        self.set_namespace(&other.namespace());
        self.vars.clone_from(&other.vars);
    }
}

/// Sets a text as the original does: without saying that it is a string, so that a number where one was stays one.
pub(crate) fn set_text(fields: &mut Map, name: &str, text: &str) {
    match fields.get_mut(name) {
        Some(value) => {
            if value.text().as_deref() != Some(text) || value.is_null() {
                *value = scalar::untyped(Some(value), text);
            }
        }
        None => drop(fields.insert(name, text.into())),
    }
}

/// The map in a field, created if it is missing or null. `None` when something else is there.
pub(crate) fn field_map<'m>(fields: &'m mut Map, name: &str) -> Option<&'m mut Map> {
    let field = fields.get_or_insert_with(name, || Value::NULL);
    if field.is_null() {
        *field = Value::Map(Map::new());
    }
    field.as_map_mut()
}

/// Sets a map of strings; an empty one goes.
pub(crate) fn set_texts(fields: &mut Map, name: &str, texts: Texts) {
    if texts.is_empty() {
        fields.remove(name);
        return;
    }
    let texts = texts.into_iter().map(|(key, text)| (key, Value::from(text)));
    fields.insert(name, Value::Map(texts.collect()));
}
