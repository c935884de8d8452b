//! Flow collections.

use super::{Event, Events, Start, State, What, empty};
use crate::scan::{Fault, Kind};

impl<'t> Events<'t> {
    pub(super) fn flow_sequence_entry(&mut self, is_first: bool) -> Result<Event<'t>, Fault> {
        if is_first {
            self.begin()?;
        }
        let is_end = |kind: &Kind<'t>| matches!(kind, Kind::FlowSequenceEnd);
        if self.look(is_end)?.0 {
            return self.close(What::SequenceEnd);
        }
        if !is_first {
            let (is_comma, at, _) = self.look(|kind| matches!(kind, Kind::FlowEntry))?;
            if !is_comma {
                return self.unexpected("did not find expected ',' or ']'", at);
            }
            self.take()?;
        }
        let (is_key, start, end) = self.look(|kind| matches!(kind, Kind::Key))?;
        if is_key {
            self.take()?;
            self.state = State::FlowPairKey;
            return Ok(Event {
                what: What::MappingStart(Start {
                    in_flow: true,
                    ..Start::default()
                }),
                start,
                end,
            });
        }
        if self.look(is_end)?.0 {
            return self.close(What::SequenceEnd);
        }
        self.states.push(State::FlowSequenceEntry);
        self.node(false, false)
    }

    /// The key of a map of one field that stands in a list without braces.
    pub(super) fn flow_pair_key(&mut self) -> Result<Event<'t>, Fault> {
        let (is_empty, _, end) =
            self.look(|kind| matches!(kind, Kind::Value | Kind::FlowEntry | Kind::FlowSequenceEnd))?;
        if is_empty {
            // libyaml takes the token, whatever it is.
            self.take()?;
            self.state = State::FlowPairValue;
            return Ok(empty(end));
        }
        self.states.push(State::FlowPairValue);
        self.node(false, false)
    }

    pub(super) fn flow_pair_value(&mut self) -> Result<Event<'t>, Fault> {
        let (is_value, mut at, _) = self.look(|kind| matches!(kind, Kind::Value))?;
        if is_value {
            self.take()?;
            let (is_empty, next, _) =
                self.look(|kind| matches!(kind, Kind::FlowEntry | Kind::FlowSequenceEnd))?;
            if !is_empty {
                self.states.push(State::FlowPairEnd);
                return self.node(false, false);
            }
            at = next;
        }
        self.state = State::FlowPairEnd;
        Ok(empty(at))
    }

    pub(super) fn flow_pair_end(&mut self) -> Result<Event<'t>, Fault> {
        let (_, at, _) = self.look(|_| true)?;
        self.state = State::FlowSequenceEntry;
        Ok(Event {
            what: What::MappingEnd,
            start: at,
            end: at,
        })
    }

    pub(super) fn flow_mapping_key(&mut self, is_first: bool) -> Result<Event<'t>, Fault> {
        if is_first {
            self.begin()?;
        }
        let is_end = |kind: &Kind<'t>| matches!(kind, Kind::FlowMappingEnd);
        if self.look(is_end)?.0 {
            return self.close(What::MappingEnd);
        }
        if !is_first {
            let (is_comma, at, _) = self.look(|kind| matches!(kind, Kind::FlowEntry))?;
            if !is_comma {
                return self.unexpected("did not find expected ',' or '}'", at);
            }
            self.take()?;
        }
        if self.look(|kind| matches!(kind, Kind::Key))?.0 {
            self.take()?;
            let (is_empty, at, _) =
                self.look(|kind| matches!(kind, Kind::Value | Kind::FlowEntry | Kind::FlowMappingEnd))?;
            if is_empty {
                self.state = State::FlowMappingValue;
                return Ok(empty(at));
            }
            self.states.push(State::FlowMappingValue);
            return self.node(false, false);
        }
        if self.look(is_end)?.0 {
            return self.close(What::MappingEnd);
        }
        self.states.push(State::FlowMappingEmptyValue);
        self.node(false, false)
    }

    pub(super) fn flow_mapping_value(&mut self, is_missing: bool) -> Result<Event<'t>, Fault> {
        let (is_value, mut at, _) = self.look(|kind| matches!(kind, Kind::Value))?;
        self.state = State::FlowMappingKey;
        if is_value && !is_missing {
            self.take()?;
            let (is_empty, next, _) =
                self.look(|kind| matches!(kind, Kind::FlowEntry | Kind::FlowMappingEnd))?;
            if !is_empty {
                self.states.push(State::FlowMappingKey);
                return self.node(false, false);
            }
            at = next;
        }
        Ok(empty(at))
    }
}
