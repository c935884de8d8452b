//! Slices.

use std::sync::Arc;

use super::map::drop_iteratively;
use super::{Type, Value};

/// An immutable slice with the type of its elements. Cloning shares the items.
#[derive(Debug, Clone)]
pub struct List {
    element: Type,
    items: Option<Arc<Items>>,
}

#[derive(Debug)]
pub(super) struct Items(pub(super) Vec<Value>);

impl Drop for Items {
    fn drop(&mut self) {
        drop_iteratively(std::mem::take(&mut self.0));
    }
}

impl List {
    /// A slice whose elements have the type `element`. The items must be of that type.
    #[must_use]
    pub fn typed(element: Type, items: Vec<Value>) -> Self {
        Self {
            element,
            items: Some(Arc::new(Items(items))),
        }
    }

    /// A slice of strings.
    #[must_use]
    pub fn strings<T: Into<Value>>(items: impl IntoIterator<Item = T>) -> Self {
        Self::typed(Type::String, items.into_iter().map(Into::into).collect())
    }

    /// The nil slice, which is empty.
    #[must_use]
    pub const fn nil(element: Type) -> Self {
        Self { element, items: None }
    }

    /// The type of the elements.
    #[must_use]
    pub const fn element(&self) -> &Type {
        &self.element
    }

    /// The elements.
    #[must_use]
    pub fn items(&self) -> &[Value] {
        self.items.as_ref().map_or(&[], |items| items.0.as_slice())
    }

    /// The number of elements.
    #[must_use]
    pub fn len(&self) -> usize {
        self.items().len()
    }

    /// Whether there are no elements.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.items().is_empty()
    }

    /// Whether it is the nil slice.
    #[must_use]
    pub const fn is_nil(&self) -> bool {
        self.items.is_none()
    }

    /// The bytes of a `[]uint8`.
    #[must_use]
    pub fn as_bytes(&self) -> Option<Vec<u8>> {
        let byte = |item: &Value| match item {
            Value::Uint(_, number) => u8::try_from(*number).ok(),
            _ => None,
        };
        (self.element == Type::Uint(super::UintKind::Uint8))
            .then(|| self.items().iter().filter_map(byte).collect())
    }

    /// What tells one slice from another: its place in memory.
    pub(crate) fn identity(&self) -> usize {
        self.items
            .as_ref()
            .map_or(0, |items| Arc::as_ptr(items).cast::<()>().addr())
    }

    /// The items, when nobody else has them.
    pub(super) fn into_unique(self) -> Vec<Value> {
        self.items
            .and_then(Arc::into_inner)
            .map(|mut items| std::mem::take(&mut items.0))
            .unwrap_or_default()
    }
}
