//! Where the scalars and comments of a text stand, for programs that change a text in place.

use std::borrow::Cow;
use std::ops::Range;

use crate::event::{Events, What};
use crate::scan::Scanner;
use crate::{ParseError, Reading, Style, check};

/// A scalar and its place. Keys are scalars, too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scalar<'t> {
    /// Its content, without quotes and escapes.
    pub value: Cow<'t, str>,
    /// How it is written.
    pub style: Style,
    /// Its bytes: with the quotes, without tag and anchor. A block begins at its `|` or `>` and ends after its last line break.
    /// What is not there has no bytes.
    pub span: Range<usize>,
    /// The line, from 1.
    pub line: usize,
    /// The column, from 1, in characters.
    pub column: usize,
}

/// A comment and its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comment {
    /// Its bytes, from the `#` to the end of the line, without the line break.
    pub span: Range<usize>,
    /// The line, from 1.
    pub line: usize,
}

/// The scalars and comments of a text, each in the order of the text.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Layout<'t> {
    /// The scalars of all documents.
    pub scalars: Vec<Scalar<'t>>,
    /// The comments. `#` inside of a scalar is none.
    pub comments: Vec<Comment>,
}

/// Finds the scalars and comments of a text. Aliases are left as they are.
///
/// ```
/// let text = "image: \"app:v1\" # newest\n";
/// let layout = fluxbot_yaml::layout(text)?;
/// assert_eq!(&text[layout.scalars[1].span.clone()], "\"app:v1\"");
/// assert_eq!(layout.scalars[1].value, "app:v1");
/// assert_eq!(&text[layout.comments[0].span.clone()], "# newest");
/// # Ok::<(), fluxbot_yaml::ParseError>(())
/// ```
pub fn layout(text: &str) -> Result<Layout<'_>, ParseError> {
    check::characters(text)?;
    let mut scanner = Scanner::new(text, true);
    scanner.keep_comments();
    let mut events = Events::new(scanner);
    let mut scalars = Vec::new();
    loop {
        let event = events
            .next()
            .map_err(|fault| ParseError::of_fault(fault, Reading::Kustomize))?;
        match event.what {
            What::StreamEnd => break,
            What::Scalar {
                value,
                style,
                content,
                ..
            } => scalars.push(Scalar {
                value,
                style,
                span: content.offset..event.end.offset.max(content.offset),
                line: content.line + 1,
                column: content.column + 1,
            }),
            _ => {}
        }
    }
    Ok(Layout {
        scalars,
        comments: events.scanner.take_comments(),
    })
}
