//! Base64, base32 and JSON.

use super::{Outcome, Table};
use crate::json::{Style, decode, encode};
use crate::text::Text;
use crate::value::{Arguments, Context, FunctionError, Value};

pub(super) const TABLE: Table<'static> = &[
    ("b64enc", "s:s", |_, a| {
        Ok(BASE64.encode(a.text(0).as_bytes()).into())
    }),
    ("b64dec", "s:s", |_, a| Ok(BASE64.decode_or_error(&a.text(0)))),
    ("b32enc", "s:s", |_, a| {
        Ok(BASE32.encode(a.text(0).as_bytes()).into())
    }),
    ("b32dec", "s:s", |_, a| Ok(BASE32.decode_or_error(&a.text(0)))),
    ("fromJson", "s:a", |c, a| {
        Ok(decoded(c, &a.text(0))?.unwrap_or_default())
    }),
    ("mustFromJson", "s:a", |c, a| {
        decoded(c, &a.text(0))?.map_err(FunctionError::new)
    }),
    ("toJson", "a:s", |c, a| or_empty(c, a, Style::Compact)),
    ("mustToJson", "a:s", |c, a| must(c, a, Style::Compact)),
    ("toPrettyJson", "a:s", |c, a| or_empty(c, a, Style::Pretty)),
    ("mustToPrettyJson", "a:s", |c, a| must(c, a, Style::Pretty)),
    ("toRawJson", "a:s", |c, a| must(c, a, Style::Raw)),
    ("mustToRawJson", "a:s", |c, a| must(c, a, Style::Raw)),
];

fn decoded(context: &mut Context<'_>, text: &Text) -> Result<Result<Value, String>, FunctionError> {
    context.step(text.len() / 4)?;
    context.reserve(text.len().saturating_mul(size_of::<Value>()) / 4)?;
    Ok(decode(text.as_bytes()))
}

fn or_empty(context: &mut Context<'_>, a: &Arguments<'_>, style: Style) -> Outcome {
    match encode(context, a.value(0), style)? {
        Ok(text) => Ok(Value::string(text)),
        Err(_) => Ok("".into()),
    }
}

fn must(context: &mut Context<'_>, a: &Arguments<'_>, style: Style) -> Outcome {
    encode(context, a.value(0), style)?
        .map(Value::string)
        .map_err(FunctionError::new)
}

/// An alphabet of two to the power of `bits` characters, of which `group` make whole bytes.
struct Alphabet {
    name: &'static str,
    characters: &'static [u8],
    bits: u32,
    group: usize,
}

const BASE64: Alphabet = Alphabet {
    name: "base64",
    characters: b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/",
    bits: 6,
    group: 4,
};

const BASE32: Alphabet = Alphabet {
    name: "base32",
    characters: b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567",
    bits: 5,
    group: 8,
};

impl Alphabet {
    fn encode(&self, bytes: &[u8]) -> String {
        let mut text = String::with_capacity(bytes.len() * 2);
        for chunk in bytes.chunks(self.group * self.bits as usize / 8) {
            let (mut value, mut count) = (0_u64, 0);
            for byte in chunk {
                value = value << 8 | u64::from(*byte);
                count += 8;
            }
            let used = usize::try_from(u32::div_ceil(count, self.bits)).unwrap_or_default();
            value <<= used as u32 * self.bits - count;
            for position in (0..used).rev() {
                let index = value >> (position as u32 * self.bits) & ((1 << self.bits) - 1);
                let character = usize::try_from(index)
                    .ok()
                    .and_then(|index| self.characters.get(index));
                text.extend(character.map(|character| char::from(*character)));
            }
            text.extend(std::iter::repeat_n('=', self.group - used));
        }
        text
    }

    /// The decoded bytes; the message of Go's error where there is one, as sprig gives it.
    fn decode_or_error(&self, text: &Text) -> Value {
        match self.decode(text.as_bytes()) {
            Ok(bytes) => Value::string(bytes),
            Err(at) => format!("illegal {} data at input byte {at}", self.name).into(),
        }
    }

    /// The decoded bytes, or where the text is wrong. Line breaks are passed over.
    fn decode(&self, text: &[u8]) -> Result<Vec<u8>, usize> {
        let mut bytes = Vec::with_capacity(text.len());
        let significant = |(_, byte): &(usize, &u8)| !matches!(byte, b'\r' | b'\n');
        let mut rest = text.iter().enumerate().filter(significant).peekable();
        while rest.peek().is_some() {
            let (mut value, mut count) = (0_u64, 0_usize);
            while count < self.group {
                let Some((at, byte)) = rest.next() else {
                    return Err(text.len() - count);
                };
                if *byte == b'=' {
                    let mut padding = 1;
                    while count + padding < self.group {
                        match rest.next() {
                            Some((_, b'=')) => padding += 1,
                            Some((other, _)) if self.group == 4 => return Err(other - 1),
                            Some(_) => return Err(at),
                            None => return Err(text.len()),
                        }
                    }
                    if let Some((extra, _)) = rest.next() {
                        return Err(extra);
                    }
                    if !self.is_whole(count) {
                        return Err(at);
                    }
                    break;
                }
                let Some(digit) = self.characters.iter().position(|character| character == byte) else {
                    return Err(at);
                };
                value = value << self.bits | digit as u64;
                count += 1;
            }
            let bits = count as u32 * self.bits;
            for index in 1..=bits / 8 {
                bytes.push((value >> (bits - 8 * index)) as u8);
            }
        }
        Ok(bytes)
    }

    /// Whether so many characters make bytes.
    const fn is_whole(&self, count: usize) -> bool {
        match self.group {
            4 => count >= 2,
            _ => matches!(count, 2 | 4 | 5 | 7 | 8),
        }
    }
}

pub(super) fn base64(bytes: &[u8]) -> String {
    BASE64.encode(bytes)
}
