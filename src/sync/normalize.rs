//! What Flux changes in an object before it applies it, so that the API server's answer can be compared with what is there.
//!
//! Flux reads objects of built-in kinds into Go types and writes them again. What that does and matters is done here on the
//! JSON: nulls vanish, ports get their protocol, `stringData` becomes `data`.

use base64::Engine as _;
use serde_json::{Map, Value, json};

use super::object::text;

/// Groups of built-in kinds, which Flux reads into Go types; all others are left as written.
const BUILT_IN_GROUPS: [&str; 21] = [
    "",
    "admissionregistration.k8s.io",
    "apps",
    "authentication.k8s.io",
    "authorization.k8s.io",
    "autoscaling",
    "batch",
    "certificates.k8s.io",
    "coordination.k8s.io",
    "discovery.k8s.io",
    "events.k8s.io",
    "extensions",
    "flowcontrol.apiserver.k8s.io",
    "networking.k8s.io",
    "node.k8s.io",
    "policy",
    "rbac.authorization.k8s.io",
    "resource.k8s.io",
    "scheduling.k8s.io",
    "storage.k8s.io",
    "storagemigration.k8s.io",
];

/// Maps from text to text, in which null stands for the empty text.
const TEXT_MAPS: [&str; 7] = [
    "labels",
    "annotations",
    "matchLabels",
    "nodeSelector",
    "data",
    "binaryData",
    "stringData",
];

/// Whether Flux reads an object into a Go type, so that only the fields of the type are left of it. Roles are left as written.
#[must_use]
pub fn is_typed(object: &Value) -> bool {
    let (group, kind) = (group_of(object), text(object, "/kind"));
    let is_role = group == "rbac.authorization.k8s.io" && (kind == "Role" || kind == "ClusterRole");
    BUILT_IN_GROUPS.contains(&group) && !is_role
}

/// Normalises an object as Flux does before applying it.
///
/// - `status` is dropped, except of definitions of custom resources, whose health is read from it;
/// - `metadata.creationTimestamp` is dropped, which Flux sends as null to the same effect;
/// - in built-in kinds nulls are dropped, ports of containers and Services get the protocol TCP when they have none, and the
///   `stringData` of a Secret becomes `data`; roles are left as they are, as in Flux;
/// - a CA bundle of a definition's conversion webhook that holds no certificate is dropped, because the API server rejects it.
///
/// The result of a second call is the same.
pub fn normalize(object: &mut Value) {
    let group = group_of(object).to_owned();
    let kind = text(object, "/kind").to_owned();
    if is_typed(object) {
        drop_nulls(object, None);
        match (group.as_str(), kind.as_str()) {
            ("", "Pod") => default_container_protocols(object.get_mut("spec")),
            ("apps", "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet") | ("batch", "Job") => {
                default_container_protocols(object.pointer_mut("/spec/template/spec"));
            }
            ("batch", "CronJob") => {
                default_container_protocols(object.pointer_mut("/spec/jobTemplate/spec/template/spec"));
            }
            ("", "Service") => default_protocols(object.pointer_mut("/spec/ports")),
            ("", "Secret") => encode_string_data(object),
            _ => {}
        }
    }
    if let Some(Value::Object(metadata)) = object.get_mut("metadata") {
        metadata.remove("creationTimestamp");
    }
    if is_definition(object) {
        drop_invalid_bundle(object);
    } else if let Value::Object(fields) = object {
        fields.remove("status");
    }
}

/// Whether an object defines a custom resource.
pub(super) fn is_definition(object: &Value) -> bool {
    text(object, "/kind").eq_ignore_ascii_case("CustomResourceDefinition")
        && group_of(object) == "apiextensions.k8s.io"
}

fn group_of(object: &Value) -> &str {
    text(object, "/apiVersion")
        .rsplit_once('/')
        .map_or("", |(group, _)| group)
}

fn drop_nulls(value: &mut Value, key: Option<&str>) {
    match value {
        Value::Object(fields) => {
            if key.is_some_and(|key| TEXT_MAPS.contains(&key)) {
                for entry in fields.values_mut().filter(|entry| entry.is_null()) {
                    *entry = Value::String(String::new());
                }
                return;
            }
            fields.retain(|_, entry| !entry.is_null());
            for (key, entry) in fields.iter_mut() {
                drop_nulls(entry, Some(key));
            }
        }
        Value::Array(entries) => entries.iter_mut().for_each(|entry| drop_nulls(entry, None)),
        _ => {}
    }
}

/// Flux looks at `containers` only; init containers keep what they have.
fn default_container_protocols(pod: Option<&mut Value>) {
    let containers = pod.and_then(|pod| pod.get_mut("containers")?.as_array_mut());
    for container in containers.into_iter().flatten() {
        default_protocols(container.get_mut("ports"));
    }
}

fn default_protocols(ports: Option<&mut Value>) {
    for port in ports.and_then(Value::as_array_mut).into_iter().flatten() {
        if let Value::Object(port) = port {
            let protocol = port.entry("protocol").or_insert_with(|| json!("TCP"));
            if protocol.as_str() == Some("") {
                *protocol = json!("TCP");
            }
        }
    }
}

fn encode_string_data(secret: &mut Value) {
    let Value::Object(fields) = secret else { return };
    let Some(Value::Object(strings)) = fields.get("stringData") else {
        return;
    };
    // What is no text is left for the API server to reject, with its own words.
    if !strings.values().all(Value::is_string) {
        return;
    }
    let encoded: Vec<(String, Value)> = strings
        .iter()
        .filter_map(|(key, value)| Some((key.clone(), value.as_str()?)))
        .map(|(key, value)| {
            let encoded = base64::engine::general_purpose::STANDARD.encode(value);
            (key, Value::String(encoded))
        })
        .collect();
    let data = fields.entry("data").or_insert_with(|| Value::Object(Map::new()));
    let Value::Object(data) = data else { return };
    data.extend(encoded);
    fields.remove("stringData");
}

fn drop_invalid_bundle(definition: &mut Value) {
    let Some(Value::Object(client)) = definition.pointer_mut("/spec/conversion/webhook/clientConfig") else {
        return;
    };
    let is_invalid = match client.get("caBundle").and_then(Value::as_str) {
        None | Some("") => false,
        Some(bundle) => !holds_certificate(bundle),
    };
    if is_invalid {
        client.remove("caBundle");
    }
}

/// Whether base64 of PEM holds at least one block that looks like a certificate: a DER sequence of just its length.
fn holds_certificate(bundle: &str) -> bool {
    let engine = base64::engine::general_purpose::STANDARD;
    let Some(pem) = engine
        .decode(bundle)
        .ok()
        .and_then(|bytes| String::from_utf8(bytes).ok())
    else {
        return false;
    };
    pem.split("-----BEGIN CERTIFICATE-----").skip(1).any(|block| {
        let Some((body, _)) = block.split_once("-----END CERTIFICATE-----") else {
            return false;
        };
        let body: String = body
            .chars()
            .filter(|character| !character.is_ascii_whitespace())
            .collect();
        engine.decode(body).is_ok_and(|der| is_sequence(&der))
    })
}

fn is_sequence(der: &[u8]) -> bool {
    match der {
        [0x30, 0x82, high, low, rest @ ..] => usize::from(*high) << 8 | usize::from(*low) == rest.len(),
        [0x30, 0x81, length, rest @ ..] | [0x30, length, rest @ ..] => usize::from(*length) == rest.len(),
        _ => false,
    }
}

#[cfg(test)]
mod tests;
