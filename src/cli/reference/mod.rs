//! `fluxbot reference`: the generated part of docs/, the command line reference and a page for each kind.

mod commands;
mod kinds;

use std::path::PathBuf;

use clap::Args;

use super::Failure;

/// Write docs/cli.md and docs/api below a folder.
#[derive(Debug, Args)]
pub(super) struct ReferenceArgs {
    /// The folder of the documentation.
    directory: PathBuf,
}

impl ReferenceArgs {
    pub(super) fn run(self) -> Result<(), Failure> {
        let mut pages = vec![("cli.md".to_owned(), commands::page())];
        pages.push(("api/README.md".to_owned(), kinds::index()));
        for definition in fluxbot_api::crds() {
            pages.push((
                format!("api/{}", kinds::file_name(&definition)),
                kinds::page(&definition),
            ));
        }
        for (name, text) in pages {
            let path = self.directory.join(name);
            let failed = |error| Failure::failed(format!("cannot write {}: {error}", path.display()));
            if let Some(folder) = path.parent() {
                std::fs::create_dir_all(folder).map_err(failed)?;
            }
            std::fs::write(&path, text).map_err(failed)?;
        }
        Ok(())
    }
}
