//! A value with the place of each part.

use std::ops::Range;

use crate::{Number, Text, Value};

/// A part of a document and the place where it starts.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// What it is.
    pub data: Data,
    /// The line, from 1.
    pub line: usize,
    /// The column, from 1, in characters.
    pub column: usize,
    /// The bytes of the text from its first to its last: quotes, tags and anchors included, comments after it not. What an
    /// alias stands for has the place of the anchor.
    pub span: Range<usize>,
}

/// What a part of a document is.
#[derive(Debug, Clone, PartialEq)]
pub enum Data {
    /// Nothing; see [`Value::Null`].
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
    List(Vec<Node>),
    /// The fields of a map, in the order of the text. Each key stands once.
    Map(Vec<(Text, Node)>),
}

impl Node {
    /// The field of a map.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Self> {
        match &self.data {
            Data::Map(fields) => fields.iter().find(|(name, _)| name == key).map(|(_, node)| node),
            _ => None,
        }
    }

    /// Whether this is nothing.
    #[must_use]
    pub fn is_null(&self) -> bool {
        matches!(self.data, Data::Null { .. })
    }

    /// The value without the places.
    #[must_use]
    pub fn into_value(self) -> Value {
        match self.data {
            Data::Null { written } => Value::Null { written },
            Data::Bool(value) => Value::Bool(value),
            Data::Number(number) => Value::Number(number),
            Data::String(text) => Value::String(text),
            Data::List(items) => Value::List(items.into_iter().map(Self::into_value).collect()),
            Data::Map(fields) => Value::Map(
                fields
                    .into_iter()
                    .map(|(key, node)| (key, node.into_value()))
                    .collect(),
            ),
        }
    }
}
