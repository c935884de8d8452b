//! From events to documents: aliases, merge keys, equal keys and budgets.

mod folded;
mod map;
mod scalar;

use std::borrow::Cow;
use std::collections::HashMap;

use crate::event::{Event, Properties, Start, What};
use crate::scan::Mark;
use crate::{Data, Limits, Node, ParseError, Reading};
use map::{Fields, Key};

/// A collection whose end has not been seen.
#[derive(Debug)]
struct Open<'t> {
    anchor: Option<&'t str>,
    in_flow: bool,
    start: Mark,
    /// How many parts were counted before it.
    counted: usize,
    content: Content,
}

#[derive(Debug)]
enum Content {
    List(Vec<Node>),
    Map(Fields),
}

/// What an anchor stands for.
#[derive(Debug)]
enum Anchored {
    /// A collection that has not ended; the number of the collections around it.
    Open(usize),
    /// A node, and the number of its parts.
    Node(Node, usize),
}

/// Puts documents together.
#[derive(Debug)]
pub(crate) struct Builder<'t> {
    reading: Reading,
    limits: Limits,
    open: Vec<Open<'t>>,
    /// The lines of the keys of the open maps.
    key_lines: Vec<usize>,
    anchors: HashMap<&'t str, Anchored>,
    nodes: usize,
    aliased: usize,
    /// The end of the last scalar or flow collection.
    end: usize,
}

impl<'t> Builder<'t> {
    pub(crate) fn new(reading: Reading, limits: Limits) -> Self {
        Self {
            reading,
            limits,
            open: Vec::new(),
            key_lines: Vec::new(),
            anchors: HashMap::new(),
            nodes: 0,
            aliased: 0,
            end: 0,
        }
    }

    /// Adds an event. Gives the document that it completes.
    pub(crate) fn event(&mut self, event: Event<'t>) -> Result<Option<Node>, ParseError> {
        let Event { what, start, end } = event;
        match what {
            What::Scalar {
                value,
                style,
                properties,
                ..
            } => {
                self.end = end.offset;
                self.count(1, start)?;
                let tag = properties.tag.as_deref();
                if self.expects_key() {
                    return self.scalar_key(value, style, &properties, start..end);
                }
                let data = self.scalar(value, style, tag, start)?;
                let node = node(data, start, end.offset);
                self.keep(properties.anchor, &node, 1, start)?;
                self.add(node)
            }
            What::SequenceStart(collection) => {
                self.start(&collection, Content::List(Vec::new()), start)?;
                Ok(None)
            }
            What::MappingStart(collection) => {
                let fields = Fields::new(self.key_lines.len());
                self.start(&collection, Content::Map(fields), start)?;
                Ok(None)
            }
            What::SequenceEnd | What::MappingEnd => {
                if end.offset > start.offset {
                    self.end = end.offset;
                }
                self.close(start)
            }
            What::Alias(name) => {
                self.end = end.offset;
                self.alias(name, start)
            }
            What::DocumentStart => {
                self.anchors.clear();
                Ok(None)
            }
            What::StreamEnd | What::DocumentEnd => Ok(None),
        }
    }

    fn count(&mut self, nodes: usize, at: Mark) -> Result<(), ParseError> {
        self.nodes = self.nodes.saturating_add(nodes);
        if self.nodes > self.limits.nodes {
            let reason = format!("more than {} values, with every alias counted", self.limits.nodes);
            return Err(ParseError::new(at, reason));
        }
        Ok(())
    }

    /// Counts the copy of a node.
    fn count_aliased(&mut self, nodes: usize, at: Mark) -> Result<(), ParseError> {
        self.aliased = self.aliased.saturating_add(nodes);
        if self.aliased > self.limits.aliased {
            let reason = format!(
                "document contains excessive aliasing: more than {} values come from aliases",
                self.limits.aliased
            );
            return Err(ParseError::new(at, reason));
        }
        self.count(nodes, at)
    }

    fn start(&mut self, collection: &Start<'t>, content: Content, at: Mark) -> Result<(), ParseError> {
        let counted = self.nodes;
        self.count(1, at)?;
        if self.open.len() >= self.limits.depth {
            let reason = format!("nested more than {} deep", self.limits.depth);
            return Err(ParseError::new(at, reason));
        }
        if self.expects_key() {
            return Err(self.key_of_many(&content, at));
        }
        let anchor = collection.properties.anchor;
        if let Some(name) = anchor {
            self.anchors.insert(name, Anchored::Open(self.open.len()));
        }
        self.open.push(Open {
            anchor,
            in_flow: collection.in_flow,
            start: at,
            counted,
            content,
        });
        Ok(())
    }

    fn close(&mut self, at: Mark) -> Result<Option<Node>, ParseError> {
        let Some(open) = self.open.pop() else {
            return Err(ParseError::new(at, "a collection ends that has not begun"));
        };
        let data = match open.content {
            Content::List(items) => Data::List(items),
            Content::Map(fields) => {
                self.key_lines.truncate(fields.first_line);
                Data::Map(fields.finish(self.reading))
            }
        };
        let node = node(data, open.start, self.end);
        if let Some(name) = open.anchor
            && matches!(self.anchors.get(name), Some(Anchored::Open(depth)) if *depth == self.open.len())
        {
            self.keep(Some(name), &node, self.nodes - open.counted, at)?;
        }
        self.add(node)
    }

    /// Remembers a node that has an anchor. The copy counts too, or nested anchors would cost the square of the text.
    fn keep(
        &mut self,
        anchor: Option<&'t str>,
        node: &Node,
        size: usize,
        at: Mark,
    ) -> Result<(), ParseError> {
        if let Some(name) = anchor {
            self.count(size, at)?;
            self.anchors.insert(name, Anchored::Node(node.clone(), size));
        }
        Ok(())
    }

    /// Refuses a collection as a key. kustomize reads only the outermost map into one of strings.
    fn key_of_many(&self, content: &Content, at: Mark) -> ParseError {
        let error = ParseError::new(at, "invalid map key: a key must be a scalar");
        if self.reading != Reading::Kustomize || self.open.len() > 1 {
            return error;
        }
        let kind = if matches!(content, Content::List(_)) {
            "seq"
        } else {
            "map"
        };
        let reason = format!("cannot unmarshal !!{kind} into string");
        error.with_original(ParseError::decoding(at, reason).original().to_owned())
    }

    fn alias(&mut self, name: &str, at: Mark) -> Result<Option<Node>, ParseError> {
        let (node, size) = match self.anchors.get(name) {
            None => {
                let reason = format!("unknown anchor '{name}' referenced");
                return Err(ParseError::new(at, reason));
            }
            Some(Anchored::Open(_)) => {
                let reason = format!("anchor '{name}' value contains itself");
                return Err(ParseError::of_reference(at, reason, self.reading));
            }
            Some(Anchored::Node(node, size)) => {
                if self.aliased.saturating_add(*size) > self.limits.aliased {
                    (None, *size)
                } else {
                    (Some(node.clone()), *size)
                }
            }
        };
        self.count_aliased(size, at)?;
        let Some(node) = node else { return Ok(None) };
        if self.expects_key() {
            let name = self.alias_key_name(&node, at)?;
            self.set_key(Key::Name(name), at);
            return Ok(None);
        }
        if self.expects_merge() && !matches!(node.data, Data::Map(_)) {
            let reason = self.not_mergeable(true);
            return Err(ParseError::of_reference(at, reason, self.reading));
        }
        self.add(node)
    }

    /// Whether plain scalars get quotes before kustomize prints them: it writes objects and reads them again, with brackets
    /// and braces where they were.
    fn quotes_in_flow(&self) -> bool {
        self.reading == Reading::Kustomize && self.open.last().is_some_and(|open| open.in_flow)
    }

    fn map(&self) -> Option<&Fields> {
        match self.open.last() {
            Some(Open {
                content: Content::Map(fields),
                ..
            }) => Some(fields),
            _ => None,
        }
    }

    fn expects_key(&self) -> bool {
        self.map().is_some_and(|fields| fields.key.is_none())
    }

    fn expects_merge(&self) -> bool {
        self.map()
            .is_some_and(|fields| matches!(fields.key, Some(Key::Merge)))
    }

    fn set_key(&mut self, key: Key, at: Mark) {
        self.key_lines.push(at.line + 1);
        if let Some(Open {
            content: Content::Map(fields),
            ..
        }) = self.open.last_mut()
        {
            fields.key = Some(key);
        }
    }

    /// Adds a node to the collection that is open. Gives it back when none is.
    fn add(&mut self, node: Node) -> Result<Option<Node>, ParseError> {
        let Some(open) = self.open.last_mut() else {
            return Ok(Some(node));
        };
        match &mut open.content {
            Content::List(items) => items.push(node),
            Content::Map(fields) => match fields.key.take() {
                None => {}
                Some(Key::Merge) => {
                    self.key_lines.pop();
                    fields.merge(node, self.reading)?;
                }
                Some(Key::Name(name)) => {
                    let is_replaced = fields.set(name, node, self.reading, &self.key_lines)?;
                    if is_replaced {
                        self.key_lines.pop();
                    }
                }
            },
        }
        Ok(None)
    }

    fn not_mergeable(&self, is_alias: bool) -> &'static str {
        map::not_mergeable(self.reading, is_alias)
    }

    /// Adds a scalar that is a key.
    fn scalar_key(
        &mut self,
        value: Cow<'t, str>,
        style: crate::Style,
        properties: &Properties<'t>,
        place: std::ops::Range<Mark>,
    ) -> Result<Option<Node>, ParseError> {
        let at = place.start;
        let tag = properties.tag.as_deref();
        if value == "<<" && scalar::is_merge(style, tag, self.reading) {
            self.set_key(Key::Merge, at);
            return Ok(None);
        }
        if let Some(anchor) = properties.anchor {
            let data = self.scalar(value.clone(), style, tag, at)?;
            let node = node(data, at, place.end.offset);
            self.keep(Some(anchor), &node, 1, at)?;
        }
        let name = self.key_name(value, style, tag, at)?;
        self.set_key(Key::Name(name), at);
        Ok(None)
    }
}

fn node(data: Data, start: Mark, end: usize) -> Node {
    Node {
        data,
        line: start.line + 1,
        column: start.column + 1,
        span: start.offset..end.max(start.offset),
    }
}
