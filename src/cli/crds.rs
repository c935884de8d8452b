//! `fluxbot crds`.

use std::io::{self, Write as _};

use clap::Args;

use super::Failure;
use super::output::tolerate_closed_pipe;

/// What Flux's own installation puts on its definitions; the flux command line looks for the first one.
const LABELS: [(&str, &str); 3] = [
    ("app.kubernetes.io/part-of", "flux"),
    ("app.kubernetes.io/instance", "flux-system"),
    (
        "app.kubernetes.io/version",
        concat!("v", env!("CARGO_PKG_VERSION")),
    ),
];

/// Print the custom resource definitions, generated from the types.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  fluxbot crds | kubectl apply --server-side -f -")]
pub(super) struct CrdsArgs {
    /// Write one file for each definition into this folder instead of printing them.
    #[arg(long, value_name = "DIR")]
    directory: Option<std::path::PathBuf>,
}

impl CrdsArgs {
    pub(super) fn run(self) -> Result<(), Failure> {
        let mut documents = Vec::new();
        for mut crd in fluxbot_api::crds() {
            let labels = LABELS.map(|(key, value)| (key.to_owned(), value.to_owned()));
            crd.metadata.labels = Some(labels.into());
            let text = yaml_serde::to_string(&crd)
                .map_err(|error| Failure::failed(format!("cannot print a definition: {error}")))?;
            documents.push((fluxbot_api::crd_file_name(&crd), format!("---\n{text}")));
        }
        let Some(directory) = self.directory else {
            let all: String = documents.into_iter().map(|(_, text)| text).collect();
            return tolerate_closed_pipe(io::stdout().write_all(all.as_bytes()));
        };
        for (name, text) in documents {
            let path = directory.join(name);
            std::fs::write(&path, text)
                .map_err(|error| Failure::failed(format!("cannot write {}: {error}", path.display())))?;
        }
        Ok(())
    }
}
