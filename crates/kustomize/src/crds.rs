//! Which fields of custom resources transformers change, as the definitions of the resources tell it.

use std::collections::BTreeMap;

use fluxbot_yaml::{Text, Value};

use crate::fields::{FieldSpec, FieldTable, Path, Reference};

/// Definitions that refer to each other deeper than this are those of nobody.
const MAX_DEPTH: usize = 32;

/// The table of a file of definitions: a map from names of types to their schemas.
pub(crate) fn table(document: &Value) -> FieldTable {
    let mut table = FieldTable::default();
    for (name, definition) in document.as_map().into_iter().flatten() {
        let Some(properties) = schema(definition).and_then(|schema| schema.get("properties")) else {
            continue;
        };
        let is_kind = ["kind", "apiVersion", "metadata"]
            .iter()
            .all(|field| properties.get(field).is_some());
        if is_kind {
            let kind = name.rsplit('.').next().unwrap_or_default();
            add(&mut table, kind, document, name, &mut Vec::new());
        }
    }
    table
}

/// The schema of a definition. Keys may be in any case.
fn schema(definition: &Value) -> Option<&Value> {
    let fields = definition.as_map()?;
    let (_, schema) = fields
        .iter()
        .find(|(key, _)| key.eq_ignore_ascii_case("schema"))?;
    Some(schema)
}

fn add(table: &mut FieldTable, kind: &str, document: &Value, name: &str, path: &mut Vec<Text>) {
    if path.len() > MAX_DEPTH {
        return;
    }
    let properties = document
        .get(name)
        .and_then(schema)
        .and_then(|schema| schema.get("properties"))
        .and_then(Value::as_map);
    for (name, property) in properties.into_iter().flatten() {
        path.push(name.clone());
        let marks: BTreeMap<String, &Value> = property
            .as_map()
            .into_iter()
            .flatten()
            .map(|(key, value)| (key.to_ascii_lowercase(), value))
            .collect();
        let text = |key: &str| marks.get(key).and_then(|value| value.as_str());
        let field = |path: &[Text]| FieldSpec {
            kind: kind.into(),
            path: Path::new(&join(path)),
            ..FieldSpec::default()
        };
        let put = |fields: &mut Vec<FieldSpec>| {
            let new = field(path);
            if !fields.contains(&new) {
                fields.push(new);
            }
        };
        if text("x-kubernetes-annotation").is_some() {
            put(&mut table.common_annotations);
        }
        if text("x-kubernetes-label-selector").is_some() {
            put(&mut table.common_labels);
        }
        if text("x-kubernetes-identity").is_some() {
            put(&mut table.name_prefix);
        }
        if let (Some(version), Some(target)) = (
            text("x-kubernetes-object-ref-api-version"),
            text("x-kubernetes-object-ref-kind"),
        ) {
            let key = text("x-kubernetes-object-ref-name-key").unwrap_or("name");
            let mut path = path.clone();
            path.push(key.into());
            add_reference(table, version, target, field(&path));
        }
        if let Some(reference) = text("$ref") {
            add(table, kind, document, reference, path);
        }
        path.pop();
    }
}

fn join(path: &[Text]) -> String {
    let names: Vec<&str> = path.iter().map(Text::as_str).collect();
    names.join("/")
}

fn add_reference(table: &mut FieldTable, version: &str, kind: &str, field: FieldSpec) {
    let known = table
        .references
        .iter_mut()
        .find(|one| one.version == version && one.kind == kind);
    if let Some(known) = known {
        if !known.fields.contains(&field) {
            known.fields.push(field);
        }
        return;
    }
    table.references.push(Reference {
        version: version.into(),
        kind: kind.into(),
        fields: vec![field],
        ..Reference::default()
    });
}
