//! What Flux's setter does to a text, answered by `hack/oracle/setters` on the libraries that it is made of.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use serde::{Deserialize, Serialize};

use super::super::{ImpossibleReason, SkipReason};
use super::random::Random;
use crate::image::{ImageRef, PolicyKey, Selections};
use crate::setters;

/// Cases of a run, unless `FLUXBOT_FUZZ_CASES` says otherwise.
const DEFAULT_CASES: u64 = 20_000;

/// Differences that are shown before the rest is cut off.
const MAX_SHOWN: usize = 20;

/// A question to the original and its answer or error.
#[derive(Debug, Serialize, Deserialize)]
struct Case {
    kind: String,
    args: Vec<String>,
    #[serde(default, skip_serializing)]
    error: Option<String>,
    #[serde(default, skip_serializing)]
    answer: Vec<Vec<String>>,
}

impl Case {
    fn new(kind: &str, args: Vec<String>) -> Self {
        Self {
            kind: kind.to_owned(),
            args,
            error: None,
            answer: Vec::new(),
        }
    }

    /// What the original sets: setter, old and new value. Nothing when it cannot read the text.
    fn expected(&self) -> Option<Vec<[String; 3]>> {
        if self.error.is_some() {
            return None;
        }
        let changes = self.answer.iter().map(|change| {
            let [setter, old, new] = change.as_slice() else {
                panic!("no change: {change:?}");
            };
            // Of a block scalar, the original writes the line end away, and ours keeps it.
            [setter.clone(), old.trim_end_matches('\n').to_owned(), new.clone()]
        });
        let mut changes: Vec<_> = changes.filter(|[_, old, new]| old != new).collect();
        changes.sort();
        Some(changes)
    }
}

/// The policies of the original's side.
fn selections() -> Selections {
    let numbered = (0..100).map(|number| format!("p{number}"));
    let names = numbered.chain(('a'..='z').map(String::from));
    names
        .map(|name| {
            let image = ImageRef::new(format!("new.example/{name}"), "v9", None).unwrap();
            (PolicyKey::new("ns", name), image)
        })
        .collect()
}

/// What differs between what we set and what the original sets.
#[derive(Debug, Default)]
struct Difference {
    /// What the original alone sets, and we report as skipped.
    reported: Vec<[String; 3]>,
    /// What the original alone sets, without a word from us.
    missed: Vec<[String; 3]>,
    /// What we alone set.
    ours: Vec<[String; 3]>,
}

/// Compares where that is possible: where the original can read the text.
fn difference(case: &Case, selections: &Selections) -> Difference {
    let mut difference = Difference::default();
    let Some(expected) = case.expected() else {
        return difference;
    };
    let edited = setters::set(case.args[0].as_bytes(), selections);
    let changes = edited.changes.iter();
    difference.ours = changes
        .map(|change| [change.marker.to_string(), change.old.clone(), change.new.clone()])
        .collect();
    for change in expected {
        if let Some(found) = difference.ours.iter().position(|ours| *ours == change) {
            difference.ours.swap_remove(found);
            continue;
        }
        let skipped = edited.skipped.iter().find(|skipped| skipped.setter == change[0]);
        match skipped.map(|skipped| &skipped.reason) {
            // A block scalar that has not exactly one line, or would have none, is left alone on purpose.
            Some(
                SkipReason::Unsafe
                | SkipReason::Impossible(ImpossibleReason::BlockLines | ImpossibleReason::EmptyValue),
            ) => {}
            Some(_) => difference.reported.push(change),
            None => difference.missed.push(change),
        }
    }
    difference
}

/// Texts with which we differ, and why.
const DIFFERENT: [(&str, &str); 3] = [
    (
        "dash comment then item",
        "the marker stands behind the dash of an empty item; the original gives it to the next one",
    ),
    (
        "a: x # {\"$imagepolicy\": \"ns:a\"}\na: y",
        "a repeated key; the original sees its first value alone",
    ),
    (
        "\"ns:gone\", \"$ref\"",
        "two forms of a marker in one, of which the first names no policy",
    ),
];

#[test]
fn what_the_original_sets_is_set_and_nothing_else() {
    let cases: Vec<Case> = serde_json::from_str(include_str!("../golden/set.json")).unwrap();
    assert!(cases.len() >= 200, "{} cases", cases.len());
    let comparable = cases.iter().filter(|case| case.error.is_none()).count();
    assert!(comparable >= 150, "{comparable} cases that the original reads");
    let selections = selections();
    for case in cases {
        let difference = difference(&case, &selections);
        let is_same =
            difference.reported.is_empty() && difference.missed.is_empty() && difference.ours.is_empty();
        let is_known = DIFFERENT.iter().any(|(text, _)| case.args[0].contains(text));
        assert_eq!(is_same, !is_known, "{:?}\n{difference:#?}", case.args[0]);
    }
}

/// Asks the original for all answers, in order.
fn ask(questions: Vec<Case>) -> Vec<Case> {
    let mut oracle = Command::new("go")
        .args(["run", ".", "answer"])
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("hack/oracle/setters"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = oracle.stdin.take().unwrap();
    let answers = BufReader::new(oracle.stdout.take().unwrap());
    let count = questions.len();
    let asking = std::thread::spawn(move || {
        for question in questions {
            writeln!(input, "{}", serde_json::to_string(&question).unwrap()).unwrap();
        }
    });
    let answered: Vec<Case> = answers
        .lines()
        .map(|line| serde_json::from_str(&line.unwrap()).unwrap())
        .collect();
    asking.join().unwrap();
    assert!(oracle.wait().unwrap().success());
    assert_eq!(answered.len(), count);
    answered
}

#[test]
#[ignore = "needs Go; CONTRIBUTING.md has the command"]
fn random_texts_are_set_as_the_original_sets_them() {
    let variable = |name: &str| {
        std::env::var(name)
            .ok()
            .map(|value| value.parse::<u64>().unwrap())
    };
    let cases = variable("FLUXBOT_FUZZ_CASES").unwrap_or(DEFAULT_CASES);
    let seed = variable("FLUXBOT_FUZZ_SEED").unwrap_or(1);
    let selections = selections();
    let mut random = Random::new(seed);
    let texts: Vec<String> = (0..cases).map(|_| random.text()).collect();
    let mut questions = Vec::new();
    let mut edits = Vec::new();
    for text in &texts {
        questions.push(Case::new("set", vec![text.clone()]));
        let edited = setters::set(text.as_bytes(), &selections);
        if let Some(content) = edited.content {
            let after = String::from_utf8(content).unwrap();
            edits.push((
                Case::new("difference", vec![text.clone(), after]),
                edited.changes.len(),
            ));
        }
    }
    let answered = ask(questions);
    let read = answered.iter().filter(|case| case.error.is_none()).count();
    let set: usize = answered.iter().map(|case| case.answer.len()).sum();
    let mut reported = 0;
    let mut differences = Vec::new();
    for case in &answered {
        let difference = difference(case, &selections);
        reported += difference.reported.len();
        if !(difference.missed.is_empty() && difference.ours.is_empty()) {
            differences.push(format!("{:?}\n{difference:?}", case.args[0]));
        }
    }
    // What we edited is read by the original too: it differs in the values that we say and in nothing else.
    let (questions, counts): (Vec<Case>, Vec<usize>) = edits.into_iter().unzip();
    for (case, count) in ask(questions).into_iter().zip(counts) {
        let is_readable = case
            .error
            .as_ref()
            .is_none_or(|error| !error.starts_with("before: "));
        if is_readable && (case.error.is_some() || case.answer.len() != count) {
            differences.push(format!(
                "{:?}\n  becomes {:?}\n  {:?} {:?}",
                case.args[0], case.args[1], case.error, case.answer
            ));
        }
    }
    println!(
        "{cases} texts from seed {seed}, of which the original reads {read} and sets {set} scalars; {reported} of them are \
         reported instead"
    );
    // Comments whose indentation fits nothing around them: the original has a rule for each, and we leave them alone.
    assert!(reported * 50 < set, "{reported} of {set}");
    let shown: Vec<&str> = differences.iter().take(MAX_SHOWN).map(String::as_str).collect();
    assert!(
        differences.is_empty(),
        "{} differences\n{}",
        differences.len(),
        shown.join("\n")
    );
}
