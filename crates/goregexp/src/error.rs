//! Why a pattern is refused, in Go's words.

use std::fmt;

/// A pattern that Go refuses.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("error parsing regexp: {fault}: `{fragment}`")]
pub struct InvalidRegex {
    fault: PatternFault,
    fragment: String,
}

impl InvalidRegex {
    pub(super) fn new(fault: PatternFault, fragment: &str) -> Self {
        Self {
            fault,
            fragment: fragment.to_owned(),
        }
    }

    /// What is wrong.
    #[must_use]
    pub const fn fault(&self) -> PatternFault {
        self.fault
    }

    /// The part of the pattern in which it is wrong.
    #[must_use]
    pub fn fragment(&self) -> &str {
        &self.fragment
    }
}

/// What can be wrong with a pattern (`ErrorCode` of Go's regexp/syntax).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PatternFault {
    /// The engine refuses what the grammar accepts.
    Internal,
    /// A range of characters or the name of a class is wrong.
    ClassRange,
    /// A backslash before a character that it gives no meaning.
    Escape,
    /// The name of a group is empty, unfinished or has other characters than letters, digits and underscores.
    NamedCapture,
    /// What follows `(?` is not supported.
    PerlSyntax,
    /// A repetition of a repetition, such as `a**`.
    NestedRepetition,
    /// A repetition of more than 1,000, alone or multiplied, or one whose ends are the wrong way round.
    RepeatCount,
    /// A class without its closing bracket.
    MissingBracket,
    /// A group without its closing parenthesis.
    MissingParenthesis,
    /// Nothing stands before a repetition.
    MissingRepeatArgument,
    /// A backslash at the end.
    TrailingBackslash,
    /// A closing parenthesis without its group.
    UnexpectedParenthesis,
    /// Groups nest too deeply.
    NestingDepth,
    /// The pattern takes too much memory.
    TooLarge,
}

impl fmt::Display for PatternFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Internal => "regexp/syntax: internal error",
            Self::ClassRange => "invalid character class range",
            Self::Escape => "invalid escape sequence",
            Self::NamedCapture => "invalid named capture",
            Self::PerlSyntax => "invalid or unsupported Perl syntax",
            Self::NestedRepetition => "invalid nested repetition operator",
            Self::RepeatCount => "invalid repeat count",
            Self::MissingBracket => "missing closing ]",
            Self::MissingParenthesis => "missing closing )",
            Self::MissingRepeatArgument => "missing argument to repetition operator",
            Self::TrailingBackslash => "trailing backslash at end of expression",
            Self::UnexpectedParenthesis => "unexpected )",
            Self::NestingDepth => "expression nests too deeply",
            Self::TooLarge => "expression too large",
        })
    }
}
