//! Reading files of a tree within a root, with a record of what was read.

use std::cell::RefCell;
use std::sync::Arc;

use crate::cache::Cache;
use crate::objects::{self, Fault};
use crate::remote;
use crate::resource::Resource;
use crate::{
    BuildError, Files, FilesError, Inputs, Kind, LoadRestrictor, Options, Remote, RemoteContent, RemoteError,
};

/// A tree and the record of what was read of it.
pub(crate) struct Tree<'a> {
    files: &'a dyn Files,
    inputs: RefCell<Inputs>,
    restrictor: LoadRestrictor,
    remote: Option<&'a dyn Remote>,
    cache: Option<&'a Cache>,
}

/// Joins a folder and a relative path. `None` for a path that leaves the tree.
pub(crate) fn join(folder: &str, path: &str) -> Option<String> {
    let mut names: Vec<&str> = folder.split('/').filter(|name| !name.is_empty()).collect();
    for name in path.split('/') {
        match name {
            "" | "." => {}
            ".." => {
                names.pop()?;
            }
            name => names.push(name),
        }
    }
    Some(names.join("/"))
}

/// A path without `.`, and without `..` where it follows a name.
pub(crate) fn clean(path: &str) -> String {
    let mut names: Vec<&str> = Vec::new();
    for name in path.split('/') {
        match name {
            "" | "." => {}
            ".." if names.last().is_some_and(|last| *last != "..") => drop(names.pop()),
            name => names.push(name),
        }
    }
    names.join("/")
}

/// The folder of a file.
pub(crate) fn folder_of(file: &str) -> &str {
    file.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// Whether a path is a folder or below it.
pub(crate) fn is_within(path: &str, folder: &str) -> bool {
    folder.is_empty()
        || path == folder
        || path
            .strip_prefix(folder)
            .is_some_and(|rest| rest.starts_with('/'))
}

impl<'a> Tree<'a> {
    pub(crate) fn new(files: &'a dyn Files, options: &Options<'a>) -> Self {
        Self {
            files,
            inputs: RefCell::new(Inputs::default()),
            restrictor: options.load_restrictor,
            remote: options.remote,
            cache: options.cache,
        }
    }

    /// A tree that was fetched. Nothing outside of its kustomizations may be read.
    pub(crate) fn fetched(&self, files: &'a dyn Files) -> Self {
        Self {
            files,
            inputs: RefCell::new(Inputs::default()),
            restrictor: LoadRestrictor::RootOnly,
            remote: self.remote,
            cache: self.cache,
        }
    }

    pub(crate) fn into_inputs(self) -> Inputs {
        self.inputs.into_inner()
    }

    /// Notes what was fetched in the course of something else.
    pub(crate) fn note_fetched(&self, inputs: Inputs) {
        self.inputs.borrow_mut().fetched.extend(inputs.fetched);
    }

    /// Fetches something from outside, if the caller has given the means.
    pub(crate) fn fetch(&self, reference: &str) -> Result<RemoteContent, RemoteError> {
        let Some(remote) = self.remote else {
            return Err(RemoteError(
                "remote resources are not allowed here; allow them by giving the build a means to fetch (`Options::remote`), or \
                 copy the files into the repository"
                    .to_owned(),
            ));
        };
        self.inputs.borrow_mut().fetched.insert(reference.to_owned());
        remote.fetch(reference)
    }

    /// Reads the objects of a file.
    pub(crate) fn objects(&self, path: &str, content: &[u8]) -> Result<Vec<Resource>, Fault> {
        objects::read(path, content, self.cache)
    }

    pub(crate) fn kind(&self, path: &str) -> Result<Option<Kind>, FilesError> {
        let kind = self.files.kind(path)?;
        let mut inputs = self.inputs.borrow_mut();
        match kind {
            None => drop(inputs.missing.insert(path.to_owned())),
            Some(Kind::Directory) => drop(inputs.listed.insert(path.to_owned())),
            Some(Kind::File) => drop(inputs.read.insert(path.to_owned())),
        }
        Ok(kind)
    }

    pub(crate) fn read(&self, path: &str) -> Result<Option<Arc<[u8]>>, FilesError> {
        let content = self.files.read(path)?;
        let mut inputs = self.inputs.borrow_mut();
        let record = if content.is_some() {
            &mut inputs.read
        } else {
            &mut inputs.missing
        };
        record.insert(path.to_owned());
        Ok(content)
    }

    pub(crate) fn list(&self, path: &str) -> Result<Vec<crate::Entry>, FilesError> {
        let entries = self.files.list(path)?;
        let mut inputs = self.inputs.borrow_mut();
        let record = if entries.is_some() {
            &mut inputs.listed
        } else {
            &mut inputs.missing
        };
        record.insert(path.to_owned());
        Ok(entries.unwrap_or_default())
    }

    /// Reads a file that a kustomization names, within the bounds of the load restrictor.
    pub(crate) fn load(&self, root: &str, file: &str, path: &str) -> Result<(String, Arc<[u8]>), BuildError> {
        let fail = |reason: String| Err(BuildError::at(file, reason));
        if remote::is_web_address(path) {
            return match remote::fetch(self, file, path)? {
                RemoteContent::File(content) => Ok((path.to_owned(), content)),
                RemoteContent::Tree { .. } => fail(format!("'{path}' must resolve to a file")),
            };
        }
        let full = if path.starts_with('/') {
            None
        } else {
            join(root, path)
        };
        let Some(full) = full else {
            return fail(format!("'{path}' is outside of the tree of files"));
        };
        if self.restrictor == LoadRestrictor::RootOnly && !is_within(&full, root) {
            return fail(format!("security; file '{full}' is not in or below '{root}'"));
        }
        match self.read(&full)? {
            Some(content) => Ok((full, content)),
            None if self.kind(&full)? == Some(Kind::Directory) => {
                fail(format!("'{path}' must resolve to a file"))
            }
            None => fail(format!(
                "open {full}: no such file or directory: '{path}' doesn't exist"
            )),
        }
    }
}
