//! Block scalars: literal and folded.

use super::Scanner;
use super::fault::Fault;
use super::reader::Mark;
use super::text::Breaks;
use super::token::{Kind, Style, Token};

/// What becomes of the line breaks at the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Chomping {
    /// One stays.
    Clip,
    /// None stays.
    Strip,
    /// All stay.
    Keep,
}

impl<'t> Scanner<'t> {
    /// Reads a scalar after `|` or `>`.
    pub(super) fn block(&mut self, style: Style) -> Result<Token<'t>, Fault> {
        let start = self.reader.mark();
        self.reader.skip(1);
        let (chomping, increment) = self.block_header(start)?;
        self.skip_comment();
        if !self.reader.is_break_or_end() {
            return Err(self.fault("did not find expected comment or line break", start));
        }
        self.reader.take_break();
        let mut end = self.reader.mark();
        let mut indent = match increment {
            0 => 0,
            more => usize::try_from(self.indent).unwrap_or(0) + more,
        };
        let mut text = String::new();
        let mut breaks = Breaks::default();
        self.block_breaks(&mut indent, &mut breaks.rest, start, &mut end)?;
        let mut after_blank = false;
        while self.reader.column() == indent && !self.reader.is_end() {
            let is_blank = self.reader.is_blank();
            let is_folded = style == Style::Folded && !after_blank && !is_blank;
            match breaks.first {
                Some('\n') if is_folded && breaks.rest.is_empty() => text.push(' '),
                Some('\n') if is_folded => {}
                Some(first) => text.push(first),
                None => {}
            }
            text.push_str(&breaks.rest);
            breaks.clear();
            after_blank = is_blank;
            let from = self.reader.offset();
            let to = self.reader.line_end(from);
            text.push_str(self.reader.slice(from, to));
            self.reader.go_to(to);
            breaks.first = self.reader.take_break();
            self.block_breaks(&mut indent, &mut breaks.rest, start, &mut end)?;
        }
        if chomping != Chomping::Strip {
            text.extend(breaks.first);
        }
        if chomping == Chomping::Keep {
            text.push_str(&breaks.rest);
        }
        Ok(Token {
            kind: Kind::Scalar {
                value: text.into(),
                style,
            },
            start,
            end,
        })
    }

    /// Reads the indicators after the `|`: chomping and indentation, in any order.
    fn block_header(&mut self, start: Mark) -> Result<(Chomping, usize), Fault> {
        let mut chomping = self.block_chomping();
        let mut increment = 0;
        let digit = self.reader.peek();
        if digit.is_ascii_digit() {
            if digit == b'0' {
                return Err(self.fault("found an indentation indicator equal to 0", start));
            }
            increment = usize::from(digit - b'0');
            self.reader.skip(1);
            if chomping.is_none() {
                chomping = self.block_chomping();
            }
        }
        Ok((chomping.unwrap_or(Chomping::Clip), increment))
    }

    fn block_chomping(&mut self) -> Option<Chomping> {
        let chomping = match self.reader.peek() {
            b'+' => Chomping::Keep,
            b'-' => Chomping::Strip,
            _ => return None,
        };
        self.reader.skip(1);
        Some(chomping)
    }

    /// Goes over indentation and empty lines. Finds the indentation out when it is 0.
    fn block_breaks(
        &mut self,
        indent: &mut usize,
        breaks: &mut String,
        start: Mark,
        end: &mut Mark,
    ) -> Result<(), Fault> {
        *end = self.reader.mark();
        let mut widest = 0;
        loop {
            while (*indent == 0 || self.reader.column() < *indent) && self.reader.peek() == b' ' {
                self.reader.skip(1);
            }
            let column = self.reader.column();
            widest = widest.max(column);
            if (*indent == 0 || column < *indent) && self.reader.peek() == b'\t' {
                let reason = "found a tab character where an indentation space is expected";
                return Err(self.fault(reason, start));
            }
            let Some(found) = self.reader.take_break() else {
                break;
            };
            breaks.push(found);
            *end = self.reader.mark();
        }
        if *indent == 0 {
            *indent = widest.max(super::level(self.indent)).max(1);
        }
        Ok(())
    }
}
