//! The fields that transformers change, and the walk to them.

use std::sync::{Arc, LazyLock};

use fluxbot_yaml::{Map, Reading, Text, Value};

use crate::decode::{self, Context, Decode, Fault, decoded};
use crate::field_path::split_at;
use crate::id::Gvk;
use crate::order;

/// The table, written by `hack/oracle/kustomize`.
const TABLE: &str = include_str!("data/fields.txt");

static DEFAULT: LazyLock<Arc<FieldTable>> = LazyLock::new(|| Arc::new(FieldTable::read(TABLE)));

/// The fields that the original changes without being told.
pub(crate) fn built_in() -> Arc<FieldTable> {
    Arc::clone(&DEFAULT)
}

/// A path: keys separated by `/`; `[]` after a key says that it is a list. Copies share the keys.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Path {
    text: Text,
    steps: Arc<[Step]>,
}

/// A key of a path.
#[derive(Debug, PartialEq)]
struct Step {
    name: Text,
    is_list: bool,
}

decoded! {
    /// A field of the objects of a kind.
    FieldSpec "FieldSpec" {
        group: Text = "group",
        version: Text = "version",
        kind: Text = "kind",
        path: Path = "path",
        /// Whether the field is created where it is missing.
        create: bool = "create",
    }
}

decoded! {
    /// Which fields of which kinds hold the name of an object of a kind.
    Reference "NameBackReferences" {
        group: Text = "group",
        version: Text = "version",
        kind: Text = "kind",
        fields: Vec<FieldSpec> = "fieldSpecs",
    }
}

decoded! {
    /// The fields of all transformers.
    FieldTable "TransformerConfig" {
        name_prefix: Vec<FieldSpec> = "namePrefix",
        name_suffix: Vec<FieldSpec> = "nameSuffix",
        namespace: Vec<FieldSpec> = "namespace",
        common_labels: Vec<FieldSpec> = "commonLabels",
        labels: Vec<FieldSpec> = "labels",
        template_labels: Vec<FieldSpec> = "templateLabels",
        claim_labels: Vec<FieldSpec> = "volumeClaimTemplateLabels",
        common_annotations: Vec<FieldSpec> = "commonAnnotations",
        references: Vec<Reference> = "nameReference",
        var_references: Vec<FieldSpec> = "varReference",
        images: Vec<FieldSpec> = "images",
        replicas: Vec<FieldSpec> = "replicas",
    }
}

impl Reference {
    pub(crate) fn target(&self) -> Gvk {
        Gvk {
            group: self.group.clone(),
            version: self.version.clone(),
            kind: self.kind.clone(),
        }
    }
}

impl FieldTable {
    fn read(text: &str) -> Self {
        let mut table = Self::default();
        let mut section = "";
        for line in text.lines() {
            let mut words = line.split_ascii_whitespace();
            match (words.next(), words.next()) {
                (Some("fields"), Some(name)) => section = name,
                (Some("reference"), Some(target)) => {
                    section = "";
                    let Gvk { group, version, kind } = selector(target);
                    table.references.push(Reference {
                        group,
                        version,
                        kind,
                        fields: Vec::new(),
                    });
                }
                (Some(kind), Some(path)) if line.starts_with(' ') => {
                    let Gvk { group, version, kind } = selector(kind);
                    let field = FieldSpec {
                        group,
                        version,
                        kind,
                        path: Path::new(path),
                        create: words.next() == Some("create"),
                    };
                    if section.is_empty() {
                        if let Some(reference) = table.references.last_mut() {
                            reference.fields.push(field);
                        }
                    } else if let Some(fields) = table.section(section) {
                        fields.push(field);
                    }
                }
                _ => {}
            }
        }
        table.sort();
        table
    }

    fn section(&mut self, name: &str) -> Option<&mut Vec<FieldSpec>> {
        let mut sections = self.sections();
        let place = sections.iter().position(|(known, _)| *known == name)?;
        Some(sections.swap_remove(place).1)
    }

    /// All lists of fields, with the names that configuration has for them.
    fn sections(&mut self) -> Vec<(&'static str, &mut Vec<FieldSpec>)> {
        vec![
            ("namePrefix", &mut self.name_prefix),
            ("nameSuffix", &mut self.name_suffix),
            ("namespace", &mut self.namespace),
            ("commonLabels", &mut self.common_labels),
            ("labels", &mut self.labels),
            ("templateLabels", &mut self.template_labels),
            ("volumeClaimTemplateLabels", &mut self.claim_labels),
            ("commonAnnotations", &mut self.common_annotations),
            ("varReference", &mut self.var_references),
            ("images", &mut self.images),
            ("replicas", &mut self.replicas),
        ]
    }

    /// Sorts everything by kind, as the original does after each step.
    fn sort(&mut self) {
        for (_, fields) in self.sections() {
            fields.sort_by_cached_key(FieldSpec::sort_key);
        }
        self.references.sort_by_cached_key(|one| sort_key(&one.target()));
    }

    /// Reads a configuration file.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let documents = fluxbot_yaml::parse(text, Reading::Api)
            .map_err(|error| format!("error converting YAML to JSON: {error}"))?;
        let Some(document) = documents.into_iter().next() else {
            return Ok(Self::default());
        };
        let mut table: Self = decode::strict(&document.into_value())
            .map_err(|fault| format!("error unmarshaling JSON: while decoding JSON: {}", fault.reason))?;
        table.sort();
        Ok(table)
    }

    /// Adds what another table has.
    pub(crate) fn merge(&mut self, mut other: Self) -> Result<(), String> {
        for ((name, fields), (_, more)) in self.sections().into_iter().zip(other.sections()) {
            merge_fields(fields, more)
                .map_err(|reason| format!("failed to merge {name} fieldSpec: {reason}"))?;
        }
        for reference in other.references {
            let mut found = false;
            for known in &mut self.references {
                if known.target() == reference.target() {
                    found = true;
                    merge_fields(&mut known.fields, &reference.fields)
                        .map_err(|reason| format!("failed to merge NameReference fieldSpec: {reason}"))?;
                }
            }
            if !found {
                self.references.push(reference);
            }
        }
        self.sort();
        Ok(())
    }
}

/// The key by which configuration is sorted.
fn sort_key(gvk: &Gvk) -> (isize, String) {
    let or = |text: &str, other: &str| {
        if text.is_empty() {
            other.to_owned()
        } else {
            text.to_owned()
        }
    };
    let text = format!(
        "{}_{}_{}",
        or(&gvk.group, "~G"),
        or(&gvk.version, "~V"),
        or(&gvk.kind, "~K")
    );
    (order::rank(&gvk.kind), text)
}

fn selector(text: &str) -> Gvk {
    let mut parts = text.split('|').map(Text::from);
    Gvk {
        group: parts.next().unwrap_or_default(),
        version: parts.next().unwrap_or_default(),
        kind: parts.next().unwrap_or_default(),
    }
}

/// What is created at the end of a path.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Create {
    /// Nothing: a field that is missing stays missing.
    Never,
    /// An empty string, if the field's spec says so.
    Scalar,
    /// An empty map, if the field's spec says so.
    Map,
}

impl FieldSpec {
    /// A field of all kinds that is created.
    pub(crate) fn everywhere(path: &str) -> Self {
        Self {
            path: Path::new(path),
            create: true,
            ..Self::default()
        }
    }

    fn sort_key(&self) -> (isize, String) {
        sort_key(&self.gvk())
    }

    pub(crate) fn gvk(&self) -> Gvk {
        Gvk {
            group: self.group.clone(),
            version: self.version.clone(),
            kind: self.kind.clone(),
        }
    }

    /// Whether the field is one of an object of this kind.
    pub(crate) fn selects(&self, gvk: &Gvk) -> bool {
        let fits = |wanted: &str, actual: &str| wanted.is_empty() || wanted == actual;
        fits(&self.kind, &gvk.kind) && fits(&self.group, &gvk.group) && fits(&self.version, &gvk.version)
    }

    /// Calls `set` for each value at the path.
    pub(crate) fn visit(
        &self,
        object: &mut Value,
        create: Create,
        set: &mut dyn FnMut(&mut Value) -> Result<(), String>,
    ) -> Result<(), String> {
        let create = if self.create { create } else { Create::Never };
        self.path
            .visit(object, create, set)
            .map_err(|reason| format!("considering field '{}': {reason}", self.path.as_str()))
    }
}

/// Adds fields that are not there yet.
pub(crate) fn merge_fields(fields: &mut Vec<FieldSpec>, more: &[FieldSpec]) -> Result<(), String> {
    for field in more {
        match fields
            .iter()
            .find(|known| known.path == field.path && known.gvk().is_selected(&field.gvk()))
        {
            None => fields.push(field.clone()),
            Some(known) if known.create == field.create => {}
            Some(_) => return Err(format!("conflicting fieldspecs for '{}'", field.path.as_str())),
        }
    }
    Ok(())
}

impl Path {
    pub(crate) fn new(text: &str) -> Self {
        let steps = split_at(text, '/').into_iter().map(|name| Step {
            is_list: name.ends_with("[]"),
            name: name.strip_suffix("[]").unwrap_or(&name).into(),
        });
        Self {
            text: text.into(),
            steps: steps.collect(),
        }
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    /// Calls `set` for each value at the path.
    pub(crate) fn visit(
        &self,
        object: &mut Value,
        create: Create,
        set: &mut dyn FnMut(&mut Value) -> Result<(), String>,
    ) -> Result<(), String> {
        walk(object, &self.steps, create, set)
    }
}

impl Default for Path {
    fn default() -> Self {
        Self::new("")
    }
}

impl Decode for Path {
    fn go_type() -> String {
        String::go_type()
    }

    fn decode(value: &Value, context: &mut Context) -> Result<Self, Fault> {
        String::decode(value, context).map(|text| Self::new(&text))
    }
}

fn walk(
    value: &mut Value,
    path: &[Step],
    create: Create,
    set: &mut dyn FnMut(&mut Value) -> Result<(), String>,
) -> Result<(), String> {
    let Some((step, rest)) = path.split_first() else {
        return set(value);
    };
    match value {
        Value::Null { .. } => Ok(()),
        Value::List(items) => items
            .iter_mut()
            .try_for_each(|item| walk(item, path, create, set)),
        Value::Map(fields) => {
            if step.name.is_empty() {
                return Err("cannot set or create an empty field name".to_owned());
            }
            let missing = match (create, step.is_list, rest.is_empty()) {
                (_, true, _) | (Create::Never, ..) => None,
                (Create::Scalar, _, true) => Some(Value::String(Text::default())),
                _ => Some(Value::Map(Map::new())),
            };
            let field = match &missing {
                Some(_) => fields.get_or_insert_with(&step.name, || Value::NULL),
                None => match fields.get_mut(&step.name) {
                    Some(field) => field,
                    None => return Ok(()),
                },
            };
            if field.is_null() {
                match missing {
                    Some(created) => *field = created,
                    None if step.is_list => *field = Value::List(Vec::new()),
                    None => {}
                }
            }
            walk(field, rest, create, set)
        }
        _ => Err("expected sequence or mapping node".to_owned()),
    }
}
