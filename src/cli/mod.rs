//! The command line: arguments in, text and exit codes out.
//!
//! Results go to standard output, everything else to standard error. Exit codes: 0 done, 1 failed or "no", 2 wrong usage
//! or invalid input.

mod build;
mod controller;
mod crds;
mod demo;
mod envsubst;
mod markers;
mod output;
mod policy;
mod reference;
mod scan;
mod set;
mod update;

use std::fmt;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::telemetry::Encoding;

/// Keeps Kubernetes clusters on the newest images that their teams allow, through Git.
#[derive(Debug, Parser)]
#[command(
    name = "fluxbot",
    version,
    propagate_version = true,
    after_help = "Examples:
  fluxbot update             # what would change in this repository
  fluxbot markers --lint     # which markers can never work"
)]
struct Cli {
    /// What is logged to standard error: error, warn, info, debug or trace, also per module (`fluxbot::scanner=debug`)
    /// [default: warn; info for `controller`].
    #[arg(
        long,
        global = true,
        env = "FLUXBOT_LOG",
        hide_env_values = true,
        value_name = "LEVEL"
    )]
    log_level: Option<String>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Try a policy on a list of tags.
    #[command(
        subcommand,
        after_help = "Example:\n  printf '1.0.0\\n1.0.1\\n' | fluxbot policy select --semver 1.0.x"
    )]
    Policy(policy::PolicyCommand),
    /// Rewrite the marked values of a folder's YAML files to what the policies selected.
    Set(set::SetArgs),
    /// List the markers of a folder's YAML files, or check them.
    Markers(markers::MarkersArgs),
    /// Ask registries for an image's tags.
    Scan(scan::ScanArgs),
    /// Scan, select, set, commit and push without a cluster.
    Update(update::UpdateArgs),
    /// Build a kustomization and print its objects.
    Build(Box<build::BuildArgs>),
    /// Replace the variables of a text by those of the environment.
    Envsubst(envsubst::EnvsubstArgs),
    /// Reconcile the objects of a cluster: scan, select, set, commit, fetch, build and apply.
    Controller(Box<controller::ControllerArgs>),
    /// Print the custom resource definitions.
    Crds(crds::CrdsArgs),
    /// Write the generated part of docs/.
    #[command(hide = true)]
    Reference(reference::ReferenceArgs),
    /// Watch the main job work on real parts: a registry, a Git server and a repository made for it.
    Demo(demo::DemoArgs),
}

/// Why a command does not end with exit code 0.
#[derive(Debug)]
pub(crate) struct Failure {
    code: u8,
    message: String,
    hint: Option<String>,
}

impl Failure {
    /// The work failed, or the answer is "no": exit code 1.
    pub(crate) fn failed(reason: impl fmt::Display) -> Self {
        Self {
            code: 1,
            message: reason.to_string(),
            hint: None,
        }
    }

    /// The input is wrong: exit code 2.
    pub(crate) fn invalid(reason: impl fmt::Display) -> Self {
        Self {
            code: 2,
            message: reason.to_string(),
            hint: None,
        }
    }

    /// Exit code 1 without a message, because the command has already said why.
    pub(crate) fn silent() -> Self {
        Self {
            code: 1,
            message: String::new(),
            hint: None,
        }
    }

    /// Adds a line that says what to do.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::failed(format!("cannot write the output: {error}"))
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::failed(format!("{error:#}"))
    }
}

/// Runs the command that the process was started with.
#[must_use]
pub fn run() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version go to standard output with code 0, errors to standard error with code 2.
            drop(error.print());
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    let (level, encoding) = match &cli.command {
        Command::Controller(args) => ("info", args.log_encoding()),
        _ => ("warn", Encoding::Console),
    };
    let result = crate::telemetry::init(cli.log_level.as_deref().unwrap_or(level), encoding)
        .map_err(Failure::invalid)
        .and_then(|()| dispatch(cli.command));
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if !failure.message.is_empty() {
                eprintln!("error: {}", failure.message);
            }
            if let Some(hint) = failure.hint {
                eprintln!("hint: {hint}");
            }
            ExitCode::from(failure.code)
        }
    }
}

fn dispatch(command: Command) -> Result<(), Failure> {
    match command {
        Command::Policy(command) => command.run(),
        Command::Set(args) => args.run(),
        Command::Markers(args) => args.run(),
        Command::Scan(args) => args.run(),
        Command::Update(args) => args.run(),
        Command::Build(args) => args.run(),
        Command::Envsubst(args) => args.run(),
        Command::Controller(args) => args.run(),
        Command::Crds(args) => args.run(),
        Command::Reference(args) => args.run(),
        Command::Demo(args) => args.run(),
    }
}

/// Starts the runtime for a command that talks to the network, and ends the command when the user interrupts or terminates
/// it. A command that ends well by itself then is asked first.
fn block_on<T>(future: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::failed(format!("cannot start the runtime: {error}")))?;
    runtime.block_on(async {
        let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())
            .map_err(|error| Failure::failed(format!("cannot listen for signals: {error}")))?;
        tokio::select! {
            biased;
            result = future => result,
            _ = tokio::signal::ctrl_c() => Err(Failure::failed("interrupted")),
            _ = terminate.recv() => Err(Failure::failed("terminated")),
        }
    })
}
