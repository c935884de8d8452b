//! What the setters changed, file by file and object by object, as values that messages and events are made of.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::locate::ImpossibleReason;
use super::{Marker, ParseFailure};
use crate::image::{ImageRef, PolicyKey, Selections};

/// The Kubernetes object that a changed scalar belongs to.
///
/// Every part is empty where the document does not say it: a Helm values file has none of them.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct ObjectIdentifier {
    /// `apiVersion`.
    pub api_version: String,
    /// `kind`.
    pub kind: String,
    /// `metadata.namespace`.
    pub namespace: String,
    /// `metadata.name`.
    pub name: String,
}

impl fmt::Display for ObjectIdentifier {
    /// `Kind/namespace/name`, or `Kind/name` for an object without a namespace; empty for no object at all.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [&self.kind, &self.namespace, &self.name];
        let mut separator = "";
        for part in parts.into_iter().filter(|part| !part.is_empty()) {
            write!(f, "{separator}{part}")?;
            separator = "/";
        }
        Ok(())
    }
}

/// One scalar that got a new value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Line of the scalar's first character, from 1.
    pub line: usize,
    /// Column of the scalar's first character in characters, from 1.
    pub column: usize,
    /// The object that the scalar belongs to.
    pub object: ObjectIdentifier,
    /// The marker that set it; its text is the "setter" of Flux's change records.
    pub marker: Marker,
    /// The decoded value before.
    pub old: String,
    /// The decoded value after; always another one.
    pub new: String,
}

/// A marker that was not applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    /// Line of the marker, from 1.
    pub line: usize,
    /// The setter's name, or the comment's text when it has none.
    pub setter: String,
    /// Why it was not applied.
    pub reason: SkipReason,
}

impl Skipped {
    /// Whether this is the business of an automation in `namespace`: a marker of another namespace's policy is another
    /// automation's, not one that was left alone.
    #[must_use]
    pub fn concerns(&self, namespace: &str) -> bool {
        match &self.reason {
            SkipReason::NotSelected(policy) => policy.namespace == namespace,
            // Whose it was meant to be is not known.
            SkipReason::Impossible(ImpossibleReason::Malformed(_)) => true,
            _ => self.setter.split_once(':').is_none_or(|(of, _)| of == namespace),
        }
    }
}

/// Why a marker was not applied.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SkipReason {
    /// The policy does not exist, is not of this automation, or has not selected an image yet.
    #[error("the policy '{0}' has no selected image")]
    NotSelected(PolicyKey),
    /// The marker can never work.
    #[error("{0}")]
    Impossible(ImpossibleReason),
    /// The file cannot be read well enough to change it.
    #[error("the file was left alone: {0}")]
    Unparsable(ParseFailure),
    /// The edited file would have differed in more than its marked scalars.
    #[error("the file was left alone: the edit would have changed more than the marked scalars")]
    Unsafe,
}

/// The changes of one run over a tree of files.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ChangeSet {
    /// Changes by file; paths are relative to the repository's root and `/`-separated. No entry is empty.
    pub files: BTreeMap<String, Vec<Change>>,
    /// Markers that were not applied, by file. No entry is empty.
    pub skipped: BTreeMap<String, Vec<Skipped>>,
    /// The folder that Flux's file names are relative to (`spec.update.path`), from the repository's root; empty for the root.
    pub folder: String,
}

/// One change as Flux's templates see it: without its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ValueChange<'a> {
    /// The value before.
    pub old: &'a str,
    /// The value after.
    pub new: &'a str,
    /// The marker that set it.
    pub marker: &'a Marker,
}

impl ChangeSet {
    /// Whether no scalar changed. Skipped markers do not count.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// Adds what [`set`](super::set) reports about one file.
    pub fn record(&mut self, path: &str, changes: Vec<Change>, skipped: Vec<Skipped>) {
        if !changes.is_empty() {
            self.files.entry(path.to_owned()).or_default().extend(changes);
        }
        if !skipped.is_empty() {
            self.skipped.entry(path.to_owned()).or_default().extend(skipped);
        }
    }

    /// Adds everything that `other` has.
    pub fn merge(&mut self, other: Self) {
        for (path, changes) in other.files {
            self.files.entry(path).or_default().extend(changes);
        }
        for (path, skipped) in other.skipped {
            self.skipped.entry(path).or_default().extend(skipped);
        }
    }

    /// Every change with its file, by path and then in the order of the file.
    pub fn changes(&self) -> impl Iterator<Item = (&str, &Change)> {
        self.files
            .iter()
            .flat_map(|(path, changes)| changes.iter().map(move |change| (path.as_str(), change)))
    }

    /// The changes of one file by object, in the order of the file: Flux's `.Changed.FileChanges`.
    #[must_use]
    pub fn objects(&self, path: &str) -> BTreeMap<&ObjectIdentifier, Vec<&Change>> {
        let mut objects: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for change in self.files.get(path).into_iter().flatten() {
            objects.entry(&change.object).or_default().push(change);
        }
        objects
    }

    /// A file's path as Flux has it: relative to [`Self::folder`]. A file that is named by `spec.update.path` itself is
    /// relative to its folder.
    #[must_use]
    pub fn relative<'p>(&self, path: &'p str) -> &'p str {
        if path == self.folder {
            return path.rsplit('/').next().unwrap_or(path);
        }
        let below = path.strip_prefix(self.folder.as_str());
        match below.and_then(|below| below.strip_prefix('/')) {
            Some(below) if !self.folder.is_empty() => below,
            _ => path,
        }
    }

    /// The changes by object, whichever file they are in: Flux's `.Changed.Objects`. In the order of the files.
    #[must_use]
    pub fn all_objects(&self) -> BTreeMap<&ObjectIdentifier, Vec<&Change>> {
        let mut objects: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for (_, change) in self.changes() {
            objects.entry(&change.object).or_default().push(change);
        }
        objects
    }

    /// The different changes: Flux's `.Changed.Changes`.
    ///
    /// # Deviation
    /// They are sorted; in Flux their order is random.
    #[must_use]
    pub fn distinct(&self) -> BTreeSet<ValueChange<'_>> {
        self.changes()
            .map(|(_, change)| ValueChange {
                old: &change.old,
                new: &change.new,
                marker: &change.marker,
            })
            .collect()
    }

    /// How many markers were left alone.
    #[must_use]
    pub fn skipped_count(&self) -> usize {
        self.skipped.values().map(Vec::len).sum()
    }

    /// The policies whose markers changed a scalar.
    #[must_use]
    pub fn policies(&self) -> BTreeSet<&PolicyKey> {
        self.changes().map(|(_, change)| &change.marker.policy).collect()
    }

    /// The images that were written, each once, ordered by text: what a commit message lists.
    #[must_use]
    pub fn images<'a>(&self, selections: &'a Selections) -> BTreeSet<&'a ImageRef> {
        let policies = self.policies();
        policies
            .into_iter()
            .filter_map(|policy| selections.get(policy))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::setters::Field;

    fn change(policy: &str, object: &str) -> Change {
        Change {
            line: 1,
            column: 1,
            object: ObjectIdentifier {
                kind: "Deployment".into(),
                name: object.into(),
                ..ObjectIdentifier::default()
            },
            marker: Marker {
                policy: PolicyKey::new("ns", policy),
                field: Field::Tag,
            },
            old: "v1".into(),
            new: "v2".into(),
        }
    }

    #[test]
    fn merging_keeps_every_change_of_a_file() {
        let mut set = ChangeSet::default();
        assert!(set.is_empty());
        set.record("a.yaml", vec![change("one", "x")], Vec::new());
        let mut other = ChangeSet::default();
        other.record("a.yaml", vec![change("two", "y"), change("two", "x")], Vec::new());
        other.record("b.yaml", Vec::new(), Vec::new());
        set.merge(other);
        assert_eq!(set.files.keys().collect::<Vec<_>>(), ["a.yaml"]);
        assert_eq!(set.changes().count(), 3);
        let objects = set.objects("a.yaml");
        let counts: Vec<_> = objects
            .iter()
            .map(|(id, list)| (id.to_string(), list.len()))
            .collect();
        assert_eq!(
            counts,
            [("Deployment/x".to_owned(), 2), ("Deployment/y".to_owned(), 1)]
        );
    }

    #[test]
    fn images_are_those_of_the_policies_that_changed_something() {
        let image = |tag: &str| ImageRef::new("img", tag, None).unwrap();
        let selections = Selections::from([
            (PolicyKey::new("ns", "one"), image("v2")),
            (PolicyKey::new("ns", "two"), image("v3")),
        ]);
        let mut set = ChangeSet::default();
        set.record("a.yaml", vec![change("one", "x"), change("one", "y")], Vec::new());
        let images: Vec<_> = set
            .images(&selections)
            .into_iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(images, ["img:v2"]);
    }

    #[test]
    fn flux_names_files_below_the_folder_of_the_update() {
        let mut set = ChangeSet::default();
        assert_eq!(set.relative("apps/a.yaml"), "apps/a.yaml");
        set.folder = "apps".into();
        assert_eq!(set.relative("apps/x/a.yaml"), "x/a.yaml");
        assert_eq!(set.relative("apps-b/a.yaml"), "apps-b/a.yaml");
        set.folder = "apps/a.yaml".into();
        assert_eq!(set.relative("apps/a.yaml"), "a.yaml");
    }

    #[test]
    fn changes_are_also_known_by_object_and_by_value_alone() {
        let mut set = ChangeSet::default();
        set.record("a.yaml", vec![change("one", "x"), change("one", "y")], Vec::new());
        set.record("b.yaml", vec![change("one", "x"), change("two", "x")], Vec::new());
        let counts: Vec<_> = set
            .all_objects()
            .iter()
            .map(|(object, changes)| (object.name.clone(), changes.len()))
            .collect();
        assert_eq!(counts, [("x".to_owned(), 3), ("y".to_owned(), 1)]);
        let distinct = set.distinct();
        let setters: Vec<_> = distinct.iter().map(|change| change.marker.to_string()).collect();
        assert_eq!(setters, ["ns:one:tag", "ns:two:tag"]);
    }

    #[test]
    fn a_marker_of_another_namespace_is_another_automations_business() {
        let skipped = |setter: &str, reason| Skipped {
            line: 1,
            setter: setter.into(),
            reason,
        };
        let not_selected = |namespace| SkipReason::NotSelected(PolicyKey::new(namespace, "p"));
        let no_scalar = || SkipReason::Impossible(ImpossibleReason::NoScalar);
        assert!(skipped("ns:p", not_selected("ns")).concerns("ns"));
        assert!(!skipped("other:p", not_selected("other")).concerns("ns"));
        assert!(skipped("ns:p:tag", no_scalar()).concerns("ns"));
        assert!(!skipped("other:p", no_scalar()).concerns("ns"));
        assert!(!skipped("other:p", SkipReason::Unsafe).concerns("ns"));
        let malformed = ImpossibleReason::Malformed(crate::setters::MalformedMarker::TextBehind);
        assert!(
            skipped(
                "# {\"$imagepolicy\": \"other:p\"} x",
                SkipReason::Impossible(malformed)
            )
            .concerns("ns")
        );
    }

    #[test]
    fn an_object_prints_the_parts_that_it_has() {
        let mut object = ObjectIdentifier::default();
        assert_eq!(object.to_string(), "");
        object.kind = "Job".into();
        object.name = "x".into();
        assert_eq!(object.to_string(), "Job/x");
        object.namespace = "apps".into();
        assert_eq!(object.to_string(), "Job/apps/x");
    }
}
