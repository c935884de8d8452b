//! Every pattern, enumeration, limit and required field of a schema refuses a value that breaks it.

use std::collections::BTreeMap;

use fluxbot_api::Definition;
use regex::Regex;
use serde_json::{Value, json};

use super::manifests;
use crate::support::cluster::Cluster;

/// Constraints by path and keyword, with the manifest and the place in it that break them; none for what
/// no manifest has a value for.
type Constraints = BTreeMap<(String, &'static str), Option<(Value, String)>>;

#[tokio::test]
async fn the_api_server_refuses_what_breaks_a_schema_and_names_the_field() {
    let cluster = Cluster::shared();
    cluster.install_crds().await;
    let client = cluster.client().await;
    let checks = fluxbot_api::definitions().into_iter().map(async |definition| {
        let version = definition.storage_version();
        let objects = manifests::api(&client, definition, version, "default");
        let constraints = constraints(definition);
        assert!(!constraints.is_empty(), "{}", definition.kind);
        for ((path, keyword), breaking) in constraints {
            let what = format!("{} {path} {keyword}", definition.kind);
            let (spec, place) = breaking.unwrap_or_else(|| panic!("no manifest has a value for {what}"));
            let object = manifests::object(definition, version, "broken", &spec);
            let status = manifests::refusal(&objects, &object)
                .await
                .unwrap_or_else(|| panic!("{what}: taken: {spec:#}"));
            assert_eq!(status.code, 422, "{what}: {}", status.message);
            let causes = status.details.unwrap().causes;
            assert!(
                causes
                    .iter()
                    .any(|cause| plain(&cause.field).starts_with(&plain(&place))),
                "{what}: {place} is not in {causes:#?}"
            );
        }
    });
    futures::future::join_all(checks).await;
}

/// `spec.a[0].b` and `/spec/a/0/b` alike.
fn plain(path: &str) -> String {
    let words: Vec<&str> = path
        .split(['.', '[', ']', '/'])
        .filter(|word| !word.is_empty())
        .collect();
    words.join(".")
}

fn constraints(definition: &Definition) -> Constraints {
    let crds = fluxbot_api::crds();
    let crd = crds
        .iter()
        .find(|crd| crd.spec.names.kind == definition.kind)
        .unwrap();
    let schema = serde_json::to_value(&crd.spec.versions[0].schema).unwrap();
    let schema = &schema["openAPIV3Schema"]["properties"]["spec"];
    let mut constraints = Constraints::new();
    find(schema, "spec", None, &mut constraints);
    for manifest in manifests::of(definition) {
        let whole = json!({ "spec": manifest["spec"] });
        find(schema, "spec", Some((&whole, "/spec")), &mut constraints);
    }
    constraints
}

/// Adds the constraints of a schema, and how to break them at this place of a manifest.
fn find(schema: &Value, path: &str, at: Option<(&Value, &str)>, found: &mut Constraints) {
    let value = at.and_then(|(whole, place)| whole.pointer(place));
    for keyword in KEYWORDS {
        if schema.get(keyword).is_none() {
            continue;
        }
        let breaking = value.map(|value| {
            let (whole, place) = at.unwrap();
            (
                replaced(whole, place, broken(keyword, schema, value)),
                place.to_owned(),
            )
        });
        add(found, (path.to_owned(), keyword), breaking);
    }
    for name in schema["required"].as_array().into_iter().flatten() {
        let name = name.as_str().unwrap();
        // What has a default is never missing.
        if schema["properties"][name].get("default").is_some() {
            continue;
        }
        let breaking = value.and_then(Value::as_object).map(|object| {
            let (whole, place) = at.unwrap();
            let mut object = object.clone();
            object.remove(name);
            (replaced(whole, place, object.into()), format!("{place}/{name}"))
        });
        add(found, (format!("{path}.{name}"), "required"), breaking);
    }

    let mut below = |schema: &Value, path: String, step: Option<String>| {
        let place = at.zip(step).map(|((_, place), step)| format!("{place}/{step}"));
        let at = at.zip(place.as_deref()).map(|((whole, _), place)| (whole, place));
        let at = at.filter(|(whole, place)| whole.pointer(place).is_some());
        find(schema, &path, at, found);
    };
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        below(property, format!("{path}.{name}"), Some(name.clone()));
    }
    if schema["items"].is_object() {
        below(&schema["items"], format!("{path}[]"), Some("0".to_owned()));
    }
    if schema["additionalProperties"].is_object() {
        let first = value
            .and_then(Value::as_object)
            .and_then(|object| object.keys().next());
        let step = first.map(|name| name.replace('~', "~0").replace('/', "~1"));
        below(&schema["additionalProperties"], format!("{path}{{}}"), step);
    }
}

fn add(found: &mut Constraints, constraint: (String, &'static str), breaking: Option<(Value, String)>) {
    let entry = found.entry(constraint).or_default();
    if entry.is_none() {
        *entry = breaking;
    }
}

const KEYWORDS: [&str; 9] = [
    "enum",
    "pattern",
    "minLength",
    "maxLength",
    "minimum",
    "maximum",
    "minItems",
    "maxItems",
    "maxProperties",
];

/// A value that breaks this keyword of the schema.
fn broken(keyword: &str, schema: &Value, value: &Value) -> Value {
    let limit = || schema[keyword].as_f64().unwrap();
    let length = || usize::try_from(schema[keyword].as_u64().unwrap()).unwrap();
    match keyword {
        "enum" => json!("no such value"),
        "pattern" => {
            let pattern = Regex::new(schema[keyword].as_str().unwrap()).unwrap();
            let unfit = ["\u{2603} !", "", "/"]
                .into_iter()
                .find(|text| !pattern.is_match(text));
            json!(unfit.unwrap_or_else(|| panic!("nothing breaks {pattern}")))
        }
        "minLength" => json!("x".repeat(length() - 1)),
        "maxLength" => json!("x".repeat(length() + 1)),
        "minimum" => number(limit() - 1.0),
        "maximum" => number(limit() + 1.0),
        "minItems" => json!([]),
        "maxItems" => json!(vec![value[0].clone(); length() + 1]),
        "maxProperties" => (0..=length())
            .map(|number| (format!("k{number}"), json!("v")))
            .collect::<serde_json::Map<_, _>>()
            .into(),
        _ => panic!("{keyword} is not known here"),
    }
}

#[allow(clippy::cast_possible_truncation, reason = "limits are small whole numbers")]
fn number(value: f64) -> Value {
    json!(value as i64)
}

/// The spec with another value at this place.
fn replaced(whole: &Value, place: &str, value: Value) -> Value {
    let mut whole = whole.clone();
    *whole.pointer_mut(place).unwrap() = value;
    whole["spec"].take()
}
