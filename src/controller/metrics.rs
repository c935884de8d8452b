//! The figures that `/metrics` shows, with Flux's names where Flux has them.

use std::fmt;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{
    DescriptorEncoder, EncodeLabelSet, EncodeLabelValue, EncodeMetric, LabelValueEncoder,
};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets_range};
use prometheus_client::registry::Registry;

use crate::objects::ObjectKey;

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RunResult {
    /// `Ready` is `True`.
    Success,
    /// It will be tried again.
    Error,
    /// Only a change of the object can help.
    Stalled,
    /// It panicked.
    Panic,
}

impl EncodeLabelValue for RunResult {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), fmt::Error> {
        let word = match self {
            Self::Success => "success",
            Self::Error => "error",
            Self::Stalled => "stalled",
            Self::Panic => "panic",
        };
        word.encode(encoder)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ObjectLabels {
    kind: &'static str,
    name: String,
    namespace: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResultLabels {
    kind: &'static str,
    result: RunResult,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KindLabels {
    kind: &'static str,
}

/// The memory of the process, read when it is asked for.
#[derive(Debug)]
struct Memory;

impl Collector for Memory {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        // Linux only; elsewhere the figure is missing. The page size is that of all platforms that the program is built for.
        let Ok(statm) = std::fs::read_to_string("/proc/self/statm") else {
            return Ok(());
        };
        let pages: Option<i64> = statm
            .split_whitespace()
            .nth(1)
            .and_then(|pages| pages.parse().ok());
        let gauge = ConstGauge::new(pages.unwrap_or_default().saturating_mul(4096));
        let help = "Resident memory size in bytes";
        let encoder =
            encoder.encode_descriptor("process_resident_memory_bytes", help, None, gauge.metric_type())?;
        gauge.encode(encoder)
    }
}

/// The figures of the process.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    durations: Family<ObjectLabels, Histogram>,
    results: Family<ResultLabels, Counter>,
    invalid: Family<KindLabels, Counter>,
    queued: Family<KindLabels, Gauge>,
    running: Family<KindLabels, Gauge>,
    dropped_events: Counter<u64, AtomicU64>,
    leading: Gauge,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::default();
        let durations = Family::new_with_constructor(duration_histogram as fn() -> Histogram);
        let metrics = Self {
            durations,
            results: Family::default(),
            invalid: Family::default(),
            queued: Family::default(),
            running: Family::default(),
            dropped_events: Counter::default(),
            leading: Gauge::default(),
            registry: Registry::default(),
        };
        registry.register(
            "gotk_reconcile_duration_seconds",
            "The duration in seconds of a reconciliation",
            metrics.durations.clone(),
        );
        registry.register(
            "fluxbot_reconciles",
            "Reconciliations by how they ended",
            metrics.results.clone(),
        );
        registry.register(
            "fluxbot_invalid_objects",
            "Objects that were stored under another schema and cannot be understood, each time one was seen",
            metrics.invalid.clone(),
        );
        registry.register(
            "fluxbot_queued_objects",
            "Objects that are due and wait",
            metrics.queued.clone(),
        );
        registry.register(
            "fluxbot_running_objects",
            "Objects that are worked on",
            metrics.running.clone(),
        );
        registry.register(
            "fluxbot_dropped_events",
            "Events that could not be published in time",
            metrics.dropped_events.clone(),
        );
        registry.register(
            "fluxbot_leading",
            "1 while this process holds the lease",
            metrics.leading.clone(),
        );
        registry.register_collector(Box::new(Memory));
        Self { registry, ..metrics }
    }
}

impl Metrics {
    /// A run has ended.
    pub fn ran(&self, kind: &'static str, key: &ObjectKey, result: RunResult, duration: Duration) {
        let labels = object_labels(kind, key);
        self.durations
            .get_or_create(&labels)
            .observe(duration.as_secs_f64());
        self.results.get_or_create(&ResultLabels { kind, result }).inc();
    }

    /// An object is gone: nothing more is said of it.
    pub fn forget(&self, kind: &'static str, key: &ObjectKey) {
        self.durations.remove(&object_labels(kind, key));
    }

    /// An object cannot be understood.
    pub fn invalid_object(&self, kind: &'static str) {
        self.invalid.get_or_create(&KindLabels { kind }).inc();
    }

    /// How many objects wait and how many are worked on.
    pub fn load(&self, kind: &'static str, queued: usize, running: usize) {
        let labels = KindLabels { kind };
        self.queued
            .get_or_create(&labels)
            .set(i64::try_from(queued).unwrap_or(i64::MAX));
        self.running
            .get_or_create(&labels)
            .set(i64::try_from(running).unwrap_or(i64::MAX));
    }

    /// An event was dropped.
    pub fn event_dropped(&self) {
        self.dropped_events.inc();
    }

    /// Whether this process leads.
    pub fn leading(&self, leads: bool) {
        self.leading.set(i64::from(leads));
    }

    /// Writes all figures in the `OpenMetrics` text format. The figures are locked meanwhile: `out` must not wait.
    pub fn write(&self, out: &mut impl fmt::Write) -> Result<(), fmt::Error> {
        prometheus_client::encoding::text::encode(out, &self.registry)
    }
}

fn duration_histogram() -> Histogram {
    // Flux's ten buckets.
    Histogram::new(exponential_buckets_range(0.01, 1800.0, 10))
}

fn object_labels(kind: &'static str, key: &ObjectKey) -> ObjectLabels {
    ObjectLabels {
        kind,
        name: key.name.clone(),
        namespace: key.namespace.clone(),
    }
}
