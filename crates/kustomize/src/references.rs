//! Names in other objects follow the names that changed.

use std::collections::HashMap;

use fluxbot_yaml::{Text, Value};

use crate::fields::{Create, FieldSpec, Reference};
use crate::id::{Gvk, Id};
use crate::resource::{Resource, note, set_text};
use crate::scalar;
use crate::shares::in_shares;

/// What the search for a name needs to know of an object.
struct Candidate {
    id: Id,
    previous: Box<[Id]>,
    prefixes: Box<[Text]>,
    suffixes: Box<[Text]>,
}

/// The fields that hold names, by the kind of the objects that have them.
struct Fields<'t> {
    of_kind: HashMap<&'t str, Vec<Field<'t>>>,
    /// Those of all kinds, which come in between.
    of_any: Vec<Field<'t>>,
}

/// A field that holds a name.
struct Field<'t> {
    /// The place in the table.
    order: usize,
    target: Gvk,
    spec: &'t FieldSpec,
}

impl<'t> Fields<'t> {
    fn new(references: &'t [Reference]) -> Self {
        let mut fields = Self {
            of_kind: HashMap::new(),
            of_any: Vec::new(),
        };
        let mut order = 0;
        for reference in references {
            for spec in &reference.fields {
                let field = Field {
                    order,
                    target: reference.target(),
                    spec,
                };
                order += 1;
                if spec.kind.is_empty() {
                    fields.of_any.push(field);
                } else {
                    fields.of_kind.entry(&spec.kind).or_default().push(field);
                }
            }
        }
        fields
    }

    /// The fields of an object of a kind, in the order of the table.
    fn of<'f>(&'f self, gvk: &Gvk) -> Vec<&'f Field<'t>> {
        let of_kind = self.of_kind.get(gvk.kind.as_str());
        let mut found: Vec<&Field<'t>> = of_kind
            .into_iter()
            .flatten()
            .chain(&self.of_any)
            .filter(|field| field.spec.selects(gvk))
            .collect();
        found.sort_by_key(|field| field.order);
        found
    }
}

/// Updates the names in all objects.
pub(crate) fn update(resources: &mut [Resource], references: &[Reference]) -> Result<(), (usize, String)> {
    let candidates: Vec<Candidate> = resources.iter().map(Candidate::of).collect();
    let mut by_name: HashMap<&str, Vec<usize>> = HashMap::new();
    for (index, resource) in candidates.iter().enumerate() {
        let mut names: Vec<&str> = resource.previous.iter().map(|id| id.name.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        for name in names {
            by_name.entry(name).or_default().push(index);
        }
    }
    if by_name.is_empty() {
        return Ok(());
    }
    let mut by_namespace: HashMap<&str, Vec<usize>> = HashMap::new();
    for (index, resource) in candidates.iter().enumerate() {
        let namespace = resource.original_namespace();
        by_namespace.entry(namespace).or_default().push(index);
    }
    let fields = Fields::new(references);
    in_shares(resources, |first, resources| {
        let (mut kind, mut fields_of_kind) = (None, Vec::new());
        for (resource, (index, own)) in resources
            .iter_mut()
            .zip(candidates.iter().enumerate().skip(first))
        {
            // The fields are those of the kind of the file, whatever a patch has made of it.
            let original = own.previous.first().unwrap_or(&own.id);
            if kind != Some(&original.gvk) {
                (kind, fields_of_kind) = (Some(&original.gvk), fields.of(&original.gvk));
            }
            let scope = Scope {
                referrer: own,
                binding_namespaces: binding_namespaces(resource),
                role: role_reference(&resource.value),
                candidates: &candidates,
                by_name: &by_name,
                by_namespace: &by_namespace,
            };
            scope
                .update(resource, &fields_of_kind)
                .map_err(|reason| (index, reason))?;
        }
        Ok(())
    })
}

impl Candidate {
    fn of(resource: &Resource) -> Self {
        Self {
            id: resource.id(),
            previous: resource.previous_ids().into(),
            prefixes: resource.notes(note::PREFIXES).into(),
            suffixes: resource.notes(note::SUFFIXES).into(),
        }
    }

    fn original_namespace(&self) -> &str {
        self.previous.first().unwrap_or(&self.id).effective_namespace()
    }
}

/// The namespaces of the service accounts of a `RoleBinding`, which may be others than its own.
fn binding_namespaces(resource: &Resource) -> Vec<Text> {
    if resource.kind() != "RoleBinding" {
        return Vec::new();
    }
    let subjects = resource
        .value
        .get("subjects")
        .and_then(Value::as_list)
        .unwrap_or_default();
    let accounts = subjects
        .iter()
        .filter(|subject| subject.get("kind").and_then(Value::as_str) == Some("ServiceAccount"));
    accounts
        .filter_map(|subject| subject.get("namespace")?.as_str().map(Text::from))
        .collect()
}

/// What the role of a binding must be.
fn role_reference(value: &Value) -> Option<Gvk> {
    let reference = value.get("roleRef")?;
    let text = |name| reference.get(name).and_then(Value::text).map(Text::from);
    Some(Gvk {
        group: text("apiGroup")?,
        version: Text::default(),
        kind: text("kind")?,
    })
}

/// What a referrer can refer to.
struct Scope<'c> {
    referrer: &'c Candidate,
    binding_namespaces: Vec<Text>,
    role: Option<Gvk>,
    candidates: &'c [Candidate],
    by_name: &'c HashMap<&'c str, Vec<usize>>,
    /// By the namespace in the file.
    by_namespace: &'c HashMap<&'c str, Vec<usize>>,
}

impl Scope<'_> {
    /// Updates the names in an object.
    fn update(&self, resource: &mut Resource, fields: &[&Field<'_>]) -> Result<(), String> {
        for field in fields {
            let path = field.spec.path.as_str();
            let mut set = |value: &mut Value| self.set(value, &field.target, path);
            let result = field.spec.visit(&mut resource.value, Create::Never, &mut set);
            result.map_err(|reason| {
                let id = &self.referrer.id;
                format!("updating name reference in '{path}' field of '{id}': {reason}")
            })?;
        }
        Ok(())
    }

    fn set(&self, value: &mut Value, target: &Gvk, path: &str) -> Result<(), String> {
        match value {
            Value::Null { .. } => Ok(()),
            Value::List(items) => items.iter_mut().try_for_each(|item| match item {
                Value::Null { .. } => Ok(()),
                Value::List(_) => Err("expected to be either a string or a map of string".to_owned()),
                item => self.set(item, target, path),
            }),
            Value::Map(_) => self.set_map(value, target, path),
            scalar => {
                let old = Text::from(scalar.text().unwrap_or_default());
                if let Some(found) = self.select(&old, target, path, None, false)?
                    && found.id.name != old
                {
                    *scalar = scalar::untyped(Some(scalar), &found.id.name);
                }
                Ok(())
            }
        }
    }

    /// A map that holds a name, and perhaps a namespace.
    fn set_map(&self, value: &mut Value, target: &Gvk, path: &str) -> Result<(), String> {
        let old = value.get("name").and_then(Value::text).map(Text::from);
        let old = old.ok_or_else(|| "path config error; no 'name' field in node".to_owned())?;
        let namespace = value.get("namespace").and_then(Value::text).map(Text::from);
        let Some(found) = self.select(&old, target, path, namespace.as_deref(), true)? else {
            return Ok(());
        };
        let Some(fields) = value.as_map_mut() else {
            return Ok(());
        };
        if found.id.name != old || !found.id.namespace.is_empty() {
            set_text(fields, "name", &found.id.name);
            if !found.id.namespace.is_empty() {
                set_text(fields, "namespace", &found.id.namespace);
            }
        }
        Ok(())
    }

    /// Whether an object can be meant at all.
    fn reaches(&self, other: &Candidate) -> bool {
        let own = &self.referrer.id;
        own.cluster
            || other.id.cluster
            || own.same_namespace(&other.id)
            || self.binding_namespaces.contains(&other.id.namespace)
    }

    /// The object that a name stands for. With `both`, name and namespace are taken from it.
    fn select(
        &self,
        name: &str,
        target: &Gvk,
        path: &str,
        namespace: Option<&str>,
        both: bool,
    ) -> Result<Option<&Candidate>, String> {
        let places = self.by_name.get(name).map(Vec::as_slice).unwrap_or_default();
        let mut found: Vec<&Candidate> = places
            .iter()
            .filter_map(|place| self.candidates.get(*place))
            .filter(|other| self.reaches(other))
            .collect();
        if let Some(namespace) = namespace {
            let original = |other: &Candidate| other.original_namespace() == namespace && !other.id.cluster;
            let places = self.by_namespace.get(namespace).map(Vec::as_slice);
            let by_original = places
                .unwrap_or_default()
                .iter()
                .filter_map(|place| self.candidates.get(*place))
                .any(|other| original(other) && self.reaches(other));
            found.retain(|other| {
                if by_original {
                    original(other)
                } else {
                    other.id.effective_namespace() == namespace && !other.id.cluster
                }
            });
        }
        found.retain(|other| other.previous.iter().any(|id| id.gvk.is_selected(target)));
        if path.ends_with("roleRef/name")
            && let Some(role) = &self.role
        {
            found.retain(|other| other.previous.iter().any(|id| id.gvk.is_selected(role)));
        }
        let own = &self.referrer.id;
        if !own.cluster {
            found.retain(|other| {
                other.id.cluster || other.id.gvk.kind == "ServiceAccount" || own.same_namespace(&other.id)
            });
        }
        if let [only] = found.as_slice() {
            return Ok(Some(*only));
        }
        found.retain(|other| self.same_affixes(other, true));
        if found.len() > 1 {
            found.retain(|other| self.same_affixes(other, false));
        }
        let Some(first) = found.first().copied() else {
            return Ok(None);
        };
        let same = |other: &&Candidate| {
            other.id.name == first.id.name && (!both || other.id.namespace == first.id.namespace)
        };
        if found.iter().all(same) {
            return Ok(Some(first));
        }
        let ids: Vec<String> = found.iter().map(|other| other.id.to_string()).collect();
        Err(format!("found multiple possible referrals: {}", ids.join(", ")))
    }

    /// Whether both objects got their prefixes and suffixes from the same kustomizations.
    fn same_affixes(&self, other: &Candidate, empty_fits: bool) -> bool {
        let same = |one: &[Text], other: &[Text]| {
            (empty_fits && (one.is_empty() || other.is_empty())) || same_ending(one, other)
        };
        same(&self.referrer.prefixes, &other.prefixes) && same(&self.referrer.suffixes, &other.suffixes)
    }
}

/// Whether the shorter list ends the longer one. An empty list ends only an empty one.
fn same_ending(one: &[Text], other: &[Text]) -> bool {
    let (short, long) = if one.len() > other.len() {
        (other, one)
    } else {
        (one, other)
    };
    if short.is_empty() {
        long.is_empty()
    } else {
        long.ends_with(short)
    }
}
