//! `eq`, `lt` and `le`, of which the others are made.

use crate::exec::{Operand, shown};
use crate::value::{FunctionError, Key, Value};

#[derive(Clone, Copy, PartialEq, Eq)]
enum BasicKind {
    Bool,
    Int,
    Uint,
    Float,
    String,
}

const fn basic_kind(value: &Value) -> Option<BasicKind> {
    match value {
        Value::Bool(_) => Some(BasicKind::Bool),
        Value::Int(..) => Some(BasicKind::Int),
        Value::Uint(..) => Some(BasicKind::Uint),
        Value::Float(..) => Some(BasicKind::Float),
        Value::String(_) => Some(BasicKind::String),
        _ => None,
    }
}

fn incompatible(one: &Value, other: &Value) -> FunctionError {
    let (one, other) = (one.type_name(), other.type_name());
    FunctionError::new(format!("incompatible types for comparison: {one} and {other}"))
}

fn bad_type() -> FunctionError {
    FunctionError::new("invalid type for comparison")
}

/// Whether the first equals one of the others.
pub(super) fn eq(operands: &[Operand]) -> Result<bool, FunctionError> {
    let Some((first, others)) = operands.split_first().filter(|(_, others)| !others.is_empty()) else {
        return Err(FunctionError::new("missing argument for comparison"));
    };
    for other in others {
        if equal(&first.value, &other.value)? {
            return Ok(true);
        }
    }
    Ok(false)
}

#[expect(clippy::float_cmp, reason = "Go compares exactly")]
fn equal(one: &Value, other: &Value) -> Result<bool, FunctionError> {
    Ok(match (one, other) {
        (Value::Bool(one), Value::Bool(other)) => one == other,
        (Value::Int(_, one), Value::Int(_, other)) => one == other,
        (Value::Uint(_, one), Value::Uint(_, other)) => one == other,
        (Value::Float(_, one), Value::Float(_, other)) => one == other,
        (Value::String(one), Value::String(other)) => one == other,
        (Value::Int(_, signed), Value::Uint(_, unsigned))
        | (Value::Uint(_, unsigned), Value::Int(_, signed)) => u64::try_from(*signed) == Ok(*unsigned),
        _ if basic_kind(one) != basic_kind(other) => {
            if !matches!(one, Value::Nil) && !matches!(other, Value::Nil) {
                return Err(incompatible(one, other));
            }
            false
        }
        _ => return equal_complex(one, other),
    })
}

/// Values of which none is basic.
fn equal_complex(one: &Value, other: &Value) -> Result<bool, FunctionError> {
    let can_compare =
        one.kind_name() == other.kind_name() || matches!(one, Value::Nil) || matches!(other, Value::Nil);
    if !can_compare {
        let text = format!(
            "non-comparable types {}: {}, {}: {}",
            shown(one, 's'),
            one.type_name(),
            other.type_name(),
            shown(other, 'v')
        );
        return Err(FunctionError::new(text));
    }
    if one.is_nil() || other.is_nil() {
        return Ok(one.is_nil() == other.is_nil());
    }
    match (Key::new(one.clone()), Key::new(other.clone())) {
        (Some(one), Some(other)) if is_comparable(other.value()) => Ok(one == other),
        _ => {
            let (text, kind) = (shown(other, 's'), other.type_name());
            Err(FunctionError::new(format!("non-comparable type {text}: {kind}")))
        }
    }
}

/// Whether Go could compare values of the type: structures only if all their fields can be.
fn is_comparable(value: &Value) -> bool {
    match value {
        Value::List(_) | Value::Map(_) | Value::Function(_) => false,
        Value::Object(object) if !object.type_name().starts_with('*') => {
            let mut fields = object.fields().into_iter();
            fields.all(|(name, field)| object.is_interface(name) || is_comparable(&field))
        }
        _ => true,
    }
}

/// Whether the first is less than the second.
pub(super) fn lt(operands: &[Operand]) -> Result<bool, FunctionError> {
    let [one, other] = operands else {
        return Err(bad_type());
    };
    let (one, other) = (&one.value, &other.value);
    if basic_kind(one).is_none() || basic_kind(other).is_none() {
        return Err(bad_type());
    }
    Ok(match (one, other) {
        (Value::Bool(_), Value::Bool(_)) => return Err(bad_type()),
        (Value::Int(_, one), Value::Int(_, other)) => one < other,
        (Value::Uint(_, one), Value::Uint(_, other)) => one < other,
        (Value::Float(_, one), Value::Float(_, other)) => one < other,
        (Value::String(one), Value::String(other)) => one < other,
        (Value::Int(_, one), Value::Uint(_, other)) => {
            u64::try_from(*one).is_ok_and(|one| one < *other) || *one < 0
        }
        (Value::Uint(_, one), Value::Int(_, other)) => u64::try_from(*other).is_ok_and(|other| *one < other),
        _ => return Err(incompatible(one, other)),
    })
}

/// Whether the first is less than the second or equals it.
pub(super) fn le(operands: &[Operand]) -> Result<bool, FunctionError> {
    if lt(operands)? {
        return Ok(true);
    }
    eq(operands)
}
