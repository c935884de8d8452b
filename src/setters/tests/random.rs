//! Random YAML with markers and comments in all places.

const VALUES: [&str; 16] = [
    "old",
    "\"old\"",
    "'old'",
    "old:v1",
    "a b",
    "~",
    "&N old",
    "!!str old",
    "!!str \"old\"",
    "|",
    ">-",
    "[a, b]",
    "{a: b}",
    "",
    "\"a\\\nI b\"",
    "old\nI more",
];

/// A source of texts that a seed decides.
pub(super) struct Random {
    state: u64,
    /// Anchors and markers are numbered.
    next: usize,
}

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            state: seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1,
            next: 0,
        }
    }

    fn below(&mut self, limit: usize) -> usize {
        // xorshift64*
        self.state ^= self.state >> 12;
        self.state ^= self.state << 25;
        self.state ^= self.state >> 27;
        let value = self.state.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33;
        usize::try_from(value).unwrap() % limit
    }

    fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    fn number(&mut self) -> usize {
        self.next += 1;
        self.next % 100
    }

    /// A whole text.
    pub(super) fn text(&mut self) -> String {
        let mut lines = Vec::new();
        self.next = 0;
        for document in 0..=self.below(3) {
            if document > 0 {
                lines.push(["---", "--- # c", "...\n---"][self.below(3)].to_owned());
            }
            lines.push("kind: Foo # \"$imagepolicy\"".to_owned());
            self.mapping(0, 3, &mut lines);
            self.noise(0, &mut lines);
        }
        let text = format!("{}\n", lines.join("\n"));
        match self.below(20) {
            0 => text.replace('\n', "\r\n"),
            1 => format!("\u{feff}{text}"),
            2 => text.trim_end().to_owned(),
            _ => text,
        }
    }

    fn comment(&mut self) -> String {
        let number = self.number();
        match self.below(8) {
            0 => format!("# c{number}"),
            1 => format!("#{{\"$imagepolicy\":\"ns:p{number}:tag\"}}"),
            2 => format!("## {{\"$imagepolicy\": \"ns:p{number}:name\"}}"),
            3 => format!("# {{\"$imagepolicy\": \"ns:p{number}\"}} x"),
            _ => format!("# {{\"$imagepolicy\": \"ns:p{number}\"}}"),
        }
    }

    /// A comment behind something, or nothing.
    fn behind(&mut self, percent: usize) -> String {
        if !self.chance(percent) {
            return String::new();
        }
        let space = [" ", " ", " ", "   ", "\t"][self.below(5)];
        format!("{space}{}", self.comment())
    }

    fn value(&mut self, indent: usize) -> String {
        let limit = if self.chance(70) { 9 } else { VALUES.len() };
        let value = VALUES[self.below(limit)].replace('N', &format!("n{}", self.number()));
        // What continues a value stands deeper than its key.
        let value = value.replace('I', &" ".repeat(indent + 6));
        let comment = if value.ends_with(['"', '\'']) && self.chance(5) {
            self.comment()
        } else {
            self.behind(45)
        };
        match value.as_str() {
            "|" | ">-" => format!("{value}{comment}\n{}old", " ".repeat(indent + 3)),
            _ => format!("{value}{comment}"),
        }
    }

    /// Blank lines and comments on lines of their own.
    fn noise(&mut self, indent: usize, lines: &mut Vec<String>) {
        while self.chance(35) {
            let comment = self.comment();
            let depth = match self.below(6) {
                0 => indent + 1,
                1 => indent + 2,
                2 => indent.saturating_sub(1),
                3 => {
                    lines.push(String::new());
                    continue;
                }
                _ => indent,
            };
            lines.push(format!("{}{comment}", " ".repeat(depth)));
        }
    }

    fn mapping(&mut self, indent: usize, depth: usize, lines: &mut Vec<String>) {
        for key in 0..=self.below(3) {
            self.noise(indent, lines);
            self.entry(indent, depth, lines, &format!("{}k{key}:", " ".repeat(indent)));
        }
    }

    fn entry(&mut self, indent: usize, depth: usize, lines: &mut Vec<String>, start: &str) {
        let kind = if depth == 0 {
            60 + self.below(40)
        } else {
            self.below(100)
        };
        match kind {
            0..20 => {
                lines.push(format!("{start}{}", self.behind(15)));
                self.mapping(indent + 2, depth - 1, lines);
            }
            20..45 => {
                lines.push(format!("{start}{}", self.behind(15)));
                let deeper = 2 * self.below(2);
                self.sequence(indent + deeper, depth - 1, lines);
            }
            45..55 => self.flow(indent, lines, start),
            55..62 => {
                lines.push(format!("{start}{}", self.behind(15)));
                self.noise(indent + 2, lines);
                lines.push(format!("{}{}", " ".repeat(indent + 2), self.value(indent)));
            }
            _ => lines.push(format!("{start} {}", self.value(indent)).trim_end().to_owned()),
        }
    }

    fn sequence(&mut self, indent: usize, depth: usize, lines: &mut Vec<String>) {
        let dash = format!("{}-", " ".repeat(indent));
        for _ in 0..=self.below(3) {
            self.noise(indent, lines);
            match self.below(100) {
                0..65 => lines.push(format!("{dash} {}", self.value(indent)).trim_end().to_owned()),
                65..75 => lines.push(format!("{dash} a: {}", self.value(indent + 2))),
                75..83 => lines.push(
                    format!("{dash} - {}", self.value(indent + 2))
                        .trim_end()
                        .to_owned(),
                ),
                83..93 => {
                    lines.push(format!("{dash}{}", self.behind(50)));
                    self.noise(indent + 2, lines);
                    lines.push(format!("{}{}", " ".repeat(indent + 2), self.value(indent)));
                }
                _ => {
                    lines.push(format!("{dash} k:"));
                    self.mapping(indent + 4, depth.min(1), lines);
                }
            }
        }
    }

    fn flow(&mut self, indent: usize, lines: &mut Vec<String>, start: &str) {
        let is_mapping = self.chance(50);
        let (open, close) = if is_mapping { ('{', '}') } else { ('[', ']') };
        lines.push(format!("{start} {open}{}", self.behind(20)));
        let count = 1 + self.below(3);
        for item in 0..count {
            self.noise(indent + 2, lines);
            let key = if is_mapping {
                format!("k{item}: ")
            } else {
                String::new()
            };
            let value = ["old", "\"old\"", "{x: y}", "[z]"][self.below(4)];
            let comma = if item + 1 < count || self.chance(30) {
                ","
            } else {
                ""
            };
            lines.push(format!(
                "{}{key}{value}{comma}{}",
                " ".repeat(indent + 2),
                self.behind(50)
            ));
        }
        self.noise(indent + 2, lines);
        lines.push(format!("{}{close}{}", " ".repeat(indent + 1), self.behind(30)));
    }
}
