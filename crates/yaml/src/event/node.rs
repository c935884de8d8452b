//! Nodes: aliases, properties, scalars and the beginnings of collections.

use std::borrow::Cow;

use super::{Event, Events, Properties, Start, State, What};
use crate::scan::{Fault, Kind, Mark, Style};

impl<'t> Events<'t> {
    /// Reads a node or its beginning. `indentless` allows a list at the column of its key.
    pub(super) fn node(&mut self, block: bool, indentless: bool) -> Result<Event<'t>, Fault> {
        let token = self.scanner.peek()?;
        let (mut start, mut end) = (token.start, token.end);
        if let Kind::Alias(name) = token.kind {
            self.take()?;
            self.leave();
            return Ok(Event {
                what: What::Alias(name),
                start,
                end,
            });
        }
        let has_properties = matches!(token.kind, Kind::Anchor(_) | Kind::Tag { .. });
        let properties = if has_properties {
            self.properties(&mut start, &mut end)?
        } else {
            Properties::default()
        };
        let token = self.scanner.peek()?;
        let at = token.start;
        if !has_properties {
            start = at;
        }
        let state = match token.kind {
            Kind::BlockEntry if indentless => State::IndentlessEntry,
            Kind::Scalar { .. } => return self.scalar(properties, start),
            Kind::FlowSequenceStart => State::FlowSequenceFirst,
            Kind::FlowMappingStart => State::FlowMappingFirst,
            Kind::BlockSequenceStart if block => State::BlockSequenceFirst,
            Kind::BlockMappingStart if block => State::BlockMappingFirst,
            _ if has_properties => {
                self.leave();
                return Ok(Event {
                    what: What::Scalar {
                        value: Cow::Borrowed(""),
                        style: Style::Plain,
                        properties,
                        content: end,
                    },
                    start,
                    end,
                });
            }
            _ => {
                let reason = "did not find expected node content";
                return Err(Fault::parser(reason, at, Some(start)));
            }
        };
        let end = token.end;
        self.state = state;
        let start_of = Start {
            properties,
            in_flow: matches!(state, State::FlowMappingFirst | State::FlowSequenceFirst),
        };
        let what = match state {
            State::FlowMappingFirst | State::BlockMappingFirst => What::MappingStart(start_of),
            _ => What::SequenceStart(start_of),
        };
        Ok(Event { what, start, end })
    }

    fn scalar(&mut self, properties: Properties<'t>, start: Mark) -> Result<Event<'t>, Fault> {
        let token = self.take()?;
        self.leave();
        let (value, style) = match token.kind {
            Kind::Scalar { value, style } => (value, style),
            _ => (Cow::Borrowed(""), Style::Plain),
        };
        Ok(Event {
            what: What::Scalar {
                value,
                style,
                properties,
                content: token.start,
            },
            start,
            end: token.end,
        })
    }

    /// Reads an anchor and a tag, in any order, each at most once.
    fn properties(&mut self, start: &mut Mark, end: &mut Mark) -> Result<Properties<'t>, Fault> {
        let mut properties = Properties::default();
        *start = self.scanner.peek()?.start;
        loop {
            let token = self.scanner.peek()?;
            match token.kind {
                Kind::Anchor(name) if properties.anchor.is_none() => {
                    *end = token.end;
                    properties.anchor = Some(name);
                    self.take()?;
                }
                Kind::Tag { .. } if properties.tag.is_none() => {
                    *end = token.end;
                    let token = self.take()?;
                    if let Kind::Tag { handle, suffix } = token.kind {
                        properties.tag = Some(self.whole_tag(handle, suffix, *start, token.start)?);
                    }
                }
                _ => return Ok(properties),
            }
        }
    }

    fn whole_tag(
        &self,
        handle: &str,
        suffix: Cow<'t, str>,
        start: Mark,
        at: Mark,
    ) -> Result<Cow<'t, str>, Fault> {
        if handle.is_empty() {
            return Ok(suffix);
        }
        let prefix = self.tag_directives.iter().find(|(known, _)| *known == handle);
        match prefix {
            Some((_, prefix)) => Ok(Cow::Owned(format!("{prefix}{suffix}"))),
            None => Err(Fault::parser("found undefined tag handle", at, Some(start))),
        }
    }
}
