//! Random cases, answered by us and by the Go originals.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use super::case::Case;
use super::document;
use super::random::Random;

/// Cases of a run, unless `FLUXBOT_FUZZ_CASES` says otherwise.
const DEFAULT_CASES: u64 = 20_000;

/// Differences that are shown before the rest is cut off.
const MAX_SHOWN: usize = 20;

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// The program that answers: `FLUXBOT_YAML_ORACLE` names one that is built.
fn oracle() -> Command {
    if let Some(program) = variable("FLUXBOT_YAML_ORACLE") {
        let mut command = Command::new(program);
        command.arg("answer");
        return command;
    }
    let mut command = Command::new("go");
    command.args(["run", ".", "answer"]);
    command.current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../hack/oracle/yaml"));
    command
}

fn random_case(random: &mut Random, files: &[String], kinds: Option<&str>) -> Case {
    let written = match kinds {
        Some("write") => true,
        Some("read") => false,
        _ => random.once_in(4),
    };
    if written {
        let depth = *random.pick(&[0, 0, 1, 3]);
        let kind = random.text(&["emit", "sigs"]);
        return Case::new(kind, random.value(depth).to_string());
    }
    let kind = random.text(&["api", "api", "kustomize", "kustomize", "strict", "places"]);
    let text = match random.below(4) {
        0 => random.string(),
        1 if !files.is_empty() => document::mutated(random, files),
        _ => document::stream(random),
    };
    Case::new(kind, text)
}

#[test]
#[ignore = "needs Go; CONTRIBUTING.md has the command"]
fn random_cases_are_answered_as_the_originals_answer_them() {
    let number = |name: &str| variable(name).map(|value| value.parse::<u64>().unwrap());
    let cases = number("FLUXBOT_FUZZ_CASES").unwrap_or(DEFAULT_CASES);
    let seed = number("FLUXBOT_FUZZ_SEED").unwrap_or(1);
    let mut oracle = oracle()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut questions = oracle.stdin.take().unwrap();
    let answers = BufReader::new(oracle.stdout.take().unwrap());
    let asking = std::thread::spawn(move || {
        let files = document::files();
        let kinds = variable("FLUXBOT_FUZZ_KINDS");
        let mut random = Random::new(seed);
        for _ in 0..cases {
            let case = random_case(&mut random, &files, kinds.as_deref());
            writeln!(questions, "{}", serde_json::to_string(&case).unwrap()).unwrap();
        }
    });
    let (mut answered, mut errors) = (0, 0);
    let (mut differences, mut messages) = (Vec::new(), Vec::new());
    for line in answers.lines() {
        let case: Case = serde_json::from_str(&line.unwrap()).unwrap();
        answered += 1;
        errors += u64::from(case.error.is_some());
        differences.extend(case.difference());
        messages.extend(case.other_message());
    }
    asking.join().unwrap();
    assert!(oracle.wait().unwrap().success());
    assert_eq!(answered, cases);
    println!("{answered} cases from seed {seed}, {errors} of them refused by the originals");
    println!("{} refused with another message", messages.len());
    if variable("FLUXBOT_FUZZ_MESSAGES").is_some() {
        println!("{}", shown(&messages));
    }
    assert!(
        differences.is_empty(),
        "{} differences\n{}",
        differences.len(),
        shown(&differences)
    );
}

/// The shortest differences.
fn shown(differences: &[String]) -> String {
    let mut shown: Vec<&String> = differences.iter().collect();
    shown.sort_by_key(|difference| difference.len());
    shown.truncate(MAX_SHOWN);
    shown
        .into_iter()
        .map(String::as_str)
        .collect::<Vec<_>>()
        .join("\n")
}
