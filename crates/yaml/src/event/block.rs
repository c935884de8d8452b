//! Block collections.

use super::{Event, Events, State, What, empty};
use crate::scan::{Fault, Kind};

impl<'t> Events<'t> {
    pub(super) fn block_sequence_entry(&mut self, is_first: bool) -> Result<Event<'t>, Fault> {
        if is_first {
            self.begin()?;
        }
        let token = self.scanner.peek()?;
        let (at, end) = (token.start, token.end);
        match token.kind {
            Kind::BlockEntry => {
                self.take()?;
                let (is_empty, ..) = self.look(|kind| matches!(kind, Kind::BlockEntry | Kind::BlockEnd))?;
                if is_empty {
                    self.state = State::BlockSequenceEntry;
                    return Ok(empty(end));
                }
                self.states.push(State::BlockSequenceEntry);
                self.node(true, false)
            }
            Kind::BlockEnd => self.close(What::SequenceEnd),
            _ => self.unexpected("did not find expected '-' indicator", at),
        }
    }

    /// An item of a list that stands at the column of its key.
    pub(super) fn indentless_entry(&mut self) -> Result<Event<'t>, Fault> {
        let (is_entry, at, end) = self.look(|kind| matches!(kind, Kind::BlockEntry))?;
        if !is_entry {
            self.leave();
            return Ok(Event {
                what: What::SequenceEnd,
                start: at,
                end: at,
            });
        }
        self.take()?;
        let (is_empty, ..) =
            self.look(|kind| matches!(kind, Kind::BlockEntry | Kind::Key | Kind::Value | Kind::BlockEnd))?;
        if is_empty {
            self.state = State::IndentlessEntry;
            return Ok(empty(end));
        }
        self.states.push(State::IndentlessEntry);
        self.node(true, false)
    }

    pub(super) fn block_mapping_key(&mut self, is_first: bool) -> Result<Event<'t>, Fault> {
        if is_first {
            self.begin()?;
        }
        let token = self.scanner.peek()?;
        let (at, end) = (token.start, token.end);
        match token.kind {
            Kind::Key => {
                self.take()?;
                let (is_empty, ..) =
                    self.look(|kind| matches!(kind, Kind::Key | Kind::Value | Kind::BlockEnd))?;
                if is_empty {
                    self.state = State::BlockMappingValue;
                    return Ok(empty(end));
                }
                self.states.push(State::BlockMappingValue);
                self.node(true, true)
            }
            Kind::BlockEnd => self.close(What::MappingEnd),
            _ => self.unexpected("did not find expected key", at),
        }
    }

    pub(super) fn block_mapping_value(&mut self) -> Result<Event<'t>, Fault> {
        let (is_value, at, end) = self.look(|kind| matches!(kind, Kind::Value))?;
        self.state = State::BlockMappingKey;
        if !is_value {
            return Ok(empty(at));
        }
        self.take()?;
        let (is_empty, ..) = self.look(|kind| matches!(kind, Kind::Key | Kind::Value | Kind::BlockEnd))?;
        if is_empty {
            return Ok(empty(end));
        }
        self.states.push(State::BlockMappingKey);
        self.node(true, true)
    }
}
