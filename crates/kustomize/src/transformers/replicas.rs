//! Numbers of replicas.

use fluxbot_yaml::Value;

use super::{Transformer, about};
use crate::fields::{Create, FieldSpec};
use crate::kustomization::Replica;
use crate::resources::ResourceList;

/// Sets the number of replicas of an object.
pub(crate) struct Replicas {
    pub(crate) replica: Replica,
    pub(crate) fields: Vec<FieldSpec>,
}

impl Transformer for Replicas {
    fn apply(&self, all: &mut ResourceList) -> Result<(), String> {
        let name = &self.replica.name;
        let mut found = false;
        for field in &self.fields {
            let gvk = field.gvk();
            let items = all.items().iter().enumerate();
            let fits = |id: &crate::id::Id| id.name == *name && id.gvk.is_selected(&gvk);
            let places: Vec<usize> = items
                .filter(|(_, item)| item.ever_named(name) && !item.is_gone())
                .filter(|(_, item)| fits(&item.id()) || item.previous_ids().iter().any(fits))
                .map(|(place, _)| place)
                .collect();
            found |= !places.is_empty();
            for place in places {
                let Some(resource) = all.items_mut().get_mut(place) else {
                    continue;
                };
                if !field.selects(&resource.gvk()) {
                    continue;
                }
                let mut set = |value: &mut Value| {
                    if !value.is_scalar() {
                        return Err("wrong node kind: expected ScalarNode".to_owned());
                    }
                    *value = Value::Number(self.replica.count.into());
                    Ok(())
                };
                let result = field.visit(&mut resource.value, Create::Scalar, &mut set);
                about(resource, result)?;
            }
        }
        if found {
            return Ok(());
        }
        let kinds: Vec<String> = self.fields.iter().map(|field| field.gvk().to_string()).collect();
        Err(format!(
            "resource with name {name} does not match a config with the following GVK [{}]",
            kinds.join(" ")
        ))
    }
}
