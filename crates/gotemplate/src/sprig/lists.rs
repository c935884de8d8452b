//! Lists, and what tells empty values from others.

use super::{Outcome, Table, fail, room};
use crate::convert::to_int;
use crate::number::float_to_int;
use crate::value::{Arguments, Context, FunctionError, List, Type, Value, deep_equal};

pub(super) const TABLE: Table<'static> = &[
    ("list", "a*:A", |c, a| any_list(c, a.all().to_vec())),
    ("tuple", "a*:A", |c, a| any_list(c, a.all().to_vec())),
    ("append", "aa:A", |c, a| push(c, a)),
    ("push", "aa:A", |c, a| push(c, a)),
    ("mustAppend", "aa:A", |c, a| push(c, a)),
    ("mustPush", "aa:A", |c, a| push(c, a)),
    ("prepend", "aa:A", |c, a| prepend(c, a)),
    ("mustPrepend", "aa:A", |c, a| prepend(c, a)),
    ("first", "a:a", |_, a| {
        Ok(items(a.value(0), "find first on")?
            .first()
            .cloned()
            .unwrap_or_default())
    }),
    ("mustFirst", "a:a", |_, a| {
        Ok(items(a.value(0), "find first on")?
            .first()
            .cloned()
            .unwrap_or_default())
    }),
    ("last", "a:a", |_, a| {
        Ok(items(a.value(0), "find last on")?
            .last()
            .cloned()
            .unwrap_or_default())
    }),
    ("mustLast", "a:a", |_, a| {
        Ok(items(a.value(0), "find last on")?
            .last()
            .cloned()
            .unwrap_or_default())
    }),
    ("rest", "a:A", |c, a| {
        some(
            c,
            items(a.value(0), "find rest on")?
                .split_first()
                .map(|(_, rest)| rest),
        )
    }),
    ("mustRest", "a:A", |c, a| {
        some(
            c,
            items(a.value(0), "find rest on")?
                .split_first()
                .map(|(_, rest)| rest),
        )
    }),
    ("initial", "a:A", |c, a| {
        some(
            c,
            items(a.value(0), "find initial on")?
                .split_last()
                .map(|(_, rest)| rest),
        )
    }),
    ("mustInitial", "a:A", |c, a| {
        some(
            c,
            items(a.value(0), "find initial on")?
                .split_last()
                .map(|(_, rest)| rest),
        )
    }),
    ("reverse", "a:A", |c, a| reverse(c, a)),
    ("mustReverse", "a:A", |c, a| reverse(c, a)),
    ("compact", "a:A", |c, a| compact(c, a)),
    ("mustCompact", "a:A", |c, a| compact(c, a)),
    ("uniq", "a:A", |c, a| uniq(c, a)),
    ("mustUniq", "a:A", |c, a| uniq(c, a)),
    ("without", "aa*:A", |c, a| without(c, a)),
    ("mustWithout", "aa*:A", |c, a| without(c, a)),
    ("has", "aa:b", |c, a| has(c, a)),
    ("mustHas", "aa:b", |c, a| has(c, a)),
    ("slice", "aa*:a", |c, a| slice(c, a)),
    ("mustSlice", "aa*:a", |c, a| slice(c, a)),
    ("concat", "a*:a", |c, a| concat(c, a)),
    ("chunk", "ia:C", |c, a| chunk(c, a)),
    ("mustChunk", "ia:C", |c, a| chunk(c, a)),
    ("default", "aa*:a", |_, a| {
        Ok(a.from(1)
            .first()
            .filter(|value| value.truth())
            .unwrap_or_else(|| a.value(0))
            .clone())
    }),
    ("empty", "a:b", |_, a| Ok((!a.value(0).truth()).into())),
    ("coalesce", "a*:a", |_, a| {
        Ok(a.all()
            .iter()
            .find(|value| value.truth())
            .cloned()
            .unwrap_or_default())
    }),
    ("all", "a*:b", |_, a| Ok(a.all().iter().all(Value::truth).into())),
    ("any", "a*:b", |_, a| Ok(a.all().iter().any(Value::truth).into())),
    ("ternary", "aab:a", |_, a| {
        Ok(a.value(usize::from(!a.bool(2))).clone())
    }),
    ("shuffle", "s:s", |_, _| {
        fail("shuffle draws random numbers: templates give the same result each time")
    }),
];

fn list_of(value: &Value, wrong: impl FnOnce(&str) -> String) -> Result<&List, FunctionError> {
    match value {
        Value::List(list) => Ok(list),
        Value::Nil => Err(FunctionError::nil_dereference()),
        value => fail(wrong(value.kind_name())),
    }
}

/// The elements of a list; `what` completes the message for what is none.
fn items<'v>(value: &'v Value, what: &str) -> Result<&'v [Value], FunctionError> {
    list_of(value, |kind| format!("Cannot {what} type {kind}")).map(List::items)
}

fn any_list(context: &mut Context<'_>, items: Vec<Value>) -> Outcome {
    room(context, items.len())?;
    Ok(Value::List(List::typed(Type::Any, items)))
}

/// A list of these elements, or the nil list.
fn some(context: &mut Context<'_>, items: Option<&[Value]>) -> Outcome {
    match items {
        Some(items) => any_list(context, items.to_vec()),
        None => Ok(Value::List(List::nil(Type::Any))),
    }
}

fn push(context: &mut Context<'_>, a: &Arguments<'_>) -> Outcome {
    let mut list = items(a.value(0), "push on")?.to_vec();
    list.push(a.value(1).clone());
    any_list(context, list)
}

fn prepend(context: &mut Context<'_>, a: &Arguments<'_>) -> Outcome {
    let mut list = vec![a.value(1).clone()];
    list.extend_from_slice(items(a.value(0), "prepend on")?);
    any_list(context, list)
}

fn reverse(context: &mut Context<'_>, a: &Arguments<'_>) -> Outcome {
    let list = items(a.value(0), "find reverse on")?
        .iter()
        .rev()
        .cloned()
        .collect();
    any_list(context, list)
}

fn compact(context: &mut Context<'_>, a: &Arguments<'_>) -> Outcome {
    let list = items(a.value(0), "compact on")?
        .iter()
        .filter(|item| item.truth());
    any_list(context, list.cloned().collect())
}

fn is_in(context: &mut Context<'_>, list: &[Value], needle: &Value) -> Result<bool, FunctionError> {
    for item in list {
        if deep_equal(context, needle, item)? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn uniq(context: &mut Context<'_>, a: &Arguments<'_>) -> Outcome {
    let mut kept = Vec::new();
    for item in items(a.value(0), "find uniq on")? {
        if !is_in(context, &kept, item)? {
            kept.push(item.clone());
        }
    }
    any_list(context, kept)
}

fn without(context: &mut Context<'_>, a: &Arguments<'_>) -> Outcome {
    let mut kept = Vec::new();
    for item in items(a.value(0), "find without on")? {
        if !is_in(context, a.from(1), item)? {
            kept.push(item.clone());
        }
    }
    any_list(context, kept)
}

fn has(context: &mut Context<'_>, a: &Arguments<'_>) -> Outcome {
    if matches!(a.value(1), Value::Nil) {
        return Ok(false.into());
    }
    let list = items(a.value(1), "find has on")?;
    Ok(is_in(context, list, a.value(0))?.into())
}

fn slice(context: &mut Context<'_>, a: &Arguments<'_>) -> Outcome {
    let list = list_of(a.value(0), |kind| {
        format!("list should be type of slice or array but {kind}")
    })?;
    if list.is_empty() {
        return Ok(Value::Nil);
    }
    let start = a.from(1).first().map_or(0, to_int);
    let end = a
        .from(2)
        .first()
        .map_or_else(|| i64::try_from(list.len()).unwrap_or(i64::MAX), to_int);
    let range = usize::try_from(start).ok().zip(usize::try_from(end).ok());
    let Some(items) = range.and_then(|(start, end)| list.items().get(start..end)) else {
        return fail("reflect.Value.Slice: slice index out of bounds");
    };
    room(context, items.len())?;
    Ok(Value::List(List::typed(list.element().clone(), items.to_vec())))
}

fn concat(context: &mut Context<'_>, a: &Arguments<'_>) -> Outcome {
    let mut joined = Vec::new();
    for value in a.all() {
        let list = list_of(value, |kind| format!("Cannot concat type {kind} as list"))?;
        room(context, list.len())?;
        joined.extend_from_slice(list.items());
    }
    Ok(Value::List(if joined.is_empty() {
        List::nil(Type::Any)
    } else {
        List::typed(Type::Any, joined)
    }))
}

fn chunk(context: &mut Context<'_>, a: &Arguments<'_>) -> Outcome {
    let items = items(a.value(1), "chunk")?;
    let (size, length) = (a.int(0) as f64, items.len() as f64);
    let out_of_range = || FunctionError::new("runtime error: makeslice: len out of range");
    // The original computes in floating point, which decides about sizes below one.
    let count = float_to_int(((length - 1.0) / size).floor() + 1.0);
    let count = usize::try_from(count).map_err(|_| out_of_range())?;
    room(context, items.len())?;
    let mut chunks = Vec::new();
    let mut rest = items;
    for index in 0..count {
        let mut wanted = size;
        if index + 1 == count {
            wanted = (length % size).floor();
            if wanted == 0.0 {
                wanted = size;
            }
        }
        let wanted = usize::try_from(float_to_int(wanted)).map_err(|_| out_of_range())?;
        let (chunk, after) = rest.split_at(wanted.min(rest.len()));
        chunks.push(Value::list(chunk.to_vec()));
        rest = after;
    }
    Ok(Value::List(List::typed(Type::any_list(), chunks)))
}
