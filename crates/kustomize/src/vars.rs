//! Variables: `$(NAME)` in fields of objects, with the value of a field of an object.

use std::collections::BTreeMap;

use fluxbot_yaml::Value;

use crate::decode::decoded;
use crate::field_path;
use crate::fields::{Create, FieldSpec};
use crate::id::{Gvk, Id};
use crate::resource::Resource;
use crate::resources::ResourceList;

decoded! {
    /// An entry of `vars`.
    Var "Var" {
        name: String = "name",
        object: ObjectReference = "objref",
        field: FieldReference = "fieldref",
    }
}

decoded! {
    /// The object that has the value.
    ObjectReference "Target" {
        api_version: String = "apiVersion",
        group: String = "group",
        version: String = "version",
        kind: String = "kind",
        name: String = "name",
        namespace: String = "namespace",
    }
}

decoded! {
    /// The field that has the value; the name where none is given.
    FieldReference "FieldSelector" {
        path: String = "fieldPath",
    }
}

impl ObjectReference {
    fn id(&self) -> Id {
        let mut gvk = Gvk {
            group: self.group.as_str().into(),
            version: self.version.as_str().into(),
            kind: self.kind.as_str().into(),
        };
        match self.api_version.split('/').collect::<Vec<_>>().as_slice() {
            [""] => {}
            [version] => gvk.version = (*version).into(),
            [group, version] => (gvk.group, gvk.version) = ((*group).into(), (*version).into()),
            _ => {}
        }
        Id {
            gvk,
            name: self.name.as_str().into(),
            namespace: self.namespace.as_str().into(),
            cluster: false,
        }
    }
}

/// The variables of a build, by name.
pub(crate) type Vars = BTreeMap<String, Var>;

/// Adds the variables of a kustomization and marks the objects that have their values.
pub(crate) fn add(vars: &mut Vars, more: &[Var], resources: &mut ResourceList) -> Result<(), String> {
    for var in more {
        let id = var.object.id();
        let fits = |other: &Id| {
            other.name == id.name
                && other.gvk == id.gvk
                && (id.namespace.is_empty() || other.same_namespace(&id))
        };
        let found = resources.with_any_id(fits);
        match found.as_slice() {
            [] => {}
            [only] => {
                if let Some(resource) = resources.items_mut().get_mut(*only) {
                    resource.vars.push(var.name.clone());
                }
            }
            _ => {
                return Err(format!(
                    "found {} resId matches for var {} (unable to disambiguate)",
                    found.len(),
                    var.name
                ));
            }
        }
    }
    merge(vars, more.iter().cloned())
}

/// Adds variables whose names must be new.
pub(crate) fn merge(vars: &mut Vars, more: impl IntoIterator<Item = Var>) -> Result<(), String> {
    for var in more {
        if vars.contains_key(&var.name) {
            return Err(format!("var '{}' already encountered", var.name));
        }
        vars.insert(var.name.clone(), var);
    }
    Ok(())
}

/// Puts the values of all variables into the fields that may have them.
pub(crate) fn resolve(vars: &Vars, fields: &[FieldSpec], resources: &mut [Resource]) -> Result<(), String> {
    let mut values: BTreeMap<&str, Value> = BTreeMap::new();
    for (name, var) in vars {
        values.insert(name, value(var, resources)?);
    }
    if values.is_empty() {
        return Ok(());
    }
    for resource in resources {
        let gvk = resource.gvk();
        for field in fields.iter().filter(|field| field.selects(&gvk)) {
            field
                .visit(&mut resource.value, Create::Never, &mut |value| {
                    set(value, &values)
                })
                .map_err(|reason| {
                    let origin = &resource.origin;
                    format!("{} ({}:{}): {reason}", resource.id(), origin.path, origin.line)
                })?;
        }
    }
    Ok(())
}

fn value(var: &Var, resources: &[Resource]) -> Result<Value, String> {
    let name = &var.name;
    let path = if var.field.path.is_empty() {
        "metadata.name"
    } else {
        &var.field.path
    };
    let resource = resources
        .iter()
        .find(|resource| resource.vars.contains(name))
        .ok_or_else(|| {
            format!(
                "var '{name}' ({}, field '{path}') cannot be mapped to a field in the set of known resources",
                var.object.id()
            )
        })?;
    let found = field_path::look_up(&resource.value, &with_indexes(field_path::split(path)));
    let found = found.ok().flatten().ok_or_else(|| {
        format!(
            "field specified in var '{name}' (field '{path}') not found in corresponding resource {}",
            resource.id()
        )
    })?;
    Ok(found.clone())
}

/// An index may follow a name: `ports[0]`.
fn with_indexes(parts: Vec<String>) -> Vec<String> {
    let mut found = Vec::new();
    for part in parts {
        let indexed = part
            .strip_suffix(']')
            .and_then(|rest| rest.rsplit_once('['))
            .filter(|(_, index)| !index.is_empty() && index.bytes().all(|byte| byte.is_ascii_digit()));
        match indexed {
            Some((name, index)) => {
                if !name.is_empty() {
                    found.push(name.to_owned());
                }
                found.push(index.to_owned());
            }
            None => found.push(part),
        }
    }
    found
}

type Values<'v> = BTreeMap<&'v str, Value>;

fn set(value: &mut Value, values: &Values<'_>) -> Result<(), String> {
    match value {
        Value::String(text) => *value = expanded(text, values),
        Value::Map(fields) => {
            for field in fields.values_mut() {
                if let Value::String(text) = field {
                    *field = expanded(text, values);
                }
            }
        }
        Value::List(items) => {
            for item in items {
                match item {
                    Value::String(text) => *item = expanded(text, values),
                    _ => return Err("invalid value type expect a string".to_owned()),
                }
            }
        }
        _ => {}
    }
    Ok(())
}

/// Puts values into a text. A text that is nothing but one variable takes the type of the value.
fn expanded(text: &str, values: &Values<'_>) -> Value {
    let mut result = String::new();
    let mut rest = text;
    while let Some(place) = rest.find('$').filter(|place| place + 1 < rest.len()) {
        let (before, after) = rest.split_at(place);
        result.push_str(before);
        let after = after.get(1..).unwrap_or_default();
        if let Some(escaped) = after.strip_prefix('$') {
            result.push('$');
            rest = escaped;
        } else if let Some((name, behind)) = after.strip_prefix('(').and_then(|inner| inner.split_once(')')) {
            let value = values.get(name).filter(|value| value.is_scalar());
            if text.len() == name.len() + 3 {
                return value.cloned().unwrap_or_else(|| text.into());
            }
            if let Some(value) = value {
                result.push_str(&spelled(value));
            } else {
                result.extend(["$(", name, ")"]);
            }
            rest = behind;
        } else {
            // Not the beginning of a variable: the sign and the byte after it stay.
            let next = after.chars().next().map_or(0, char::len_utf8);
            result.push('$');
            result.push_str(after.get(..next).unwrap_or_default());
            rest = after.get(next..).unwrap_or_default();
        }
    }
    result.push_str(rest);
    result.into()
}

/// A value inside of a text, as Go prints it.
fn spelled(value: &Value) -> String {
    match value {
        Value::Number(number) => number.value().to_string(),
        value => value.text().unwrap_or_default().into_owned(),
    }
}
