//! Go's package fmt: `Sprint`, `Sprintln` and `Sprintf`.

mod scalar;
mod verb;

use crate::buffer::Buffer;
use crate::text::first_rune;
use crate::value::{Context, FunctionError, Value};

/// Largest width, precision and argument index.
const MAX_NUMBER: i64 = 1_000_000;

/// What stands between a `%` and its verb.
#[derive(Debug, Clone, Copy, Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "Go's flags: each is there or not, whatever the others are"
)]
struct Flags {
    width: Option<usize>,
    precision: Option<usize>,
    minus: bool,
    plus: bool,
    sharp: bool,
    space: bool,
    zero: bool,
    /// `%+v`
    plus_v: bool,
    /// `%#v`
    sharp_v: bool,
}

/// Writes values in Go's formats.
struct Printer<'b> {
    out: &'b mut Buffer,
    flags: Flags,
    /// A value with a wrong verb is shown, without its own text.
    erroring: bool,
}

impl<'b> Printer<'b> {
    fn new(out: &'b mut Buffer) -> Self {
        Self {
            out,
            flags: Flags::default(),
            erroring: false,
        }
    }
}

/// Writes values as `fmt.Fprint` does: a space between two of which none is a string.
pub(crate) fn print(out: &mut Buffer, values: &[Value]) {
    let mut printer = Printer::new(out);
    let mut after_string = true;
    for value in values {
        let is_string = matches!(value, Value::String(_));
        if !is_string && !after_string {
            printer.out.push(b" ");
        }
        printer.argument(value, 'v');
        after_string = is_string;
    }
}

/// Writes values as `fmt.Fprintln` does.
pub(crate) fn println(out: &mut Buffer, values: &[Value]) {
    let mut printer = Printer::new(out);
    for (index, value) in values.iter().enumerate() {
        if index > 0 {
            printer.out.push(b" ");
        }
        printer.argument(value, 'v');
    }
    out.push(b"\n");
}

/// One value in the format of `%v`.
pub(crate) fn display(context: &mut Context<'_>, value: &Value) -> Result<Vec<u8>, FunctionError> {
    let mut out = Buffer::new(context);
    print(&mut out, std::slice::from_ref(value));
    out.finish(context)
}

/// One value in the format of a single verb, for messages: cut where it is long.
pub(crate) fn in_message(value: &Value, verb: char) -> String {
    let mut out = Buffer::with_limit(1 << 16);
    Printer::new(&mut out).argument(value, verb);
    out.into_lossy()
}

/// Writes values as `fmt.Fprintf` does.
pub(crate) fn printf(out: &mut Buffer, format: &[u8], values: &[Value]) {
    Formatting {
        printer: Printer::new(out),
        format,
        at: 0,
        values,
        argument: 0,
        is_reordered: false,
        is_good_argument: true,
        after_index: false,
    }
    .run();
}

struct Formatting<'b, 'f> {
    printer: Printer<'b>,
    format: &'f [u8],
    at: usize,
    values: &'f [Value],
    /// The argument that is next.
    argument: usize,
    is_reordered: bool,
    is_good_argument: bool,
    /// The last item was an index such as `[3]`.
    after_index: bool,
}

impl Formatting<'_, '_> {
    fn run(&mut self) {
        while self.at < self.format.len() && !self.printer.out.is_spent() {
            self.is_good_argument = true;
            let rest = self.format.get(self.at..).unwrap_or_default();
            let length = rest.iter().position(|byte| *byte == b'%').unwrap_or(rest.len());
            self.printer.out.push(rest.get(..length).unwrap_or_default());
            self.at += length;
            if self.at >= self.format.len() {
                break;
            }
            self.at += 1;
            self.after_index = false;
            self.directive();
        }
        if !self.is_reordered && self.argument < self.values.len() {
            self.extra_arguments();
        }
    }

    fn byte(&self) -> Option<u8> {
        self.format.get(self.at).copied()
    }

    fn directive(&mut self) {
        self.read_flags();
        self.read_index();
        self.read_width();
        self.read_precision();
        if !self.after_index {
            self.read_index();
        }
        let Some(rune) = first_rune(self.format.get(self.at..).unwrap_or_default()) else {
            self.printer.out.push_str("%!(NOVERB)");
            return;
        };
        self.at += rune.width;
        let verb = rune.char;
        if verb == '%' {
            self.printer.out.push(b"%");
        } else if !self.is_good_argument {
            self.complain(verb, "(BADINDEX)");
        } else if let Some(value) = self.values.get(self.argument) {
            let flags = &mut self.printer.flags;
            if matches!(verb, 'v' | 'w') {
                flags.sharp_v = std::mem::take(&mut flags.sharp);
                flags.plus_v = std::mem::take(&mut flags.plus);
            }
            self.printer.argument(value, verb);
            self.argument += 1;
        } else {
            self.complain(verb, "(MISSING)");
        }
    }

    fn complain(&mut self, verb: char, what: &str) {
        self.printer.out.push(b"%!");
        self.printer.out.push_char(verb);
        self.printer.out.push_str(what);
    }

    fn read_flags(&mut self) {
        self.printer.flags = Flags::default();
        while let Some(byte) = self.byte() {
            let flags = &mut self.printer.flags;
            match byte {
                b'#' => flags.sharp = true,
                b'0' => flags.zero = true,
                b'+' => flags.plus = true,
                b'-' => flags.minus = true,
                b' ' => flags.space = true,
                _ => break,
            }
            self.at += 1;
        }
    }

    /// Reads an index such as `[3]`.
    fn read_index(&mut self) {
        self.after_index = false;
        if self.byte() != Some(b'[') {
            return;
        }
        self.is_reordered = true;
        let rest = self.format.get(self.at..).unwrap_or_default();
        let Some(close) = rest
            .iter()
            .position(|byte| *byte == b']')
            .filter(|_| rest.len() >= 3)
        else {
            self.at += 1;
            self.is_good_argument = false;
            return;
        };
        let digits = rest.get(1..close).unwrap_or_default();
        self.at += close + 1;
        let (number, length) = leading_number(digits);
        let is_number = number.is_some() && length == digits.len();
        let index = number
            .filter(|_| is_number)
            .and_then(|number| usize::try_from(number - 1).ok());
        if let Some(index) = index.filter(|index| *index < self.values.len()) {
            self.argument = index;
            self.after_index = true;
        } else {
            self.is_good_argument = false;
            self.after_index = is_number;
        }
    }

    fn number(&mut self) -> Option<usize> {
        let (number, length) = leading_number(self.format.get(self.at..).unwrap_or_default());
        self.at += length;
        number.and_then(|number| usize::try_from(number).ok())
    }

    /// The number of a `*`.
    fn star(&mut self) -> Option<i64> {
        let value = self.values.get(self.argument)?;
        self.argument += 1;
        let number = match value {
            Value::Int(_, number) => *number,
            Value::Uint(_, number) => i64::try_from(*number).ok()?,
            _ => return None,
        };
        (-MAX_NUMBER..=MAX_NUMBER).contains(&number).then_some(number)
    }

    fn read_width(&mut self) {
        if self.byte() != Some(b'*') {
            self.printer.flags.width = self.number();
            if self.after_index && self.printer.flags.width.is_some() {
                self.is_good_argument = false;
            }
            return;
        }
        self.at += 1;
        self.after_index = false;
        match self.star() {
            None => self.printer.out.push_str("%!(BADWIDTH)"),
            Some(width) => {
                if width < 0 {
                    self.printer.flags.minus = true;
                    self.printer.flags.zero = false;
                }
                self.printer.flags.width = usize::try_from(width.abs()).ok();
            }
        }
    }

    fn read_precision(&mut self) {
        if self.byte() != Some(b'.') || self.at + 1 >= self.format.len() {
            return;
        }
        self.at += 1;
        if self.after_index {
            self.is_good_argument = false;
        }
        self.read_index();
        if self.byte() != Some(b'*') {
            self.printer.flags.precision = Some(self.number().unwrap_or_default());
            return;
        }
        self.at += 1;
        self.after_index = false;
        self.printer.flags.precision = self.star().and_then(|number| usize::try_from(number).ok());
        if self.printer.flags.precision.is_none() {
            self.printer.out.push_str("%!(BADPREC)");
        }
    }

    fn extra_arguments(&mut self) {
        self.printer.flags = Flags::default();
        self.printer.out.push_str("%!(EXTRA ");
        for (index, value) in self.values.iter().skip(self.argument).enumerate() {
            if index > 0 {
                self.printer.out.push_str(", ");
            }
            self.printer.out.push_str(&value.type_name());
            if !matches!(value, Value::Nil) {
                self.printer.out.push(b"=");
                self.printer.argument(value, 'v');
            }
        }
        self.printer.out.push(b")");
    }
}

/// A decimal number and its length; one that is too large swallows the rest.
fn leading_number(bytes: &[u8]) -> (Option<i64>, usize) {
    let mut number = None;
    for (index, byte) in bytes.iter().enumerate() {
        if !byte.is_ascii_digit() {
            return (number, index);
        }
        let value = number.unwrap_or_default();
        if value > MAX_NUMBER {
            return (None, bytes.len());
        }
        number = Some(value * 10 + i64::from(byte - b'0'));
    }
    (number, bytes.len())
}
