//! `fluxbot policy select` and `fluxbot policy explain`.

use std::io::{self, Read as _, Write as _};

use clap::{Args, Subcommand};
use serde::Serialize;

use super::Failure;
use super::output::{self, OutputFormat};
use crate::image::TagSnapshot;
use crate::policy::{self, InvalidPolicy, Order, Policy, SelectError, TagFilter};

/// Try a policy on a list of tags.
#[derive(Debug, Subcommand)]
pub(super) enum PolicyCommand {
    /// Print the tag that a policy selects from the tags on standard input, one a line.
    #[command(after_help = "Example:\n  printf '1.0.0\\n1.0.1\\n' | fluxbot policy select --semver 1.0.x")]
    Select(PolicyArgs),
    /// Print what a policy says of each tag on standard input, best first.
    #[command(after_help = "Example:\n  printf '1.0.0\\n2.0.0\\n' | fluxbot policy explain --semver 1.0.x")]
    Explain {
        #[command(flatten)]
        policy: PolicyArgs,
        /// The form of the output.
        #[arg(long, short, value_enum, default_value_t)]
        output: OutputFormat,
    },
}

#[derive(Debug, Args)]
pub(super) struct PolicyArgs {
    #[command(flatten)]
    rule: RuleArgs,
    /// Regular expression (Go's dialect) that a tag must match.
    #[arg(long, value_name = "RE", allow_hyphen_values = true)]
    filter_pattern: Option<String>,
    /// What of the match is compared, for example `$ts` or `${ts}`.
    #[arg(
        long,
        value_name = "TEMPLATE",
        requires = "filter_pattern",
        allow_hyphen_values = true
    )]
    filter_extract: Option<String>,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct RuleArgs {
    /// The highest semantic version in this range, for example `1.0.x` or `>=1.0.0 <2.0.0`.
    #[arg(long, value_name = "RANGE", allow_hyphen_values = true)]
    semver: Option<String>,
    /// The last tag in alphabetical order (asc), or the first (desc).
    #[arg(long, value_name = "asc|desc")]
    alphabetical: Option<Order>,
    /// The highest number (asc), or the lowest (desc).
    #[arg(long, value_name = "asc|desc")]
    numerical: Option<Order>,
}

impl PolicyArgs {
    fn compile(&self) -> Result<(Policy, Option<TagFilter>), InvalidPolicy> {
        let policy = match (&self.rule.semver, self.rule.alphabetical, self.rule.numerical) {
            (Some(range), _, _) => Policy::semver(range)?,
            (None, Some(order), _) => Policy::Alphabetical(order),
            (None, None, order) => Policy::Numerical(order.unwrap_or(Order::Ascending)),
        };
        let extract = self.filter_extract.as_deref();
        let filter = self
            .filter_pattern
            .as_deref()
            .map(|pattern| TagFilter::compile(pattern, extract))
            .transpose()?;
        Ok((policy, filter))
    }
}

#[derive(Serialize)]
struct VerdictRow {
    tag: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<String>,
    verdict: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<String>,
}

impl PolicyCommand {
    pub(super) fn run(self) -> Result<(), Failure> {
        match self {
            Self::Select(args) => select(&args),
            Self::Explain { policy, output } => explain(&policy, output),
        }
    }
}

fn select(args: &PolicyArgs) -> Result<(), Failure> {
    let (policy, filter) = args.compile().map_err(Failure::invalid)?;
    let tags = read_tags()?;
    match policy::select(&tags, &policy, filter.as_ref()) {
        Ok(tag) => output::tolerate_closed_pipe(writeln!(io::stdout(), "{tag}")),
        Err(error @ SelectError::InvalidNumber { .. }) => Err(Failure::invalid(error)),
        Err(error) => Err(Failure::failed(error)),
    }
}

fn explain(args: &PolicyArgs, format: OutputFormat) -> Result<(), Failure> {
    let (policy, filter) = args.compile().map_err(Failure::invalid)?;
    let tags = read_tags()?;
    let rows: Vec<VerdictRow> = policy::explain(&tags, &policy, filter.as_ref())
        .into_iter()
        .map(|verdict| VerdictRow {
            verdict: verdict.outcome.word(),
            rule: verdict.outcome.rule().map(ToString::to_string),
            tag: verdict.tag,
            value: verdict.value,
        })
        .collect();
    output::print(format, &rows, |out| {
        let mut lines = Vec::new();
        for row in &rows {
            let rule = row.rule.clone().unwrap_or_default();
            let value = row
                .value
                .as_ref()
                .map(|value| format!("compares as '{value}'"))
                .unwrap_or_default();
            let why = if rule.is_empty() { value } else { rule };
            lines.push(vec![row.tag.clone(), row.verdict.to_owned(), why]);
        }
        output::table(out, &lines)
    })
}

/// Reads one tag a line; empty lines are no tags.
fn read_tags() -> Result<TagSnapshot, Failure> {
    // All at once: each line read for itself is copied twice.
    let mut text = String::new();
    io::stdin()
        .lock()
        .read_to_string(&mut text)
        .map_err(|error| Failure::invalid(format!("cannot read tags from standard input: {error}")))?;
    let lines = text.lines().map(|line| {
        let tag = line.trim_end_matches('\r');
        tag.strip_prefix('\u{feff}').unwrap_or(tag)
    });
    let tags = lines.filter(|tag| !tag.trim().is_empty());
    Ok(TagSnapshot::new(tags.map(str::to_owned).collect()))
}
