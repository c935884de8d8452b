//! A text that is read from the left, with line and column, as libyaml counts them.

/// A place in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Mark {
    /// The line, from 0.
    pub(crate) line: usize,
    /// The column, from 0, in characters.
    pub(crate) column: usize,
    /// The byte.
    pub(crate) offset: usize,
}

/// Reads a text that holds no character 0: past the end there are zeros.
#[derive(Debug)]
pub(super) struct Reader<'t> {
    text: &'t str,
    bytes: &'t [u8],
    at: usize,
    line: usize,
    line_start: usize,
    /// How many bytes of the line up to here are no first byte of a character.
    continuations: usize,
}

impl<'t> Reader<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        let at = if text.starts_with('\u{feff}') { 3 } else { 0 };
        Self {
            text,
            bytes: text.as_bytes(),
            at,
            line: 0,
            line_start: at,
            continuations: 0,
        }
    }

    pub(super) fn offset(&self) -> usize {
        self.at
    }

    pub(super) fn column(&self) -> usize {
        self.at - self.line_start - self.continuations
    }

    pub(super) fn mark(&self) -> Mark {
        Mark {
            line: self.line,
            column: self.column(),
            offset: self.at,
        }
    }

    /// The byte at a place; 0 past the end.
    #[inline]
    pub(super) fn byte(&self, at: usize) -> u8 {
        self.bytes.get(at).copied().unwrap_or(0)
    }

    /// The next byte.
    #[inline]
    pub(super) fn peek(&self) -> u8 {
        self.byte(self.at)
    }

    /// The byte after `ahead` others.
    #[inline]
    pub(super) fn peek_at(&self, ahead: usize) -> u8 {
        self.byte(self.at + ahead)
    }

    pub(super) fn slice(&self, from: usize, to: usize) -> &'t str {
        self.text.get(from..to).unwrap_or_default()
    }

    /// The bytes of the line break at a place; 0 when there is none.
    #[inline]
    pub(super) fn break_length(&self, at: usize) -> usize {
        match self.byte(at) {
            b'\r' if self.byte(at + 1) == b'\n' => 2,
            b'\n' | b'\r' => 1,
            0xc2 if self.byte(at + 1) == 0x85 => 2,
            0xe2 if self.byte(at + 1) == 0x80 && matches!(self.byte(at + 2), 0xa8 | 0xa9) => 3,
            _ => 0,
        }
    }

    #[inline]
    pub(super) fn is_break(&self) -> bool {
        self.break_length(self.at) > 0
    }

    /// Whether the text is at its end.
    #[inline]
    pub(super) fn is_end(&self) -> bool {
        self.at >= self.bytes.len()
    }

    #[inline]
    pub(super) fn is_blank(&self) -> bool {
        matches!(self.peek(), b' ' | b'\t')
    }

    #[inline]
    pub(super) fn is_break_or_end(&self) -> bool {
        self.is_end() || self.is_break()
    }

    /// Whether a space, a tab, a line break or the end is at a place.
    #[inline]
    pub(super) fn is_blank_at(&self, at: usize) -> bool {
        matches!(self.byte(at), b' ' | b'\t' | 0) || self.break_length(at) > 0
    }

    /// The place after `from` of the first line break or the end.
    pub(super) fn line_end(&self, from: usize) -> usize {
        let mut at = from;
        loop {
            match self.byte(at) {
                b'\n' | b'\r' => return at,
                0 if at >= self.bytes.len() => return at,
                0xc2 | 0xe2 if self.break_length(at) > 0 => return at,
                _ => at += 1,
            }
        }
    }

    /// Goes over ASCII characters that are no line breaks.
    #[inline]
    pub(super) fn skip(&mut self, bytes: usize) {
        self.at += bytes;
    }

    /// Goes on the same line to a later place.
    #[inline]
    pub(super) fn go_to(&mut self, at: usize) {
        let passed = self.bytes.get(self.at..at).unwrap_or_default();
        if !passed.is_ascii() {
            self.continuations += passed.iter().filter(|byte| **byte & 0xc0 == 0x80).count();
        }
        self.at = at;
    }

    /// Goes over a line break, if there is one, and gives it: a line feed or one of the two separators of Unicode.
    #[inline]
    pub(super) fn take_break(&mut self) -> Option<char> {
        let length = self.break_length(self.at);
        let found = match (length, self.byte(self.at + 2)) {
            (0, _) => return None,
            (3, 0xa8) => '\u{2028}',
            (3, _) => '\u{2029}',
            _ => '\n',
        };
        self.at += length;
        self.line += 1;
        self.line_start = self.at;
        self.continuations = 0;
        Some(found)
    }

    pub(super) fn skip_spaces(&mut self) {
        while self.peek() == b' ' {
            self.at += 1;
        }
    }

    pub(super) fn skip_blanks(&mut self) {
        while self.is_blank() {
            self.at += 1;
        }
    }

    /// Whether a line starts here with `---` or `...`.
    pub(super) fn is_document_indicator(&self) -> bool {
        self.at == self.line_start
            && matches!(self.bytes.get(self.at..self.at + 3), Some(b"---" | b"..."))
            && self.is_blank_at(self.at + 3)
    }

    /// The place at the start of the line after the text, where libyaml ends blocks that the end of the text ends.
    pub(super) fn mark_at_end(&mut self) -> Mark {
        if self.column() != 0 {
            self.line += 1;
            self.line_start = self.at;
            self.continuations = 0;
        }
        self.mark()
    }
}
