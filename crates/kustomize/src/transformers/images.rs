//! Images of containers.

use std::borrow::Cow;

use fluxbot_yaml::Value;
use regex::Regex;

use super::{Transformer, about};
use crate::fields::{Create, FieldSpec};
use crate::kustomization::Image;
use crate::resources::ResourceList;
use crate::scalar;

/// Changes the name, the tag or the digest of an image.
pub(crate) struct Images {
    image: Image,
    fields: Vec<FieldSpec>,
    /// None where the name is no regular expression: it matches nothing, as the original has it.
    pattern: Option<Regex>,
}

impl Images {
    pub(crate) fn new(image: Image, fields: Vec<FieldSpec>) -> Self {
        const REST: &str = r"(:[a-zA-Z0-9_.{}-]*)?(@[a-zA-Z0-9]+([.+_-][a-zA-Z0-9]+)*:[a-zA-Z0-9_.{}-]*)?$";
        let pattern = Regex::new(&format!("^{}{REST}", image.name)).ok();
        Self {
            image,
            fields,
            pattern,
        }
    }

    fn set(&self, value: &mut Value) -> Result<(), String> {
        let text = match &*value {
            // A null that stands in the text is an image of that name.
            Value::Null { written: true } => Cow::Borrowed("null"),
            value => value
                .text()
                .ok_or_else(|| "wrong node kind: expected ScalarNode".to_owned())?,
        };
        if self
            .pattern
            .as_ref()
            .is_some_and(|pattern| pattern.is_match(&text))
        {
            let renamed = renamed_image(&text, &self.image);
            *value = scalar::untyped(Some(value), &renamed);
        }
        Ok(())
    }
}

impl Transformer for Images {
    fn apply(&self, all: &mut ResourceList) -> Result<(), String> {
        all.for_each(|resource| {
            let gvk = resource.gvk();
            if gvk.kind == "CustomResourceDefinition" {
                return Ok(());
            }
            let mut set = |value: &mut Value| self.set(value);
            let result = set_container_images(&mut resource.value, &mut set);
            about(resource, result)?;
            for field in self.fields.iter().filter(|field| field.selects(&gvk)) {
                let result = field.visit(&mut resource.value, Create::Never, &mut set);
                about(resource, result)?;
            }
            Ok(())
        })
    }
}

/// The images of all lists named `containers` or `initContainers`, wherever they are.
fn set_container_images(
    value: &mut Value,
    set: &mut dyn FnMut(&mut Value) -> Result<(), String>,
) -> Result<(), String> {
    match value {
        Value::List(items) => items
            .iter_mut()
            .try_for_each(|item| set_container_images(item, set)),
        Value::Map(fields) => {
            for (name, field) in fields {
                set_container_images(field, set)?;
                let Value::List(items) = field else { continue };
                if !matches!(name.as_str(), "containers" | "initContainers") {
                    continue;
                }
                for item in items {
                    match item {
                        Value::Map(fields) => fields.get_mut("image").map_or(Ok(()), &mut *set)?,
                        Value::Null { .. } => {}
                        _ => return Err("wrong node kind: expected MappingNode".to_owned()),
                    }
                }
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

fn renamed_image(text: &str, image: &Image) -> String {
    let (name, tag, digest) = split_image(text);
    let name = if image.new_name.is_empty() {
        name
    } else {
        &image.new_name
    };
    let (tag, digest) = match (image.new_tag.as_str(), image.digest.as_str()) {
        ("", "") if image.tag_suffix.is_empty() => (tag.to_owned(), digest),
        ("", "") => (format!("{tag}{}", image.tag_suffix), ""),
        (tag, digest) => (tag.to_owned(), digest),
    };
    let mut renamed = name.to_owned();
    for (mark, part) in [(':', tag.as_str()), ('@', digest)] {
        if !part.is_empty() {
            renamed.push(mark);
            renamed.push_str(part);
        }
    }
    renamed
}

/// Splits an image into name, tag and digest. A colon before the first slash belongs to a port.
fn split_image(text: &str) -> (&str, &str, &str) {
    let start = text.find('/').unwrap_or(0);
    let place = |mark: char| {
        text.get(start..)
            .and_then(|rest| rest.find(mark))
            .map(|at| at + start)
    };
    let part = |from: usize, to: usize| text.get(from..to).unwrap_or_default();
    match (place(':'), place('@')) {
        (None, None) => (text, "", ""),
        (Some(colon), Some(at)) if colon < at => {
            (part(0, colon), part(colon + 1, at), part(at + 1, text.len()))
        }
        (_, Some(at)) => (part(0, at), "", part(at + 1, text.len())),
        (Some(colon), None) => (part(0, colon), part(colon + 1, text.len()), ""),
    }
}
