//! Values under a verb.

use super::Printer;
use crate::number::FloatSize;
use crate::value::{FloatKind, MAX_NESTING, Type, Value};

/// What `%p` prints: places in memory mean nothing to a template, and would make its result differ from run to run.
const ADDRESS: u64 = 0xc0_0000_0000;

impl Printer<'_> {
    /// An argument of a print function.
    pub(super) fn argument(&mut self, value: &Value, verb: char) {
        match verb {
            'T' => {
                let name = value.type_name();
                if matches!(value, Value::Nil) {
                    self.pad(name.as_bytes());
                } else {
                    self.plain(name.as_bytes());
                }
            }
            'v' if matches!(value, Value::Nil) => self.pad(b"<nil>"),
            'p' if !matches!(value, Value::Nil) => self.pointer(value, 'p'),
            _ => self.value(value, verb, 0, false),
        }
    }

    /// `%!verb(type=value)`
    fn bad_verb(&mut self, value: &Value, verb: char) {
        self.out.push(b"%!");
        self.out.push_char(verb);
        self.out.push(b"(");
        self.out.push_str(&value.type_name());
        if !matches!(value, Value::Nil) {
            self.out.push(b"=");
            let erroring = std::mem::replace(&mut self.erroring, true);
            self.value(value, 'v', 0, false);
            self.erroring = erroring;
        }
        self.out.push(b")");
    }

    /// A value at some depth; `boxed` when it is in an interface.
    fn value(&mut self, value: &Value, verb: char, depth: usize, boxed: bool) {
        if self.out.is_spent() {
            return;
        }
        if depth > MAX_NESTING {
            self.out.too_deep();
            return;
        }
        match value {
            Value::List(list) => self.out.step(list.len()),
            Value::Map(map) => self.out.step(map.entries().len()),
            _ => {}
        }
        if self.out.is_spent() {
            return;
        }
        // What may have methods is shown as a whole.
        let is_whole = match value {
            Value::List(list) => list.as_bytes().is_none(),
            value => matches!(value, Value::Map(_) | Value::Object(_)),
        };
        if verb == 'w' && is_whole {
            return self.bad_verb(value, verb);
        }
        match value {
            Value::Nil if depth == 0 => self.bad_verb(value, verb),
            Value::Nil if boxed && self.flags.sharp_v => self.out.push_str("interface {}(nil)"),
            Value::Nil => self.out.push_str("<nil>"),
            Value::Bool(boolean) if matches!(verb, 't' | 'v') => self.boolean(*boolean),
            Value::Int(_, number) => self.integer_verb(value, number.unsigned_abs(), *number < 0, verb),
            Value::Uint(_, number) => self.integer_verb(value, *number, false, verb),
            Value::Float(kind, number) => self.float_verb(value, *number, *kind, verb),
            Value::String(text) => self.string_verb(value, text.as_bytes(), verb),
            Value::List(list) => {
                let bytes = list.as_bytes();
                match bytes {
                    Some(bytes) if matches!(verb, 's' | 'q' | 'x' | 'X') => {
                        self.string_verb(value, &bytes, verb);
                    }
                    Some(bytes) if self.flags.sharp_v && depth == 0 && !list.is_nil() => {
                        self.out.push_str("[]byte{");
                        for (index, byte) in bytes.iter().enumerate() {
                            if index > 0 {
                                self.out.push_str(", ");
                            }
                            self.hexadecimal(u64::from(*byte), true);
                        }
                        self.out.push(b"}");
                    }
                    _ => self.sequence(value, list.items(), list.is_nil(), verb, depth),
                }
            }
            Value::Map(map) => self.map(value, map, verb, depth),
            Value::Object(object) => {
                let text =
                    (!self.erroring && !self.flags.sharp_v && matches!(verb, 'v' | 's' | 'x' | 'X' | 'q'))
                        .then(|| object.text())
                        .flatten();
                match text {
                    Some(text) => self.string_verb(value, text.as_bytes(), verb),
                    None => self.structure(value, &object.fields(), verb, depth),
                }
            }
            Value::Function(_) if verb == 'v' => self.pointer(value, verb),
            Value::Function(_) if matches!(verb, 'b' | 'o' | 'd' | 'x' | 'X') => self.pointer(value, verb),
            Value::Bool(_) | Value::Function(_) => self.bad_verb(value, verb),
        }
    }

    fn integer_verb(&mut self, value: &Value, magnitude: u64, negative: bool, verb: char) {
        let raw = if negative {
            magnitude.wrapping_neg()
        } else {
            magnitude
        };
        let is_unsigned = matches!(value, Value::Uint(..));
        match verb {
            'v' if self.flags.sharp_v && is_unsigned => self.hexadecimal(magnitude, true),
            'v' | 'd' | 'b' | 'o' | 'O' | 'x' | 'X' => self.integer(magnitude, negative, verb),
            'c' => self.character(raw),
            'q' => self.quoted_character(raw),
            'U' => self.code_point(raw),
            _ => self.bad_verb(value, verb),
        }
    }

    fn float_verb(&mut self, value: &Value, number: f64, kind: FloatKind, verb: char) {
        let size = match kind {
            FloatKind::Float32 => FloatSize::Bits32,
            FloatKind::Float64 => FloatSize::Bits64,
        };
        match verb {
            'v' => self.float(number, size, 'g', None),
            'b' | 'g' | 'G' | 'x' | 'X' => self.float(number, size, verb, None),
            'f' | 'e' | 'E' => self.float(number, size, verb, Some(6)),
            'F' => self.float(number, size, 'f', Some(6)),
            _ => self.bad_verb(value, verb),
        }
    }

    fn string_verb(&mut self, value: &Value, text: &[u8], verb: char) {
        match verb {
            'v' if self.flags.sharp_v => self.quoted(text),
            'v' | 's' => self.plain(text),
            'x' | 'X' => self.hex_bytes(text, verb),
            'q' => self.quoted(text),
            _ => self.bad_verb(value, verb),
        }
    }

    fn separator(&mut self) {
        if self.flags.sharp_v {
            self.out.push(b", ");
        } else {
            self.out.push(b" ");
        }
    }

    fn sequence(&mut self, value: &Value, items: &[Value], is_nil: bool, verb: char, depth: usize) {
        let brackets: [&[u8]; 2] = if self.flags.sharp_v {
            self.out.push_str(&value.type_name());
            if is_nil {
                return self.out.push(b"(nil)");
            }
            [b"{", b"}"]
        } else {
            [b"[", b"]"]
        };
        let boxed = matches!(value, Value::List(list) if *list.element() == Type::Any);
        self.out.push(brackets[0]);
        for (index, item) in items.iter().enumerate() {
            if self.out.is_spent() {
                return;
            }
            if index > 0 {
                self.separator();
            }
            self.value(item, verb, depth + 1, boxed);
        }
        self.out.push(brackets[1]);
    }

    fn map(&mut self, value: &Value, map: &crate::value::Map, verb: char, depth: usize) {
        if self.flags.sharp_v {
            self.out.push_str(&value.type_name());
            if map.is_nil() {
                return self.out.push(b"(nil)");
            }
            self.out.push(b"{");
        } else {
            self.out.push(b"map[");
        }
        for (index, (key, item)) in map.entries().iter().enumerate() {
            if self.out.is_spent() {
                return;
            }
            if index > 0 {
                self.separator();
            }
            self.value(key.value(), verb, depth + 1, *map.key() == Type::Any);
            self.out.push(b":");
            self.value(item, verb, depth + 1, *map.element() == Type::Any);
        }
        self.out.push(if self.flags.sharp_v { b"}" } else { b"]" });
    }

    fn structure(&mut self, value: &Value, fields: &[(&'static str, Value)], verb: char, depth: usize) {
        self.out.step(fields.len());
        let name = value.type_name();
        let is_pointer = name.starts_with('*');
        if is_pointer && depth > 0 {
            return self.pointer(value, verb);
        }
        if is_pointer {
            self.out.push(b"&");
        }
        if self.flags.sharp_v {
            self.out.push_str(name.trim_start_matches('*'));
        }
        self.out.push(b"{");
        for (index, (name, field)) in fields.iter().enumerate() {
            if index > 0 {
                self.separator();
            }
            if self.flags.plus_v || self.flags.sharp_v {
                self.out.push_str(name);
                self.out.push(b":");
            }
            self.value(field, verb, depth + 1, true);
        }
        self.out.push(b"}");
    }

    fn pointer(&mut self, value: &Value, verb: char) {
        let is_pointer = match value {
            Value::List(_) | Value::Map(_) | Value::Function(_) => true,
            Value::Object(object) => object.type_name().starts_with('*'),
            _ => false,
        };
        if !is_pointer {
            return self.bad_verb(value, verb);
        }
        let address = if value.is_nil() { 0 } else { ADDRESS };
        match verb {
            'v' if self.flags.sharp_v => {
                self.out.push_str(&format!("({})(", value.type_name()));
                self.hexadecimal(address, true);
                self.out.push(b")");
            }
            'b' | 'o' | 'd' | 'x' | 'X' => self.integer(address, false, verb),
            'v' | 'p' => {
                let prefix = !self.flags.sharp;
                self.hexadecimal(address, prefix);
            }
            _ => self.bad_verb(value, verb),
        }
    }
}
