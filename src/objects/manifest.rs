//! One object in a YAML file, with the place where it stands.

use serde::Deserialize as _;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// An object as a file holds it.
#[derive(Debug, Clone, PartialEq)]
pub struct Manifest {
    /// Path of the file, as the user knows it.
    pub file: String,
    /// First line of the object's document, from 1.
    pub line: usize,
    /// For example `image.toolkit.fluxcd.io/v1`.
    pub api_version: String,
    /// For example `ImagePolicy`.
    pub kind: String,
    /// `metadata.namespace`, when the file gives one.
    pub namespace: Option<String>,
    /// `metadata.name`.
    pub name: String,
    /// The whole object.
    pub value: Value,
}

/// A file or an object in it cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}: {reason}")]
pub struct InvalidManifest {
    /// Path of the file.
    pub file: String,
    /// Line of the fault, from 1.
    pub line: usize,
    /// What is wrong.
    pub reason: String,
}

impl InvalidManifest {
    /// A parser's complaint about text that starts at `first_line` of a file.
    #[must_use]
    pub fn of_yaml(file: &str, first_line: usize, error: &yaml_serde::Error) -> Self {
        let line = error.location().map_or(1, |location| location.line());
        let text = error.to_string();
        // The parser's own place counts from the start of the text that it was given.
        let reason = text.split(" at line ").next().unwrap_or(&text).to_owned();
        Self {
            file: file.to_owned(),
            line: first_line + line - 1,
            reason,
        }
    }
}

impl Manifest {
    /// Reads all objects of a file: several documents, and the items of lists. Documents that are no Kubernetes object
    /// (Helm values, for example) are left out.
    pub fn parse_all(file: &str, content: &[u8]) -> Result<Vec<Self>, InvalidManifest> {
        let text = std::str::from_utf8(content).map_err(|_| InvalidManifest {
            file: file.to_owned(),
            line: 1,
            reason: "not UTF-8".to_owned(),
        })?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut found = Vec::new();
        for (first_line, document) in documents(text) {
            let deserializer = yaml_serde::Deserializer::from_str(document);
            let value = Value::deserialize(deserializer)
                .map_err(|error| InvalidManifest::of_yaml(file, first_line, &error))?;
            let lead = document.lines().take_while(|line| is_blank(line)).count();
            push_objects(file, first_line + lead, value, &mut found);
        }
        Ok(found)
    }

    /// Reads the object as a type of the API.
    pub fn decode<T: DeserializeOwned>(&self) -> Result<T, InvalidManifest> {
        serde_json::from_value(self.value.clone()).map_err(|error| {
            // The decoder quotes values, and those of a Secret are nobody's business.
            let what = if self.kind == "Secret" {
                "its data must be a map of names to base64, its stringData a map of names to text".to_owned()
            } else {
                error.to_string()
            };
            InvalidManifest {
                file: self.file.clone(),
                line: self.line,
                reason: format!("{} {} is invalid: {what}", self.kind, self.name),
            }
        })
    }

    /// The API group, `""` for the core group.
    #[must_use]
    pub fn group(&self) -> &str {
        self.api_version.split_once('/').map_or("", |(group, _)| group)
    }
}

fn is_blank(line: &str) -> bool {
    let line = line.trim();
    line.is_empty() || line.starts_with('#') || line == "---" || line.starts_with("--- ")
}

/// Splits a stream at its `---` lines, which YAML lets stand for nothing else, so that each document is read on its own
/// and its place is known. Yields the number of the first line of each.
fn documents(text: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    let mut start = 0;
    let mut start_line = 1;
    let mut offset = 0;
    for (index, line) in text.split_inclusive('\n').enumerate() {
        let is_separator = line.trim_end() == "---" || line.starts_with("--- ");
        if is_separator && offset > start {
            found.push((start_line, text.get(start..offset).unwrap_or_default()));
            start = offset;
            start_line = index + 1;
        }
        offset += line.len();
    }
    found.push((start_line, text.get(start..).unwrap_or_default()));
    found
}

fn push_objects(file: &str, line: usize, value: Value, found: &mut Vec<Manifest>) {
    let text = |pointer: &str| value.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    let (Some(api_version), Some(kind)) = (text("/apiVersion"), text("/kind")) else {
        return;
    };
    if kind.ends_with("List") && value.get("items").is_some_and(Value::is_array) {
        let Some(Value::Array(items)) = value.get("items").cloned() else {
            return;
        };
        for item in items {
            push_objects(file, line, item, found);
        }
        return;
    }
    let (namespace, Some(name)) = (text("/metadata/namespace"), text("/metadata/name")) else {
        return;
    };
    found.push(Manifest {
        file: file.to_owned(),
        line,
        api_version,
        kind,
        namespace,
        name,
        value,
    });
}
