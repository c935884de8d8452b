//! Regular expressions in Go's dialect.

use std::borrow::Cow;

use fluxbot_goregexp::{GoRegex, InvalidRegex, Template};

use super::{Outcome, Table, room};
use crate::buffer::Buffer;
use crate::quote::{can_backquote, quoted};
use crate::value::{Arguments, Context, FunctionError, List, Type, Value};

pub(super) const TABLE: Table<'static> = &[
    ("regexMatch", "ss:b", |c, a| {
        let matches = matches_text(c, a)?;
        Ok(matches.unwrap_or(false).into())
    }),
    ("mustRegexMatch", "ss:b", |c, a| {
        Ok(matches_text(c, a)?.map_err(refused)?.into())
    }),
    ("regexFindAll", "ssi:S", |c, a| find_all(c, a, panicked)),
    ("mustRegexFindAll", "ssi:S", |c, a| find_all(c, a, refused)),
    ("regexFind", "ss:s", |c, a| find(c, a, panicked)),
    ("mustRegexFind", "ss:s", |c, a| find(c, a, refused)),
    ("regexReplaceAll", "sss:s", |c, a| {
        replace_all(c, a, false, panicked)
    }),
    ("mustRegexReplaceAll", "sss:s", |c, a| {
        replace_all(c, a, false, refused)
    }),
    ("regexReplaceAllLiteral", "sss:s", |c, a| {
        replace_all(c, a, true, panicked)
    }),
    ("mustRegexReplaceAllLiteral", "sss:s", |c, a| {
        replace_all(c, a, true, refused)
    }),
    ("regexSplit", "ssi:S", |c, a| split(c, a, panicked)),
    ("mustRegexSplit", "ssi:S", |c, a| split(c, a, refused)),
    ("regexQuoteMeta", "s:s", |_, a| {
        Ok(quote_meta(&a.text(0).to_string_lossy()).into())
    }),
];

/// What a wrong pattern becomes: a pattern and why it is wrong.
type Fault = (String, InvalidRegex);
type OnFault = fn(Fault) -> FunctionError;

/// Go's message where a function returns the error.
fn refused((_, reason): Fault) -> FunctionError {
    FunctionError::new(reason.to_string())
}

/// Go's message where a function panics.
fn panicked((pattern, reason): Fault) -> FunctionError {
    let pattern = if can_backquote(pattern.as_bytes()) {
        format!("`{pattern}`")
    } else {
        quoted(&pattern)
    };
    FunctionError::new(format!("regexp: Compile({pattern}): {reason}"))
}

fn compile(context: &mut Context<'_>, a: &Arguments<'_>) -> Result<Result<GoRegex, Fault>, FunctionError> {
    let (pattern, text) = (a.text(0), a.text(1));
    context.step(pattern.len().saturating_mul(16) + text.len() / 16)?;
    let pattern = pattern.to_string_lossy().into_owned();
    Ok(GoRegex::compile(&pattern).map_err(|reason| (pattern, reason)))
}

fn matches_text(context: &mut Context<'_>, a: &Arguments<'_>) -> Result<Result<bool, Fault>, FunctionError> {
    let regex = compile(context, a)?;
    Ok(regex.map(|regex| regex.is_match(&a.text(1).to_string_lossy())))
}

/// A number of matches; negative means all.
fn limit(number: i64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

fn find_all(context: &mut Context<'_>, a: &Arguments<'_>, on_fault: OnFault) -> Outcome {
    let regex = compile(context, a)?.map_err(on_fault)?;
    let text = a.text(1);
    let text = text.to_string_lossy();
    let mut found = Vec::new();
    for (start, end) in regex.find_iter(&text).take(limit(a.int(2))) {
        room(context, 1)?;
        found.push(Value::from(text.get(start..end).unwrap_or_default()));
    }
    Ok(Value::List(if found.is_empty() {
        List::nil(Type::String)
    } else {
        List::typed(Type::String, found)
    }))
}

fn find(context: &mut Context<'_>, a: &Arguments<'_>, on_fault: OnFault) -> Outcome {
    let regex = compile(context, a)?.map_err(on_fault)?;
    let text = a.text(1);
    let text = text.to_string_lossy();
    let found = regex.find_iter(&text).next();
    Ok(found
        .and_then(|(start, end)| text.get(start..end))
        .unwrap_or_default()
        .into())
}

fn replace_all(context: &mut Context<'_>, a: &Arguments<'_>, is_literal: bool, on_fault: OnFault) -> Outcome {
    let regex = compile(context, a)?.map_err(on_fault)?;
    let (text, replacement) = (a.text(1), a.text(2));
    let (text, replacement) = (text.to_string_lossy(), replacement.to_string_lossy());
    let template = Template::new(&replacement, &regex);
    let mut locations = regex.locations();
    let mut out = Buffer::new(context);
    let (mut last_end, mut search) = (0, 0);
    while search <= text.len() && regex.locate_at(&text, search, &mut locations) && !out.is_spent() {
        context.step(1)?;
        let Some((start, end)) = locations.get(0) else {
            break;
        };
        out.push_str(text.get(last_end..start).unwrap_or_default());
        // An empty match right behind another is none.
        if end > last_end || start == 0 {
            let new = if is_literal {
                Cow::Borrowed(&*replacement)
            } else {
                template.expand(&text, &locations)
            };
            out.push_str(&new);
        }
        last_end = end;
        let width = text
            .get(search..)
            .and_then(|rest| rest.chars().next())
            .map_or(1, char::len_utf8);
        search = if search + width > end { search + width } else { end };
    }
    out.push_str(text.get(last_end..).unwrap_or_default());
    Ok(Value::string(out.finish(context)?))
}

fn split(context: &mut Context<'_>, a: &Arguments<'_>, on_fault: OnFault) -> Outcome {
    let regex = compile(context, a)?.map_err(on_fault)?;
    let text = a.text(1);
    let text = text.to_string_lossy();
    let wanted = a.int(2);
    if wanted == 0 {
        return Ok(Value::List(List::nil(Type::String)));
    }
    if text.is_empty() && !regex.as_str().is_empty() {
        return Ok(Value::List(List::strings([""])));
    }
    let (mut parts, mut begin, mut end) = (Vec::new(), 0, 0);
    for (match_start, match_end) in regex.find_iter(&text).take(limit(wanted)) {
        room(context, 1)?;
        if wanted > 0 && parts.len() + 1 == limit(wanted) {
            break;
        }
        end = match_start;
        if match_end != 0 {
            parts.push(text.get(begin..end).unwrap_or_default());
        }
        begin = match_end;
    }
    if end != text.len() {
        parts.push(text.get(begin..).unwrap_or_default());
    }
    Ok(Value::List(List::strings(parts)))
}

fn quote_meta(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len());
    for c in text.chars() {
        if r"\.+*?()|[]{}^$".contains(c) {
            quoted.push('\\');
        }
        quoted.push(c);
    }
    quoted
}
