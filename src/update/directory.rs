//! Setters over a tree of files.

use std::collections::BTreeMap;

use crate::image::Selections;
use crate::objects::{Directory, Files, FilesError, Visited};
use crate::setters::{self, Change, Edited, Skipped};

/// One file with markers, as it is and as it should be.
#[derive(Debug, Clone)]
pub struct FileEdit {
    /// The content before.
    pub original: Vec<u8>,
    /// The new content, the changes and the markers that were left alone.
    pub edited: Edited,
}

/// What the setters did to one file of a folder.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SetFile {
    /// The scalars that changed.
    pub changes: Vec<Change>,
    /// The markers that were left alone.
    pub skipped: Vec<Skipped>,
    /// The content before and after, when the file was not written.
    pub contents: Option<(Vec<u8>, Vec<u8>)>,
}

/// Applies the setters to all files at `path` in a folder, on several threads, and replaces those that change by atomic
/// rename; or replaces none and gives their contents when it is a dry run. A file that cannot be read or written stops no other.
///
/// # Errors
/// When there is nothing at `path`.
pub fn set_directory(
    directory: &Directory,
    path: &str,
    selections: &Selections,
    dry_run: bool,
) -> Result<Visited<SetFile>, FilesError> {
    directory.visit(path, setters::is_candidate, |file| {
        if !setters::mentions_marker(file.content) {
            return Ok(None);
        }
        let edited = setters::set(file.content, selections);
        let contents = match edited.content {
            Some(content) if dry_run => Some((file.content.to_vec(), content)),
            Some(content) => {
                file.replace(&content)?;
                None
            }
            None => None,
        };
        Ok(Some(SetFile {
            changes: edited.changes,
            skipped: edited.skipped,
            contents,
        }))
    })
}

/// Applies the setters to all files at `path` that carry markers, in byte order of their paths. Nothing is written.
pub fn edit_directory(
    files: &dyn Files,
    path: &str,
    selections: &Selections,
) -> Result<Vec<(String, FileEdit)>, FilesError> {
    let mut edits = Vec::new();
    for file in files.list(path)? {
        if !setters::is_candidate(&file) {
            continue;
        }
        let Some(original) = files
            .read(&file)?
            .filter(|content| setters::mentions_marker(content))
        else {
            continue;
        };
        let edited = setters::set(&original, selections);
        edits.push((file, FileEdit { original, edited }));
    }
    Ok(edits)
}

/// A tree of files with some of them replaced, so that one automation sees what another has changed before it.
pub struct Overlay<'a> {
    base: &'a dyn Files,
    replaced: BTreeMap<String, Vec<u8>>,
}

impl<'a> Overlay<'a> {
    /// An overlay without any replacement.
    #[must_use]
    pub fn new(base: &'a dyn Files) -> Self {
        Self {
            base,
            replaced: BTreeMap::new(),
        }
    }

    /// Replaces the content of a file.
    pub fn replace(&mut self, path: &str, content: Vec<u8>) {
        self.replaced.insert(path.to_owned(), content);
    }

    /// The replaced files.
    #[must_use]
    pub fn replaced(&self) -> &BTreeMap<String, Vec<u8>> {
        &self.replaced
    }
}

impl Files for Overlay<'_> {
    fn list(&self, path: &str) -> Result<Vec<String>, FilesError> {
        self.base.list(path)
    }

    fn read(&self, path: &str) -> Result<Option<Vec<u8>>, FilesError> {
        match self.replaced.get(path) {
            Some(content) => Ok(Some(content.clone())),
            None => self.base.read(path),
        }
    }
}
