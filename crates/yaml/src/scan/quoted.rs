//! Scalars in quotes.

use super::Scanner;
use super::fault::Fault;
use super::reader::Mark;
use super::text::{Breaks, Text};
use super::token::{Kind, Style, Token};

impl<'t> Scanner<'t> {
    /// Reads a scalar in quotes of one kind.
    pub(super) fn quoted(&mut self, quote: u8) -> Result<Token<'t>, Fault> {
        let start = self.reader.mark();
        self.reader.skip(1);
        let mut text = Text::default();
        let mut breaks = Breaks::default();
        loop {
            if self.reader.is_document_indicator() {
                return Err(self.fault("found unexpected document indicator", start));
            }
            if self.reader.is_end() {
                return Err(self.fault("found unexpected end of stream", start));
            }
            let mut on_new_line = self.quoted_run(quote, &mut text, start)?;
            if self.reader.peek() == quote {
                break;
            }
            let blanks = self.reader.offset();
            let mut blanks_end = blanks;
            loop {
                if self.reader.is_blank() {
                    self.reader.skip(1);
                    blanks_end = self.reader.offset();
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
            if on_new_line {
                text.fold(&self.reader, &mut breaks);
            } else {
                text.push(&self.reader, blanks, blanks_end);
            }
        }
        self.reader.skip(1);
        let style = if quote == b'"' {
            Style::DoubleQuoted
        } else {
            Style::SingleQuoted
        };
        Ok(Token {
            kind: Kind::Scalar {
                value: text.finish(&self.reader),
                style,
            },
            start,
            end: self.reader.mark(),
        })
    }

    /// Reads up to a blank, a line break, or the quote. Gives whether an escaped line break stands before.
    fn quoted_run(&mut self, quote: u8, text: &mut Text, start: Mark) -> Result<bool, Fault> {
        loop {
            let from = self.reader.offset();
            let to = self.quoted_end(from, quote);
            if to > from {
                text.push(&self.reader, from, to);
                self.reader.go_to(to);
            }
            match self.reader.peek() {
                b'\'' if quote == b'\'' && self.reader.peek_at(1) == b'\'' => {
                    text.own(&self.reader).push('\'');
                    self.reader.skip(2);
                }
                b'\\' if quote == b'"' => {
                    if self.reader.break_length(self.reader.offset() + 1) > 0 {
                        self.reader.skip(1);
                        self.reader.take_break();
                        text.own(&self.reader);
                        return Ok(true);
                    }
                    let found = self.escape(start)?;
                    text.own(&self.reader).push(found);
                }
                _ => return Ok(false),
            }
        }
    }

    fn quoted_end(&self, from: usize, quote: u8) -> usize {
        let mut at = from;
        loop {
            match self.reader.byte(at) {
                b' ' | b'\t' | b'\n' | b'\r' | 0 => return at,
                b'\\' if quote == b'"' => return at,
                byte if byte == quote => return at,
                0xc2 | 0xe2 if self.reader.break_length(at) > 0 => return at,
                _ => at += 1,
            }
        }
    }

    /// Reads an escape sequence.
    fn escape(&mut self, start: Mark) -> Result<char, Fault> {
        let (found, digits) = match self.reader.peek_at(1) {
            b'0' => ('\0', 0),
            b'a' => ('\u{7}', 0),
            b'b' => ('\u{8}', 0),
            b't' | b'\t' => ('\t', 0),
            b'n' => ('\n', 0),
            b'v' => ('\u{b}', 0),
            b'f' => ('\u{c}', 0),
            b'r' => ('\r', 0),
            b'e' => ('\u{1b}', 0),
            b' ' => (' ', 0),
            b'"' => ('"', 0),
            b'\'' => ('\'', 0),
            b'\\' => ('\\', 0),
            b'N' => ('\u{85}', 0),
            b'_' => ('\u{a0}', 0),
            b'L' => ('\u{2028}', 0),
            b'P' => ('\u{2029}', 0),
            b'x' => ('\0', 2),
            b'u' => ('\0', 4),
            b'U' => ('\0', 8),
            _ => return Err(self.fault("found unknown escape character", start)),
        };
        self.reader.skip(2);
        if digits == 0 {
            return Ok(found);
        }
        let mut code = 0_u32;
        for ahead in 0..digits {
            let digit = char::from(self.reader.peek_at(ahead)).to_digit(16);
            let Some(digit) = digit else {
                return Err(self.fault("did not find expected hexdecimal number", start));
            };
            code = (code << 4) | digit;
        }
        let Some(found) = char::from_u32(code) else {
            return Err(self.fault("found invalid Unicode character escape code", start));
        };
        self.reader.skip(digits);
        Ok(found)
    }
}
