//! Scalars: which style one gets, and how each style is written.

use crate::resolve;

use super::{Emitter, WIDTH};

/// How a scalar is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    Plain,
    SingleQuoted,
    DoubleQuoted,
    Literal,
}

/// What the characters of a scalar allow.
#[derive(Debug, Clone, Copy)]
#[allow(clippy::struct_excessive_bools, reason = "they are independent findings")]
pub(super) struct Analysis {
    /// Whether it has line breaks.
    pub(super) multiline: bool,
    plain: bool,
    single_quoted: bool,
    block: bool,
}

/// Whether a string begins with a letter or a digit and has no blanks, as most do: other characters mean nothing then, but for a
/// colon at the end. It is plain unless it reads as something else, and has no place to be folded at.
pub(super) fn is_word(text: &str) -> bool {
    let mut bytes = text.bytes();
    bytes.next().is_some_and(|first| first.is_ascii_alphanumeric())
        && bytes.all(|byte| byte.is_ascii_graphic())
        && !text.ends_with(':')
}

/// The style of a string.
pub(super) fn style(text: &str, analysis: Analysis, simple_key: bool) -> Style {
    let wanted = if text.contains('\n') {
        Style::Literal
    } else if resolve::needs_quotes(text) {
        Style::DoubleQuoted
    } else {
        Style::Plain
    };
    let mut style = if simple_key && analysis.multiline {
        Style::DoubleQuoted
    } else {
        wanted
    };
    if style == Style::Plain && (!analysis.plain || (text.is_empty() && simple_key)) {
        style = Style::SingleQuoted;
    }
    if style == Style::SingleQuoted && !analysis.single_quoted {
        style = Style::DoubleQuoted;
    }
    if style == Style::Literal && (!analysis.block || simple_key) {
        style = Style::DoubleQuoted;
    }
    style
}

fn is_break(character: char) -> bool {
    matches!(character, '\r' | '\n' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

fn is_blank(character: char) -> bool {
    matches!(character, ' ' | '\t')
}

/// What go-yaml writes as it is: no control characters, and nothing above the basic plane.
fn is_printable(character: char) -> bool {
    matches!(character,
        '\n' | ' '..='~' | '\u{a0}'..='\u{d7ff}' | '\u{e000}'..='\u{fefe}' | '\u{ff00}'..='\u{fffd}')
}

impl Analysis {
    /// Looks at all characters once, as libyaml does.
    pub(super) fn of(text: &str) -> Self {
        if text.is_empty() {
            return Self {
                multiline: false,
                plain: true,
                single_quoted: true,
                block: false,
            };
        }
        let mut indicators = text.starts_with("---") || text.starts_with("...");
        let (mut line_breaks, mut special) = (false, false);
        let (mut break_space, mut space_break) = (false, false);
        let (mut previous_space, mut previous_break) = (false, false);
        let mut after_blank = true;
        let mut characters = text.chars().peekable();
        let mut first = true;
        while let Some(character) = characters.next() {
            let before_blank = characters.peek().is_none_or(|next| is_blank(*next));
            indicators |= match character {
                '#' => first || after_blank,
                ',' | '[' | ']' | '{' | '}' | '&' | '*' | '!' | '|' | '>' | '\'' | '"' | '%' | '@' | '`' => {
                    first
                }
                '?' | '-' => first && before_blank,
                ':' => before_blank,
                _ => false,
            };
            special |= !is_printable(character);
            if character == ' ' {
                break_space |= previous_break;
                (previous_space, previous_break) = (true, false);
            } else if is_break(character) {
                line_breaks = true;
                space_break |= previous_space;
                (previous_space, previous_break) = (false, true);
            } else {
                (previous_space, previous_break) = (false, false);
            }
            after_blank = is_blank(character) || is_break(character) || character == '\0';
            first = false;
        }
        let edge = |character: Option<char>| character.is_some_and(|c| c == ' ' || is_break(c));
        let blank_edge = edge(text.chars().next()) || edge(text.chars().next_back());
        let broken = space_break || special;
        Self {
            multiline: line_breaks,
            plain: !(blank_edge || break_space || broken || line_breaks || indicators),
            single_quoted: !(break_space || broken),
            block: !(text.ends_with(' ') || broken),
        }
    }
}

impl Emitter {
    pub(super) fn plain(&mut self, text: &str, indent: usize, allow_breaks: bool) {
        if !self.whitespace {
            self.put(' ');
        }
        self.folded(text, indent, allow_breaks, false);
        self.whitespace = false;
        self.indention = false;
    }

    pub(super) fn single_quoted(&mut self, text: &str, indent: usize, allow_breaks: bool) {
        self.indicator("'", true, false, false);
        self.folded(text, indent, allow_breaks, true);
        self.indicator("'", false, false, false);
        self.whitespace = false;
        self.indention = false;
    }

    /// The characters of a plain or single-quoted scalar.
    fn folded(&mut self, text: &str, indent: usize, allow_breaks: bool, quoted: bool) {
        let (mut spaces, mut breaks) = (false, false);
        let mut characters = text.char_indices().peekable();
        while let Some((at, character)) = characters.next() {
            let next_is_space = characters.peek().is_some_and(|(_, next)| *next == ' ');
            if character == ' ' {
                let inside = !quoted || (at > 0 && characters.peek().is_some());
                if allow_breaks && !spaces && self.column > WIDTH && inside && !next_is_space {
                    self.write_indent(Some(indent));
                } else {
                    self.put(' ');
                }
                spaces = true;
            } else if is_break(character) {
                if !breaks && character == '\n' {
                    self.put_break();
                }
                self.write_break(character);
                self.indention = true;
                breaks = true;
            } else {
                if breaks {
                    self.write_indent(Some(indent));
                }
                if quoted && character == '\'' {
                    self.put('\'');
                }
                self.put(character);
                self.indention = false;
                (spaces, breaks) = (false, false);
            }
        }
    }

    pub(super) fn double_quoted(&mut self, text: &str, indent: usize, allow_breaks: bool) {
        self.indicator("\"", true, false, false);
        // go-yaml looks for a byte order mark at the start of the value whatever character it is at.
        let escape_all = text.starts_with('\u{feff}');
        let mut spaces = false;
        let mut characters = text.char_indices().peekable();
        while let Some((at, character)) = characters.next() {
            let next = characters.peek().map(|(_, next)| *next);
            if escape_all
                || !is_printable(character)
                || is_break(character)
                || matches!(character, '"' | '\\')
            {
                self.escape(character);
                spaces = false;
            } else if character == ' ' {
                if allow_breaks && !spaces && self.column > WIDTH && at > 0 && next.is_some() {
                    self.write_indent(Some(indent));
                    if next == Some(' ') {
                        self.put('\\');
                    }
                } else {
                    self.put(' ');
                }
                spaces = true;
            } else {
                self.put(character);
                spaces = false;
            }
        }
        self.indicator("\"", false, false, false);
        self.whitespace = false;
        self.indention = false;
    }

    fn escape(&mut self, character: char) {
        let short = match character {
            '\0' => Some('0'),
            '\u{7}' => Some('a'),
            '\u{8}' => Some('b'),
            '\t' => Some('t'),
            '\n' => Some('n'),
            '\u{b}' => Some('v'),
            '\u{c}' => Some('f'),
            '\r' => Some('r'),
            '\u{1b}' => Some('e'),
            '"' => Some('"'),
            '\\' => Some('\\'),
            '\u{85}' => Some('N'),
            '\u{a0}' => Some('_'),
            '\u{2028}' => Some('L'),
            '\u{2029}' => Some('P'),
            _ => None,
        };
        let code = u32::from(character);
        let escaped = match short {
            Some(letter) => format!("\\{letter}"),
            None if code <= 0xff => format!("\\x{code:02X}"),
            None if code <= 0xffff => format!("\\u{code:04X}"),
            None => format!("\\U{code:08X}"),
        };
        for character in escaped.chars() {
            self.put(character);
        }
    }

    pub(super) fn literal(&mut self, text: &str, indent: usize) {
        self.indicator("|", true, false, false);
        self.hints(text);
        self.put_break();
        self.indention = true;
        self.whitespace = true;
        for line in text.split_inclusive(['\n', '\u{85}', '\u{2028}', '\u{2029}']) {
            let content = line.trim_end_matches(is_break);
            if !content.is_empty() {
                self.write_indent(Some(indent));
                self.out.push_str(content);
                self.column += content.chars().count();
                self.indention = false;
            }
            if let Some(end) = line.get(content.len()..).and_then(|rest| rest.chars().next()) {
                self.write_break(end);
                self.indention = true;
            }
        }
    }

    /// The indicators after the `|`.
    fn hints(&mut self, text: &str) {
        if text.starts_with(' ') || text.starts_with(is_break) {
            self.indicator("2", false, false, false);
        }
        let mut from_end = text.chars().rev();
        match (from_end.next(), from_end.next()) {
            (Some(last), _) if !is_break(last) => self.indicator("-", false, false, false),
            (Some(_), Some(before)) if !is_break(before) => {}
            _ => self.indicator("+", false, false, false),
        }
    }
}
