//! From values to the structures of configuration, by the rules of Go's JSON decoder.
//!
//! Keys fit in any case, null is the empty value, and messages are Go's, because people search for them. The kustomization file
//! refuses what it does not know; the configuration of plugins ignores it, and takes numbers and booleans for strings.

use std::collections::BTreeMap;

use fluxbot_yaml::{Map, Text, Value};

/// Why a value cannot be read, and where in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    /// The keys that lead to the fault. Items of lists are not among them, as Go has it.
    pub(crate) path: Vec<String>,
    pub(crate) reason: String,
}

/// How strict a reading is, and where it stands.
pub(crate) struct Context {
    strict: bool,
    path: Vec<String>,
    /// The names of the structures around the value; the first is the document's.
    structures: Vec<&'static str>,
}

impl Context {
    fn fault(&self, reason: String) -> Fault {
        Fault {
            path: self.path.clone(),
            reason,
        }
    }

    /// A value of another type than is wanted.
    fn mismatch(&self, value: &Value, wanted: &str) -> Fault {
        let kind = match value {
            Value::Null { .. } => "null".to_owned(),
            Value::Bool(_) => "bool".to_owned(),
            Value::Number(number) if wanted == "int64" || wanted == "int" => format!("number {number}"),
            Value::Number(_) => "number".to_owned(),
            Value::String(_) => "string".to_owned(),
            Value::List(_) => "array".to_owned(),
            Value::Map(_) => "object".to_owned(),
        };
        let place = match self.structures.last() {
            Some(structure) if !self.path.is_empty() => {
                format!("Go struct field {structure}.{}", self.path.join("."))
            }
            _ => "Go value".to_owned(),
        };
        self.fault(format!(
            "json: cannot unmarshal {kind} into {place} of type {wanted}"
        ))
    }

    /// The fields of a structure.
    pub(crate) fn enter<'v>(
        &mut self,
        value: &'v Value,
        structure: &'static str,
        go_type: &str,
    ) -> Result<Option<&'v Map>, Fault> {
        match value {
            Value::Null { .. } => Ok(None),
            Value::Map(fields) => {
                self.structures.push(structure);
                Ok(Some(fields))
            }
            other => Err(self.mismatch(other, go_type)),
        }
    }

    pub(crate) fn leave(&mut self) {
        self.structures.pop();
    }

    /// Reads the field of a structure.
    pub(crate) fn field<T: Decode>(&mut self, key: &str, value: &Value) -> Result<T, Fault> {
        self.path.push(key.to_owned());
        let read = T::decode(value, self)?;
        self.path.pop();
        Ok(read)
    }

    /// A key that no field of the structure has.
    pub(crate) fn unknown(&mut self, key: &str) -> Result<(), Fault> {
        if !self.strict {
            return Ok(());
        }
        self.path.push(key.to_owned());
        Err(self.fault(format!("json: unknown field {key:?}")))
    }
}

/// A type that can be read from a value.
pub(crate) trait Decode: Sized + Default {
    /// The name of the type in Go.
    fn go_type() -> String;

    fn decode(value: &Value, context: &mut Context) -> Result<Self, Fault>;
}

/// Reads a value and refuses fields that the type does not have.
pub(crate) fn strict<T: Decode>(value: &Value) -> Result<T, Fault> {
    read(value, true)
}

/// Reads a value and ignores fields that the type does not have.
pub(crate) fn lenient<T: Decode>(value: &Value) -> Result<T, String> {
    read(value, false)
        .map_err(|fault| format!("error unmarshaling JSON: while decoding JSON: {}", fault.reason))
}

/// Reads one field of a document.
pub(crate) fn strict_field<T: Decode>(
    structure: &'static str,
    field: &str,
    value: &Value,
) -> Result<T, Fault> {
    let mut context = Context {
        strict: true,
        path: Vec::new(),
        structures: vec![structure],
    };
    context.field(field, value)
}

fn read<T: Decode>(value: &Value, strict: bool) -> Result<T, Fault> {
    let mut context = Context {
        strict,
        path: Vec::new(),
        structures: Vec::new(),
    };
    T::decode(value, &mut context)
}

impl Decode for String {
    fn go_type() -> String {
        "string".to_owned()
    }

    fn decode(value: &Value, context: &mut Context) -> Result<Self, Fault> {
        match value {
            Value::Null { .. } => Ok(Self::new()),
            Value::String(text) => Ok(text.to_string()),
            Value::Bool(value) if !context.strict => Ok(value.to_string()),
            Value::Number(number) if !context.strict => Ok(number.value().to_string()),
            other => Err(context.mismatch(other, "string")),
        }
    }
}

impl Decode for Text {
    fn go_type() -> String {
        String::go_type()
    }

    fn decode(value: &Value, context: &mut Context) -> Result<Self, Fault> {
        String::decode(value, context).map(Self::from)
    }
}

impl Decode for bool {
    fn go_type() -> String {
        "bool".to_owned()
    }

    fn decode(value: &Value, context: &mut Context) -> Result<Self, Fault> {
        match value {
            Value::Null { .. } => Ok(false),
            Value::Bool(value) => Ok(*value),
            other => Err(context.mismatch(other, "bool")),
        }
    }
}

impl Decode for i64 {
    fn go_type() -> String {
        "int64".to_owned()
    }

    fn decode(value: &Value, context: &mut Context) -> Result<Self, Fault> {
        match value {
            Value::Null { .. } => Ok(0),
            Value::Number(number) => number
                .value()
                .as_i64()
                .ok_or_else(|| context.mismatch(value, "int64")),
            other => Err(context.mismatch(other, "int64")),
        }
    }
}

/// Any value.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Anything;

impl Decode for Anything {
    fn go_type() -> String {
        "interface {}".to_owned()
    }

    fn decode(_: &Value, _: &mut Context) -> Result<Self, Fault> {
        Ok(Self)
    }
}

impl<T: Decode> Decode for Option<T> {
    fn go_type() -> String {
        T::go_type()
    }

    fn decode(value: &Value, context: &mut Context) -> Result<Self, Fault> {
        if value.is_null() {
            return Ok(None);
        }
        T::decode(value, context).map(Some)
    }
}

impl<T: Decode> Decode for Vec<T> {
    fn go_type() -> String {
        format!("[]{}", T::go_type())
    }

    fn decode(value: &Value, context: &mut Context) -> Result<Self, Fault> {
        match value {
            Value::Null { .. } => Ok(Self::new()),
            Value::List(items) => items.iter().map(|item| T::decode(item, context)).collect(),
            other => Err(context.mismatch(other, &Self::go_type())),
        }
    }
}

impl<T: Decode> Decode for BTreeMap<String, T> {
    fn go_type() -> String {
        format!("map[string]{}", T::go_type())
    }

    fn decode(value: &Value, context: &mut Context) -> Result<Self, Fault> {
        match value {
            Value::Null { .. } => Ok(Self::new()),
            Value::Map(fields) => fields
                .iter()
                .map(|(key, value)| Ok((key.to_string(), T::decode(value, context)?)))
                .collect(),
            other => Err(context.mismatch(other, &Self::go_type())),
        }
    }
}

/// Declares a structure and how it is read: each field with its key. The text after the name is the type's name in Go.
macro_rules! decoded {
    ($(#[$meta:meta])* $name:ident $go:literal { $($(#[$of_field:meta])* $field:ident: $type:ty = $key:literal,)* }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Default)]
        pub(crate) struct $name {
            $($(#[$of_field])* pub(crate) $field: $type,)*
        }

        impl crate::decode::Decode for $name {
            fn go_type() -> String {
                format!("types.{}", $go)
            }

            fn decode(
                value: &fluxbot_yaml::Value,
                context: &mut crate::decode::Context,
            ) -> Result<Self, crate::decode::Fault> {
                let mut read = Self::default();
                let go_type = <Self as crate::decode::Decode>::go_type();
                let Some(fields) = context.enter(value, $go, &go_type)? else {
                    return Ok(read);
                };
                for (key, value) in fields {
                    $(
                        if key.eq_ignore_ascii_case($key) {
                            read.$field = context.field($key, value)?;
                            continue;
                        }
                    )*
                    context.unknown(key)?;
                }
                context.leave();
                Ok(read)
            }
        }
    };
}

pub(crate) use decoded;
