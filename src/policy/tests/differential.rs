//! Random cases, answered by us and by the Go originals.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use super::parity::Case;
use super::random::Random;

/// Cases of a run, unless `FLUXBOT_FUZZ_CASES` says otherwise.
const DEFAULT_CASES: u64 = 20_000;

/// Differences that are shown before the rest is cut off.
const MAX_SHOWN: usize = 20;

#[test]
#[ignore = "needs Go; CONTRIBUTING.md has the command"]
fn random_cases_are_answered_as_the_originals_answer_them() {
    let variable = |name: &str| {
        std::env::var(name)
            .ok()
            .map(|value| value.parse::<u64>().unwrap())
    };
    let cases = variable("FLUXBOT_FUZZ_CASES").unwrap_or(DEFAULT_CASES);
    let seed = variable("FLUXBOT_FUZZ_SEED").unwrap_or(1);
    let mut oracle = Command::new("go")
        .args(["run", ".", "answer"])
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("hack/oracle/policy"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut questions = oracle.stdin.take().unwrap();
    let answers = BufReader::new(oracle.stdout.take().unwrap());
    let asking = std::thread::spawn(move || {
        let mut random = Random::new(seed);
        for _ in 0..cases {
            writeln!(questions, "{}", serde_json::to_string(&random.case()).unwrap()).unwrap();
        }
    });
    let (mut answered, mut errors, mut differences) = (0, 0, Vec::new());
    for line in answers.lines() {
        let case: Case = serde_json::from_str(&line.unwrap()).unwrap();
        answered += 1;
        errors += u64::from(case.error.is_some());
        differences.extend(case.difference());
    }
    asking.join().unwrap();
    assert!(oracle.wait().unwrap().success());
    assert_eq!(answered, cases);
    println!("{answered} cases from seed {seed}, {errors} of them refused by the originals");
    let shown = differences
        .iter()
        .take(MAX_SHOWN)
        .map(String::as_str)
        .collect::<Vec<_>>()
        .join("\n");
    assert!(
        differences.is_empty(),
        "{} differences\n{shown}",
        differences.len()
    );
}
