//! Where objects come from, as annotations tell it.

use std::fmt::Write as _;

use fluxbot_yaml::{Reading, Value};

use crate::remote;
use crate::resource::{Resource, note};
use crate::tree::clean;

/// A place of a build: a path relative to the outermost kustomization, or in a repository.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Place {
    path: String,
    repository: String,
    reference: String,
}

impl Place {
    /// The place of an entry of a kustomization that stands here.
    pub(crate) fn append(&self, entry: &str) -> Self {
        match remote::Repository::parse(entry) {
            Some(repository) => Self {
                path: clean(&repository.path),
                repository: repository.url,
                reference: repository.reference,
            },
            None => Self {
                path: join(&self.path, entry),
                ..self.clone()
            },
        }
    }

    fn repository_lines(&self, out: &mut String) {
        for (key, text) in [("repo", &self.repository), ("ref", &self.reference)] {
            if !text.is_empty() {
                line(0, key, text, out);
            }
        }
    }

    /// The annotation of an object that was read here.
    pub(crate) fn read_here(&self) -> String {
        let mut text = String::new();
        if !self.path.is_empty() {
            line(0, "path", &self.path, &mut text);
        }
        self.repository_lines(&mut text);
        text
    }

    /// The annotation of what something that is configured here has made or changed.
    pub(crate) fn configured_here(&self, by: &Configured<'_>) -> String {
        let mut text = String::new();
        self.repository_lines(&mut text);
        line(0, "configuredIn", &self.path, &mut text);
        text.push_str("configuredBy:\n");
        for (key, value) in [
            ("apiVersion", by.api_version),
            ("kind", by.kind),
            ("name", by.name),
            ("namespace", by.namespace),
        ] {
            if !value.is_empty() {
                line(2, key, value, &mut text);
            }
        }
        text
    }

    /// The place that the annotation of an object tells.
    pub(crate) fn of(resource: &Resource) -> Option<Self> {
        let text = resource.annotation(note::ORIGIN)?;
        let document = fluxbot_yaml::parse(&text, Reading::Api)
            .ok()?
            .into_iter()
            .next()?;
        let value = document.into_value();
        let text = |key: &str| {
            value
                .get(key)
                .and_then(Value::text)
                .unwrap_or_default()
                .into_owned()
        };
        Some(Self {
            path: text("path"),
            repository: text("repo"),
            reference: text("ref"),
        })
    }
}

/// What makes or changes objects.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Configured<'c> {
    pub(crate) api_version: &'c str,
    pub(crate) kind: &'c str,
    pub(crate) name: &'c str,
    pub(crate) namespace: &'c str,
}

impl<'c> Configured<'c> {
    /// Something that a field of a kustomization asks for.
    pub(crate) fn built_in(kind: &'c str) -> Self {
        Self {
            api_version: "builtin",
            kind,
            name: "",
            namespace: "",
        }
    }
}

fn line(indent: usize, key: &str, text: &str, out: &mut String) {
    let written = Value::from(text).to_yaml();
    // Writing to a string cannot fail.
    let _ = write!(out, "{:indent$}{key}: {written}", "");
}

/// Joins a place and a path; what leads out of the outermost kustomization begins with `..`.
fn join(place: &str, path: &str) -> String {
    clean(&format!("{place}/{path}"))
}

impl Resource {
    /// Notes where the object comes from, unless it is known.
    pub(crate) fn note_origin(&mut self, text: &str) {
        if self.annotation(note::ORIGIN).is_none() {
            self.set_origin(text);
        }
    }

    pub(crate) fn set_origin(&mut self, text: &str) {
        let mut annotations = self.annotations();
        annotations.insert(note::ORIGIN.to_owned(), text.to_owned());
        self.set_annotations(annotations);
    }

    /// Notes that a transformer has seen the object. Who has no origin was made by the transformer, as far as the original knows.
    pub(crate) fn note_transformation(&mut self, text: &str) {
        let mut annotations = self.annotations();
        if annotations.contains_key(note::ORIGIN) {
            let entry = text.replace('\n', "\n  ");
            let list = annotations.entry(note::TRANSFORMATIONS.to_owned()).or_default();
            list.push_str("- ");
            list.push_str(entry.trim_end_matches(' '));
        } else {
            annotations.insert(note::ORIGIN.to_owned(), text.to_owned());
        }
        self.set_annotations(annotations);
    }
}
