//! The variables of a Kustomization: from `ConfigMaps`, from Secrets, and written into it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// Names and values; what is added later counts.
///
/// Line ends are taken out of values, as Flux does it. What came from a Secret is remembered, so that it can be masked wherever
/// a text is shown; neither `Debug` nor any error shows a value.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Variables {
    values: BTreeMap<String, String>,
    /// Names whose value is no text.
    binary: BTreeSet<String>,
    secrets: BTreeSet<String>,
}

impl Variables {
    /// No variables.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a variable of a `ConfigMap`, from its `data`, or of `spec.postBuild.substitute`.
    pub fn set(&mut self, name: &str, value: &str) {
        self.binary.remove(name);
        self.values.insert(name.to_owned(), value.replace('\n', ""));
    }

    /// Adds a variable of a Secret's `data`. A value that is no UTF-8 counts as an error only where it is used.
    pub fn set_secret(&mut self, name: &str, value: &[u8]) {
        let Ok(text) = std::str::from_utf8(value) else {
            self.values.insert(name.to_owned(), String::new());
            self.binary.insert(name.to_owned());
            return;
        };
        self.set(name, text);
        let text = text.replace('\n', "");
        if !text.is_empty() {
            self.secrets.insert(text);
        }
    }

    /// The value of a variable.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str)
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// All values that came from Secrets, those included that another value has replaced.
    pub fn secret_values(&self) -> impl Iterator<Item = &str> {
        self.secrets.iter().map(String::as_str)
    }

    /// The first name that no variable may have: anything but `[_a-zA-Z][_a-zA-Z0-9]*`.
    #[must_use]
    pub fn invalid_name(&self) -> Option<&str> {
        let is_valid = |name: &str| {
            let mut characters = name.chars();
            let starts = characters
                .next()
                .is_some_and(|first| first == '_' || first.is_ascii_alphabetic());
            starts && characters.all(|other| other == '_' || other.is_ascii_alphanumeric())
        };
        self.values
            .keys()
            .map(String::as_str)
            .find(|name| !is_valid(name))
    }

    /// Whether the value of a name is no text.
    pub(super) fn is_binary(&self, name: &str) -> bool {
        self.binary.contains(name)
    }
}

impl fmt::Debug for Variables {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_set().entries(self.values.keys()).finish()
    }
}
