//! Wildcards within one name, as Go's `path/filepath.Match` reads them.

/// A compiled pattern for one name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Glob {
    /// No wildcard.
    Exact(Vec<u8>),
    /// `*` and then no wildcard, the most frequent form.
    Suffix(Vec<u8>),
    Tokens(Vec<Token>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    /// `*`: any number of bytes.
    Star,
    /// `?`: one character.
    Any,
    /// One character within, or with `^` outside of, some ranges.
    Class {
        negated: bool,
        ranges: Vec<(char, char)>,
    },
    Byte(u8),
}

impl Glob {
    /// Compiles a pattern; `None` for a malformed one.
    pub(super) fn parse(pattern: &[u8]) -> Option<Self> {
        let mut tokens = Vec::new();
        let mut rest = pattern;
        while let Some((first, after)) = rest.split_first() {
            rest = after;
            let token = match first {
                b'*' => Token::Star,
                b'?' => Token::Any,
                b'[' => class(&mut rest)?,
                b'\\' => {
                    let (escaped, after) = rest.split_first()?;
                    rest = after;
                    Token::Byte(*escaped)
                }
                byte => Token::Byte(*byte),
            };
            tokens.push(token);
        }
        let literal = |tokens: &[Token]| -> Option<Vec<u8>> {
            let bytes = tokens.iter().map(|token| match token {
                Token::Byte(byte) => Some(*byte),
                _ => None,
            });
            bytes.collect()
        };
        if let Some(bytes) = literal(&tokens) {
            return Some(Self::Exact(bytes));
        }
        if let Some((Token::Star, others)) = tokens.split_first()
            && let Some(bytes) = literal(others)
        {
            return Some(Self::Suffix(bytes));
        }
        Some(Self::Tokens(tokens))
    }

    /// Whether the whole name matches.
    pub(super) fn matches(&self, name: &[u8]) -> bool {
        match self {
            Self::Exact(bytes) => name == bytes.as_slice(),
            Self::Suffix(bytes) => name.ends_with(bytes),
            Self::Tokens(tokens) => matches(tokens, name),
        }
    }
}

/// Takes a class apart, `rest` behind its `[`.
fn class(rest: &mut &[u8]) -> Option<Token> {
    let negated = rest.first() == Some(&b'^');
    if negated {
        *rest = rest.get(1..)?;
    }
    let mut ranges = Vec::new();
    loop {
        if !ranges.is_empty()
            && let Some(after) = rest.strip_prefix(b"]")
        {
            *rest = after;
            return Some(Token::Class { negated, ranges });
        }
        let low = class_character(rest)?;
        let mut high = low;
        if let Some(after) = rest.strip_prefix(b"-") {
            *rest = after;
            high = class_character(rest)?;
        }
        ranges.push((low, high));
    }
}

/// One character of a class; something must follow it, at least the `]`.
fn class_character(rest: &mut &[u8]) -> Option<char> {
    if matches!(rest.first()?, b'-' | b']') {
        return None;
    }
    let text = rest.strip_prefix(b"\\").unwrap_or(rest);
    let (character, length) = decode(text);
    // Broken UTF-8, which no range could hold.
    if text.is_empty() || (character == char::REPLACEMENT_CHARACTER && length == 1) {
        return None;
    }
    *rest = text.get(length..).filter(|rest| !rest.is_empty())?;
    Some(character)
}

/// The first character of some bytes and its length; a byte that starts none is a replacement character of length 1.
fn decode(bytes: &[u8]) -> (char, usize) {
    // No character is longer.
    let start = bytes.get(..4).unwrap_or(bytes);
    let whole = start
        .utf8_chunks()
        .next()
        .and_then(|chunk| chunk.valid().chars().next());
    whole.map_or((char::REPLACEMENT_CHARACTER, 1), |character| {
        (character, character.len_utf8())
    })
}

/// Goes through pattern and name, and back to the last `*` where they part: it then takes one byte more.
fn matches(tokens: &[Token], name: &[u8]) -> bool {
    let (mut token, mut at) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    loop {
        let step = match tokens.get(token) {
            Some(Token::Star) => {
                star = Some((token + 1, at));
                token += 1;
                continue;
            }
            Some(wanted) => name
                .get(at..)
                .filter(|rest| !rest.is_empty())
                .and_then(|rest| one(wanted, rest)),
            None if at == name.len() => return true,
            None => None,
        };
        match (step, &mut star) {
            (Some(length), _) => {
                token += 1;
                at += length;
            }
            (None, Some((after, from))) if *from < name.len() => {
                *from += 1;
                (token, at) = (*after, *from);
            }
            _ => return false,
        }
    }
}

/// Bytes of the name that a token takes.
fn one(token: &Token, rest: &[u8]) -> Option<usize> {
    match token {
        Token::Star => None,
        Token::Byte(byte) => (rest.first() == Some(byte)).then_some(1),
        Token::Any => Some(decode(rest).1),
        Token::Class { negated, ranges } => {
            let (character, length) = decode(rest);
            let within = ranges
                .iter()
                .any(|(low, high)| (*low..=*high).contains(&character));
            (within != *negated).then_some(length)
        }
    }
}
