//! docs/cli.md, made from the commands' own help.

use std::fmt::Write as _;

use clap::{Command, CommandFactory as _};

use crate::cli::Cli;

/// The page.
pub(super) fn page() -> String {
    let mut command = Cli::command();
    command.build();
    let mut text = String::from(
        "# Command line reference\n\
         Made from the commands' own help by `make generate`; do not edit.\n\n\
         Results go to standard output, everything else to standard error. Exit codes: 0 done, 1 failed or \"no\" \
         (nothing selected, lint found something), 2 wrong usage or invalid input.\n",
    );
    describe(&command, "fluxbot", &mut text);
    text
}

fn describe(command: &Command, path: &str, text: &mut String) {
    for sub in command.get_subcommands().filter(|sub| !sub.is_hide_set()) {
        let path = format!("{path} {}", sub.get_name());
        let is_leaf = sub.get_subcommands().all(Command::is_hide_set);
        if is_leaf {
            // The width is fixed, so that the reference does not depend on a terminal.
            let help = sub.clone().term_width(100).render_long_help().to_string();
            let lines: Vec<&str> = help.trim_end().lines().map(str::trim_end).collect();
            // Writing to a String cannot fail.
            let _ = write!(text, "\n## {path}\n```text\n{}\n```\n", lines.join("\n"));
        }
        describe(sub, &path, text);
    }
}
