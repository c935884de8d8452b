//! Why a text is no YAML, or none that is safe to read.

/// A text cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {reason}")]
pub struct ParseError {
    /// The line of the fault, from 1.
    pub line: usize,
    /// The column of the fault, from 1, in characters.
    pub column: usize,
    /// What is wrong.
    pub reason: String,
}
