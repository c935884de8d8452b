//! Which policy a marker or an automation means.

use std::fmt;
use std::str::FromStr;

/// Namespace and name of an `ImagePolicy`, written `namespace:name` in markers.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PolicyKey {
    /// The policy's namespace.
    pub namespace: String,
    /// The policy's name.
    pub name: String,
}

impl PolicyKey {
    /// Builds a key from its two parts.
    #[must_use]
    pub fn new(namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            namespace: namespace.into(),
            name: name.into(),
        }
    }
}

impl fmt::Display for PolicyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.namespace, self.name)
    }
}

/// The text has no namespace or no name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not of the form namespace:policy")]
pub struct InvalidPolicyKey(String);

impl FromStr for PolicyKey {
    type Err = InvalidPolicyKey;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once(':') {
            Some((namespace, name)) if !namespace.is_empty() && !name.is_empty() && !name.contains(':') => {
                Ok(Self::new(namespace, name))
            }
            _ => Err(InvalidPolicyKey(text.to_owned())),
        }
    }
}
