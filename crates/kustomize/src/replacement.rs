//! Replacements: values that are copied from one object into others.

use fluxbot_yaml::Value;

use crate::decode::decoded;
use crate::field_path::{self, Created, Kind};
use crate::id::{Gvk, Id};
use crate::json;
use crate::resource::Resource;
use crate::scalar;
use crate::selector::{Compiled, Selector};

/// What is copied where no field is named.
const DEFAULT_PATH: &str = "metadata.name";

decoded! {
    /// A value and the places that it is copied to.
    Replacement "Replacement" {
        source: Option<Source> = "source",
        targets: Option<Vec<Option<Target>>> = "targets",
        source_value: Option<String> = "sourceValue",
    }
}

decoded! {
    /// Where a value comes from.
    Source "SourceSelector" {
        group: String = "group",
        version: String = "version",
        kind: String = "kind",
        name: String = "name",
        namespace: String = "namespace",
        field_path: String = "fieldPath",
        options: Option<FieldOptions> = "options",
    }
}

decoded! {
    /// Where a value goes.
    Target "TargetSelector" {
        select: Option<Selector> = "select",
        reject: Vec<Option<Selector>> = "reject",
        field_paths: Vec<String> = "fieldPaths",
        options: Option<FieldOptions> = "options",
    }
}

decoded! {
    /// Which part of a text is meant, and whether missing fields are created.
    FieldOptions "FieldOptions" {
        delimiter: String = "delimiter",
        index: i64 = "index",
        encoding: String = "encoding",
        create: bool = "create",
    }
}

impl FieldOptions {
    fn describe(&self) -> String {
        if self.delimiter.is_empty() && !self.create {
            return String::new();
        }
        format!("{}({}), create={}", self.delimiter, self.index, self.create)
    }
}

impl Source {
    fn id(&self) -> Id {
        Id {
            gvk: Gvk {
                group: self.group.as_str().into(),
                version: self.version.as_str().into(),
                kind: self.kind.as_str().into(),
            },
            name: self.name.as_str().into(),
            namespace: self.namespace.as_str().into(),
            cluster: false,
        }
    }

    /// As messages name it.
    fn describe(&self) -> String {
        let mut parts = vec![self.id().to_string()];
        if !self.field_path.is_empty() {
            parts.push(self.field_path.clone());
        }
        let options = self.options.as_ref().map(FieldOptions::describe);
        parts.extend(options.filter(|options| !options.is_empty()));
        parts.join(":")
    }

    /// The object that is meant, which must be the only one.
    fn object<'r>(&self, resources: &'r [Resource]) -> Result<&'r Resource, String> {
        let wanted = self.id();
        let fits = |id: &Id| {
            (wanted.name.is_empty() || wanted.name == id.name)
                && (wanted.namespace.is_empty() || wanted.same_namespace(id))
                && id.gvk.is_selected(&wanted.gvk)
        };
        let mut found = resources.iter().filter(|resource| ids(resource).iter().any(fits));
        match (found.next(), found.next()) {
            (Some(only), None) => Ok(only),
            (None, _) => Err(format!("nothing selected by {}", self.describe())),
            _ => Err(format!("multiple matches for selector {}", self.describe())),
        }
    }

    fn value(&self, resources: &[Resource]) -> Result<Value, String> {
        let object = self.object(resources)?;
        let path = if self.field_path.is_empty() {
            DEFAULT_PATH
        } else {
            &self.field_path
        };
        let found = field_path::look_up(&object.value, &field_path::split(path))
            .map_err(|reason| format!("error looking up replacement source: {reason}"))?;
        let found = found
            .filter(|value| !value.is_null() && !value.is_empty_collection())
            .ok_or_else(|| {
                format!(
                    "fieldPath `{path}` is missing for replacement source {}",
                    self.id()
                )
            })?;
        let Some(options) = self
            .options
            .as_ref()
            .filter(|options| !options.delimiter.is_empty())
        else {
            return Ok(found.clone());
        };
        if !found.is_scalar() {
            return Err("delimiter option can only be used with scalar nodes".to_owned());
        }
        let text = scalar::text(found);
        let part = usize::try_from(options.index)
            .ok()
            .and_then(|index| text.split(&options.delimiter).nth(index));
        let part = part.ok_or_else(|| {
            format!(
                "options.index {} is out of bounds for value {text}",
                options.index
            )
        })?;
        // The type stays that of the whole, which matters only where the value takes the place of a list or a map.
        Ok(match found {
            Value::String(_) => part.into(),
            _ => scalar::plain(part),
        })
    }
}

/// The identities by which replacements find an object: none knows whether its kind has namespaces.
fn ids(resource: &Resource) -> Vec<Id> {
    let mut ids = vec![Id {
        cluster: false,
        ..resource.id()
    }];
    ids.extend(resource.previous_ids());
    ids
}

/// Carries out replacements one after the other.
pub(crate) fn apply(replacements: &[Replacement], resources: &mut [Resource]) -> Result<(), String> {
    for replacement in replacements {
        let targets = match (
            &replacement.source,
            &replacement.source_value,
            &replacement.targets,
        ) {
            (None, None, _) | (_, _, None) => {
                return Err("replacements must specify a source and at least one target".to_owned());
            }
            (Some(_), Some(_), _) => {
                return Err("value and resource selectors are mutually exclusive".to_owned());
            }
            (_, _, Some(targets)) => targets,
        };
        let value = match (&replacement.source, &replacement.source_value) {
            (Some(source), _) => source.value(resources)?,
            (None, Some(text)) => scalar::plain(text),
            (None, None) => Value::NULL,
        };
        let text = match (&value, &replacement.source_value) {
            (_, Some(text)) => text.clone(),
            (value, None) => scalar::text(value),
        };
        let source = SourceValue { value, text };
        for target in targets.iter().flatten() {
            target.apply(&source, resources)?;
        }
    }
    Ok(())
}

/// A value with its text.
struct SourceValue {
    value: Value,
    text: String,
}

impl Target {
    fn apply(&self, source: &SourceValue, resources: &mut [Resource]) -> Result<(), String> {
        let Some(select) = &self.select else {
            return Err("target must specify resources to select".to_owned());
        };
        let fault = |reason: String| format!("error creating target selector: {reason}");
        let selected = Compiled::new(select).map_err(fault)?;
        let rejects: Vec<(&Selector, Compiled)> = self
            .reject
            .iter()
            .flatten()
            .map(|reject| Ok((reject, Compiled::new(reject).map_err(fault)?)))
            .collect::<Result<_, String>>()?;
        let default = [DEFAULT_PATH.to_owned()];
        let paths = if self.field_paths.is_empty() {
            &default
        } else {
            self.field_paths.as_slice()
        };
        for resource in resources {
            if !selected.fits_metadata(resource) {
                continue;
            }
            let rejected_by_metadata = rejects.iter().any(|(selector, compiled)| {
                !(selector.labels.is_empty() && selector.annotations.is_empty())
                    && compiled.fits_metadata(resource)
            });
            if rejected_by_metadata {
                continue;
            }
            let ids = ids(resource);
            let rejected = rejects.iter().any(|(selector, compiled)| {
                !selector.names_nothing() && ids.iter().any(|id| compiled.fits_id(id))
            });
            if rejected || !ids.iter().any(|id| selected.fits_id(id)) {
                continue;
            }
            for path in paths {
                self.copy(source, path, &mut resource.value).map_err(|reason| {
                    let origin = &resource.origin;
                    format!("{} ({}:{}): {reason}", resource.id(), origin.path, origin.line)
                })?;
            }
        }
        Ok(())
    }

    fn creates(&self) -> bool {
        self.options.as_ref().is_some_and(|options| options.create)
    }

    fn copy(&self, source: &SourceValue, path: &str, object: &mut Value) -> Result<(), String> {
        let parts = field_path::split(path);
        if self.copy_into_text(source, &parts, object).is_some() {
            return Ok(());
        }
        let create = self.creates().then(|| Kind::of(&source.value));
        let fault = || {
            let what = if create.is_some() {
                "find or create"
            } else {
                "find"
            };
            format!("unable to {what} field {path:?} in replacement target")
        };
        let mut failed = None;
        let mut set = |value: &mut Value, created: Created| {
            self.set(source, value, created).inspect_err(|reason| {
                failed = Some(reason.clone());
            })
        };
        let found = field_path::visit(object, &parts, create, &mut set);
        match (found, failed) {
            (_, Some(reason)) => Err(reason),
            (Err(reason), None) => Err(format!("{}: {reason}", fault())),
            (Ok(0), None) => Err(fault()),
            (Ok(_), None) => Ok(()),
        }
    }

    /// Copies a value into a text that is YAML or JSON itself. `None` when there is no such text, or no such field in it.
    fn copy_into_text(&self, source: &SourceValue, parts: &[String], object: &mut Value) -> Option<()> {
        let (place, old) = (1..parts.len()).find_map(|place| {
            let found = field_path::look_up(object, parts.get(..place)?).ok()??;
            found.is_scalar().then(|| (place, found.clone()))
        })?;
        let text = scalar::text(&old);
        let mut inner = field_path::parse(&text).ok()?;
        let create = self.creates().then(|| Kind::of(&source.value));
        if inner.is_null() && create.is_some() && !text.is_empty() {
            // As the original has it, a value that is created below a null is lost, whether the null is one or a text.
            return Some(());
        }
        if old.is_null() || text.is_empty() {
            return None;
        }
        let mut set = |value: &mut Value, created: Created| self.set(source, value, created);
        let found = field_path::visit(&mut inner, parts.get(place..)?, create, &mut set).ok()?;
        if found == 0 {
            return None;
        }
        let written = rewritten(&inner, &text);
        let mut set = |value: &mut Value, _: Created| {
            *value = scalar::retyped(value, &written)?;
            Ok(())
        };
        field_path::visit(object, parts.get(..place)?, None, &mut set).ok()?;
        Some(())
    }

    fn set(&self, source: &SourceValue, target: &mut Value, created: Created) -> Result<(), String> {
        let mut text = source.text.clone();
        if let Some(options) = self
            .options
            .as_ref()
            .filter(|options| !options.delimiter.is_empty())
        {
            if !target.is_scalar() {
                return Err("delimiter option can only be used with scalar nodes".to_owned());
            }
            let old = if created == Created::Yes {
                String::new()
            } else {
                scalar::text(target)
            };
            let mut parts: Vec<&str> = old.split(&options.delimiter).collect();
            match usize::try_from(options.index) {
                Err(_) => parts.insert(0, &source.text),
                Ok(index) => match parts.get_mut(index) {
                    Some(part) => *part = &source.text,
                    None => parts.push(&source.text),
                },
            }
            text = parts.join(&options.delimiter);
        }
        *target = match (&*target, created) {
            (target, Created::No) if target.is_scalar() => scalar::retyped(target, &text)?,
            (target, Created::Yes) if target.is_scalar() && text.is_empty() => "".into(),
            (target, Created::Yes) if target.is_scalar() => scalar::plain(&text),
            _ => source.value.clone(),
        };
        Ok(())
    }
}

/// A changed text in the form that it had: JSON, in lines or not, or YAML.
fn rewritten(value: &Value, old: &str) -> String {
    if !old.trim_start().starts_with(['{', '[']) {
        return value.to_yaml().trim().to_owned();
    }
    if old.contains('\n') && old.contains("  ") {
        return json::pretty(value);
    }
    json::compact(value)
}
