//! What stops a scanner or a parser.

use std::borrow::Cow;

use super::reader::Mark;

/// A fault of the text, with what is needed to report it as go-yaml does.
#[derive(Debug)]
pub(crate) struct Fault {
    pub(crate) reason: Cow<'static, str>,
    /// Where it was found.
    pub(crate) at: Mark,
    /// Where the thing that is wrong begins.
    pub(crate) context: Option<Mark>,
    /// Whether the scanner found it: go-yaml counts the lines of the parser's faults from 0.
    pub(crate) from_scanner: bool,
}

impl Fault {
    /// A fault that the scanner finds.
    pub(super) fn scanner(reason: &'static str, at: Mark, context: Mark) -> Self {
        Self {
            reason: Cow::Borrowed(reason),
            at,
            context: Some(context),
            from_scanner: true,
        }
    }

    /// A fault of the order of tokens.
    pub(crate) fn parser(reason: &'static str, at: Mark, context: Option<Mark>) -> Self {
        Self {
            reason: Cow::Borrowed(reason),
            at,
            context,
            from_scanner: false,
        }
    }
}
