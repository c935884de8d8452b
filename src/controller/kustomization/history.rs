//! `status.history`: what was built, what became of it, and how often; no input, no output.

use std::collections::BTreeMap;
use std::time::Duration;

use fluxbot_api::Reason;
use fluxbot_api::kustomize::HistoryEntry;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::controller::outcome::whole_seconds;

/// How many entries are kept, as in Flux.
const MAX_ENTRIES: usize = 5;

/// One reconciliation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record<'a> {
    /// Digest of the built objects.
    pub digest: &'a str,
    /// The reason that `Ready` got.
    pub result: Reason,
    /// The revision that was built.
    pub revision: &'a str,
    /// The revision of the source code from which the artifact was made, if it names one.
    pub origin_revision: Option<&'a str>,
    /// How long it took.
    pub duration: Duration,
    /// When it ended.
    pub at: Timestamp,
}

/// Counts a reconciliation: up, when the same objects had the same result before, or as a new entry in front.
pub fn record(history: &mut Vec<HistoryEntry>, record: &Record<'_>) {
    let now = Time(whole_seconds(record.at));
    let result = record.result.as_str();
    let place = history
        .iter()
        .position(|entry| entry.digest == record.digest && entry.last_reconciled_status == result);
    let known = place.map(|place| history.remove(place));
    let mut metadata = BTreeMap::from([("revision".to_owned(), record.revision.to_owned())]);
    if let Some(origin) = record.origin_revision {
        metadata.insert("originRevision".to_owned(), origin.to_owned());
    }
    let entry = HistoryEntry {
        digest: record.digest.to_owned(),
        first_reconciled: known
            .as_ref()
            .map_or_else(|| now.clone(), |known| known.first_reconciled.clone()),
        last_reconciled: now,
        last_reconciled_duration: record.duration.into(),
        last_reconciled_status: result.to_owned(),
        metadata,
        total_reconciliations: known.map_or(1, |known| known.total_reconciliations.saturating_add(1)),
    };
    history.insert(0, entry);
    history.truncate(MAX_ENTRIES);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn run(history: &mut Vec<HistoryEntry>, digest: &str, result: Reason, second: i64) {
        let record = Record {
            digest,
            result,
            revision: "main@sha1:1",
            origin_revision: None,
            duration: Duration::from_millis(1500),
            at: at(second),
        };
        super::record(history, &record);
    }

    fn shape(history: &[HistoryEntry]) -> Vec<String> {
        let line = |entry: &HistoryEntry| {
            format!(
                "{} {} x{} {}..{}",
                entry.digest,
                entry.last_reconciled_status,
                entry.total_reconciliations,
                entry.first_reconciled.0.as_second(),
                entry.last_reconciled.0.as_second(),
            )
        };
        history.iter().map(line).collect()
    }

    #[test]
    fn the_same_objects_with_the_same_result_are_counted_up_and_come_first() {
        let mut history = Vec::new();
        run(&mut history, "a", Reason::HealthCheckFailed, 1);
        run(&mut history, "a", Reason::ReconciliationSucceeded, 2);
        run(&mut history, "b", Reason::ReconciliationSucceeded, 3);
        run(&mut history, "a", Reason::ReconciliationSucceeded, 4);
        assert_eq!(
            shape(&history),
            [
                "a ReconciliationSucceeded x2 2..4",
                "b ReconciliationSucceeded x1 3..3",
                "a HealthCheckFailed x1 1..1",
            ]
        );
        assert_eq!(history[0].last_reconciled_duration.as_str(), "1.5s");
        assert_eq!(history[0].metadata["revision"], "main@sha1:1");
    }

    #[test]
    fn only_the_last_five_are_kept() {
        let mut history = Vec::new();
        for (second, digest) in (0..).zip(["a", "b", "c", "d", "e", "f"]) {
            run(&mut history, digest, Reason::ReconciliationSucceeded, second);
        }
        let digests: Vec<&str> = history.iter().map(|entry| entry.digest.as_str()).collect();
        assert_eq!(digests, ["f", "e", "d", "c", "b"]);
    }
}
