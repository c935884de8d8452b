//! From a text to tokens, as libyaml finds them: go-yaml's two versions share this part with it.

mod block;
mod fault;
mod key;
mod plain;
mod property;
mod quoted;
mod reader;
mod text;
mod token;

use std::collections::VecDeque;

use crate::Comment;

pub(crate) use fault::Fault;
use key::SimpleKey;
pub(crate) use reader::Mark;
use reader::Reader;
pub use token::Style;
pub(crate) use token::{Kind, Token};

/// How deep collections may be nested at most, as in go-yaml.
const MAX_DEPTH: usize = 10_000;

/// The first column inside of a block.
fn level(indent: isize) -> usize {
    usize::try_from(indent + 1).unwrap_or(0)
}

/// Finds the tokens of a text that holds no control characters.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "they are independent")]
pub(crate) struct Scanner<'t> {
    reader: Reader<'t>,
    tokens: VecDeque<Token<'t>>,
    /// How many tokens have been taken.
    taken: usize,
    /// Whether it is clear what the first token is.
    is_ready: bool,
    ended: bool,
    /// The column of the open block; -1 outside of all.
    indent: isize,
    indents: Vec<isize>,
    flow_level: usize,
    simple_key_allowed: bool,
    /// What may be a key, for each open flow collection and the block around them.
    simple_keys: Vec<SimpleKey>,
    /// Whether to scan as go-yaml v3, where tabs may stand before comments that follow others.
    is_v3: bool,
    comments: Option<Vec<Comment>>,
}

impl<'t> Scanner<'t> {
    pub(crate) fn new(text: &'t str, is_v3: bool) -> Self {
        Self {
            reader: Reader::new(text),
            tokens: VecDeque::new(),
            taken: 0,
            is_ready: false,
            ended: false,
            indent: -1,
            indents: Vec::new(),
            flow_level: 0,
            simple_key_allowed: true,
            simple_keys: vec![SimpleKey::default()],
            is_v3,
            comments: None,
        }
    }

    /// Keeps the places of comments from now on.
    pub(crate) fn keep_comments(&mut self) {
        self.comments = Some(Vec::new());
    }

    /// The comments so far.
    pub(crate) fn take_comments(&mut self) -> Vec<Comment> {
        self.comments.take().unwrap_or_default()
    }

    /// The next token. After the end of the stream there is that end again.
    pub(crate) fn peek(&mut self) -> Result<&Token<'t>, Fault> {
        if !self.is_ready {
            while self.needs_more()? {
                self.fetch()?;
            }
            if self.tokens.is_empty() {
                let end = self.reader.mark();
                self.add(Kind::StreamEnd, end, end);
            }
            self.is_ready = true;
        }
        self.tokens
            .front()
            .ok_or_else(|| Fault::parser("did not find expected <stream-start>", Mark::default(), None))
    }

    /// Takes the next token.
    pub(crate) fn take(&mut self) -> Result<Token<'t>, Fault> {
        self.peek()?;
        self.is_ready = false;
        self.taken += 1;
        self.tokens
            .pop_front()
            .ok_or_else(|| Fault::parser("did not find expected <stream-start>", Mark::default(), None))
    }

    /// Whether the first token may still turn out to be a key, or there is none.
    fn needs_more(&mut self) -> Result<bool, Fault> {
        if self.ended {
            return Ok(false);
        }
        if self.tokens.is_empty() {
            return Ok(true);
        }
        let first = self.simple_keys.partition_point(|key| key.token < self.taken);
        for index in first..self.simple_keys.len() {
            match self.simple_keys.get(index) {
                Some(key) if key.token == self.taken => {
                    if self.is_possible_key(index)? {
                        return Ok(true);
                    }
                }
                _ => break,
            }
        }
        Ok(false)
    }

    fn fault(&self, reason: &'static str, context: Mark) -> Fault {
        Fault::scanner(reason, self.reader.mark(), context)
    }

    fn add(&mut self, kind: Kind<'t>, start: Mark, end: Mark) {
        self.tokens.push_back(Token { kind, start, end });
    }

    /// Adds a token of so many characters, which stand here.
    fn indicator(&mut self, kind: Kind<'t>, length: usize) {
        let start = self.reader.mark();
        self.reader.skip(length);
        let end = self.reader.mark();
        self.add(kind, start, end);
    }

    /// Finds one token more, or several.
    fn fetch(&mut self) -> Result<(), Fault> {
        let before = self.reader.mark();
        self.skip_to_token();
        // go-yaml v3 ends blocks before the blanks and comments that follow.
        let mark = if self.is_v3 { before } else { self.reader.mark() };
        self.close_blocks(isize::try_from(self.reader.column()).unwrap_or(isize::MAX), mark);
        if self.reader.is_end() {
            return self.end();
        }
        let next = self.reader.peek();
        if self.reader.column() == 0 {
            if next == b'%' {
                self.leave_blocks()?;
                let token = self.directive()?;
                self.tokens.push_back(token);
                return Ok(());
            }
            if matches!(next, b'-' | b'.') && self.reader.is_document_indicator() {
                self.leave_blocks()?;
                let is_start = next == b'-';
                let kind = if is_start {
                    Kind::DocumentStart
                } else {
                    Kind::DocumentEnd
                };
                self.indicator(kind, 3);
                return Ok(());
            }
        }
        self.fetch_content(next)
    }

    fn fetch_content(&mut self, next: u8) -> Result<(), Fault> {
        let in_flow = self.flow_level > 0;
        let before_blank = self.reader.is_blank_at(self.reader.offset() + 1);
        match next {
            b'[' => self.start_flow(Kind::FlowSequenceStart),
            b'{' => self.start_flow(Kind::FlowMappingStart),
            b']' => self.end_flow(Kind::FlowSequenceEnd),
            b'}' => self.end_flow(Kind::FlowMappingEnd),
            b',' => {
                self.drop_key()?;
                self.simple_key_allowed = true;
                self.indicator(Kind::FlowEntry, 1);
                Ok(())
            }
            b'-' if before_blank => self.block_entry(),
            b'?' if in_flow || before_blank => self.explicit_key(),
            b':' if in_flow || before_blank => self.value(),
            b'*' | b'&' => {
                self.save_key()?;
                let token = self.anchor(next == b'*')?;
                self.tokens.push_back(token);
                Ok(())
            }
            b'!' => {
                self.save_key()?;
                let token = self.tag()?;
                self.tokens.push_back(token);
                Ok(())
            }
            b'|' | b'>' if !in_flow => {
                self.drop_key()?;
                self.simple_key_allowed = true;
                let style = if next == b'|' {
                    Style::Literal
                } else {
                    Style::Folded
                };
                let token = self.block(style)?;
                self.tokens.push_back(token);
                Ok(())
            }
            b'\'' | b'"' => {
                self.save_key()?;
                let token = self.quoted(next)?;
                self.tokens.push_back(token);
                Ok(())
            }
            b'\t' | b'#' | b'|' | b'>' | b'%' | b'@' | b'`' => {
                let reason = "found character that cannot start any token";
                Err(self.fault(reason, self.reader.mark()))
            }
            _ => {
                self.save_key()?;
                let token = self.plain()?;
                self.tokens.push_back(token);
                Ok(())
            }
        }
    }

    /// Goes over spaces, line breaks and comments.
    fn skip_to_token(&mut self) {
        loop {
            if self.flow_level > 0 || !self.simple_key_allowed {
                self.reader.skip_blanks();
            } else {
                self.reader.skip_spaces();
            }
            if self.reader.peek() == b'#' {
                self.comment();
                if self.is_v3 {
                    self.following_comments();
                }
            }
            if self.reader.take_break().is_none() {
                return;
            }
            if self.flow_level == 0 {
                self.simple_key_allowed = true;
            }
        }
    }

    /// Goes over the comments that follow on one, whatever blanks stand between them.
    fn following_comments(&mut self) {
        loop {
            let mut at = self.reader.offset();
            while matches!(self.reader.byte(at), b' ' | b'\t' | b'\n' | b'\r') {
                at += 1;
            }
            if self.reader.byte(at) != b'#' {
                return;
            }
            while self.reader.offset() < at {
                if self.reader.take_break().is_none() {
                    self.reader.skip(1);
                }
            }
            self.comment();
        }
    }

    fn comment(&mut self) {
        let from = self.reader.offset();
        let to = self.reader.line_end(from);
        if let Some(comments) = &mut self.comments {
            comments.push(Comment {
                span: from..to,
                line: self.reader.mark().line + 1,
            });
        }
        self.reader.go_to(to);
    }

    /// Goes over blanks and a comment on the same line.
    fn skip_comment(&mut self) {
        self.reader.skip_blanks();
        if self.reader.peek() == b'#' {
            self.comment();
        }
    }

    /// Opens a block at a column, if none is open there.
    fn open_block(
        &mut self,
        column: usize,
        kind: Kind<'t>,
        place: Option<usize>,
        mark: Mark,
    ) -> Result<(), Fault> {
        let column = isize::try_from(column).unwrap_or(isize::MAX);
        if self.flow_level > 0 || self.indent >= column {
            return Ok(());
        }
        self.indents.push(self.indent);
        self.indent = column;
        if self.indents.len() > MAX_DEPTH {
            return Err(self.fault("exceeded max depth of 10000", mark));
        }
        let token = Token {
            kind,
            start: mark,
            end: mark,
        };
        match place {
            Some(place) if place < self.tokens.len() => self.tokens.insert(place, token),
            _ => self.tokens.push_back(token),
        }
        Ok(())
    }

    /// Closes the blocks right of a column.
    fn close_blocks(&mut self, column: isize, mark: Mark) {
        if self.flow_level > 0 {
            return;
        }
        while self.indent > column {
            self.add(Kind::BlockEnd, mark, mark);
            self.indent = self.indents.pop().unwrap_or(-1);
        }
    }

    /// Closes all blocks, before something that stands between documents.
    fn leave_blocks(&mut self) -> Result<(), Fault> {
        self.close_blocks(-1, self.reader.mark());
        self.drop_key()?;
        self.simple_key_allowed = false;
        Ok(())
    }

    fn end(&mut self) -> Result<(), Fault> {
        let mark = self.reader.mark_at_end();
        self.close_blocks(-1, mark);
        self.drop_key()?;
        self.simple_key_allowed = false;
        self.add(Kind::StreamEnd, mark, mark);
        self.ended = true;
        Ok(())
    }

    fn start_flow(&mut self, kind: Kind<'t>) -> Result<(), Fault> {
        self.save_key()?;
        // A key is possible at once.
        self.simple_key_allowed = true;
        self.simple_keys
            .push(SimpleKey::none(self.taken + self.tokens.len()));
        self.flow_level += 1;
        if self.flow_level > MAX_DEPTH {
            return Err(self.fault("exceeded max depth of 10000", self.reader.mark()));
        }
        self.indicator(kind, 1);
        Ok(())
    }

    fn end_flow(&mut self, kind: Kind<'t>) -> Result<(), Fault> {
        self.drop_key()?;
        if self.flow_level > 0 {
            self.flow_level -= 1;
            self.simple_keys.pop();
        }
        self.simple_key_allowed = false;
        self.indicator(kind, 1);
        Ok(())
    }

    fn block_entry(&mut self) -> Result<(), Fault> {
        if self.flow_level == 0 {
            let mark = self.reader.mark();
            if !self.simple_key_allowed {
                let reason = "block sequence entries are not allowed in this context";
                return Err(self.fault(reason, mark));
            }
            self.open_block(mark.column, Kind::BlockSequenceStart, None, mark)?;
        }
        self.drop_key()?;
        self.simple_key_allowed = true;
        self.indicator(Kind::BlockEntry, 1);
        Ok(())
    }

    fn explicit_key(&mut self) -> Result<(), Fault> {
        if self.flow_level == 0 {
            let mark = self.reader.mark();
            if !self.simple_key_allowed {
                return Err(self.fault("mapping keys are not allowed in this context", mark));
            }
            self.open_block(mark.column, Kind::BlockMappingStart, None, mark)?;
        }
        self.drop_key()?;
        self.simple_key_allowed = self.flow_level == 0;
        self.indicator(Kind::Key, 1);
        Ok(())
    }
}
