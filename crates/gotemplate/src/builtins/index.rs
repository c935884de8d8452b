//! `index`, `slice` and `len`.

use crate::exec::Operand;
use crate::value::{Context, FunctionError, Key, List, Type, Value};

fn fail<T>(text: impl Into<String>) -> Result<T, FunctionError> {
    Err(FunctionError::new(text))
}

/// What Go says where it asks no value for its type.
fn zero_value<T>() -> Result<T, FunctionError> {
    fail("reflect: call of reflect.Value.Type on zero Value")
}

/// A value for a parameter or a key of that type: integers are converted.
pub(super) fn converted(value: &Value, kind: &Type) -> Result<Value, FunctionError> {
    let Some(own) = value.type_of() else {
        if !kind.has_nil() {
            return fail(format!("value is nil; should be of type {kind}"));
        }
        return Ok(kind.zero());
    };
    if kind.takes(&own) || *kind == Type::Reflect {
        return Ok(value.clone());
    }
    let number = match value {
        Value::Int(_, number) => i128::from(*number),
        Value::Uint(_, number) => i128::from(*number),
        _ => return fail(format!("value has type {own}; should be {kind}")),
    };
    match kind {
        Type::Int(kind) => Ok(Value::Int(*kind, crate::convert::wrap_int(number, *kind))),
        Type::Uint(kind) => Ok(Value::Uint(*kind, crate::convert::wrap_uint(number, *kind))),
        _ => fail(format!("value has type {own}; should be {kind}")),
    }
}

/// A position up to `end`.
fn position(index: &Value, end: usize) -> Result<usize, FunctionError> {
    let number = match index {
        Value::Int(_, number) => *number,
        Value::Uint(_, number) => number.cast_signed(),
        Value::Nil => return fail("cannot index slice/array with nil"),
        _ => {
            return fail(format!(
                "cannot index slice/array with type {}",
                index.type_name()
            ));
        }
    };
    match usize::try_from(number).ok().filter(|number| *number <= end) {
        Some(position) => Ok(position),
        None => fail(format!("index out of range: {number}")),
    }
}

pub(super) fn index(operands: &[Operand]) -> Result<Operand, FunctionError> {
    let Some((item, indexes)) = operands.split_first() else {
        return zero_value();
    };
    if matches!(item.value, Value::Nil) {
        return fail("index of untyped nil");
    }
    let mut item = item.clone();
    for index in indexes {
        item = match &item.value {
            Value::Nil => return fail("index of nil pointer"),
            Value::String(text) => {
                let at = position(&index.value, text.len())?;
                match text.as_bytes().get(at) {
                    Some(byte) => Operand::plain(Value::byte(*byte)),
                    None => return fail("reflect: string index out of range"),
                }
            }
            Value::List(list) => {
                let at = position(&index.value, list.len())?;
                match list.items().get(at) {
                    Some(found) => Operand::of(found.clone(), list.element()),
                    None => return fail("reflect: slice index out of range"),
                }
            }
            Value::Map(map) => {
                let key = Key::new(converted(&index.value, map.key())?);
                let found = key.and_then(|key| map.get(&key));
                Operand::of(found.unwrap_or_else(|| map.element().zero()), map.element())
            }
            value => return fail(format!("can't index item of type {}", value.type_name())),
        };
    }
    Ok(item)
}

pub(super) fn slice(context: &mut Context<'_>, operands: &[Operand]) -> Result<Value, FunctionError> {
    let Some((item, indexes)) = operands.split_first() else {
        return zero_value();
    };
    if matches!(item.value, Value::Nil) {
        return fail("slice of untyped nil");
    }
    if indexes.len() > 3 {
        return fail(format!("too many slice indexes: {}", indexes.len()));
    }
    let length = match &item.value {
        Value::String(_) if indexes.len() == 3 => return fail("cannot 3-index slice a string"),
        Value::String(text) => text.len(),
        Value::List(list) => list.len(),
        value => return fail(format!("can't slice item of type {}", value.type_name())),
    };
    let mut bounds = [0, length, length];
    for (bound, index) in bounds.iter_mut().zip(indexes) {
        *bound = position(&index.value, length)?;
    }
    let [start, end, limit] = bounds;
    if start > end {
        return fail(format!("invalid slice index: {start} > {end}"));
    }
    if end > limit {
        return fail(format!("invalid slice index: {end} > {limit}"));
    }
    context.step(end - start)?;
    Ok(match &item.value {
        Value::String(text) => Value::string(text.as_bytes().get(start..end).unwrap_or_default()),
        Value::List(list) => {
            let items = list.items().get(start..end).unwrap_or_default();
            Value::List(List::typed(list.element().clone(), items.to_vec()))
        }
        _ => Value::Nil,
    })
}

pub(super) fn len(operand: Option<&Operand>) -> Result<Value, FunctionError> {
    let length = match operand.map(|operand| (&operand.value, operand.boxed)) {
        None | Some((Value::Nil, false)) => return zero_value(),
        Some((Value::Nil, true)) => return fail("len of nil pointer"),
        Some((Value::String(text), _)) => text.len(),
        Some((Value::List(list), _)) => list.len(),
        Some((Value::Map(map), _)) => map.len(),
        Some((value, _)) => return fail(format!("len of type {}", value.type_name())),
    };
    Ok(Value::int(i64::try_from(length).unwrap_or(i64::MAX)))
}
