//! Values as templates see them: what Go's reflection shows of data.

mod compare;
mod function;
mod kinds;
mod list;
mod map;
mod object;

use std::sync::Arc;

pub use function::{Arguments, Context, Function, FunctionError, Signature};
pub use kinds::{FloatKind, IntKind, Type, UintKind};
pub use list::List;
pub use map::{Key, Map};
pub use object::Object;

pub(crate) use compare::{deep_equal, nodes_within};

use crate::text::Text;

/// How deep values may nest where something walks over them: printing, comparing, copying, encoding.
pub(crate) const MAX_NESTING: usize = 200;

/// A value of a template.
///
/// Cloning is cheap: text, lists, maps and objects are shared. Maps are mutable, as they are in Go: sprig's `set` changes
/// the map of the caller.
#[derive(Debug, Clone, Default)]
pub enum Value {
    /// `nil`.
    #[default]
    Nil,
    /// A boolean.
    Bool(bool),
    /// A signed integer; the number fits the kind.
    Int(IntKind, i64),
    /// An unsigned integer; the number fits the kind.
    Uint(UintKind, u64),
    /// A floating point number.
    Float(FloatKind, f64),
    /// A string.
    String(Text),
    /// A slice.
    List(List),
    /// A map.
    Map(Map),
    /// A structure with fields and methods.
    Object(Arc<dyn Object>),
    /// A function as a value, for `call`.
    Function(Arc<Function>),
}

impl Value {
    /// A Go `int`.
    #[must_use]
    pub const fn int(number: i64) -> Self {
        Self::Int(IntKind::Int, number)
    }

    /// A Go `int64`.
    #[must_use]
    pub const fn int64(number: i64) -> Self {
        Self::Int(IntKind::Int64, number)
    }

    /// A Go `uint8`, which is a byte.
    #[must_use]
    pub fn byte(byte: u8) -> Self {
        Self::Uint(UintKind::Uint8, u64::from(byte))
    }

    /// A Go `float64`.
    #[must_use]
    pub const fn float(number: f64) -> Self {
        Self::Float(FloatKind::Float64, number)
    }

    /// A string.
    #[must_use]
    pub fn string(text: impl Into<Text>) -> Self {
        Self::String(text.into())
    }

    /// A `[]uint8`.
    #[must_use]
    pub fn bytes(bytes: &[u8]) -> Self {
        let items = bytes.iter().copied().map(Self::byte).collect();
        Self::List(List::typed(Type::Uint(UintKind::Uint8), items))
    }

    /// A `[]interface {}`.
    #[must_use]
    pub fn list(items: impl IntoIterator<Item = Self>) -> Self {
        Self::List(List::typed(Type::Any, items.into_iter().collect()))
    }

    /// A `map[string]interface {}`.
    #[must_use]
    pub fn map<K: Into<Text>>(entries: impl IntoIterator<Item = (K, Self)>) -> Self {
        let map = Map::new(Type::String, Type::Any);
        for (key, value) in entries {
            map.insert(Key::from(key.into()), value);
        }
        Self::Map(map)
    }

    /// An object.
    #[must_use]
    pub fn object(object: impl Object) -> Self {
        Self::Object(Arc::new(object))
    }

    /// The Go type; `None` for nil.
    #[must_use]
    pub fn type_of(&self) -> Option<Type> {
        Some(match self {
            Self::Nil => return None,
            Self::Bool(_) => Type::Bool,
            Self::Int(kind, _) => Type::Int(*kind),
            Self::Uint(kind, _) => Type::Uint(*kind),
            Self::Float(kind, _) => Type::Float(*kind),
            Self::String(_) => Type::String,
            Self::List(list) => Type::List(Arc::new(list.element().clone())),
            Self::Map(map) => Type::Map(Arc::new(map.key().clone()), Arc::new(map.element().clone())),
            Self::Object(object) => Type::Object(object.type_name().into()),
            Self::Function(function) => Type::Function(function.type_name().into()),
        })
    }

    /// The name of the Go type, as `%T` prints it.
    #[must_use]
    pub fn type_name(&self) -> String {
        self.type_of()
            .map_or_else(|| "<nil>".to_owned(), |kind| kind.to_string())
    }

    /// The name of the Go kind, as `reflect.Kind` prints it.
    #[must_use]
    pub fn kind_name(&self) -> &'static str {
        match self {
            Self::Nil => "invalid",
            Self::Bool(_) => "bool",
            Self::Int(kind, _) => kind.name(),
            Self::Uint(kind, _) => kind.name(),
            Self::Float(kind, _) => kind.name(),
            Self::String(_) => "string",
            Self::List(_) => "slice",
            Self::Map(_) => "map",
            Self::Object(object) if object.type_name().starts_with('*') => "ptr",
            Self::Object(_) => "struct",
            Self::Function(_) => "func",
        }
    }

    /// Whether `if` takes the value as true.
    #[must_use]
    pub fn truth(&self) -> bool {
        match self {
            Self::Nil => false,
            Self::Bool(value) => *value,
            Self::Int(_, number) => *number != 0,
            Self::Uint(_, number) => *number != 0,
            Self::Float(_, number) => *number != 0.0,
            Self::String(text) => !text.is_empty(),
            Self::List(list) => !list.is_empty(),
            Self::Map(map) => !map.is_empty(),
            Self::Object(_) | Self::Function(_) => true,
        }
    }

    /// Whether Go would call it nil: `nil` itself, a nil slice or a nil map.
    #[must_use]
    pub fn is_nil(&self) -> bool {
        match self {
            Self::Nil => true,
            Self::List(list) => list.is_nil(),
            Self::Map(map) => map.is_nil(),
            _ => false,
        }
    }
}

macro_rules! from_number {
    ($($rust:ty => $variant:ident, $kinds:ident, $kind:ident;)*) => {$(
        impl From<$rust> for Value {
            fn from(number: $rust) -> Self {
                Self::$variant($kinds::$kind, number.into())
            }
        }
    )*};
}

from_number! {
    i8 => Int, IntKind, Int8;
    i16 => Int, IntKind, Int16;
    i32 => Int, IntKind, Int32;
    i64 => Int, IntKind, Int64;
    u8 => Uint, UintKind, Uint8;
    u16 => Uint, UintKind, Uint16;
    u32 => Uint, UintKind, Uint32;
    u64 => Uint, UintKind, Uint64;
    f32 => Float, FloatKind, Float32;
    f64 => Float, FloatKind, Float64;
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Bool(value)
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

impl<V: Into<Self>> From<Option<V>> for Value {
    fn from(value: Option<V>) -> Self {
        value.map_or(Self::Nil, Into::into)
    }
}
