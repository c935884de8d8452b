//! Random choices, strings and values.

use serde_json::{Map, Value, json};

/// Strings that mean something in YAML, to go-yaml, or to their emitters.
const PIECES: &[&str] = &[
    "",
    " ",
    "  ",
    "\n",
    "\n\n",
    "\t",
    ":",
    ": ",
    " #",
    "#",
    "-",
    "- ",
    "--",
    "---",
    "...",
    "?",
    "? ",
    "'",
    "''",
    "\"",
    "\\",
    "\\n",
    "%",
    "@",
    "`",
    "{",
    "}",
    "[",
    "]",
    ",",
    ", ",
    "&",
    "*",
    "!",
    "!!",
    "|",
    ">",
    "<",
    "=",
    "<<",
    "~",
    "$",
    "${X}",
    "a",
    "b",
    "abc",
    "word",
    "x y",
    "true",
    "True",
    "yes",
    "No",
    "on",
    "off",
    "y",
    "n",
    "null",
    "Null",
    "0",
    "1",
    "01",
    "08",
    "0x1F",
    "0b11",
    "0o17",
    "0b-1",
    "-0b1",
    "1_000",
    "_",
    "+",
    "1e3",
    "1e400",
    ".5",
    "5.",
    "-.5",
    ".",
    "1.",
    "-1",
    "+1",
    "-0",
    "0.1e-7",
    ".inf",
    "-.INF",
    ".nan",
    "12:30",
    "1:2:3",
    "12:30:45.6",
    "2024-01-02",
    "2024-1-2T3:4:5Z",
    "2024-01-02 03:04:05.6",
    "2024-01-02T03:04:05+02:00",
    "18446744073709551615",
    "9223372036854775808",
    "123456789012345678901234567890",
    "é",
    "ß",
    "日本",
    "😀",
    "\u{85}",
    "\u{2028}",
    "\u{2029}",
    "\u{a0}",
    "\u{feff}",
    "\u{7f}",
    "\u{1}",
    "\0",
    "\u{fffd}",
    "\u{d7ff}",
    "\u{e000}",
    "٣",
    "Ⅷ",
    "ͅ",
    "\r",
    "\r\n",
    "/",
    "a/b.c",
    "k8s.io",
    "(",
    ")",
    ";",
    "^",
    "0123",
    "12e03",
    "é1",
    "aVeryLongWordWithoutAnySpaces",
    "some longer text with several words in it",
    "apiVersion: v1",
    "# comment",
    "key: value # comment",
];

/// A source of choices: `SplitMix64`.
#[derive(Debug)]
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below a bound.
    pub fn below(&mut self, bound: usize) -> usize {
        let bound = u64::try_from(bound.max(1)).unwrap();
        usize::try_from(self.next() % bound).unwrap()
    }

    /// True once in so many times.
    pub fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    pub fn pick<'p, T>(&mut self, from: &'p [T]) -> &'p T {
        &from[self.below(from.len())]
    }

    pub fn text(&mut self, from: &[&'static str]) -> &'static str {
        from[self.below(from.len())]
    }

    pub fn piece(&mut self) -> &'static str {
        self.text(PIECES)
    }

    /// A string of a few pieces, seldom of many.
    pub fn string(&mut self) -> String {
        let most = *self.pick(&[1, 1, 2, 3, 5, 12, 40]);
        let spaced = self.once_in(3);
        let mut text = String::new();
        for _ in 0..=self.below(most) {
            text.push_str(self.piece());
            if spaced {
                text.push(' ');
            }
        }
        if self.once_in(20) {
            text = text.repeat(1 + self.below(12));
        }
        text
    }

    pub fn number(&mut self) -> Value {
        match self.below(6) {
            0 => json!(self.below(1000)),
            1 => json!(self.next()),
            2 => json!(i64::from_ne_bytes(self.next().to_ne_bytes())),
            3 => json!(f64::from(u32::try_from(self.next() >> 32).unwrap()) / 128.0),
            4 => {
                let exponent = i32::try_from(self.below(40)).unwrap() - 20;
                let digits = f64::from(u32::try_from(self.below(1000)).unwrap());
                let value = json!(digits * 10_f64.powi(exponent));
                // serde_json is not always right in the last digit.
                let read: Value = serde_json::from_str(&value.to_string()).unwrap();
                if read == value { value } else { json!(0.25) }
            }
            _ => json!(-1.5),
        }
    }

    /// A value of JSON that is not deeper than that.
    pub fn value(&mut self, depth: usize) -> Value {
        let kinds = if depth == 0 { 6 } else { 10 };
        match self.below(kinds) {
            0 => Value::Null,
            1 => json!(self.once_in(2)),
            2 => self.number(),
            3..=5 => Value::String(self.string()),
            6 | 7 => (0..self.below(4)).map(|_| self.value(depth - 1)).collect(),
            _ => {
                let mut fields = Map::new();
                for _ in 0..self.below(5) {
                    fields.insert(self.string(), self.value(depth - 1));
                }
                Value::Object(fields)
            }
        }
    }
}
