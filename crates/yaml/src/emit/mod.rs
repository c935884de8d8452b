//! Writes a value as `sigs.k8s.io/yaml` does: the emitter of go-yaml v2 on what JSON can hold.

mod order;
mod scalar;
mod source;

use crate::resolve;
use scalar::{Analysis, Style};
use source::{Shape, Source};

/// The width after which long scalars are folded, in characters.
const WIDTH: usize = 80;

/// How far a collection stands inside of another, in columns.
const INDENT: usize = 2;

/// The longest key in bytes that stands on one line with its value.
const MAX_SIMPLE_KEY: usize = 128;

/// What indentation is made of.
const SPACES: &str = "                                ";

/// Writes a value as one YAML document that ends with a line break: keys sorted, strings quoted where they must be, long
/// lines folded, all byte for byte as `sigs.k8s.io/yaml.Marshal` has it.
#[must_use]
pub fn to_string(value: &serde_json::Value) -> String {
    let mut out = String::new();
    write(value, &mut out);
    out
}

/// Writes a value after what `out` holds, which must be nothing or end with a line break. See [`to_string`].
pub fn write_to(value: &crate::Value, out: &mut String) {
    write(value, out);
}

fn write<S: Source>(value: &S, out: &mut String) {
    let mut emitter = Emitter {
        out: std::mem::take(out),
        column: 0,
        whitespace: true,
        indention: true,
    };
    emitter.node(value, None, false);
    emitter.write_indent(None);
    *out = emitter.out;
}

/// Writes characters and knows where it stands.
struct Emitter {
    out: String,
    /// The column of the next character.
    column: usize,
    /// Whether the last character was a space or a break.
    whitespace: bool,
    /// Whether nothing but spaces and indicators stand on the line.
    indention: bool,
}

/// The indentation one level deeper. `None` is outside of everything.
fn deeper(indent: Option<usize>) -> usize {
    indent.map_or(0, |indent| indent + INDENT)
}

impl Emitter {
    fn node<S: Source>(&mut self, value: &S, indent: Option<usize>, in_mapping: bool) {
        match value.shape() {
            Shape::Word(word) => self.plain_word(&word, indent),
            Shape::Text(text) => self.scalar(text, indent, false),
            Shape::List([]) => self.indicator("[]", true, false, false),
            Shape::List(items) => {
                // A list in a map stands at the column of its key.
                let inner = match indent {
                    Some(indent) if in_mapping && !self.indention => indent,
                    _ => deeper(indent),
                };
                for item in items {
                    self.write_indent(Some(inner));
                    self.indicator("-", true, false, true);
                    self.node(item, Some(inner), false);
                }
            }
            Shape::Map(fields) if fields.is_empty() => self.indicator("{}", true, false, false),
            Shape::Map(fields) => {
                let inner = deeper(indent);
                for (key, value) in order::sorted(fields) {
                    self.field(key, value, inner);
                }
            }
        }
    }

    fn field<S: Source>(&mut self, key: &str, value: &S, indent: usize) {
        self.write_indent(Some(indent));
        let is_simple = key.len() <= MAX_SIMPLE_KEY && (scalar::is_word(key) || !Analysis::of(key).multiline);
        if is_simple {
            self.scalar(key, Some(indent), true);
            self.indicator(":", false, false, false);
        } else {
            self.indicator("?", true, false, true);
            self.scalar(key, Some(indent), false);
            self.write_indent(Some(indent));
            self.indicator(":", true, false, true);
        }
        self.node(value, Some(indent), true);
    }

    fn plain_word(&mut self, word: &str, indent: Option<usize>) {
        self.plain(word, scalar_indent(indent), false);
    }

    fn scalar(&mut self, text: &str, indent: Option<usize>, simple_key: bool) {
        if scalar::is_word(text) && !resolve::needs_quotes(text) {
            if !self.whitespace {
                self.put(' ');
            }
            self.out.push_str(text);
            self.column += text.len();
            self.whitespace = false;
            self.indention = false;
            return;
        }
        let indent = scalar_indent(indent);
        match scalar::style(text, Analysis::of(text), simple_key) {
            Style::Plain => self.plain(text, indent, !simple_key),
            Style::SingleQuoted => self.single_quoted(text, indent, !simple_key),
            Style::DoubleQuoted => self.double_quoted(text, indent, !simple_key),
            Style::Literal => self.literal(text, indent),
        }
    }

    fn put(&mut self, character: char) {
        self.out.push(character);
        self.column += 1;
    }

    fn put_break(&mut self) {
        self.out.push('\n');
        self.column = 0;
    }

    /// Writes a line break of a scalar; go-yaml keeps the unusual ones.
    fn write_break(&mut self, character: char) {
        self.out.push(character);
        self.column = 0;
    }

    fn write_indent(&mut self, indent: Option<usize>) {
        let indent = indent.unwrap_or(0);
        if !self.indention || self.column > indent || (self.column == indent && !self.whitespace) {
            self.put_break();
        }
        if self.column < indent {
            let mut missing = indent - self.column;
            while let Some(more) = missing.checked_sub(SPACES.len()) {
                self.out.push_str(SPACES);
                missing = more;
            }
            self.out.push_str(SPACES.get(..missing).unwrap_or_default());
            self.column = indent;
        }
        self.whitespace = true;
        self.indention = true;
    }

    fn indicator(&mut self, text: &str, needs_space: bool, is_space: bool, is_indention: bool) {
        if needs_space && !self.whitespace {
            self.put(' ');
        }
        self.out.push_str(text);
        self.column += text.len();
        self.whitespace = is_space;
        self.indention = self.indention && is_indention;
    }
}

/// The indentation of the lines of a scalar.
fn scalar_indent(indent: Option<usize>) -> usize {
    indent.map_or(INDENT, |indent| indent + INDENT)
}
