//! An object of a list or a watch that may not be what its kind says: it stops none of the others.

use std::borrow::Cow;
use std::fmt;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource;
use serde::de::{DeserializeOwned, DeserializeSeed, Error as _, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

/// An object, or what can be said of one that cannot be understood.
///
/// Its `managedFields` are passed over unread: they are half of an object, and nobody here asks for them. The same type of
/// `kube` keeps them, and copies each object twice.
#[derive(Debug, Clone)]
pub struct Guarded<K>(pub Result<K, NotUnderstood>);

/// An object that is not what its kind says, for example one that was stored before the schema was tightened.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{error}")]
pub struct NotUnderstood {
    /// What is wrong with it.
    pub error: String,
    /// Its metadata.
    pub metadata: Box<ObjectMeta>,
}

impl<'de, K: DeserializeOwned> Deserialize<'de> for Guarded<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let object = Value::Object(Slim(Part::Object).deserialize(deserializer)?);
        let error = match K::deserialize(&object) {
            Ok(object) => return Ok(Self(Ok(object))),
            Err(error) => error.to_string(),
        };
        let metadata = object.get("metadata").map(ObjectMeta::deserialize).transpose();
        let metadata = Box::new(metadata.map_err(D::Error::custom)?.unwrap_or_default());
        Ok(Self(Err(NotUnderstood { error, metadata })))
    }
}

impl<K: Resource> Resource for Guarded<K> {
    type DynamicType = K::DynamicType;
    type Scope = K::Scope;

    fn kind(dynamic: &Self::DynamicType) -> Cow<'_, str> {
        K::kind(dynamic)
    }

    fn group(dynamic: &Self::DynamicType) -> Cow<'_, str> {
        K::group(dynamic)
    }

    fn version(dynamic: &Self::DynamicType) -> Cow<'_, str> {
        K::version(dynamic)
    }

    fn plural(dynamic: &Self::DynamicType) -> Cow<'_, str> {
        K::plural(dynamic)
    }

    fn meta(&self) -> &ObjectMeta {
        self.0.as_ref().map_or_else(|invalid| &*invalid.metadata, K::meta)
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        self.0
            .as_mut()
            .map_or_else(|invalid| &mut *invalid.metadata, K::meta_mut)
    }
}

/// What a map in the text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Object,
    Metadata,
}

/// Reads a map without what is passed over.
#[derive(Debug, Clone, Copy)]
struct Slim(Part);

impl<'de> DeserializeSeed<'de> for Slim {
    type Value = Map<String, Value>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Slim {
    type Value = Map<String, Value>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self.0 {
            Part::Object => "an object",
            Part::Metadata => "the metadata of an object",
        })
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut fields = Map::new();
        while let Some(key) = map.next_key::<String>()? {
            let value = match (self.0, key.as_str()) {
                (Part::Object, "metadata") => Value::Object(map.next_value_seed(Self(Part::Metadata))?),
                (Part::Metadata, "managedFields") => {
                    map.next_value::<IgnoredAny>()?;
                    continue;
                }
                _ => map.next_value()?,
            };
            fields.insert(key, value);
        }
        Ok(fields)
    }
}

#[cfg(test)]
mod tests;
