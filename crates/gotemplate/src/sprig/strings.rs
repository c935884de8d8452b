//! Strings.

use super::{Outcome, Table, fail, room};
use crate::buffer::Buffer;
use crate::convert::{to_text, to_texts};
use crate::fmt;
use crate::quote::{Charset, quote};
use crate::text::{Rune, Text, find, first_rune, push_char, runes};
use crate::unicode::{is_digit, is_letter, is_space, to_lower, to_title, to_upper};
use crate::value::{Arguments, Context, FunctionError, Key, List, Map, Type, Value};

pub(super) const TABLE: Table<'static> = &[
    ("hello", ":s", |_, _| Ok("Hello!".into())),
    ("trim", "s:s", |_, a| {
        Ok(Value::string(trim_space(a.text(0).as_bytes())))
    }),
    ("upper", "s:s", |_, a| Ok(mapped(&a.text(0), to_upper))),
    ("lower", "s:s", |_, a| Ok(mapped(&a.text(0), to_lower))),
    ("title", "s:s", |_, a| Ok(title(&a.text(0)))),
    ("trunc", "is:s", |_, a| Ok(truncated(a.int(0), &a.text(1)))),
    ("substr", "iis:s", |_, a| {
        substring(a.int(0), a.int(1), &a.text(2))
    }),
    ("repeat", "is:s", |c, a| repeat(c, a.int(0), &a.text(1))),
    ("trimall", "ss:s", |_, a| Ok(trim_all(&a.text(0), &a.text(1)))),
    ("trimAll", "ss:s", |_, a| Ok(trim_all(&a.text(0), &a.text(1)))),
    ("trimSuffix", "ss:s", |_, a| {
        let (suffix, text) = (a.text(0), a.text(1));
        Ok(Value::string(
            text.as_bytes()
                .strip_suffix(suffix.as_bytes())
                .unwrap_or(text.as_bytes()),
        ))
    }),
    ("trimPrefix", "ss:s", |_, a| {
        let (prefix, text) = (a.text(0), a.text(1));
        Ok(Value::string(
            text.as_bytes()
                .strip_prefix(prefix.as_bytes())
                .unwrap_or(text.as_bytes()),
        ))
    }),
    ("contains", "ss:b", |_, a| {
        Ok(find(a.text(1).as_bytes(), a.text(0).as_bytes()).is_some().into())
    }),
    ("hasPrefix", "ss:b", |_, a| {
        Ok(a.text(1).as_bytes().starts_with(a.text(0).as_bytes()).into())
    }),
    ("hasSuffix", "ss:b", |_, a| {
        Ok(a.text(1).as_bytes().ends_with(a.text(0).as_bytes()).into())
    }),
    ("quote", "a*:s", quoted),
    ("squote", "a*:s", single_quoted),
    ("cat", "a*:s", cat),
    ("indent", "is:s", |c, a| indent(c, "", a)),
    ("nindent", "is:s", |c, a| indent(c, "\n", a)),
    ("replace", "sss:s", |c, a| {
        replace(c, &a.text(0), &a.text(1), &a.text(2))
    }),
    ("plural", "ssi:s", |_, a| {
        Ok(a.value(usize::from(a.int(2) != 1)).clone())
    }),
    ("toString", "a:s", |c, a| Ok(to_text(c, a.value(0))?.into())),
    ("toStrings", "a:S", |c, a| {
        Ok(Value::List(List::strings(to_texts(c, a.value(0))?)))
    }),
    ("split", "ss:M", |c, a| split_map(c, &a.text(0), -1, &a.text(1))),
    ("splitn", "sis:M", |c, a| {
        split_map(c, &a.text(0), a.int(1), &a.text(2))
    }),
    ("splitList", "ss:S", |c, a| {
        let parts = split(&a.text(1), &a.text(0), -1);
        room(c, parts.len())?;
        Ok(Value::List(List::strings(parts)))
    }),
    ("join", "sa:s", |c, a| join(c, &a.text(0), a.value(1))),
    ("sortAlpha", "a:S", |c, a| {
        let mut texts = to_texts(c, a.value(0))?;
        if matches!(a.value(0), Value::List(_)) {
            texts.sort();
        } else {
            texts = vec![to_text(c, a.value(0))?];
        }
        Ok(Value::List(List::strings(texts)))
    }),
];

pub(super) fn mapped(text: &Text, map: fn(char) -> char) -> Value {
    let mut bytes = Vec::with_capacity(text.len());
    for rune in runes(text.as_bytes()) {
        push_char(&mut bytes, map(rune.char));
    }
    Value::string(bytes)
}

fn title(text: &Text) -> Value {
    let mut bytes = Vec::with_capacity(text.len());
    let mut after_separator = true;
    for rune in runes(text.as_bytes()) {
        let c = rune.char;
        push_char(&mut bytes, if after_separator { to_title(c) } else { c });
        after_separator = if c.is_ascii() {
            !c.is_ascii_alphanumeric() && c != '_'
        } else {
            !is_letter(c) && !is_digit(c) && is_space(c)
        };
    }
    Value::string(bytes)
}

/// The bytes without the characters at both ends for which `is_cut` holds.
fn trim_runes(bytes: &[u8], is_cut: impl Fn(char) -> bool) -> &[u8] {
    let mut start = None;
    let (mut end, mut at) = (0, 0);
    for Rune { char, width, .. } in runes(bytes) {
        if !is_cut(char) {
            start.get_or_insert(at);
            end = at + width;
        }
        at += width;
    }
    bytes.get(start.unwrap_or_default()..end).unwrap_or_default()
}

fn trim_space(bytes: &[u8]) -> &[u8] {
    trim_runes(bytes, is_space)
}

fn trim_all(cut: &Text, text: &Text) -> Value {
    let cut: Vec<char> = runes(cut.as_bytes()).map(|rune| rune.char).collect();
    Value::string(trim_runes(text.as_bytes(), |c| cut.contains(&c)))
}

fn truncated(count: i64, text: &Text) -> Value {
    let bytes = text.as_bytes();
    let wanted = usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX);
    let kept = if count < 0 {
        bytes
            .len()
            .checked_sub(wanted)
            .and_then(|start| bytes.get(start..))
    } else {
        bytes.get(..wanted)
    };
    Value::string(kept.unwrap_or(bytes))
}

fn substring(start: i64, end: i64, text: &Text) -> Outcome {
    let bytes = text.as_bytes();
    let length = i64::try_from(bytes.len()).unwrap_or(i64::MAX);
    let (start, end) = if start < 0 {
        (0, end)
    } else if end < 0 || end > length {
        (start, length)
    } else {
        (start, end)
    };
    let problem = if end < 0 {
        format!("[:{end}]")
    } else if end > length {
        format!("[:{end}] with length {length}")
    } else if start > end {
        format!("[{start}:{end}]")
    } else {
        let range = usize::try_from(start).unwrap_or_default()..usize::try_from(end).unwrap_or_default();
        return Ok(Value::string(bytes.get(range).unwrap_or_default()));
    };
    fail(format!("runtime error: slice bounds out of range {problem}"))
}

/// How often something is repeated.
fn repetitions(count: i64) -> Result<usize, FunctionError> {
    usize::try_from(count).or_else(|_| fail("strings: negative Repeat count"))
}

fn repeat(context: &mut Context<'_>, count: i64, text: &Text) -> Outcome {
    let length = repetitions(count)?.saturating_mul(text.len());
    context.reserve(length)?;
    Ok(Value::string(text.as_bytes().repeat(if text.is_empty() {
        0
    } else {
        repetitions(count)?
    })))
}

/// The arguments without nil.
fn present<'a>(a: &Arguments<'a>) -> impl Iterator<Item = &'a Value> {
    a.all().iter().filter(|value| !matches!(value, Value::Nil))
}

fn quoted(context: &mut Context<'_>, a: &Arguments<'_>) -> Outcome {
    let mut out = Buffer::new(context);
    for (index, value) in present(a).enumerate() {
        if index > 0 {
            out.push(b" ");
        }
        let text = to_text(context, value)?;
        out.push(&quote(text.as_bytes(), Charset::Printable));
    }
    Ok(Value::string(out.finish(context)?))
}

fn single_quoted(context: &mut Context<'_>, a: &Arguments<'_>) -> Outcome {
    let mut out = Buffer::new(context);
    for (index, value) in present(a).enumerate() {
        out.push(if index > 0 { b" '" } else { b"'" });
        fmt::print(&mut out, std::slice::from_ref(value));
        out.push(b"'");
    }
    Ok(Value::string(out.finish(context)?))
}

fn cat(context: &mut Context<'_>, a: &Arguments<'_>) -> Outcome {
    let mut out = Buffer::new(context);
    for (index, value) in present(a).enumerate() {
        if index > 0 {
            out.push(b" ");
        }
        fmt::print(&mut out, std::slice::from_ref(value));
    }
    Ok(Value::string(out.finish(context)?))
}

fn indent(context: &mut Context<'_>, before: &str, a: &Arguments<'_>) -> Outcome {
    let spaces = repetitions(a.int(0))?;
    let mut out = Buffer::new(context);
    out.push_str(before);
    for (index, line) in a.text(1).as_bytes().split(|byte| *byte == b'\n').enumerate() {
        if index > 0 {
            out.push(b"\n");
        }
        out.fill(b' ', spaces);
        out.push(line);
    }
    Ok(Value::string(out.finish(context)?))
}

fn replace(context: &mut Context<'_>, old: &Text, new: &Text, text: &Text) -> Outcome {
    context.step(text.len() / 16)?;
    let mut out = Buffer::new(context);
    let mut rest = text.as_bytes();
    if old.is_empty() {
        out.push(new.as_bytes());
        while let Some(rune) = first_rune(rest) {
            out.push(rest.get(..rune.width).unwrap_or_default());
            out.push(new.as_bytes());
            rest = rest.get(rune.width..).unwrap_or_default();
        }
        return Ok(Value::string(out.finish(context)?));
    }
    while let Some(at) = find(rest, old.as_bytes()) {
        out.push(rest.get(..at).unwrap_or_default());
        out.push(new.as_bytes());
        rest = rest.get(at + old.len()..).unwrap_or_default();
    }
    out.push(rest);
    Ok(Value::string(out.finish(context)?))
}

/// `strings.SplitN`
fn split(text: &Text, separator: &Text, limit: i64) -> Vec<Text> {
    let mut parts = Vec::new();
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    if limit == 0 {
        return parts;
    }
    let mut rest = text.as_bytes();
    if separator.is_empty() {
        while let Some(rune) = first_rune(rest) {
            let width = if parts.len() + 1 == limit {
                rest.len()
            } else {
                rune.width
            };
            parts.push(Text::from(rest.get(..width).unwrap_or_default()));
            rest = rest.get(width..).unwrap_or_default();
        }
        return parts;
    }
    while parts.len() + 1 < limit
        && let Some(at) = find(rest, separator.as_bytes())
    {
        parts.push(rest.get(..at).unwrap_or_default().into());
        rest = rest.get(at + separator.len()..).unwrap_or_default();
    }
    parts.push(rest.into());
    parts
}

fn split_map(context: &mut Context<'_>, separator: &Text, limit: i64, text: &Text) -> Outcome {
    let parts = split(text, separator, limit);
    room(context, parts.len())?;
    let map = Map::new(Type::String, Type::String);
    for (index, part) in parts.into_iter().enumerate() {
        map.insert(Key::from(format!("_{index}").as_str()), part.into());
    }
    Ok(Value::Map(map))
}

fn join(context: &mut Context<'_>, separator: &Text, value: &Value) -> Outcome {
    let texts = to_texts(context, value)?;
    let mut out = Buffer::new(context);
    for (index, text) in texts.iter().enumerate() {
        if index > 0 {
            out.push(separator.as_bytes());
        }
        out.push(text.as_bytes());
    }
    Ok(Value::string(out.finish(context)?))
}
