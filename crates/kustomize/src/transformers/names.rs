//! Prefixes and suffixes of names.

use fluxbot_yaml::Value;

use super::{Transformer, about};
use crate::fields::{Create, FieldSpec};
use crate::id::Gvk;
use crate::resource::note;
use crate::resources::ResourceList;
use crate::scalar;

/// Where a text is added.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Affix {
    Prefix,
    Suffix,
}

/// Adds a prefix or a suffix to names.
pub(crate) struct Name {
    pub(crate) affix: Affix,
    pub(crate) text: String,
    pub(crate) fields: Vec<FieldSpec>,
}

/// Kinds whose names say what they are for.
fn keeps_its_name(gvk: &Gvk) -> bool {
    matches!(gvk.kind.as_str(), "CustomResourceDefinition" | "Namespace")
        || (gvk.kind == "APIService" && gvk.group == "apiregistration.k8s.io")
}

impl Transformer for Name {
    fn apply(&self, all: &mut ResourceList) -> Result<(), String> {
        all.for_each(|resource| {
            let original = resource.original_id().gvk;
            if keeps_its_name(&original) {
                return Ok(());
            }
            for field in self.fields.iter().filter(|field| field.selects(&original)) {
                if field.path.as_str() == "metadata/name" {
                    let key = match self.affix {
                        Affix::Prefix => note::PREFIXES,
                        Affix::Suffix => note::SUFFIXES,
                    };
                    resource.append_note(key, &self.text);
                    if !self.text.is_empty() {
                        resource.remember_id();
                    }
                }
                if !field.selects(&resource.gvk()) {
                    continue;
                }
                let mut set = |value: &mut Value| {
                    if !value.is_scalar() {
                        return Err("wrong node kind: expected ScalarNode".to_owned());
                    }
                    let old = value.text().unwrap_or_default();
                    let text = match self.affix {
                        Affix::Prefix => format!("{}{old}", self.text),
                        Affix::Suffix => format!("{old}{}", self.text),
                    };
                    *value = scalar::untyped(Some(value), &text);
                    Ok(())
                };
                let result = field.visit(&mut resource.value, Create::Scalar, &mut set);
                about(resource, result)?;
            }
            Ok(())
        })
    }
}
