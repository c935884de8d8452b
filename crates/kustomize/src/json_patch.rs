//! JSON patches (RFC 6902), with the messages of the original's library.

use fluxbot_yaml::{Reading, Value};

use crate::json::through_floats;

/// One operation.
#[derive(Debug, Clone)]
pub(crate) struct Operation {
    kind: String,
    path: String,
    from: String,
    value: Option<Value>,
}

/// Reads a patch: a JSON or YAML list of operations.
pub(crate) fn parse(text: &str) -> Result<Vec<Operation>, String> {
    if text.is_empty() {
        return Err("empty json patch operations".to_owned());
    }
    let value = if text.starts_with('[') {
        // As the original has it, what looks like JSON must be JSON.
        let value: serde_json::Value =
            serde_json::from_str(text).map_err(|error| format!("invalid JSON: {error}"))?;
        value.into()
    } else {
        let documents = fluxbot_yaml::parse(text, Reading::Api).map_err(|error| error.to_string())?;
        let document = documents.into_iter().next();
        document.map_or(Value::NULL, fluxbot_yaml::Node::into_value)
    };
    match value {
        Value::Null { .. } => Ok(Vec::new()),
        Value::List(items) => items.into_iter().map(operation).collect(),
        _ => Err("a JSON patch is a list of operations".to_owned()),
    }
}

fn operation(item: Value) -> Result<Operation, String> {
    let Value::Map(mut fields) = item else {
        return Err("an operation of a JSON patch is a map".to_owned());
    };
    let text = |name: &str| match fields.get(name) {
        None | Some(Value::Null { .. }) => Ok(String::new()),
        Some(Value::String(text)) => Ok(text.to_string()),
        Some(_) => Err(format!("'{name}' of an operation of a JSON patch is a string")),
    };
    let (kind, path, from) = (text("op")?, text("path")?, text("from")?);
    Ok(Operation {
        kind,
        path,
        from,
        value: fields.remove("value").map(through_floats),
    })
}

/// Applies a patch to an object.
pub(crate) fn apply(object: Value, operations: &[Operation]) -> Result<Value, String> {
    let mut object = through_floats(object);
    for operation in operations {
        let path = &operation.path;
        match operation.kind.as_str() {
            "add" => {
                let value = operation.value.clone().unwrap_or(Value::Null { written: true });
                add(&mut object, path, value, "add")?;
            }
            "remove" => drop(remove(&mut object, path, "remove")?),
            "replace" => {
                let value = operation.value.clone().unwrap_or(Value::Null { written: true });
                replace(&mut object, path, value)?;
            }
            "move" => {
                let value = remove(&mut object, &operation.from, "move")?;
                add(&mut object, path, value, "move")?;
            }
            "copy" => {
                // As the original has it, a field that is missing is copied as null, from a map that is there.
                parent(&mut object, &operation.from, "copy")?;
                let from = find(&mut object, &operation.from)?.cloned();
                let value = from.unwrap_or(Value::Null { written: true });
                add(&mut object, path, value, "copy")?;
            }
            "test" => {
                let expected = operation.value.clone().unwrap_or(Value::NULL);
                let found = find(&mut object, path)?.cloned().unwrap_or(Value::NULL);
                let equal = found == expected || (found.is_null() && expected.is_null());
                if !equal {
                    return Err(format!("testing value {path} failed: test failed"));
                }
            }
            other => return Err(format!("Unexpected kind: {other}")),
        }
    }
    Ok(object)
}

fn unescape(name: &str) -> String {
    name.replace("~1", "/").replace("~0", "~")
}

/// The names of a pointer.
fn names(path: &str) -> Vec<String> {
    path.split('/').skip(1).map(unescape).collect()
}

/// An index of a list, which may count from the end.
fn index(name: &str, length: usize) -> Result<usize, String> {
    let number: i64 = name
        .parse()
        .map_err(|_| format!("'{name}' is no index of a list"))?;
    let length = i64::try_from(length).unwrap_or(i64::MAX);
    let place = if number < 0 { number + length } else { number };
    usize::try_from(place)
        .map_err(|_| format!("Unable to access invalid index: {number}: invalid index referenced"))
}

fn step<'v>(value: &'v mut Value, name: &str) -> Result<Option<&'v mut Value>, String> {
    match value {
        Value::Map(fields) => Ok(fields.get_mut(name)),
        Value::List(items) => {
            let place = index(name, items.len())?;
            Ok(items.get_mut(place))
        }
        _ => Ok(None),
    }
}

fn find<'v>(object: &'v mut Value, path: &str) -> Result<Option<&'v mut Value>, String> {
    let mut value = object;
    for name in names(path) {
        match step(value, &name)? {
            Some(next) => value = next,
            None => return Ok(None),
        }
    }
    Ok(Some(value))
}

/// The collection that a pointer leads into, and the last name.
fn parent<'v>(object: &'v mut Value, path: &str, what: &str) -> Result<(&'v mut Value, String), String> {
    let missing = || {
        let quote = if what == "replace" { "" } else { "\"" };
        format!("{what} operation does not apply: doc is missing path: {quote}{path}{quote}: missing value")
    };
    let mut names = names(path);
    let last = names.pop().ok_or_else(missing)?;
    let mut value = object;
    for name in names {
        value = step(value, &name)?.ok_or_else(missing)?;
    }
    if value.is_scalar() {
        return Err(missing());
    }
    Ok((value, last))
}

/// Replaces a value. As the original has it, a field that a map does not have is added.
fn replace(object: &mut Value, path: &str, value: Value) -> Result<(), String> {
    if path.is_empty() {
        *object = value;
        return Ok(());
    }
    let (parent, name) = parent(object, path, "replace")?;
    match parent {
        Value::Map(fields) => drop(fields.insert(name, value)),
        other => {
            let missing =
                || format!("replace operation does not apply: doc is missing key: {path}: missing value");
            *step(other, &name)?.ok_or_else(missing)? = value;
        }
    }
    Ok(())
}

fn add(object: &mut Value, path: &str, value: Value, what: &str) -> Result<(), String> {
    if path.is_empty() {
        *object = value;
        return Ok(());
    }
    let (parent, name) = parent(object, path, what)?;
    match parent {
        Value::Map(fields) => {
            fields.insert(name, value);
        }
        Value::List(items) if name == "-" => items.push(value),
        Value::List(items) => {
            // Counted in the list as it will be.
            let place = index(&name, items.len() + 1)?;
            if place > items.len() {
                return Err(format!(
                    "Unable to access invalid index: {place}: invalid index referenced"
                ));
            }
            items.insert(place, value);
        }
        _ => {}
    }
    Ok(())
}

fn remove(object: &mut Value, path: &str, what: &str) -> Result<Value, String> {
    let missing = || {
        format!("{what} operation does not apply: unable to remove nonexistent key: {path}: missing value")
    };
    let (parent, name) = parent(object, path, what)?;
    match parent {
        Value::Map(fields) => fields.remove(&name).ok_or_else(missing),
        Value::List(items) => {
            let place = index(&name, items.len())?;
            if place >= items.len() {
                return Err(format!(
                    "Unable to access invalid index: {place}: invalid index referenced"
                ));
            }
            Ok(items.remove(place))
        }
        _ => Err(missing()),
    }
}
