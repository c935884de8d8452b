//! Logging to standard error.

use std::fmt;
use std::io::IsTerminal as _;

use jiff::Timestamp;
use serde_json::{Map, Value, json};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// How a line of the log looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Encoding {
    /// For people.
    #[default]
    Console,
    /// One JSON object a line, with the keys that `flux logs` reads.
    Json,
}

/// The text is no log filter.
#[derive(Debug, thiserror::Error)]
#[error("invalid log level '{filter}': {reason}")]
pub struct InvalidFilter {
    filter: String,
    reason: String,
}

/// Starts logging for the whole process. A second call changes nothing.
pub fn init(filter: &str, encoding: Encoding) -> Result<(), InvalidFilter> {
    // A word alone would be read as the name of a module, and then nothing is logged.
    let is_word = filter.chars().all(char::is_alphanumeric);
    if is_word && filter.parse::<LevelFilter>().is_err() {
        let reason = "must be off, error, warn, info, debug or trace".to_owned();
        return Err(InvalidFilter {
            filter: filter.to_owned(),
            reason,
        });
    }
    let parsed = EnvFilter::try_new(filter).map_err(|error| InvalidFilter {
        filter: filter.to_owned(),
        reason: error.to_string(),
    })?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(parsed)
        .with_writer(std::io::stderr);
    // Fails only when a subscriber exists already, as in tests.
    drop(match encoding {
        Encoding::Console => builder.with_ansi(std::io::stderr().is_terminal()).try_init(),
        Encoding::Json => builder.event_format(JsonLines).try_init(),
    });
    Ok(())
}

/// Flux's log lines: `level`, `ts`, `msg`, and the fields beside them.
struct JsonLines;

impl<S, N> FormatEvent<S, N> for JsonLines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let metadata = event.metadata();
        let mut fields = Fields(Map::new());
        let level = metadata.level().as_str().to_lowercase();
        fields.0.insert("level".to_owned(), json!(level));
        fields
            .0
            .insert("ts".to_owned(), json!(format!("{:.3}", Timestamp::now())));
        fields.0.insert("logger".to_owned(), json!(metadata.target()));
        event.record(&mut fields);
        writeln!(writer, "{}", Value::Object(fields.0))
    }
}

struct Fields(Map<String, Value>);

impl Fields {
    fn put(&mut self, field: &Field, value: Value) {
        let name = match field.name() {
            "message" => "msg",
            "kind" => "controllerKind",
            name => name,
        };
        self.0.insert(name.to_owned(), value);
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, json!(format!("{value:?}")));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, json!(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, json!(value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, json!(value));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, json!(value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, json!(value));
    }
}
