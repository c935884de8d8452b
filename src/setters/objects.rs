//! Which Kubernetes object each part of a YAML document belongs to.

use super::ObjectIdentifier;

/// What a mapping or sequence means for the identity of objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    /// The mapping that is an object: a document's root, or an item of a list.
    Object,
    /// An object's `metadata`.
    Metadata,
    /// The `items` of a document's root.
    Items,
    /// Everything else.
    Inside,
}

/// The place of a node among the objects of its document.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    object: usize,
    part: Part,
}

impl Place {
    /// The number under which [`Objects::identifier`] knows the object.
    pub(super) fn object(self) -> usize {
        self.object
    }
}

/// The objects of a stream in the order of their first character.
#[derive(Debug, Default)]
pub(super) struct Objects {
    list: Vec<(ObjectIdentifier, Option<usize>)>,
}

impl Objects {
    /// Begins a document, whose root is an object until proven otherwise.
    pub(super) fn document(&mut self) -> Place {
        self.add(None)
    }

    /// The place of a collection that stands in `parent`, under `key` when that is a mapping.
    pub(super) fn enter(&mut self, parent: Place, key: Option<&str>, is_mapping: bool) -> Place {
        let is_root = self
            .list
            .get(parent.object)
            .is_some_and(|(_, list)| list.is_none());
        let part = match (parent.part, key, is_mapping) {
            (Part::Object, Some("metadata"), true) => Part::Metadata,
            (Part::Object, Some("items"), false) if is_root => Part::Items,
            (Part::Items, _, true) => return self.add(Some(parent.object)),
            _ => Part::Inside,
        };
        Place { part, ..parent }
    }

    /// Takes note of a scalar under `key` of the mapping at `place`. The first of a repeated key counts.
    pub(super) fn scalar(&mut self, place: Place, key: &str, value: &str) {
        let Some((object, _)) = self.list.get_mut(place.object) else {
            return;
        };
        let field = match (place.part, key) {
            (Part::Object, "apiVersion") => &mut object.api_version,
            (Part::Object, "kind") => &mut object.kind,
            (Part::Metadata, "name") => &mut object.name,
            (Part::Metadata, "namespace") => &mut object.namespace,
            _ => return,
        };
        if field.is_empty() {
            value.clone_into(field);
        }
    }

    /// The identity of an object; of the whole document where the items of a list are no objects.
    pub(super) fn identifier(&self, object: usize) -> ObjectIdentifier {
        let Some((identifier, list)) = self.list.get(object) else {
            return ObjectIdentifier::default();
        };
        match list.and_then(|list| self.list.get(list)) {
            Some((list, _)) if !list.kind.ends_with("List") || identifier.kind.is_empty() => list.clone(),
            _ => identifier.clone(),
        }
    }

    fn add(&mut self, list: Option<usize>) -> Place {
        self.list.push((ObjectIdentifier::default(), list));
        Place {
            object: self.list.len() - 1,
            part: Part::Object,
        }
    }
}
