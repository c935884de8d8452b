//! Reading JSON, with the messages of Go.

use crate::number::parse_float;
use crate::quote::quoted;
use crate::text::{first_rune, push_char};
use crate::value::{Key, Map, Type, Value};

/// How deep JSON may nest.
const MAX_DEPTH: usize = 150;

/// The value of a JSON text. Numbers become float64.
pub(crate) fn decode(text: &[u8]) -> Result<Value, String> {
    let mut decoder = Decoder {
        text,
        at: 0,
        range_error: None,
    };
    let value = decoder.value(0, "looking for beginning of value")?;
    decoder.skip_space();
    if decoder.byte().is_some() {
        return decoder.unexpected("after top-level value");
    }
    match decoder.range_error {
        Some(error) => Err(error),
        None => Ok(value),
    }
}

struct Decoder<'t> {
    text: &'t [u8],
    at: usize,
    /// A number that is too large, which Go tells when the rest is fine.
    range_error: Option<String>,
}

impl Decoder<'_> {
    fn byte(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn skip_space(&mut self) {
        while matches!(self.byte(), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
    }

    fn unexpected<T>(&self, context: &str) -> Result<T, String> {
        // Go takes the end as a space, which most places allow.
        let allows_space = ![
            "in literal",
            "in numeric",
            "after decimal",
            "in exponent",
            "in string escape",
            "in \\u",
        ]
        .iter()
        .any(|start| context.starts_with(start));
        let byte = match self.byte() {
            Some(byte) => byte,
            None if allows_space => return Err("unexpected end of JSON input".to_owned()),
            None => b' ',
        };
        let shown = match byte {
            b'\'' => r"'\''".to_owned(),
            b'"' => "'\"'".to_owned(),
            byte => {
                let quoted = quoted(&char::from(byte).to_string());
                format!("'{}'", quoted.get(1..quoted.len() - 1).unwrap_or_default())
            }
        };
        Err(format!("invalid character {shown} {context}"))
    }

    fn value(&mut self, depth: usize, context: &str) -> Result<Value, String> {
        self.skip_space();
        if depth > MAX_DEPTH {
            return Err("exceeded max depth".to_owned());
        }
        match self.byte() {
            Some(b'{') => self.object(depth),
            Some(b'[') => self.array(depth),
            Some(b'"') => self.string().map(Value::string),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.literal("true", Value::Bool(true)),
            Some(b'f') => self.literal("false", Value::Bool(false)),
            Some(b'n') => self.literal("null", Value::Nil),
            _ => self.unexpected(context),
        }
    }

    fn literal(&mut self, name: &str, value: Value) -> Result<Value, String> {
        for expected in name.bytes() {
            if self.byte() != Some(expected) {
                return self.unexpected(&format!(
                    "in literal {name} (expecting '{}')",
                    char::from(expected)
                ));
            }
            self.at += 1;
        }
        Ok(value)
    }

    fn array(&mut self, depth: usize) -> Result<Value, String> {
        self.at += 1;
        let mut items = Vec::new();
        self.skip_space();
        if self.byte() == Some(b']') {
            self.at += 1;
            return Ok(Value::list(items));
        }
        loop {
            items.push(self.value(depth + 1, "looking for beginning of value")?);
            self.skip_space();
            match self.byte() {
                Some(b',') => self.at += 1,
                Some(b']') => {
                    self.at += 1;
                    return Ok(Value::list(items));
                }
                _ => return self.unexpected("after array element"),
            }
        }
    }

    fn object(&mut self, depth: usize) -> Result<Value, String> {
        self.at += 1;
        let map = Map::new(Type::String, Type::Any);
        self.skip_space();
        if self.byte() == Some(b'}') {
            self.at += 1;
            return Ok(Value::Map(map));
        }
        loop {
            self.skip_space();
            if self.byte() != Some(b'"') {
                return self.unexpected("looking for beginning of object key string");
            }
            let key = self.string()?;
            self.skip_space();
            if self.byte() != Some(b':') {
                return self.unexpected("after object key");
            }
            self.at += 1;
            let value = self.value(depth + 1, "looking for beginning of value")?;
            map.insert(Key::from(crate::text::Text::from(key)), value);
            self.skip_space();
            match self.byte() {
                Some(b',') => self.at += 1,
                Some(b'}') => {
                    self.at += 1;
                    return Ok(Value::Map(map));
                }
                _ => return self.unexpected("after object key:value pair"),
            }
        }
    }

    fn digits(&mut self, context: &str) -> Result<(), String> {
        if !matches!(self.byte(), Some(b'0'..=b'9')) {
            return self.unexpected(context);
        }
        while matches!(self.byte(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        Ok(())
    }

    fn number(&mut self) -> Result<Value, String> {
        let start = self.at;
        if self.byte() == Some(b'-') {
            self.at += 1;
        }
        if self.byte() == Some(b'0') {
            self.at += 1;
        } else {
            self.digits("in numeric literal")?;
        }
        if self.byte() == Some(b'.') {
            self.at += 1;
            self.digits("after decimal point in numeric literal")?;
        }
        if matches!(self.byte(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.byte(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits("in exponent of numeric literal")?;
        }
        let literal = String::from_utf8_lossy(self.text.get(start..self.at).unwrap_or_default());
        if let Ok(number) = parse_float(&literal) {
            return Ok(Value::float(number));
        }
        let error = format!("json: cannot unmarshal number {literal} into Go value of type float64");
        self.range_error.get_or_insert(error);
        Ok(Value::Nil)
    }

    fn string(&mut self) -> Result<Vec<u8>, String> {
        self.at += 1;
        let mut bytes = Vec::new();
        loop {
            match self.byte() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(bytes);
                }
                Some(b'\\') => {
                    self.at += 1;
                    self.escape(&mut bytes)?;
                }
                None | Some(..=0x1F) => return self.unexpected("in string literal"),
                Some(byte) if byte.is_ascii() => {
                    self.at += 1;
                    bytes.push(byte);
                }
                Some(_) => {
                    if let Some(rune) = first_rune(self.text.get(self.at..).unwrap_or_default()) {
                        push_char(&mut bytes, rune.char);
                        self.at += rune.width;
                    }
                }
            }
        }
    }

    fn escape(&mut self, bytes: &mut Vec<u8>) -> Result<(), String> {
        let c = match self.byte() {
            Some(b'u') => {
                self.at += 1;
                let c = self.code_unit()?;
                let c = self.joined(c)?;
                push_char(bytes, c);
                return Ok(());
            }
            Some(byte @ (b'"' | b'\\' | b'/')) => byte,
            Some(b'b') => 0x08,
            Some(b'f') => 0x0C,
            Some(b'n') => b'\n',
            Some(b'r') => b'\r',
            Some(b't') => b'\t',
            _ => return self.unexpected("in string escape code"),
        };
        self.at += 1;
        bytes.push(c);
        Ok(())
    }

    fn code_unit(&mut self) -> Result<u32, String> {
        let mut unit = 0;
        for _ in 0..4 {
            let Some(digit) = self.byte().and_then(|byte| char::from(byte).to_digit(16)) else {
                return self.unexpected("in \\u hexadecimal character escape");
            };
            unit = unit * 16 + digit;
            self.at += 1;
        }
        Ok(unit)
    }

    /// The character of a code unit, with the other half of a pair if it follows.
    fn joined(&mut self, unit: u32) -> Result<char, String> {
        if (0xD800..0xDC00).contains(&unit)
            && self
                .text
                .get(self.at..)
                .is_some_and(|rest| rest.starts_with(b"\\u"))
        {
            let before = self.at;
            self.at += 2;
            let low = self.code_unit()?;
            if (0xDC00..0xE000).contains(&low) {
                let code = 0x1_0000 + ((unit - 0xD800) << 10) + (low - 0xDC00);
                return Ok(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
            }
            self.at = before;
        }
        Ok(char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER))
    }
}
