//! One Kubernetes object as it was built or read, what identifies it, and how it is printed without its secrets.

use std::fmt;
use std::str::FromStr;

use serde_json::{Map, Value};

/// Stands in place of each value of a Secret in anything that is printed.
pub const MASK: &str = "***";

const RBAC_GROUP: &str = "rbac.authorization.k8s.io";
const RBAC_KINDS: [&str; 4] = ["Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding"];

/// A Kubernetes object, with the place it comes from.
#[derive(Clone, PartialEq)]
pub struct Object {
    /// The object itself, as JSON.
    pub value: Value,
    /// Where it was written, for the texts of errors, such as `apps/web.yaml:3`.
    pub origin: Option<String>,
}

impl Object {
    /// Wraps a value whose origin is not known.
    #[must_use]
    pub fn new(value: Value) -> Self {
        Self { value, origin: None }
    }

    /// Names the file and the line in which the object was written.
    #[must_use]
    pub fn with_origin(mut self, origin: impl Into<String>) -> Self {
        self.origin = Some(origin.into());
        self
    }

    /// The API version as written, such as `apps/v1`; empty when there is none.
    #[must_use]
    pub fn api_version(&self) -> &str {
        text(&self.value, "/apiVersion")
    }

    /// The kind; empty when there is none.
    #[must_use]
    pub fn kind(&self) -> &str {
        text(&self.value, "/kind")
    }

    /// The API group; empty for the core group.
    #[must_use]
    pub fn group(&self) -> &str {
        self.api_version().rsplit_once('/').map_or("", |(group, _)| group)
    }

    /// The version without its group.
    #[must_use]
    pub fn version(&self) -> &str {
        let api_version = self.api_version();
        api_version
            .rsplit_once('/')
            .map_or(api_version, |(_, version)| version)
    }

    /// The name; empty when there is none.
    #[must_use]
    pub fn name(&self) -> &str {
        text(&self.value, "/metadata/name")
    }

    /// The namespace, if one is given.
    #[must_use]
    pub fn namespace(&self) -> Option<&str> {
        Some(text(&self.value, "/metadata/namespace")).filter(|namespace| !namespace.is_empty())
    }

    /// The value of a label.
    #[must_use]
    pub fn label(&self, key: &str) -> Option<&str> {
        metadata_entry(&self.value, "labels", key)
    }

    /// The value of an annotation.
    #[must_use]
    pub fn annotation(&self, key: &str) -> Option<&str> {
        metadata_entry(&self.value, "annotations", key)
    }

    /// What identifies the object, with the namespace as written.
    #[must_use]
    pub fn id(&self) -> ObjectId {
        ObjectId {
            namespace: self.namespace().map(str::to_owned),
            name: self.name().to_owned(),
            group: self.group().to_owned(),
            kind: self.kind().to_owned(),
        }
    }

    /// Whether this is a Secret of the core group.
    #[must_use]
    pub fn is_secret(&self) -> bool {
        is_secret(&self.value)
    }

    /// The object with the values of a Secret replaced by [`MASK`].
    #[must_use]
    pub fn masked(&self) -> Value {
        let mut value = self.value.clone();
        if self.is_secret() {
            for field in ["data", "stringData"] {
                match value.get_mut(field) {
                    Some(Value::Object(entries)) => entries
                        .values_mut()
                        .for_each(|entry| *entry = Value::String(MASK.to_owned())),
                    Some(other) => *other = Value::String(MASK.to_owned()),
                    None => {}
                }
            }
            if let Some(Value::Object(annotations)) = value.pointer_mut("/metadata/annotations") {
                // kubectl keeps a whole copy of the object here.
                annotations.remove("kubectl.kubernetes.io/last-applied-configuration");
            }
        }
        value
    }
}

impl fmt::Debug for Object {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Object")
            .field("value", &self.masked())
            .field("origin", &self.origin)
            .finish()
    }
}

impl fmt::Display for Object {
    /// `Kind/namespace/name`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.id().subject())
    }
}

/// What identifies an object in a cluster, whatever version it is read in.
///
/// Its text is the entry of a Flux inventory, `<namespace>_<name>_<group>_<kind>`; the namespace of a cluster-scoped object is
/// empty, and the colons that names of RBAC objects may have are written as two underscores.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectId {
    /// The namespace; `None` for a cluster-scoped object.
    pub namespace: Option<String>,
    /// The name.
    pub name: String,
    /// The API group; empty for the core group.
    pub group: String,
    /// The kind.
    pub kind: String,
}

impl ObjectId {
    /// `Kind/namespace/name`, as Flux names objects in its events; without the namespace for a cluster-scoped object.
    #[must_use]
    pub fn subject(&self) -> String {
        match &self.namespace {
            Some(namespace) => format!("{}/{namespace}/{}", self.kind, self.name),
            None => format!("{}/{}", self.kind, self.name),
        }
    }

    /// Whether the id is that of a Secret.
    #[must_use]
    pub fn is_secret(&self) -> bool {
        self.group.is_empty() && self.kind == "Secret"
    }

    fn is_rbac(&self) -> bool {
        self.group == RBAC_GROUP && RBAC_KINDS.contains(&self.kind.as_str())
    }
}

impl fmt::Display for ObjectId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let namespace = self.namespace.as_deref().unwrap_or_default();
        let Self {
            name, group, kind, ..
        } = self;
        if self.is_rbac() {
            write!(
                formatter,
                "{namespace}_{}_{group}_{kind}",
                name.replace(':', "__")
            )
        } else {
            write!(formatter, "{namespace}_{name}_{group}_{kind}")
        }
    }
}

/// A text that is no id of an inventory.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unable to parse stored object metadata: {0}")]
pub struct InvalidObjectId(pub String);

impl FromStr for ObjectId {
    type Err = InvalidObjectId;

    /// Reads the namespace up to the first underscore, kind and group behind the last two, and the name between them.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parts = || {
            let (namespace, rest) = text.split_once('_')?;
            let (rest, kind) = rest.rsplit_once('_')?;
            let (name, group) = rest.rsplit_once('_')?;
            Some(Self {
                namespace: Some(namespace.to_owned()).filter(|namespace| !namespace.is_empty()),
                name: name.replace("__", ":"),
                group: group.to_owned(),
                kind: kind.to_owned(),
            })
        };
        parts().ok_or_else(|| InvalidObjectId(text.to_owned()))
    }
}

/// A kind of an API group, whatever its version.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupKind {
    /// The API group; empty for the core group.
    pub group: String,
    /// The kind.
    pub kind: String,
}

impl FromStr for GroupKind {
    type Err = std::convert::Infallible;

    /// Reads `group/Kind`, or `Kind` for the core group, as Flux's flag `--custom-apply-stage-kinds` writes them.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        let (group, kind) = text.split_once('/').unwrap_or(("", text));
        Ok(Self {
            group: group.to_owned(),
            kind: kind.to_owned(),
        })
    }
}

/// Removes the values of a Secret from a text, such as the answer of an API server that repeats what it could not read.
///
/// Values of less than four characters are left, because they would take half of the text with them; what the API server
/// prints as the offending value is masked whatever its length.
#[must_use]
pub fn mask_text(object: &Value, text: &str) -> String {
    if !is_secret(object) {
        return text.to_owned();
    }
    let mut masked = mask_between(text, "Value:", "}");
    masked = mask_between(&masked, "Invalid value: \"", "\"");
    for value in secret_values(object) {
        if value.chars().count() >= 4 {
            masked = masked.replace(&value, MASK);
        }
    }
    masked
}

fn mask_between(text: &str, start: &str, end: &str) -> String {
    let mut masked = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(start) {
        masked.push_str(before);
        masked.push_str(start);
        masked.push_str(MASK);
        rest = after.split_once(end).map_or("", |(_, behind)| behind);
        masked.push_str(end);
    }
    masked.push_str(rest);
    masked
}

fn secret_values(object: &Value) -> Vec<String> {
    use base64::Engine as _;
    let engine = base64::engine::general_purpose::STANDARD;
    let mut values = Vec::new();
    for field in ["data", "stringData"] {
        for value in object
            .get(field)
            .and_then(Value::as_object)
            .into_iter()
            .flat_map(Map::values)
        {
            let text = value
                .as_str()
                .map_or_else(|| value.to_string(), ToOwned::to_owned);
            let decoded = engine
                .decode(&text)
                .ok()
                .and_then(|bytes| String::from_utf8(bytes).ok());
            values.extend(decoded);
            values.push(engine.encode(&text));
            values.push(text);
        }
    }
    // The longest first, so that no part of one stays behind after another.
    values.sort_by_key(|value| std::cmp::Reverse(value.len()));
    values
}

fn is_secret(value: &Value) -> bool {
    text(value, "/kind").eq_ignore_ascii_case("Secret") && text(value, "/apiVersion") == "v1"
}

pub(super) fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn metadata_entry<'a>(value: &'a Value, field: &str, key: &str) -> Option<&'a str> {
    value.get("metadata")?.get(field)?.get(key)?.as_str()
}

#[cfg(test)]
mod tests;
