//! Conversions between values: Go's own, and those of spf13/cast, on which sprig relies.

use crate::fmt;
use crate::number::{float_to_int, parse_float, parse_int};
use crate::text::Text;
use crate::value::{Context, FunctionError, IntKind, UintKind, Value};

/// Go's conversion to a signed integer, which keeps the low bits.
pub(crate) const fn wrap_int(number: i128, kind: IntKind) -> i64 {
    match kind {
        IntKind::Int | IntKind::Int64 => number as i64,
        IntKind::Int32 => number as i32 as i64,
        IntKind::Int16 => number as i16 as i64,
        IntKind::Int8 => number as i8 as i64,
    }
}

/// Go's conversion to an unsigned integer, which keeps the low bits.
pub(crate) const fn wrap_uint(number: i128, kind: UintKind) -> u64 {
    match kind {
        UintKind::Uint | UintKind::Uint64 | UintKind::Uintptr => number as u64,
        UintKind::Uint32 => number as u32 as u64,
        UintKind::Uint16 => number as u16 as u64,
        UintKind::Uint8 => number as u8 as u64,
    }
}

/// `cast.ToInt64`: what is no number is zero.
pub(crate) fn to_int(value: &Value) -> i64 {
    match value {
        Value::Int(_, number) => *number,
        Value::Uint(_, number) => number.cast_signed(),
        Value::Float(_, number) => float_to_int(*number),
        Value::Bool(value) => i64::from(*value),
        Value::String(text) => parse_int(without_zero_decimals(&text.to_string_lossy())).unwrap_or_default(),
        _ => 0,
    }
}

/// `1.00` as `1`.
fn without_zero_decimals(text: &str) -> &str {
    let significant = text.trim_end_matches('0');
    match significant.strip_suffix('.') {
        Some(whole) if significant.len() < text.len() => whole,
        _ => text,
    }
}

/// `cast.ToFloat64`: what is no number is zero.
pub(crate) fn to_float(value: &Value) -> f64 {
    match value {
        Value::Int(_, number) => *number as f64,
        Value::Uint(_, number) => *number as f64,
        Value::Float(_, number) => *number,
        Value::Bool(value) => f64::from(u8::from(*value)),
        Value::String(text) => parse_float(&text.to_string_lossy()).unwrap_or_default(),
        _ => 0.0,
    }
}

/// sprig's `toString`.
pub(crate) fn to_text(context: &mut Context<'_>, value: &Value) -> Result<Text, FunctionError> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::List(list) => match list.as_bytes() {
            Some(bytes) => Ok(bytes.into()),
            None => Ok(fmt::display(context, value)?.into()),
        },
        _ => Ok(fmt::display(context, value)?.into()),
    }
}

/// sprig's `toStrings`: the elements as strings, without nil.
pub(crate) fn to_texts(context: &mut Context<'_>, value: &Value) -> Result<Vec<Text>, FunctionError> {
    match value {
        Value::Nil => Ok(Vec::new()),
        Value::List(list) => {
            context.step(list.len())?;
            list.items()
                .iter()
                .filter(|item| !matches!(item, Value::Nil))
                .map(|item| to_text(context, item))
                .collect()
        }
        value => Ok(vec![to_text(context, value)?]),
    }
}
