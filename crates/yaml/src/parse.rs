//! From a text to documents.

use crate::build::Builder;
use crate::check;
use crate::event::{Events, What};
use crate::scan::Scanner;
use crate::{Node, ParseError};

/// Whose rules a text is read by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reading {
    /// As kustomize reads objects: go-yaml v3. `yes` is a string, a date is a point in time (and printed as one), a key that
    /// stands twice is an error.
    Kustomize,
    /// As the API machinery reads objects: `sigs.k8s.io/yaml`, that is go-yaml v2 with YAML 1.1. `yes` is true, a date is a
    /// string, of equal keys the last one counts.
    Api,
    /// As [`Reading::Api`], but a key that stands twice is an error: `sigs.k8s.io/yaml.UnmarshalStrict`. A merged key counts,
    /// too.
    ApiStrict,
}

/// Bounds for texts that nobody trusts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// How deep collections may be nested.
    pub depth: usize,
    /// How many parts all documents may have together, with every alias counted as what it stands for.
    pub nodes: usize,
    /// How many of these parts may come from aliases. go-yaml stops at about 400,000, too.
    pub aliased: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            depth: 1_000,
            nodes: 5_000_000,
            aliased: 400_000,
        }
    }
}

/// Reads all documents of a text. A document without content gives a null node; a text without documents gives none.
///
/// Aliases and merge keys are replaced by what they stand for. A byte order mark is skipped. Go's decoders read the first
/// document of a text alone and do not see faults after it; see [`documents`].
pub fn parse(text: &str, reading: Reading) -> Result<Vec<Node>, ParseError> {
    parse_with(text, reading, Limits::default())
}

/// Reads all documents of a text within bounds. See [`parse`].
pub fn parse_with(text: &str, reading: Reading, limits: Limits) -> Result<Vec<Node>, ParseError> {
    documents(text, reading, limits).collect()
}

/// Reads the documents of a text one after the other. There is nothing more after an error.
///
/// Control characters are an error of the first document, wherever they stand.
#[must_use]
pub fn documents(text: &str, reading: Reading, limits: Limits) -> Documents<'_> {
    let scanner = Scanner::new(text, reading == Reading::Kustomize);
    Documents {
        text: Some(text),
        events: Events::new(scanner),
        builder: Builder::new(reading, limits),
        reading,
        is_over: false,
    }
}

/// The documents of a text; see [`documents`].
#[derive(Debug)]
pub struct Documents<'t> {
    /// The text until it is checked.
    text: Option<&'t str>,
    events: Events<'t>,
    builder: Builder<'t>,
    reading: Reading,
    is_over: bool,
}

impl Documents<'_> {
    fn read(&mut self) -> Result<Option<Node>, ParseError> {
        if let Some(text) = self.text.take() {
            check::characters(text)?;
        }
        loop {
            let event = self
                .events
                .next()
                .map_err(|fault| ParseError::of_fault(fault, self.reading))?;
            if matches!(event.what, What::StreamEnd) {
                return Ok(None);
            }
            if let Some(document) = self.builder.event(event)? {
                return Ok(Some(document));
            }
        }
    }
}

impl Iterator for Documents<'_> {
    type Item = Result<Node, ParseError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_over {
            return None;
        }
        let document = self.read();
        self.is_over = !matches!(document, Ok(Some(_)));
        document.transpose()
    }
}
