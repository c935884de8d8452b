//! What a scalar is: tags, and the names that keys get.

use std::borrow::Cow;

use super::{Builder, folded};
use crate::resolve::{self, Resolved};
use crate::scan::Mark;
use crate::{Data, Node, Number, ParseError, Reading, Style, Text};

/// The tag namespace of YAML itself, which `!!` stands for.
const CORE: &str = "tag:yaml.org,2002:";

/// How the tag of a scalar has it read.
enum Tagged<'a> {
    /// By its text.
    Plain,
    /// As text.
    Text,
    /// As base64.
    Binary,
    /// As one of the types that plain scalars can have.
    Core(&'a str),
}

fn tagged(style: Style, tag: Option<&str>, reading: Reading) -> Tagged<'_> {
    let tag = tag.filter(|tag| *tag != "!" || reading != Reading::Kustomize);
    match tag.map(|tag| tag.strip_prefix(CORE).or_else(|| tag.strip_prefix("!!"))) {
        None if style == Style::Plain => Tagged::Plain,
        Some(Some("binary")) => Tagged::Binary,
        Some(Some(name @ ("null" | "bool" | "int" | "float" | "timestamp"))) => Tagged::Core(name),
        // An unknown tag leaves a string.
        None | Some(_) => Tagged::Text,
    }
}

/// Whether the scalar `<<` is a merge key.
pub(super) fn is_merge(style: Style, tag: Option<&str>, reading: Reading) -> bool {
    match tag {
        None => style == Style::Plain,
        // For go-yaml v3 such a tag is none.
        Some("!") => style == Style::Plain || reading != Reading::Kustomize,
        Some(tag) => tag.strip_prefix(CORE) == Some("merge"),
    }
}

impl<'t> Builder<'t> {
    pub(super) fn scalar(
        &self,
        text: Cow<'t, str>,
        style: Style,
        tag: Option<&str>,
        at: Mark,
    ) -> Result<Data, ParseError> {
        let resolved = match tagged(style, tag, self.reading) {
            // A document that is nothing but a scalar is no object.
            Tagged::Text
                if style == Style::Folded && self.reading == Reading::Kustomize && !self.open.is_empty() =>
            {
                return Ok(Data::String(folded::rewritten(text.into_owned()).into()));
            }
            Tagged::Text => return Ok(Data::String(text.into())),
            Tagged::Binary => return binary(&text, at).map(|text| Data::String(text.into())),
            Tagged::Plain => match resolve::plain(&text, self.reading) {
                Resolved::Null if text.is_empty() && self.quotes_in_flow() => Resolved::Text,
                Resolved::Timestamp(_) if text.contains(':') && self.quotes_in_flow() => Resolved::Text,
                resolved => resolved,
            },
            Tagged::Core(name) => core(name, &text, self.reading, at)?,
        };
        Ok(match resolved {
            Resolved::Timestamp(time) if self.reading == Reading::Kustomize => Data::String(time.into()),
            Resolved::Text | Resolved::Timestamp(_) => Data::String(text.into()),
            Resolved::Null => Data::Null {
                written: !text.is_empty(),
            },
            Resolved::Bool(value) => Data::Bool(value),
            Resolved::Integer(value) => Data::Number(Number::written(&text, value)),
            Resolved::Float(value) => match Number::of_float(value) {
                Some(value) => Data::Number(Number::written(&text, value)),
                None => return Err(no_number(&text, value, at)),
            },
        })
    }

    /// The name of a field. Kubernetes has only strings; go-yaml v2 turns other scalars into them.
    pub(super) fn key_name(
        &self,
        text: Cow<'t, str>,
        style: Style,
        tag: Option<&str>,
        at: Mark,
    ) -> Result<Text, ParseError> {
        let resolved = match tagged(style, tag, self.reading) {
            Tagged::Text => return Ok(text.into()),
            Tagged::Binary => return binary(&text, at).map(Text::from),
            // kustomize cannot print a map that has other keys than strings; what was meant is beyond doubt.
            _ if self.reading == Reading::Kustomize => return Ok(text.into()),
            Tagged::Plain => resolve::plain(&text, self.reading),
            Tagged::Core(name) => core(name, &text, self.reading, at)?,
        };
        let unsupported = |kind: &str| {
            let original = format!("unsupported map key of type: {kind}");
            ParseError::new(at, format!("{original}: {text}")).with_original(original)
        };
        match resolved {
            Resolved::Text | Resolved::Timestamp(_) => Ok(text.into()),
            Resolved::Bool(value) => Ok(value.to_string().into()),
            Resolved::Integer(value) if value.is_i64() => Ok(value.to_string().into()),
            Resolved::Integer(_) => Err(unsupported("uint64")),
            Resolved::Float(value) => Ok(crate::number::single_precision(value).into()),
            Resolved::Null => Err(unsupported("<nil>")),
        }
    }

    /// The name of a field whose key is an alias.
    pub(super) fn alias_key_name(&self, node: &Node, at: Mark) -> Result<Text, ParseError> {
        match &node.data {
            Data::String(text) => Ok(text.clone()),
            Data::Bool(value) => Ok(value.to_string().into()),
            Data::Number(number) if self.reading == Reading::Kustomize => Ok(number.to_string().into()),
            Data::Number(number) => Ok(number.value().to_string().into()),
            Data::Null { .. } if self.reading == Reading::Kustomize => Ok(Text::new_static("null")),
            Data::Null { .. } => Err(ParseError::new(at, "unsupported map key of type: <nil>")),
            Data::List(_) | Data::Map(_) => {
                Err(ParseError::new(at, "invalid map key: a key must be a scalar"))
            }
        }
    }
}

fn no_number(text: &str, value: f64, at: Mark) -> ParseError {
    let name = if value.is_nan() {
        "NaN"
    } else if value > 0.0 {
        "+Inf"
    } else {
        "-Inf"
    };
    ParseError::new(at, format!("JSON has no number {text}"))
        .with_original(format!("json: unsupported value: {name}"))
}

/// Reads a scalar with a tag of YAML's own.
fn core(name: &str, text: &str, reading: Reading, at: Mark) -> Result<Resolved, ParseError> {
    let resolved = resolve::plain_without_time(text, reading);
    let resolved = match (name, resolved) {
        ("timestamp", other) => match resolve::timestamp(text) {
            Some(time) => Resolved::Timestamp(time),
            None => other,
        },
        ("float", Resolved::Integer(value)) if value.is_i64() => {
            Resolved::Float(value.as_f64().unwrap_or_default())
        }
        (_, other) => other,
    };
    let found = resolved.tag();
    if found == name {
        return Ok(resolved);
    }
    let reason = format!("cannot decode !!{found} `{text}` as a !!{name}");
    Err(ParseError::new(at, reason))
}

/// The text that a base64 scalar holds. Bytes that are no UTF-8 become U+FFFD, as in Go's JSON.
fn binary(text: &str, at: Mark) -> Result<String, ParseError> {
    let Some(bytes) = base64(text) else {
        return Err(ParseError::new(at, "!!binary value contains invalid base64 data"));
    };
    let mut decoded = String::new();
    for chunk in bytes.utf8_chunks() {
        decoded.push_str(chunk.valid());
        decoded.extend(chunk.invalid().iter().map(|_| char::REPLACEMENT_CHARACTER));
    }
    Ok(decoded)
}

/// Decodes base64 with padding, in which line breaks may stand.
fn base64(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> = text
        .bytes()
        .filter(|byte| !matches!(byte, b'\r' | b'\n'))
        .collect();
    if !digits.len().is_multiple_of(4) {
        return None;
    }
    let padding = digits.iter().rev().take_while(|byte| **byte == b'=').count();
    if padding > 2 {
        return None;
    }
    let mut bytes = Vec::new();
    let (mut bits, mut held) = (0_u32, 0_u32);
    for digit in digits.get(..digits.len() - padding)? {
        let value = match digit {
            b'A'..=b'Z' => digit - b'A',
            b'a'..=b'z' => digit - b'a' + 26,
            b'0'..=b'9' => digit - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = (bits << 6) | u32::from(value);
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push(u8::try_from((bits >> held) & 0xff).unwrap_or_default());
            bits &= (1 << held) - 1;
        }
    }
    Some(bytes)
}
