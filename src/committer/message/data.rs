//! Flux's data of message templates, with the names that its types have in errors.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use fluxbot_gotemplate::{
    Arguments, Context, FunctionError, Key, List, Map, Object, Signature, Text, Type, Value,
};

use super::MessageData;
use crate::image::{ImageName, ImageRef, PolicyKey, Selections};
use crate::objects::ObjectKey;
use crate::setters::{ChangeSet, ObjectIdentifier};

const IDENTIFIER: &str = "update.ObjectIdentifier";
const CHANGE: &str = "update.Change";
/// The interface as which templates get images.
const IMAGE: &str = "update.ImageRef";

/// `source.TemplateData`
#[derive(Debug)]
pub(super) struct TemplateData {
    facts: Arc<Facts>,
    automation: ObjectKey,
    values: BTreeMap<String, String>,
}

/// What `.Changed` and `.Updated` are made of, when a template asks for them.
#[derive(Debug)]
struct Facts {
    changes: ChangeSet,
    selections: Selections,
}

impl TemplateData {
    pub(super) fn new(data: &MessageData<'_>) -> Self {
        Self {
            facts: Arc::new(Facts {
                changes: data.changes.clone(),
                selections: data.selections.clone(),
            }),
            automation: data.automation.clone(),
            values: data.values.clone(),
        }
    }
}

impl Object for TemplateData {
    fn type_name(&self) -> String {
        "source.TemplateData".to_owned()
    }

    fn fields(&self) -> Vec<(&'static str, Value)> {
        let values = if self.values.is_empty() {
            Map::nil(Type::String, Type::String)
        } else {
            Map::new(Type::String, Type::String)
        };
        for (key, value) in &self.values {
            values.insert(Key::from(key.as_str()), value.as_str().into());
        }
        let automation = NamespacedName {
            namespace: self.automation.namespace.clone(),
            name: self.automation.name.clone(),
        };
        vec![
            ("AutomationObject", Value::object(automation)),
            ("Changed", Value::object(Changed(Arc::clone(&self.facts)))),
            ("Values", Value::Map(values)),
        ]
    }

    fn field(&self, name: &str) -> Option<Value> {
        if name == "Updated" {
            return Some(Value::object(Updated(Arc::clone(&self.facts))));
        }
        field_of(self, name)
    }
}

/// The value of a declared field.
fn field_of(object: &impl Object, name: &str) -> Option<Value> {
    let mut fields = object.fields().into_iter();
    fields.find_map(|(known, value)| (known == name).then_some(value))
}

fn unknown_method(name: &str) -> FunctionError {
    FunctionError::new(format!("no method {name}"))
}

/// `types.NamespacedName`
#[derive(Debug)]
struct NamespacedName {
    namespace: String,
    name: String,
}

impl NamespacedName {
    fn joined(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }
}

impl Object for NamespacedName {
    fn type_name(&self) -> String {
        "types.NamespacedName".to_owned()
    }

    fn fields(&self) -> Vec<(&'static str, Value)> {
        vec![
            ("Namespace", self.namespace.as_str().into()),
            ("Name", self.name.as_str().into()),
        ]
    }

    fn method(&self, name: &str) -> Option<Signature> {
        (name == "String").then(|| Signature::new([], Type::String))
    }

    fn call(&self, _: &str, _: &mut Context<'_>, _: &Arguments<'_>) -> Result<Value, FunctionError> {
        Ok(self.joined().into())
    }

    fn text(&self) -> Option<String> {
        Some(self.joined())
    }
}

/// `update.Result`: `.Changed`
#[derive(Debug)]
struct Changed(Arc<Facts>);

impl Changed {
    fn file_changes(&self) -> Value {
        let changes = &self.0.changes;
        let files = Map::new(Type::String, Type::Object("update.ObjectChanges".into()));
        for path in changes.files.keys() {
            let objects = object_changes(changes.objects(path));
            files.insert(Key::from(changes.relative(path)), objects);
        }
        Value::Map(files)
    }
}

impl Object for Changed {
    fn type_name(&self) -> String {
        "update.Result".to_owned()
    }

    fn fields(&self) -> Vec<(&'static str, Value)> {
        vec![("FileChanges", self.file_changes())]
    }

    fn field(&self, name: &str) -> Option<Value> {
        match name {
            "FileChanges" => Some(self.file_changes()),
            // The other name of `.Updated` in the versions that had both.
            "ImageResult" => Some(Value::object(Updated(Arc::clone(&self.0)))),
            _ => None,
        }
    }

    fn method(&self, name: &str) -> Option<Signature> {
        let result = match name {
            "Changes" => Type::List(Arc::new(Type::Object(CHANGE.into()))),
            "Objects" => Type::Object("update.ObjectChanges".into()),
            _ => return None,
        };
        Some(Signature::new([], result))
    }

    fn call(&self, name: &str, context: &mut Context<'_>, _: &Arguments<'_>) -> Result<Value, FunctionError> {
        let changes = &self.0.changes;
        context.step(changes.changes().count())?;
        match name {
            "Changes" => Ok(change_list(changes.distinct().into_iter().map(|change| Change {
                old: change.old.to_owned(),
                new: change.new.to_owned(),
                setter: change.marker.to_string(),
            }))),
            "Objects" => Ok(object_changes(changes.all_objects())),
            _ => Err(unknown_method(name)),
        }
    }
}

/// `update.ObjectChanges`
fn object_changes(objects: BTreeMap<&ObjectIdentifier, Vec<&crate::setters::Change>>) -> Value {
    let list = Type::List(Arc::new(Type::Object(CHANGE.into())));
    let map = Map::new(Type::Object(IDENTIFIER.into()), list);
    for (object, changes) in objects {
        let changes = changes.into_iter().map(|change| Change {
            old: change.old.clone(),
            new: change.new.clone(),
            setter: change.marker.to_string(),
        });
        if let Some(key) = Key::new(Value::object(Identifier(object.clone()))) {
            map.insert(key, change_list(changes));
        }
    }
    Value::Map(map)
}

fn change_list(changes: impl Iterator<Item = Change>) -> Value {
    let changes = changes.map(Value::object).collect();
    Value::List(List::typed(Type::Object(CHANGE.into()), changes))
}

/// `update.Change`
#[derive(Debug)]
struct Change {
    old: String,
    new: String,
    setter: String,
}

impl Object for Change {
    fn type_name(&self) -> String {
        CHANGE.to_owned()
    }

    fn fields(&self) -> Vec<(&'static str, Value)> {
        vec![
            ("OldValue", self.old.as_str().into()),
            ("NewValue", self.new.as_str().into()),
            ("Setter", self.setter.as_str().into()),
        ]
    }
}

/// `update.ObjectIdentifier`, which is made of structures within structures and has the fields of all.
#[derive(Debug)]
struct Identifier(ObjectIdentifier);

/// A structure that has nothing but fields.
#[derive(Debug)]
struct Plain {
    type_name: &'static str,
    fields: Vec<(&'static str, Value)>,
}

impl Object for Plain {
    fn type_name(&self) -> String {
        self.type_name.to_owned()
    }

    fn fields(&self) -> Vec<(&'static str, Value)> {
        self.fields.clone()
    }

    fn field(&self, name: &str) -> Option<Value> {
        let inner = |(_, value): &(&str, Value)| match value {
            Value::Object(object) => object.field(name),
            _ => None,
        };
        field_of_plain(self, name).or_else(|| self.fields.iter().find_map(inner))
    }

    fn json(&self) -> Option<Value> {
        (self.type_name == "yaml.ResourceIdentifier").then(|| json_of(self))
    }
}

fn field_of_plain(object: &Plain, name: &str) -> Option<Value> {
    let mut fields = object.fields.iter();
    fields.find_map(|(known, value)| (*known == name).then(|| value.clone()))
}

impl Identifier {
    fn resource(&self) -> Plain {
        let object = &self.0;
        let part = |type_name, fields: [(&'static str, &String); 2]| {
            let fields = fields.map(|(name, value)| (name, Value::from(value.as_str())));
            Value::object(Plain {
                type_name,
                fields: fields.into(),
            })
        };
        let meta = [("APIVersion", &object.api_version), ("Kind", &object.kind)];
        let name = [("Name", &object.name), ("Namespace", &object.namespace)];
        Plain {
            type_name: "yaml.ResourceIdentifier",
            fields: vec![
                ("TypeMeta", part("yaml.TypeMeta", meta)),
                ("NameMeta", part("yaml.NameMeta", name)),
            ],
        }
    }
}

/// The members of a resource's JSON: those that are not empty, in the order of the structure.
fn json_of(resource: &Plain) -> Value {
    let names = [
        ("APIVersion", "apiVersion"),
        ("Kind", "kind"),
        ("Name", "name"),
        ("Namespace", "namespace"),
    ];
    let members = names
        .into_iter()
        .filter_map(|(field, member)| match resource.field(field) {
            Some(Value::String(text)) if !text.is_empty() => Some((member, Value::String(text))),
            _ => None,
        });
    Value::map(members)
}

impl Object for Identifier {
    fn type_name(&self) -> String {
        IDENTIFIER.to_owned()
    }

    fn fields(&self) -> Vec<(&'static str, Value)> {
        vec![("ResourceIdentifier", Value::object(self.resource()))]
    }

    fn field(&self, name: &str) -> Option<Value> {
        field_of(self, name).or_else(|| self.resource().field(name))
    }

    fn json(&self) -> Option<Value> {
        Some(json_of(&self.resource()))
    }
}

/// `update.Result` as it was before 1.0: `.Updated`
#[derive(Debug)]
struct Updated(Arc<Facts>);

impl Updated {
    /// The images of some changes, each once, in their order.
    fn images<'a>(&self, changes: impl IntoIterator<Item = &'a crate::setters::Change>) -> Vec<UpdatedImage> {
        let mut seen = BTreeSet::new();
        let mut images = Vec::new();
        for change in changes {
            let policy = &change.marker.policy;
            if let Some(image) = self.0.selections.get(policy)
                && seen.insert(policy)
            {
                images.push(UpdatedImage::new(policy, image));
            }
        }
        images
    }

    fn files(&self) -> Value {
        let changes = &self.0.changes;
        let files = Map::new(Type::String, Type::Object("update.FileResult".into()));
        for path in changes.files.keys() {
            let objects = self.objects(changes.objects(path));
            let file = Plain {
                type_name: "update.FileResult",
                fields: vec![("Objects", objects)],
            };
            files.insert(Key::from(changes.relative(path)), Value::object(file));
        }
        Value::Map(files)
    }

    fn objects(&self, objects: BTreeMap<&ObjectIdentifier, Vec<&crate::setters::Change>>) -> Value {
        let map = Map::new(Type::Object(IDENTIFIER.into()), image_list_type());
        for (object, changes) in objects {
            if let Some(key) = Key::new(Value::object(Identifier(object.clone()))) {
                map.insert(key, image_list(self.images(changes)));
            }
        }
        Value::Map(map)
    }
}

fn image_list(images: Vec<UpdatedImage>) -> Value {
    let images = images.into_iter().map(Value::object).collect();
    Value::List(List::typed(Type::Object(IMAGE.into()), images))
}

fn image_list_type() -> Type {
    Type::List(Arc::new(Type::Object(IMAGE.into())))
}

impl Object for Updated {
    fn type_name(&self) -> String {
        "update.Result".to_owned()
    }

    fn fields(&self) -> Vec<(&'static str, Value)> {
        vec![("Files", self.files())]
    }

    fn method(&self, name: &str) -> Option<Signature> {
        let result = match name {
            "Images" => image_list_type(),
            "Objects" => Type::Map(
                Arc::new(Type::Object(IDENTIFIER.into())),
                Arc::new(image_list_type()),
            ),
            _ => return None,
        };
        Some(Signature::new([], result))
    }

    fn call(&self, name: &str, context: &mut Context<'_>, _: &Arguments<'_>) -> Result<Value, FunctionError> {
        let changes = &self.0.changes;
        context.step(changes.changes().count())?;
        match name {
            "Images" => {
                let mut images = self.images(changes.changes().map(|(_, change)| change));
                images.sort_by(|a, b| (&a.image, &a.policy).cmp(&(&b.image, &b.policy)));
                Ok(image_list(images))
            }
            "Objects" => Ok(self.objects(changes.all_objects())),
            _ => Err(unknown_method(name)),
        }
    }
}

/// `update.ImageRef`: an image that was written, and the policy that selected it.
#[derive(Debug)]
struct UpdatedImage {
    policy: PolicyKey,
    image: ImageRef,
    registry: String,
    repository: String,
}

impl UpdatedImage {
    fn new(policy: &PolicyKey, image: &ImageRef) -> Self {
        let name = image.name().parse::<ImageName>().ok();
        let (registry, repository) = name.map_or_else(
            || (String::new(), image.name().to_owned()),
            |name| (name.registry().to_owned(), name.repository().to_owned()),
        );
        Self {
            policy: policy.clone(),
            image: image.clone(),
            registry,
            repository,
        }
    }

    /// With its defaults spelled out, and with the digest in place of the tag where there is one.
    fn full_name(&self) -> String {
        let Self {
            registry, repository, ..
        } = self;
        match self.image.digest() {
            Some(digest) => format!("{registry}/{repository}@{digest}"),
            None => format!("{registry}/{repository}:{}", self.image.tag()),
        }
    }
}

impl Object for UpdatedImage {
    fn type_name(&self) -> String {
        IMAGE.to_owned()
    }

    fn fields(&self) -> Vec<(&'static str, Value)> {
        let policy = NamespacedName {
            namespace: self.policy.namespace.clone(),
            name: self.policy.name.clone(),
        };
        vec![
            ("Reference", self.image.to_string().into()),
            ("policy", Value::object(policy)),
        ]
    }

    fn method(&self, name: &str) -> Option<Signature> {
        let result = match name {
            "String" | "Identifier" | "Repository" | "Registry" | "Name" => Type::String,
            "Policy" => Type::Object("types.NamespacedName".into()),
            _ => return None,
        };
        Some(Signature::new([], result))
    }

    fn call(&self, name: &str, _: &mut Context<'_>, _: &Arguments<'_>) -> Result<Value, FunctionError> {
        let text = |text: &str| Ok(Value::from(Text::from(text)));
        match name {
            "String" => text(&self.image.to_string()),
            "Identifier" => text(self.image.digest().unwrap_or_else(|| self.image.tag())),
            "Repository" => text(&self.repository),
            "Registry" => text(&self.registry),
            "Name" => text(&self.full_name()),
            "Policy" => Ok(Value::object(NamespacedName {
                namespace: self.policy.namespace.clone(),
                name: self.policy.name.clone(),
            })),
            _ => Err(unknown_method(name)),
        }
    }

    fn text(&self) -> Option<String> {
        Some(self.image.to_string())
    }
}
