//! Writing JSON.

use std::collections::BTreeMap;

use crate::buffer::Buffer;
use crate::number::{FloatSize, format_float};
use crate::text::{Text, first_rune};
use crate::value::{Context, FloatKind, FunctionError, Key, MAX_NESTING, Value};

/// How JSON is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    /// On one line, with escapes for what has a meaning in HTML.
    Compact,
    /// Indented by two spaces, otherwise as [`Style::Compact`].
    Pretty,
    /// On one line, without escapes for HTML.
    Raw,
}

/// The JSON of a value. The inner error is Go's, for values that JSON cannot hold.
pub(crate) fn encode(
    context: &mut Context<'_>,
    value: &Value,
    style: Style,
) -> Result<Result<Vec<u8>, String>, FunctionError> {
    let mut encoder = Encoder {
        out: Buffer::new(context),
        style,
    };
    let encoded = encoder.value(value, 0);
    let bytes = encoder.out.finish(context)?;
    Ok(encoded.map(|()| bytes))
}

struct Encoder {
    out: Buffer,
    style: Style,
}

impl Encoder {
    fn value(&mut self, value: &Value, depth: usize) -> Result<(), String> {
        if self.out.is_spent() {
            return Ok(());
        }
        if depth > MAX_NESTING {
            self.out.too_deep();
            return Ok(());
        }
        match value {
            Value::Nil => self.out.push(b"null"),
            Value::Bool(boolean) => self.out.push_str(if *boolean { "true" } else { "false" }),
            Value::Int(_, number) => self.out.push_str(&number.to_string()),
            Value::Uint(_, number) => self.out.push_str(&number.to_string()),
            Value::Float(kind, number) => {
                let text = float(*number, *kind)?;
                self.out.push_str(&text);
            }
            Value::String(text) => self.string(text.as_bytes()),
            Value::List(list) if list.is_nil() => self.out.push(b"null"),
            Value::Map(map) if map.is_nil() => self.out.push(b"null"),
            Value::List(list) => {
                self.out.step(list.len());
                match list.as_bytes() {
                    Some(bytes) => self.string(crate::sprig::base64(&bytes).as_bytes()),
                    None => self.array(list.items(), depth)?,
                }
            }
            Value::Map(map) => {
                self.out.step(map.entries().len());
                if self.out.is_spent() {
                    return Ok(());
                }
                let mut members = BTreeMap::new();
                for (key, item) in map.entries().iter() {
                    members.insert(key_text(key, value)?, item.clone());
                }
                self.object(members.iter().map(|(key, value)| (key.as_bytes(), value)), depth)?;
            }
            Value::Object(object) => {
                if let Some(other) = object.json() {
                    return self.value(&other, depth + 1);
                }
                let fields = object.fields();
                self.out.step(fields.len());
                let exported = fields
                    .iter()
                    .filter(|(name, _)| name.starts_with(char::is_uppercase));
                self.object(exported.map(|(name, value)| (name.as_bytes(), value)), depth)?;
            }
            Value::Function(_) => return Err(format!("json: unsupported type: {}", value.type_name())),
        }
        Ok(())
    }

    fn newline(&mut self, depth: usize) {
        if self.style == Style::Pretty {
            self.out.push(b"\n");
            self.out.fill(b' ', depth * 2);
        }
    }

    fn array(&mut self, items: &[Value], depth: usize) -> Result<(), String> {
        self.out.push(b"[");
        for (index, item) in items.iter().enumerate() {
            if self.out.is_spent() {
                return Ok(());
            }
            if index > 0 {
                self.out.push(b",");
            }
            self.newline(depth + 1);
            self.value(item, depth + 1)?;
        }
        if !items.is_empty() {
            self.newline(depth);
        }
        self.out.push(b"]");
        Ok(())
    }

    fn object<'v>(
        &mut self,
        members: impl Iterator<Item = (&'v [u8], &'v Value)>,
        depth: usize,
    ) -> Result<(), String> {
        self.out.push(b"{");
        let mut is_empty = true;
        for (key, value) in members {
            if !std::mem::take(&mut is_empty) {
                self.out.push(b",");
            }
            self.newline(depth + 1);
            self.string(key);
            self.out
                .push(if self.style == Style::Pretty { b": " } else { b":" });
            self.value(value, depth + 1)?;
        }
        if !is_empty {
            self.newline(depth);
        }
        self.out.push(b"}");
        Ok(())
    }

    fn string(&mut self, text: &[u8]) {
        self.out.push(b"\"");
        let mut rest = text;
        while let Some(rune) = first_rune(rest) {
            let (piece, after) = rest.split_at(rune.width.min(rest.len()));
            let c = rune.char;
            match c {
                _ if rune.is_invalid => self.out.push_str("\\ufffd"),
                '"' => self.out.push_str("\\\""),
                '\\' => self.out.push_str("\\\\"),
                '\x08' => self.out.push_str("\\b"),
                '\x0C' => self.out.push_str("\\f"),
                '\n' => self.out.push_str("\\n"),
                '\r' => self.out.push_str("\\r"),
                '\t' => self.out.push_str("\\t"),
                '\0'..='\x1F' | '\u{2028}' | '\u{2029}' => self.escape(c),
                '<' | '>' | '&' if self.style != Style::Raw => self.escape(c),
                _ => self.out.push(piece),
            }
            rest = after;
        }
        self.out.push(b"\"");
    }

    fn escape(&mut self, c: char) {
        self.out.push_str(&format!("\\u{:04x}", u32::from(c)));
    }
}

fn key_text(key: &Key, map: &Value) -> Result<Text, String> {
    match key.value() {
        Value::String(text) => Ok(text.clone()),
        Value::Int(_, number) => Ok(number.to_string().into()),
        Value::Uint(_, number) => Ok(number.to_string().into()),
        _ => Err(format!("json: unsupported type: {}", map.type_name())),
    }
}

fn float(number: f64, kind: FloatKind) -> Result<String, String> {
    let size = match kind {
        FloatKind::Float32 => FloatSize::Bits32,
        FloatKind::Float64 => FloatSize::Bits64,
    };
    if !number.is_finite() {
        let text = format_float(number, 'g', None, size);
        return Err(format!("json: unsupported value: {text}"));
    }
    let magnitude = number.abs();
    if magnitude == 0.0 || (1e-6..1e21).contains(&magnitude) {
        return Ok(format_float(number, 'f', None, size));
    }
    // An exponent has no leading zero here.
    Ok(format_float(number, 'e', None, size).replace("e-0", "e-"))
}
