//! What is known about the built-in kinds: which have no namespaces, and how patches merge their lists.

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use crate::id::Gvk;

/// The table, written by `hack/oracle/kustomize`.
const TABLE: &str = include_str!("data/schema.txt");

static KINDS: LazyLock<Kinds> = LazyLock::new(|| Kinds::read(TABLE));

#[derive(Default)]
struct Kinds {
    cluster: HashSet<(&'static str, &'static str)>,
    types: HashMap<(&'static str, &'static str), usize>,
    definitions: Vec<HashMap<&'static str, Schema>>,
}

/// How the value of a field is merged.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Schema {
    /// The keys of a list whose items are merged; empty for a list of scalars. `None` for a list that is replaced.
    pub(crate) merge: Option<Vec<&'static str>>,
    /// The definition of the value, of the items of a list, or of the values of a map.
    definition: Option<usize>,
    shape: Shape,
}

#[derive(Debug, Clone, Copy, PartialEq, Default)]
enum Shape {
    #[default]
    Object,
    List,
    Map,
}

impl Kinds {
    fn read(text: &'static str) -> Self {
        let mut kinds = Self::default();
        let names: HashMap<&str, usize> = text
            .lines()
            .filter_map(|line| line.strip_prefix("type "))
            .enumerate()
            .map(|(index, name)| (name, index))
            .collect();
        for line in text.lines() {
            let mut words = line.split_ascii_whitespace();
            match (words.next(), words.next(), words.next()) {
                (Some("cluster"), Some(version), Some(kind)) => {
                    kinds.cluster.insert((version, kind));
                }
                (Some("kind"), Some(version), Some(kind)) => {
                    if let Some(index) = words.next().and_then(|name| names.get(name)) {
                        kinds.types.insert((version, kind), *index);
                    }
                }
                (Some("type"), ..) => kinds.definitions.push(HashMap::new()),
                (Some(field), Some(target), merge) if line.starts_with(' ') => {
                    let (shape, target) = match (target.strip_prefix("[]"), target.strip_prefix("{}")) {
                        (Some(target), _) => (Shape::List, target),
                        (_, Some(target)) => (Shape::Map, target),
                        _ => (Shape::Object, target),
                    };
                    let schema = Schema {
                        merge: merge.map(|_| words.collect()),
                        definition: names.get(target).copied(),
                        shape,
                    };
                    if let Some(definition) = kinds.definitions.last_mut() {
                        definition.insert(field, schema);
                    }
                }
                _ => {}
            }
        }
        kinds
    }
}

/// Whether a kind is known to have no namespaces.
pub(crate) fn is_cluster_scoped(gvk: &Gvk) -> bool {
    KINDS
        .cluster
        .contains(&(gvk.api_version().as_str(), gvk.kind.as_str()))
}

impl Schema {
    /// The schema of a built-in kind.
    pub(crate) fn of_kind(api_version: &str, kind: &str) -> Option<Self> {
        let definition = KINDS.types.get(&(api_version, kind))?;
        Some(Self {
            merge: None,
            definition: Some(*definition),
            shape: Shape::Object,
        })
    }

    /// The schema of a field of a map.
    pub(crate) fn field(&self, name: &str) -> Option<Self> {
        if self.shape == Shape::Map {
            return self.inner();
        }
        let fields = KINDS.definitions.get(self.definition?)?;
        fields.get(name).or_else(|| fields.get("*")).cloned()
    }

    /// The schema of the items of a list.
    pub(crate) fn items(&self) -> Option<Self> {
        if self.shape == Shape::List {
            self.inner()
        } else {
            None
        }
    }

    fn inner(&self) -> Option<Self> {
        Some(Self {
            merge: None,
            definition: Some(self.definition?),
            shape: Shape::Object,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_built_in_kinds_have_their_merge_keys() {
        let pod = Schema::of_kind("apps/v1", "Deployment")
            .and_then(|schema| schema.field("spec"))
            .and_then(|schema| schema.field("template"))
            .and_then(|schema| schema.field("spec"))
            .unwrap();
        let containers = pod.field("containers").unwrap();
        assert_eq!(containers.merge, Some(vec!["name"]));
        let ports = containers
            .items()
            .and_then(|schema| schema.field("ports"))
            .unwrap();
        assert_eq!(ports.merge, Some(vec!["containerPort", "protocol"]));
        assert_eq!(pod.field("nodeSelector"), None);
    }

    #[test]
    fn kinds_without_namespaces_are_known_by_group_version_and_kind() {
        assert!(is_cluster_scoped(&Gvk::new("v1", "Namespace")));
        assert!(!is_cluster_scoped(&Gvk::new("example.org/v1", "Namespace")));
        assert!(!is_cluster_scoped(&Gvk::new("v1", "Pod")));
    }
}
