//! A value without positions: what programs work with.

use std::borrow::Cow;

use crate::{Map, Number};

/// A string that does not change: short ones, as nearly all keys and most values of manifests are, need no memory of their own, and
/// copies of longer ones share it.
pub type Text = smol_str::SmolStr;

/// A YAML value that Kubernetes can hold: the keys of maps are strings.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Nothing. `written` tells `key: null` and `key: ~` from `key:`, which kustomize treats differently in a patch.
    Null {
        /// Whether the null stands in the text.
        written: bool,
    },
    /// A boolean.
    Bool(bool),
    /// A number.
    Number(Number),
    /// A string.
    String(Text),
    /// A list.
    List(Vec<Self>),
    /// A map.
    Map(Map),
}

impl Value {
    /// Nothing, as left out.
    pub const NULL: Self = Self::Null { written: false };

    /// Whether this is nothing.
    #[must_use]
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null { .. })
    }

    /// The field of a map.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Self> {
        self.as_map()?.get(key)
    }

    /// The field of a map, to change it.
    pub fn get_mut(&mut self, key: &str) -> Option<&mut Self> {
        self.as_map_mut()?.get_mut(key)
    }

    /// The value at a path of keys.
    #[must_use]
    pub fn at(&self, path: &[&str]) -> Option<&Self> {
        path.iter().try_fold(self, |value, key| value.get(key))
    }

    /// The string, when it is one.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    /// The map, when it is one.
    #[must_use]
    pub fn as_map(&self) -> Option<&Map> {
        match self {
            Self::Map(map) => Some(map),
            _ => None,
        }
    }

    /// The map, when it is one, to change it.
    pub fn as_map_mut(&mut self) -> Option<&mut Map> {
        match self {
            Self::Map(map) => Some(map),
            _ => None,
        }
    }

    /// The list, when it is one.
    #[must_use]
    pub fn as_list(&self) -> Option<&[Self]> {
        match self {
            Self::List(list) => Some(list),
            _ => None,
        }
    }

    /// The text of a scalar as it was written, as far as it matters: `1.10` is not `1.1`. Nothing is `""`. `None` for a list or
    /// a map.
    #[must_use]
    pub fn text(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Null { .. } => Some(Cow::Borrowed("")),
            Self::Bool(true) => Some(Cow::Borrowed("true")),
            Self::Bool(false) => Some(Cow::Borrowed("false")),
            Self::Number(number) => Some(Cow::Owned(number.to_string())),
            Self::String(text) => Some(Cow::Borrowed(text)),
            Self::List(_) | Self::Map(_) => None,
        }
    }

    /// The value as one YAML document, as [`to_string`](crate::to_string) has it.
    #[must_use]
    pub fn to_yaml(&self) -> String {
        let mut text = String::new();
        crate::write_to(self, &mut text);
        text
    }

    /// Whether this is a list or a map without content.
    #[must_use]
    pub fn is_empty_collection(&self) -> bool {
        match self {
            Self::List(list) => list.is_empty(),
            Self::Map(map) => map.is_empty(),
            _ => false,
        }
    }

    /// Whether this is a string, a number, a boolean or nothing.
    #[must_use]
    pub fn is_scalar(&self) -> bool {
        !matches!(self, Self::List(_) | Self::Map(_))
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::String(text.into())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::String(text.into())
    }
}

impl From<Text> for Value {
    fn from(text: Text) -> Self {
        Self::String(text)
    }
}

impl From<serde_json::Value> for Value {
    fn from(value: serde_json::Value) -> Self {
        match value {
            serde_json::Value::Null => Self::Null { written: true },
            serde_json::Value::Bool(value) => Self::Bool(value),
            serde_json::Value::Number(number) => Self::Number(number.into()),
            serde_json::Value::String(text) => Self::String(text.into()),
            serde_json::Value::Array(items) => Self::List(items.into_iter().map(Into::into).collect()),
            serde_json::Value::Object(fields) => Self::Map(
                fields
                    .into_iter()
                    .map(|(key, value)| (key, value.into()))
                    .collect(),
            ),
        }
    }
}

impl From<Value> for serde_json::Value {
    fn from(value: Value) -> Self {
        match value {
            Value::Null { .. } => Self::Null,
            Value::Bool(value) => Self::Bool(value),
            Value::Number(number) => Self::Number(number.value().clone()),
            Value::String(text) => Self::String(text.into()),
            Value::List(items) => Self::Array(items.into_iter().map(Into::into).collect()),
            Value::Map(fields) => Self::Object(
                fields
                    .into_iter()
                    .map(|(key, value)| (key.into(), value.into()))
                    .collect(),
            ),
        }
    }
}
