//! What names an object: group, version, kind, name and namespace.

use std::fmt;

use fluxbot_yaml::Text;

/// The namespace of objects that have none, which cannot be the name of one.
pub(crate) const NO_NAMESPACE: &str = "_non_namespaceable_";

/// Group, version and kind. As a selector, an empty part matches anything.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(crate) struct Gvk {
    pub(crate) group: Text,
    pub(crate) version: Text,
    pub(crate) kind: Text,
}

impl Gvk {
    pub(crate) fn new(api_version: &str, kind: &str) -> Self {
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        Self {
            group: group.into(),
            version: version.into(),
            kind: kind.into(),
        }
    }

    pub(crate) fn is_selected(&self, selector: &Self) -> bool {
        let fits = |wanted: &str, actual: &str| wanted.is_empty() || wanted == actual;
        fits(&selector.group, &self.group)
            && fits(&selector.version, &self.version)
            && fits(&selector.kind, &self.kind)
    }

    pub(crate) fn api_version(&self) -> String {
        if self.group.is_empty() {
            self.version.to_string()
        } else {
            format!("{}/{}", self.group, self.version)
        }
    }
}

impl fmt::Display for Gvk {
    /// As kustomize names it in its messages: `Deployment.v1.apps`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let or = |text: &str, other: &str| {
            if text.is_empty() {
                other.to_owned()
            } else {
                text.to_owned()
            }
        };
        let (kind, version) = (or(&self.kind, "[noKind]"), or(&self.version, "[noVer]"));
        write!(formatter, "{kind}.{version}.{}", or(&self.group, "[noGrp]"))
    }
}

/// The identity of an object now or before a change.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Id {
    pub(crate) gvk: Gvk,
    pub(crate) name: Text,
    /// As written; empty for none.
    pub(crate) namespace: Text,
    /// Whether the kind is known to have no namespaces. Earlier identities do not know.
    pub(crate) cluster: bool,
}

impl Id {
    /// The namespace that the API server would use.
    pub(crate) fn effective_namespace(&self) -> &str {
        if self.cluster {
            NO_NAMESPACE
        } else if self.namespace.is_empty() {
            "default"
        } else {
            &self.namespace
        }
    }

    pub(crate) fn same_namespace(&self, other: &Self) -> bool {
        self.effective_namespace() == other.effective_namespace()
    }

    /// Whether both name the same object.
    pub(crate) fn same(&self, other: &Self) -> bool {
        self.name == other.name && self.gvk == other.gvk && self.same_namespace(other)
    }

    /// A key that is equal for identities of the same object.
    pub(crate) fn key(&self) -> Key {
        (
            self.gvk.clone(),
            self.name.clone(),
            self.effective_namespace().into(),
        )
    }
}

/// What is equal for identities of the same object.
pub(crate) type Key = (Gvk, Text, Text);

impl fmt::Display for Id {
    /// As kustomize names it in its messages: `Deployment.v1.apps/web.default`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let or = |text: &str, other: &str| {
            if text.is_empty() {
                other.to_owned()
            } else {
                text.to_owned()
            }
        };
        let (name, namespace) = (or(&self.name, "[noName]"), or(&self.namespace, "[noNs]"));
        write!(formatter, "{}/{name}.{namespace}", self.gvk)
    }
}
