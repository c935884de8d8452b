//! Answers builds on standard input, one JSON object a line, as `hack/oracle/kustomize answer` does: for comparisons.
//!
//! With an argument, builds that folder of the disk instead, as Flux does, and prints the result.

use std::io::{BufRead as _, Write as _};

use fluxbot_kustomize::{LoadRestrictor, MemoryFiles, Options, Reorder, build};
use serde::Serialize;

#[path = "../src/tests/case.rs"]
mod case;
mod shared;

#[derive(Serialize)]
struct Answer {
    expected: String,
    error: String,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut out = std::io::stdout().lock();
    if let Some(folder) = std::env::args().nth(1) {
        let root = std::fs::canonicalize(folder)?;
        let path = root.to_string_lossy().trim_start_matches('/').to_owned();
        let options = Options {
            load_restrictor: LoadRestrictor::None,
            ..Options::default()
        };
        build(&shared::Disk("/".into()), &path, &options)?.write_to(&mut out)?;
        return Ok(());
    }
    for line in std::io::stdin().lock().lines() {
        let case: case::Case = serde_json::from_str(&line?)?;
        let outcome = case.outcome();
        let answer = Answer {
            error: outcome.as_ref().err().cloned().unwrap_or_default(),
            expected: outcome.unwrap_or_default(),
        };
        writeln!(out, "{}", serde_json::to_string(&answer)?)?;
    }
    Ok(())
}
