//! The values that cases name, as the oracle has them.

use std::sync::Arc;

use fluxbot_gotemplate::{
    Arguments, Context, FloatKind, Function, FunctionError, IntKind, Key, List, Map, Object, Signature, Type,
    UintKind, Value,
};
use serde_json::Value as Json;

const INT: Type = Type::Int(IntKind::Int);

/// `main.User`
#[derive(Debug, Clone)]
struct User {
    name: String,
    age: i64,
    tags: Option<Vec<String>>,
    extra: Value,
}

impl Object for User {
    fn type_name(&self) -> String {
        "main.User".into()
    }

    fn fields(&self) -> Vec<(&'static str, Value)> {
        let tags = match &self.tags {
            Some(tags) => List::strings(tags.iter().map(String::as_str)),
            None => List::nil(Type::String),
        };
        vec![
            ("Name", self.name.as_str().into()),
            ("Age", Value::int(self.age)),
            ("Tags", Value::List(tags)),
            ("Extra", self.extra.clone()),
        ]
    }

    fn is_interface(&self, name: &str) -> bool {
        name == "Extra"
    }

    fn method(&self, name: &str) -> Option<Signature> {
        Some(match name {
            "Greet" => Signature::new([Type::String], Type::String),
            "Fail" => Signature::new([], Type::String),
            "Sum" => Signature::new([], INT).with_variadic(INT),
            "Self" => Signature::new([], Type::Object("main.User".into())),
            _ => return None,
        })
    }

    fn call(
        &self,
        name: &str,
        _: &mut Context<'_>,
        arguments: &Arguments<'_>,
    ) -> Result<Value, FunctionError> {
        Ok(match name {
            "Greet" => format!("{}, {}", arguments.text(0).to_string_lossy(), self.name).into(),
            "Sum" => Value::int(self.age + (0..arguments.all().len()).map(|i| arguments.int(i)).sum::<i64>()),
            "Self" => Value::object(self.clone()),
            _ => return Err(FunctionError::new(format!("{} has failed", self.name))),
        })
    }
}

/// `main.ID`
#[derive(Debug)]
struct Id(String, String);

impl Id {
    fn new(text: &str) -> Self {
        let (kind, name) = text.split_once('/').unwrap_or((text, ""));
        Self(kind.to_owned(), name.to_owned())
    }
}

impl Object for Id {
    fn type_name(&self) -> String {
        "main.ID".into()
    }

    fn fields(&self) -> Vec<(&'static str, Value)> {
        vec![("Kind", self.0.as_str().into()), ("Name", self.1.as_str().into())]
    }

    fn method(&self, name: &str) -> Option<Signature> {
        (name == "String").then(|| Signature::new([], Type::String))
    }

    fn call(&self, _: &str, _: &mut Context<'_>, _: &Arguments<'_>) -> Result<Value, FunctionError> {
        Ok(format!("{}/{}", self.0, self.1).into())
    }

    fn text(&self) -> Option<String> {
        Some(format!("{}/{}", self.0, self.1))
    }
}

/// The value of a case's data.
pub fn value(json: &Json) -> Value {
    match json {
        Json::Null => Value::Nil,
        Json::Bool(value) => (*value).into(),
        Json::Number(number) => match number.as_i64() {
            Some(number) => Value::int(number),
            None => Value::float(number.as_f64().unwrap()),
        },
        Json::String(text) => text.as_str().into(),
        Json::Array(items) => Value::list(items.iter().map(value)),
        Json::Object(members) => {
            if let Some((kind, content)) = members.iter().next().filter(|_| members.len() == 1)
                && kind.starts_with('$')
            {
                return typed(kind, content);
            }
            Value::map(members.iter().map(|(key, item)| (key.as_str(), value(item))))
        }
    }
}

fn strings(content: &Json) -> Vec<String> {
    content
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item.as_str().unwrap().to_owned())
        .collect()
}

fn string_map(entries: impl IntoIterator<Item = (Key, Value)>, key: Type, element: Type) -> Value {
    let map = Map::new(key, element);
    for (key, value) in entries {
        map.insert(key, value);
    }
    Value::Map(map)
}

fn typed(kind: &str, content: &Json) -> Value {
    let int = |kind| Value::Int(kind, content.as_i64().unwrap());
    let uint = |kind| Value::Uint(kind, content.as_u64().unwrap());
    let members = || content.as_object().unwrap().iter();
    match kind {
        "$int8" => int(IntKind::Int8),
        "$int16" => int(IntKind::Int16),
        "$int32" => int(IntKind::Int32),
        "$int64" => int(IntKind::Int64),
        "$uint" => uint(UintKind::Uint),
        "$uint8" => uint(UintKind::Uint8),
        "$uint16" => uint(UintKind::Uint16),
        "$uint32" => uint(UintKind::Uint32),
        "$uint64" => uint(UintKind::Uint64),
        "$float32" => Value::Float(FloatKind::Float32, f64::from(content.as_f64().unwrap() as f32)),
        "$bytes" => Value::bytes(content.as_str().unwrap().as_bytes()),
        "$strings" => Value::List(List::strings(strings(content))),
        "$ints" => {
            let items = content.as_array().unwrap().iter();
            Value::List(List::typed(
                INT,
                items.map(|item| Value::int(item.as_i64().unwrap())).collect(),
            ))
        }
        "$map" => string_map(
            members().map(|(key, item)| (Key::from(key.as_str()), item.as_str().unwrap().into())),
            Type::String,
            Type::String,
        ),
        "$maps" => {
            let inner = |item: &Json| {
                let numbers = item.as_object().unwrap().iter();
                let numbers =
                    numbers.map(|(key, n)| (Key::from(key.as_str()), Value::int(n.as_i64().unwrap())));
                string_map(numbers, Type::String, INT)
            };
            string_map(
                members().map(|(key, item)| (Key::from(key.as_str()), inner(item))),
                Type::String,
                Type::Map(Arc::new(Type::String), Arc::new(INT)),
            )
        }
        "$intmap" => {
            let items = (0..).zip(content.as_array().unwrap());
            string_map(
                items.map(|(index, item)| (Key::new(Value::int(index * 3 - 2)).unwrap(), value(item))),
                INT,
                Type::Any,
            )
        }
        "$ids" => string_map(
            members().map(|(key, items)| {
                let key = Key::new(Value::object(Id::new(key))).unwrap();
                (key, Value::List(List::strings(strings(items))))
            }),
            Type::Object("main.ID".into()),
            Type::string_list(),
        ),
        "$id" => Value::object(Id::new(content.as_str().unwrap())),
        "$user" => Value::object(User {
            name: content["Name"].as_str().unwrap_or_default().to_owned(),
            age: content["Age"].as_i64().unwrap_or_default(),
            tags: content.get("Tags").map(strings),
            extra: value(&content["Extra"]),
        }),
        "$nil" => match content.as_str().unwrap() {
            "list" => Value::List(List::nil(Type::Any)),
            "strings" => Value::List(List::nil(Type::String)),
            _ => Value::Map(Map::nil(Type::String, Type::Any)),
        },
        "$func" => Value::Function(Arc::new(function(content.as_str().unwrap()))),
        _ => panic!("unknown kind {kind}"),
    }
}

fn function(name: &str) -> Function {
    match name {
        "add" => Function::new(Signature::new([INT, INT], INT), |_, a| {
            Ok(Value::int(a.int(0) + a.int(1)))
        }),
        "join" => Function::new(
            Signature::new([Type::String], Type::String).with_variadic(Type::String),
            |_, a| {
                let parts: Vec<String> = (1..a.all().len())
                    .map(|index| a.text(index).to_string_lossy().into_owned())
                    .collect();
                Ok(parts.join(&a.text(0).to_string_lossy()).into())
            },
        ),
        _ => Function::new(Signature::new([], Type::String), |_, _| {
            Err(FunctionError::new("it fails"))
        }),
    }
}
