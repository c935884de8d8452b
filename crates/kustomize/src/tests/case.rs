//! A case of a comparison with the original: files, and how they are built. The example `answer` reads the same.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{LoadRestrictor, MemoryFiles, Options, Reorder, build};

/// What is built.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Case {
    /// The folder.
    pub(crate) run: String,
    #[serde(default)]
    pub(crate) reorder: String,
    #[serde(default)]
    pub(crate) root_only: bool,
    #[serde(default)]
    pub(crate) files: BTreeMap<String, String>,
}

impl Case {
    /// What is printed, or the error.
    pub(crate) fn outcome(&self) -> Result<String, String> {
        // Some cases begin a path with `./`.
        let files = self.files.iter().map(|(path, text)| {
            let names: Vec<&str> = path
                .split('/')
                .filter(|name| !matches!(*name, "" | "."))
                .collect();
            (names.join("/"), text.as_bytes())
        });
        let options = Options {
            load_restrictor: if self.root_only {
                LoadRestrictor::RootOnly
            } else {
                LoadRestrictor::None
            },
            reorder: if self.reorder == "legacy" {
                Reorder::Legacy
            } else {
                Reorder::None
            },
            ..Options::default()
        };
        let built =
            build(&MemoryFiles::new(files), &self.run, &options).map_err(|error| error.to_string())?;
        Ok(built.to_yaml())
    }
}
