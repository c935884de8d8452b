//! From derived JSON Schemas to the structural schemas that Kubernetes accepts.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    JSON, JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool, ValidationRule,
};
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Map, Value, json};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// Marks a property as required although decoding has a default for it.
///
/// The API server fills the default before it validates; manifests that are read from a file have
/// not been there.
pub(crate) const REQUIRED: &str = "x-fluxbot-required";

/// The structural schema of `T`, with everything inlined.
pub(crate) fn schema_of<T: JsonSchema>() -> JSONSchemaProps {
    let mut generator = SchemaSettings::draft07()
        .with(|settings| {
            settings.inline_subschemas = true;
            settings.meta_schema = None;
            settings.transforms.clear();
        })
        .into_generator();
    let schema = T::json_schema(&mut generator);
    structural(schema.as_value())
}

/// Joins the lines of each paragraph of a doc comment.
pub(crate) fn plain_text(doc: &str) -> String {
    doc.split("\n\n")
        .map(|paragraph| paragraph.split_whitespace().collect::<Vec<_>>().join(" "))
        .filter(|paragraph| !paragraph.is_empty())
        .collect::<Vec<_>>()
        .join("\n\n")
}

/// The value of `x-kubernetes-validations` for CEL rules with their messages.
pub(crate) fn rules(rules: &[(&str, &str)]) -> Value {
    rules
        .iter()
        .map(|(rule, message)| json!({ "rule": rule, "message": message }))
        .collect()
}

/// Keeps the keywords that a structural schema may have, and drops the marks of `Option`.
fn structural(schema: &Value) -> JSONSchemaProps {
    let Value::Object(schema) = schema else {
        return JSONSchemaProps::default();
    };
    let text = |key: &str| schema.get(key).and_then(Value::as_str).map(str::to_owned);
    let number = |key: &str| schema.get(key).and_then(Value::as_i64);
    let flag = |key: &str| schema.get(key).and_then(Value::as_bool);
    JSONSchemaProps {
        description: text("description").map(|doc| plain_text(&doc)),
        type_: type_of(schema),
        format: text("format"),
        enum_: schema.get("enum").and_then(Value::as_array).map(|values| {
            let values = values.iter().filter(|value| !value.is_null());
            values.cloned().map(JSON).collect()
        }),
        default: schema.get("default").cloned().map(JSON),
        pattern: text("pattern"),
        min_length: number("minLength"),
        max_length: number("maxLength"),
        min_items: number("minItems"),
        max_items: number("maxItems"),
        minimum: schema.get("minimum").and_then(Value::as_f64),
        properties: properties(schema),
        required: required(schema),
        items: schema
            .get("items")
            .map(|items| JSONSchemaPropsOrArray::Schema(Box::new(structural(items)))),
        additional_properties: schema
            .get("additionalProperties")
            .map(|values| JSONSchemaPropsOrBool::Schema(Box::new(structural(values)))),
        x_kubernetes_preserve_unknown_fields: flag("x-kubernetes-preserve-unknown-fields"),
        x_kubernetes_list_type: text("x-kubernetes-list-type"),
        x_kubernetes_list_map_keys: schema.get("x-kubernetes-list-map-keys").map(strings),
        x_kubernetes_map_type: text("x-kubernetes-map-type"),
        x_kubernetes_validations: schema.get("x-kubernetes-validations").map(validations),
        ..Default::default()
    }
}

fn type_of(schema: &Map<String, Value>) -> Option<String> {
    match schema.get("type")? {
        Value::Array(types) => types
            .iter()
            .filter_map(Value::as_str)
            .find(|name| *name != "null"),
        name => name.as_str(),
    }
    .map(str::to_owned)
}

fn properties(schema: &Map<String, Value>) -> Option<BTreeMap<String, JSONSchemaProps>> {
    let properties = schema.get("properties")?.as_object()?;
    let structural = |(name, property): (&String, &Value)| (name.clone(), structural(property));
    Some(properties.iter().map(structural).collect())
}

fn required(schema: &Map<String, Value>) -> Option<Vec<String>> {
    let mut names = schema.get("required").map(strings).unwrap_or_default();
    if let Some(properties) = schema.get("properties").and_then(Value::as_object) {
        let marked = properties
            .iter()
            .filter(|(_, property)| property.get(REQUIRED).is_some());
        names.extend(marked.map(|(name, _)| name.clone()));
    }
    names.sort();
    (!names.is_empty()).then_some(names)
}

fn strings(value: &Value) -> Vec<String> {
    let values = value.as_array().map(Vec::as_slice).unwrap_or_default();
    values
        .iter()
        .filter_map(Value::as_str)
        .map(str::to_owned)
        .collect()
}

fn validations(value: &Value) -> Vec<ValidationRule> {
    let rules = value.as_array().map(Vec::as_slice).unwrap_or_default();
    let text = |rule: &Value, key: &str| rule.get(key).and_then(Value::as_str).map(str::to_owned);
    rules
        .iter()
        .map(|rule| ValidationRule {
            rule: text(rule, "rule").unwrap_or_default(),
            message: text(rule, "message"),
            ..Default::default()
        })
        .collect()
}

/// Schema of an integer of Go's `int`, which carries no format.
pub(crate) struct Integer;

impl JsonSchema for Integer {
    fn schema_name() -> Cow<'static, str> {
        "Integer".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "integer" })
    }
}

/// Schema of Kubernetes' `Condition`, member by member, with its limits.
#[expect(dead_code, reason = "only its schema is used")]
#[derive(JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Condition {
    /// When the status last changed from one value to another.
    #[schemars(extend("format" = "date-time"))]
    last_transition_time: String,
    /// Details for people; may be empty.
    #[schemars(extend("maxLength" = 32768))]
    message: String,
    /// Generation of the object for which the condition was set.
    #[schemars(extend("minimum" = 0))]
    observed_generation: Option<i64>,
    /// Why the status has its value, as one word in camel case.
    #[schemars(extend(
        "minLength" = 1,
        "maxLength" = 1024,
        "pattern" = "^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$"
    ))]
    reason: String,
    /// Whether the condition holds.
    #[schemars(extend("enum" = ["True", "False", "Unknown"]))]
    status: String,
    /// Name of the condition.
    #[schemars(extend(
        "maxLength" = 316,
        "pattern" = r"^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])$"
    ))]
    #[serde(rename = "type")]
    type_: String,
}

/// Schema of Kubernetes' `LabelSelector`.
#[expect(dead_code, reason = "only its schema is used")]
#[derive(JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-map-type" = "atomic"))]
pub(crate) struct LabelSelector {
    /// Requirements on label keys; all of them must hold.
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    match_expressions: Option<Vec<LabelSelectorRequirement>>,
    /// Labels that must be present with exactly these values.
    match_labels: Option<BTreeMap<String, String>>,
}

#[expect(dead_code, reason = "only its schema is used")]
#[derive(JsonSchema)]
#[serde(rename_all = "camelCase")]
struct LabelSelectorRequirement {
    /// Key of the label.
    key: String,
    /// How the label relates to the values: `In`, `NotIn`, `Exists` or `DoesNotExist`.
    operator: String,
    /// Values for `In` and `NotIn`; empty for the other operators.
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    values: Option<Vec<String>>,
}
