//! The order of keys, and equality in depth.

use std::cmp::Ordering;
use std::collections::HashSet;

use super::{Context, FunctionError, MAX_NESTING, Value};

/// The order in which Go prints keys (`internal/fmtsort`). Keys of different types, which Go orders by chance, are
/// ordered by type.
pub(super) fn compare_keys(one: &Value, other: &Value) -> Ordering {
    match (one, other) {
        (Value::Bool(one), Value::Bool(other)) => one.cmp(other),
        (Value::Int(kind, one), Value::Int(other_kind, other)) => (kind, one).cmp(&(other_kind, other)),
        (Value::Uint(kind, one), Value::Uint(other_kind, other)) => (kind, one).cmp(&(other_kind, other)),
        (Value::Float(kind, one), Value::Float(other_kind, other)) => {
            kind.cmp(other_kind).then_with(|| compare_floats(*one, *other))
        }
        (Value::String(one), Value::String(other)) => one.cmp(other),
        (Value::Object(one), Value::Object(other)) => {
            one.type_name().cmp(&other.type_name()).then_with(|| {
                let (one, other) = (one.fields(), other.fields());
                let mut orders = one
                    .iter()
                    .zip(&other)
                    .map(|((_, one), (_, other))| compare_keys(one, other));
                orders
                    .find(|order| *order != Ordering::Equal)
                    .unwrap_or(Ordering::Equal)
            })
        }
        _ => rank(one).cmp(&rank(other)),
    }
}

fn compare_floats(one: f64, other: f64) -> Ordering {
    match (one.is_nan(), other.is_nan()) {
        (false, false) => one.partial_cmp(&other).unwrap_or(Ordering::Equal),
        (one, other) => other.cmp(&one),
    }
}

const fn rank(value: &Value) -> u8 {
    match value {
        Value::Nil => 0,
        Value::Bool(_) => 1,
        Value::Int(..) => 2,
        Value::Uint(..) => 3,
        Value::Float(..) => 4,
        Value::String(_) => 5,
        Value::Object(_) => 6,
        Value::List(_) => 7,
        Value::Map(_) => 8,
        Value::Function(_) => 9,
    }
}

/// `reflect.DeepEqual`: the same types and the same contents.
pub(crate) fn deep_equal(
    context: &mut Context<'_>,
    one: &Value,
    other: &Value,
) -> Result<bool, FunctionError> {
    equal_at(context, one, other, 0)
}

fn equal_at(
    context: &mut Context<'_>,
    one: &Value,
    other: &Value,
    depth: usize,
) -> Result<bool, FunctionError> {
    context.step(1)?;
    if depth > MAX_NESTING {
        return Err(FunctionError::too_deep());
    }
    Ok(match (one, other) {
        (Value::Nil, Value::Nil) => true,
        (Value::Bool(one), Value::Bool(other)) => one == other,
        (Value::Int(kind, one), Value::Int(other_kind, other)) => kind == other_kind && one == other,
        (Value::Uint(kind, one), Value::Uint(other_kind, other)) => kind == other_kind && one == other,
        #[expect(clippy::float_cmp, reason = "Go compares exactly")]
        (Value::Float(kind, one), Value::Float(other_kind, other)) => kind == other_kind && one == other,
        (Value::String(one), Value::String(other)) => one == other,
        (Value::List(one), Value::List(other)) => {
            if one.element() != other.element() || one.is_nil() != other.is_nil() || one.len() != other.len()
            {
                return Ok(false);
            }
            if one.identity() == other.identity() {
                return Ok(true);
            }
            for (one, other) in one.items().iter().zip(other.items()) {
                if !equal_at(context, one, other, depth + 1)? {
                    return Ok(false);
                }
            }
            true
        }
        (Value::Map(one), Value::Map(other)) => {
            if one.key() != other.key() || one.element() != other.element() || one.is_nil() != other.is_nil()
            {
                return Ok(false);
            }
            if one.identity() == other.identity() {
                return Ok(true);
            }
            let (one, other) = (one.entries(), other.entries());
            if one.len() != other.len() {
                return Ok(false);
            }
            for ((key, value), (other_key, other_value)) in one.iter().zip(other.iter()) {
                if key != other_key || !equal_at(context, value, other_value, depth + 1)? {
                    return Ok(false);
                }
            }
            true
        }
        (Value::Object(one), Value::Object(other)) => {
            if one.type_name() != other.type_name() {
                return Ok(false);
            }
            let (one, other) = (one.fields(), other.fields());
            for ((_, one), (_, other)) in one.iter().zip(&other) {
                if !equal_at(context, one, other, depth + 1)? {
                    return Ok(false);
                }
            }
            one.len() == other.len()
        }
        _ => false,
    })
}

/// The lists and maps within a value by their places in memory, itself included.
pub(crate) fn nodes_within(
    context: &mut Context<'_>,
    value: &Value,
) -> Result<HashSet<usize>, FunctionError> {
    let mut seen = HashSet::new();
    let mut pending = vec![value.clone()];
    while let Some(value) = pending.pop() {
        context.step(1)?;
        match value {
            Value::List(list) if seen.insert(list.identity()) => pending.extend(list.items().iter().cloned()),
            Value::Map(map) if seen.insert(map.identity()) => pending.extend(map.entries().values().cloned()),
            _ => {}
        }
    }
    Ok(seen)
}
