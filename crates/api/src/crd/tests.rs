//! The definitions as documents: names, schemas, and what an API server demands of them.

use super::*;
use rstest::rstest;
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::fmt::Write;

fn schema_value(schema: &JSONSchemaProps) -> Map<String, Value> {
    match serde_json::to_value(schema).unwrap() {
        Value::Object(schema) => schema,
        other => panic!("a schema is an object, not {other}"),
    }
}

fn storage_schema(crd: &CustomResourceDefinition) -> Map<String, Value> {
    let version = crd.spec.versions.iter().find(|version| version.storage).unwrap();
    let validation = version.schema.as_ref().unwrap();
    schema_value(validation.open_api_v3_schema.as_ref().unwrap())
}

/// Calls `visit` for the schema at each path below `schema`, with whether its parent requires it.
fn walk(
    path: &str,
    schema: &Map<String, Value>,
    required: bool,
    visit: &mut impl FnMut(&str, &Map<String, Value>, bool),
) {
    visit(path, schema, required);
    let required: BTreeSet<&str> = strings(schema.get("required")).into_iter().collect();
    let properties = schema.get("properties").and_then(Value::as_object);
    for (name, property) in properties.into_iter().flatten() {
        let path = format!("{path}.{name}");
        let property = property.as_object().unwrap();
        walk(
            path.trim_start_matches('.'),
            property,
            required.contains(name.as_str()),
            visit,
        );
    }
    for (keyword, mark) in [("items", "[]"), ("additionalProperties", "{}")] {
        if let Some(values) = schema.get(keyword) {
            walk(
                &format!("{path}{mark}"),
                values.as_object().unwrap(),
                false,
                visit,
            );
        }
    }
}

fn strings(value: Option<&Value>) -> Vec<&str> {
    let values = value
        .and_then(Value::as_array)
        .map(Vec::as_slice)
        .unwrap_or_default();
    values.iter().map(|value| value.as_str().unwrap()).collect()
}

/// One line per field: path, type with `!` if required, and every limit; one line per CEL rule.
fn describe_schema(crd: &CustomResourceDefinition) -> String {
    let mut text = String::new();
    walk("", &storage_schema(crd), false, &mut |path, schema, required| {
        if path.is_empty() {
            return;
        }
        let type_ = schema.get("type").and_then(Value::as_str).unwrap_or("any");
        write!(text, "{path} {type_}{}", if required { "!" } else { "" }).unwrap();
        for (keyword, value) in schema {
            match keyword.as_str() {
                "type"
                | "description"
                | "properties"
                | "items"
                | "additionalProperties"
                | "required"
                | "x-kubernetes-validations" => {}
                keyword => write!(text, " {keyword}={value}").unwrap(),
            }
        }
        text.push('\n');
        let rules = schema.get("x-kubernetes-validations").and_then(Value::as_array);
        for rule in rules.into_iter().flatten() {
            let text_of = |key: &str| rule[key].as_str().unwrap().to_owned();
            writeln!(text, "{path} CEL {} => {}", text_of("rule"), text_of("message")).unwrap();
        }
    });
    text
}

fn describe_names(crd: &CustomResourceDefinition) -> String {
    let mut text = String::new();
    let (meta, names) = (&crd.metadata, &crd.spec.names);
    writeln!(
        text,
        "{} {} {}",
        meta.name.as_deref().unwrap(),
        crd.spec.scope,
        names.kind
    )
    .unwrap();
    writeln!(text, "annotations {:?}", meta.annotations.as_ref().unwrap()).unwrap();
    writeln!(
        text,
        "list {} singular {}",
        names.list_kind.as_deref().unwrap(),
        names.singular.as_deref().unwrap()
    )
    .unwrap();
    writeln!(
        text,
        "short names {:?}",
        names.short_names.as_deref().unwrap_or_default()
    )
    .unwrap();
    writeln!(
        text,
        "categories {:?}",
        names.categories.as_deref().unwrap_or_default()
    )
    .unwrap();
    for version in &crd.spec.versions {
        let status = version.subresources.as_ref().unwrap().status.is_some();
        writeln!(
            text,
            "version {} served={} storage={} status={status} {}",
            version.name,
            version.served,
            version.storage,
            version.deprecation_warning.as_deref().unwrap_or_default(),
        )
        .unwrap();
    }
    for column in crd.spec.versions[0].additional_printer_columns.as_ref().unwrap() {
        let priority = column.priority.unwrap_or_default();
        writeln!(
            text,
            "column {:?} {} {} priority={priority}",
            column.name, column.type_, column.json_path
        )
        .unwrap();
    }
    text
}

#[test]
fn every_definition_is_as_recorded() {
    for crd in crds() {
        let text = format!("{}\n{}", describe_names(&crd), describe_schema(&crd));
        let name = crd_file_name(&crd).trim_end_matches(".yaml").to_owned();
        insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
            insta::assert_snapshot!(name, text);
        });
    }
}

#[test]
fn definitions_come_in_a_fixed_order_with_the_file_names_of_flux() {
    let names: Vec<String> = crds().iter().map(crd_file_name).collect();
    assert_eq!(
        names,
        [
            "image.toolkit.fluxcd.io_imagerepositories.yaml",
            "image.toolkit.fluxcd.io_imagepolicies.yaml",
            "image.toolkit.fluxcd.io_imageupdateautomations.yaml",
            "source.toolkit.fluxcd.io_gitrepositories.yaml",
            "source.toolkit.fluxcd.io_ocirepositories.yaml",
            "source.toolkit.fluxcd.io_buckets.yaml",
            "source.toolkit.fluxcd.io_helmrepositories.yaml",
            "source.toolkit.fluxcd.io_helmcharts.yaml",
            "source.toolkit.fluxcd.io_externalartifacts.yaml",
            "kustomize.toolkit.fluxcd.io_kustomizations.yaml",
            "helm.toolkit.fluxcd.io_helmreleases.yaml",
            "notification.toolkit.fluxcd.io_alerts.yaml",
            "notification.toolkit.fluxcd.io_providers.yaml",
            "notification.toolkit.fluxcd.io_receivers.yaml",
        ]
    );
}

#[test]
fn documents_are_the_same_on_every_call_and_begin_with_version_and_kind() {
    let texts = || -> Vec<String> {
        crds()
            .iter()
            .map(|crd| yaml_serde::to_string(crd).unwrap())
            .collect()
    };
    assert_eq!(texts(), texts());
    for text in texts() {
        let start = "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata:\n";
        assert!(text.starts_with(start), "{text}");
    }
}

#[test]
fn exactly_the_first_version_is_stored_and_the_others_are_deprecated() {
    for crd in crds() {
        let (stored, old) = crd.spec.versions.split_first().unwrap();
        assert!(stored.storage && stored.served && stored.deprecated.is_none());
        for version in old {
            assert!(!version.storage && version.served && version.deprecated == Some(true));
            assert_eq!(
                version.deprecation_warning.as_deref(),
                Some(
                    format!(
                        "{} {} is deprecated, upgrade to {}",
                        version.name, crd.spec.names.kind, stored.name
                    )
                    .as_str()
                )
            );
        }
    }
}

#[test]
fn all_versions_share_one_schema() {
    for crd in crds() {
        let (first, others) = crd.spec.versions.split_first().unwrap();
        for other in others {
            assert_eq!(
                first.schema, other.schema,
                "{} {}",
                crd.spec.names.kind, other.name
            );
        }
    }
}

#[test]
fn every_field_is_described_in_plain_text() {
    for crd in crds() {
        walk("", &storage_schema(&crd), false, &mut |path, schema, _| {
            if path == "metadata" || path.ends_with("[]") || path.ends_with("{}") {
                return;
            }
            let kind = &crd.spec.names.kind;
            let description = schema.get("description").and_then(Value::as_str);
            let description = description.unwrap_or_else(|| panic!("{kind} {path} has no description"));
            assert!(description.ends_with('.'), "{kind} {path}: {description}");
            assert!(
                !description.contains("[`") && !description.contains("${"),
                "{kind} {path}: {description}"
            );
        });
    }
}

/// `kubectl apply` keeps the whole document in an annotation, and annotations end at 256 KiB.
#[test]
fn every_document_fits_into_the_annotation_of_kubectl_apply() {
    for crd in crds() {
        let size = serde_json::to_vec(&crd).unwrap().len();
        assert!(
            size < 250_000,
            "{} has {size} bytes",
            crd.metadata.name.as_deref().unwrap()
        );
    }
}

/// What the API server demands of a structural schema and does not say in `OpenAPI`.
fn structural_faults(root: &Map<String, Value>) -> Vec<String> {
    let mut faults = Vec::new();
    walk("", root, false, &mut |path, schema, _| {
        let mut fault = |text: &str| faults.push(format!("{path}: {text}"));
        let type_ = schema.get("type").and_then(Value::as_str);
        let preserves = schema.get("x-kubernetes-preserve-unknown-fields") == Some(&Value::Bool(true));
        if type_.is_none() && !preserves {
            fault("has neither a type nor x-kubernetes-preserve-unknown-fields");
        }
        if let Some(type_) = type_
            && !["object", "array", "string", "boolean", "integer", "number"].contains(&type_)
        {
            fault("has an unknown type");
        }
        for keyword in [
            "$ref",
            "oneOf",
            "anyOf",
            "allOf",
            "not",
            "nullable",
            "uniqueItems",
            "title",
        ] {
            if schema.contains_key(keyword) {
                fault(&format!("has {keyword}"));
            }
        }
        for (keyword, wanted) in [
            ("properties", "object"),
            ("additionalProperties", "object"),
            ("required", "object"),
            ("items", "array"),
            ("minItems", "array"),
            ("maxItems", "array"),
            ("x-kubernetes-list-type", "array"),
            ("pattern", "string"),
            ("minLength", "string"),
            ("maxLength", "string"),
            ("minimum", "integer"),
        ] {
            if schema.contains_key(keyword) && type_ != Some(wanted) {
                fault(&format!("has {keyword} but is no {wanted}"));
            }
        }
        if type_ == Some("array") && !schema.get("items").is_some_and(Value::is_object) {
            fault("is an array without items");
        }
        if schema.contains_key("properties") && schema.contains_key("additionalProperties") {
            fault("has both properties and additionalProperties");
        }
        let properties = schema.get("properties").and_then(Value::as_object);
        for name in strings(schema.get("required")) {
            if !properties.is_some_and(|properties| properties.contains_key(name)) {
                fault(&format!("requires {name}, which it does not have"));
            }
        }
        if let Some(default) = schema.get("default")
            && !admits(schema, default)
        {
            fault(&format!("does not admit its default {default}"));
        }
        if schema.get("x-kubernetes-list-type") == Some(&Value::from("map")) {
            let items = schema["items"].as_object().unwrap();
            let required = strings(items.get("required"));
            let keys = strings(schema.get("x-kubernetes-list-map-keys"));
            if keys.is_empty() || !keys.iter().all(|key| required.contains(key)) {
                fault("is a list map whose keys are not all required");
            }
        }
    });
    if root["properties"]["metadata"] != serde_json::json!({ "type": "object" }) {
        faults.push("metadata: is more than an object".to_owned());
    }
    faults
}

fn admits(schema: &Map<String, Value>, value: &Value) -> bool {
    let of_type = match schema.get("type").and_then(Value::as_str) {
        Some("string") => value.is_string(),
        Some("boolean") => value.is_boolean(),
        Some("integer") => value.is_i64(),
        Some("array") => value.is_array(),
        Some("object") => value.is_object(),
        _ => true,
    };
    let values = schema.get("enum").and_then(Value::as_array);
    let of_enum = values.is_none_or(|values| values.contains(value));
    let properties = schema.get("properties").and_then(Value::as_object);
    let of_properties = value.as_object().into_iter().flatten().all(|(name, value)| {
        properties
            .and_then(|properties| properties.get(name))
            .and_then(Value::as_object)
            .is_some_and(|property| admits(property, value))
    });
    of_type && of_enum && of_properties
}

#[test]
fn every_schema_is_structural() {
    for crd in crds() {
        let faults = structural_faults(&storage_schema(&crd));
        assert!(faults.is_empty(), "{}: {faults:#?}", crd.spec.names.kind);
    }
}

#[rstest]
#[case(serde_json::json!({ "nullable": true, "type": "string" }), "spec: has nullable")]
#[case(serde_json::json!({}), "spec: has neither a type nor x-kubernetes-preserve-unknown-fields")]
#[case(serde_json::json!({ "type": "array" }), "spec: is an array without items")]
#[case(
    serde_json::json!({ "type": "string", "enum": ["a"], "default": "b" }),
    "spec: does not admit its default \"b\""
)]
#[case(
    serde_json::json!({ "type": "object", "required": ["a"] }),
    "spec: requires a, which it does not have"
)]
#[case(serde_json::json!({ "type": "object", "pattern": "a" }), "spec: has pattern but is no string")]
fn the_structural_check_finds_faults(#[case] spec: Value, #[case] fault: &str) {
    let root = serde_json::json!({
        "type": "object",
        "properties": { "metadata": { "type": "object" }, "spec": spec },
    });
    assert_eq!(structural_faults(root.as_object().unwrap()), [fault]);
}
