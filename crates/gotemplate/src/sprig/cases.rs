//! `snakecase`, `kebabcase` and `camelcase` (huandu/xstrings).

use super::Table;
use crate::text::{Text, first_rune, push_char, runes};
use crate::unicode::{is_letter, is_number, is_punct, is_space, is_upper, to_lower, to_upper};
use crate::value::Value;

pub(super) const TABLE: Table<'static> = &[
    ("snakecase", "s:s", |_, a| {
        Ok(Value::string(lower_words(&a.text(0), '_')))
    }),
    ("kebabcase", "s:s", |_, a| {
        Ok(Value::string(lower_words(&a.text(0), '-')))
    }),
    ("camelcase", "s:s", |_, a| Ok(Value::string(pascal(&a.text(0))))),
];

fn is_connector(c: char) -> bool {
    c == '-' || c == '_' || is_space(c)
}

/// Letters that are not Chinese.
fn is_alphabet(c: char) -> bool {
    is_letter(c)
        && !matches!(c, '\u{4E00}'..='\u{9FCC}' | '\u{3400}'..='\u{4D85}' | '\u{20000}'..='\u{2B81D}')
}

fn pascal(text: &Text) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = runes(text.as_bytes()).map(|rune| rune.char);
    let Some(first) = rest.by_ref().find(|c| {
        let is_connector = is_connector(*c);
        if is_connector {
            push_char(&mut out, *c);
        }
        !is_connector
    }) else {
        // The original writes the last connector twice.
        if let Some(last) = runes(text.as_bytes()).last() {
            push_char(&mut out, last.char);
        }
        return out;
    };
    let mut first_is_upper = is_upper(first);
    let mut current = to_upper(first);
    let mut is_single = true;
    for next in rest {
        is_single = false;
        let previous = current;
        current = next;
        if is_connector(current) && is_connector(previous) {
            push_char(&mut out, previous);
        } else if is_connector(previous) {
            first_is_upper = is_upper(current);
            current = to_upper(current);
        } else {
            if first_is_upper {
                if is_upper(current) {
                    current = to_lower(current);
                } else {
                    first_is_upper = false;
                }
            }
            push_char(&mut out, previous);
        }
    }
    let _ = is_single;
    push_char(&mut out, current);
    out
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Word {
    Invalid,
    Number,
    Upper,
    Alphabet,
    Connector,
    Punct,
    Other,
}

fn lower_words(text: &Text, connector: char) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() + 8);
    if text.is_empty() {
        return out;
    }
    let (mut kind, mut word, mut rest) = next_word(text.as_bytes());
    while !rest.is_empty() {
        if kind != Word::Connector {
            push_lower(&mut out, kind, word, connector);
        }
        let (previous, last) = (kind, word);
        (kind, word, rest) = next_word(rest);
        match previous {
            Word::Number => {
                while matches!(kind, Word::Alphabet | Word::Number) {
                    push_lower(&mut out, kind, word, connector);
                    (kind, word, rest) = next_word(rest);
                }
                connect(&mut out, kind, connector);
            }
            Word::Connector => push_lower(&mut out, previous, last, connector),
            Word::Punct => {}
            _ if kind != Word::Number => {
                if !matches!(kind, Word::Connector | Word::Punct) {
                    push_char(&mut out, connector);
                }
            }
            _ if rest.is_empty() => {}
            _ => {
                let number = word;
                (kind, word, rest) = next_word(rest);
                if kind != Word::Alphabet {
                    push_lower(&mut out, Word::Number, number, connector);
                    if !matches!(kind, Word::Connector | Word::Punct) {
                        push_char(&mut out, connector);
                    }
                    continue;
                }
                push_char(&mut out, connector);
                push_lower(&mut out, Word::Number, number, connector);
                while matches!(kind, Word::Alphabet | Word::Number) {
                    push_lower(&mut out, kind, word, connector);
                    (kind, word, rest) = next_word(rest);
                }
                connect(&mut out, kind, connector);
            }
        }
    }
    push_lower(&mut out, kind, word, connector);
    out
}

fn connect(out: &mut Vec<u8>, next: Word, connector: char) {
    if !matches!(next, Word::Invalid | Word::Connector | Word::Punct) {
        push_char(out, connector);
    }
}

fn push_lower(out: &mut Vec<u8>, kind: Word, word: &[u8], connector: char) {
    if !matches!(kind, Word::Upper | Word::Connector) {
        out.extend_from_slice(word);
        return;
    }
    for rune in runes(word) {
        let c = rune.char;
        push_char(
            out,
            if is_connector(c) {
                connector
            } else if is_upper(c) {
                to_lower(c)
            } else {
                c
            },
        );
    }
}

/// The next character that is one, with all bytes before it; `previous` when there is none.
fn next_valid(bytes: &[u8], previous: char) -> (char, usize) {
    let mut size = 0;
    while let Some(rune) = first_rune(bytes.get(size..).unwrap_or_default()) {
        size += rune.width;
        if rune.char != char::REPLACEMENT_CHARACTER {
            return (rune.char, size);
        }
    }
    (previous, size)
}

/// The length of the characters for which `belongs` holds, from `at` on.
fn run_length(text: &[u8], mut at: usize, mut last: char, belongs: impl Fn(char) -> bool) -> usize {
    while at < text.len() {
        let (c, size) = next_valid(text.get(at..).unwrap_or_default(), last);
        if !belongs(c) || size == 0 {
            break;
        }
        last = c;
        at += size;
    }
    at
}

fn next_word(text: &[u8]) -> (Word, &[u8], &[u8]) {
    if text.is_empty() {
        return (Word::Invalid, text, text);
    }
    let (first, size) = next_valid(text, char::REPLACEMENT_CHARACTER);
    let is_small = |c| is_alphabet(c) && !is_upper(c);
    let (kind, end) = if first == char::REPLACEMENT_CHARACTER {
        (Word::Invalid, size)
    } else if is_connector(first) {
        (Word::Connector, run_length(text, size, first, is_connector))
    } else if is_punct(first) {
        (Word::Punct, run_length(text, size, first, is_punct))
    } else if is_upper(first) {
        (Word::Upper, upper_word(text, first, size))
    } else if is_alphabet(first) {
        (Word::Alphabet, run_length(text, size, first, is_small))
    } else if is_number(first) {
        (Word::Number, run_length(text, size, first, is_number))
    } else {
        let belongs = |c| !is_connector(c) && !is_alphabet(c) && !is_number(c) && !is_punct(c);
        (Word::Other, run_length(text, size, first, belongs))
    };
    let (word, rest) = text.split_at(end.min(text.len()));
    (kind, word, rest)
}

/// The end of a word that starts with a capital: `HTTP` of `HTTPStatus`, `Status` of `StatusCode`.
fn upper_word(text: &[u8], first: char, size: usize) -> usize {
    let rest = text.get(size..).unwrap_or_default();
    if rest.is_empty() {
        return size;
    }
    let (second, second_size) = next_valid(rest, first);
    if is_upper(second) {
        let (mut at, mut last, mut last_size) = (size + second_size, second, second_size);
        while at < text.len() {
            let (c, size) = next_valid(text.get(at..).unwrap_or_default(), last);
            if !is_upper(c) || size == 0 {
                return if is_alphabet(c) { at - last_size } else { at };
            }
            (last, last_size) = (c, size);
            at += size;
        }
        return at;
    }
    if is_alphabet(second) {
        return run_length(text, size + second_size, second, |c| {
            is_alphabet(c) && !is_upper(c)
        });
    }
    size
}
