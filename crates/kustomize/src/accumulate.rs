//! The recursion through kustomizations: what each lists, generates and changes.

use crate::generate;
use crate::kustomization::{FILE_NAMES, Kustomization};
use crate::objects;
use crate::resource::{Resource, ResourceList};
use crate::transform;
use crate::tree::{Tree, folder_of, is_within, join};
use crate::{BuildError, Kind, Limits};

/// A kustomization and where it stands.
pub(crate) struct Target {
    /// The folder.
    pub(crate) root: String,
    /// The kustomization file.
    pub(crate) file: String,
    pub(crate) kustomization: Kustomization,
}

/// A build while it runs.
pub(crate) struct Accumulator<'a> {
    pub(crate) tree: &'a Tree<'a>,
    limits: Limits,
    /// The folders of the kustomizations that refer to each other down to here.
    open: Vec<String>,
    kustomizations: usize,
    /// The folder that origin annotations are relative to. None is wanted without one.
    origin_base: Option<String>,
}

impl<'a> Accumulator<'a> {
    pub(crate) fn new(tree: &'a Tree<'a>, limits: Limits) -> Self {
        Self {
            tree,
            limits,
            open: Vec::new(),
            kustomizations: 0,
            origin_base: None,
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
    pub(crate) fn run(&mut self, target: &Target) -> Result<ResourceList, BuildError> {
        if !target.kustomization.build_metadata.is_empty() {
            self.origin_base = Some(target.root.clone());
        }
        let mut resources = ResourceList::default();
        self.accumulate(target, &mut resources)?;
        Ok(resources)
    }

    /// The path of a file as origin annotations have it.
    fn origin_path(&self, path: &str) -> Option<String> {
        let base = self.origin_base.as_ref()?;
        let base: Vec<&str> = base.split('/').filter(|name| !name.is_empty()).collect();
        let path: Vec<&str> = path.split('/').collect();
        let common = base.iter().zip(&path).take_while(|(a, b)| a == b).count();
        let mut names = vec![".."; base.len() - common];
        names.extend(path.get(common..).unwrap_or_default());
        Some(names.join("/"))
    }

    fn accumulate(&mut self, target: &Target, resources: &mut ResourceList) -> Result<(), BuildError> {
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
        let fail = |reason: String| BuildError::at(&target.file, reason);
        for entry in &target.kustomization.resources {
            self.resource(target, entry, resources)?;
        }
        for mut generated in generate::generate(self.tree, target)? {
            if let Some(file) = self.origin_path(&target.file) {
                generated.note_generator(&file);
            }
            generate::absorb(resources, generated).map_err(fail)?;
        }
        for entry in &target.kustomization.components {
            let folder = self.folder(target, entry)?;
            let component = self.find(&folder)?;
            if !component.kustomization.is_component {
                return Err(fail(format!(
                    "expected kind 'Component' for path '{entry}' but got 'Kustomization'"
                )));
            }
            self.accumulate(&component, resources)?;
        }
        if resources.items().len() > self.limits.objects {
            return Err(budget(format!("more than {} objects", self.limits.objects)));
        }
        let origin = self.origin_path(&target.file);
        transform::transform(self.tree, target, origin.as_deref(), resources)?;
        self.open.pop();
        Ok(())
    }

    /// Adds what an entry of `resources` names.
    fn resource(
        &mut self,
        target: &Target,
        entry: &str,
        resources: &mut ResourceList,
    ) -> Result<(), BuildError> {
        if is_remote(entry) {
            return Err(BuildError::Unsupported {
                file: target.file.clone(),
                what: format!("remote resource '{entry}'"),
            });
        }
        let fail = |reason: String| BuildError::at(&target.file, reason);
        let path = if entry.starts_with('/') {
            None
        } else {
            join(&target.root, entry)
        };
        let path = path
            .filter(|_| !entry.is_empty())
            .ok_or_else(|| fail(format!("resource '{entry}' is outside of the tree of files")))?;
        match self.tree.kind(&path)? {
            Some(Kind::File) => {
                for resource in self.file(target, entry)? {
                    resources
                        .push(resource)
                        .map_err(|reason| fail(format!("merging resources from '{entry}': {reason}")))?;
                }
                Ok(())
            }
            Some(Kind::Directory) => {
                let folder = self.folder(target, entry)?;
                let base = self.find(&folder)?;
                if base.kustomization.is_component {
                    return Err(fail(format!("expected kind != 'Component' for path '{entry}'")));
                }
                let mut own = ResourceList::default();
                self.accumulate(&base, &mut own)?;
                for resource in own.into_items() {
                    resources
                        .push(resource)
                        .map_err(|reason| fail(format!("recursed merging from path '{entry}': {reason}")))?;
                }
                Ok(())
            }
            None => Err(fail(format!(
                "accumulating resources from '{entry}': open {path}: no such file or directory"
            ))),
        }
    }

    fn file(&self, target: &Target, entry: &str) -> Result<Vec<Resource>, BuildError> {
        let (path, content) = self.tree.load(&target.root, &target.file, entry)?;
        let mut found = objects::read(&path, &content).map_err(|fault| BuildError::Invalid {
            file: path.clone(),
            line: fault.line,
            reason: fault.reason,
        })?;
        if let Some(origin) = self.origin_path(&path) {
            for resource in &mut found {
                resource.origin_note = Some(format!("path: {origin}\n"));
            }
        }
        Ok(found)
    }

    /// The folder that an entry names, which may be none of those that lead here.
    fn folder(&self, target: &Target, entry: &str) -> Result<String, BuildError> {
        let fail = |reason: String| BuildError::at(&target.file, reason);
        if is_remote(entry) {
            return Err(BuildError::Unsupported {
                file: target.file.clone(),
                what: format!("remote base '{entry}'"),
            });
        }
        if entry.starts_with('/') {
            return Err(fail(format!("new root '{entry}' cannot be absolute")));
        }
        if entry.split('/').any(|name| name != ".." && name.contains("..")) {
            return Err(fail(format!(
                "path \"{entry}\" is ambiguous: check for YAML indentation errors in your kustomization file"
            )));
        }
        let folder = join(&target.root, entry)
            .ok_or_else(|| fail(format!("'{entry}' is outside of the tree of files")))?;
        if let Some(open) = self.open.iter().rev().find(|open| is_within(open, &folder)) {
            return Err(fail(format!(
                "cycle detected: candidate root '{folder}' contains visited root '{open}'"
            )));
        }
        match self.tree.kind(&folder)? {
            Some(Kind::Directory) => Ok(folder),
            Some(Kind::File) => Err(fail(format!(
                "'{entry}' must be a directory; '{}' is its folder",
                folder_of(&folder)
            ))),
            None => Err(fail(format!("'{entry}' doesn't exist"))),
        }
    }
}

/// Whether an entry names something outside of the tree, as the original decides it from the text.
pub(crate) fn is_remote(entry: &str) -> bool {
    entry.contains("://")
        || entry.starts_with("git@")
        || entry.starts_with("git::")
        || entry.starts_with("github.com/")
        || entry.starts_with("github.com:")
        || entry.contains("?ref=")
        || entry.contains("?version=")
}
