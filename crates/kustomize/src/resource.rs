//! An object of a build, with what the build has to remember about it.

use std::collections::{BTreeMap, HashMap};

use fluxbot_yaml::{Map, Value};

use crate::Origin;
use crate::id::{Gvk, Id};

/// What a generator does when its object exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Behavior {
    #[default]
    Unspecified,
    Create,
    Replace,
    Merge,
}

impl Behavior {
    pub(crate) fn parse(text: &str) -> Self {
        match text {
            "create" => Self::Create,
            "replace" => Self::Replace,
            "merge" => Self::Merge,
            _ => Self::Unspecified,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Unspecified => "unspecified",
            Self::Create => "create",
            Self::Replace => "replace",
            Self::Merge => "merge",
        }
    }
}

/// What an object was called before a transformer.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Previous {
    name: String,
    namespace: String,
    kind: String,
}

/// An object of a build.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Resource {
    /// The object; null once a patch has deleted it.
    pub(crate) value: Value,
    pub(crate) origin: Origin,
    previous: Vec<Previous>,
    pub(crate) prefixes: Vec<String>,
    pub(crate) suffixes: Vec<String>,
    pub(crate) behavior: Behavior,
    pub(crate) needs_hash: bool,
    /// The text of the origin annotation, if one is wanted.
    pub(crate) origin_note: Option<String>,
    /// The texts of the transformations annotation.
    pub(crate) transformations: Vec<String>,
}

impl Resource {
    pub(crate) fn new(value: Value, origin: Origin) -> Self {
        Self {
            value,
            origin,
            previous: Vec::new(),
            prefixes: Vec::new(),
            suffixes: Vec::new(),
            behavior: Behavior::Unspecified,
            needs_hash: false,
            origin_note: None,
            transformations: Vec::new(),
        }
    }

    fn text_at(&self, path: &[&str]) -> String {
        let value = self.value.at(path);
        value.and_then(Value::text).unwrap_or_default().into_owned()
    }

    pub(crate) fn api_version(&self) -> String {
        self.text_at(&["apiVersion"])
    }

    pub(crate) fn kind(&self) -> String {
        self.text_at(&["kind"])
    }

    pub(crate) fn name(&self) -> String {
        self.text_at(&["metadata", "name"])
    }

    pub(crate) fn namespace(&self) -> String {
        self.text_at(&["metadata", "namespace"])
    }

    pub(crate) fn gvk(&self) -> Gvk {
        Gvk::new(&self.api_version(), &self.kind())
    }

    pub(crate) fn id(&self) -> Id {
        Id::new(self.gvk(), self.name(), self.namespace())
    }

    /// The identities before each change, the oldest first.
    pub(crate) fn previous_ids(&self) -> impl Iterator<Item = Id> {
        let gvk = self.gvk();
        self.previous.iter().map(move |previous| Id {
            gvk: Gvk {
                kind: previous.kind.clone(),
                ..gvk.clone()
            },
            name: previous.name.clone(),
            namespace: previous.namespace.clone(),
            cluster: false,
        })
    }

    /// The identity in the file.
    pub(crate) fn original_id(&self) -> Id {
        self.previous_ids().next().unwrap_or_else(|| self.id())
    }

    pub(crate) fn remember_id(&mut self) {
        let id = self.id();
        self.previous.push(Previous {
            namespace: id.effective_namespace().to_owned(),
            name: id.name,
            kind: id.gvk.kind,
        });
    }

    /// The map `metadata`, created if it is missing.
    pub(crate) fn metadata(&mut self) -> Option<&mut Map> {
        field_map(self.value.as_map_mut()?, "metadata")
    }

    pub(crate) fn set_name(&mut self, name: String) {
        if let Some(metadata) = self.metadata() {
            metadata.insert("name".to_owned(), Value::String(name));
        }
    }

    pub(crate) fn set_namespace(&mut self, namespace: String) {
        if let Some(metadata) = self.metadata() {
            if namespace.is_empty() {
                metadata.remove("namespace");
            } else {
                metadata.insert("namespace".to_owned(), Value::String(namespace));
            }
        }
    }

    pub(crate) fn set_kind(&mut self, kind: &str) {
        if let Some(fields) = self.value.as_map_mut() {
            fields.insert("kind".to_owned(), kind.into());
        }
    }

    /// A map of strings, such as labels. Values that are no strings are given as they are written.
    pub(crate) fn texts(&self, path: &[&str]) -> BTreeMap<String, String> {
        let fields = self.value.at(path).and_then(Value::as_map);
        fields
            .into_iter()
            .flatten()
            .map(|(key, value)| (key.clone(), value.text().unwrap_or_default().into_owned()))
            .collect()
    }

    pub(crate) fn label(&self, key: &str) -> Option<String> {
        self.metadata_text("labels", key)
    }

    pub(crate) fn annotation(&self, key: &str) -> Option<String> {
        self.metadata_text("annotations", key)
    }

    fn metadata_text(&self, field: &str, key: &str) -> Option<String> {
        let value = self.value.at(&["metadata", field, key])?;
        Some(value.text().unwrap_or_default().into_owned())
    }

    /// Sets labels or annotations; without any the field goes.
    pub(crate) fn set_metadata_texts(&mut self, field: &str, texts: BTreeMap<String, String>) {
        if let Some(metadata) = self.metadata() {
            set_texts(metadata, field, texts);
        }
    }

    /// Whether a patch has deleted the object.
    pub(crate) fn is_gone(&self) -> bool {
        self.value.is_null() || self.value.is_empty_collection()
    }

    /// Takes over the place of an object that a generator replaces or merges into.
    pub(crate) fn take_place_of(&mut self, old: &Self) {
        for field in ["labels", "annotations"] {
            let mut texts = old.texts(&["metadata", field]);
            texts.extend(self.texts(&["metadata", field]));
            self.set_metadata_texts(field, texts);
        }
        self.needs_hash &= old.needs_hash;
        self.behavior = old.behavior;
        self.previous.clone_from(&old.previous);
        self.prefixes.clone_from(&old.prefixes);
        self.suffixes.clone_from(&old.suffixes);
        self.set_name(old.name());
        self.set_namespace(old.namespace());
    }
}

/// The map in a field, created if it is missing or null. `None` when something else is there.
pub(crate) fn field_map<'m>(fields: &'m mut Map, name: &str) -> Option<&'m mut Map> {
    let field = fields.entry(name.to_owned()).or_insert(Value::NULL);
    if field.is_null() {
        *field = Value::Map(Map::new());
    }
    field.as_map_mut()
}

/// Sets a map of strings; an empty one goes.
pub(crate) fn set_texts(fields: &mut Map, name: &str, texts: BTreeMap<String, String>) {
    if texts.is_empty() {
        fields.remove(name);
        return;
    }
    let texts = texts.into_iter().map(|(key, text)| (key, Value::String(text)));
    fields.insert(name.to_owned(), Value::Map(texts.collect()));
}

/// The objects of a build in order, with their identities for quick look-ups while nothing changes.
#[derive(Debug, Default)]
pub(crate) struct ResourceList {
    items: Vec<Resource>,
    /// Current identities; none after something may have changed them.
    known: Option<HashMap<(Gvk, String, String), usize>>,
}

impl ResourceList {
    pub(crate) fn items(&self) -> &[Resource] {
        &self.items
    }

    /// The objects, to change them.
    pub(crate) fn items_mut(&mut self) -> &mut Vec<Resource> {
        self.known = None;
        &mut self.items
    }

    pub(crate) fn into_items(self) -> Vec<Resource> {
        self.items
    }

    /// Adds an object whose identity no other may have.
    pub(crate) fn push(&mut self, resource: Resource) -> Result<(), String> {
        let items = &self.items;
        let known = self.known.get_or_insert_with(|| {
            let places = items.iter().enumerate();
            places.map(|(index, item)| (item.id().key(), index)).collect()
        });
        let id = resource.id();
        if known.insert(id.key(), items.len()).is_some() {
            return Err(format!(
                "may not add resource with an already registered id: {id}"
            ));
        }
        self.items.push(resource);
        Ok(())
    }

    /// Checks that no two objects have the same identity. `fault` says what it means if two have.
    pub(crate) fn check_unique(&self, fault: &str) -> Result<(), String> {
        let mut seen = std::collections::HashSet::new();
        for item in &self.items {
            let id = item.id();
            if !seen.insert(id.key()) {
                return Err(format!("{fault}: {id}"));
            }
        }
        Ok(())
    }

    /// The places of the objects that have or had an identity that `fits`.
    pub(crate) fn with_any_id(&self, fits: impl Fn(&Id) -> bool) -> Vec<usize> {
        let matching = |item: &Resource| {
            !item.is_gone() && (fits(&item.id()) || item.previous_ids().any(|id| fits(&id)))
        };
        let items = self.items.iter().enumerate();
        items
            .filter(|(_, item)| matching(item))
            .map(|(index, _)| index)
            .collect()
    }

    /// The place of the one object that a patch is for.
    pub(crate) fn only(&self, id: &Id) -> Result<usize, String> {
        match *self.with_any_id(|other| other.same(id)).as_slice() {
            [index] => Ok(index),
            [] => Err(format!(
                "no matches for Id {id}; failed to find unique target for patch {id}"
            )),
            _ => Err(format!(
                "multiple matches for Id {id}; failed to find unique target for patch {id}"
            )),
        }
    }
}
