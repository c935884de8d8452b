//! Finds marked scalars in YAML text, and every marker that can not work.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use saphyr_parser::{Event, Parser, ScalarStyle};

use super::attach::{self, Attachment, Comment};
use super::marker::QUOTED_KEY;
use super::stream::{Node, Stream, line_end};
use super::template::Masked;
use super::{MalformedMarker, Marker, MarkerParse, ObjectIdentifier, lines, mentions_marker, parse_comment};

/// How a scalar is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Style {
    /// Without quotes.
    Plain,
    /// In single quotes.
    Single,
    /// In double quotes.
    Double,
    /// A block scalar that keeps line ends (`|`).
    Literal,
    /// A block scalar that folds line ends (`>`).
    Folded,
}

/// A scalar with a marker that can set it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MarkedScalar {
    /// The marker.
    pub marker: Marker,
    /// Line of the scalar's first character, from 1.
    pub line: usize,
    /// Column of the scalar's first character in characters, from 1.
    pub column: usize,
    /// The bytes that a new value replaces, quotes included; of a block scalar, the content of its only line.
    pub span: Range<usize>,
    /// How it is written.
    pub style: Style,
    /// Its decoded value; of a block scalar, without the line ends behind it.
    pub value: String,
    /// The object that it belongs to.
    pub object: ObjectIdentifier,
    /// The scalar's place among the events of the stream; nothing for a file that is read line by line.
    pub(super) event: Option<usize>,
}

/// A collection of YAML.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Collection {
    /// A mapping.
    Mapping,
    /// A sequence.
    Sequence,
}

impl fmt::Display for Collection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Mapping => "mapping",
            Self::Sequence => "sequence",
        })
    }
}

/// A marker that can not work where or as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Impossible {
    /// Line of the comment, from 1.
    pub line: usize,
    /// The setter's name, or the comment as it stands when that has none.
    pub setter: String,
    /// Why it can not work.
    pub reason: ImpossibleReason,
}

/// Why a marker can not work.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ImpossibleReason {
    /// The comment itself is wrong.
    #[error("{0}")]
    Malformed(MalformedMarker),
    /// `{a: b} # marker` and `[a, b] # marker`.
    #[error("the marker stands behind a {0}; it must stand behind the scalar that it sets")]
    BehindCollection(Collection),
    /// `*alias # marker`.
    #[error("the marker stands behind an alias; it must stand behind the scalar that has the anchor")]
    BehindAlias,
    /// `key: # marker`, with no value at all.
    #[error("the value is empty; write a first value before the marker")]
    EmptyValue,
    /// `key: # marker`, with the value on the lines below, or a marker behind a key of its own.
    #[error("the marker stands behind a key; it must stand behind the scalar that it sets")]
    BehindKey,
    /// A marker on a line of its own above `key: value`.
    #[error("the marker stands above a mapping key; it must stand behind the value, on the same line")]
    AboveKey,
    /// A marker above `- value # other comment`.
    #[error("another comment stands behind the scalar; the marker must take its place")]
    OtherComment,
    /// A marker above a sequence item with other comment lines around it.
    #[error("the comment above the item has several lines; the marker must be its only one")]
    SeveralLines,
    /// A marker above an item that belongs to what stands above it, by a blank line or by its indentation.
    #[error("by its indentation or the blank line below it, the comment belongs to what stands above it")]
    BelongsAbove,
    /// No scalar is near the marker.
    #[error("no scalar stands before the marker on its line")]
    NoScalar,
    /// The marker is part of a text, not a comment.
    #[error("the marker stands inside a block scalar, where it is text and no comment")]
    InsideBlockScalar,
    /// A marked block scalar with more than one line.
    #[error("the block scalar does not have exactly one line")]
    BlockLines,
    /// `$ref` in a file without `"$imagepolicy"`.
    #[error("Flux only reads files that have \"$imagepolicy\" in them; use that form of the marker")]
    NotScreened,
    /// A template expression on the line of the scalar.
    #[error("the line has a template expression, so its value is not known before the template runs")]
    TemplateExpression,
    /// The file is not YAML, and the line could not be told from text inside a block scalar or a collection.
    #[error("the file is no valid YAML and the marked line cannot be understood by itself")]
    LineNotUnderstood,
}

/// Where a file stops being YAML.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no valid YAML: line {line}, column {column}: {message}")]
pub struct ParseFailure {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// What the parser says.
    pub message: String,
}

/// How a file was read, which is how an edit of it is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Reading {
    /// As YAML.
    #[default]
    Yaml,
    /// As YAML, with template expressions blanked out.
    Template,
    /// Line by line.
    Lines,
}

/// All markers of a file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Located {
    /// Scalars that can be set, in the order of the file.
    pub scalars: Vec<MarkedScalar>,
    /// Markers that can not work, in the order of the file.
    pub impossible: Vec<Impossible>,
    /// Set when the file is no valid YAML. `scalars` then holds those that can be set safely all the same.
    pub unparsable: Option<ParseFailure>,
    pub(super) reading: Reading,
}

/// Finds the markers of a file.
///
/// Files that are no valid YAML, as Helm templates, are read with their template expressions blanked out, and
/// else line by line; whatever cannot be set safely then is among the impossible ones. Never fails: any bytes do.
#[must_use]
pub fn locate(content: &[u8]) -> Located {
    if !mentions_marker(content) {
        return Located::default();
    }
    match std::str::from_utf8(content) {
        Ok(text) => Texts::new(text).locate().0,
        Err(error) => not_utf8(content, error),
    }
}

/// A file and the texts that stand for it while it is parsed. No byte of them moves.
pub(super) struct Texts<'t> {
    original: &'t str,
    readable: Cow<'t, str>,
    masked: Option<Masked>,
}

impl<'t> Texts<'t> {
    pub(super) fn new(original: &'t str) -> Self {
        let readable = if original.contains(":\t") {
            // YAML allows these tabs and the parser does not.
            Cow::Owned(original.replace(":\t", ": "))
        } else {
            Cow::Borrowed(original)
        };
        let readable = separate_comments(readable);
        let masked = Masked::new(&readable).map(Masked::separate_comments);
        Self {
            original,
            readable,
            masked,
        }
    }

    /// Finds the markers, and gives the events that they were found in; none for a file that is read line by line.
    pub(super) fn locate(&self) -> (Located, Vec<Event<'_>>) {
        let (readable, original) = (self.readable.as_ref(), self.original);
        let failure = match Stream::read(readable) {
            Ok(stream) => {
                return (
                    Finder::new(original, readable, Reading::Yaml).find(&stream),
                    stream.events,
                );
            }
            Err(failure) => failure,
        };
        let template = self.masked.as_ref().and_then(|masked| {
            let stream = Stream::read(masked.text()).ok()?;
            let located = Finder::new(original, masked.text(), Reading::Template).find(&stream);
            Some((located, stream.events))
        });
        let (mut located, events) = template.unwrap_or_else(|| (lines::locate(original), Vec::new()));
        located.unparsable = Some(failure);
        (located, events)
    }

    /// The events of the text as it was read; nothing when it does not read in this way.
    pub(super) fn events(&self, reading: Reading) -> Option<Vec<Event<'_>>> {
        let is_yaml = Stream::read(&self.readable);
        match (reading, is_yaml) {
            (Reading::Yaml, Ok(stream)) => Some(stream.events),
            // An edit that made YAML of a text that was none would have changed what its other lines mean.
            (Reading::Template, Err(_)) => Some(Stream::read(self.masked.as_ref()?.text()).ok()?.events),
            (Reading::Lines, Err(_)) => {
                match self.masked.as_ref().map(|masked| Stream::read(masked.text())) {
                    Some(Ok(_)) => None,
                    _ => Some(Vec::new()),
                }
            }
            _ => None,
        }
    }
}

/// Puts a space before comments that stand right behind a quoted scalar or a bracket, in place of their `#`, and a `#` in place
/// of the character behind it. go-yaml reads such comments, and the parser here refuses them. No other byte moves.
pub(super) fn separate_comments(text: Cow<'_, str>) -> Cow<'_, str> {
    // Behind a letter or a digit it is part of a plain scalar, and most comments have a space before them.
    let is_glued = |hash: usize| {
        let before = hash.checked_sub(1).and_then(|before| text.as_bytes().get(before));
        before.is_some_and(|before| before.is_ascii_punctuation() && *before != b'#')
    };
    if !memchr::memchr_iter(b'#', text.as_bytes()).any(is_glued) {
        return text;
    }
    let mut separated = text.into_owned();
    for _ in 0..MAX_GLUED {
        let refused = Parser::new_from_str(&separated).find_map(Result::err);
        let start = refused.and_then(|error| separated.char_indices().nth(error.marker().index()));
        let Some((start, '#')) = start else {
            break;
        };
        let moved = match separated.as_bytes().get(start + 1) {
            None | Some(b'\n' | b'\r') => " ",
            Some(byte) if byte.is_ascii() => " #",
            // Such a comment is no marker.
            Some(_) => break,
        };
        separated.replace_range(start..start + moved.len(), moved);
    }
    Cow::Owned(separated)
}

/// How many such comments are read in a file; each costs a look at the file.
const MAX_GLUED: usize = 100;

fn not_utf8(content: &[u8], error: std::str::Utf8Error) -> Located {
    let valid = content.get(..error.valid_up_to()).unwrap_or_default();
    let (line, column) = LineIndex::new(valid).position(valid, valid.len());
    let mut located = lines::locate(&String::from_utf8_lossy(content));
    let scalars = std::mem::take(&mut located.scalars);
    located
        .impossible
        .extend(scalars.into_iter().map(|scalar| Impossible {
            line: scalar.line,
            setter: scalar.marker.to_string(),
            reason: ImpossibleReason::LineNotUnderstood,
        }));
    located.impossible.sort_by_key(|impossible| impossible.line);
    located.unparsable = Some(ParseFailure {
        line,
        column,
        message: "the file is not UTF-8".to_owned(),
    });
    located
}

/// Offsets of line starts, to turn bytes into lines and columns.
pub(super) struct LineIndex(Vec<usize>);

impl LineIndex {
    pub(super) fn new(content: &[u8]) -> Self {
        Self(
            memchr::memchr_iter(b'\n', content)
                .map(|offset| offset + 1)
                .collect(),
        )
    }

    /// Line from 1 and column in characters from 1.
    pub(super) fn position(&self, content: &[u8], offset: usize) -> (usize, usize) {
        let before = self.0.partition_point(|start| *start <= offset);
        let start = before
            .checked_sub(1)
            .and_then(|line| self.0.get(line))
            .copied()
            .unwrap_or(0);
        let line = content.get(start..offset).unwrap_or_default();
        let characters = line.iter().filter(|byte| (**byte & 0xc0) != 0x80).count();
        (before + 1, characters + 1)
    }
}

/// What finds markers in a text that parses.
struct Finder<'t> {
    /// The file as it is.
    original: &'t str,
    /// The text that was parsed: the file or what stands for it, with the same offsets.
    text: &'t str,
    lines: LineIndex,
    located: Located,
}

impl<'t> Finder<'t> {
    fn new(original: &'t str, text: &'t str, reading: Reading) -> Self {
        Self {
            original,
            text,
            lines: LineIndex::new(text.as_bytes()),
            located: Located {
                reading,
                ..Located::default()
            },
        }
    }

    fn find(mut self, stream: &Stream<'_>) -> Located {
        let screened = memchr::memmem::find(self.original.as_bytes(), QUOTED_KEY).is_some();
        for comment in attach::comments(self.text, stream) {
            let text = self.original.get(comment.span.clone()).unwrap_or_default();
            match parse_comment(text) {
                MarkerParse::NotAMarker => {}
                // A line that was commented out as a whole is meant to do nothing.
                MarkerParse::Malformed(MalformedMarker::TextBefore) if comment.alone => {}
                MarkerParse::Malformed(reason) => {
                    let reason = ImpossibleReason::Malformed(reason);
                    self.impossible(comment.span.start, text.trim_end(), reason);
                }
                MarkerParse::Marker(marker) if screened => self.marker(stream, &comment, &marker),
                MarkerParse::Marker(marker) => {
                    self.impossible(
                        comment.span.start,
                        &marker.to_string(),
                        ImpossibleReason::NotScreened,
                    );
                }
            }
        }
        self.inside_block_scalars(stream);
        self.located.scalars.sort_by_key(|scalar| scalar.span.start);
        self.located.impossible.sort_by_key(|impossible| impossible.line);
        self.located
    }

    fn impossible(&mut self, offset: usize, setter: &str, reason: ImpossibleReason) {
        let (line, _) = self.lines.position(self.text.as_bytes(), offset);
        self.located.impossible.push(Impossible {
            line,
            setter: setter.to_owned(),
            reason,
        });
    }

    fn marker(&mut self, stream: &Stream<'_>, comment: &Comment, marker: &Marker) {
        let placed = match &comment.attachment {
            Attachment::To(number) => match stream.nodes.get(*number) {
                Some(node) => self.scalar(stream, node, comment, marker.clone()),
                None => Err(ImpossibleReason::NoScalar),
            },
            Attachment::Nowhere(reason) => Err(reason.clone()),
        };
        match placed {
            Ok(scalar) => self.located.scalars.push(scalar),
            Err(reason) => self.impossible(comment.span.start, &marker.to_string(), reason),
        }
    }

    fn scalar(
        &self,
        stream: &Stream<'_>,
        node: &Node,
        comment: &Comment,
        marker: Marker,
    ) -> Result<MarkedScalar, ImpossibleReason> {
        let value = stream.value(node);
        let (style, span, value) = match node.style {
            Some(ScalarStyle::Plain) => (Style::Plain, node.span.clone(), value),
            Some(ScalarStyle::SingleQuoted) => (Style::Single, node.span.clone(), value),
            Some(ScalarStyle::DoubleQuoted) => (Style::Double, node.span.clone(), value),
            Some(ScalarStyle::Literal) => (
                Style::Literal,
                self.block_line(node, value)?,
                value.trim_end_matches('\n'),
            ),
            Some(ScalarStyle::Folded) => (
                Style::Folded,
                self.block_line(node, value)?,
                value.trim_end_matches('\n'),
            ),
            None => return Err(ImpossibleReason::BehindAlias),
        };
        let from = span.start.min(comment.span.start);
        let to = span.end.max(comment.span.end);
        if self.has_expression(from..to) {
            return Err(ImpossibleReason::TemplateExpression);
        }
        let (line, column) = self.lines.position(self.text.as_bytes(), span.start);
        Ok(MarkedScalar {
            marker,
            line,
            column,
            span,
            style,
            value: value.to_owned(),
            object: stream.object(node),
            event: Some(node.event),
        })
    }

    /// The content of a block scalar's only line.
    fn block_line(&self, node: &Node, value: &str) -> Result<Range<usize>, ImpossibleReason> {
        let value = value.trim_end_matches('\n');
        if value.is_empty() {
            return Err(ImpossibleReason::EmptyValue);
        }
        let body = self.text.get(node.body.clone()).unwrap_or_default();
        let start = node.body.start + (body.len() - body.trim_start().len());
        let end = line_end(self.text, start);
        if self.text.get(start..end) == Some(value) {
            Ok(start..end)
        } else {
            Err(ImpossibleReason::BlockLines)
        }
    }

    /// Whether the lines that hold these bytes have a template expression in the file as it is.
    fn has_expression(&self, span: Range<usize>) -> bool {
        if self.located.reading == Reading::Yaml {
            return false;
        }
        let before = self.original.get(..span.start).unwrap_or_default();
        let start = before.rfind('\n').map_or(0, |line_break| line_break + 1);
        let lines = self.original.get(start..line_end(self.original, span.end));
        lines.is_none_or(|lines| lines.contains("{{") || lines.contains("}}"))
    }

    /// Reports markers in texts that look as if they were YAML, such as a values file in a `ConfigMap`.
    fn inside_block_scalars(&mut self, stream: &Stream<'_>) {
        for node in stream.nodes.iter().filter(|node| attach::is_block(node)) {
            let Some(body) = self.text.get(node.body.clone()) else {
                continue;
            };
            if memchr::memmem::find(body.as_bytes(), QUOTED_KEY).is_none() {
                continue;
            }
            let mut offset = node.body.start;
            for line in body.split_inclusive('\n') {
                if let Some(marker) = lines::trailing_marker(line) {
                    self.impossible(offset, &marker.to_string(), ImpossibleReason::InsideBlockScalar);
                }
                offset += line.len();
            }
        }
    }
}
