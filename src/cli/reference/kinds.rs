//! docs/api: a page for each kind, made from its schema.

use std::fmt::Write as _;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};

/// The list of all pages.
pub(super) fn index() -> String {
    let mut text = String::from(
        "# Kinds\nMade from the types by `make generate`; do not edit.\n\n| kind | group | served versions | for |\n|---|---|---|---|\n",
    );
    for crd in fluxbot_api::crds() {
        let kind = &crd.spec.names.kind;
        let versions: Vec<&str> = crd
            .spec
            .versions
            .iter()
            .map(|version| version.name.as_str())
            .collect();
        let purpose = schema_of(&crd)
            .and_then(|schema| schema.description.as_deref())
            .unwrap_or_default();
        let purpose = purpose.split_terminator(['\n']).next().unwrap_or_default();
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "| [{kind}]({}) | {} | {} | {purpose} |",
            file_name(&crd),
            crd.spec.group,
            versions.join(", ")
        );
    }
    text
}

/// The file of a kind's page.
pub(super) fn file_name(crd: &CustomResourceDefinition) -> String {
    format!("{}.md", crd.spec.names.kind.to_lowercase())
}

/// The page of a kind.
pub(super) fn page(crd: &CustomResourceDefinition) -> String {
    let names = &crd.spec.names;
    let mut text = format!(
        "# {}\nMade from the types by `make generate`; do not edit.\n\n",
        names.kind
    );
    let Some(schema) = schema_of(crd) else { return text };
    if let Some(description) = &schema.description {
        let _ = writeln!(text, "{description}\n");
    }
    for version in &crd.spec.versions {
        let state = match (version.storage, version.deprecated) {
            (true, _) => "stored",
            (false, Some(true)) => "served, deprecated",
            (false, _) => "served",
        };
        let _ = writeln!(text, "- `{}/{}`: {state}", crd.spec.group, version.name);
    }
    if let Some(short) = names.short_names.as_ref().filter(|names| !names.is_empty()) {
        let _ = writeln!(text, "- short names: `{}`", short.join("`, `"));
    }
    for (section, title) in [("spec", "Specification"), ("status", "Status")] {
        let Some(part) = schema
            .properties
            .as_ref()
            .and_then(|properties| properties.get(section))
        else {
            continue;
        };
        let _ = write!(text, "\n## {title}\n");
        rules(part, &mut text);
        let mut rows = String::new();
        fields(part, "", &mut rows);
        if rows.is_empty() {
            continue;
        }
        let _ = write!(text, "\n| field | type | |\n|---|---|---|\n{rows}");
    }
    text
}

fn schema_of(crd: &CustomResourceDefinition) -> Option<&JSONSchemaProps> {
    crd.spec
        .versions
        .first()?
        .schema
        .as_ref()?
        .open_api_v3_schema
        .as_ref()
}

/// The rules over several fields.
fn rules(schema: &JSONSchemaProps, text: &mut String) {
    for rule in schema.x_kubernetes_validations.iter().flatten() {
        let _ = writeln!(text, "- {}", rule.message.as_deref().unwrap_or(&rule.rule));
    }
}

/// A row for each field below `schema`.
fn fields(schema: &JSONSchemaProps, prefix: &str, rows: &mut String) {
    let required = schema.required.clone().unwrap_or_default();
    for (name, field) in schema.properties.iter().flatten() {
        let path = format!("{prefix}{name}");
        let mark = if required.contains(name) { ", required" } else { "" };
        let notes = notes(field).replace('|', "\\|").replace('\n', " ");
        let _ = writeln!(rows, "| `{path}` | {}{mark} | {notes} |", type_of(field));
        // A condition is the same everywhere, and documented by Kubernetes.
        if name != "conditions" {
            descend(field, &path, rows);
        }
    }
}

fn descend(field: &JSONSchemaProps, path: &str, rows: &mut String) {
    fields(field, &format!("{path}."), rows);
    if let Some(JSONSchemaPropsOrArray::Schema(items)) = &field.items {
        fields(items, &format!("{path}[]."), rows);
    }
    if let Some(JSONSchemaPropsOrBool::Schema(values)) = &field.additional_properties {
        fields(values, &format!("{path}{{}}."), rows);
    }
}

fn type_of(field: &JSONSchemaProps) -> String {
    let own = field.type_.clone().unwrap_or_else(|| "any".to_owned());
    match (&field.items, &field.additional_properties) {
        (Some(JSONSchemaPropsOrArray::Schema(items)), _) => format!("list of {}", type_of(items)),
        (_, Some(JSONSchemaPropsOrBool::Schema(values))) => format!("map of {}", type_of(values)),
        _ => own,
    }
}

fn notes(field: &JSONSchemaProps) -> String {
    let mut notes = vec![field.description.clone().unwrap_or_default()];
    let quoted = |values: &[k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::JSON]| {
        values
            .iter()
            .map(|value| format!("`{}`", value.0.to_string().trim_matches('"')))
            .collect::<Vec<_>>()
            .join(", ")
    };
    if let Some(values) = &field.enum_ {
        notes.push(format!("One of {}.", quoted(values)));
    }
    if let Some(default) = &field.default {
        notes.push(format!("Default: `{}`.", default.0));
    }
    if let Some(pattern) = &field.pattern {
        notes.push(format!("Pattern: `{pattern}`."));
    }
    if let Some(most) = field.max_items {
        notes.push(format!("At most {most}."));
    }
    for rule in field.x_kubernetes_validations.iter().flatten() {
        notes.push(rule.message.clone().unwrap_or_else(|| rule.rule.clone()));
    }
    notes.retain(|note| !note.is_empty());
    notes.join(" ")
}
