//! What is done to built objects before they are applied: lists taken apart, normalised, labelled with their owner.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use super::ignored::IgnoreRules;
use super::normalize::normalize;
use super::object::{Object, ObjectId};
use super::own_controllers::replaces_us;
use super::switches::GROUP;

/// The Kustomization in whose name objects are applied.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Owner {
    /// Its name.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
}

impl Owner {
    /// The labels that name the owner on each of its objects, as Flux writes them.
    #[must_use]
    pub fn labels(&self) -> [(String, &str); 2] {
        [
            (format!("{GROUP}/name"), self.name.as_str()),
            (format!("{GROUP}/namespace"), self.namespace.as_str()),
        ]
    }

    /// The owner whose labels an object carries.
    #[must_use]
    pub fn of(object: &Value) -> Option<Self> {
        let labels = object.pointer("/metadata/labels")?;
        let label = |name: &str| Some(labels.get(format!("{GROUP}/{name}"))?.as_str()?.to_owned());
        Some(Self {
            name: label("name")?,
            namespace: label("namespace")?,
        })
    }

    /// Whether an object carries the labels of this owner.
    #[must_use]
    pub fn owns(&self, object: &Value) -> bool {
        let labels = object.pointer("/metadata/labels");
        self.labels()
            .iter()
            .all(|(key, value)| labels.and_then(|labels| labels.get(key)?.as_str()) == Some(*value))
    }
}

/// Labels and annotations that all objects get (`spec.commonMetadata`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CommonMetadata {
    /// The labels. They win over what an object carries, as in Flux.
    pub labels: BTreeMap<String, String>,
    /// The annotations. They win over what an object carries, as in Flux.
    pub annotations: BTreeMap<String, String>,
}

/// Why objects cannot be applied at all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PrepareError {
    /// Something that is no object.
    #[error("{place}: object has no {field}")]
    Incomplete {
        /// Its place, or what is known of it.
        place: String,
        /// The missing field.
        field: &'static str,
    },
    /// Labels or annotations that are no map of texts.
    #[error("{subject}{}: metadata.{field} is not a map of strings", at(.origin.as_ref()))]
    Malformed {
        /// `Kind/namespace/name`.
        subject: String,
        /// Where it was written.
        origin: Option<String>,
        /// The field.
        field: &'static str,
    },
    /// A Secret that is still encrypted.
    #[error(
        "{subject} is SOPS encrypted, configuring decryption is required for this secret to be reconciled{}",
        at(.origin.as_ref())
    )]
    Encrypted {
        /// `Kind/namespace/name`.
        subject: String,
        /// Where it was written.
        origin: Option<String>,
    },
}

/// An object that can be sent as it is.
#[derive(Debug, Clone)]
pub struct PreparedObject {
    object: Object,
    body: Bytes,
    digest: [u8; 32],
    ignored: Vec<String>,
    is_left_alone: bool,
}

impl PreparedObject {
    fn new(object: Object) -> Self {
        let body = Bytes::from(object.value.to_string());
        let digest = Sha256::digest(&body).into();
        Self {
            object,
            body,
            digest,
            ignored: Vec::new(),
            is_left_alone: false,
        }
    }

    /// The object.
    #[must_use]
    pub fn object(&self) -> &Object {
        &self.object
    }

    /// The object as it is sent, in JSON.
    #[must_use]
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// The SHA-256 of the body and of the ignored fields: two objects with the same digest are the same wish.
    #[must_use]
    pub fn digest(&self) -> &[u8; 32] {
        &self.digest
    }

    /// The fields that are left to others once they are there, as JSON pointers.
    #[must_use]
    pub fn ignored(&self) -> &[String] {
        &self.ignored
    }

    /// Whether the object is not applied at all, and not pruned either.
    #[must_use]
    pub fn is_left_alone(&self) -> bool {
        self.is_left_alone
    }
}

/// Objects that are ready to be applied. Only [`prepare`] makes them, so that none is applied without its owner's labels.
#[derive(Debug, Clone, Default)]
pub struct Prepared {
    objects: Vec<PreparedObject>,
}

impl Prepared {
    /// The objects, in the order in which they were built.
    #[must_use]
    pub fn objects(&self) -> &[PreparedObject] {
        &self.objects
    }

    /// Leaves fields of the objects to others once they are there (`spec.ignore`).
    #[must_use]
    pub fn ignoring(mut self, rules: &IgnoreRules) -> Self {
        for prepared in &mut self.objects {
            prepared.ignored = rules.paths(&prepared.object);
            if prepared.ignored.is_empty() {
                continue;
            }
            let mut digest = Sha256::new_with_prefix(&prepared.body);
            for path in &prepared.ignored {
                digest.update(path.as_bytes());
                digest.update([0]);
            }
            prepared.digest = digest.finalize().into();
        }
        self
    }

    /// Leaves the objects alone that would install one of these controllers in place of this process (see [`replaces_us`]).
    #[must_use]
    pub fn without_controllers(mut self, replaced: &[&str]) -> Self {
        for prepared in &mut self.objects {
            prepared.is_left_alone = replaces_us(&prepared.object, replaced);
        }
        self
    }

    /// The objects that are left alone.
    pub fn left_alone(&self) -> impl Iterator<Item = &Object> {
        let left = self.objects.iter().filter(|prepared| prepared.is_left_alone);
        left.map(|prepared| &prepared.object)
    }

    /// Jobs that are removed some time after they have finished (`ttlSecondsAfterFinished`). That they are gone means that
    /// they are done.
    #[must_use]
    pub fn jobs_with_ttl(&self) -> std::collections::BTreeSet<ObjectId> {
        self.objects
            .iter()
            .map(|prepared| &prepared.object)
            .filter(|object| object.kind() == "Job" && object.group() == "batch")
            .filter(|object| {
                object
                    .value
                    .pointer("/spec/ttlSecondsAfterFinished")
                    .is_some_and(Value::is_i64)
            })
            .map(Object::id)
            .collect()
    }
}

/// Makes built objects ready to be applied, as Flux does: lists are taken apart, kustomize's own configuration is left out,
/// owner labels are set, each object is normalised (see [`normalize`]), and the common metadata comes on top.
///
/// # Errors
/// Something that has no API version, kind or name; labels that are no map; a Secret that is still encrypted with SOPS, unless
/// it is annotated `kustomize.toolkit.fluxcd.io/decrypt: disabled`.
pub fn prepare(
    objects: Vec<Object>,
    owner: &Owner,
    common: &CommonMetadata,
) -> Result<Prepared, PrepareError> {
    let mut prepared = Prepared::default();
    for mut object in objects.into_iter().flat_map(flatten) {
        check(&object)?;
        if is_kustomize_configuration(&object) {
            continue;
        }
        let labels = owner.labels().map(|(key, value)| (key, value.to_owned()));
        set_entries(&mut object, "labels", labels)?;
        normalize(&mut object.value);
        set_entries(&mut object, "labels", common.labels.clone())?;
        set_entries(&mut object, "annotations", common.annotations.clone())?;
        prepared.objects.push(PreparedObject::new(object));
    }
    Ok(prepared)
}

/// The items of a list, and anything else as it is.
fn flatten(mut object: Object) -> Vec<Object> {
    match object.value.get_mut("items").map(Value::take) {
        Some(Value::Array(items)) => items
            .into_iter()
            .map(|value| Object {
                value,
                origin: object.origin.clone(),
            })
            .collect(),
        Some(other) => {
            if let Some(items) = object.value.get_mut("items") {
                *items = other;
            }
            vec![object]
        }
        None => vec![object],
    }
}

fn check(object: &Object) -> Result<(), PrepareError> {
    let missing = [
        ("apiVersion", object.api_version()),
        ("kind", object.kind()),
        ("metadata.name", object.name()),
    ];
    if let Some((field, _)) = missing.iter().find(|(_, found)| found.is_empty()) {
        return Err(PrepareError::Incomplete {
            place: object.origin.clone().unwrap_or_else(|| object.to_string()),
            field,
        });
    }
    let decryption_is_off = object
        .annotation(&format!("{GROUP}/decrypt"))
        .is_some_and(|value| value.eq_ignore_ascii_case("disabled"));
    if object.is_secret() && object.value.get("sops").is_some() && !decryption_is_off {
        return Err(PrepareError::Encrypted {
            subject: object.to_string(),
            origin: object.origin.clone(),
        });
    }
    Ok(())
}

fn is_kustomize_configuration(object: &Object) -> bool {
    object.kind().eq_ignore_ascii_case("Kustomization") && object.group() == "kustomize.config.k8s.io"
}

fn set_entries(
    object: &mut Object,
    field: &'static str,
    entries: impl IntoIterator<Item = (String, String)>,
) -> Result<(), PrepareError> {
    let mut entries = entries.into_iter().peekable();
    if entries.peek().is_none() {
        return Ok(());
    }
    let malformed = PrepareError::Malformed {
        subject: object.to_string(),
        origin: object.origin.clone(),
        field,
    };
    let Some(Value::Object(metadata)) = object.value.get_mut("metadata") else {
        return Err(malformed);
    };
    let place = metadata.entry(field).or_insert_with(|| Value::Object(Map::new()));
    if place.is_null() {
        *place = Value::Object(Map::new());
    }
    let Value::Object(place) = place else {
        return Err(malformed);
    };
    for (key, value) in entries {
        place.insert(key, Value::String(value));
    }
    Ok(())
}

/// ` (apps/web.yaml:3)`, or nothing when the origin is not known.
pub(super) fn at(origin: Option<&String>) -> String {
    origin.map_or_else(String::new, |origin| format!(" ({origin})"))
}

#[cfg(test)]
mod tests;
