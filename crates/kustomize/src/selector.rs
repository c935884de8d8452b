//! Which objects a patch is for.

use std::borrow::Cow;

use regex::Regex;

use crate::decode::decoded;
use crate::id::{Gvk, Id};
use crate::resource::Resource;

decoded! {
    /// The target of a patch. Each part is a regular expression for the whole text; an empty one fits everything.
    Selector "Selector" {
        group: String = "group",
        version: String = "version",
        kind: String = "kind",
        name: String = "name",
        namespace: String = "namespace",
        labels: String = "labelSelector",
        annotations: String = "annotationSelector",
    }
}

impl Selector {
    /// Whether it says nothing about the identity of objects.
    pub(crate) fn names_nothing(&self) -> bool {
        [
            &self.group,
            &self.version,
            &self.kind,
            &self.name,
            &self.namespace,
        ]
        .iter()
        .all(|part| part.is_empty())
    }

    /// The places of the objects that are selected.
    pub(crate) fn select(&self, resources: &[Resource]) -> Result<Vec<usize>, String> {
        let compiled = Compiled::new(self)?;
        let places = resources.iter().enumerate();
        Ok(places
            .filter(|(_, resource)| !resource.is_gone() && compiled.fits(resource))
            .map(|(index, _)| index)
            .collect())
    }
}

/// A selector with its expressions compiled.
pub(crate) struct Compiled {
    group: Option<Regex>,
    version: Option<Regex>,
    kind: Option<Regex>,
    name: Option<Regex>,
    namespace: Option<Regex>,
    labels: Vec<Requirement>,
    annotations: Vec<Requirement>,
}

fn anchored(pattern: &str) -> Result<Option<Regex>, String> {
    if pattern.is_empty() {
        return Ok(None);
    }
    Regex::new(&format!("^(?:{pattern})$"))
        .map(Some)
        .map_err(|_| format!("'{pattern}' is no regular expression"))
}

impl Compiled {
    pub(crate) fn new(selector: &Selector) -> Result<Self, String> {
        Ok(Self {
            group: anchored(&selector.group)?,
            version: anchored(&selector.version)?,
            kind: anchored(&selector.kind)?,
            name: anchored(&selector.name)?,
            namespace: anchored(&selector.namespace)?,
            labels: requirements(&selector.labels)?,
            annotations: requirements(&selector.annotations)?,
        })
    }

    fn fits(&self, resource: &Resource) -> bool {
        let version = resource.api_version();
        let (group, version) = version.split_once('/').unwrap_or(("", &version));
        if !fits(self.kind.as_ref(), &resource.kind())
            || !fits(self.group.as_ref(), group)
            || !fits(self.version.as_ref(), version)
            || !(self.fits_name(&resource.name()) || self.fits_name(&resource.original_name()))
            || !self.fits_metadata(resource)
        {
            return false;
        }
        self.namespace.is_none()
            || self.fits_namespace(resource.original_id().effective_namespace())
            || self.fits_namespace(resource.id().effective_namespace())
    }

    fn fits_gvk(&self, gvk: &Gvk) -> bool {
        fits(self.group.as_ref(), &gvk.group)
            && fits(self.version.as_ref(), &gvk.version)
            && fits(self.kind.as_ref(), &gvk.kind)
    }

    fn fits_name(&self, name: &str) -> bool {
        fits(self.name.as_ref(), name)
    }

    fn fits_namespace(&self, namespace: &str) -> bool {
        fits(self.namespace.as_ref(), namespace)
    }

    /// Whether an identity fits as it is written.
    pub(crate) fn fits_id(&self, id: &Id) -> bool {
        self.fits_gvk(&id.gvk) && self.fits_name(&id.name) && self.fits_namespace(&id.namespace)
    }

    /// Whether labels and annotations fit.
    pub(crate) fn fits_metadata(&self, resource: &Resource) -> bool {
        self.labels.iter().all(|one| one.fits(|key| resource.label(key)))
            && self
                .annotations
                .iter()
                .all(|one| one.fits(|key| resource.annotation(key)))
    }
}

fn fits(pattern: Option<&Regex>, text: &str) -> bool {
    pattern.is_none_or(|pattern| pattern.is_match(text))
}

/// One part of a label selector.
#[derive(Debug, Clone, PartialEq)]
struct Requirement {
    key: String,
    operator: Operator,
}

#[derive(Debug, Clone, PartialEq)]
enum Operator {
    Exists,
    Absent,
    In(Vec<String>),
    NotIn(Vec<String>),
    Greater(i64),
    Less(i64),
}

impl Requirement {
    fn fits<'v>(&self, value: impl Fn(&str) -> Option<Cow<'v, str>>) -> bool {
        let value = value(&self.key);
        let number = || value.as_ref().and_then(|value| value.parse::<i64>().ok());
        match &self.operator {
            Operator::Exists => value.is_some(),
            Operator::Absent => value.is_none(),
            Operator::In(values) => value.is_some_and(|value| values.iter().any(|known| **known == *value)),
            Operator::NotIn(values) => {
                value.is_none_or(|value| !values.iter().any(|known| **known == *value))
            }
            Operator::Greater(limit) => number().is_some_and(|number| number > *limit),
            Operator::Less(limit) => number().is_some_and(|number| number < *limit),
        }
    }
}

/// Reads a label selector as the API machinery does.
fn requirements(text: &str) -> Result<Vec<Requirement>, String> {
    let mut found = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        let end = end_of_requirement(rest);
        let part = rest.get(..end).unwrap_or_default();
        found.push(
            requirement(part.trim())
                .ok_or_else(|| format!("unable to parse requirement '{part}' of '{text}'"))?,
        );
        rest = rest.get(end + 1..).unwrap_or_default().trim();
    }
    Ok(found)
}

/// The first comma outside of parentheses, or the end.
fn end_of_requirement(text: &str) -> usize {
    let mut depth = 0_usize;
    for (index, character) in text.char_indices() {
        match character {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => return index,
            _ => {}
        }
    }
    text.len()
}

/// Whether a text may be the key of a label: a name, which a domain may precede.
fn is_key(text: &str) -> bool {
    let (domain, name) = match text.split_once('/') {
        Some((domain, name)) => (Some(domain), name),
        None => (None, text),
    };
    let is_domain = |domain: &str| {
        !domain.is_empty()
            && domain.len() <= 253
            && domain.split('.').all(|part| {
                !part.is_empty()
                    && !part.starts_with('-')
                    && !part.ends_with('-')
                    && part
                        .chars()
                        .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
            })
    };
    !name.is_empty() && is_value(name) && domain.is_none_or(is_domain)
}

/// Whether a text may be the value of a label.
fn is_value(text: &str) -> bool {
    let is_outer = |c: char| c.is_ascii_alphanumeric();
    let is_inner = |c: char| is_outer(c) || matches!(c, '-' | '_' | '.');
    let has_ends = text.starts_with(is_outer) && text.ends_with(is_outer);
    text.is_empty() || (text.len() <= 63 && text.chars().all(is_inner) && has_ends)
}

fn requirement(text: &str) -> Option<Requirement> {
    let key_of = |text: &str| {
        let text = text.trim();
        is_key(text).then(|| text.to_owned())
    };
    if let Some(key) = text.strip_prefix('!') {
        return Some(Requirement {
            key: key_of(key)?,
            operator: Operator::Absent,
        });
    }
    let one = |value: &str| {
        let value = value.trim();
        is_value(value).then(|| vec![value.to_owned()])
    };
    let (key, operator) = if let Some((before, values)) = text.split_once('(') {
        let values = values.trim().strip_suffix(')')?;
        let values: Vec<String> = values.split(',').map(|value| value.trim().to_owned()).collect();
        if !values.iter().all(|value| is_value(value)) {
            return None;
        }
        let (key, word) = before.trim().rsplit_once(char::is_whitespace)?;
        match word {
            "in" => (key, Operator::In(values)),
            "notin" => (key, Operator::NotIn(values)),
            _ => return None,
        }
    } else if let Some((key, value)) = text.split_once("!=") {
        (key, Operator::NotIn(one(value)?))
    } else if let Some((key, value)) = text.split_once("==") {
        (key, Operator::In(one(value)?))
    } else if let Some((key, value)) = text.split_once('=') {
        (key, Operator::In(one(value)?))
    } else if let Some((key, value)) = text.split_once('>') {
        (key, Operator::Greater(value.trim().parse().ok()?))
    } else if let Some((key, value)) = text.split_once('<') {
        (key, Operator::Less(value.trim().parse().ok()?))
    } else {
        (text, Operator::Exists)
    };
    Some(Requirement {
        key: key_of(key)?,
        operator,
    })
}
