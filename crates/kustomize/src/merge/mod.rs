//! Strategic merge patches, as kyaml merges: with the keys of built-in lists, and the directive `$patch`.
//!
//! Lists of kinds without a schema are replaced. The directives `$retainKeys`, `$setElementOrder` and
//! `$deleteFromPrimitiveList` mean nothing to kyaml, so they mean nothing here.

mod lists;

use fluxbot_yaml::{Map, Text, Value};

use crate::scalar;
use crate::schema::{Kinds, Schema};
use lists::{merge_lists, set_element};

const DIRECTIVE: &str = "$patch";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Directive {
    Merge,
    Replace,
    Delete,
}

/// Merges a patch into an object. `None` means that the patch deletes the object.
pub(crate) fn merge_object(kinds: &Kinds, object: Value, patch: Value) -> Result<Option<Value>, String> {
    let pair = Pair {
        dest: Some(object),
        patch: Some(patch),
        same: false,
    };
    merge(kinds, pair, None, &mut Vec::new())
}

/// What is merged.
struct Pair {
    dest: Option<Value>,
    patch: Option<Value>,
    /// Whether both are one value: what a patch adds is merged with itself, which carries out the directives in it.
    same: bool,
}

impl Pair {
    /// Carries out the directive of a map or list. `None` means that the value goes.
    fn opened(self) -> Result<Option<Self>, String> {
        let Self {
            dest,
            mut patch,
            same,
        } = self;
        let adds = is_missing(dest.as_ref());
        if !adds && patch.as_ref().is_some_and(Value::is_null) {
            return Ok(None);
        }
        let directive = match patch {
            // As the original has it, a list that is added keeps its directive, and a map one that nobody knows.
            Some(Value::List(_)) if adds => Directive::Merge,
            _ if adds => take_directive(&mut patch).unwrap_or(Directive::Merge),
            _ => take_directive(&mut patch)?,
        };
        Ok(match directive {
            Directive::Delete => None,
            Directive::Merge if !adds && !same => Some(Self { dest, patch, same }),
            _ => Some(Self {
                dest: patch.clone(),
                patch,
                same: true,
            }),
        })
    }
}

fn is_missing(value: Option<&Value>) -> bool {
    value.is_none_or(Value::is_null)
}

fn merge(
    kinds: &Kinds,
    pair: Pair,
    schema: Option<Schema<'_>>,
    trail: &mut Vec<Text>,
) -> Result<Option<Value>, String> {
    let Pair { dest, patch, same } = pair;
    let schema = schema
        .or_else(|| own_schema(kinds, dest.as_ref()))
        .or_else(|| own_schema(kinds, patch.as_ref()));
    let first = [&dest, &patch]
        .into_iter()
        .flatten()
        .find(|value| !value.is_null());
    let Some(first) = first else {
        // A null that somebody wrote stays as long as no patch says otherwise.
        return Ok(match (dest, patch) {
            (Some(null @ Value::Null { written: true }), None) => Some(null),
            _ => None,
        });
    };
    let shape = Shape::of(first);
    for value in [&dest, &patch].into_iter().flatten() {
        if !value.is_null() && Shape::of(value) != shape {
            return Err(format!(
                "wrong node kind: expected {} but got {} at {}",
                shape.name(),
                Shape::of(value).name(),
                trail.join(".")
            ));
        }
    }
    match (shape, schema.and_then(Schema::merge_keys)) {
        (Shape::Map, _) => {
            let Some(pair) = (Pair { dest, patch, same }).opened()? else {
                return Ok(None);
            };
            merge_maps(kinds, pair, schema, trail).map(Some)
        }
        (Shape::List, Some(keys)) => {
            let Some(pair) = (Pair { dest, patch, same }).opened()? else {
                return Ok(None);
            };
            merge_lists(kinds, pair, keys, schema, trail).map(Some)
        }
        _ => Ok(replaced(dest, patch)),
    }
}

/// What is left of a value that is not merged: the patch's, if there is one. A null takes the value away.
fn replaced(dest: Option<Value>, patch: Option<Value>) -> Option<Value> {
    let Some(value) = patch else {
        return dest.filter(|value| !value.is_null());
    };
    match (dest, value) {
        (_, Value::Null { .. }) => None,
        // As the original has it, quotes stay where they were: a number in the place of a text that needed them is a text.
        (Some(Value::String(old)), value @ (Value::Number(_) | Value::Bool(_)))
            if !matches!(scalar::plain(&old), Value::String(_)) =>
        {
            Some(scalar::text(&value).into())
        }
        (_, value) => Some(value),
    }
}

/// The schema of a value that says itself what it is.
fn own_schema<'k>(kinds: &'k Kinds, value: Option<&Value>) -> Option<Schema<'k>> {
    let text = |key| value.and_then(|value| value.get(key)).and_then(Value::as_str);
    kinds.schema(text("apiVersion")?, text("kind")?)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    Scalar,
    List,
    Map,
}

impl Shape {
    fn of(value: &Value) -> Self {
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

fn merge_maps(
    kinds: &Kinds,
    pair: Pair,
    schema: Option<Schema<'_>>,
    trail: &mut Vec<Text>,
) -> Result<Value, String> {
    let fields = |value: Option<Value>| match value {
        Some(Value::Map(fields)) => fields,
        _ => Map::new(),
    };
    let (mut dest, mut patch) = (fields(pair.dest), fields(pair.patch));
    let mut names: Vec<Text> = dest.keys().chain(patch.keys()).cloned().collect();
    names.sort_unstable();
    names.dedup();
    for name in names {
        let pair = Pair {
            dest: dest.remove(&name),
            patch: patch.remove(&name),
            same: pair.same,
        };
        let schema = schema.and_then(|schema| schema.field(&name));
        trail.push(name);
        let value = merge(kinds, pair, schema, trail)?;
        let name = trail.pop().unwrap_or_default();
        match value {
            None | Some(Value::Null { written: false }) => {}
            Some(value) => {
                dest.insert(name, value);
            }
        }
    }
    Ok(Value::Map(dest))
}

/// The directive of a patch, which is taken out of it.
fn take_directive(patch: &mut Option<Value>) -> Result<Directive, String> {
    match patch {
        Some(Value::Map(fields)) => {
            let Some(value) = fields.get(DIRECTIVE) else {
                return Ok(Directive::Merge);
            };
            let directive = directive(&value.text().unwrap_or_default())?;
            fields.remove(DIRECTIVE);
            Ok(directive)
        }
        Some(Value::List(items)) => {
            let Some(found) = items
                .iter()
                .find_map(|item| item.get(DIRECTIVE).map(|value| (item, value)))
            else {
                return Ok(Directive::Merge);
            };
            // With other fields beside it, it is the item's.
            if found.0.as_map().is_some_and(|fields| fields.len() > 1) {
                return Ok(Directive::Merge);
            }
            let name = found.1.text().unwrap_or_default().into_owned();
            let directive = directive(&name)?;
            set_element(items, None, &[DIRECTIVE], &[name]);
            Ok(directive)
        }
        _ => Ok(Directive::Merge),
    }
}

fn directive(name: &str) -> Result<Directive, String> {
    match name {
        "merge" => Ok(Directive::Merge),
        "replace" => Ok(Directive::Replace),
        "delete" => Ok(Directive::Delete),
        other => Err(format!("unknown patch strategy '{other}'")),
    }
}
