//! Random ranges, versions, patterns, templates, numbers and lists of tags.

use super::parity::Case;

/// Pieces from which texts of each kind are put together.
const RANGE: &[&str] = &[
    "1",
    "1",
    "2",
    "0",
    "0",
    "11",
    "x",
    "X",
    "*",
    ".",
    ".",
    ".",
    ".1",
    ".2",
    ".3",
    ".0",
    ".x",
    "1.2",
    "1.2.3",
    "0.2.3",
    " ",
    " ",
    " ",
    ", ",
    ",",
    "||",
    " || ",
    " - ",
    " - ",
    "-",
    "-rc.1",
    "-0",
    "-a",
    "+b",
    "=",
    "!=",
    ">",
    "<",
    ">=",
    "=>",
    "<=",
    "=<",
    "~",
    "~>",
    "^",
    "v",
    "01",
    "18446744073709551616",
    "|",
    "\n",
    "é",
    "1.2 - 1.4",
];
const VERSION: &[&str] = &[
    "1",
    "2",
    "0",
    "10",
    "00",
    "01",
    ".",
    ".",
    ".",
    ".1",
    ".2",
    ".0",
    "1.2.3",
    "-",
    "-rc",
    "-rc.1",
    "-0",
    "-01",
    ".rc",
    "+",
    "+b",
    "v",
    "x",
    " ",
    "_",
    "9",
    "18446744073709551615",
    "18446744073709551616",
    "a",
    "A",
    "-",
    "é",
];
const FLOAT: &[&str] = &[
    "1",
    "2",
    "0",
    "0",
    "9",
    ".",
    ".",
    "e",
    "E",
    "p",
    "P",
    "+",
    "-",
    "_",
    "0x",
    "0X",
    "a",
    "f",
    "5",
    "8",
    "308",
    "324",
    "1023",
    "1074",
    "1075",
    "inf",
    "nan",
    "Infinity",
    "12345678901234567",
    "ffffffffffffff",
    "00000000",
    "e-",
    "p-",
    "p1",
    " ",
];
const REGEX: &[&str] = &[
    "a",
    "b",
    "c",
    "a",
    "b",
    "1",
    "é",
    "k",
    ".",
    ".",
    "^",
    "$",
    "|",
    "|",
    "(",
    "(",
    "(",
    ")",
    ")",
    ")",
    "(?:",
    "(?i)",
    "(?i:",
    "(?s)",
    "(?m)",
    "(?U)",
    "(?-i)",
    "(?is-mU:",
    "(?P<n>",
    "(?<m>",
    "(?P<n>",
    "*",
    "+",
    "?",
    "*?",
    "+?",
    "??",
    "{2}",
    "{1,2}",
    "{0}",
    "{,2}",
    "{2,}",
    "{1001}",
    "{0,1}?",
    "{",
    "}",
    "[",
    "]",
    "[a-c]",
    "[^a]",
    "[^a-b1]",
    "-",
    "[[:alpha:]]",
    "[[:^digit:]]",
    r"\d",
    r"\w",
    r"\s",
    r"\D",
    r"\W",
    r"\S",
    r"\b",
    r"\B",
    r"\A",
    r"\z",
    r"\pL",
    r"\PL",
    r"\p{Greek}",
    r"\p{^Lu}",
    r"\Q",
    r"\E",
    r"\.",
    r"\x41",
    r"\x{e9}",
    r"\141",
    r"\0",
    r"\1",
    r"\n",
    r"\C",
    r"\_",
    "\\",
    "&&",
    "--",
    "~~",
    "[a&&b]",
    "[[]",
    ":",
    ",",
    " ",
];
const REGEX_ATOMS: &[&str] = &[
    "^",
    "$",
    r"\b",
    r"\B",
    r"\A",
    r"\z",
    r"\d",
    r"\w",
    r"\s",
    r"\D",
    r"\W",
    r"\S",
    r"\pL",
    r"\PL",
    r"\p{Greek}",
    r"\p{^Lu}",
    r"\Qa.b\E",
    r"\x41",
    r"\x{e9}",
    r"\141",
    "(?i)",
    "(?s)",
    "(?-i)",
    "(?U)",
    "(?m)",
    "()",
    "|",
    "[[:alpha:]]",
    "[^a-b]",
];
const TEXT: &[&str] = &[
    "a", "b", "c", "1", "é", "A", "B", "K", "\n", "-", "_", " ", "α", "aa", "ab", ".",
];
const TEMPLATE: &[&str] = &[
    "$", "$", "$$", "1", "2", "0", "n", "m", "{", "}", "$1", "${1}", "$n", "${n}", "x", "_", "-", "é", " ",
    "$01", "\\",
];
const PATTERNS: &[&str] = &[
    "(?P<n>a+)-(?P<m>[0-9]*)(x)?",
    "(?P<n>a)|(?P<n>1)",
    "(.)(.)(.)",
    "",
    "(?P<1>.)(?P<01>.)?",
];
const TAGS: &[&str] = &[
    "1.0.0",
    "v1.0.0",
    "1.0.1",
    "01.0.1",
    "1.1.0-rc.1",
    "1.1.0-rc.2",
    "1.1.0",
    "2.0.0",
    "2.0.0-0",
    "latest",
    "1.0",
    "2024.01.05",
    "1",
    "2",
    "10",
    "1.5",
    "1.50",
    "1e1",
    "0x1p1",
    "nan",
    "inf",
    "-1",
    "1_0",
    "1.0.0-rc9",
    "1.0.0-rc10",
];
const ARGUMENTS: &[&str] = &[
    "*",
    "1.x",
    "^1",
    ">=0.0.0-0",
    "~1.0 || 2024.x",
    ">1 <2",
    "!=1.1.0",
    "1.0.0-rc9 - 2",
];

/// A small generator (xorshift64*), so that a seed repeats a run.
pub(super) struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let number = self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33;
        usize::try_from(number).unwrap() % limit
    }

    fn pick<'a>(&mut self, pieces: &[&'a str]) -> &'a str {
        pieces[self.below(pieces.len())]
    }

    fn text(&mut self, pieces: &[&str], most: usize) -> String {
        let length = self.below(most + 1);
        (0..length).map(|_| self.pick(pieces)).collect()
    }

    /// A case for the Go originals.
    pub fn case(&mut self) -> Case {
        let (kind, args) = match self.below(13) {
            0 => ("range", vec![self.text(RANGE, 9)]),
            1 | 2 => ("range", vec![self.range()]),
            3 => ("version", vec![self.text(VERSION, 8)]),
            4 => ("compare", vec![self.prerelease(), self.prerelease()]),
            5..=7 => {
                let pattern = if self.below(3) == 0 {
                    self.text(REGEX, 9)
                } else {
                    self.pattern(3)
                };
                let mut args = vec![pattern];
                args.extend((0..3).map(|_| self.text(TEXT, 6)));
                ("regexp", args)
            }
            8 => {
                let text = self.text(&["a", "1", "-", "x", "é"], 6);
                (
                    "expand",
                    vec![self.pick(PATTERNS).to_owned(), self.text(TEMPLATE, 7), text],
                )
            }
            9 | 10 => ("float", vec![self.text(FLOAT, 6)]),
            11 => self.filtered_selection(),
            _ => self.selection(),
        };
        Case::new(kind, args)
    }

    /// A range that mostly follows the grammar.
    fn range(&mut self) -> String {
        let mut range = String::new();
        for _ in 0..=self.below(3) {
            range.push_str(self.pick(&[
                "", "=", "!=", ">", "<", ">=", "=>", "<=", "=<", "~", "~>", "^", "> ", "^ ",
            ]));
            range.push_str(self.pick(&["0", "1", "1", "2", "11", "x", "*", "v1", "01"]));
            range.push_str(self.pick(&["", ".0", ".1", ".2", ".x", ".*"]));
            range.push_str(self.pick(&["", ".0", ".1", ".3", ".x", ".X"]));
            range.push_str(self.pick(&["", "", "", "-0", "-rc.1", "-a", "-01", "+b"]));
            range.push_str(self.pick(&[" ", ", ", ",", " || ", "||", " - ", " "]));
        }
        let end = range.trim_end_matches([' ', ',', '|', '-']).len();
        range.truncate(end);
        range
    }

    /// A pattern that mostly follows the grammar; `depth` limits how groups nest.
    fn pattern(&mut self, depth: usize) -> String {
        let mut pattern = String::new();
        for _ in 0..=self.below(4) {
            match self.below(if depth == 0 { 6 } else { 9 }) {
                0..=2 => pattern.push_str(self.pick(&["a", "b", "c", "1", "k", "é", "."])),
                3 | 4 => pattern.push_str(self.pick(REGEX_ATOMS)),
                5 => {
                    pattern.push('[');
                    pattern.push_str(self.pick(&["", "^"]));
                    pattern.push_str(&self.text(
                        &[
                            "a",
                            "b-k",
                            "1",
                            "é",
                            r"\d",
                            r"\W",
                            "[:upper:]",
                            "&&",
                            "K",
                            r"\pL",
                            "-",
                        ],
                        3,
                    ));
                    pattern.push(']');
                }
                _ => {
                    pattern
                        .push_str(self.pick(&["(", "(", "(?:", "(?P<n>", "(?i:", "(?U:", "(?s-i:", "(?mi:"]));
                    pattern.push_str(&self.pattern(depth - 1));
                    pattern.push(')');
                }
            }
            pattern.push_str(self.pick(&[
                "", "", "", "", "*", "+", "?", "*?", "+?", "{2}", "{0,2}", "{1,}?", "|", "|",
            ]));
        }
        pattern
    }

    fn prerelease(&mut self) -> String {
        format!(
            "1.0.0-{}",
            self.text(
                &[
                    "a",
                    "b",
                    "1",
                    "9",
                    "10",
                    ".1",
                    ".a",
                    "-",
                    ".18446744073709551616",
                    ".9"
                ],
                5
            )
        )
    }

    fn filtered_selection(&mut self) -> (&'static str, Vec<String>) {
        let (kind, mut args) = self.selection();
        // The original tries all orders of the values.
        args.truncate(6);
        let filter = [
            ["", "$0"],
            ["^v?(.*)$", "$1"],
            ["([0-9])", "$1"],
            ["^(?P<major>[0-9]+)\\.(?P<minor>[0-9]+)", "$major.$minor.0"],
            ["^[0-9.]+$", ""],
            ["-(?:rc|0)", "1"],
        ][self.below(6)];
        args.splice(1..1, filter.map(str::to_owned));
        args.insert(0, kind.to_owned());
        ("filtered", args)
    }

    fn selection(&mut self) -> (&'static str, Vec<String>) {
        let kind = self.pick(&["semver", "numerical", "alphabetical"]);
        let argument = if kind == "semver" {
            self.pick(ARGUMENTS)
        } else {
            self.pick(&["asc", "desc"])
        };
        let mut args = vec![argument.to_owned()];
        let count = self.below(7);
        args.extend((0..count).map(|_| self.pick(TAGS).to_owned()));
        (kind, args)
    }
}
