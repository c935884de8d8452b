//! Plain scalars.

use super::fault::Fault;
use super::text::{Breaks, Text};
use super::token::{Kind, Style, Token};
use super::{Scanner, level};

impl<'t> Scanner<'t> {
    /// Reads a plain scalar: up to `: `, ` #`, a line with less indentation, or an indicator of flow collections.
    pub(super) fn plain(&mut self) -> Result<Token<'t>, Fault> {
        let start = self.reader.mark();
        let least = level(self.indent);
        let mut end = start;
        let mut text = Text::default();
        let mut breaks = Breaks::default();
        let mut on_new_line = false;
        let mut blanks_from = start.offset;
        while !self.reader.is_document_indicator() && self.reader.peek() != b'#' {
            let from = self.reader.offset();
            let to = self.plain_run(from);
            if to > from {
                if on_new_line {
                    text.fold(&self.reader, &mut breaks);
                    text.push(&self.reader, from, to);
                    on_new_line = false;
                } else {
                    text.push(&self.reader, blanks_from, to);
                }
                self.reader.go_to(to);
                end = self.reader.mark();
                blanks_from = to;
            }
            if self.reader.is_end() || !(self.reader.is_blank() || self.reader.is_break()) {
                break;
            }
            loop {
                if self.reader.is_blank() {
                    if on_new_line && self.reader.peek() == b'\t' && self.reader.column() < least {
                        let reason = "found a tab character that violates indentation";
                        return Err(self.fault(reason, start));
                    }
                    self.reader.skip(1);
                } else if let Some(found) = self.reader.take_break() {
                    if on_new_line {
                        breaks.rest.push(found);
                    } else {
                        breaks.first = Some(found);
                        on_new_line = true;
                    }
                } else {
                    break;
                }
            }
            if self.flow_level == 0 && self.reader.column() < least {
                break;
            }
        }
        if on_new_line {
            self.simple_key_allowed = true;
        }
        Ok(Token {
            kind: Kind::Scalar {
                value: text.finish(&self.reader),
                style: Style::Plain,
            },
            start,
            end,
        })
    }

    /// The end of what belongs to a plain scalar without blanks.
    fn plain_run(&self, from: usize) -> usize {
        let mut at = from;
        loop {
            match self.reader.byte(at) {
                b' ' | b'\t' | b'\n' | b'\r' | 0 => return at,
                b':' if self.reader.is_blank_at(at + 1) => return at,
                b',' | b'?' | b'[' | b']' | b'{' | b'}' if self.flow_level > 0 => return at,
                0xc2 | 0xe2 if self.reader.break_length(at) > 0 => return at,
                _ => at += 1,
            }
        }
    }
}
