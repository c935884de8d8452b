//! `fluxbot envsubst`.

use std::collections::HashMap;
use std::env;
use std::io::{self, Read as _, Write as _};

use clap::Args;

use super::Failure;
use super::output::tolerate_closed_pipe;
use crate::substitute::Template;

/// Replace the variables of a text by those of the environment, as a Kustomization's postBuild does.
///
/// Reads standard input and writes standard output. What `${name}` can do: docs/guides/substitution.md.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  kustomize build . | fluxbot envsubst --strict")]
pub(super) struct EnvsubstArgs {
    /// Fail where a variable is not set and has no default.
    #[arg(long)]
    strict: bool,
}

impl EnvsubstArgs {
    pub(super) fn run(self) -> Result<(), Failure> {
        let mut text = String::new();
        io::stdin()
            .read_to_string(&mut text)
            .map_err(|error| Failure::invalid(format!("cannot read standard input: {error}")))?;
        let text = lines(text);
        let environment: HashMap<String, String> = env::vars_os()
            .map(|(name, value)| {
                (
                    name.to_string_lossy().into_owned(),
                    value.to_string_lossy().into_owned(),
                )
            })
            .collect();
        let lookup = |name: &str| {
            let value = environment.get(name).map(String::as_str);
            value.or_else(|| (!self.strict).then_some(""))
        };
        let expanded = Template::parse(&text)
            .and_then(|template| template.expand(&lookup))
            .map_err(|error| match error.place() {
                Some(place) => Failure::failed(format!("{error} in {place}")),
                None => Failure::failed(error),
            })?;
        tolerate_closed_pipe(io::stdout().write_all(&expanded))
    }
}

/// Lines end as Flux's command ends them, the last one too.
fn lines(text: String) -> String {
    let mut text = if text.contains('\r') {
        text.replace("\r\n", "\n")
    } else {
        text
    };
    if !text.is_empty() && !text.ends_with('\n') {
        if text.ends_with('\r') {
            text.pop();
        }
        text.push('\n');
    }
    text
}
