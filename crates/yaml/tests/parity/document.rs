//! Random texts: documents from a grammar, and real files with faults put into them.

use std::path::{Path, PathBuf};

use super::random::Random;

/// Where real YAML files are, from the folder of the crate.
const FOLDERS: &[&str] = &[
    "../api/tests/manifests",
    "../../deploy",
    "../../charts",
    "../../.github",
    "../../../shared/conformance/setters",
];

/// Things that are put into real files.
const INSERTED: &[&str] = &[
    " ",
    "  ",
    "\t",
    "\n",
    "\n\n",
    ":",
    ": ",
    "- ",
    "-",
    "#",
    " # c",
    "'",
    "\"",
    "[",
    "]",
    "{",
    "}",
    ",",
    "&a ",
    "*a",
    "!!str ",
    "!x ",
    "|",
    ">-",
    "|2",
    "? ",
    "<<: ",
    "---\n",
    "...\n",
    "%YAML 1.1\n",
    "\r\n",
    "@",
    "`",
    "\u{85}",
    "é",
    "{{ .x }}",
    "\\",
    "y",
    "0x1",
    "a: b\n",
    "\u{feff}",
    "*",
    "&",
    "!",
    "key:\n",
    "  - x\n",
    "~",
];

/// Real files, each at most 20 kB.
pub fn files() -> Vec<String> {
    let mut found = Vec::new();
    for folder in FOLDERS {
        collect(&Path::new(env!("CARGO_MANIFEST_DIR")).join(folder), &mut found);
    }
    found.sort();
    let texts = found.iter().filter_map(|path| std::fs::read_to_string(path).ok());
    texts.filter(|text| text.len() < 20_000).collect()
}

fn collect(folder: &Path, found: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return;
    };
    for path in entries.filter_map(Result::ok).map(|entry| entry.path()) {
        if path.is_dir() {
            collect(&path, found);
        } else if path
            .extension()
            .is_some_and(|extension| extension == "yaml" || extension == "yml")
        {
            found.push(path);
        }
    }
}

/// A part of a real file with a few faults.
pub fn mutated(random: &mut Random, files: &[String]) -> String {
    let lines: Vec<&str> = random.pick(files).split_inclusive('\n').collect();
    let from = random.below(lines.len());
    let length = 1 + random.below(40);
    let mut lines: Vec<String> = lines
        .iter()
        .skip(from)
        .take(length)
        .map(|line| (*line).to_owned())
        .collect();
    for _ in 0..random.below(4) {
        let at = random.below(lines.len());
        match random.below(6) {
            0 => drop(lines.remove(at)),
            1 => lines.insert(at, lines[random.below(lines.len())].clone()),
            2 => lines[at].insert(0, ' '),
            3 => {
                let shorter = lines[at].strip_prefix(' ').map(str::to_owned);
                lines[at] = shorter.unwrap_or_else(|| random.string());
            }
            _ => {
                let places: Vec<usize> = lines[at].char_indices().map(|(place, _)| place).collect();
                let place = places
                    .get(random.below(places.len().max(1)))
                    .copied()
                    .unwrap_or(0);
                if random.once_in(3) && place < lines[at].len() {
                    lines[at].remove(place);
                } else {
                    lines[at].insert_str(place, random.text(INSERTED));
                }
            }
        }
        if lines.is_empty() {
            break;
        }
    }
    lines.concat()
}

/// A stream of documents from a grammar.
pub fn stream(random: &mut Random) -> String {
    let mut text = String::new();
    for _ in 0..*random.pick(&[1, 1, 1, 2, 3]) {
        if random.once_in(3) || !text.is_empty() {
            text.push_str(random.text(&[
                "---\n",
                "---\n",
                "--- # c\n",
                "...\n---\n",
                "%YAML 1.1\n---\n",
                "%TAG !e! tag:e,1:\n---\n",
            ]));
        }
        let mut writer = Writer {
            random,
            text: String::new(),
        };
        writer.block(0, 3);
        text.push_str(&writer.text);
    }
    text
}

struct Writer<'r> {
    random: &'r mut Random,
    text: String,
}

impl Writer<'_> {
    /// Writes a node after which the line has ended.
    fn block(&mut self, indent: usize, depth: usize) {
        match self.random.below(if depth == 0 { 3 } else { 7 }) {
            0..=2 => {
                self.scalar(indent, false);
                self.line_end();
            }
            3 | 4 => self.mapping(indent, depth),
            5 => self.sequence(indent, depth),
            _ => {
                self.flow(depth);
                self.line_end();
            }
        }
    }

    fn mapping(&mut self, indent: usize, depth: usize) {
        for _ in 0..=self.random.below(4) {
            self.comment_line(indent);
            self.indent(indent);
            self.key();
            self.properties();
            match self.random.below(5) {
                0 => self.line_end(),
                1 => {
                    self.line_end();
                    let deeper = indent + self.random.below(4);
                    self.sequence(deeper, depth - 1);
                }
                2 => {
                    self.line_end();
                    let deeper = indent + 1 + self.random.below(3);
                    self.mapping_or_leaf(deeper, depth - 1);
                }
                _ => {
                    self.scalar(indent, false);
                    self.line_end();
                }
            }
        }
    }

    fn mapping_or_leaf(&mut self, indent: usize, depth: usize) {
        if depth == 0 {
            self.indent(indent);
            self.scalar(indent, false);
            self.line_end();
        } else {
            self.mapping(indent, depth);
        }
    }

    fn sequence(&mut self, indent: usize, depth: usize) {
        for _ in 0..=self.random.below(3) {
            self.comment_line(indent);
            self.indent(indent);
            self.text.push('-');
            self.spaces();
            self.properties();
            if depth == 0 || self.random.once_in(2) {
                self.scalar(indent, false);
                self.line_end();
            } else if self.random.once_in(2) {
                self.key();
                self.scalar(indent + 2, false);
                self.line_end();
                self.mapping(indent + 2, depth - 1);
            } else {
                self.line_end();
                self.block(indent + 2, depth - 1);
            }
        }
    }

    fn key(&mut self) {
        if self.random.once_in(15) {
            self.text.push_str("<<: ");
            return;
        }
        if self.random.once_in(20) {
            self.text.push_str("? ");
        }
        let names = [
            "a",
            "b",
            "c",
            "name",
            "y",
            "1",
            "\"q\"",
            "'s'",
            "*a ",
            "&a k",
            "é",
            "2024-01-02",
            "null",
            "1.5",
            "true",
            "<<",
        ];
        let name = self.random.text(&names);
        if self.random.once_in(4) {
            let random = format!("k{}", self.random.below(50));
            self.text.push_str(&random);
        } else {
            self.text.push_str(name);
        }
        self.text.push(':');
        self.spaces();
    }

    fn properties(&mut self) {
        if self.random.once_in(8) {
            let properties = [
                "&a ",
                "&b ",
                "!!str ",
                "!!int ",
                "!!float ",
                "!!binary ",
                "!!null ",
                "!!bool ",
                "!x ",
                "! ",
                "!!map ",
                "!e!x ",
                "&a !!str ",
                "!<tag:yaml.org,2002:int> ",
                "!!timestamp ",
            ];
            let property = self.random.text(&properties);
            self.text.push_str(property);
        }
    }

    fn scalar(&mut self, indent: usize, in_flow: bool) {
        match self.random.below(12) {
            0 => self.text.push_str("*a"),
            1 => self.text.push_str("*b"),
            2 | 3 => {
                let text = self.random.string().replace('\'', "''");
                let text = self.folded(&text, indent);
                self.text.extend(["'", &text, "'"]);
            }
            4 | 5 => {
                let text = self.random.string().replace('"', "\\\"");
                let text = self.folded(&text, indent);
                self.text.extend(["\"", &text, "\""]);
            }
            6 | 7 if !in_flow => self.literal(indent),
            8 => {
                let text = format!("{}{}", self.random.piece(), self.random.piece());
                self.text.push_str(&text);
            }
            _ => {
                let text = self.random.string();
                let text = self.folded(&text, indent);
                self.text.push_str(&text);
            }
        }
    }

    /// Puts lines of a scalar where they belong, mostly.
    fn folded(&mut self, text: &str, indent: usize) -> String {
        let shift = if self.random.once_in(10) { 0 } else { indent + 1 };
        text.replace('\n', &format!("\n{}", " ".repeat(shift)))
    }

    fn literal(&mut self, indent: usize) {
        let header = self.random.text(&[
            "|", "|-", "|+", ">", ">-", ">+", "|2", ">1-", "|-3", "| # c", "|+2",
        ]);
        self.text.push_str(header);
        self.text.push('\n');
        let deeper = indent + 1 + self.random.below(3);
        for _ in 0..self.random.below(5) {
            let extra = *self.random.pick(&[0, 0, 0, 1, 2]);
            self.indent(deeper + extra);
            let line = if self.random.once_in(5) {
                String::new()
            } else {
                self.random.string()
            };
            let line = self.folded(&line, deeper);
            self.text.push_str(&line);
            self.text.push('\n');
        }
    }

    fn flow(&mut self, depth: usize) {
        let is_map = self.random.once_in(2);
        self.text.push(if is_map { '{' } else { '[' });
        for _ in 0..self.random.below(4) {
            if is_map || self.random.once_in(6) {
                self.key();
            }
            if depth > 0 && self.random.once_in(4) {
                self.flow(depth - 1);
            } else {
                self.scalar(0, true);
            }
            let comma = self.random.text(&[",", ", ", ",\n  ", ", # c\n  "]);
            self.text.push_str(comma);
        }
        self.text.push(if is_map { '}' } else { ']' });
    }

    fn indent(&mut self, columns: usize) {
        let columns = if self.random.once_in(60) {
            columns + 1
        } else {
            columns
        };
        self.text.push_str(&" ".repeat(columns));
    }

    fn spaces(&mut self) {
        let spaces = self.random.text(&[" ", " ", " ", "  ", "\t", ""]);
        self.text.push_str(spaces);
    }

    fn comment_line(&mut self, indent: usize) {
        if self.random.once_in(10) {
            let shift = *self.random.pick(&[0, indent, indent + 2]);
            self.text.push_str(&" ".repeat(shift));
            let comment = self
                .random
                .text(&["# c\n", "#\n", "\n", "# a: b\n\n", "# one\n\t# two\n"]);
            self.text.push_str(comment);
        }
    }

    fn line_end(&mut self) {
        let end = self.random.text(&[
            "\n", "\n", "\n", "\n", " # c\n", "  \n", "\r\n", "\n\n", "\t# c\n",
        ]);
        self.text.push_str(end);
    }
}
