//! Maps.

use super::{Outcome, Table, fail, room};
use crate::convert::to_text;
use crate::value::{
    Arguments, Context, FunctionError, Key, List, MAX_NESTING, Map, Type, Value, nodes_within,
};

pub(super) const TABLE: Table<'static> = &[
    ("dict", "a*:d", dict),
    ("get", "ds:a", |_, a| {
        Ok(a.map(0).get(&a.text(1).into()).unwrap_or_else(|| "".into()))
    }),
    ("set", "dsa:d", |c, a| {
        insert(c, &a.map(0), a.text(1).into(), a.value(2))?;
        Ok(a.value(0).clone())
    }),
    ("unset", "ds:d", |_, a| {
        a.map(0).remove(&a.text(1).into());
        Ok(a.value(0).clone())
    }),
    ("hasKey", "ds:b", |_, a| {
        Ok(a.map(0).get(&a.text(1).into()).is_some().into())
    }),
    ("pluck", "sd*:A", |_, a| {
        let key = Key::from(a.text(0));
        Ok(Value::list(maps(a.from(1)).filter_map(|map| map.get(&key))))
    }),
    ("keys", "d*:S", keys),
    ("values", "d:A", |c, a| {
        let entries = a.map(0).entries();
        room(c, entries.len())?;
        Ok(Value::list(entries.values().cloned()))
    }),
    ("pick", "ds*:d", |c, a| select(c, a, true)),
    ("omit", "ds*:d", |c, a| select(c, a, false)),
    ("merge", "dd*:a", |c, a| merge_all(c, a, false)),
    ("mustMerge", "dd*:a", |c, a| merge_all(c, a, false)),
    ("mergeOverwrite", "dd*:a", |c, a| merge_all(c, a, true)),
    ("mustMergeOverwrite", "dd*:a", |c, a| merge_all(c, a, true)),
    ("deepCopy", "a:a", |c, a| copied(c, a)),
    ("mustDeepCopy", "a:a", |c, a| copied(c, a)),
    ("dig", "a*:a", dig),
];

/// Stores a value in a map, which must not be in the value.
fn insert(context: &mut Context<'_>, map: &Map, key: Key, value: &Value) -> Result<(), FunctionError> {
    if map.is_nil() {
        return fail("assignment to entry in nil map");
    }
    let is_container = matches!(value, Value::List(_) | Value::Map(_));
    if is_container && nodes_within(context, value)?.contains(&map.identity()) {
        return fail("a map cannot contain itself");
    }
    room(context, 1)?;
    map.insert(key, value.clone());
    Ok(())
}

fn new_dict() -> Map {
    Map::new(Type::String, Type::Any)
}

fn dict(context: &mut Context<'_>, a: &Arguments<'_>) -> Outcome {
    let map = new_dict();
    room(context, a.all().len())?;
    for pair in a.all().chunks(2) {
        let key = to_text(context, pair.first().unwrap_or(&Value::Nil))?;
        map.insert(key.into(), pair.get(1).cloned().unwrap_or_else(|| "".into()));
    }
    Ok(Value::Map(map))
}

fn maps(values: &[Value]) -> impl Iterator<Item = &Map> {
    values.iter().filter_map(|value| match value {
        Value::Map(map) => Some(map),
        _ => None,
    })
}

fn keys(context: &mut Context<'_>, a: &Arguments<'_>) -> Outcome {
    let mut keys = Vec::new();
    for map in maps(a.all()) {
        let entries = map.entries();
        room(context, entries.len())?;
        keys.extend(entries.keys().map(|key| key.value().clone()));
    }
    Ok(Value::List(List::typed(Type::String, keys)))
}

/// The entries with the given keys, or all others.
fn select(context: &mut Context<'_>, a: &Arguments<'_>, listed: bool) -> Outcome {
    #[expect(
        clippy::mutable_key_type,
        reason = "a key is no container: nothing in it can change"
    )]
    let keys: std::collections::BTreeSet<Key> = a.from(1).iter().cloned().filter_map(Key::new).collect();
    let selected = new_dict();
    let entries = a.map(0).entries();
    room(context, entries.len())?;
    for (key, value) in entries.iter().filter(|(key, _)| keys.contains(key) == listed) {
        selected.insert(key.clone(), value.clone());
    }
    Ok(Value::Map(selected))
}

fn merge_all(context: &mut Context<'_>, a: &Arguments<'_>, overwrite: bool) -> Outcome {
    let target = a.map(0);
    for source in maps(a.from(1)) {
        merge(context, &target, source, overwrite, 0)?;
    }
    Ok(a.value(0).clone())
}

/// Merges as dario.cat/mergo does: maps are merged in place, and a value that is empty counts as missing.
fn merge(
    context: &mut Context<'_>,
    target: &Map,
    source: &Map,
    overwrite: bool,
    depth: usize,
) -> Result<(), FunctionError> {
    if depth > MAX_NESTING {
        return Err(FunctionError::too_deep());
    }
    for (key, value) in source.entries().iter() {
        context.step(1)?;
        if value.is_nil() {
            if overwrite {
                insert(context, target, key.clone(), value)?;
            }
            continue;
        }
        let existing = target.get(key);
        if let (Some(Value::Object(_)), Value::Map(_)) = (&existing, value) {
            // The original merges the fields of the structure with those of a map, which has none.
            return fail("reflect: call of reflect.Value.Field on map Value");
        }
        if let (Some(Value::Map(existing)), Value::Map(value)) = (&existing, value)
            && existing.identity() != value.identity()
        {
            merge(context, existing, value, overwrite, depth + 1)?;
        }
        let is_present = existing.as_ref().is_some_and(|existing| !is_empty(existing));
        if is_present {
            let both_maps = matches!((&existing, value), (Some(Value::Map(_)), Value::Map(_)));
            if both_maps || !overwrite {
                continue;
            }
        }
        if !target.element().takes(source.element()) {
            let (own, wanted) = (source.element(), target.element());
            return fail(format!(
                "reflect.Value.SetMapIndex: value of type {own} is not assignable to type {wanted}"
            ));
        }
        insert(context, target, key.clone(), value)?;
    }
    Ok(())
}

/// What mergo takes as not set.
fn is_empty(value: &Value) -> bool {
    !value.truth()
}

fn copied(context: &mut Context<'_>, a: &Arguments<'_>) -> Outcome {
    match a.value(0) {
        // The original has no type to copy.
        Value::Nil => Ok(Value::Nil),
        value => copy(context, value, 0),
    }
}

fn copy(context: &mut Context<'_>, value: &Value, depth: usize) -> Outcome {
    if depth > MAX_NESTING {
        return Err(FunctionError::too_deep());
    }
    room(context, 1)?;
    Ok(match value {
        Value::List(list) if !list.is_nil() => {
            // Collecting results would take memory for more items than there are.
            let mut items = Vec::with_capacity(list.len());
            for item in list.items() {
                items.push(copy(context, item, depth + 1)?);
            }
            Value::List(List::typed(list.element().clone(), items))
        }
        Value::Map(map) if !map.is_nil() => {
            let new = Map::new(map.key().clone(), map.element().clone());
            for (key, item) in map.entries().iter() {
                new.insert(key.clone(), copy(context, item, depth + 1)?);
            }
            Value::Map(new)
        }
        value => value.clone(),
    })
}

fn wrong_type<T>(value: &Value, wanted: &str) -> Result<T, FunctionError> {
    let kind = value
        .type_of()
        .map_or_else(|| "nil".to_owned(), |kind| kind.to_string());
    fail(format!(
        "interface conversion: interface {{}} is {kind}, not {wanted}"
    ))
}

fn as_dict(value: &Value) -> Result<&Map, FunctionError> {
    match value {
        Value::Map(map) if value.type_of() == Some(Type::dict()) => Ok(map),
        value => wrong_type(value, "map[string]interface {}"),
    }
}

fn dig(_: &mut Context<'_>, a: &Arguments<'_>) -> Outcome {
    let [keys @ .., default, map] = a.all() else {
        return fail("dig needs at least three arguments");
    };
    if keys.is_empty() {
        return fail("dig needs at least three arguments");
    }
    as_dict(map)?;
    for key in keys {
        if !matches!(key, Value::String(_)) {
            return wrong_type(key, "string");
        }
    }
    let mut found = map.clone();
    for key in keys.iter().cloned().filter_map(Key::new) {
        let map = as_dict(&found)?;
        match map.get(&key) {
            Some(value) => found = value,
            None => return Ok(default.clone()),
        }
    }
    Ok(found)
}
