//! Go's types, as far as templates can see them.

use std::fmt;
use std::sync::Arc;

use super::{List, Map, Value};
use crate::text::Text;

macro_rules! kinds {
    ($(#[$doc:meta])* $name:ident { $($variant:ident = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $(
                #[doc = concat!("`", $text, "`")]
                $variant,
            )*
        }

        impl $name {
            /// The name of the type in Go.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)*
                }
            }
        }
    };
}

kinds! {
    /// Go's signed integers.
    IntKind { Int = "int", Int8 = "int8", Int16 = "int16", Int32 = "int32", Int64 = "int64", }
}

kinds! {
    /// Go's unsigned integers.
    UintKind {
        Uint = "uint", Uint8 = "uint8", Uint16 = "uint16", Uint32 = "uint32", Uint64 = "uint64", Uintptr = "uintptr",
    }
}

kinds! {
    /// Go's floating point numbers.
    FloatKind { Float32 = "float32", Float64 = "float64", }
}

/// A Go type. Its text is the one of Go's `%T`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Type {
    /// `interface {}`: any value.
    Any,
    /// `reflect.Value`: any value, and whether it was in an interface. For functions of the language alone.
    Reflect,
    /// `bool`
    Bool,
    /// Signed integers.
    Int(IntKind),
    /// Unsigned integers.
    Uint(UintKind),
    /// Floating point numbers.
    Float(FloatKind),
    /// `string`
    String,
    /// A slice of the type.
    List(Arc<Self>),
    /// A map from the first type to the second.
    Map(Arc<Self>, Arc<Self>),
    /// A named type, such as `time.Time`, or `*semver.Version`.
    Object(Arc<str>),
    /// A function with this signature.
    Function(Arc<str>),
}

impl Type {
    /// `[]interface {}`
    #[must_use]
    pub fn any_list() -> Self {
        Self::List(Arc::new(Self::Any))
    }

    /// `[]string`
    #[must_use]
    pub fn string_list() -> Self {
        Self::List(Arc::new(Self::String))
    }

    /// `map[string]interface {}`
    #[must_use]
    pub fn dict() -> Self {
        Self::Map(Arc::new(Self::String), Arc::new(Self::Any))
    }

    /// `int`
    pub(crate) const INT: Self = Self::Int(IntKind::Int);
    /// `int64`
    pub(crate) const INT64: Self = Self::Int(IntKind::Int64);
    /// `float64`
    pub(crate) const FLOAT64: Self = Self::Float(FloatKind::Float64);

    /// Whether a value of type `other` can be stored in one of this type.
    #[must_use]
    pub fn takes(&self, other: &Self) -> bool {
        *self == Self::Any || self == other
    }

    /// Whether nil is a value of the type.
    #[must_use]
    pub fn has_nil(&self) -> bool {
        match self {
            Self::Any | Self::Reflect | Self::List(_) | Self::Map(..) | Self::Function(_) => true,
            Self::Object(name) => name.starts_with('*') || &**name == "error",
            _ => false,
        }
    }

    /// The value that a variable of the type has before anything is stored. Objects have none and give nil.
    #[must_use]
    pub fn zero(&self) -> Value {
        match self {
            Self::Any | Self::Reflect | Self::Object(_) | Self::Function(_) => Value::Nil,
            Self::Bool => Value::Bool(false),
            Self::Int(kind) => Value::Int(*kind, 0),
            Self::Uint(kind) => Value::Uint(*kind, 0),
            Self::Float(kind) => Value::Float(*kind, 0.0),
            Self::String => Value::String(Text::default()),
            Self::List(element) => Value::List(List::nil(element.as_ref().clone())),
            Self::Map(key, element) => Value::Map(Map::nil(key.as_ref().clone(), element.as_ref().clone())),
        }
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("interface {}"),
            Self::Reflect => f.write_str("reflect.Value"),
            Self::Bool => f.write_str("bool"),
            Self::Int(kind) => f.write_str(kind.name()),
            Self::Uint(kind) => f.write_str(kind.name()),
            Self::Float(kind) => f.write_str(kind.name()),
            Self::String => f.write_str("string"),
            Self::List(element) => write!(f, "[]{element}"),
            Self::Map(key, element) => write!(f, "map[{key}]{element}"),
            Self::Object(name) | Self::Function(name) => f.write_str(name),
        }
    }
}
