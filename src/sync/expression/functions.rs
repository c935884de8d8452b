//! The functions that Flux adds to those of CEL's standard library: for strings, sets and base64.

use std::sync::Arc;

use base64::Engine as _;
use cel::extractors::{Arguments, This};
use cel::{Context, ExecutionError, Value};

/// A function's answer.
type Answer = Result<Value, ExecutionError>;

/// Adds the functions to a context.
pub(super) fn add(context: &mut Context<'_>) {
    strings(context);
    context.add_function("join", join);
    context.add_function("sets.contains", |all: Value, part: Value| -> Answer {
        let (all, part) = (list(&all)?, list(&part)?);
        Ok(Value::Bool(part.iter().all(|item| all.contains(item))))
    });
    context.add_function("sets.equivalent", |one: Value, two: Value| -> Answer {
        let (one, two) = (list(&one)?, list(&two)?);
        let same = one.iter().all(|item| two.contains(item)) && two.iter().all(|item| one.contains(item));
        Ok(Value::Bool(same))
    });
    context.add_function("sets.intersects", |one: Value, two: Value| -> Answer {
        let (one, two) = (list(&one)?, list(&two)?);
        Ok(Value::Bool(one.iter().any(|item| two.contains(item))))
    });
    context.add_function("base64.encode", |bytes: Value| -> Answer {
        let Value::Bytes(bytes) = bytes else {
            return Err(ExecutionError::NoSuchOverload);
        };
        Ok(string(
            base64::engine::general_purpose::STANDARD.encode(bytes.as_slice()),
        ))
    });
    context.add_function("base64.decode", |encoded: Arc<String>| -> Answer {
        let engine = base64::engine::general_purpose::STANDARD;
        let bytes = engine
            .decode(encoded.as_bytes())
            .map_err(|_| failed("base64.decode"))?;
        Ok(Value::Bytes(Arc::new(bytes)))
    });
}

fn strings(context: &mut Context<'_>) {
    context.add_function("lowerAscii", |This(text): This<Arc<String>>| -> Answer {
        Ok(string(text.to_ascii_lowercase()))
    });
    context.add_function("upperAscii", |This(text): This<Arc<String>>| -> Answer {
        Ok(string(text.to_ascii_uppercase()))
    });
    context.add_function("trim", |This(text): This<Arc<String>>| -> Answer {
        Ok(string(text.trim().to_owned()))
    });
    context.add_function("reverse", |This(text): This<Arc<String>>| -> Answer {
        Ok(string(text.chars().rev().collect()))
    });
    context.add_function("charAt", |This(text): This<Arc<String>>, index: i64| -> Answer {
        let characters: Vec<char> = text.chars().collect();
        let index = position("charAt", index, characters.len())?;
        Ok(string(characters.get(index).map(char::to_string).unwrap_or_default()))
    });
    context.add_function("substring", substring);
    context.add_function("replace", replace);
    context.add_function("split", split);
    context.add_function(
        "indexOf",
        |This(text): This<Arc<String>>, Arguments(arguments): Arguments| -> Answer {
            let (wanted, from) = searched(&arguments)?;
            let text: Vec<char> = text.chars().collect();
            let first = position("indexOf", from.unwrap_or_default(), text.len())?;
            let found = (first..=text.len()).find(|start| starts_at(&text, *start, &wanted));
            Ok(Value::Int(place(found)))
        },
    );
    context.add_function(
        "lastIndexOf",
        |This(text): This<Arc<String>>, Arguments(arguments): Arguments| -> Answer {
            let (wanted, from) = searched(&arguments)?;
            let text: Vec<char> = text.chars().collect();
            let last = match from {
                Some(from) => position("lastIndexOf", from, text.len())?,
                None => text.len(),
            };
            let found = (0..=last).rev().find(|start| starts_at(&text, *start, &wanted));
            Ok(Value::Int(place(found)))
        },
    );
}

fn substring(This(text): This<Arc<String>>, Arguments(arguments): Arguments) -> Answer {
    let characters: Vec<char> = text.chars().collect();
    let index = |place: usize| match arguments.get(place) {
        Some(Value::Int(index)) => position("substring", *index, characters.len()).map(Some),
        Some(_) => Err(ExecutionError::NoSuchOverload),
        None => Ok(None),
    };
    let start = index(0)?.ok_or(ExecutionError::NoSuchOverload)?;
    let end = index(1)?.unwrap_or(characters.len());
    let part = characters.get(start..end).ok_or_else(|| failed("substring"))?;
    Ok(string(part.iter().collect()))
}

fn replace(This(text): This<Arc<String>>, Arguments(arguments): Arguments) -> Answer {
    match arguments.as_slice() {
        [Value::String(old), Value::String(new)] => Ok(string(text.replace(old.as_str(), new))),
        [Value::String(old), Value::String(new), Value::Int(most)] => Ok(string(match usize::try_from(*most) {
            Ok(most) => text.replacen(old.as_str(), new, most),
            // A negative number means all.
            Err(_) => text.replace(old.as_str(), new),
        })),
        _ => Err(ExecutionError::NoSuchOverload),
    }
}

fn split(This(text): This<Arc<String>>, Arguments(arguments): Arguments) -> Answer {
    let (separator, most) = match arguments.as_slice() {
        [Value::String(separator)] => (separator, -1),
        [Value::String(separator), Value::Int(most)] => (separator, *most),
        _ => return Err(ExecutionError::NoSuchOverload),
    };
    let characters = || text.chars().map(|character| character.to_string()).collect();
    let parts: Vec<String> = match usize::try_from(most) {
        Ok(0) => Vec::new(),
        Ok(most) => text.splitn(most, separator.as_str()).map(str::to_owned).collect(),
        Err(_) if separator.is_empty() => characters(),
        Err(_) => text.split(separator.as_str()).map(str::to_owned).collect(),
    };
    Ok(Value::List(Arc::new(parts.into_iter().map(string).collect())))
}

fn join(This(items): This<Arc<Vec<Value>>>, Arguments(arguments): Arguments) -> Answer {
    let separator = match arguments.as_slice() {
        [] => String::new(),
        [Value::String(separator)] => separator.as_str().to_owned(),
        _ => return Err(ExecutionError::NoSuchOverload),
    };
    let texts: Result<Vec<&str>, ExecutionError> = items
        .iter()
        .map(|item| match item {
            Value::String(text) => Ok(text.as_str()),
            _ => Err(ExecutionError::NoSuchOverload),
        })
        .collect();
    Ok(string(texts?.join(&separator)))
}

fn searched(arguments: &[Value]) -> Result<(Vec<char>, Option<i64>), ExecutionError> {
    match arguments {
        [Value::String(wanted)] => Ok((wanted.chars().collect(), None)),
        [Value::String(wanted), Value::Int(from)] => Ok((wanted.chars().collect(), Some(*from))),
        _ => Err(ExecutionError::NoSuchOverload),
    }
}

fn starts_at(text: &[char], start: usize, wanted: &[char]) -> bool {
    text.get(start..).is_some_and(|rest| rest.starts_with(wanted))
}

fn place(found: Option<usize>) -> i64 {
    found.and_then(|found| i64::try_from(found).ok()).unwrap_or(-1)
}

fn position(function: &str, index: i64, length: usize) -> Result<usize, ExecutionError> {
    let index = usize::try_from(index).ok().filter(|index| *index <= length);
    index.ok_or_else(|| failed(function))
}

fn list(value: &Value) -> Result<&[Value], ExecutionError> {
    match value {
        Value::List(items) => Ok(items),
        _ => Err(ExecutionError::NoSuchOverload),
    }
}

fn string(text: String) -> Value {
    Value::String(Arc::new(text))
}

fn failed(function: &str) -> ExecutionError {
    ExecutionError::function_error(function, "argument out of range")
}
