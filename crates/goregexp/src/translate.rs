//! Reads a pattern by Go's grammar and writes it in that of the `regex` crate.

use std::fmt::Write as _;

use super::classes::{self, Class};
use super::error::{InvalidRegex, PatternFault};

/// Most repetitions that Go allows, those within others multiplied.
const MAX_REPEAT: u32 = 1000;

/// How deep groups may nest. The engine compiles by recursion, and stacks of threads are small.
const MAX_DEPTH: u32 = 50;

/// A pattern in the syntax of the `regex` crate, with as many groups as the original, none of them named.
pub(super) struct Translation {
    /// The pattern.
    pub pattern: String,
    /// The names of the groups in the original; the first is the whole match.
    pub group_names: Vec<Option<String>>,
}

/// Translates a pattern.
pub(super) fn translate(pattern: &str) -> Result<Translation, InvalidRegex> {
    let mut translator = Translator {
        whole: pattern,
        rest: pattern,
        flags: Flags::default(),
        output: String::with_capacity(pattern.len() * 2),
        frame: Frame::default(),
        enclosing: Vec::new(),
        last_repeat: None,
        group_names: vec![None],
    };
    while let Some(next) = translator.rest.chars().next() {
        translator.step(next)?;
    }
    translator.end_alternatives();
    if !translator.enclosing.is_empty() {
        return Err(InvalidRegex::new(PatternFault::MissingParenthesis, pattern));
    }
    Ok(Translation {
        pattern: translator.output,
        group_names: translator.group_names,
    })
}

/// What `(?imsU)` switches.
#[derive(Debug, Clone, Copy, Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "the four flags of the syntax are independent switches"
)]
struct Flags {
    /// `i`: case does not matter.
    fold_case: bool,
    /// `m`: `^` and `$` match at lines.
    multi_line: bool,
    /// `s`: `.` matches a line feed.
    dot_all: bool,
    /// `U`: repetitions are lazy, and greedy with a `?`.
    lazy: bool,
}

impl Flags {
    fn get_mut(&mut self, flag: char) -> Option<&mut bool> {
        match flag {
            'i' => Some(&mut self.fold_case),
            'm' => Some(&mut self.multi_line),
            's' => Some(&mut self.dot_all),
            'U' => Some(&mut self.lazy),
            _ => None,
        }
    }
}

/// What a repetition can follow.
#[derive(Debug, Clone, Copy)]
struct Atom {
    /// Where it starts in the output.
    start: usize,
    /// How often its innermost part is repeated at most.
    repeats: u32,
    /// How deep groups nest in it.
    depth: u32,
    /// Whether it ends with a repetition operator.
    repeated: bool,
    /// Whether it can match in several ways at one place.
    varies: bool,
}

/// A group that is being read.
#[derive(Debug, Default)]
struct Frame {
    /// Where the group starts in the output.
    start: usize,
    /// The flags to return to at its end.
    outer_flags: Flags,
    /// What was read last in the current alternative.
    last: Option<Atom>,
    /// The maxima over all that was read before.
    repeats: u32,
    depth: u32,
    varies: bool,
    /// Whether it has several alternatives.
    alternates: bool,
}

impl Frame {
    /// Puts the last atom out of reach of repetitions.
    fn settle(&mut self) {
        if let Some(atom) = self.last.take() {
            self.repeats = self.repeats.max(atom.repeats);
            self.depth = self.depth.max(atom.depth);
            self.varies |= atom.varies;
        }
    }
}

struct Translator<'p> {
    whole: &'p str,
    rest: &'p str,
    flags: Flags,
    output: String,
    frame: Frame,
    enclosing: Vec<Frame>,
    /// The pattern from the repetition that was just read on.
    last_repeat: Option<&'p str>,
    group_names: Vec<Option<String>>,
}

impl<'p> Translator<'p> {
    /// Reads what starts with `next`, the first character of the rest.
    fn step(&mut self, next: char) -> Result<(), InvalidRegex> {
        let before = self.rest;
        let is_repeat = match next {
            '{' => self.counted_repeat()?,
            '*' => self.repeat(0, None, 1)?,
            '+' => self.repeat(1, None, 1)?,
            '?' => self.repeat(0, Some(1), 1)?,
            _ => {
                self.structure(next)?;
                false
            }
        };
        self.last_repeat = is_repeat.then_some(before);
        Ok(())
    }

    /// Reads what starts with `next` and is no repetition.
    fn structure(&mut self, next: char) -> Result<(), InvalidRegex> {
        match next {
            '(' if self.rest.starts_with("(?") => self.perl_group()?,
            '(' => {
                self.skip(1);
                self.group_names.push(None);
                self.open("(")?;
            }
            ')' => self.close()?,
            '|' => {
                self.skip(1);
                self.frame.settle();
                self.frame.alternates = true;
                self.output.push('|');
            }
            '^' if self.flags.multi_line => self.atom(1, "(?m:^)"),
            '^' => self.atom(1, r"(?:\A)"),
            '$' if self.flags.multi_line => self.atom(1, "(?m:$)"),
            '$' => self.atom(1, r"(?:\z)"),
            '.' if self.flags.dot_all => self.atom(1, "(?s:.)"),
            '.' => self.atom(1, "."),
            '[' => {
                let (class, rest) = classes::bracketed(self.rest)?;
                self.rest = rest;
                self.class(&class);
            }
            '\\' => self.escape()?,
            literal => {
                self.skip(literal.len_utf8());
                self.literal(u32::from(literal));
            }
        }
        Ok(())
    }

    fn skip(&mut self, bytes: usize) {
        self.rest = self.rest.get(bytes..).unwrap_or_default();
    }

    /// The part of the pattern from `before` up to where reading has come.
    fn since(&self, before: &'p str) -> &'p str {
        before.get(..before.len() - self.rest.len()).unwrap_or(before)
    }

    fn begin_atom(&mut self) {
        self.frame.settle();
        self.frame.last = Some(Atom {
            start: self.output.len(),
            repeats: 1,
            depth: 0,
            repeated: false,
            varies: false,
        });
    }

    fn atom(&mut self, bytes: usize, written: &str) {
        self.skip(bytes);
        self.begin_atom();
        self.output.push_str(written);
    }

    fn literal(&mut self, code: u32) {
        if let Some(c) = char::from_u32(code).filter(|c| c.is_ascii_alphanumeric() && !self.flags.fold_case) {
            self.begin_atom();
            self.output.push(c);
            return;
        }
        let mut class = Class::default();
        class.push_range(code, code);
        self.class(&class);
    }

    fn class(&mut self, class: &Class) {
        self.begin_atom();
        class.write(&mut self.output, self.flags.fold_case);
    }

    fn open(&mut self, written: &str) -> Result<(), InvalidRegex> {
        let frame = Frame {
            start: self.output.len(),
            outer_flags: self.flags,
            ..Frame::default()
        };
        self.enclosing.push(std::mem::replace(&mut self.frame, frame));
        self.output.push_str(written);
        self.check_depth(u32::try_from(self.enclosing.len()).unwrap_or(u32::MAX))
    }

    fn close(&mut self) -> Result<(), InvalidRegex> {
        let Some(enclosing) = self.enclosing.pop() else {
            return Err(InvalidRegex::new(PatternFault::UnexpectedParenthesis, self.whole));
        };
        self.skip(1);
        self.end_alternatives();
        self.output.push(')');
        let group = std::mem::replace(&mut self.frame, enclosing);
        self.flags = group.outer_flags;
        self.frame.settle();
        self.frame.last = Some(Atom {
            start: group.start,
            repeats: group.repeats.max(1),
            depth: group.depth + 1,
            repeated: false,
            varies: group.varies || group.alternates,
        });
        self.check_depth(group.depth + 1)
    }

    /// Ends the current group, or the whole pattern, but for its parenthesis.
    fn end_alternatives(&mut self) {
        self.frame.settle();
        if self.frame.alternates && self.frame.varies {
            // The crate moves what alternatives begin with in common before them: `a?b|a?c` becomes `a?(?:b|c)`, which
            // can prefer another match (regex-syntax 0.8). An alternative that never matches prevents that.
            self.output.push('|');
            self.output.push_str(classes::NOTHING);
        }
    }

    fn check_depth(&self, depth: u32) -> Result<(), InvalidRegex> {
        if depth > MAX_DEPTH {
            return Err(InvalidRegex::new(PatternFault::NestingDepth, self.whole));
        }
        Ok(())
    }

    /// Reads `{n}`, `{n,}` or `{n,m}`; a brace that starts none of these is a literal, and the answer `false`.
    fn counted_repeat(&mut self) -> Result<bool, InvalidRegex> {
        let Some((min, max, length)) = repeat_counts(self.rest) else {
            self.skip(1);
            self.literal(u32::from('{'));
            return Ok(false);
        };
        let is_valid = |count: Option<u32>| count.is_some_and(|count| count <= MAX_REPEAT);
        let out_of_order = max.is_some_and(|max| max < min);
        if !is_valid(min) || max.is_some_and(|max| !is_valid(max)) || out_of_order {
            let fragment = self.rest.get(..length).unwrap_or_default();
            return Err(InvalidRegex::new(PatternFault::RepeatCount, fragment));
        }
        self.repeat(min.unwrap_or_default(), max.flatten(), length)
    }

    /// Repeats the last atom; the operator has `length` bytes, and no `max` means no limit. The answer is `true`.
    fn repeat(&mut self, min: u32, max: Option<u32>, length: usize) -> Result<bool, InvalidRegex> {
        let before = self.rest;
        self.skip(length);
        let swapped = self.rest.starts_with('?');
        self.skip(usize::from(swapped));
        if let Some(last) = self.last_repeat {
            return Err(InvalidRegex::new(
                PatternFault::NestedRepetition,
                self.since(last),
            ));
        }
        let operator = self.since(before);
        let Some(mut atom) = self.frame.last.take() else {
            return Err(InvalidRegex::new(PatternFault::MissingRepeatArgument, operator));
        };
        if atom.repeated {
            // Flags or an empty quotation stood between two operators.
            self.output.insert_str(atom.start, "(?:");
            self.output.push(')');
            atom.depth += 1;
            self.check_depth(atom.depth)?;
        }
        if max == Some(0) {
            atom.repeats = 1;
        } else if operator.starts_with('{') {
            atom.repeats = atom.repeats.saturating_mul(max.unwrap_or(min).max(1));
        }
        if atom.repeats > MAX_REPEAT && (min >= 2 || max.is_some_and(|max| max >= 2)) {
            return Err(InvalidRegex::new(PatternFault::RepeatCount, operator));
        }
        atom.repeated = true;
        atom.varies |= max != Some(min);
        self.frame.last = Some(atom);
        // Writing to a String cannot fail.
        let _ = match max {
            Some(max) => write!(self.output, "{{{min},{max}}}"),
            None => write!(self.output, "{{{min},}}"),
        };
        if self.flags.lazy != swapped {
            self.output.push('?');
        }
        Ok(true)
    }

    /// Reads what starts with `(?`: a named group, a group that captures nothing, or flags.
    fn perl_group(&mut self) -> Result<(), InvalidRegex> {
        let before = self.rest;
        let name = before
            .strip_prefix("(?P<")
            .filter(|name| !name.is_empty())
            .or_else(|| before.strip_prefix("(?<").filter(|name| !name.is_empty()));
        match name {
            Some(name) => self.named_group(before, name),
            None => self.flag_group(before),
        }
    }

    fn named_group(&mut self, before: &'p str, after_bracket: &'p str) -> Result<(), InvalidRegex> {
        let Some((name, rest)) = after_bracket.split_once('>') else {
            return Err(InvalidRegex::new(PatternFault::NamedCapture, before));
        };
        self.rest = rest;
        if name.is_empty() || !name.bytes().all(|b| b == b'_' || b.is_ascii_alphanumeric()) {
            return Err(InvalidRegex::new(PatternFault::NamedCapture, self.since(before)));
        }
        self.group_names.push(Some(name.to_owned()));
        self.open("(")
    }

    fn flag_group(&mut self, before: &'p str) -> Result<(), InvalidRegex> {
        self.skip("(?".len());
        let mut flags = self.flags;
        let (mut value, mut saw_flag) = (true, false);
        while let Some(c) = self.rest.chars().next() {
            self.skip(c.len_utf8());
            match c {
                '-' if value => (value, saw_flag) = (false, false),
                ':' | ')' if value || saw_flag => {
                    if c == ':' {
                        self.open("(?:")?;
                    }
                    self.flags = flags;
                    return Ok(());
                }
                _ => match flags.get_mut(c) {
                    Some(flag) => (*flag, saw_flag) = (value, true),
                    None => break,
                },
            }
        }
        Err(InvalidRegex::new(PatternFault::PerlSyntax, self.since(before)))
    }

    /// Reads what starts with a backslash.
    fn escape(&mut self) -> Result<(), InvalidRegex> {
        match self.rest.as_bytes().get(1) {
            Some(b'A') => self.atom(2, r"(?:\A)"),
            Some(b'z') => self.atom(2, r"(?:\z)"),
            Some(b'b') => self.atom(2, r"(?-u:\b)"),
            Some(b'B') => self.atom(2, r"(?-u:\B)"),
            Some(b'Q') => self.quotation(),
            _ => {
                let mut class = Class::default();
                if let Some(rest) = classes::named_escape(self.rest, &mut class)? {
                    self.rest = rest;
                    self.class(&class);
                } else {
                    let (code, rest) = classes::character_escape(self.rest)?;
                    self.rest = rest;
                    self.literal(code);
                }
            }
        }
        Ok(())
    }

    /// Reads `\Q…\E`; the end may be missing.
    fn quotation(&mut self) {
        self.skip(r"\Q".len());
        let (quoted, rest) = self.rest.split_once(r"\E").unwrap_or((self.rest, ""));
        for c in quoted.chars() {
            self.literal(u32::from(c));
        }
        self.rest = rest;
    }
}

/// A count of a repetition; `None` when it is far too large.
type Count = Option<u32>;

/// Reads `{n}`, `{n,}` or `{n,m}` at the start of `text`: both counts and the length in bytes.
fn repeat_counts(text: &str) -> Option<(Count, Option<Count>, usize)> {
    let (min, rest) = count(text.strip_prefix('{')?)?;
    let (max, rest) = match rest.strip_prefix(',') {
        None => (Some(min), rest),
        Some(rest) if rest.starts_with('}') => (None, rest),
        Some(rest) => count(rest).map(|(max, rest)| (Some(max), rest))?,
    };
    let rest = rest.strip_prefix('}')?;
    Some((min, max, text.len() - rest.len()))
}

/// Reads a number without leading zeros.
fn count(text: &str) -> Option<(Count, &str)> {
    let end = text
        .bytes()
        .position(|b| !b.is_ascii_digit())
        .unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    let zero_led = digits.len() > 1 && digits.starts_with('0');
    (!digits.is_empty() && !zero_led).then(|| (digits.parse().ok(), rest))
}
