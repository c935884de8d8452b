//! The files around the chart say the same as the program.

use std::collections::BTreeMap;
use std::fs;

use yaml_serde::Value;

use super::{at, chart};
use crate::support::project_root;

#[test]
fn chart_image_and_program_have_one_version() {
    let version = env!("CARGO_PKG_VERSION");
    let chart: Value =
        yaml_serde::from_str(&fs::read_to_string(chart().join("Chart.yaml")).unwrap()).unwrap();
    assert_eq!(at(&chart, "version"), version);
    assert_eq!(at(&chart, "appVersion"), version);
    let dockerfile = fs::read_to_string(project_root().join("Dockerfile")).unwrap();
    assert!(
        dockerfile.contains(&format!("\nARG VERSION={version}\n")),
        "{dockerfile}"
    );
}

/// A value without a line in the schema would be refused; a line without a value is one that nobody documented.
#[test]
fn the_schema_knows_every_value_and_no_other() {
    let read = |name: &str| -> Value {
        yaml_serde::from_str(&fs::read_to_string(chart().join(name)).unwrap()).unwrap()
    };
    let mut schema = BTreeMap::new();
    properties(&read("values.schema.json"), "", &mut schema);
    let mut values = BTreeMap::new();
    keys(&read("values.yaml"), "", &schema, &mut values);
    // Helm hands it to charts that are part of another one.
    schema.remove("global");
    let names = |map: &BTreeMap<String, bool>| map.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&values), names(&schema));
}

/// The paths that a strict schema names; true where a path has further ones below it.
fn properties(schema: &Value, path: &str, found: &mut BTreeMap<String, bool>) {
    let Some(names) = schema.get("properties").and_then(Value::as_mapping) else {
        return;
    };
    assert_eq!(
        at(schema, "additionalProperties"),
        &Value::Bool(false),
        "{path:?} is not strict"
    );
    for (name, schema) in names {
        let path = format!("{path}{}", name.as_str().unwrap());
        // What Kubernetes itself defines is not part of the chart's values.
        let is_own = !["strategy", "affinity", "resources", "persistence.emptyDir"].contains(&path.as_str());
        let has_own_keys = is_own && schema.get("properties").is_some();
        found.insert(path.clone(), has_own_keys);
        if has_own_keys {
            properties(schema, &format!("{path}."), found);
        }
    }
}

fn keys(values: &Value, path: &str, schema: &BTreeMap<String, bool>, found: &mut BTreeMap<String, bool>) {
    for (name, value) in values.as_mapping().unwrap() {
        let path = format!("{path}{}", name.as_str().unwrap());
        let has_own_keys = schema.get(&path).copied().unwrap_or_default();
        found.insert(path.clone(), has_own_keys);
        if has_own_keys {
            keys(value, &format!("{path}."), schema, found);
        }
    }
}
