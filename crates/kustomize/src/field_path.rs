//! Paths to fields, as replacements and variables write them: `spec.containers.[name=web].image`.

use fluxbot_yaml::{Map, Value};
use regex::Regex;

use crate::scalar;

/// Splits a path. Parts in brackets stay together; a part with `=` in it keeps its brackets.
pub(crate) fn split(path: &str) -> Vec<String> {
    let parts = split_at(path, '.');
    let mut found = Vec::new();
    let mut parts = parts.into_iter();
    while let Some(part) = parts.next() {
        if !part.starts_with('[') || part.ends_with(']') {
            found.push(part);
            continue;
        }
        let mut whole = part;
        for next in parts.by_ref() {
            whole.push('.');
            whole.push_str(&next);
            if next.ends_with(']') {
                break;
            }
        }
        if whole.contains('=') {
            found.push(whole);
        } else {
            found.push(whole.trim_matches(['[', ']']).to_owned());
        }
    }
    found
}

/// Splits at a character that no backslash precedes.
pub(crate) fn split_at(path: &str, delimiter: char) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let path = path.strip_prefix(delimiter).unwrap_or(path);
    for part in path.split(delimiter) {
        match found.last_mut() {
            Some(last) if last.ends_with('\\') => {
                last.pop();
                last.push(delimiter);
                last.push_str(part);
            }
            _ => found.push(part.to_owned()),
        }
    }
    found
}

/// What a part of a path stands for.
enum Part<'p> {
    Index(usize),
    /// An item of a list by a field of it, or by itself.
    Item(&'p str, &'p str),
    Every,
    Field(&'p str),
}

fn part(text: &str) -> Result<Part<'_>, String> {
    if let Ok(index) = text.parse::<i64>()
        && let Ok(index) = usize::try_from(index)
    {
        return Ok(Part::Index(index));
    }
    if text == "*" {
        return Ok(Part::Every);
    }
    let Some(inner) = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) else {
        return Ok(Part::Field(text));
    };
    match inner.split_once('=') {
        Some((field, value)) => Ok(Part::Item(field, value)),
        None => Err("list path element must contain fieldName=fieldValue for element to match".to_owned()),
    }
}

/// What a value is, for what is created in its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Scalar,
    List,
    Map,
}

impl Kind {
    pub(crate) fn of(value: &Value) -> Self {
        match value {
            Value::List(_) => Self::List,
            Value::Map(_) => Self::Map,
            _ => Self::Scalar,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Scalar => "ScalarNode",
            Self::List => "SequenceNode",
            Self::Map => "MappingNode",
        }
    }
}

fn wrong_kind(wanted: Kind, value: &Value) -> String {
    format!(
        "wrong node kind: expected {} but got {}: node contents:\n{}",
        wanted.name(),
        Kind::of(value).name(),
        value.to_yaml()
    )
}

/// The value at a path, or nothing. Where the original takes the first of several, so does this.
pub(crate) fn look_up<'v>(value: &'v Value, path: &[String]) -> Result<Option<&'v Value>, String> {
    let mut value = value;
    for name in path
        .iter()
        .map(|name| name.trim())
        .filter(|name| !name.is_empty())
    {
        let next = match (name, part(name)) {
            ("-", _) => list(value)?.last(),
            ("*", _) => return Err("wildcard is not supported in PathGetter".to_owned()),
            (_, Ok(Part::Index(index))) => list(value)?.get(index),
            (_, Ok(Part::Item(field, text))) => list(value)?.iter().find(|item| is_item(item, field, text)),
            (_, Err(reason)) => return Err(reason),
            _ => match value {
                Value::Map(fields) => fields.get(name),
                Value::Null { .. } => None,
                other => return Err(wrong_kind(Kind::Map, other)),
            },
        };
        match next {
            Some(next) => value = next,
            None => return Ok(None),
        }
    }
    Ok(Some(value))
}

fn list(value: &Value) -> Result<&[Value], String> {
    match value {
        Value::List(items) => Ok(items),
        Value::Null { .. } => Ok(&[]),
        other => Err(wrong_kind(Kind::List, other)),
    }
}

fn is_item(item: &Value, field: &str, text: &str) -> bool {
    let value = if field.is_empty() {
        Some(item)
    } else {
        item.get(field)
    };
    value.and_then(Value::text).is_some_and(|found| found == text)
}

/// Calls `set` for each value that a path leads to, and counts them.
///
/// With `create`, what is missing on the way is created: lists where the next part is an index or an item, maps otherwise, and
/// at the end a value of that kind.
pub(crate) fn visit(
    value: &mut Value,
    path: &[String],
    create: Option<Kind>,
    set: &mut dyn FnMut(&mut Value, Created) -> Result<(), String>,
) -> Result<usize, String> {
    walk(value, path, create, Created::No, set)
}

/// Whether a value was there before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Created {
    No,
    Yes,
}

fn walk(
    value: &mut Value,
    path: &[String],
    create: Option<Kind>,
    created: Created,
    set: &mut dyn FnMut(&mut Value, Created) -> Result<(), String>,
) -> Result<usize, String> {
    let Some((name, rest)) = path.split_first() else {
        set(value, created)?;
        return Ok(1);
    };
    match part(name)? {
        Part::Index(index) => walk_index(value, index, rest, create, set),
        Part::Item(field, pattern) => walk_items(value, field, pattern, rest, create, set),
        Part::Every => {
            let items = items_of(value)?;
            items.iter_mut().try_fold(0, |count, item| {
                Ok(count + walk(item, rest, create, Created::No, set)?)
            })
        }
        Part::Field(name) => walk_field(value, name, rest, create, created, set),
    }
}

/// The items of a list; a null may become one.
fn items_of(value: &mut Value) -> Result<&mut Vec<Value>, String> {
    if value.is_null() {
        *value = Value::List(Vec::new());
    }
    match value {
        Value::List(items) => Ok(items),
        other => Err(wrong_kind(Kind::List, other)),
    }
}

/// What stands where nothing was, so that the rest of a path can go on.
fn blank(rest: &[String], kind: Kind) -> Value {
    let kind = match rest.first().map(|name| part(name)) {
        None => kind,
        Some(Ok(Part::Index(_) | Part::Item(..))) => Kind::List,
        Some(_) => Kind::Map,
    };
    match kind {
        Kind::Scalar => Value::NULL,
        Kind::List => Value::List(Vec::new()),
        Kind::Map => Value::Map(Map::new()),
    }
}

fn walk_field(
    value: &mut Value,
    name: &str,
    rest: &[String],
    create: Option<Kind>,
    created: Created,
    set: &mut dyn FnMut(&mut Value, Created) -> Result<(), String>,
) -> Result<usize, String> {
    if value.is_null() {
        match create {
            // A null that stands in the file cannot have fields, but what was just created can.
            Some(_) if created == Created::Yes => *value = Value::Map(Map::new()),
            _ => return Ok(0),
        }
    }
    let Value::Map(fields) = value else {
        return Err(wrong_kind(Kind::Map, value));
    };
    let missing = !fields.contains_key(name);
    let Some(kind) = create.filter(|_| missing) else {
        let Some(field) = fields.get_mut(name) else {
            return Ok(0);
        };
        if !rest.is_empty() && field.is_scalar() {
            return look_into_text(field, rest, create);
        }
        return walk(field, rest, create, Created::No, set);
    };
    let field = fields.get_or_insert_with(name, || blank(rest, kind));
    let count = walk(field, rest, create, Created::Yes, set)?;
    Ok(count)
}

/// A text that is YAML itself is searched as the original searches it: what is found there and set is lost.
fn look_into_text(field: &Value, rest: &[String], create: Option<Kind>) -> Result<usize, String> {
    let text = scalar::text(field);
    let mut inner = parse(&text)?;
    walk(&mut inner, rest, create, Created::No, &mut |_, _| Ok(()))
}

/// Reads a text as YAML.
pub(crate) fn parse(text: &str) -> Result<Value, String> {
    let documents = fluxbot_yaml::parse(text, fluxbot_yaml::Reading::Kustomize)
        .map_err(|error| format!("yaml: {}", error.reason))?;
    Ok(documents
        .into_iter()
        .next()
        .map_or(Value::NULL, fluxbot_yaml::Node::into_value))
}

fn walk_index(
    value: &mut Value,
    index: usize,
    rest: &[String],
    create: Option<Kind>,
    set: &mut dyn FnMut(&mut Value, Created) -> Result<(), String>,
) -> Result<usize, String> {
    let items = items_of(value)?;
    let mut created = Created::No;
    if let Some(kind) = create.filter(|_| items.len() == index) {
        items.push(blank(rest, kind));
        created = Created::Yes;
    }
    let length = items.len();
    let item = items
        .get_mut(index)
        .ok_or_else(|| format!("index {index} specified but only {length} elements found"))?;
    walk(item, rest, create, created, set)
}

fn walk_items(
    value: &mut Value,
    field: &str,
    pattern: &str,
    rest: &[String],
    create: Option<Kind>,
    set: &mut dyn FnMut(&mut Value, Created) -> Result<(), String>,
) -> Result<usize, String> {
    let items = items_of(value)?;
    let expression =
        Regex::new(pattern).map_err(|error| format!("error parsing regexp: {pattern}: {error}"))?;
    let mut count = 0;
    for item in items.iter_mut() {
        if field.is_empty() {
            if expression.is_match(scalar::text(item).trim()) {
                // As the original has it, the rest of the path does not matter here.
                set(item, Created::No)?;
                count += 1;
            }
            continue;
        }
        let found = item.get(field).map(|value| match value {
            Value::List(_) | Value::Map(_) => value.to_yaml(),
            scalar => scalar::text(scalar),
        });
        if found.is_some_and(|text| expression.is_match(text.trim())) {
            count += walk(item, rest, create, Created::No, set)?;
        }
    }
    if count > 0 || create.is_none() {
        return Ok(count);
    }
    if field.is_empty() {
        items.push(scalar::plain(pattern));
    } else {
        items.push(Value::Map(Map::from([(
            field.to_owned(),
            scalar::plain(pattern),
        )])));
    }
    if !expression.is_match(pattern) {
        // The original would look for it for ever.
        return Err(format!(
            "the element created for \"[{field}={pattern}]\" does not fit it"
        ));
    }
    let Some(item) = items.last_mut() else {
        return Ok(0);
    };
    if field.is_empty() {
        set(item, Created::Yes)?;
        return Ok(1);
    }
    walk(item, rest, create, Created::Yes, set)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_split_at_dots_outside_of_brackets() {
        assert_eq!(
            split("spec.containers.[name=a.b].image"),
            ["spec", "containers", "[name=a.b]", "image"]
        );
        assert_eq!(
            split("metadata.annotations.[a.b/c]"),
            ["metadata", "annotations", "a.b/c"]
        );
        assert_eq!(split(r"metadata.labels.a\.b"), ["metadata", "labels", "a.b"]);
    }
}
