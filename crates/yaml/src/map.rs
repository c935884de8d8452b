//! The fields of a map, in the order of their keys.

use std::fmt;
use std::iter;
use std::slice;
use std::vec;

use crate::{Text, Value};

/// Up to so many fields are searched one after the other, which is quicker than by halves.
const FEW: usize = 8;

/// A map from keys to values, in the order of the bytes of the keys; writers order them anew. Each key stands once.
///
/// The fields of an object are few, so they stand in one piece of memory without room to spare: adding one to a large map costs
/// as many steps as the map has fields.
#[derive(Clone, PartialEq, Default)]
pub struct Map {
    fields: Vec<(Text, Value)>,
}

/// The fields of a map that is looked at.
pub type Iter<'m> = iter::Map<slice::Iter<'m, (Text, Value)>, fn(&'m (Text, Value)) -> (&'m Text, &'m Value)>;

/// The fields of a map whose values are changed.
pub type IterMut<'m> =
    iter::Map<slice::IterMut<'m, (Text, Value)>, fn(&'m mut (Text, Value)) -> (&'m Text, &'m mut Value)>;

impl Map {
    /// A map without fields. Costs nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self { fields: Vec::new() }
    }

    /// How many fields there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.fields.len()
    }

    /// Whether there are no fields.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// The place of a field.
    fn find(&self, key: &str) -> Option<usize> {
        if self.fields.len() <= FEW {
            return self.fields.iter().position(|(known, _)| known == key);
        }
        self.place(key).ok()
    }

    /// The place of a field, or that where it belongs.
    fn place(&self, key: &str) -> Result<usize, usize> {
        self.fields.binary_search_by(|(known, _)| known.as_str().cmp(key))
    }

    /// The value of a field.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Value> {
        let place = self.find(key)?;
        self.fields.get(place).map(|(_, value)| value)
    }

    /// The value of a field, to change it.
    pub fn get_mut(&mut self, key: &str) -> Option<&mut Value> {
        let place = self.find(key)?;
        self.fields.get_mut(place).map(|(_, value)| value)
    }

    /// Whether there is a field.
    #[must_use]
    pub fn contains_key(&self, key: &str) -> bool {
        self.find(key).is_some()
    }

    /// Sets a field, and gives the value that it had.
    pub fn insert(&mut self, key: impl Into<Text>, value: Value) -> Option<Value> {
        let key = key.into();
        match self.place(&key) {
            Ok(place) => {
                let (_, known) = self.fields.get_mut(place)?;
                Some(std::mem::replace(known, value))
            }
            Err(place) => {
                self.insert_at(place, key, value);
                None
            }
        }
    }

    /// The value of a field, which gets the one given if it is missing.
    pub fn get_or_insert_with(&mut self, key: &str, value: impl FnOnce() -> Value) -> &mut Value {
        let place = match self.place(key) {
            Ok(place) => place,
            Err(place) => {
                self.insert_at(place, key.into(), value());
                place
            }
        };
        &mut self.fields[place].1
    }

    fn insert_at(&mut self, place: usize, key: Text, value: Value) {
        if self.fields.len() < FEW {
            // A small map rarely gains more than one field.
            self.fields.reserve_exact(1);
        }
        self.fields.insert(place, (key, value));
    }

    /// Takes a field out.
    pub fn remove(&mut self, key: &str) -> Option<Value> {
        let place = self.find(key)?;
        Some(self.fields.remove(place).1)
    }

    /// Keeps the fields that are `wanted`, whose values may be changed on the way.
    pub fn retain(&mut self, mut wanted: impl FnMut(&Text, &mut Value) -> bool) {
        self.fields.retain_mut(|(key, value)| wanted(key, value));
    }

    /// The fields, in the order of their keys.
    pub fn iter(&self) -> Iter<'_> {
        let pair: fn(&(Text, Value)) -> (&Text, &Value) = |(key, value)| (key, value);
        self.fields.iter().map(pair)
    }

    /// The fields, in the order of their keys, to change their values.
    pub fn iter_mut(&mut self) -> IterMut<'_> {
        let pair: fn(&mut (Text, Value)) -> (&Text, &mut Value) = |(key, value)| (&*key, value);
        self.fields.iter_mut().map(pair)
    }

    /// The keys in their order.
    #[must_use]
    pub fn keys(&self) -> impl ExactSizeIterator<Item = &Text> {
        self.fields.iter().map(|(key, _)| key)
    }

    /// The values, in the order of their keys, to change them.
    pub fn values_mut(&mut self) -> impl ExactSizeIterator<Item = &mut Value> {
        self.fields.iter_mut().map(|(_, value)| value)
    }
}

impl fmt::Debug for Map {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_map().entries(self).finish()
    }
}

impl<K: Into<Text>> FromIterator<(K, Value)> for Map {
    /// Of equal keys the last one counts.
    fn from_iter<I: IntoIterator<Item = (K, Value)>>(fields: I) -> Self {
        let given = fields.into_iter();
        let mut fields = Vec::with_capacity(given.size_hint().0);
        fields.extend(given.map(|(key, value)| (key.into(), value)));
        if !fields.is_sorted_by(|(one, _), (other, _)| one < other) {
            fields.sort_by(|(one, _), (other, _): &(Text, Value)| one.cmp(other));
            fields.dedup_by(|later, kept| {
                let is_same = later.0 == kept.0;
                if is_same {
                    std::mem::swap(later, kept);
                }
                is_same
            });
        }
        fields.shrink_to_fit();
        Self { fields }
    }
}

impl<K: Into<Text>, const N: usize> From<[(K, Value); N]> for Map {
    fn from(fields: [(K, Value); N]) -> Self {
        fields.into_iter().collect()
    }
}

impl<K: Into<Text>> Extend<(K, Value)> for Map {
    fn extend<I: IntoIterator<Item = (K, Value)>>(&mut self, fields: I) {
        for (key, value) in fields {
            self.insert(key, value);
        }
    }
}

impl IntoIterator for Map {
    type Item = (Text, Value);
    type IntoIter = vec::IntoIter<(Text, Value)>;

    fn into_iter(self) -> Self::IntoIter {
        self.fields.into_iter()
    }
}

impl<'m> IntoIterator for &'m Map {
    type Item = (&'m Text, &'m Value);
    type IntoIter = Iter<'m>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<'m> IntoIterator for &'m mut Map {
    type Item = (&'m Text, &'m mut Value);
    type IntoIter = IterMut<'m>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter_mut()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_is_a_map_in_the_order_of_its_keys(steps in prop::collection::vec((0..3, "[a-d]{0,2}", 0..9_i64), 0..60)) {
            let (mut map, mut model) = (Map::new(), BTreeMap::new());
            for (step, key, number) in steps {
                let value = Value::Number(number.into());
                match step {
                    0 => prop_assert_eq!(map.insert(key.as_str(), value.clone()), model.insert(key, value)),
                    1 => prop_assert_eq!(map.remove(&key), model.remove(&key)),
                    _ => {
                        let known = model.entry(key.clone()).or_insert_with(|| value.clone());
                        prop_assert_eq!(map.get_or_insert_with(&key, || value), known);
                    }
                }
                prop_assert_eq!(map.len(), model.len());
                prop_assert!(map.iter().map(|(key, value)| (key.as_str(), value)).eq(
                    model.iter().map(|(key, value)| (key.as_str(), value))));
            }
            for key in ["", "a", "bc", "dd"] {
                prop_assert_eq!(map.get(key), model.get(key));
            }
        }

        #[test]
        fn of_equal_keys_the_last_one_counts(fields in prop::collection::vec(("[a-c]{0,2}", 0..9_i64), 0..20)) {
            let fields = || fields.iter().map(|(key, number)| (key.clone(), Value::Number((*number).into())));
            let (map, model): (Map, BTreeMap<String, Value>) = (fields().collect(), fields().collect());
            prop_assert!(map.iter().map(|(key, value)| (key.as_str(), value)).eq(
                model.iter().map(|(key, value)| (key.as_str(), value))));
        }
    }
}
