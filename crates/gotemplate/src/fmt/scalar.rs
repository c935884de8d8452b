//! Numbers, strings and booleans under the flags of a directive.

use super::Printer;
use crate::number::{FloatSize, format_float};
use crate::quote::{Charset, can_backquote, quote, quote_char};
use crate::text::runes;
use crate::unicode::is_print;

impl Printer<'_> {
    /// Writes text within the width. Only numbers may be filled with zeros by the caller's wish.
    pub(super) fn pad(&mut self, text: &[u8]) {
        let missing = self
            .flags
            .width
            .map_or(0, |width| width.saturating_sub(runes(text).count()));
        if self.flags.minus {
            self.out.push(text);
            self.out.fill(b' ', missing);
        } else {
            let filler = if self.flags.zero { b'0' } else { b' ' };
            self.out.fill(filler, missing);
            self.out.push(text);
        }
    }

    fn pad_with_spaces(&mut self, text: &[u8]) {
        let zero = std::mem::take(&mut self.flags.zero);
        self.pad(text);
        self.flags.zero = zero;
    }

    pub(super) fn boolean(&mut self, value: bool) {
        self.pad(if value { b"true" } else { b"false" });
    }

    /// `%U`
    pub(super) fn code_point(&mut self, number: u64) {
        let digits = self.flags.precision.unwrap_or(4).max(4);
        let shown = char_of(number).filter(|c| self.flags.sharp && is_print(*c));
        let shown = shown.map(|c| format!(" '{c}'")).unwrap_or_default();
        // A width of `format!` must fit 16 bits.
        let number = format!("{number:X}");
        let text = format!(
            "U+{}{number}{shown}",
            "0".repeat(digits.saturating_sub(number.len()))
        );
        self.pad_with_spaces(text.as_bytes());
    }

    /// `%d`, `%b`, `%o`, `%O`, `%x`, `%X` and `%v`.
    pub(super) fn integer(&mut self, magnitude: u64, negative: bool, verb: char) {
        let flags = self.flags;
        if flags.precision == Some(0) && magnitude == 0 {
            self.out.fill(b' ', flags.width.unwrap_or_default());
            return;
        }
        let signed = negative || flags.plus || flags.space;
        let zeros = match (flags.precision, flags.width) {
            (Some(precision), _) => precision,
            (None, Some(width)) if flags.zero && !flags.minus => width - usize::from(signed && width > 0),
            _ => 0,
        };
        let mut digits = match verb {
            'b' => format!("{magnitude:b}"),
            'o' | 'O' => format!("{magnitude:o}"),
            'x' => format!("{magnitude:x}"),
            'X' => format!("{magnitude:X}"),
            _ => magnitude.to_string(),
        };
        let missing = zeros.saturating_sub(digits.len());
        digits.insert_str(0, &"0".repeat(missing));
        let prefix = match verb {
            'b' if flags.sharp => "0b",
            'o' | 'O' if flags.sharp && !digits.starts_with('0') => "0",
            'x' if flags.sharp => "0x",
            'X' if flags.sharp => "0X",
            _ => "",
        };
        let octal = if verb == 'O' { "0o" } else { "" };
        let sign = match (negative, flags.plus, flags.space) {
            (true, ..) => "-",
            (_, true, _) => "+",
            (_, _, true) => " ",
            _ => "",
        };
        self.pad_with_spaces(format!("{sign}{octal}{prefix}{digits}").as_bytes());
    }

    /// An unsigned number with or without `0x`.
    pub(super) fn hexadecimal(&mut self, number: u64, prefix: bool) {
        let sharp = std::mem::replace(&mut self.flags.sharp, prefix);
        self.integer(number, false, 'x');
        self.flags.sharp = sharp;
    }

    /// `%c`
    pub(super) fn character(&mut self, number: u64) {
        let c = char_of(number).unwrap_or(char::REPLACEMENT_CHARACTER);
        self.pad(c.encode_utf8(&mut [0; 4]).as_bytes());
    }

    /// `%q` of an integer.
    pub(super) fn quoted_character(&mut self, number: u64) {
        let c = char_of(number).unwrap_or(char::REPLACEMENT_CHARACTER);
        let charset = self.charset();
        self.pad(&quote_char(c, charset));
    }

    const fn charset(&self) -> Charset {
        if self.flags.plus {
            Charset::Ascii
        } else {
            Charset::Printable
        }
    }

    /// The bytes that the precision leaves: so many characters.
    fn truncated<'s>(&self, text: &'s [u8]) -> &'s [u8] {
        let Some(precision) = self.flags.precision else {
            return text;
        };
        let length = runes(text).take(precision).map(|rune| rune.width).sum();
        text.get(..length).unwrap_or(text)
    }

    /// `%s`
    pub(super) fn plain(&mut self, text: &[u8]) {
        self.pad(self.truncated(text));
    }

    /// `%q` of a string.
    pub(super) fn quoted(&mut self, text: &[u8]) {
        let text = self.truncated(text);
        if self.flags.sharp && can_backquote(text) {
            self.pad(&[b"`", text, b"`"].concat());
        } else {
            let charset = self.charset();
            self.pad(&quote(text, charset));
        }
    }

    /// `%x` and `%X` of a string.
    pub(super) fn hex_bytes(&mut self, text: &[u8], verb: char) {
        let flags = self.flags;
        let length = flags
            .precision
            .map_or(text.len(), |precision| precision.min(text.len()));
        if length == 0 {
            self.fill_beside(flags.width.unwrap_or_default());
            return;
        }
        let prefix = match (flags.sharp, verb) {
            (true, 'x') => "0x",
            (true, _) => "0X",
            _ => "",
        };
        let separator = if flags.space { " " } else { "" };
        let each = prefix.len() * usize::from(flags.space) + separator.len() + 2;
        let width = length * each - separator.len() + prefix.len() * usize::from(!flags.space);
        let missing = flags.width.map_or(0, |wanted| wanted.saturating_sub(width));
        if !flags.minus {
            self.fill_beside(missing);
        }
        self.out.push_str(prefix);
        for (index, byte) in text.iter().take(length).enumerate() {
            if index > 0 && flags.space {
                self.out.push_str(separator);
                self.out.push_str(prefix);
            }
            let digits = if verb == 'x' {
                format!("{byte:02x}")
            } else {
                format!("{byte:02X}")
            };
            self.out.push_str(&digits);
        }
        if flags.minus {
            self.fill_beside(missing);
        }
    }

    fn fill_beside(&mut self, count: usize) {
        let filler = if self.flags.zero && !self.flags.minus {
            b'0'
        } else {
            b' '
        };
        self.out.fill(filler, count);
    }

    /// Floating point numbers; `verb` and `precision` are those of `strconv.FormatFloat`.
    pub(super) fn float(&mut self, value: f64, size: FloatSize, verb: char, precision: Option<usize>) {
        let flags = self.flags;
        let precision = flags.precision.or(precision);
        let mut number = format_float(value, verb, precision, size);
        if !number.starts_with(['-', '+']) {
            number.insert(0, '+');
        }
        if flags.space && number.starts_with('+') && !flags.plus {
            number.replace_range(..1, " ");
        }
        if matches!(number.as_bytes().get(1), Some(b'I' | b'N')) {
            let is_bare = number.contains('N') && !flags.space && !flags.plus;
            let shown = number.get(usize::from(is_bare)..).unwrap_or_default();
            self.pad_with_spaces(shown.as_bytes());
            return;
        }
        if flags.sharp && verb != 'b' {
            number = with_point(&number, verb, precision);
        }
        if !flags.plus && number.starts_with('+') {
            self.pad(number.get(1..).unwrap_or_default().as_bytes());
            return;
        }
        let missing = flags.width.map_or(0, |width| width.saturating_sub(number.len()));
        if flags.zero && !flags.minus && missing > 0 {
            self.out.push_str(number.get(..1).unwrap_or_default());
            self.out.fill(b'0', missing);
            self.out.push_str(number.get(1..).unwrap_or_default());
        } else {
            self.pad(number.as_bytes());
        }
    }
}

/// The `#` flag: a decimal point always, and the zeros that `%g` leaves out.
fn with_point(number: &str, verb: char, precision: Option<usize>) -> String {
    let mut digits = match verb {
        'v' | 'g' | 'G' | 'x' => {
            precision.map_or(6, |precision| i64::try_from(precision).unwrap_or(i64::MAX))
        }
        _ => 0,
    };
    let exponent: &[char] = if matches!(verb, 'x' | 'X') {
        &['p', 'P']
    } else {
        &['e', 'E', 'p', 'P']
    };
    let (body, tail) = number.split_at(number.find(exponent).unwrap_or(number.len()));
    let mut has_point = false;
    let mut saw_nonzero = false;
    for c in body.chars().skip(1) {
        if c == '.' {
            has_point = true;
        } else {
            saw_nonzero |= c != '0';
            digits -= i64::from(saw_nonzero);
        }
    }
    let mut text = body.to_owned();
    if !has_point {
        if body.len() == 2 && body.ends_with('0') {
            digits -= 1;
        }
        text.push('.');
    }
    text.extend(std::iter::repeat_n(
        '0',
        usize::try_from(digits).unwrap_or_default(),
    ));
    text + tail
}

fn char_of(number: u64) -> Option<char> {
    u32::try_from(number).ok().and_then(char::from_u32)
}
