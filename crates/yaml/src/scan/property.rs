//! Directives, anchors, aliases and tags.

use std::borrow::Cow;

use super::Scanner;
use super::fault::Fault;
use super::reader::Mark;
use super::token::{Kind, Token};

/// The most digits of a number in a `%YAML` directive.
const MAX_VERSION_DIGITS: usize = 2;

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')
}

fn is_uri(byte: u8) -> bool {
    is_word(byte)
        || matches!(
            byte,
            b';' | b'/'
                | b'?'
                | b':'
                | b'@'
                | b'&'
                | b'='
                | b'+'
                | b'$'
                | b','
                | b'.'
                | b'!'
                | b'~'
                | b'*'
                | b'\''
                | b'('
                | b')'
                | b'['
                | b']'
                | b'%'
        )
}

impl<'t> Scanner<'t> {
    /// Goes over the word at this place.
    fn word(&mut self) -> &'t str {
        let from = self.reader.offset();
        while is_word(self.reader.peek()) {
            self.reader.skip(1);
        }
        self.reader.slice(from, self.reader.offset())
    }

    /// Reads a line that starts with `%`.
    pub(super) fn directive(&mut self) -> Result<Token<'t>, Fault> {
        let start = self.reader.mark();
        self.reader.skip(1);
        let name = self.word();
        if name.is_empty() {
            return Err(self.fault("could not find expected directive name", start));
        }
        if !self.reader.is_blank_at(self.reader.offset()) {
            return Err(self.fault("found unexpected non-alphabetical character", start));
        }
        let kind = match name {
            "YAML" => self.version(start)?,
            "TAG" => self.tag_directive(start)?,
            _ => return Err(self.fault("found unknown directive name", start)),
        };
        let end = self.reader.mark();
        self.skip_comment();
        if !self.reader.is_break_or_end() {
            return Err(self.fault("did not find expected comment or line break", start));
        }
        self.reader.take_break();
        Ok(Token { kind, start, end })
    }

    fn version(&mut self, start: Mark) -> Result<Kind<'t>, Fault> {
        self.reader.skip_blanks();
        let major = self.version_number(start)?;
        if self.reader.peek() != b'.' {
            return Err(self.fault("did not find expected digit or '.' character", start));
        }
        self.reader.skip(1);
        let minor = self.version_number(start)?;
        Ok(Kind::Version { major, minor })
    }

    fn version_number(&mut self, start: Mark) -> Result<u8, Fault> {
        let (mut value, mut length) = (0_u8, 0);
        while self.reader.peek().is_ascii_digit() {
            length += 1;
            if length > MAX_VERSION_DIGITS {
                return Err(self.fault("found extremely long version number", start));
            }
            value = value * 10 + (self.reader.peek() - b'0');
            self.reader.skip(1);
        }
        if length == 0 {
            return Err(self.fault("did not find expected version number", start));
        }
        Ok(value)
    }

    fn tag_directive(&mut self, start: Mark) -> Result<Kind<'t>, Fault> {
        self.reader.skip_blanks();
        let handle = self.tag_handle(true, start)?;
        if !self.reader.is_blank() {
            return Err(self.fault("did not find expected whitespace", start));
        }
        self.reader.skip_blanks();
        let prefix = self.tag_uri("", start)?;
        if !self.reader.is_blank_at(self.reader.offset()) {
            return Err(self.fault("did not find expected whitespace or line break", start));
        }
        Ok(Kind::TagDirective { handle, prefix })
    }

    /// Reads `*name` or `&name`.
    pub(super) fn anchor(&mut self, is_alias: bool) -> Result<Token<'t>, Fault> {
        let start = self.reader.mark();
        self.reader.skip(1);
        let name = self.word();
        let end = self.reader.mark();
        let follows = self.reader.is_blank_at(self.reader.offset())
            || matches!(
                self.reader.peek(),
                b'?' | b':' | b',' | b']' | b'}' | b'%' | b'@' | b'`'
            );
        if name.is_empty() || !follows {
            let reason = "did not find expected alphabetic or numeric character";
            return Err(self.fault(reason, start));
        }
        let kind = if is_alias {
            Kind::Alias(name)
        } else {
            Kind::Anchor(name)
        };
        Ok(Token { kind, start, end })
    }

    /// Reads `!<uri>`, `!handle!suffix` or `!suffix`.
    pub(super) fn tag(&mut self) -> Result<Token<'t>, Fault> {
        let start = self.reader.mark();
        let (handle, suffix) = if self.reader.peek_at(1) == b'<' {
            self.reader.skip(2);
            let suffix = self.tag_uri("", start)?;
            if self.reader.peek() != b'>' {
                return Err(self.fault("did not find the expected '>'", start));
            }
            self.reader.skip(1);
            ("", suffix)
        } else {
            let handle = self.tag_handle(false, start)?;
            if handle.len() > 1 && handle.ends_with('!') {
                (handle, self.tag_uri("", start)?)
            } else {
                match self.tag_uri(handle, start)? {
                    suffix if suffix.is_empty() => ("", Cow::Borrowed("!")),
                    suffix => ("!", suffix),
                }
            }
        };
        if !self.reader.is_blank_at(self.reader.offset()) {
            return Err(self.fault("did not find expected whitespace or line break", start));
        }
        let end = self.reader.mark();
        Ok(Token {
            kind: Kind::Tag { handle, suffix },
            start,
            end,
        })
    }

    fn tag_handle(&mut self, in_directive: bool, start: Mark) -> Result<&'t str, Fault> {
        let from = self.reader.offset();
        if self.reader.peek() != b'!' {
            return Err(self.fault("did not find expected '!'", start));
        }
        self.reader.skip(1);
        let word = self.word();
        if self.reader.peek() == b'!' {
            self.reader.skip(1);
        } else if in_directive && !word.is_empty() {
            return Err(self.fault("did not find expected '!'", start));
        }
        Ok(self.reader.slice(from, self.reader.offset()))
    }

    /// Reads a URI, of which `head` without its first character was read before.
    fn tag_uri(&mut self, head: &'t str, start: Mark) -> Result<Cow<'t, str>, Fault> {
        let from = self.reader.offset();
        let before = head.len().saturating_sub(1);
        let mut decoded: Option<Vec<u8>> = None;
        while is_uri(self.reader.peek()) {
            if self.reader.peek() == b'%' {
                let so_far = self.reader.slice(from - before, self.reader.offset());
                let bytes = decoded.get_or_insert_with(|| so_far.as_bytes().to_vec());
                self.uri_escape(bytes, start)?;
            } else {
                if let Some(bytes) = &mut decoded {
                    bytes.push(self.reader.peek());
                }
                self.reader.skip(1);
            }
        }
        if head.is_empty() && self.reader.offset() == from {
            return Err(self.fault("did not find expected tag URI", start));
        }
        match decoded.map(String::from_utf8) {
            None => Ok(Cow::Borrowed(
                self.reader.slice(from - before, self.reader.offset()),
            )),
            Some(Ok(text)) => Ok(Cow::Owned(text)),
            Some(Err(_)) => Err(self.fault("found an incorrect trailing UTF-8 octet", start)),
        }
    }

    /// Reads the bytes of one character, each written as `%xx`.
    fn uri_escape(&mut self, bytes: &mut Vec<u8>, start: Mark) -> Result<(), Fault> {
        let mut left = 1;
        let mut is_first = true;
        while left > 0 {
            let digit = |at: usize| char::from(self.reader.peek_at(at)).to_digit(16);
            let (b'%', Some(high), Some(low)) = (self.reader.peek(), digit(1), digit(2)) else {
                return Err(self.fault("did not find URI escaped octet", start));
            };
            let octet = u8::try_from(high * 16 + low).unwrap_or_default();
            if is_first {
                is_first = false;
                left = match octet {
                    0..0x80 => 1,
                    0xc0..0xe0 => 2,
                    0xe0..0xf0 => 3,
                    0xf0..0xf8 => 4,
                    _ => return Err(self.fault("found an incorrect leading UTF-8 octet", start)),
                };
            } else if octet & 0xc0 != 0x80 {
                return Err(self.fault("found an incorrect trailing UTF-8 octet", start));
            }
            bytes.push(octet);
            self.reader.skip(3);
            left -= 1;
        }
        Ok(())
    }
}
