//! Why a text is no YAML, or none that is safe to read.

use std::fmt;

use crate::Reading;
use crate::scan::{Fault, Mark};

/// A text cannot be read. Displayed as `line 3: did not find expected key`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {reason}")]
pub struct ParseError {
    /// The line of the fault, from 1.
    pub line: usize,
    /// The column of the fault, from 1, in characters.
    pub column: usize,
    /// What is wrong, in the words of go-yaml where it finds the same fault.
    pub reason: String,
    original: String,
}

impl ParseError {
    /// The message that go-yaml gives, with its prefix, where it has one, and its own count of lines, which is one less
    /// for some faults: `yaml: line 2: did not find expected key`.
    #[must_use]
    pub fn original(&self) -> &str {
        &self.original
    }

    /// The error with the file before it: `apps/web.yaml:3:5: did not find expected key`.
    #[must_use]
    pub fn in_file<'e>(&'e self, path: &'e str) -> impl fmt::Display + 'e {
        InFile { error: self, path }
    }

    pub(crate) fn new(at: Mark, reason: impl Into<String>) -> Self {
        let reason = reason.into();
        Self {
            line: at.line + 1,
            column: at.column + 1,
            original: format!("yaml: {reason}"),
            reason,
        }
    }

    /// An error that go-yaml finds while it decodes a document that it has read.
    pub(crate) fn decoding(at: Mark, reason: impl Into<String>) -> Self {
        let mut error = Self::new(at, reason);
        error.original = format!("yaml: unmarshal errors:\n  line {}: {}", error.line, error.reason);
        error
    }

    /// An error in the use of anchors and merge keys, which go-yaml v3 gives without its prefix.
    pub(crate) fn of_reference(at: Mark, reason: impl Into<String>, reading: Reading) -> Self {
        let mut error = Self::new(at, reason);
        if reading == Reading::Kustomize {
            error.original.clone_from(&error.reason);
        }
        error
    }

    /// An error that the originals give in these words, after go-yaml has read the text.
    pub(crate) fn with_original(mut self, original: String) -> Self {
        self.original = original;
        self
    }

    pub(crate) fn of_fault(fault: Fault, reading: Reading) -> Self {
        let mut error = Self::new(fault.at, fault.reason);
        let context = fault.context.map_or(0, |mark| mark.line);
        let lines = if reading == Reading::Kustomize {
            [context, fault.at.line]
        } else {
            [fault.at.line, context]
        };
        // A fault on the first line has no line in go-yaml's messages.
        if let Some(line) = lines.into_iter().find(|line| *line != 0) {
            let line = line + usize::from(fault.from_scanner);
            error.original = format!("yaml: line {line}: {}", error.reason);
        }
        error
    }
}

struct InFile<'e> {
    error: &'e ParseError,
    path: &'e str,
}

impl fmt::Display for InFile<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ParseError {
            line, column, reason, ..
        } = self.error;
        write!(formatter, "{}:{line}:{column}: {reason}", self.path)
    }
}
