//! The recursion through kustomizations: what each lists, generates and changes.

mod entries;

use std::sync::Arc;

use fluxbot_yaml::Value;

use crate::crds;
use crate::fields::{self, FieldTable};
use crate::generate;
use crate::kustomization::{FILE_NAMES, Kustomization};
use crate::objects;
use crate::origin::{Configured, Place};
use crate::plugins;
use crate::resource::Resource;
use crate::resources::ResourceList;
use crate::schema::Kinds;
use crate::transformers;
use crate::tree::Tree;
use crate::vars::{self, Vars};
use crate::{BuildError, Limits};

/// A kustomization and where it stands.
pub(crate) struct Target {
    /// The folder.
    pub(crate) root: String,
    /// The kustomization file.
    pub(crate) file: String,
    pub(crate) kustomization: Kustomization,
}

impl Target {
    /// The name of the kustomization file.
    fn file_name(&self) -> &str {
        self.file.rsplit('/').next().unwrap_or_default()
    }

    fn fail(&self, reason: impl Into<String>) -> BuildError {
        BuildError::at(&self.file, reason)
    }
}

/// What kustomizations have given so far.
#[derive(Default)]
pub(crate) struct Accumulated {
    pub(crate) resources: ResourceList,
    /// The fields that transformers change. None are known before the first kustomization has been read.
    pub(crate) table: Option<Arc<FieldTable>>,
    pub(crate) vars: Vars,
}

impl Accumulated {
    /// Adds what a kustomization below has given.
    fn merge(&mut self, other: Self) -> Result<(), String> {
        self.resources.append(other.resources)?;
        if let Some(table) = other.table {
            self.merge_table(table)?;
        }
        vars::merge(&mut self.vars, other.vars.into_values())
    }

    fn merge_table(&mut self, table: Arc<FieldTable>) -> Result<(), String> {
        match &mut self.table {
            None => self.table = Some(table),
            Some(own) if Arc::ptr_eq(own, &table) => {}
            Some(own) => {
                let mut merged = FieldTable::clone(own);
                merged.merge(FieldTable::clone(&table))?;
                *own = Arc::new(merged);
            }
        }
        Ok(())
    }

    fn table(&self) -> Arc<FieldTable> {
        self.table.clone().unwrap_or_default()
    }
}

/// A build while it runs.
pub(crate) struct Accumulator<'a> {
    pub(crate) tree: &'a Tree<'a>,
    limits: Limits,
    /// The folders of the kustomizations that refer to each other down to here.
    open: Vec<String>,
    kustomizations: usize,
    /// Where the kustomization stands, if annotations are to tell it.
    place: Option<Place>,
    /// The schema that the build brings along.
    schema: Option<Arc<Kinds>>,
    /// Whether a kustomization has chosen a schema.
    has_schema: bool,
    /// Whether an object has been read.
    has_objects: bool,
}

impl<'a> Accumulator<'a> {
    pub(crate) fn new(tree: &'a Tree<'a>, limits: Limits) -> Self {
        Self {
            tree,
            limits,
            open: Vec::new(),
            kustomizations: 0,
            place: None,
            schema: None,
            has_schema: false,
            has_objects: false,
        }
    }

    /// Finds and reads the kustomization of a folder.
    pub(crate) fn find(&self, root: &str) -> Result<Target, BuildError> {
        self.find_with(root, false)
    }

    /// Finds and reads the kustomization of a folder, which may say nothing.
    pub(crate) fn find_with(&self, root: &str, may_be_empty: bool) -> Result<Target, BuildError> {
        let mut found = None;
        for name in FILE_NAMES {
            let file = if root.is_empty() {
                name.to_owned()
            } else {
                format!("{root}/{name}")
            };
            let Some(content) = self.tree.read(&file)? else {
                continue;
            };
            if found.is_some() {
                return Err(BuildError::at(
                    &file,
                    format!("Found multiple kustomization files under: {root}"),
                ));
            }
            found = Some((file, content));
        }
        let Some((file, content)) = found else {
            return Err(BuildError::NoKustomization {
                path: root.to_owned(),
            });
        };
        let kustomization = Kustomization::parse(&file, &content, may_be_empty)?;
        Ok(Target {
            root: root.to_owned(),
            file,
            kustomization,
        })
    }

    /// Builds a kustomization up to the steps that only the outermost one takes.
    pub(crate) fn run(&mut self, target: &Target) -> Result<Accumulated, BuildError> {
        if !target.kustomization.build_metadata.is_empty() {
            self.place = Some(Place::default());
        }
        self.choose_schema(target)?;
        let mut all = Accumulated::default();
        self.accumulate(target, &mut all)?;
        Ok(all)
    }

    /// Takes the schema that a kustomization asks for; the first one counts.
    fn choose_schema(&mut self, target: &Target) -> Result<(), BuildError> {
        let wanted = &target.kustomization.openapi;
        let content = match wanted.get("path") {
            Some(path) => Some(self.tree.load(&target.root, &target.file, path)?),
            None => None,
        };
        if self.has_schema {
            return Ok(());
        }
        let version = wanted.get("version");
        let Some((path, content)) = content else {
            return match version.map(String::as_str) {
                None | Some("") => Ok(()),
                Some("v1.21.2") => {
                    self.has_schema = true;
                    Ok(())
                }
                Some(other) => Err(target.fail(format!(
                    "openapi: the specified OpenAPI version is not built in: '{other}' (v1.21.2 is)"
                ))),
            };
        };
        if version.is_some() {
            return Err(target.fail("openapi: builtin version and custom schema provided, cannot use both"));
        }
        let document = objects::configuration(&path, &content)?;
        self.schema = Some(Arc::new(Kinds::from_openapi(&document, self.has_objects)));
        self.has_schema = true;
        Ok(())
    }

    /// Takes a folder that leads to others, within bounds.
    fn enter(&mut self, target: &Target) -> Result<(), BuildError> {
        self.kustomizations += 1;
        let budget = |reason: String| BuildError::Budget {
            file: target.file.clone(),
            reason,
        };
        if self.open.len() >= self.limits.depth {
            return Err(budget(format!(
                "kustomizations refer to each other more than {} deep",
                self.limits.depth
            )));
        }
        if self.kustomizations > self.limits.kustomizations {
            return Err(budget(format!(
                "more than {} kustomizations, repetitions included",
                self.limits.kustomizations
            )));
        }
        self.open.push(target.root.clone());
        Ok(())
    }

    fn accumulate(&mut self, target: &Target, all: &mut Accumulated) -> Result<(), BuildError> {
        self.enter(target)?;
        let kustomization = &target.kustomization;
        self.resources(target, &kustomization.resources, all)?;
        self.configure(target, all)?;
        self.generate(target, all)?;
        for entry in &kustomization.components {
            self.component(target, entry, all)?;
        }
        if all.resources.items().len() > self.limits.objects {
            return Err(BuildError::Budget {
                file: target.file.clone(),
                reason: format!("more than {} objects", self.limits.objects),
            });
        }
        self.transform(target, all)?;
        self.validate(target, all)?;
        vars::add(&mut all.vars, &kustomization.vars, &mut all.resources)
            .map_err(|reason| target.fail(format!("vars: {reason}")))?;
        self.open.pop();
        Ok(())
    }

    /// Takes the fields that transformers change: the usual ones, and those of configuration files and custom resources.
    fn configure(&mut self, target: &Target, all: &mut Accumulated) -> Result<(), BuildError> {
        let mut table = fields::built_in();
        let mut custom = FieldTable::default();
        for path in &target.kustomization.configurations {
            let (full, content) = self.tree.load(&target.root, &target.file, path)?;
            let text = String::from_utf8_lossy(&content);
            let fault = |reason: String| target.fail(format!("configurations: {full}: {reason}"));
            custom
                .merge(FieldTable::parse(&text).map_err(fault)?)
                .map_err(fault)?;
        }
        if custom != FieldTable::default() {
            let mut merged = FieldTable::clone(&table);
            merged
                .merge(custom)
                .map_err(|reason| target.fail(format!("configurations: {reason}")))?;
            table = Arc::new(merged);
        }
        all.merge_table(table)
            .map_err(|reason| target.fail(format!("configurations: {reason}")))?;
        let mut custom = FieldTable::default();
        for path in &target.kustomization.crds {
            let (full, content) = self.tree.load(&target.root, &target.file, path)?;
            let document = objects::configuration(&full, &content)?;
            custom
                .merge(crds::table(&document))
                .map_err(|reason| target.fail(format!("crds: {full}: {reason}")))?;
        }
        if custom != FieldTable::default() {
            all.merge_table(Arc::new(custom))
                .map_err(|reason| target.fail(format!("crds: {reason}")))?;
        }
        Ok(())
    }

    /// Adds what the kustomization generates.
    fn generate(&mut self, target: &Target, all: &mut Accumulated) -> Result<(), BuildError> {
        let mut generated = generate::generate(self.tree, target)?;
        if let Some(place) = &self.place {
            let file = place.append(target.file_name());
            for resource in &mut generated {
                let kind = if resource.kind() == "Secret" {
                    "SecretGenerator"
                } else {
                    "ConfigMapGenerator"
                };
                resource.note_origin(&file.configured_here(&Configured::built_in(kind)));
            }
        }
        let configurations = self.plugins(target, "generators", &target.kustomization.generators)?;
        for configuration in &configurations {
            let mut resource = plugins::generate(self.tree, target, configuration)?;
            if let Some(text) = plugins::origin(configuration) {
                resource.note_origin(&text);
            }
            generated.push(resource);
        }
        for mut resource in generated {
            resource.kinds.clone_from(&self.schema);
            generate::absorb(&mut all.resources, resource).map_err(|reason| target.fail(reason))?;
        }
        Ok(())
    }

    /// The configurations that a list of generators, transformers or validators names.
    fn plugins(
        &mut self,
        target: &Target,
        field: &str,
        entries: &[String],
    ) -> Result<Vec<Resource>, BuildError> {
        let mut found = Accumulated::default();
        let mut paths = Vec::new();
        for entry in entries {
            // An entry may be the configuration itself.
            let Ok(inline) = self.tree.objects(&target.file, entry.as_bytes()) else {
                paths.push(entry.clone());
                continue;
            };
            for mut resource in inline {
                if let Some(place) = &self.place {
                    resource.set_origin(&place.append(target.file_name()).read_here());
                }
                found
                    .resources
                    .push(resource)
                    .map_err(|reason| target.fail(format!("{field}: {reason}")))?;
            }
        }
        self.resources(target, &paths, &mut found)?;
        Ok(found.resources.into_items())
    }

    fn transform(&mut self, target: &Target, all: &mut Accumulated) -> Result<(), BuildError> {
        if let Some(schema) = &self.schema {
            for resource in all.resources.items_mut() {
                resource.kinds = Some(Arc::clone(schema));
            }
        }
        let table = all.table();
        let steps = transformers::configured(self.tree, target, &table)?;
        let configurations = self.plugins(target, "transformers", &target.kustomization.transformers)?;
        let mut origins: Vec<Option<String>> = Vec::new();
        let place = self.place.as_ref().map(|place| place.append(target.file_name()));
        for step in &steps {
            origins.push(
                place
                    .as_ref()
                    .map(|place| place.configured_here(&Configured::built_in(step.kind))),
            );
        }
        let mut steps = steps;
        for configuration in &configurations {
            steps.push(plugins::transformer(self.tree, target, configuration)?);
            origins.push(plugins::origin(configuration));
        }
        for (step, origin) in steps.iter().zip(origins) {
            step.transformer
                .apply(&mut all.resources)
                .map_err(|reason| target.fail(format!("{}: {reason}", step.field)))?;
            if let Some(text) = origin {
                for item in all.resources.items_mut() {
                    item.note_transformation(&text);
                }
            }
            all.resources.drop_empty();
        }
        Ok(())
    }

    /// Runs the validators, which must leave the objects as they are but for a label.
    fn validate(&mut self, target: &Target, all: &mut Accumulated) -> Result<(), BuildError> {
        const LABEL: &str = "validated-by";
        let configurations = self.plugins(target, "validators", &target.kustomization.validators)?;
        for configuration in &configurations {
            let step = plugins::transformer(self.tree, target, configuration)?;
            let before: Vec<Value> = all
                .resources
                .items()
                .iter()
                .map(|item| item.value.clone())
                .collect();
            step.transformer
                .apply(&mut all.resources)
                .map_err(|reason| target.fail(format!("{}: {reason}", step.field)))?;
            let mut after = Vec::new();
            for item in all.resources.items() {
                let mut item = item.clone();
                let mut labels = item.labels();
                if labels.remove(LABEL).is_some() {
                    item.set_labels(labels);
                }
                after.push(item.value);
            }
            if before != after {
                return Err(target.fail(format!(
                    "{}: validator shouldn't modify the resource map",
                    step.field
                )));
            }
        }
        Ok(())
    }
}
