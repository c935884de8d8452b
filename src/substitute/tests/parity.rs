//! Golden answers of Flux's envsubst, written by `hack/oracle/envsubst`, and random texts that it answers on the spot.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use serde::{Deserialize, Serialize};

use crate::substitute::{SubstituteError, Template};

/// Texts of a run, unless `FLUXBOT_FUZZ_CASES` says otherwise.
const DEFAULT_CASES: u64 = 100_000;

/// A text with variables, and what the original makes of it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Case {
    text: String,
    #[serde(default)]
    vars: BTreeMap<String, String>,
    #[serde(default)]
    strict: bool,
    #[serde(default, skip_serializing)]
    output: Option<String>,
    #[serde(default, skip_serializing)]
    hex: Option<String>,
    #[serde(default, skip_serializing)]
    error: Option<String>,
}

impl Case {
    /// What we do otherwise.
    fn difference(&self) -> Option<String> {
        let lookup = |name: &str| {
            let value = self.vars.get(name).map(String::as_str);
            value.or_else(|| (!self.strict).then_some(""))
        };
        let ours = Template::parse(&self.text).and_then(|template| template.expand(&lookup));
        let is_same = match (&ours, &self.output, &self.hex, &self.error) {
            // The one place where the original gives up.
            (Err(SubstituteError::NegativeLength { .. }), None, None, Some(error)) => error == "panic",
            (Err(ours), None, None, Some(error)) => ours.to_string() == *error,
            (Ok(ours), Some(output), ..) => ours == output.as_bytes(),
            (Ok(ours), None, Some(hex), _) => crate::hexadecimal::hexadecimal(ours) == *hex,
            _ => false,
        };
        let ours = ours.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        (!is_same).then(|| format!("{self:?}\n  ours {ours:?}"))
    }
}

#[test]
fn every_text_becomes_what_the_original_makes_of_it() {
    let cases: Vec<Case> = include_str!("../golden/texts.jsonl")
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert!(cases.len() > 400, "{}", cases.len());
    let differences: Vec<String> = cases.iter().filter_map(Case::difference).collect();
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

/// Texts of pieces that mean something, by a generator of its own.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % bound
    }

    fn text(&mut self, pieces: &[&str], longest: usize) -> String {
        let count = self.below(longest);
        (0..count).map(|_| pieces[self.below(pieces.len())]).collect()
    }

    fn expression(&mut self, depth: usize) -> String {
        const OPERATORS: &[&str] = &[
            "", "", ",", ",,", "^", "^^", "#", "##", "%", "%%", "/", "//", "/#", "/%", ":", ":", "=", ":=",
            ":-", ":+", ":?", "-", "?", "[", ".", "::", "^,", "\u{e9}",
        ];
        const PIECES: &[&str] = &[
            "a", "b", "1", "2", "-", "*", "?", "[a-b]", "[^a]", "[", "]", "/", ":", "\\/", "\\\\", "\\", "$",
            "$$", "{", "\u{e9}", " ", "\n", "=", "#", "%",
        ];
        const NAMES: &[&str] = &["a", "b", "c", "none", "\u{e9}", "", "1", "#a", "!a", " a"];
        let mut text = format!(
            "${{{}{}",
            NAMES[self.below(NAMES.len())],
            OPERATORS[self.below(OPERATORS.len())]
        );
        for _ in 0..self.below(4) {
            if depth < 3 && self.below(3) == 0 {
                text += &self.expression(depth + 1);
            } else {
                text += &self.text(PIECES, 4);
            }
        }
        if self.below(12) > 0 {
            text.push('}');
        }
        text
    }

    fn case(&mut self) -> Case {
        const VALUES: &[&str] = &[
            "a", "b", "ab", "/", "A", "\u{e9}", "\u{df}", "1", "-1", "*", "\\", "]", "0",
        ];
        const PLAIN: &[&str] = &["x", "$", "$$", "}", "{", "\\", "\u{e9}", "\n", "$a", "#"];
        let mut text = String::new();
        for _ in 0..=self.below(3) {
            text += &self.text(PLAIN, 3);
            text += &self.expression(0);
        }
        text += &self.text(PLAIN, 3);
        let mut vars = BTreeMap::new();
        for name in ["a", "b", "c", "\u{e9}"] {
            if self.below(5) > 0 {
                vars.insert(name.to_owned(), self.text(VALUES, 6));
            }
        }
        Case {
            text,
            vars,
            strict: self.below(3) == 0,
            ..Case::default()
        }
    }
}

#[test]
#[ignore = "needs Go; CONTRIBUTING.md has the command"]
fn random_texts_become_what_the_original_makes_of_them() {
    let variable = |name: &str| {
        std::env::var(name)
            .ok()
            .map(|value| value.parse::<u64>().unwrap())
    };
    let cases = variable("FLUXBOT_FUZZ_CASES").unwrap_or(DEFAULT_CASES);
    let seed = variable("FLUXBOT_FUZZ_SEED").unwrap_or(1);
    let mut oracle = Command::new("go")
        .args(["run", ".", "answer"])
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("hack/oracle/envsubst"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut questions = oracle.stdin.take().unwrap();
    let answers = BufReader::new(oracle.stdout.take().unwrap());
    let asking = std::thread::spawn(move || {
        let mut random = Random(seed);
        for _ in 0..cases {
            writeln!(questions, "{}", serde_json::to_string(&random.case()).unwrap()).unwrap();
        }
    });
    let (mut answered, mut refused, mut differences) = (0, 0, Vec::new());
    for line in answers.lines() {
        let case: Case = serde_json::from_str(&line.unwrap()).unwrap();
        answered += 1;
        refused += u64::from(case.error.is_some());
        differences.extend(case.difference());
    }
    asking.join().unwrap();
    assert!(oracle.wait().unwrap().success());
    assert_eq!(answered, cases);
    println!("{answered} texts from seed {seed}, {refused} of them refused by the original");
    let shown: Vec<&str> = differences.iter().take(20).map(String::as_str).collect();
    assert!(
        differences.is_empty(),
        "{} differences\n{}",
        differences.len(),
        shown.join("\n")
    );
}
