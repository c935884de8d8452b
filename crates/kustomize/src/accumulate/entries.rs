//! What the entries of a kustomization name: files, folders and what is elsewhere.

use fluxbot_yaml::Text;

use super::{Accumulated, Accumulator, Target};
use crate::remote;
use crate::resource::note;
use crate::tree::{Tree, is_within, join};
use crate::{BuildError, Kind, RemoteContent};

impl Accumulator<'_> {
    /// Adds what a list of files and folders names.
    pub(super) fn resources(
        &mut self,
        target: &Target,
        entries: &[String],
        all: &mut Accumulated,
    ) -> Result<(), BuildError> {
        entries
            .iter()
            .try_for_each(|entry| self.resource(target, entry, all))
    }

    fn resource(&mut self, target: &Target, entry: &str, all: &mut Accumulated) -> Result<(), BuildError> {
        if remote::is_remote(entry) {
            return match remote::fetch(self.tree, &target.file, entry)? {
                RemoteContent::File(content) => self.file(target, entry, entry, &content, all),
                RemoteContent::Tree { files, path } => {
                    let tree = self.tree.fetched(&*files);
                    let own = self.remote(&tree, target, entry, &path, None)?;
                    self.tree.note_fetched(tree.into_inputs());
                    all.merge(own).map_err(|reason| {
                        target.fail(format!("recursed merging from path '{entry}': {reason}"))
                    })
                }
            };
        }
        let path = Some(entry)
            .filter(|entry| !entry.is_empty() && !entry.starts_with('/'))
            .and_then(|entry| join(&target.root, entry))
            .ok_or_else(|| target.fail(format!("resource '{entry}' is outside of the tree of files")))?;
        match self.tree.kind(&path)? {
            Some(Kind::File) => {
                let (path, content) = self.tree.load(&target.root, &target.file, entry)?;
                self.file(target, entry, &path, &content, all)
            }
            Some(Kind::Directory) => {
                let folder = self.folder(target, entry)?;
                let base = self.find(&folder)?;
                self.choose_schema(&base)?;
                if base.kustomization.is_component {
                    return Err(target.fail(format!("expected kind != 'Component' for path '{entry}'")));
                }
                let mut own = Accumulated::default();
                self.below(entry, |this| this.accumulate(&base, &mut own))?;
                all.merge(own)
                    .map_err(|reason| target.fail(format!("recursed merging from path '{entry}': {reason}")))
            }
            None => Err(target.fail(format!(
                "accumulating resources: accumulation err='accumulating resources from '{entry}': open {path}: no such file or \
                 directory': must build at directory: not a valid directory: '{path}' doesn't exist"
            ))),
        }
    }

    /// Does something for a kustomization below, whose place is told by the entry that names it.
    fn below<T>(&mut self, entry: &str, work: impl FnOnce(&mut Self) -> T) -> T {
        let place = self.place.clone();
        if let Some(place) = &mut self.place {
            *place = place.append(entry);
        }
        let result = work(self);
        self.place = place;
        result
    }

    /// Adds the objects of a file.
    fn file(
        &mut self,
        target: &Target,
        entry: &str,
        path: &str,
        content: &[u8],
        all: &mut Accumulated,
    ) -> Result<(), BuildError> {
        let found = self
            .tree
            .objects(path, content)
            .map_err(|fault| BuildError::Invalid {
                file: path.to_owned(),
                line: fault.line,
                reason: format!("accumulating resources from '{entry}': {}", fault.reason),
            })?;
        let origin = self
            .place
            .as_ref()
            .map(|place| Text::from(place.append(entry).read_here()));
        self.has_objects |= !found.is_empty();
        for mut resource in found {
            resource.kinds.clone_from(&self.schema);
            if let Some(origin) = &origin {
                resource.set_annotation(note::ORIGIN, origin.clone());
            }
            all.resources
                .push(resource)
                .map_err(|reason| target.fail(format!("merging resources from '{entry}': {reason}")))?;
        }
        Ok(())
    }

    pub(super) fn component(
        &mut self,
        target: &Target,
        entry: &str,
        all: &mut Accumulated,
    ) -> Result<(), BuildError> {
        if remote::is_remote(entry) {
            let RemoteContent::Tree { files, path } = remote::fetch(self.tree, &target.file, entry)? else {
                return Err(target.fail(format!("component '{entry}' must be a directory")));
            };
            let tree = self.tree.fetched(&*files);
            let own = std::mem::take(all);
            *all = self.remote(&tree, target, entry, &path, Some(own))?;
            self.tree.note_fetched(tree.into_inputs());
            return Ok(());
        }
        let folder = self.folder(target, entry)?;
        let component = self.find(&folder)?;
        self.choose_schema(&component)?;
        if !component.kustomization.is_component {
            return Err(target.fail(format!(
                "expected kind 'Component' for path '{entry}' but got 'Kustomization'"
            )));
        }
        self.below(entry, |this| this.accumulate(&component, all))
    }

    /// Builds a kustomization of another tree; with `all`, as a component.
    fn remote(
        &mut self,
        tree: &Tree<'_>,
        target: &Target,
        entry: &str,
        path: &str,
        all: Option<Accumulated>,
    ) -> Result<Accumulated, BuildError> {
        let mut inner = Accumulator {
            tree,
            limits: self.limits,
            open: Vec::new(),
            kustomizations: self.kustomizations,
            place: self.place.as_ref().map(|place| place.append(entry)),
            schema: self.schema.clone(),
            has_schema: self.has_schema,
            has_objects: self.has_objects,
        };
        let within = |error: BuildError| target.fail(format!("'{entry}': {error}"));
        let root = join("", path)
            .ok_or_else(|| target.fail(format!("'{entry}': the path leaves the tree of files")))?;
        let base = inner.find(&root).map_err(within)?;
        inner.choose_schema(&base).map_err(within)?;
        if base.kustomization.is_component != all.is_some() {
            let wanted = if all.is_some() {
                "'Component'"
            } else {
                "!= 'Component'"
            };
            return Err(target.fail(format!("expected kind {wanted} for path '{entry}'")));
        }
        let mut all = all.unwrap_or_default();
        inner.accumulate(&base, &mut all).map_err(within)?;
        self.kustomizations = inner.kustomizations;
        self.schema = inner.schema;
        self.has_schema = inner.has_schema;
        self.has_objects = true;
        Ok(all)
    }

    /// The folder that an entry names, which may be none of those that lead here.
    fn folder(&self, target: &Target, entry: &str) -> Result<String, BuildError> {
        if entry.is_empty() {
            return Err(target.fail("new root cannot be empty"));
        }
        if entry.starts_with('/') {
            return Err(target.fail(format!("new root '{entry}' cannot be absolute")));
        }
        if entry.split('/').any(|name| name != ".." && name.contains("..")) {
            return Err(target.fail(format!(
                "path \"{entry}\" is ambiguous: resolves to {:?} after normalization, which is likely not the intended target; check \
                 for YAML indentation errors in your kustomization file",
                crate::tree::clean(entry)
            )));
        }
        let folder = join(&target.root, entry)
            .ok_or_else(|| target.fail(format!("'{entry}' is outside of the tree of files")))?;
        if let Some(open) = self.open.iter().rev().find(|open| is_within(open, &folder)) {
            return Err(target.fail(format!(
                "cycle detected: candidate root '{folder}' contains visited root '{open}'"
            )));
        }
        match self.tree.kind(&folder)? {
            Some(Kind::Directory) => Ok(folder),
            Some(Kind::File) => Err(target.fail(format!(
                "must build at directory: '{folder}': file is not directory"
            ))),
            None => Err(target.fail(format!(
                "must build at directory: not a valid directory: '{folder}' doesn't exist"
            ))),
        }
    }
}
