//! What an expression may cost: how deep its tree may be, before it is parsed, and how often it goes over lists, before it is evaluated.

use cel::IdedExpr;
use cel::common::ast::{EntryExpr, Expr, IdedEntryExpr};

/// The characters that may nest the tree by one level, brackets and member accesses included.
const OPERATORS: &[u8] = b"+-*/%<>=!&|?.([{";

/// How many operators a text has outside of its strings and comments; a pair such as `&&` counts twice, and `in` once.
///
/// Where the text is no CEL, everything behind it counts: the parser looks for the next place where it understands the text, and
/// descends from there before it tells of the error.
pub(super) fn operators(text: &str) -> usize {
    let text = text.as_bytes();
    let (mut at, mut count) = (0, 0);
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        let Some((length, found)) = token(rest) else {
            return count + everything(rest);
        };
        at += length;
        count += found;
    }
    count
}

/// The length of the token that a text begins with, and the operators that it counts for. Nothing where that is not sure.
fn token(text: &[u8]) -> Option<(usize, usize)> {
    let first = *text.first()?;
    let pairs = [b"==", b"!=", b"<=", b">=", b"&&", b"||"];
    if text.starts_with(b"//") {
        let end = text.iter().position(|byte| *byte == b'\n');
        return Some((end.unwrap_or(text.len()), 0));
    }
    if pairs.iter().any(|pair| text.starts_with(*pair)) {
        return Some((2, 2));
    }
    match first {
        b'"' | b'\'' => Some((string(text, false)?, 0)),
        b'`' => Some((escaped_name(text)?, 0)),
        b' ' | b'\t' | b'\r' | b'\n' | b'\x0c' | b')' | b']' | b'}' | b',' | b':' => Some((1, 0)),
        // Half of a pair.
        b'=' | b'&' | b'|' => None,
        _ if OPERATORS.contains(&first) => Some((1, 1)),
        _ if is_word(first) => word(text),
        _ => None,
    }
}

/// A name, a number or several that touch, or the prefix of a string with its string.
fn word(text: &[u8]) -> Option<(usize, usize)> {
    let length = text.iter().take_while(|byte| is_word(**byte)).count();
    let (word, rest) = text.split_at_checked(length)?;
    if matches!(rest.first(), Some(b'"' | b'\'')) {
        let is_raw = match word {
            b"r" | b"R" | b"br" | b"bR" | b"Br" | b"BR" => true,
            b"b" | b"B" => false,
            // `1ur"..."` is a number and a raw string, but nobody writes that.
            _ => return None,
        };
        return Some((length + string(rest, is_raw)?, 0));
    }
    // In `1in` a number touches the operator.
    let is_number = word.first().is_some_and(u8::is_ascii_digit);
    let is_in = word == b"in" || (is_number && word.ends_with(b"in"));
    Some((length, usize::from(is_in)))
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// The length of the string that a text begins with, quotes included.
fn string(text: &[u8], is_raw: bool) -> Option<usize> {
    let quote = *text.first()?;
    let triple = [quote; 3];
    let is_triple = text.starts_with(&triple);
    let end: &[u8] = if is_triple { &triple } else { &triple[..1] };
    let mut at = end.len();
    loop {
        let rest = text.get(at..)?;
        if rest.starts_with(end) {
            return Some(at + end.len());
        }
        at += match *rest.first()? {
            b'\\' if !is_raw => 1 + escape(rest.get(1..)?)?,
            b'\n' | b'\r' if !is_triple => return None,
            _ => 1,
        };
    }
}

/// The length of an escape behind its backslash.
fn escape(text: &[u8]) -> Option<usize> {
    let first = *text.first()?;
    let count = match first {
        b'a' | b'b' | b'f' | b'n' | b'r' | b't' | b'v' | b'"' | b'\'' | b'\\' | b'?' | b'`' => 0,
        b'x' | b'X' | b'0'..=b'3' => 2,
        b'u' => 4,
        b'U' => 8,
        _ => return None,
    };
    let digits = text.get(1..=count)?;
    let is_octal = first.is_ascii_digit();
    let is_digit = |digit: u8| {
        if is_octal {
            matches!(digit, b'0'..=b'7')
        } else {
            digit.is_ascii_hexdigit()
        }
    };
    digits.iter().all(|digit| is_digit(*digit)).then_some(1 + count)
}

/// The length of a name between backticks, which may hold what begins a comment elsewhere.
fn escaped_name(text: &[u8]) -> Option<usize> {
    let inner = text.get(1..)?;
    let is_part = |byte: u8| is_word(byte) || matches!(byte, b'.' | b'-' | b'/' | b' ');
    let length = inner.iter().take_while(|byte| is_part(**byte)).count();
    (length > 0 && inner.get(length) == Some(&b'`')).then_some(length + 2)
}

/// Every operator of a text, wherever it stands.
fn everything(text: &[u8]) -> usize {
    let operators = text.iter().filter(|byte| OPERATORS.contains(byte)).count();
    operators + text.windows(2).filter(|pair| *pair == b"in").count()
}

/// How deep loops (`all`, `exists`, `filter`, `map`) stand within loops. One that gives another its list stands beside it.
pub(super) fn loops(expression: &IdedExpr) -> usize {
    match &expression.expr {
        Expr::Comprehension(found) => {
            let once = deepest([&found.iter_range, &found.accu_init, &found.result]);
            once.max(1 + deepest([&found.loop_cond, &found.loop_step]))
        }
        Expr::Call(call) => deepest(call.target.as_deref().into_iter().chain(&call.args)),
        Expr::List(list) => deepest(&list.elements),
        Expr::Select(select) => loops(&select.operand),
        Expr::Map(map) => deepest(values(&map.entries)),
        Expr::Struct(fields) => deepest(values(&fields.entries)),
        Expr::Unspecified | Expr::Ident(_) | Expr::Literal(_) => 0,
    }
}

fn deepest<'e>(expressions: impl IntoIterator<Item = &'e IdedExpr>) -> usize {
    expressions.into_iter().map(loops).max().unwrap_or_default()
}

/// The keys and values of a literal.
fn values(entries: &[IdedEntryExpr]) -> impl Iterator<Item = &IdedExpr> {
    entries.iter().flat_map(|entry| {
        let (key, value) = match &entry.expr {
            EntryExpr::StructField(field) => (None, &field.value),
            EntryExpr::MapEntry(entry) => (Some(&entry.key), &entry.value),
        };
        key.into_iter().chain([value])
    })
}
