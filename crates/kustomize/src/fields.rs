//! The fields that transformers change, and the walk to them.

use std::sync::LazyLock;

use fluxbot_yaml::{Map, Value};
use serde::Deserialize;

use crate::id::Gvk;

/// The table, written by `hack/oracle/kustomize`.
const TABLE: &str = include_str!("data/fields.txt");

/// The fields that the original changes without being told.
pub(crate) static DEFAULT: LazyLock<FieldTable> = LazyLock::new(|| FieldTable::read(TABLE));

/// A field of the objects of a kind.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct FieldSpec {
    pub(crate) group: String,
    pub(crate) version: String,
    pub(crate) kind: String,
    /// Keys separated by `/`; `[]` after a key says that it is a list.
    pub(crate) path: String,
    /// Whether the field is created where it is missing.
    pub(crate) create: bool,
}

/// Which fields of which kinds hold the name of an object.
#[derive(Debug, Clone, Default)]
pub(crate) struct Reference {
    pub(crate) target: Gvk,
    pub(crate) fields: Vec<FieldSpec>,
}

/// The fields of all transformers.
#[derive(Debug, Clone, Default)]
pub(crate) struct FieldTable {
    pub(crate) namespace: Vec<FieldSpec>,
    pub(crate) common_labels: Vec<FieldSpec>,
    pub(crate) template_labels: Vec<FieldSpec>,
    pub(crate) claim_labels: Vec<FieldSpec>,
    pub(crate) common_annotations: Vec<FieldSpec>,
    pub(crate) images: Vec<FieldSpec>,
    pub(crate) replicas: Vec<FieldSpec>,
    pub(crate) references: Vec<Reference>,
}

impl FieldTable {
    fn read(text: &str) -> Self {
        let mut table = Self::default();
        let mut ignored = Vec::new();
        let mut section = "";
        for line in text.lines() {
            let mut words = line.split_ascii_whitespace();
            match (words.next(), words.next()) {
                (Some("fields"), Some(name)) => section = name,
                (Some("reference"), Some(target)) => {
                    section = "";
                    table.references.push(Reference {
                        target: selector(target),
                        fields: Vec::new(),
                    });
                }
                (Some(kind), Some(path)) if line.starts_with(' ') => {
                    let Gvk { group, version, kind } = selector(kind);
                    let field = FieldSpec {
                        group,
                        version,
                        kind,
                        path: path.to_owned(),
                        create: words.next() == Some("create"),
                    };
                    let fields = match section {
                        "namespace" => &mut table.namespace,
                        "commonLabels" => &mut table.common_labels,
                        "templateLabels" => &mut table.template_labels,
                        "volumeClaimTemplateLabels" => &mut table.claim_labels,
                        "commonAnnotations" => &mut table.common_annotations,
                        "images" => &mut table.images,
                        "replicas" => &mut table.replicas,
                        "" => match table.references.last_mut() {
                            Some(reference) => &mut reference.fields,
                            None => &mut ignored,
                        },
                        _ => &mut ignored,
                    };
                    fields.push(field);
                }
                _ => {}
            }
        }
        table
    }
}

fn selector(text: &str) -> Gvk {
    let mut parts = text.split('|').map(str::to_owned);
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
            path: path.to_owned(),
            create: true,
            ..Self::default()
        }
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
        let path = split_path(&self.path);
        let create = if self.create { create } else { Create::Never };
        let names: Vec<&str> = path.iter().map(String::as_str).collect();
        walk(object, &names, create, set)
            .map_err(|reason| format!("considering field '{}': {reason}", self.path))
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
            Some(_) => return Err(format!("conflicting fieldspecs for '{}'", field.path)),
        }
    }
    Ok(())
}

/// Splits at slashes that no backslash precedes.
pub(crate) fn split_path(path: &str) -> Vec<String> {
    let mut names = vec![String::new()];
    let mut characters = path.strip_prefix('/').unwrap_or(path).chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '\\' if characters.peek() == Some(&'/') => {
                characters.next();
                if let Some(name) = names.last_mut() {
                    name.push('/');
                }
            }
            '/' => names.push(String::new()),
            other => {
                if let Some(name) = names.last_mut() {
                    name.push(other);
                }
            }
        }
    }
    names
}

fn walk(
    value: &mut Value,
    path: &[&str],
    create: Create,
    set: &mut dyn FnMut(&mut Value) -> Result<(), String>,
) -> Result<(), String> {
    let Some((name, rest)) = path.split_first() else {
        return set(value);
    };
    match value {
        Value::Null { .. } => Ok(()),
        Value::List(items) => items
            .iter_mut()
            .try_for_each(|item| walk(item, path, create, set)),
        Value::Map(fields) => {
            let plain = name.strip_suffix("[]");
            let is_list = plain.is_some();
            let name = plain.unwrap_or(name);
            if name.is_empty() {
                return Err("cannot set or create an empty field name".to_owned());
            }
            let missing = match (create, is_list, rest.is_empty()) {
                (_, true, _) | (Create::Never, ..) => None,
                (Create::Scalar, _, true) => Some(Value::String(String::new())),
                _ => Some(Value::Map(Map::new())),
            };
            if !fields.contains_key(name) {
                let Some(created) = missing else { return Ok(()) };
                let field = fields.entry(name.to_owned()).or_insert(created);
                return walk(field, rest, create, set);
            }
            let Some(field) = fields.get_mut(name) else {
                return Ok(());
            };
            if field.is_null() {
                match missing {
                    Some(created) => *field = created,
                    None if is_list => *field = Value::List(Vec::new()),
                    None => {}
                }
            }
            walk(field, rest, create, set)
        }
        _ => Err("expected sequence or mapping node".to_owned()),
    }
}
