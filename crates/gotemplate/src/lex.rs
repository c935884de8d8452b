//! Tokens of a template, as Go's text/template/parse cuts them.

use std::borrow::Cow;

use crate::quote::quoted;
use crate::unicode::{is_digit, is_letter, is_print};

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Error,
    Bool,
    Char,
    CharConstant,
    Complex,
    Assign,
    Declare,
    Eof,
    Field,
    Identifier,
    LeftDelim,
    LeftParen,
    Number,
    Pipe,
    RawString,
    RightDelim,
    RightParen,
    Space,
    String,
    Text,
    Variable,
    // Keywords.
    Block,
    Break,
    Continue,
    Dot,
    Define,
    Else,
    End,
    If,
    Nil,
    Range,
    Template,
    With,
}

impl Kind {
    const fn is_keyword(self) -> bool {
        self as u8 >= Self::Block as u8
    }
}

/// A piece of a template.
#[derive(Debug, Clone)]
pub(crate) struct Token<'t> {
    pub kind: Kind,
    /// Where it starts, in bytes.
    pub pos: usize,
    pub text: Cow<'t, str>,
    /// The line of its start, from 1.
    pub line: usize,
}

impl Token<'_> {
    /// As it is named in messages.
    pub(crate) fn describe(&self) -> String {
        match self.kind {
            Kind::Eof => "EOF".to_owned(),
            Kind::Error => self.text.to_string(),
            kind if kind.is_keyword() => format!("<{}>", self.text),
            _ if self.text.len() > 10 => {
                let start: String = self.text.chars().take(10).collect();
                format!("{}...", quoted(&start))
            }
            _ => quoted(&self.text),
        }
    }
}

/// Delimiters, and which words are keywords.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Syntax<'t> {
    pub left: &'t str,
    pub right: &'t str,
    /// `break` is a keyword: no function has the name.
    pub has_break: bool,
    /// `continue` is a keyword: no function has the name.
    pub has_continue: bool,
}

/// Cuts a template into tokens.
#[derive(Debug)]
pub(crate) struct Lexer<'t> {
    input: &'t str,
    syntax: Syntax<'t>,
    pos: usize,
    start: usize,
    line: usize,
    start_line: usize,
    paren_depth: usize,
    inside_action: bool,
}

const SPACE: [char; 4] = [' ', '\t', '\r', '\n'];

fn is_space(c: char) -> bool {
    SPACE.contains(&c)
}

fn is_alphanumeric(c: char) -> bool {
    c == '_' || is_letter(c) || is_digit(c)
}

fn has_left_trim(text: &str) -> bool {
    text.strip_prefix('-').is_some_and(|rest| rest.starts_with(SPACE))
}

fn has_right_trim(text: &str) -> bool {
    text.strip_prefix(SPACE).is_some_and(|rest| rest.starts_with('-'))
}

/// A character as `%#U` prints it.
pub(crate) fn code_point(c: Option<char>) -> String {
    // Go's end of input is the character -1.
    let Some(c) = c else {
        return "U+FFFFFFFFFFFFFFFF".to_owned();
    };
    let code = u32::from(c);
    if is_print(c) {
        format!("U+{code:04X} '{c}'")
    } else {
        format!("U+{code:04X}")
    }
}

impl<'t> Lexer<'t> {
    pub(crate) const fn new(input: &'t str, syntax: Syntax<'t>) -> Self {
        Self {
            input,
            syntax,
            pos: 0,
            start: 0,
            line: 1,
            start_line: 1,
            paren_depth: 0,
            inside_action: false,
        }
    }

    /// The next token; the end of the input again and again behind the last.
    pub(crate) fn next_token(&mut self) -> Token<'t> {
        if self.inside_action {
            return self.inside_action();
        }
        loop {
            if let Some(token) = self.text() {
                return token;
            }
            if let Some(token) = self.left_delim() {
                return token;
            }
        }
    }

    fn rest(&self) -> &'t str {
        self.input.get(self.pos..).unwrap_or_default()
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.pos += c.len_utf8();
        self.line += usize::from(c == '\n');
        Some(c)
    }

    fn pending(&self) -> &'t str {
        self.input.get(self.start..self.pos).unwrap_or_default()
    }

    fn emit(&mut self, kind: Kind) -> Token<'t> {
        let token = Token {
            kind,
            pos: self.start,
            text: Cow::Borrowed(self.pending()),
            line: self.start_line,
        };
        self.start = self.pos;
        self.start_line = self.line;
        token
    }

    /// Skips what was passed without [`Lexer::next`].
    fn ignore(&mut self) {
        self.line += self.pending().matches('\n').count();
        self.start = self.pos;
        self.start_line = self.line;
    }

    fn error(&mut self, text: impl Into<Cow<'t, str>>) -> Token<'t> {
        let token = Token {
            kind: Kind::Error,
            pos: self.start,
            text: text.into(),
            line: self.start_line,
        };
        self.input = "";
        self.start = 0;
        self.pos = 0;
        token
    }

    fn accept(&mut self, valid: &str) -> bool {
        let found = self.peek().is_some_and(|c| valid.contains(c));
        if found {
            self.next();
        }
        found
    }

    fn accept_run(&mut self, valid: &str) {
        while self.accept(valid) {}
    }

    /// Text up to a delimiter; none when the delimiter comes at once.
    fn text(&mut self) -> Option<Token<'t>> {
        let Some(length) = self.rest().find(self.syntax.left) else {
            self.pos = self.input.len();
            self.line += self.pending().matches('\n').count();
            let kind = if self.pos > self.start {
                Kind::Text
            } else {
                Kind::Eof
            };
            return Some(self.emit(kind));
        };
        if length == 0 {
            return None;
        }
        let end = self.pos + length;
        let behind = self.input.get(end + self.syntax.left.len()..).unwrap_or_default();
        let text = self.input.get(self.start..end).unwrap_or_default();
        let kept = if has_left_trim(behind) {
            text.trim_end_matches(SPACE).len()
        } else {
            text.len()
        };
        self.pos = self.start + kept;
        self.line += self.pending().matches('\n').count();
        let token = self.emit(Kind::Text);
        self.pos = end;
        self.ignore();
        (!token.text.is_empty()).then_some(token)
    }

    /// The delimiter; none when it starts a comment, which is skipped.
    fn left_delim(&mut self) -> Option<Token<'t>> {
        self.pos += self.syntax.left.len();
        let after_marker = if has_left_trim(self.rest()) { 2 } else { 0 };
        let behind = self.input.get(self.pos + after_marker..).unwrap_or_default();
        if behind.starts_with("/*") {
            self.pos += after_marker;
            self.ignore();
            return self.comment();
        }
        let token = self.emit(Kind::LeftDelim);
        self.inside_action = true;
        self.pos += after_marker;
        self.ignore();
        self.paren_depth = 0;
        Some(token)
    }

    fn comment(&mut self) -> Option<Token<'t>> {
        self.pos += 2;
        let Some(length) = self.rest().find("*/") else {
            return Some(self.error("unclosed comment"));
        };
        self.pos += length + 2;
        let Some(trims) = self.at_right_delim() else {
            return Some(self.error("comment ends before closing delimiter"));
        };
        self.line += self.pending().matches('\n').count();
        self.start = self.pos;
        self.start_line = self.line;
        self.pos += if trims { 2 } else { 0 } + self.syntax.right.len();
        if trims {
            self.pos += self.rest().len() - self.rest().trim_start_matches(SPACE).len();
        }
        self.ignore();
        None
    }

    /// Whether a closing delimiter is here, and trims what follows it.
    fn at_right_delim(&self) -> Option<bool> {
        let rest = self.rest();
        if has_right_trim(rest)
            && rest
                .get(2..)
                .is_some_and(|rest| rest.starts_with(self.syntax.right))
        {
            return Some(true);
        }
        rest.starts_with(self.syntax.right).then_some(false)
    }

    fn right_delim(&mut self) -> Token<'t> {
        let trims = self.at_right_delim() == Some(true);
        if trims {
            self.pos += 2;
            self.ignore();
        }
        self.pos += self.syntax.right.len();
        let token = self.emit(Kind::RightDelim);
        if trims {
            self.pos += self.rest().len() - self.rest().trim_start_matches(SPACE).len();
            self.ignore();
        }
        self.inside_action = false;
        token
    }

    fn inside_action(&mut self) -> Token<'t> {
        if self.at_right_delim().is_some() {
            if self.paren_depth == 0 {
                return self.right_delim();
            }
            return self.error("unclosed left paren");
        }
        let Some(c) = self.peek() else {
            return self.error("unclosed action");
        };
        if is_space(c) {
            return self.space();
        }
        if matches!(c, '+' | '-' | '0'..='9') {
            return self.number();
        }
        if is_alphanumeric(c) {
            return self.identifier();
        }
        self.next();
        match c {
            '=' => self.emit(Kind::Assign),
            ':' if self.next() == Some('=') => self.emit(Kind::Declare),
            ':' => self.error("expected :="),
            '|' => self.emit(Kind::Pipe),
            '"' => self.until_quote('"', "unterminated quoted string", Kind::String),
            '`' => self.raw_quote(),
            '\'' => self.until_quote('\'', "unterminated character constant", Kind::CharConstant),
            '$' => self.field_or_variable(Kind::Variable),
            '.' if self.rest().is_empty() || self.peek().is_some_and(|c| c.is_ascii_digit()) => {
                self.pos -= 1;
                self.number()
            }
            '.' => self.field_or_variable(Kind::Field),
            '(' => {
                self.paren_depth += 1;
                self.emit(Kind::LeftParen)
            }
            ')' => match self.paren_depth.checked_sub(1) {
                Some(depth) => {
                    self.paren_depth = depth;
                    self.emit(Kind::RightParen)
                }
                None => self.error("unexpected right paren"),
            },
            ' '..='~' => self.emit(Kind::Char),
            _ => self.error(format!(
                "unrecognized character in action: {}",
                code_point(Some(c))
            )),
        }
    }

    fn space(&mut self) -> Token<'t> {
        let mut last = self.pos;
        let mut count = 0;
        while self.peek().is_some_and(is_space) {
            last = self.pos;
            self.next();
            count += 1;
        }
        // The last space may belong to a trim marker.
        let marker = self.input.get(last..).unwrap_or_default();
        if has_right_trim(marker)
            && marker
                .get(2..)
                .is_some_and(|rest| rest.starts_with(self.syntax.right))
        {
            if marker.starts_with('\n') {
                self.line -= 1;
            }
            self.pos = last;
            if count == 1 {
                return self.right_delim();
            }
        }
        self.emit(Kind::Space)
    }

    fn identifier(&mut self) -> Token<'t> {
        while self.peek().is_some_and(is_alphanumeric) {
            self.next();
        }
        if !self.at_terminator() {
            let c = self.peek();
            return self.error(format!("bad character {}", code_point(c)));
        }
        let kind = match self.pending() {
            "block" => Kind::Block,
            "break" if self.syntax.has_break => Kind::Break,
            "continue" if self.syntax.has_continue => Kind::Continue,
            "define" => Kind::Define,
            "else" => Kind::Else,
            "end" => Kind::End,
            "if" => Kind::If,
            "range" => Kind::Range,
            "nil" => Kind::Nil,
            "template" => Kind::Template,
            "with" => Kind::With,
            "true" | "false" => Kind::Bool,
            _ => Kind::Identifier,
        };
        self.emit(kind)
    }

    fn field_or_variable(&mut self, kind: Kind) -> Token<'t> {
        if self.at_terminator() {
            return self.emit(if kind == Kind::Field { Kind::Dot } else { kind });
        }
        while self.peek().is_some_and(is_alphanumeric) {
            self.next();
        }
        if !self.at_terminator() {
            let c = self.peek();
            return self.error(format!("bad character {}", code_point(c)));
        }
        self.emit(kind)
    }

    fn at_terminator(&self) -> bool {
        match self.peek() {
            None | Some('.' | ',' | '|' | ':' | ')' | '(') => true,
            Some(c) if is_space(c) => true,
            Some(_) => self.rest().starts_with(self.syntax.right),
        }
    }

    fn until_quote(&mut self, quote: char, unterminated: &'static str, kind: Kind) -> Token<'t> {
        loop {
            match self.next() {
                Some('\\') => {
                    if matches!(self.next(), None | Some('\n')) {
                        return self.error(unterminated);
                    }
                }
                None | Some('\n') => return self.error(unterminated),
                Some(c) if c == quote => return self.emit(kind),
                Some(_) => {}
            }
        }
    }

    fn raw_quote(&mut self) -> Token<'t> {
        loop {
            match self.next() {
                None => return self.error("unterminated raw quoted string"),
                Some('`') => return self.emit(Kind::RawString),
                Some(_) => {}
            }
        }
    }

    fn number(&mut self) -> Token<'t> {
        if !self.scan_number() {
            return self.error(format!("bad number syntax: {}", quoted(self.pending())));
        }
        if !matches!(self.peek(), Some('+' | '-')) {
            return self.emit(Kind::Number);
        }
        if !self.scan_number() || !self.pending().ends_with('i') {
            return self.error(format!("bad number syntax: {}", quoted(self.pending())));
        }
        self.emit(Kind::Complex)
    }

    fn scan_number(&mut self) -> bool {
        self.accept("+-");
        let mut digits = "0123456789_";
        if self.accept("0") {
            if self.accept("xX") {
                digits = "0123456789abcdefABCDEF_";
            } else if self.accept("oO") {
                digits = "01234567_";
            } else if self.accept("bB") {
                digits = "01_";
            }
        }
        self.accept_run(digits);
        if self.accept(".") {
            self.accept_run(digits);
        }
        let has_exponent = match digits.len() {
            11 => self.accept("eE"),
            23 => self.accept("pP"),
            _ => false,
        };
        if has_exponent {
            self.accept("+-");
            self.accept_run("0123456789_");
        }
        self.accept("i");
        if self.peek().is_some_and(is_alphanumeric) {
            self.next();
            return false;
        }
        true
    }
}
