//! Dates and durations, as far as they need neither a clock nor the zone of the machine: times without a zone are UTC.

use super::time::{Time, duration_text, parse_duration};
use super::{Outcome, Table, fail, signature};
use crate::number::parse_int_radix;
use crate::value::{Arguments, Context, FunctionError, Object, Signature, Value};

pub(super) const TABLE: Table<'static> = &[
    ("duration", "a:s", |_, a| {
        let seconds = match a.value(0) {
            Value::String(text) => parse_int_radix(&text.to_string_lossy(), 10).unwrap_or_default(),
            Value::Int(crate::value::IntKind::Int64, seconds) => *seconds,
            _ => 0,
        };
        Ok(duration_text(seconds.wrapping_mul(1_000_000_000)).into())
    }),
    ("durationRound", "a:s", |_, a| duration_round(a)),
    ("mustDateModify", "st:t", |_, a| modify(a)),
    ("must_date_modify", "st:t", |_, a| modify(a)),
    ("toDate", "ss:t", |_, a| {
        let time = parse(a).unwrap_or_else(|_| Time::zero());
        Ok(Value::object(time))
    }),
    ("mustToDate", "ss:t", |_, a| Ok(Value::object(parse(a)?))),
    ("unixEpoch", "t:s", |_, a| {
        Ok(time(a.value(0))?.seconds().to_string().into())
    }),
    ("ago", "a:s", |_, _| {
        fail("ago needs a clock: templates give the same result each time")
    }),
];

fn parse(a: &Arguments<'_>) -> Result<Time, FunctionError> {
    Time::parse(&a.text(0).to_string_lossy(), &a.text(1).to_string_lossy()).map_err(FunctionError::new)
}

fn time(value: &Value) -> Result<&Time, FunctionError> {
    match value {
        Value::Object(object) => (object.as_ref() as &dyn std::any::Any)
            .downcast_ref()
            .ok_or_else(FunctionError::nil_dereference),
        _ => Err(FunctionError::nil_dereference()),
    }
}

fn modify(a: &Arguments<'_>) -> Outcome {
    let nanoseconds = parse_duration(&a.text(0).to_string_lossy()).map_err(FunctionError::new)?;
    Ok(Value::object(time(a.value(1))?.plus(nanoseconds)))
}

fn duration_round(a: &Arguments<'_>) -> Outcome {
    let nanoseconds = match a.value(0) {
        Value::String(text) => parse_duration(&text.to_string_lossy()).unwrap_or_default(),
        Value::Int(crate::value::IntKind::Int64, nanoseconds) => *nanoseconds,
        Value::Object(_) => return fail("durationRound of a time needs a clock"),
        _ => 0,
    };
    let magnitude = nanoseconds.unsigned_abs();
    let units = [
        (31_536_000, "y"),
        (2_592_000, "mo"),
        (86_400, "d"),
        (3_600, "h"),
        (60, "m"),
        (1, "s"),
    ];
    let rounded = units.iter().find_map(|(seconds, unit)| {
        let length = seconds * 1_000_000_000_u64;
        (magnitude > length).then(|| format!("{}{unit}", magnitude / length))
    });
    Ok(rounded.unwrap_or_else(|| "0s".to_owned()).into())
}

impl Object for Time {
    fn type_name(&self) -> String {
        "time.Time".to_owned()
    }

    fn fields(&self) -> Vec<(&'static str, Value)> {
        vec![
            ("wall", Value::int64(self.nanosecond())),
            ("ext", Value::int64(self.seconds())),
            ("loc", self.format("-07:00:00 MST").into()),
        ]
    }

    fn method(&self, name: &str) -> Option<Signature> {
        Some(signature(match name {
            "Format" => "s:s",
            "String" => ":s",
            "Unix" | "UnixMilli" | "UnixMicro" | "UnixNano" => ":l",
            "Year" | "Day" | "Hour" | "Minute" | "Second" | "Nanosecond" | "YearDay" => ":i",
            "UTC" => ":t",
            "IsZero" => ":b",
            "Before" | "After" | "Equal" => "t:b",
            "AddDate" => "iii:t",
            _ => return None,
        }))
    }

    fn call(&self, name: &str, _: &mut Context<'_>, a: &Arguments<'_>) -> Outcome {
        let civil = self.civil();
        Ok(match name {
            "Format" => self.format(&a.text(0).to_string_lossy()).into(),
            "String" => self.to_text().into(),
            "Unix" => Value::int64(self.seconds()),
            "UnixMilli" => Value::int64(self.nanoseconds(1_000)),
            "UnixMicro" => Value::int64(self.nanoseconds(1_000_000)),
            "UnixNano" => Value::int64(self.nanoseconds(1_000_000_000)),
            "Year" => Value::int(civil.year),
            "Day" => Value::int(civil.day),
            "Hour" => Value::int(civil.hour),
            "Minute" => Value::int(civil.minute),
            "Second" => Value::int(civil.second),
            "Nanosecond" => Value::int(self.nanosecond()),
            "YearDay" => Value::int(civil.year_day),
            "UTC" => Value::object(self.utc()),
            "IsZero" => self.is_zero().into(),
            "Before" => (self.instant() < time(a.value(0))?.instant()).into(),
            "After" => (self.instant() > time(a.value(0))?.instant()).into(),
            "Equal" => (self.instant() == time(a.value(0))?.instant()).into(),
            "AddDate" => Value::object(self.add_date(a.int(0), a.int(1), a.int(2))),
            _ => return fail(format!("no method {name}")),
        })
    }

    fn text(&self) -> Option<String> {
        Some(self.to_text())
    }

    fn json(&self) -> Option<Value> {
        Some(self.format("2006-01-02T15:04:05.999999999Z07:00").into())
    }
}
