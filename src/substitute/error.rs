//! Why a text cannot be substituted, in the words of Flux's envsubst.

use std::fmt;

/// Where an expression stands in its text, and how it begins. It is part of no message: the words are Flux's.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Place {
    /// The line, from 1.
    pub line: usize,
    /// The beginning of the expression, at most 40 characters of one line. It is text of the template, never a value.
    pub excerpt: String,
}

/// A text cannot be substituted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SubstituteError {
    /// An expression does not end as its operator asks.
    #[error("bad substitution")]
    BadSubstitution(Place),
    /// Behind the name stands neither an operator nor a brace: `${x-1}`, `${a.b}`, `${list[@]}`.
    #[error("missing closing brace")]
    MissingClosingBrace(Place),
    /// No name begins behind `${`.
    #[error("unable to parse variable name")]
    VariableName(Place),
    /// An operator without its argument.
    #[error("unable to parse substitution within function")]
    Argument(Place),
    /// A variable without a value and without a default.
    #[error("variable not set (strict mode): \"{name}\"")]
    NotSet {
        /// The variable.
        name: String,
        /// Where it is used.
        place: Place,
    },
    /// `${x:1:-1}` through a variable. Flux ends with a panic there.
    #[error("substring length is below zero: ${{{name}}}")]
    NegativeLength {
        /// The variable.
        name: String,
    },
    /// Expressions within expressions, more than anybody writes.
    #[error("expressions are nested more than {0} deep")]
    Depth(usize),
    /// Trimming with wildcards took too many steps: the value or the pattern is too long.
    #[error("trimming \"{name}\" with wildcards takes too long: the value or the pattern is too long")]
    Steps {
        /// The variable.
        name: String,
    },
    /// All expressions together make more than anybody stores.
    #[error("the expressions make more than {limit} bytes: \"{name}\" does not fit")]
    Size {
        /// The variable at which it was too much.
        name: String,
        /// How many bytes they may make.
        limit: usize,
    },
    /// A cut through a character, as `${x:0:1}` of `é` makes it.
    #[error("the result is no UTF-8: a substring ends within a character")]
    NotUtf8,
}

impl SubstituteError {
    /// Where in the text it is wrong, as far as that is known.
    #[must_use]
    pub fn place(&self) -> Option<&Place> {
        match self {
            Self::BadSubstitution(place)
            | Self::MissingClosingBrace(place)
            | Self::VariableName(place)
            | Self::Argument(place)
            | Self::NotSet { place, .. } => Some(place),
            Self::NegativeLength { .. }
            | Self::Depth(_)
            | Self::Steps { .. }
            | Self::Size { .. }
            | Self::NotUtf8 => None,
        }
    }
}

impl Place {
    /// The place at a byte of a text.
    pub(super) fn of(text: &str, at: usize) -> Self {
        let before = text.get(..at).unwrap_or(text);
        let rest = text.get(at..).unwrap_or_default();
        Self {
            line: before.bytes().filter(|byte| *byte == b'\n').count() + 1,
            excerpt: rest.lines().next().unwrap_or_default().chars().take(40).collect(),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "line {}: {}", self.line, self.excerpt)
    }
}
