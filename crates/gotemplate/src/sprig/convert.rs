//! Conversions.

use super::{Outcome, Table};
use crate::convert::{to_float, to_int};
use crate::fmt;
use crate::number::parse_int_radix;
use crate::value::{Context, Value};

pub(super) const TABLE: Table<'static> = &[
    ("atoi", "s:i", |_, a| {
        let text = a.text(0);
        Ok(Value::int(
            parse_int_radix(&text.to_string_lossy(), 10).unwrap_or_else(|_| saturated(&text)),
        ))
    }),
    ("int64", "a:l", |_, a| Ok(Value::int64(to_int(a.value(0))))),
    ("int", "a:i", |_, a| Ok(Value::int(to_int(a.value(0))))),
    ("float64", "a:f", |_, a| Ok(Value::float(to_float(a.value(0))))),
    ("toDecimal", "a:l", |c, a| to_decimal(c, a.value(0))),
];

/// What `strconv.Atoi` gives beside its error: the nearest number for one that is too large.
fn saturated(text: &crate::text::Text) -> i64 {
    use crate::number::InvalidNumber;
    let text = text.to_string_lossy();
    match parse_int_radix(&text, 10) {
        Ok(number) => number,
        Err(InvalidNumber::Range) if text.starts_with('-') => i64::MIN,
        Err(InvalidNumber::Range) => i64::MAX,
        Err(InvalidNumber::Syntax) => 0,
    }
}

/// The number whose octal digits are written.
fn to_decimal(context: &mut Context<'_>, value: &Value) -> Outcome {
    let text = fmt::display(context, value)?;
    let number = parse_int_radix(&String::from_utf8_lossy(&text), 8);
    Ok(Value::int64(number.unwrap_or_default()))
}
