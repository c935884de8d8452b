//! How lists are printed: aligned text, JSON or YAML.

use std::io::{self, Write};

use clap::ValueEnum;
use serde::Serialize;

use super::Failure;

/// The form of a command's output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(super) enum OutputFormat {
    /// Lines for people.
    #[default]
    Text,
    /// One JSON document.
    Json,
    /// One YAML document.
    Yaml,
}

/// Prints `value` as JSON or YAML, or calls `text`.
pub(super) fn print<T: Serialize>(
    format: OutputFormat,
    value: &T,
    text: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<(), Failure> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    let written = match format {
        OutputFormat::Text => text(&mut out),
        OutputFormat::Json => serde_json::to_string_pretty(value)
            .map_err(io::Error::other)
            .and_then(|text| writeln!(out, "{text}")),
        OutputFormat::Yaml => yaml_serde::to_string(value)
            .map_err(io::Error::other)
            .and_then(|text| write!(out, "{text}")),
    };
    tolerate_closed_pipe(written.and_then(|()| out.flush()))
}

/// A reader that has seen enough (`| head`) is no failure.
pub(super) fn tolerate_closed_pipe(result: io::Result<()>) -> Result<(), Failure> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => Ok(other?),
    }
}

/// Prints rows as columns, two spaces apart, the first row as the header.
pub(super) fn table(out: &mut dyn Write, rows: &[Vec<String>]) -> io::Result<()> {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter()
            .filter_map(|row| row.get(column))
            .map(|c| c.chars().count())
            .max()
    };
    let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
    for row in rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            line.push_str(cell);
            line.extend(std::iter::repeat_n(' ', width - cell.chars().count() + 2));
        }
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}
