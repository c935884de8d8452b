//! The objects of a build in order.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher as _, RandomState};

use fluxbot_yaml::Text;

use crate::id::{Id, Key};
use crate::resource::Resource;
use crate::shares::in_shares;

/// The objects of a build in order, with their identities for quick look-ups while nothing changes.
#[derive(Debug, Default)]
pub(crate) struct ResourceList {
    items: Vec<Resource>,
    /// Current identities; none after something may have changed them.
    known: Option<HashMap<Key, usize>>,
    /// The places of the objects that may have or have had a name; none after all may have changed.
    names: Option<HashMap<Text, Vec<usize>>>,
}

impl ResourceList {
    pub(crate) fn items(&self) -> &[Resource] {
        &self.items
    }

    /// The objects, to change them.
    pub(crate) fn items_mut(&mut self) -> &mut Vec<Resource> {
        self.known = None;
        self.names = None;
        &mut self.items
    }

    /// Changes all objects, by all cores where there are many. The error is that of the first object that has one.
    pub(crate) fn for_each(
        &mut self,
        work: impl Fn(&mut Resource) -> Result<(), String> + Sync,
    ) -> Result<(), String> {
        in_shares(self.items_mut(), |_, items| items.iter_mut().try_for_each(&work))
    }

    /// Changes one object.
    pub(crate) fn change<T>(&mut self, place: usize, work: impl FnOnce(&mut Resource) -> T) -> Option<T> {
        self.known = None;
        let item = self.items.get_mut(place)?;
        let result = work(item);
        if let Some(names) = &mut self.names {
            for name in item.ever_names() {
                let places = names.entry(name).or_default();
                if !places.contains(&place) {
                    places.push(place);
                    places.sort_unstable();
                }
            }
        }
        Some(result)
    }

    pub(crate) fn into_items(self) -> Vec<Resource> {
        self.items
    }

    /// Adds an object whose identity no other may have.
    pub(crate) fn push(&mut self, resource: Resource) -> Result<(), String> {
        let items = &self.items;
        let known = self.known.get_or_insert_with(|| {
            let places = items.iter().enumerate();
            places.map(|(index, item)| (item.id().key(), index)).collect()
        });
        let id = resource.id();
        if let Some(place) = known.get(&id.key()) {
            let other = self.items.get(*place).map(|item| &item.origin);
            return Err(format!(
                "may not add resource with an already registered id: {id}{}",
                other.map_or_else(String::new, |origin| format!(
                    " (the other is in {}:{})",
                    origin.path, origin.line
                ))
            ));
        }
        known.insert(id.key(), self.items.len());
        if let Some(names) = &mut self.names {
            for name in resource.ever_names() {
                names.entry(name).or_default().push(self.items.len());
            }
        }
        self.items.push(resource);
        Ok(())
    }

    /// Adds all objects of another list.
    pub(crate) fn append(&mut self, other: Self) -> Result<(), String> {
        other.items.into_iter().try_for_each(|item| self.push(item))
    }

    /// Checks that no two objects have the same identity. `fault` says what it means if two have.
    pub(crate) fn check_unique(&self, fault: &str) -> Result<(), String> {
        // Without equal hashes there are no equal identities, and hashes are small.
        let state = RandomState::new();
        let mut hashes: Vec<u64> = self
            .items
            .iter()
            .map(|item| state.hash_one(item.id().key()))
            .collect();
        hashes.sort_unstable();
        if hashes.is_sorted_by(|one, other| one < other) {
            return Ok(());
        }
        let mut seen = HashSet::new();
        for item in &self.items {
            let id = item.id();
            if !seen.insert(id.key()) {
                return Err(format!("{fault}: {id}"));
            }
        }
        Ok(())
    }

    /// Drops what patches have deleted.
    pub(crate) fn drop_empty(&mut self) {
        if self.items.iter().any(Resource::is_gone) {
            self.items_mut().retain(|item| !item.is_gone());
        }
    }

    /// The places of the objects that have or had an identity that `fits`.
    pub(crate) fn with_any_id(&self, fits: impl Fn(&Id) -> bool) -> Vec<usize> {
        let matching =
            |item: &Resource| !item.is_gone() && (fits(&item.id()) || item.previous_ids().iter().any(&fits));
        let items = self.items.iter().enumerate();
        items
            .filter(|(_, item)| matching(item))
            .map(|(index, _)| index)
            .collect()
    }

    /// The places of the objects that have or had an identity.
    pub(crate) fn matching(&mut self, id: &Id) -> Vec<usize> {
        let items = &self.items;
        let names = self.names.get_or_insert_with(|| {
            let mut names: HashMap<Text, Vec<usize>> = HashMap::new();
            for (place, item) in items.iter().enumerate() {
                for name in item.ever_names() {
                    names.entry(name).or_default().push(place);
                }
            }
            names
        });
        let same = |item: &Resource| {
            item.ever_named(&id.name)
                && !item.is_gone()
                && (item.id().same(id) || item.previous_ids().iter().any(|previous| previous.same(id)))
        };
        let mut places = names.get(id.name.as_str()).cloned().unwrap_or_default();
        places.dedup();
        places.retain(|place| self.items.get(*place).is_some_and(same));
        places
    }

    /// The place of the one object that a patch is for.
    pub(crate) fn only(&mut self, id: &Id) -> Result<usize, String> {
        match *self.matching(id).as_slice() {
            [index] => Ok(index),
            [] => Err(format!(
                "no matches for Id {id}; failed to find unique target for patch {id}"
            )),
            _ => Err(format!(
                "multiple matches for Id {id}; failed to find unique target for patch {id}"
            )),
        }
    }
}
