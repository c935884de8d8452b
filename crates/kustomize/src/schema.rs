//! What is known about kinds: which have no namespaces, and how patches merge their lists.

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use fluxbot_yaml::{Text, Value};

/// The table of the built-in kinds, written by `hack/oracle/kustomize`.
const TABLE: &str = include_str!("data/schema.txt");

static BUILT_IN: LazyLock<Kinds> = LazyLock::new(|| Kinds::read(TABLE));

/// The kinds of the table that have no namespaces: all that most builds ask for.
static CLUSTER: LazyLock<HashSet<(&str, &str)>> = LazyLock::new(|| {
    let words = TABLE.lines().filter_map(|line| line.strip_prefix("cluster "));
    words.filter_map(|words| words.split_once(' ')).collect()
});

const KINDS_OF_DEFINITION: &str = "x-kubernetes-group-version-kind";

/// Kinds and their schemas: those that are built in, or those of an `OpenAPI` document.
#[derive(Debug, Default)]
pub(crate) struct Kinds {
    /// The versions of kinds that have no namespaces.
    cluster: HashMap<Text, Vec<Text>>,
    /// The versions of kinds with a schema, and the places of their definitions.
    types: HashMap<Text, Vec<(Text, usize)>>,
    definitions: Vec<HashMap<Text, Field>>,
}

/// How the value of a field is merged.
#[derive(Debug, Clone, Default)]
struct Field {
    /// The keys of a list whose items are merged; empty for a list of scalars. `None` for a list that is replaced.
    merge: Option<Vec<String>>,
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

/// The schema of a value.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Schema<'k> {
    kinds: &'k Kinds,
    merge: Option<&'k [String]>,
    definition: Option<usize>,
    shape: Shape,
}

/// Whether a built-in kind has no namespaces.
pub(crate) fn is_cluster_scoped(api_version: &str, kind: &str) -> bool {
    let kinds: &HashSet<(&str, &str)> = &CLUSTER;
    kinds.contains(&(api_version, kind))
}

impl Kinds {
    /// The kinds that the original bundles.
    pub(crate) fn built_in() -> &'static Self {
        &BUILT_IN
    }

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
                    kinds.add_cluster(Text::new_static(version), Text::new_static(kind));
                }
                (Some("kind"), Some(version), Some(kind)) => {
                    if let Some(index) = words.next().and_then(|name| names.get(name)) {
                        kinds.add_type(Text::new_static(version), Text::new_static(kind), *index);
                    }
                }
                (Some("type"), ..) => kinds.definitions.push(HashMap::new()),
                (Some(name), Some(target), merge) if line.starts_with(' ') => {
                    let (shape, target) = match (target.strip_prefix("[]"), target.strip_prefix("{}")) {
                        (Some(target), _) => (Shape::List, target),
                        (_, Some(target)) => (Shape::Map, target),
                        _ => (Shape::Object, target),
                    };
                    let field = Field {
                        merge: merge.map(|_| words.map(str::to_owned).collect()),
                        definition: names.get(target).copied(),
                        shape,
                    };
                    if let Some(definition) = kinds.definitions.last_mut() {
                        definition.insert(Text::new_static(name), field);
                    }
                }
                _ => {}
            }
        }
        kinds
    }

    fn add_cluster(&mut self, version: Text, kind: Text) {
        self.cluster.entry(kind).or_default().push(version);
    }

    fn add_type(&mut self, version: Text, kind: Text, definition: usize) {
        let versions = self.types.entry(kind).or_default();
        versions.retain(|(known, _)| *known != version);
        versions.push((version, definition));
    }

    /// Whether a kind is known to have no namespaces.
    pub(crate) fn is_cluster_scoped(&self, api_version: &str, kind: &str) -> bool {
        self.cluster
            .get(kind)
            .is_some_and(|versions| versions.iter().any(|version| version == api_version))
    }

    /// The schema of a kind.
    pub(crate) fn schema(&self, api_version: &str, kind: &str) -> Option<Schema<'_>> {
        let versions = self.types.get(kind)?;
        let (_, definition) = versions.iter().find(|(version, _)| version == api_version)?;
        Some(Schema {
            kinds: self,
            merge: None,
            definition: Some(*definition),
            shape: Shape::Object,
        })
    }

    /// The kinds of an `OpenAPI` document. Which built-in kinds have no namespaces is known without.
    ///
    /// With `beside`, the schemas of the built-in kinds stay known too.
    pub(crate) fn from_openapi(document: &Value, beside: bool) -> Self {
        let built_in = Self::built_in();
        let mut kinds = Self {
            cluster: built_in.cluster.clone(),
            ..Self::default()
        };
        if beside {
            kinds.types.clone_from(&built_in.types);
            kinds.definitions.clone_from(&built_in.definitions);
        }
        let empty = fluxbot_yaml::Map::new();
        let definitions = document
            .get("definitions")
            .and_then(Value::as_map)
            .unwrap_or(&empty);
        let first = kinds.definitions.len();
        let names: HashMap<&str, usize> = definitions
            .keys()
            .enumerate()
            .map(|(index, name)| (name.as_str(), first + index))
            .collect();
        kinds
            .definitions
            .resize_with(first + definitions.len(), HashMap::new);
        for (name, definition) in definitions {
            let Some(&place) = names.get(name.as_str()) else {
                continue;
            };
            let fields = kinds.fields(definition, &names, 0);
            if let Some(slot) = kinds.definitions.get_mut(place) {
                *slot = fields;
            }
            let of = definition.get(KINDS_OF_DEFINITION).and_then(Value::as_list);
            for (version, kind) in of.unwrap_or_default().iter().filter_map(type_meta) {
                kinds.add_type(version, kind, place);
            }
        }
        kinds.read_paths(document);
        kinds
    }

    /// Paths with a namespace in them tell which kinds have one.
    fn read_paths(&mut self, document: &Value) {
        let mut scopes: HashMap<(Text, Text), bool> = HashMap::new();
        let paths = document.get("paths").and_then(Value::as_map);
        for (path, operations) in paths.into_iter().flatten() {
            let kind = operations.at(&["get", KINDS_OF_DEFINITION]).and_then(type_meta);
            if let Some(kind) = kind {
                *scopes.entry(kind).or_default() |= path.contains("namespaces/{namespace}");
            }
        }
        for ((version, kind), namespaced) in scopes {
            if !namespaced && !self.is_cluster_scoped(&version, &kind) {
                self.add_cluster(version, kind);
            }
        }
    }

    fn fields(&mut self, schema: &Value, names: &HashMap<&str, usize>, depth: usize) -> HashMap<Text, Field> {
        let mut fields = HashMap::new();
        let properties = schema.get("properties").and_then(Value::as_map);
        for (name, property) in properties.into_iter().flatten() {
            fields.insert(name.clone(), self.field(property, names, depth));
        }
        if let Some(values) = schema
            .get("additionalProperties")
            .filter(|v| v.as_map().is_some())
        {
            fields.insert(Text::new_static("*"), self.field(values, names, depth));
        }
        fields
    }

    fn field(&mut self, schema: &Value, names: &HashMap<&str, usize>, depth: usize) -> Field {
        /// Deeper schemas are those of nobody.
        const MAX_DEPTH: usize = 100;
        if depth > MAX_DEPTH {
            return Field::default();
        }
        let (shape, inner) = match (schema.get("items"), schema.get("additionalProperties")) {
            (Some(items), _) => (Shape::List, items),
            (None, Some(values)) if values.as_map().is_some() => (Shape::Map, values),
            _ => (Shape::Object, schema),
        };
        let definition = if let Some(reference) = inner.get("$ref").and_then(Value::as_str) {
            let name = reference.rsplit('/').next().unwrap_or_default();
            names.get(name).copied()
        } else {
            let fields = self.fields(inner, names, depth + 1);
            self.definitions.push(fields);
            Some(self.definitions.len() - 1)
        };
        Field {
            merge: merge_keys(schema),
            definition,
            shape,
        }
    }
}

/// Version and kind, as `OpenAPI` documents have them.
fn type_meta(value: &Value) -> Option<(Text, Text)> {
    let text = |key| value.get(key).and_then(Value::as_str);
    let (version, kind) = (text("version")?, text("kind")?);
    let group = text("group").filter(|group| !group.is_empty());
    Some((
        group.map_or_else(|| version.into(), |group| format!("{group}/{version}").into()),
        kind.into(),
    ))
}

/// The merge keys of a list that patches merge.
fn merge_keys(schema: &Value) -> Option<Vec<String>> {
    let strategy = schema.get("x-kubernetes-patch-strategy")?.as_str()?;
    if !strategy.split(',').any(|part| part == "merge") {
        return None;
    }
    if let Some(keys) = schema.get("x-kubernetes-list-map-keys").and_then(Value::as_list) {
        return Some(keys.iter().filter_map(Value::as_str).map(str::to_owned).collect());
    }
    let key = schema.get("x-kubernetes-patch-merge-key").and_then(Value::as_str);
    Some(key.map(str::to_owned).into_iter().collect())
}

impl<'k> Schema<'k> {
    /// The keys of a list whose items are merged; empty for a list of scalars. `None` for a list that is replaced.
    pub(crate) fn merge_keys(self) -> Option<&'k [String]> {
        self.merge
    }

    /// The schema of a field of a map.
    pub(crate) fn field(self, name: &str) -> Option<Self> {
        if self.shape == Shape::Map {
            return self.inner();
        }
        let fields = self.kinds.definitions.get(self.definition?)?;
        let field = fields.get(name).or_else(|| fields.get("*"))?;
        Some(Self {
            kinds: self.kinds,
            merge: field.merge.as_deref(),
            definition: field.definition,
            shape: field.shape,
        })
    }

    /// The schema of the items of a list.
    pub(crate) fn items(self) -> Option<Self> {
        if self.shape == Shape::List {
            self.inner()
        } else {
            None
        }
    }

    fn inner(self) -> Option<Self> {
        Some(Self {
            merge: None,
            definition: Some(self.definition?),
            shape: Shape::Object,
            ..self
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_built_in_kinds_have_their_merge_keys() {
        let pod = Kinds::built_in()
            .schema("apps/v1", "Deployment")
            .and_then(|schema| schema.field("spec"))
            .and_then(|schema| schema.field("template"))
            .and_then(|schema| schema.field("spec"))
            .unwrap();
        let containers = pod.field("containers").unwrap();
        assert_eq!(containers.merge_keys().unwrap(), ["name"]);
        let ports = containers
            .items()
            .and_then(|schema| schema.field("ports"))
            .unwrap();
        assert_eq!(ports.merge_keys().unwrap(), ["containerPort", "protocol"]);
        assert!(pod.field("nodeSelector").is_none());
    }

    #[test]
    fn kinds_without_namespaces_are_known_by_group_version_and_kind() {
        let kinds = Kinds::built_in();
        assert!(kinds.is_cluster_scoped("v1", "Namespace"));
        assert!(!kinds.is_cluster_scoped("example.org/v1", "Namespace"));
        assert!(!kinds.is_cluster_scoped("v1", "Pod"));
        for (version, kind) in [
            ("v1", "Namespace"),
            ("v1", "Pod"),
            ("rbac.authorization.k8s.io/v1", "ClusterRole"),
        ] {
            assert_eq!(
                is_cluster_scoped(version, kind),
                kinds.is_cluster_scoped(version, kind)
            );
        }
    }
}
