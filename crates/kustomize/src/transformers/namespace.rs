//! Namespaces of objects, and where else they are named.

use fluxbot_yaml::{Map, Value};

use super::{Transformer, about};
use crate::fields::{Create, FieldSpec};
use crate::resource::{Resource, note};
use crate::resources::ResourceList;

/// Which subjects of role bindings move with the objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Subjects {
    /// Those named `default`.
    #[default]
    Default,
    /// All service accounts.
    ServiceAccounts,
    None,
}

impl Subjects {
    /// Reads the word that configuration has for it.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        match text {
            "" | "defaultOnly" => Ok(Self::Default),
            "allServiceAccounts" => Ok(Self::ServiceAccounts),
            "none" => Ok(Self::None),
            other => Err(format!(
                "invalid value {other:?} for setRoleBindingSubjects: must be one of \"defaultOnly\", \"none\" or \
                 \"allServiceAccounts\""
            )),
        }
    }
}

/// Sets the namespace of objects.
pub(crate) struct Namespace {
    pub(crate) name: String,
    pub(crate) fields: Vec<FieldSpec>,
    /// Whether only objects without a namespace get one.
    pub(crate) unset_only: bool,
    pub(crate) subjects: Subjects,
}

impl Transformer for Namespace {
    fn apply(&self, all: &mut ResourceList) -> Result<(), String> {
        if self.name.is_empty() {
            return Ok(());
        }
        all.for_each(|resource| {
            let is_chart = resource.annotation(note::HELM_GENERATED).as_deref() == Some("true");
            if resource.is_gone() || is_chart {
                return Ok(());
            }
            resource.remember_id();
            self.set_all(resource)
        })?;
        all.check_unique("namespace transformation produces ID conflict")
    }
}

impl Namespace {
    /// Sets all fields of an object.
    pub(crate) fn set_all(&self, resource: &mut Resource) -> Result<(), String> {
        let id = resource.id();
        let mut set = |value: &mut Value| self.set(value);
        if !id.cluster {
            let own = FieldSpec::everywhere("metadata/namespace");
            let result = own.visit(&mut resource.value, Create::Scalar, &mut set);
            about(resource, result)?;
        }
        let is_binding = matches!(id.gvk.kind.as_str(), "RoleBinding" | "ClusterRoleBinding");
        if is_binding {
            self.set_subjects(&mut resource.value);
        }
        let core = id.gvk.api_version() == "v1";
        for field in self.fields.iter().filter(|field| field.selects(&id.gvk)) {
            let skipped = match field.path.as_str() {
                "metadata/namespace" => true,
                // Only the core group's Namespace is named after it.
                "metadata/name" => !core,
                "subjects/namespace" => {
                    is_binding && matches!(field.kind.as_str(), "RoleBinding" | "ClusterRoleBinding")
                }
                _ => false,
            };
            if skipped {
                continue;
            }
            let result = field.visit(&mut resource.value, Create::Scalar, &mut set);
            about(resource, result)?;
        }
        Ok(())
    }

    fn set(&self, value: &mut Value) -> Result<(), String> {
        if !value.is_scalar() {
            return Err("namespace field specs must target scalar nodes".to_owned());
        }
        if !self.unset_only || value.text().is_none_or(|text| text.is_empty()) {
            *value = self.name.as_str().into();
        }
        Ok(())
    }

    fn set_subjects(&self, value: &mut Value) {
        let Some(Value::List(subjects)) = value.get_mut("subjects") else {
            return;
        };
        let text = |subject: &Map, key: &str| {
            subject
                .get(key)
                .and_then(Value::text)
                .unwrap_or_default()
                .into_owned()
        };
        for subject in subjects.iter_mut().filter_map(Value::as_map_mut) {
            let moves = match self.subjects {
                Subjects::Default => text(subject, "name") == "default",
                Subjects::ServiceAccounts => text(subject, "kind") == "ServiceAccount",
                Subjects::None => false,
            };
            if moves && (!self.unset_only || text(subject, "namespace").is_empty()) {
                subject.insert("namespace", self.name.as_str().into());
            }
        }
    }
}
