//! Answers builds on standard input, one JSON object a line, as `hack/oracle/kustomize answer` does: for comparisons.
//!
//! With an argument, builds that folder of the disk instead, as Flux does, and prints the result.

use std::collections::BTreeMap;
use std::io::{BufRead as _, Write as _};

use fluxbot_kustomize::{
    Entry, Files, FilesError, Kind, LoadRestrictor, MemoryFiles, Options, Reorder, build,
};
use serde::{Deserialize, Serialize};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Case {
    run: String,
    #[serde(default)]
    reorder: String,
    #[serde(default)]
    root_only: bool,
    files: BTreeMap<String, String>,
}

#[derive(Serialize)]
struct Answer {
    expected: String,
    error: String,
}

fn answer(case: Case) -> Answer {
    let files = MemoryFiles::new(
        case.files
            .into_iter()
            .map(|(path, text)| (path, text.into_bytes())),
    );
    let options = Options {
        load_restrictor: if case.root_only {
            LoadRestrictor::RootOnly
        } else {
            LoadRestrictor::None
        },
        reorder: if case.reorder == "legacy" {
            Reorder::Legacy
        } else {
            Reorder::None
        },
        ..Options::default()
    };
    match build(&files, &case.run, &options) {
        Ok(built) => Answer {
            expected: built.to_yaml(),
            error: String::new(),
        },
        Err(error) => Answer {
            expected: String::new(),
            error: error.to_string(),
        },
    }
}

/// A folder of the disk.
struct Disk(std::path::PathBuf);

impl Disk {
    fn place(&self, path: &str) -> std::path::PathBuf {
        if path.is_empty() {
            self.0.clone()
        } else {
            self.0.join(path)
        }
    }
}

impl Files for Disk {
    fn kind(&self, path: &str) -> Result<Option<Kind>, FilesError> {
        Ok(std::fs::metadata(self.place(path)).ok().map(|found| {
            if found.is_dir() {
                Kind::Directory
            } else {
                Kind::File
            }
        }))
    }

    fn read(&self, path: &str) -> Result<Option<std::sync::Arc<[u8]>>, FilesError> {
        Ok(std::fs::read(self.place(path)).ok().map(Into::into))
    }

    fn list(&self, _: &str) -> Result<Option<Vec<Entry>>, FilesError> {
        Ok(None)
    }
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
        let built = build(&Disk("/".into()), &path, &options)?;
        out.write_all(built.to_yaml().as_bytes())?;
        return Ok(());
    }
    for line in std::io::stdin().lock().lines() {
        let case: Case = serde_json::from_str(&line?)?;
        writeln!(out, "{}", serde_json::to_string(&answer(case))?)?;
    }
    Ok(())
}
