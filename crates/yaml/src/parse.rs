//! From a text to documents.

use std::collections::HashMap;

use saphyr_parser::{Event, Parser, ScalarStyle, Span, Tag};

use crate::resolve::{self, Resolved};
use crate::{Data, Node, ParseError};

/// The tag namespace of YAML itself, which `!!` stands for.
const CORE: &str = "tag:yaml.org,2002:";

/// Whose rules a text is read by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reading {
    /// As kustomize reads objects: go-yaml v3. `yes` is a string, a date is a point in time (and printed as one), a key that
    /// stands twice is an error.
    Kustomize,
    /// As the API machinery reads objects: `sigs.k8s.io/yaml`, that is go-yaml v2 with YAML 1.1. `yes` is true, a date is a
    /// string, of equal keys the last one counts.
    Api,
}

/// Bounds for texts that nobody trusts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// How deep collections may be nested.
    pub depth: usize,
    /// How many parts all documents may have together, with every alias counted as what it stands for.
    pub nodes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            depth: 1_000,
            nodes: 5_000_000,
        }
    }
}

/// Reads all documents of a text. A document without content gives a null node.
///
/// Aliases and merge keys are replaced by what they stand for. A byte order mark is skipped.
pub fn parse(text: &str, reading: Reading) -> Result<Vec<Node>, ParseError> {
    parse_with(text, reading, Limits::default())
}

/// Reads all documents of a text within bounds. See [`parse`].
pub fn parse_with(text: &str, reading: Reading, limits: Limits) -> Result<Vec<Node>, ParseError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut builder = Builder {
        reading,
        limits,
        open: Vec::new(),
        anchors: HashMap::new(),
        nodes: 0,
        documents: Vec::new(),
    };
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| ParseError {
            line: error.marker().line(),
            column: error.marker().col() + 1,
            reason: error.info().to_owned(),
        })?;
        builder.event(event, span)?;
    }
    Ok(builder.documents)
}

/// A collection whose end has not been seen.
struct Open {
    anchor: usize,
    line: usize,
    column: usize,
    content: Content,
}

enum Content {
    List(Vec<Node>),
    Map {
        fields: Vec<(String, Node)>,
        places: HashMap<String, usize>,
        merges: Vec<Node>,
        key: Option<Key>,
    },
}

enum Key {
    Name(String),
    Merge,
}

struct Builder {
    reading: Reading,
    limits: Limits,
    open: Vec<Open>,
    /// Complete nodes by anchor, with the number of their parts.
    anchors: HashMap<usize, (Node, usize)>,
    nodes: usize,
    documents: Vec<Node>,
}

fn fault(span: Span, reason: impl Into<String>) -> ParseError {
    ParseError {
        line: span.start.line(),
        column: span.start.col() + 1,
        reason: reason.into(),
    }
}

impl Builder {
    fn event(&mut self, event: Event<'_>, span: Span) -> Result<(), ParseError> {
        let (line, column) = (span.start.line(), span.start.col() + 1);
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                self.count(1, span)?;
                if style == ScalarStyle::Plain && text == "<<" && tag.is_none() && self.expects_key() {
                    return self.set_key(Key::Merge, span);
                }
                let data = self.scalar(&text, style, tag.as_deref(), span)?;
                let node = Node { data, line, column };
                self.keep(anchor, &node, span)?;
                self.add(node, span)
            }
            Event::SequenceStart(anchor, _) => self.start(anchor, Content::List(Vec::new()), span),
            Event::MappingStart(anchor, _) => {
                let content = Content::Map {
                    fields: Vec::new(),
                    places: HashMap::new(),
                    merges: Vec::new(),
                    key: None,
                };
                self.start(anchor, content, span)
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(span),
            Event::Alias(anchor) => {
                let Some((node, size)) = self.anchors.get(&anchor).cloned() else {
                    return Err(fault(
                        span,
                        "an alias stands inside of what it stands for, or for nothing",
                    ));
                };
                self.count(size, span)?;
                self.add(node, span)
            }
            Event::DocumentStart(_) => {
                self.anchors.clear();
                Ok(())
            }
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => Ok(()),
        }
    }

    fn count(&mut self, nodes: usize, span: Span) -> Result<(), ParseError> {
        self.nodes = self.nodes.saturating_add(nodes);
        if self.nodes > self.limits.nodes {
            let reason = format!("more than {} values, with every alias counted", self.limits.nodes);
            return Err(fault(span, reason));
        }
        Ok(())
    }

    fn start(&mut self, anchor: usize, content: Content, span: Span) -> Result<(), ParseError> {
        self.count(1, span)?;
        if self.open.len() >= self.limits.depth {
            return Err(fault(
                span,
                format!("nested more than {} deep", self.limits.depth),
            ));
        }
        if self.expects_key() {
            return Err(fault(span, "a key must be a scalar"));
        }
        self.open.push(Open {
            anchor,
            line: span.start.line(),
            column: span.start.col() + 1,
            content,
        });
        Ok(())
    }

    fn end(&mut self, span: Span) -> Result<(), ParseError> {
        let Some(open) = self.open.pop() else {
            return Err(fault(span, "a collection ends that has not begun"));
        };
        let data = match open.content {
            Content::List(items) => Data::List(items),
            Content::Map {
                mut fields,
                mut places,
                merges,
                ..
            } => {
                for merge in merges {
                    add_merged(merge, &mut fields, &mut places)?;
                }
                Data::Map(fields)
            }
        };
        let node = Node {
            data,
            line: open.line,
            column: open.column,
        };
        self.keep(open.anchor, &node, span)?;
        self.add(node, span)
    }

    /// Remembers a node that has an anchor. The copy counts too, or nested anchors would cost the square of the text.
    fn keep(&mut self, anchor: usize, node: &Node, span: Span) -> Result<(), ParseError> {
        if anchor != 0 {
            let size = size(node);
            self.count(size, span)?;
            self.anchors.insert(anchor, (node.clone(), size));
        }
        Ok(())
    }

    fn expects_key(&self) -> bool {
        matches!(
            self.open.last(),
            Some(Open {
                content: Content::Map { key: None, .. },
                ..
            })
        )
    }

    fn set_key(&mut self, name: Key, span: Span) -> Result<(), ParseError> {
        if let Some(Open {
            content: Content::Map { key, .. },
            ..
        }) = self.open.last_mut()
        {
            *key = Some(name);
            return Ok(());
        }
        Err(fault(span, "a key stands outside of a map"))
    }

    fn add(&mut self, node: Node, span: Span) -> Result<(), ParseError> {
        if self.expects_key() {
            let name = self.key_name(&node, span)?;
            return self.set_key(Key::Name(name), span);
        }
        let reading = self.reading;
        match self.open.last_mut().map(|open| &mut open.content) {
            None => self.documents.push(node),
            Some(Content::List(items)) => items.push(node),
            Some(Content::Map {
                fields,
                places,
                merges,
                key,
            }) => match key.take() {
                None => {}
                Some(Key::Merge) => merges.push(node),
                Some(Key::Name(name)) => match places.get(&name).and_then(|place| fields.get_mut(*place)) {
                    None => {
                        places.insert(name.clone(), fields.len());
                        fields.push((name, node));
                    }
                    Some(field) if reading == Reading::Api => field.1 = node,
                    Some(field) => {
                        let reason =
                            format!("mapping key \"{name}\" already defined at line {}", field.1.line);
                        return Err(fault(span, reason));
                    }
                },
            },
        }
        Ok(())
    }

    /// The name of a field. Kubernetes has only strings; go-yaml v2 turns other scalars into them.
    fn key_name(&self, node: &Node, span: Span) -> Result<String, ParseError> {
        match &node.data {
            Data::String(text) => Ok(text.clone()),
            Data::Bool(value) if self.reading == Reading::Api => Ok(value.to_string()),
            Data::Number(number) if self.reading == Reading::Api => Ok(number.value().to_string()),
            // kustomize cannot print such a map; what was meant is beyond doubt.
            Data::Bool(value) => Ok(value.to_string()),
            Data::Number(number) => Ok(number.to_string()),
            Data::Null { .. } => Ok("null".to_owned()),
            Data::List(_) | Data::Map(_) => Err(fault(span, "a key must be a scalar")),
        }
    }

    fn scalar(
        &self,
        text: &str,
        style: ScalarStyle,
        tag: Option<&Tag>,
        span: Span,
    ) -> Result<Data, ParseError> {
        let own = |text: &str| Ok(Data::String(text.to_owned()));
        let name = match tag {
            None if style != ScalarStyle::Plain => return own(text),
            None => None,
            Some(tag) if tag.handle == CORE => Some(tag.suffix.as_str()),
            // An unknown tag leaves a string.
            Some(_) => return own(text),
        };
        if name == Some("binary") {
            return binary(text).map(Data::String).ok_or_else(|| {
                fault(
                    span,
                    "!!binary value contains invalid base64 data, or bytes that are no UTF-8",
                )
            });
        }
        if name == Some("str") {
            return own(text);
        }
        let resolved = resolve::plain(text, self.reading);
        let fits = match (name, &resolved) {
            (None, _)
            | (Some("null"), Resolved::Null)
            | (Some("bool"), Resolved::Bool(_))
            | (Some("float"), Resolved::Number(_) | Resolved::NotFinite)
            | (Some("timestamp"), Resolved::Timestamp(_)) => true,
            (Some("int"), Resolved::Number(number)) => !number.value().is_f64(),
            (Some("null" | "bool" | "int" | "float" | "timestamp"), _) => false,
            (Some(_), _) => return own(text),
        };
        if !fits {
            let reason = format!("cannot decode `{text}` as a !!{}", name.unwrap_or_default());
            return Err(fault(span, reason));
        }
        match resolved {
            Resolved::Timestamp(time) if self.reading == Reading::Kustomize => Ok(Data::String(time)),
            Resolved::Text | Resolved::Timestamp(_) => own(text),
            Resolved::Null => Ok(Data::Null {
                written: !text.is_empty(),
            }),
            Resolved::Bool(value) => Ok(Data::Bool(value)),
            Resolved::Number(number) => Ok(Data::Number(number)),
            Resolved::NotFinite => Err(fault(span, format!("JSON has no number {text}"))),
        }
    }
}

/// How many parts a node has, itself included.
fn size(node: &Node) -> usize {
    match &node.data {
        Data::List(items) => 1 + items.iter().map(size).sum::<usize>(),
        Data::Map(fields) => 1 + fields.iter().map(|(_, node)| 1 + size(node)).sum::<usize>(),
        _ => 1,
    }
}

/// The text that a base64 scalar holds.
fn binary(text: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let (mut bits, mut held) = (0_u32, 0_u32);
    for character in text.bytes().filter(|byte| !byte.is_ascii_whitespace()) {
        let value = match character {
            b'A'..=b'Z' => character - b'A',
            b'a'..=b'z' => character - b'a' + 26,
            b'0'..=b'9' => character - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            b'=' => break,
            _ => return None,
        };
        bits = (bits << 6) | u32::from(value);
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push(u8::try_from((bits >> held) & 0xff).unwrap_or_default());
            bits &= (1 << held) - 1;
        }
    }
    String::from_utf8(bytes).ok()
}

/// Adds the fields of a merged map that are not there. The first of several maps that has a field counts.
fn add_merged(
    node: Node,
    fields: &mut Vec<(String, Node)>,
    places: &mut HashMap<String, usize>,
) -> Result<(), ParseError> {
    match node.data {
        Data::Map(merged) => {
            for (name, node) in merged {
                if !places.contains_key(&name) {
                    places.insert(name.clone(), fields.len());
                    fields.push((name, node));
                }
            }
            Ok(())
        }
        Data::List(items) if items.iter().all(|item| matches!(item.data, Data::Map(_))) => items
            .into_iter()
            .try_for_each(|item| add_merged(item, fields, places)),
        _ => Err(ParseError {
            line: node.line,
            column: node.column,
            reason: "map merge requires map or sequence of maps as the value".to_owned(),
        }),
    }
}
