//! The `fluxbot` command: see [`fluxbot`] for the data flow and `fluxbot --help` for the commands.

use std::process::ExitCode;

fn main() -> ExitCode {
    fluxbot::cli::run()
}
