//! A YAML stream as the setters need it: each scalar and alias with the bytes that it covers.
//!
//! The parser gives events with the right start; ends are found here, because the parser's own ends include
//! whatever follows a quoted or block scalar, comments too.

use std::ops::Range;

use saphyr_parser::{Event, Parser, ScalarStyle};

use super::objects::{Objects, Place};
use super::{ObjectIdentifier, ParseFailure};

/// Deepest nesting of collections that is read; real manifests stay below 30.
const MAX_DEPTH: usize = 1_000;

/// What a node is to the collection that holds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// The root of a document.
    Root,
    /// A key of a mapping.
    Key {
        /// Whether the key's value is left out.
        empty_value: bool,
    },
    /// A value of a mapping.
    Value,
    /// An item of a sequence.
    Item {
        /// Whether no other item stands before it.
        first: bool,
    },
}

/// A scalar or alias that has characters of its own.
#[derive(Debug)]
pub(super) struct Node {
    /// First byte with the anchor and the tag.
    pub(super) outer: usize,
    /// The scalar or alias itself; of a block scalar, the header's indicators.
    pub(super) span: Range<usize>,
    /// The lines of a block scalar up to its last character that is no white space; empty for all other nodes.
    pub(super) body: Range<usize>,
    /// The scalar's style; none for an alias.
    pub(super) style: Option<ScalarStyle>,
    /// Its role.
    pub(super) role: Role,
    /// Whether it stands in `[...]` or `{...}`.
    pub(super) in_flow: bool,
    /// Whether a collection that is a key of a mapping holds it.
    pub(super) in_key: bool,
    /// How many collections hold it.
    pub(super) depth: usize,
    /// Its place in [`Stream::events`].
    pub(super) event: usize,
    object: usize,
}

/// All events of a text, and the nodes among them.
pub(super) struct Stream<'t> {
    pub(super) events: Vec<Event<'t>>,
    pub(super) nodes: Vec<Node>,
    objects: Objects,
}

impl<'t> Stream<'t> {
    /// Parses a text. Anchors are never expanded.
    pub(super) fn read(text: &'t str) -> Result<Self, ParseFailure> {
        let mut reader = Reader::new(text);
        for event in Parser::new_from_str(text) {
            let (event, span) = event.map_err(|error| ParseFailure {
                line: error.marker().line(),
                column: error.marker().col() + 1,
                message: error.info().to_owned(),
            })?;
            reader
                .event(event, span.start.index(), span.end.index())
                .map_err(|message| ParseFailure {
                    line: span.start.line(),
                    column: span.start.col() + 1,
                    message: message.to_owned(),
                })?;
        }
        Ok(reader.stream)
    }

    /// The object that a node belongs to.
    pub(super) fn object(&self, node: &Node) -> ObjectIdentifier {
        self.objects.identifier(node.object)
    }

    /// The decoded value of a scalar; nothing for an alias.
    pub(super) fn value(&self, node: &Node) -> &str {
        match self.events.get(node.event) {
            Some(Event::Scalar(value, ..)) => value,
            _ => "",
        }
    }
}

/// A collection that is open while its events arrive.
struct Frame<'t> {
    place: Place,
    in_flow: bool,
    in_key: bool,
    state: FrameState<'t>,
}

enum FrameState<'t> {
    /// A mapping: the key that waits for its value, with its node when it has one.
    Mapping(Option<(std::borrow::Cow<'t, str>, Option<usize>)>),
    /// A sequence, with whether it has an item yet.
    Sequence(bool),
}

struct Reader<'t> {
    text: &'t str,
    /// Byte offset of each character; nothing for an ASCII text, where both are the same.
    offsets: Option<Vec<usize>>,
    frames: Vec<Frame<'t>>,
    document: Option<Place>,
    stream: Stream<'t>,
}

impl<'t> Reader<'t> {
    fn new(text: &'t str) -> Self {
        let offsets = (!text.is_ascii()).then(|| text.char_indices().map(|(offset, _)| offset).collect());
        Self {
            text,
            offsets,
            frames: Vec::new(),
            document: None,
            stream: Stream {
                events: Vec::new(),
                nodes: Vec::new(),
                objects: Objects::default(),
            },
        }
    }

    fn offset(&self, index: usize) -> usize {
        match &self.offsets {
            Some(offsets) => offsets.get(index).copied().unwrap_or(self.text.len()),
            None => index.min(self.text.len()),
        }
    }

    fn event(&mut self, event: Event<'t>, index: usize, end: usize) -> Result<(), &'static str> {
        match &event {
            Event::DocumentStart(_) => self.document = Some(self.stream.objects.document()),
            Event::MappingStart(..) | Event::SequenceStart(..) => {
                let is_mapping = matches!(event, Event::MappingStart(..));
                self.open(is_mapping, self.offset(index), end > index)?;
            }
            Event::MappingEnd | Event::SequenceEnd => {
                self.frames.pop();
            }
            Event::Scalar(value, style, ..) => {
                if value.is_empty() && *style == ScalarStyle::Plain {
                    self.empty_scalar();
                } else {
                    self.node(Some((*style, value)), self.offset(index))?;
                }
            }
            Event::Alias(_) => self.node(None, self.offset(index))?,
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
        }
        self.stream.events.push(event);
        Ok(())
    }

    /// The place that a new node would have, and whether it stands in a flow collection.
    fn surroundings(&self) -> (Option<Place>, bool) {
        match self.frames.last() {
            Some(frame) => (Some(frame.place), frame.in_flow),
            None => (self.document, false),
        }
    }

    fn in_key(&self) -> bool {
        self.frames.last().is_some_and(|frame| frame.in_key)
    }

    /// Takes the next role that the innermost collection has to give. A key is set by whoever is one.
    fn take_role(&mut self) -> (Role, Option<std::borrow::Cow<'t, str>>) {
        match self.frames.last_mut().map(|frame| &mut frame.state) {
            None => (Role::Root, None),
            Some(FrameState::Sequence(has_items)) => {
                let first = !std::mem::replace(has_items, true);
                (Role::Item { first }, None)
            }
            Some(FrameState::Mapping(key)) => match key.take() {
                Some((key, _)) => (Role::Value, Some(key)),
                None => (Role::Key { empty_value: false }, None),
            },
        }
    }

    fn set_key(&mut self, key: std::borrow::Cow<'t, str>, node: Option<usize>) {
        if let Some(FrameState::Mapping(pending)) = self.frames.last_mut().map(|frame| &mut frame.state) {
            *pending = Some((key, node));
        }
    }

    fn open(&mut self, is_mapping: bool, start: usize, has_bracket: bool) -> Result<(), &'static str> {
        if self.frames.len() >= MAX_DEPTH {
            return Err("the collections are nested too deeply");
        }
        let (parent, in_flow) = self.surroundings();
        let (role, key) = self.take_role();
        let is_key = matches!(role, Role::Key { .. });
        if is_key {
            self.set_key("".into(), None);
        }
        let in_key = is_key || self.in_key();
        let place = match parent {
            Some(place) if role == Role::Root => place,
            Some(place) => self.stream.objects.enter(place, key.as_deref(), is_mapping),
            None => self.stream.objects.document(),
        };
        // The event of a block collection is empty and may start at the bracket of its first item.
        let first = self.text.as_bytes().get(skip_properties(self.text, start));
        self.frames.push(Frame {
            place,
            in_flow: in_flow || (has_bracket && matches!(first, Some(b'[' | b'{'))),
            in_key,
            state: if is_mapping {
                FrameState::Mapping(None)
            } else {
                FrameState::Sequence(false)
            },
        });
        Ok(())
    }

    /// A scalar that is left out has a role, and no characters.
    fn empty_scalar(&mut self) {
        let key_node = match self.frames.last().map(|frame| &frame.state) {
            Some(FrameState::Mapping(Some((_, node)))) => *node,
            _ => None,
        };
        let (role, _) = self.take_role();
        if matches!(role, Role::Key { .. }) {
            self.set_key("".into(), None);
        }
        if let Some(node) = key_node.and_then(|node| self.stream.nodes.get_mut(node)) {
            node.role = Role::Key { empty_value: true };
        }
    }

    fn node(
        &mut self,
        scalar: Option<(ScalarStyle, &std::borrow::Cow<'t, str>)>,
        outer: usize,
    ) -> Result<(), &'static str> {
        let is_block = matches!(scalar, Some((ScalarStyle::Literal | ScalarStyle::Folded, _)));
        let start = if is_block {
            // The parser's start is that of the content, or of the properties.
            let above = self.stream.nodes.last().map_or(0, |node| node.body.end);
            block_header(self.text, above).ok_or("the header of a block scalar could not be found")?
        } else {
            skip_properties(self.text, outer)
        };
        let outer = outer.min(start);
        let (span, body) = match scalar {
            Some((style, value)) => extent(self.text, start, style, value),
            None => alias_end(self.text, start).map(|end| (start..end, end..end)),
        }
        .ok_or("the end of a scalar could not be found")?;
        let (place, in_flow) = self.surroundings();
        let (role, key) = self.take_role();
        let value = scalar.map(|(_, value)| value);
        if matches!(role, Role::Key { .. }) {
            self.set_key(value.cloned().unwrap_or_default(), Some(self.stream.nodes.len()));
        }
        if let (Some(place), Some(key), Some(value)) = (place, key, value) {
            self.stream.objects.scalar(place, &key, value);
        }
        self.stream.nodes.push(Node {
            outer,
            span,
            body,
            style: scalar.map(|(style, _)| style),
            role,
            in_flow,
            in_key: self.in_key(),
            depth: self.frames.len(),
            event: self.stream.events.len(),
            object: place.map_or(0, Place::object),
        });
        Ok(())
    }
}

/// Where a node begins behind its anchor and tag, and the white space and comments that follow those.
fn skip_properties(text: &str, mut offset: usize) -> usize {
    let bytes = text.as_bytes();
    while let Some(b'&' | b'!') = bytes.get(offset) {
        let verbatim = bytes.get(offset + 1) == Some(&b'<');
        while let Some(&byte) = bytes.get(offset) {
            if is_white(byte) || (!verbatim && matches!(byte, b',' | b'[' | b']' | b'{' | b'}')) {
                break;
            }
            offset += 1;
        }
        while let Some(&byte) = bytes.get(offset) {
            if byte == b'#' {
                offset = line_end(text, offset);
            } else if is_white(byte) {
                offset += 1;
            } else {
                break;
            }
        }
    }
    offset
}

/// Where the header of the block scalar begins that is the first node behind `offset`.
fn block_header(text: &str, mut offset: usize) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut is_separated = true;
    loop {
        match bytes.get(offset)? {
            b'|' | b'>' if is_separated => return Some(offset),
            b'#' if is_separated => offset = line_end(text, offset),
            byte => {
                is_separated = is_white(*byte);
                offset += 1;
            }
        }
    }
}

/// The bytes of a scalar that starts at `start`, and of its body when it is a block scalar.
fn extent(text: &str, start: usize, style: ScalarStyle, value: &str) -> Option<(Range<usize>, Range<usize>)> {
    let bytes = text.as_bytes();
    let first = *bytes.get(start)?;
    let end = match style {
        ScalarStyle::Plain => same_characters(text, start, value)?,
        ScalarStyle::SingleQuoted if first == b'\'' => single_quoted_end(bytes, start)?,
        ScalarStyle::DoubleQuoted if first == b'"' => double_quoted_end(bytes, start)?,
        ScalarStyle::Literal | ScalarStyle::Folded if matches!(first, b'|' | b'>') => {
            let indicators = bytes
                .get(start + 1..)?
                .iter()
                .take_while(|byte| matches!(byte, b'0'..=b'9' | b'+' | b'-'))
                .count();
            let header = start..start + 1 + indicators;
            let body = next_line(text, header.end);
            return Some((header, body..same_characters(text, body, value)?));
        }
        _ => return None,
    };
    Some((start..end, end..end))
}

/// The end of the text that holds the characters of `value` and otherwise only white space.
///
/// Folding, indentation and line ends change white space alone, so this follows a scalar over any number of lines.
fn same_characters(text: &str, start: usize, value: &str) -> Option<usize> {
    let mut rest = text.get(start..)?.char_indices();
    let mut end = start;
    for expected in value.chars().filter(|c| !is_white_char(*c)) {
        let (offset, found) = rest.by_ref().find(|(_, c)| !is_white_char(*c))?;
        if found != expected {
            return None;
        }
        end = start + offset + found.len_utf8();
    }
    Some(end)
}

fn single_quoted_end(bytes: &[u8], start: usize) -> Option<usize> {
    let mut offset = start + 1;
    loop {
        match (bytes.get(offset)?, bytes.get(offset + 1)) {
            (b'\'', Some(b'\'')) => offset += 2,
            (b'\'', _) => return Some(offset + 1),
            _ => offset += 1,
        }
    }
}

fn double_quoted_end(bytes: &[u8], start: usize) -> Option<usize> {
    let mut offset = start + 1;
    loop {
        match bytes.get(offset)? {
            b'\\' => offset += 2,
            b'"' => return Some(offset + 1),
            _ => offset += 1,
        }
    }
}

fn alias_end(text: &str, start: usize) -> Option<usize> {
    let rest = text.get(start..)?.strip_prefix('*')?;
    let length = rest.find(|c| is_white_char(c) || matches!(c, ',' | '[' | ']' | '{' | '}'));
    Some(start + 1 + length.unwrap_or(rest.len()))
}

fn is_white(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

fn is_white_char(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\r')
}

/// The offset of the next line break at or behind `offset`, or the end of the text.
pub(super) fn line_end(text: &str, offset: usize) -> usize {
    let rest = text.as_bytes().get(offset..).unwrap_or_default();
    memchr::memchr2(b'\n', b'\r', rest).map_or(text.len(), |length| offset + length)
}

/// The offset of the first byte of the line behind the one that holds `offset`.
pub(super) fn next_line(text: &str, offset: usize) -> usize {
    let end = line_end(text, offset);
    let rest = text.as_bytes().get(end..).unwrap_or_default();
    end + match rest {
        [b'\r', b'\n', ..] => 2,
        [_, ..] => 1,
        [] => 0,
    }
}
