//! Labels and annotations.

use std::collections::BTreeMap;

use fluxbot_yaml::{Text, Value};

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
        let pairs = self.pairs.iter();
        let pairs: Vec<(Text, Value)> = pairs
            .map(|(key, text)| (key.into(), text.as_str().into()))
            .collect();
        all.for_each(|resource| {
            let gvk = resource.gvk();
            for field in self.fields.iter().filter(|field| field.selects(&gvk)) {
                let result = field.visit(&mut resource.value, Create::Map, &mut |value| set(&pairs, value));
                about(resource, result)?;
            }
            Ok(())
        })
    }
}

fn set(pairs: &[(Text, Value)], value: &mut Value) -> Result<(), String> {
    match value {
        Value::Map(entries) => {
            entries.extend(pairs.iter().cloned());
            Ok(())
        }
        // A null that may not be created stays.
        Value::Null { .. } => Ok(()),
        _ => Err("wrong node kind: expected MappingNode".to_owned()),
    }
}
