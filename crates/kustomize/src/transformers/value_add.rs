//! One value in many places.

use fluxbot_yaml::{Map, Value};

use super::{Namespace, Subjects, Transformer, about};
use crate::field_path;
use crate::resources::ResourceList;
use crate::scalar;
use crate::selector::Selector;

/// Puts a value into fields.
pub(crate) struct ValueAdd {
    pub(crate) value: String,
    pub(crate) places: Vec<Place>,
}

crate::decode::decoded! {
    /// Which field of which objects gets the value.
    Place "Target" {
        selector: Option<Selector> = "selector",
        path: String = "fieldPath",
        file_path_position: i64 = "filePathPosition",
    }
}

impl Transformer for ValueAdd {
    fn apply(&self, all: &mut ResourceList) -> Result<(), String> {
        for place in &self.places {
            let selected = match &place.selector {
                Some(selector) => selector.select(all.items())?,
                None => (0..all.items().len()).collect(),
            };
            for index in selected {
                let Some(resource) = all.items_mut().get_mut(index) else {
                    continue;
                };
                if place.path == "metadata/namespace" {
                    let namespace = Namespace {
                        name: self.value.clone(),
                        fields: Vec::new(),
                        unset_only: false,
                        subjects: Subjects::default(),
                    };
                    namespace.set_all(resource)?;
                    continue;
                }
                let result = self.add(&mut resource.value, place);
                about(resource, result)?;
            }
        }
        Ok(())
    }
}

impl ValueAdd {
    fn add(&self, object: &mut Value, place: &Place) -> Result<(), String> {
        let path: Vec<String> = field_path::split_at(&place.path, '/')
            .into_iter()
            .map(|name| name.trim().to_owned())
            .filter(|name| !name.is_empty())
            .collect();
        let Some(field) = create(object, &path)? else {
            return Ok(());
        };
        if !field.is_scalar() {
            return Err("wrong node kind: expected ScalarNode".to_owned());
        }
        let old = field.text().unwrap_or_default().into_owned();
        let text = match usize::try_from(place.file_path_position) {
            Ok(position) if position > 0 => inserted(&old, position - 1, &self.value),
            _ => self.value.clone(),
        };
        *field = scalar::untyped(Some(field), &text);
        Ok(())
    }
}

/// The field at a path, created where it is missing. `None` for an index that a list does not have.
fn create<'v>(value: &'v mut Value, path: &[String]) -> Result<Option<&'v mut Value>, String> {
    let Some((name, rest)) = path.split_first() else {
        return Ok(Some(value));
    };
    let is_list = |name: Option<&String>| {
        name.is_some_and(|name| (name.starts_with('[') && name.ends_with(']')) || name.parse::<u32>().is_ok())
    };
    let blank = || match rest.first() {
        None => "".into(),
        name if is_list(name) => Value::List(Vec::new()),
        _ => Value::Map(Map::new()),
    };
    if name == "-" || name.parse::<u32>().is_ok() {
        let Value::List(items) = value else {
            return Err("wrong node kind: expected SequenceNode".to_owned());
        };
        let place = name.parse().unwrap_or_else(|_| items.len().saturating_sub(1));
        return items.get_mut(place).map_or(Ok(None), |item| create(item, rest));
    }
    if let Some((key, text)) = name
        .strip_prefix('[')
        .and_then(|inner| inner.strip_suffix(']'))
        .and_then(|inner| inner.split_once('='))
    {
        let Value::List(items) = value else {
            return Err("wrong node kind: expected SequenceNode".to_owned());
        };
        let fits = |item: &Value| {
            let value = if key.is_empty() { Some(item) } else { item.get(key) };
            value.and_then(Value::text).is_some_and(|found| found == text)
        };
        let place = items.iter().position(fits).unwrap_or_else(|| {
            items.push(if key.is_empty() {
                scalar::plain(text)
            } else {
                Value::Map(Map::from([(key.to_owned(), scalar::plain(text))]))
            });
            items.len() - 1
        });
        return items.get_mut(place).map_or(Ok(None), |item| create(item, rest));
    }
    if value.is_null() {
        *value = Value::Map(Map::new());
    }
    let Value::Map(fields) = value else {
        return Err("wrong node kind: expected MappingNode".to_owned());
    };
    create(fields.get_or_insert_with(name, blank), rest)
}

/// Inserts a part into a file path. Positions behind the end are the end, and a path that is absolute stays so.
fn inserted(path: &str, position: usize, part: &str) -> String {
    if part.is_empty() {
        return path.to_owned();
    }
    let absolute = path.starts_with('/');
    let mut parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    parts.insert(position.min(parts.len()), part);
    let joined = crate::tree::clean(&parts.join("/"));
    if absolute { format!("/{joined}") } else { joined }
}

#[cfg(test)]
mod tests {
    use super::inserted;

    #[test]
    fn a_part_is_inserted_at_its_place_and_absolute_paths_stay_absolute() {
        for (path, position, expected) in [
            ("", 3, "p"),
            ("/", 3, "/p"),
            ("pie", 0, "p/pie"),
            ("/pie", 0, "/p/pie"),
            ("/raw", 1, "/raw/p"),
            ("a/nice/warm/pie", 3, "a/nice/warm/p/pie"),
            ("/a/b", 99, "/a/b/p"),
        ] {
            assert_eq!(inserted(path, position, "p"), expected, "{path} at {position}");
        }
    }
}
