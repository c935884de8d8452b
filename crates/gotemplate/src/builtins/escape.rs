//! `html`, `js` and `urlquery`.

use crate::buffer::Buffer;
use crate::fmt;
use crate::text::{Text, first_rune};
use crate::unicode::is_print;
use crate::value::{Context, FunctionError, Value};

/// The arguments as one text.
pub(super) fn text_of(context: &mut Context<'_>, values: Vec<Value>) -> Result<Text, FunctionError> {
    if let [Value::String(text)] = values.as_slice() {
        return Ok(text.clone());
    }
    let printable: Vec<Value> = values
        .into_iter()
        .map(|value| match value {
            Value::Nil => "<no value>".into(),
            value => value,
        })
        .collect();
    let mut out = Buffer::new(context);
    fmt::print(&mut out, &printable);
    Ok(out.finish(context)?.into())
}

pub(super) fn html(out: &mut Buffer, text: &Text) {
    for byte in text.as_bytes() {
        match byte {
            0 => out.push_str("\u{FFFD}"),
            b'"' => out.push_str("&#34;"),
            b'\'' => out.push_str("&#39;"),
            b'&' => out.push_str("&amp;"),
            b'<' => out.push_str("&lt;"),
            b'>' => out.push_str("&gt;"),
            byte => out.push(&[*byte]),
        }
    }
}

pub(super) fn js(out: &mut Buffer, text: &Text) {
    let mut rest = text.as_bytes();
    while let Some(rune) = first_rune(rest) {
        let (piece, after) = rest.split_at(rune.width.min(rest.len()));
        match rune.char {
            '\\' => out.push_str("\\\\"),
            '\'' => out.push_str("\\'"),
            '"' => out.push_str("\\\""),
            '<' | '>' | '&' | '=' | '\0'..='\x1F' => {
                out.push_str(&format!("\\u{:04X}", u32::from(rune.char)));
            }
            c if c.is_ascii() || is_print(c) => out.push(piece),
            c => out.push_str(&format!("\\u{:04X}", u32::from(c))),
        }
        rest = after;
    }
}

/// `url.QueryEscape`
pub(crate) fn url_query(out: &mut Buffer, text: &Text) {
    for byte in text.as_bytes() {
        match byte {
            b' ' => out.push(b"+"),
            b'-' | b'_' | b'.' | b'~' => out.push(&[*byte]),
            byte if byte.is_ascii_alphanumeric() => out.push(&[*byte]),
            byte => out.push_str(&format!("%{byte:02X}")),
        }
    }
}
