//! From tokens to events: what begins, ends, or is a scalar, as libyaml's parser tells it.

mod block;
mod document;
mod flow;
mod node;

use std::borrow::Cow;

use crate::scan::{Fault, Kind, Mark, Scanner, Style, Token};

/// Something that happens in a text.
#[derive(Debug)]
pub(crate) struct Event<'t> {
    pub(crate) what: What<'t>,
    pub(crate) start: Mark,
    pub(crate) end: Mark,
}

/// What a node has beside its content.
#[derive(Debug, Default)]
pub(crate) struct Properties<'t> {
    pub(crate) anchor: Option<&'t str>,
    /// The whole tag; `!` alone stays that.
    pub(crate) tag: Option<Cow<'t, str>>,
}

/// The beginning of a collection.
#[derive(Debug, Default)]
pub(crate) struct Start<'t> {
    pub(crate) properties: Properties<'t>,
    /// Whether it is written with brackets or braces, or in a list with brackets.
    pub(crate) in_flow: bool,
}

/// The kinds of events.
#[derive(Debug)]
pub(crate) enum What<'t> {
    StreamEnd,
    DocumentStart,
    DocumentEnd,
    Alias(&'t str),
    Scalar {
        value: Cow<'t, str>,
        style: Style,
        properties: Properties<'t>,
        /// Where the scalar itself begins, after its properties.
        content: Mark,
    },
    SequenceStart(Start<'t>),
    SequenceEnd,
    MappingStart(Start<'t>),
    MappingEnd,
}

/// What the parser expects next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    FirstDocument,
    DocumentStart,
    DocumentContent,
    DocumentEnd,
    End,
    BlockNode,
    BlockSequenceFirst,
    BlockSequenceEntry,
    IndentlessEntry,
    BlockMappingFirst,
    BlockMappingKey,
    BlockMappingValue,
    FlowSequenceFirst,
    FlowSequenceEntry,
    FlowPairKey,
    FlowPairValue,
    FlowPairEnd,
    FlowMappingFirst,
    FlowMappingKey,
    FlowMappingValue,
    FlowMappingEmptyValue,
}

/// Gives the events of a text, one after the other.
#[derive(Debug)]
pub(crate) struct Events<'t> {
    pub(crate) scanner: Scanner<'t>,
    state: State,
    states: Vec<State>,
    /// Where the open collections begin.
    marks: Vec<Mark>,
    tag_directives: Vec<(&'t str, Cow<'t, str>)>,
}

impl<'t> Events<'t> {
    pub(crate) fn new(scanner: Scanner<'t>) -> Self {
        Self {
            scanner,
            state: State::FirstDocument,
            states: Vec::new(),
            marks: Vec::new(),
            tag_directives: Vec::new(),
        }
    }

    /// The next event. After the end of the stream there is that end again.
    pub(crate) fn next(&mut self) -> Result<Event<'t>, Fault> {
        match self.state {
            State::FirstDocument => self.document_start(true),
            State::DocumentStart => self.document_start(false),
            State::DocumentContent => self.document_content(),
            State::DocumentEnd => self.document_end(),
            State::End => self.stream_end(),
            State::BlockNode => self.node(true, false),
            State::BlockSequenceFirst => self.block_sequence_entry(true),
            State::BlockSequenceEntry => self.block_sequence_entry(false),
            State::IndentlessEntry => self.indentless_entry(),
            State::BlockMappingFirst => self.block_mapping_key(true),
            State::BlockMappingKey => self.block_mapping_key(false),
            State::BlockMappingValue => self.block_mapping_value(),
            State::FlowSequenceFirst => self.flow_sequence_entry(true),
            State::FlowSequenceEntry => self.flow_sequence_entry(false),
            State::FlowPairKey => self.flow_pair_key(),
            State::FlowPairValue => self.flow_pair_value(),
            State::FlowPairEnd => self.flow_pair_end(),
            State::FlowMappingFirst => self.flow_mapping_key(true),
            State::FlowMappingKey => self.flow_mapping_key(false),
            State::FlowMappingValue => self.flow_mapping_value(false),
            State::FlowMappingEmptyValue => self.flow_mapping_value(true),
        }
    }

    fn take(&mut self) -> Result<Token<'t>, Fault> {
        self.scanner.take()
    }

    /// Whether the next token is of some kind, and where it begins and ends.
    fn look(&mut self, is: impl FnOnce(&Kind<'t>) -> bool) -> Result<(bool, Mark, Mark), Fault> {
        let token = self.scanner.peek()?;
        Ok((is(&token.kind), token.start, token.end))
    }

    /// Goes back to what was expected before a node began.
    fn leave(&mut self) {
        self.state = self.states.pop().unwrap_or(State::End);
    }

    /// Takes the token that begins a collection.
    fn begin(&mut self) -> Result<(), Fault> {
        let token = self.take()?;
        self.marks.push(token.start);
        Ok(())
    }

    /// Takes the token that ends a collection.
    fn close(&mut self, what: What<'t>) -> Result<Event<'t>, Fault> {
        let token = self.take()?;
        self.leave();
        self.marks.pop();
        Ok(Event {
            what,
            start: token.start,
            end: token.end,
        })
    }

    fn unexpected<T>(&mut self, reason: &'static str, at: Mark) -> Result<T, Fault> {
        Err(Fault::parser(reason, at, self.marks.pop()))
    }
}

/// A scalar that is not there.
fn empty<'t>(at: Mark) -> Event<'t> {
    Event {
        what: What::Scalar {
            value: Cow::Borrowed(""),
            style: Style::Plain,
            properties: Properties::default(),
            content: at,
        },
        start: at,
        end: at,
    }
}
