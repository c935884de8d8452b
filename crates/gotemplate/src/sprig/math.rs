//! Arithmetic.

use super::{Outcome, Table, fail, room};
use crate::buffer::Buffer;
use crate::convert::{to_float, to_int};
use crate::value::{Arguments, Context, FunctionError, List, Type, Value};

pub(super) const TABLE: Table<'static> = &[
    ("add1", "a:l", |_, a| {
        Ok(Value::int64(to_int(a.value(0)).wrapping_add(1)))
    }),
    ("add", "a*:l", |_, a| {
        Ok(Value::int64(ints(a.all()).fold(0, i64::wrapping_add)))
    }),
    ("sub", "aa:l", |_, a| {
        Ok(Value::int64(to_int(a.value(0)).wrapping_sub(to_int(a.value(1)))))
    }),
    ("mul", "aa*:l", |_, a| {
        Ok(Value::int64(ints(a.all()).fold(1, i64::wrapping_mul)))
    }),
    ("div", "aa:l", |_, a| divide(a, i64::wrapping_div)),
    ("mod", "aa:l", |_, a| divide(a, i64::wrapping_rem)),
    ("max", "aa*:l", |_, a| {
        Ok(Value::int64(ints(a.all()).max().unwrap_or_default()))
    }),
    ("biggest", "aa*:l", |_, a| {
        Ok(Value::int64(ints(a.all()).max().unwrap_or_default()))
    }),
    ("min", "aa*:l", |_, a| {
        Ok(Value::int64(ints(a.all()).min().unwrap_or_default()))
    }),
    ("maxf", "aa*:f", |_, a| {
        Ok(Value::float(extreme(a, |one, other| one > other)))
    }),
    ("minf", "aa*:f", |_, a| {
        Ok(Value::float(extreme(a, |one, other| one < other)))
    }),
    ("ceil", "a:f", |_, a| {
        Ok(Value::float(to_float(a.value(0)).ceil()))
    }),
    ("floor", "a:f", |_, a| {
        Ok(Value::float(to_float(a.value(0)).floor()))
    }),
    ("round", "aif*:f", |_, a| Ok(Value::float(round(a)))),
    ("until", "i:I", |c, a| {
        let count = a.int(0);
        numbers(c, 0, count, if count < 0 { -1 } else { 1 }).map(int_list)
    }),
    ("untilStep", "iii:I", |c, a| {
        numbers(c, a.int(0), a.int(1), a.int(2)).map(int_list)
    }),
    ("seq", "i*:s", seq),
    ("randInt", "ii:i", |_, _| {
        fail("randInt draws a random number: templates give the same result each time")
    }),
];

fn ints(values: &[Value]) -> impl Iterator<Item = i64> + '_ {
    values.iter().map(to_int)
}

fn divide(a: &Arguments<'_>, operation: fn(i64, i64) -> i64) -> Outcome {
    match to_int(a.value(1)) {
        0 => fail("runtime error: integer divide by zero"),
        divisor => Ok(Value::int64(operation(to_int(a.value(0)), divisor))),
    }
}

fn extreme(a: &Arguments<'_>, is_better: fn(f64, f64) -> bool) -> f64 {
    let mut best = to_float(a.value(0));
    for value in a.from(1) {
        let number = to_float(value);
        if number.is_nan() || is_better(number, best) {
            best = number;
        }
        if best.is_nan() {
            break;
        }
    }
    best
}

fn round(a: &Arguments<'_>) -> f64 {
    let round_on = a.from(2).first().map_or(0.5, to_float);
    let power = 10_f64.powf(a.int(1) as f64);
    let digit = power * to_float(a.value(0));
    let rounded = if digit.fract() >= round_on {
        digit.ceil()
    } else {
        digit.floor()
    };
    rounded / power
}

/// The numbers from `start` to before `stop`.
fn numbers(context: &mut Context<'_>, start: i64, stop: i64, step: i64) -> Result<Vec<i64>, FunctionError> {
    let mut numbers = Vec::new();
    if step == 0 || (stop < start) != (step < 0) {
        return Ok(numbers);
    }
    let distance = (i128::from(stop) - i128::from(start)).unsigned_abs();
    let count = distance.div_ceil(i128::from(step).unsigned_abs());
    room(context, usize::try_from(count).unwrap_or(usize::MAX))?;
    let mut number = start;
    while if step > 0 { number < stop } else { number > stop } {
        numbers.push(number);
        match number.checked_add(step) {
            Some(next) => number = next,
            None => break,
        }
    }
    Ok(numbers)
}

fn int_list(numbers: Vec<i64>) -> Value {
    Value::List(List::typed(
        Type::INT,
        numbers.into_iter().map(Value::int).collect(),
    ))
}

fn seq(context: &mut Context<'_>, a: &Arguments<'_>) -> Outcome {
    let (start, step, end) = match a.all() {
        [_] => (1, None, a.int(0)),
        [_, _] => (a.int(0), None, a.int(1)),
        [_, _, _] => (a.int(0), Some(a.int(1)), a.int(2)),
        _ => return Ok("".into()),
    };
    let direction = if end < start { -1 } else { 1 };
    if end < start && step.is_some_and(|step| step > 0) {
        return Ok("".into());
    }
    let numbers = numbers(
        context,
        start,
        end.wrapping_add(direction),
        step.unwrap_or(direction),
    )?;
    let mut out = Buffer::new(context);
    for (index, number) in numbers.iter().enumerate() {
        if index > 0 {
            out.push(b" ");
        }
        out.push_str(&number.to_string());
    }
    Ok(Value::string(out.finish(context)?))
}
