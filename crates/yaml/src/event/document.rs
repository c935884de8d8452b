//! Documents and the directives before them.

use std::borrow::Cow;

use super::{Event, Events, State, What, empty};
use crate::scan::{Fault, Kind, Mark};

/// The prefixes that handles stand for without a directive.
const DEFAULT_HANDLES: [(&str, &str); 2] = [("!", "!"), ("!!", "tag:yaml.org,2002:")];

impl<'t> Events<'t> {
    pub(super) fn stream_end(&mut self) -> Result<Event<'t>, Fault> {
        let (_, start, end) = self.look(|_| true)?;
        self.state = State::End;
        Ok(Event {
            what: What::StreamEnd,
            start,
            end,
        })
    }

    pub(super) fn document_start(&mut self, is_first: bool) -> Result<Event<'t>, Fault> {
        if !is_first {
            while self.look(|kind| matches!(kind, Kind::DocumentEnd))?.0 {
                self.take()?;
            }
        }
        let (is_end, start, end) = self.look(|kind| matches!(kind, Kind::StreamEnd))?;
        if is_end {
            return self.stream_end();
        }
        let (is_marked, ..) = self.look(|kind| {
            matches!(
                kind,
                Kind::Version { .. } | Kind::TagDirective { .. } | Kind::DocumentStart
            )
        })?;
        self.directives()?;
        self.states.push(State::DocumentEnd);
        let what = What::DocumentStart;
        if is_first && !is_marked {
            self.state = State::BlockNode;
            return Ok(Event { what, start, end });
        }
        let (is_start, at, end) = self.look(|kind| matches!(kind, Kind::DocumentStart))?;
        if !is_start {
            return Err(Fault::parser("did not find expected <document start>", at, None));
        }
        self.take()?;
        self.state = State::DocumentContent;
        Ok(Event { what, start, end })
    }

    pub(super) fn document_content(&mut self) -> Result<Event<'t>, Fault> {
        let (is_over, at, _) = self.look(|kind| {
            matches!(
                kind,
                Kind::Version { .. }
                    | Kind::TagDirective { .. }
                    | Kind::DocumentStart
                    | Kind::DocumentEnd
                    | Kind::StreamEnd
            )
        })?;
        if is_over {
            self.leave();
            return Ok(empty(at));
        }
        self.node(true, false)
    }

    pub(super) fn document_end(&mut self) -> Result<Event<'t>, Fault> {
        let (is_written, start, mut end) = self.look(|kind| matches!(kind, Kind::DocumentEnd))?;
        if is_written {
            end = self.take()?.end;
        }
        self.tag_directives.clear();
        self.state = State::DocumentStart;
        Ok(Event {
            what: What::DocumentEnd,
            start,
            end,
        })
    }

    fn directives(&mut self) -> Result<(), Fault> {
        let mut has_version = false;
        while self
            .look(|kind| matches!(kind, Kind::Version { .. } | Kind::TagDirective { .. }))?
            .0
        {
            let token = self.take()?;
            match token.kind {
                Kind::Version { .. } if has_version => {
                    let reason = "found duplicate %YAML directive";
                    return Err(Fault::parser(reason, token.start, None));
                }
                Kind::Version { major: 1, minor: 1 } => has_version = true,
                Kind::Version { .. } => {
                    return Err(Fault::parser(
                        "found incompatible YAML document",
                        token.start,
                        None,
                    ));
                }
                Kind::TagDirective { handle, prefix } => self.tag_directive(handle, prefix, token.start)?,
                _ => {}
            }
        }
        for (handle, prefix) in DEFAULT_HANDLES {
            if !self.tag_directives.iter().any(|(known, _)| *known == handle) {
                self.tag_directives.push((handle, Cow::Borrowed(prefix)));
            }
        }
        Ok(())
    }

    fn tag_directive(&mut self, handle: &'t str, prefix: Cow<'t, str>, at: Mark) -> Result<(), Fault> {
        if self.tag_directives.iter().any(|(known, _)| *known == handle) {
            return Err(Fault::parser("found duplicate %TAG directive", at, None));
        }
        self.tag_directives.push((handle, prefix));
        Ok(())
    }
}
