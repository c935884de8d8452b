//! Labels and annotations.

use std::collections::BTreeMap;

use fluxbot_yaml::Value;

use super::{Transformer, about};
use crate::fields::{Create, FieldSpec};
use crate::resources::ResourceList;

/// Sets entries of maps such as labels.
pub(crate) struct Entries {
    pub(crate) pairs: BTreeMap<String, String>,
    pub(crate) fields: Vec<FieldSpec>,
}

impl Transformer for Entries {
    fn apply(&self, all: &mut ResourceList) -> Result<(), String> {
        if self.pairs.is_empty() {
            return Ok(());
        }
        for resource in all.items_mut() {
            let gvk = resource.gvk();
            for field in self.fields.iter().filter(|field| field.selects(&gvk)) {
                let result = field.visit(&mut resource.value, Create::Map, &mut |value| self.set(value));
                about(resource, result)?;
            }
        }
        Ok(())
    }
}

impl Entries {
    fn set(&self, value: &mut Value) -> Result<(), String> {
        match value {
            Value::Map(entries) => {
                for (key, text) in &self.pairs {
                    entries.insert(key.clone(), Value::String(text.clone()));
                }
                Ok(())
            }
            // A null that may not be created stays.
            Value::Null { .. } => Ok(()),
            _ => Err("wrong node kind: expected MappingNode".to_owned()),
        }
    }
}
