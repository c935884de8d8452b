//! Fields that a kind does not have, as the API server names them when it refuses an apply.

use serde_json::Value;

/// What the API server says of a field that it does not know.
const UNKNOWN: &str = ": field not declared in schema";

/// What stands before the fields, and after the object and its kind in brackets.
const REFUSED: &str = "failed to create typed patch object (";

/// Removes the fields from an object that the API server's answer names as not declared in the schema of its kind, and gives
/// their paths as the API server spells them. `None`, and the object as it was, when the answer says anything else besides or
/// names a field that cannot be found.
///
/// Flux reads objects of built-in kinds into Go types and writes them again, which drops such fields without a word. The API
/// server knows its own types best, so it is asked.
pub fn remove_named(object: &mut Value, answer: &str) -> Option<Vec<String>> {
    let (_, fields) = answer.split_once(REFUSED)?.1.split_once("): ")?;
    let lines = fields.trim().strip_prefix("errors:").unwrap_or(fields);
    let mut paths = Vec::new();
    for line in lines.lines().map(str::trim).filter(|line| !line.is_empty()) {
        paths.push(line.strip_suffix(UNKNOWN)?);
    }
    let mut trimmed = object.clone();
    for path in &paths {
        remove(&mut trimmed, path)?;
    }
    if paths.is_empty() {
        return None;
    }
    *object = trimmed;
    Some(paths.into_iter().map(str::to_owned).collect())
}

/// Removes the field at a path such as `.spec.containers[name="web"].imagee`.
fn remove(value: &mut Value, path: &str) -> Option<()> {
    match value {
        Value::Object(fields) => {
            let path = path.strip_prefix('.')?;
            // A name may hold dots itself, so the fields that are there say where it ends.
            let fits = |key: &&String| {
                let rest = path.strip_prefix(key.as_str());
                rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
            };
            let key = fields.keys().filter(fits).max_by_key(|key| key.len())?.clone();
            let rest = path.get(key.len()..)?;
            if rest.is_empty() {
                fields.remove(&key).map(drop)
            } else {
                remove(fields.get_mut(&key)?, rest)
            }
        }
        Value::Array(items) => {
            let (selector, rest) = item(path)?;
            let position = items
                .iter()
                .enumerate()
                .position(|(index, item)| selector.fits(index, item))?;
            remove(items.get_mut(position)?, rest)
        }
        _ => None,
    }
}

/// Which item of a list is meant.
enum Selector<'a> {
    Index(usize),
    /// Its keys, with their values in JSON.
    Keys(Vec<(&'a str, Value)>),
}

impl Selector<'_> {
    fn fits(&self, index: usize, item: &Value) -> bool {
        match self {
            Self::Index(wanted) => index == *wanted,
            Self::Keys(keys) => keys.iter().all(|(key, value)| item.get(key) == Some(value)),
        }
    }
}

/// The selector in brackets at the start of a path, and what follows it.
fn item(path: &str) -> Option<(Selector<'_>, &str)> {
    let path = path.strip_prefix('[')?;
    if let Some((index, rest)) = path.split_once(']')
        && let Ok(index) = index.parse()
    {
        return Some((Selector::Index(index), rest));
    }
    let mut keys = Vec::new();
    let mut rest = path;
    loop {
        let (key, after) = rest.split_once('=')?;
        let mut values = serde_json::Deserializer::from_str(after).into_iter::<Value>();
        let value = values.next()?.ok()?;
        let after = after.get(values.byte_offset()..)?;
        keys.push((key, value));
        if let Some(after) = after.strip_prefix(']') {
            return Some((Selector::Keys(keys), after));
        }
        rest = after.strip_prefix(',')?;
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    fn pod() -> Value {
        json!({
            "spec": {
                "x": 1,
                "a.b": { "c": 1 },
                "list": [{ "known": 1 }, { "known": 2, "odd": 2 }],
                "containers": [
                    { "name": "a]=,", "ports": [{ "containerPort": 80, "protocol": "TCP", "prot": 1 }] },
                    { "name": "web", "imagee": "x" },
                ],
            },
        })
    }

    fn answer(fields: &str) -> String {
        format!("failed to create typed patch object (ns/web; apps/v1, Kind=Deployment): {fields}")
    }

    #[rstest]
    #[case::a_field(".spec.x: field not declared in schema", &[".spec.x"], "/spec/x")]
    #[case::a_name_with_dots(".spec.a.b.c: field not declared in schema", &[".spec.a.b.c"], "/spec/a.b/c")]
    #[case::an_index(".spec.list[1].odd: field not declared in schema", &[".spec.list[1].odd"], "/spec/list/1/odd")]
    #[case::a_key(
        r#".spec.containers[name="web"].imagee: field not declared in schema"#,
        &[r#".spec.containers[name="web"].imagee"#],
        "/spec/containers/1/imagee"
    )]
    #[case::keys_with_signs_of_the_path(
        r#".spec.containers[name="a]=,"].ports[containerPort=80,protocol="TCP"].prot: field not declared in schema"#,
        &[r#".spec.containers[name="a]=,"].ports[containerPort=80,protocol="TCP"].prot"#],
        "/spec/containers/0/ports/0/prot"
    )]
    fn the_named_field_is_removed_and_nothing_else(
        #[case] fields: &str,
        #[case] expected: &[&str],
        #[case] pointer: &str,
    ) {
        let mut object = pod();
        assert_eq!(remove_named(&mut object, &answer(fields)).unwrap(), expected);
        assert!(pod().pointer(pointer).is_some() && object.pointer(pointer).is_none());
        let (folder, name) = pointer.rsplit_once('/').unwrap();
        let mut again = pod();
        again
            .pointer_mut(folder)
            .unwrap()
            .as_object_mut()
            .unwrap()
            .remove(name);
        assert_eq!(object, again);
    }

    #[test]
    fn several_fields_are_removed_at_once() {
        let mut object = pod();
        let fields = "errors:\n  .spec.x: field not declared in schema\n  .spec.list[1].odd: field not declared in schema";
        let removed = remove_named(&mut object, &answer(fields)).unwrap();
        assert_eq!(removed, [".spec.x", ".spec.list[1].odd"]);
        assert_eq!(object["spec"]["list"], json!([{ "known": 1 }, { "known": 2 }]));
    }

    #[rstest]
    #[case::of_another_kind("Deployment.apps \"web\" is invalid: spec.selector: Required value")]
    #[case::another_fault_besides(&answer("errors:\n  .spec.x: field not declared in schema\n  .spec.y: expected list, got &{map[]}"))]
    #[case::not_there(&answer(".spec.nothing: field not declared in schema"))]
    #[case::of_an_item_that_is_not_there(&answer(r#".spec.containers[name="db"].x: field not declared in schema"#))]
    #[case::half(&answer(".spec.containers[name=: field not declared in schema"))]
    #[case::empty(&answer(""))]
    fn any_other_answer_changes_nothing(#[case] answer: &str) {
        let mut object = pod();
        assert_eq!(remove_named(&mut object, answer), None);
        assert_eq!(object, pod());
    }
}
